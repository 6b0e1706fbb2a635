"""A kit's devices and streams in the center's directory: found, opened, kept over outages and restarts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.base.errors import LinkDown, NotFound, PeerError
from gateway.contract.fleet import KitAbout
from gateway.contract.home import ApiAnswer
from gateway.model.device import DeviceState
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import KitState
from gateway.model.media import StreamState
from gateway.model.picture import PictureLevel
from gateway.model.principal import Principal, Role
from gateway.model.ptz import PtzHolder
from tests.fakes.loop import advance, by_hand, settle
from tests.unit.core.a_kit import BALL, FRONT, FRONT_STATUS, LOUDSPEAKER, OPS_STATUS, ABundle, a_kit
from tests.unit.core.house import ADMIN, VIEWER, House, a_house, housed
from tests.unit.core.test_fleet import AWay


def live(house: House) -> int:
    leg = house.engine.newest_leg(FRONT)
    house.engine.media(leg)
    house.engine.track(house.engine.legs[leg])
    return leg


@housed
async def test_one_flat_directory(house: House) -> None:
    await house.core.devices.admit("gb28181", "34020000001320000009", name="gate", by="tina")
    await a_kit(house)
    directory = house.core.directory
    assert [device.id for device in directory.devices(VIEWER)] == ["kit1/gate", "kit7/ball-1"]
    assert [device.id for device in directory.devices(VIEWER, "ball")] == ["kit7/ball-1"]
    assert [device.id for device in directory.devices(VIEWER, state=DeviceState.OFFLINE)] == ["kit1/gate"]
    for ref in ("kit7/ball-1", "kit7/ball-1/ch1"):
        assert directory.device(VIEWER, ref) == BALL
    for ref in (FRONT, "kit7/ball-1"):
        assert directory.stream(VIEWER, ref).id == FRONT
    assert [status.id for status in directory.streams(VIEWER, "front")] == [FRONT]
    with pytest.raises(NotFound):
        directory.device(VIEWER, "ball-1")
    other = Principal("lena", Role.VIEWER, "s", scope="kit8")
    assert directory.devices(other) == [] and directory.streams(other) == []


@housed
async def test_a_picture_is_opened_once_however_many_watch(house: House) -> None:
    _, bundle = await a_kit(house)
    streams = house.core.streams
    async with streams.view(FRONT, VIEWER, "whep"), streams.view(FRONT, ADMIN, "whep"):
        await settle()
        assert bundle.opened == [FRONT]
        live(house)
        await settle()
        assert streams.status(FRONT).state is StreamState.LIVE
    await advance(11.0)
    assert streams.status(FRONT).state is StreamState.IDLE


@housed
async def test_viewers_stay_while_the_kit_is_away(house: House) -> None:
    hold, bundle = await a_kit(house)
    streams = house.core.streams
    async with streams.view(FRONT, VIEWER, "whep") as viewing:
        await settle()
        leg = live(house)
        await settle()
        hold.reachable(False, "kit-unreachable")
        device = house.core.directory.device(VIEWER, "kit7/ball-1")
        assert (device.state, device.code, device.detail) == (DeviceState.OFFLINE, "kit-offline", "kit-unreachable")
        assert device.since == house.core.fleet.kit(VIEWER, "kit7").since and not device.channels[0].online
        # What still flows is not cut; what stopped waits for the kit.
        assert viewing.status.state is StreamState.LIVE
        house.engine.leg_event(leg, "stalled")
        await settle()
        assert (viewing.status.state, viewing.status.code) == (StreamState.OFFLINE, "kit-unreachable")
        await advance(120.0)
        assert bundle.opened == [FRONT]
        hold.reachable(True)
        await settle()
        assert bundle.opened == [FRONT, FRONT] and viewing.status.state is StreamState.OPENING
        assert house.core.directory.device(VIEWER, "kit7/ball-1").state is DeviceState.ONLINE


@housed
async def test_the_state_of_a_device_at_home_is_shown_and_holds_nothing_back(house: House) -> None:
    """A source that nobody could open yet is offline there: whether it is worth trying is for the kit to say."""
    hold, bundle = await a_kit(house)
    hold.device(replace(BALL, state=DeviceState.OFFLINE, code="connect-refused"))
    assert house.core.directory.device(VIEWER, "kit7/ball-1").code == "connect-refused"
    async with house.core.streams.view(FRONT, VIEWER, "whep"):
        await settle()
        assert bundle.opened == [FRONT]


@housed
async def test_the_better_way_has_the_word_while_something_passes_by_it(house: House) -> None:
    hold, _ = await a_kit(house)
    broker = house.core.fleet.kit_up("kit7", KitAbout(boot=3), AWay("mqtt"))
    # What comes by messages is older, or not all.
    broker.devices([])
    broker.device(replace(BALL, name="older"))
    broker.device_gone(BALL.id)
    directory = house.core.directory
    assert directory.device(VIEWER, "kit7/ball-1").name == BALL.name and house.core.streams.has(FRONT)
    broker.device(replace(BALL, name="newer"))
    hold.reachable(False, "kit-unreachable")
    assert directory.device(VIEWER, "kit7/ball-1").name == "newer"
    hold.reachable(True)
    assert directory.device(VIEWER, "kit7/ball-1").name == BALL.name
    hold.down("kit-offline")
    broker.device_gone(BALL.id)
    assert not house.core.streams.has(FRONT)


@housed
async def test_by_messages_alone_there_are_no_pictures(house: House) -> None:
    hold, _ = await a_kit(house)
    hold.down("kit-offline")
    broker = house.core.fleet.kit_up("kit7", KitAbout(boot=3), AWay("mqtt"))
    broker.devices([BALL])
    assert house.core.directory.device(VIEWER, "kit7/ball-1").state is DeviceState.ONLINE
    async with house.core.streams.view(FRONT, VIEWER, "whep") as viewing:
        await settle()
        assert (viewing.status.state, viewing.status.code) == (StreamState.OFFLINE, "kit-no-bundle")


@housed
async def test_while_all_links_are_cut_nobody_is_told_to_pair_the_kit(house: House) -> None:
    """A broker notices later that they are, or has a way of its own: meanwhile the kit is here by messages."""
    hold, bundle = await a_kit(house)
    house.core.fleet.kit_up("kit7", KitAbout(boot=3), AWay("mqtt")).devices([BALL])
    async with house.core.streams.view(FRONT, VIEWER, "whep") as viewing:
        await settle()
        leg = live(house)
        hold.reachable(False, "kit-unreachable")
        house.engine.leg_event(leg, "stalled")
        await settle()
        assert (viewing.status.state, viewing.status.code) == (StreamState.OFFLINE, "kit-bundle-cut")
        kit = house.core.fleet.kit(VIEWER, "kit7")
        assert (kit.state, kit.code) == (KitState.DEGRADED, "kit-bundle-cut")
        with pytest.raises(LinkDown) as cut:
            house.core.fleet.known("kit7").carrying()  # type: ignore[union-attr]
        assert cut.value.code == "kit-bundle-cut"
        hold.reachable(True)
        await settle()
        assert bundle.opened == [FRONT, FRONT]
        # The session itself is over: that is another matter.
        hold.down("kit-offline")
        assert house.core.fleet.kit(VIEWER, "kit7").code == "kit-no-bundle"


@housed
async def test_a_snapshot_is_made_at_the_kit(house: House) -> None:
    _, bundle = await a_kit(house)
    made = await house.core.snapshots.take(FRONT, VIEWER, height=180, quality=40)
    assert made.jpeg == b"jpeg 180 40" and bundle.opened == []
    bundle.failing = LinkDown("no path", code="kit-unreachable")
    await advance(2.0)
    with pytest.raises(LinkDown):
        await house.core.snapshots.take(FRONT, VIEWER, height=180, quality=40)
    assert (await house.core.snapshots.take(FRONT, VIEWER, height=180, quality=40, last=True)).jpeg == b"jpeg 180 40"


@housed
async def test_what_is_no_more_goes(house: House) -> None:
    hold, _ = await a_kit(house)
    async with house.core.streams.view(FRONT, VIEWER, "whep") as viewing:
        hold.stream(replace(FRONT_STATUS, state=StreamState.REMOVED))
        await settle()
        assert viewing.status.state is StreamState.REMOVED
    hold.streams([FRONT_STATUS])
    hold.device_gone(BALL.id)
    assert house.core.directory.devices(VIEWER) == [] and house.core.directory.streams(VIEWER) == []
    hold.devices([BALL])
    hold.devices([replace(BALL, id=DeviceId("kit7/ball-2"))])
    assert [device.id for device in house.core.directory.devices(VIEWER)] == ["kit7/ball-2"]


@housed
async def test_a_renamed_stream_keeps_its_viewers(house: House) -> None:
    hold, bundle = await a_kit(house)
    async with house.core.streams.view(FRONT, VIEWER, "whep") as viewing:
        await settle()
        hold.stream(replace(FRONT_STATUS, title="Gate", state=StreamState.LIVE))
        assert viewing.status.title == "Gate" and viewing.status.state is StreamState.OPENING
        assert bundle.opened == [FRONT]


@housed
async def test_whoever_holds_a_camera_there_is_shown_here(house: House) -> None:
    hold, bundle = await a_kit(house)
    holder = PtzHolder("wang", "s", 2, 9.0)
    hold.holder(FRONT, holder)
    assert house.core.presets.holder(FRONT) == holder
    bundle.answers({"holder": None, "presets": [{"number": 3, "name": "Gate"}]})
    assert [preset.name for preset in await house.core.presets.presets(VIEWER, FRONT)] == ["Gate"]
    ((request, who),) = bundle.asked
    assert (request.path, who) == (f"/api/v1/streams/{FRONT}/ptz", VIEWER)
    bundle.answers({"levels": [{"name": "contrast", "low": 0, "high": 9, "now": 1}], "modes": [], "day_night": None})
    assert (await house.core.pictures.now(VIEWER, FRONT)).levels == (PictureLevel("contrast", 0, 9, 1),)
    refusal = {"code": "no-picture-setting", "detail": "gate offers no image settings"}
    bundle.answer = ApiAnswer(422, {}, json.dumps(refusal).encode())
    with pytest.raises(PeerError, match="gate offers") as refused:
        await house.core.pictures.now(VIEWER, FRONT)
    assert refused.value.code == "no-picture-setting"
    hold.down("kit-offline")
    with pytest.raises(LinkDown):
        await house.core.pictures.now(VIEWER, FRONT)
    assert house.core.presets.holder(FRONT) is None
    assert await house.core.presets.presets(VIEWER, FRONT) == ()


@housed
async def test_positions_of_a_kit_have_a_trail_here(house: House) -> None:
    await a_kit(house)
    assert await house.core.positions.trail(VIEWER, "kit7/ball-1") == []
    with pytest.raises(NotFound):
        await house.core.positions.trail(VIEWER, "a/b/c/d")


def test_known_after_a_restart_of_the_center(tmp_path: Path) -> None:
    @by_hand
    async def runs() -> None:
        async with a_house(tmp_path) as house:
            await a_kit(house)
            await advance(6.0)
            await house.core.store.db.write(lambda _conn: None)
        async with a_house(tmp_path) as house:
            (device,) = house.core.directory.devices(VIEWER)
            assert (device.id, device.state, device.code) == ("kit7/ball-1", DeviceState.OFFLINE, "kit-offline")
            status = house.core.directory.stream(VIEWER, "kit7/ball-1")
            assert (status.id, status.title) == (FRONT, "Front")
            async with house.core.streams.view(FRONT, VIEWER, "whep") as viewing:
                assert (viewing.status.state, viewing.status.code) == (StreamState.OFFLINE, "kit-offline")
                _, bundle = await a_kit(house, boot=4)
                assert bundle.opened == [FRONT]
            assert [e.id for e in house.core.talk.members.endpoints()] == [LOUDSPEAKER.id]
            assert [group.id for group in house.core.fleet.groups()] == [OPS_STATUS.id]

    runs()


def test_rows_of_another_build_are_left_out(tmp_path: Path) -> None:
    @by_hand
    async def runs() -> None:
        async with a_house(tmp_path) as house:
            await a_kit(house)
            await advance(6.0)
            items = [("device", "kit7/ball-3", '{"colour": 1}'), ("stream", "kit7/ball-3/ch1", "no json")]
            house.core.store.kits.put_items("kit7", items, [])
            await house.core.store.db.write(lambda _conn: None)
        async with a_house(tmp_path) as house:
            assert [device.id for device in house.core.directory.devices(VIEWER)] == ["kit7/ball-1"]

    runs()


@housed
async def test_a_kit_that_is_unpaired_leaves_nothing(house: House) -> None:
    hold, _ = await a_kit(house)
    await advance(6.0)
    await house.core.pairings.forget_kit("kit7")
    assert house.core.directory.devices(VIEWER) == [] and house.core.talk.members.endpoints() == []
    hold.devices([BALL])
    assert house.core.directory.devices(VIEWER) == []
    await house.core.store.db.write(lambda _conn: None)
    assert house.core.store.kits.items() == []


@housed
async def test_a_revoked_kit_is_out_at_once(house: House) -> None:
    hold, _ = await a_kit(house)
    await house.core.pairings.revoke_kit("kit7", "stolen")
    kit = house.core.fleet.kit(VIEWER, "kit7")
    assert (kit.code, kit.detail, kit.ways) == ("kit-revoked", "stolen", ())
    assert house.core.directory.device(VIEWER, "kit7/ball-1").detail == "kit-revoked"
    hold.devices([])
    assert len(house.core.directory.devices(VIEWER)) == 1
    async with house.core.streams.view(StreamId(FRONT), VIEWER, "whep") as viewing:
        assert viewing.status.code == "kit-revoked"


@housed
async def test_many_voices_are_seated_once(house: House) -> None:
    hold, _ = await a_kit(house)
    looked: list[int] = []
    members = house.core.talk.members
    reconcile = members.reconcile
    members.reconcile = lambda: (looked.append(1), reconcile())[1]  # type: ignore[method-assign]
    voices = [replace(LOUDSPEAKER, id=f"kit7/ball-{n}/ch1", device=f"kit7/ball-{n}") for n in range(50)]
    hold.voices(voices)
    await settle()
    assert len(members.endpoints()) == 50 and len(looked) <= 2
    assert isinstance(house.core.fleet.known("kit7"), object) and ABundle(house).name == "uplink"
    await asyncio.sleep(0)
