"""Admission, attachment, channels with stable keys, and who knocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.base.errors import ConfigError, GatewayError, LinkDown, NotFound
from gateway.config.root import Config
from gateway.config.root import Devices as DevicesConfig
from gateway.contract.device import Admitted, ChannelReport
from gateway.contract.media import Offer, Publication
from gateway.core.facts import BusEvent
from gateway.core.slugs import slug_for
from gateway.model.device import Capabilities, DeviceState
from gateway.model.ids import DeviceId, StreamId, parse_ref
from gateway.model.principal import SYSTEM, Principal, Role
from tests.fakes.device import FakeHandler
from tests.fakes.loop import by_hand, settle
from tests.unit.core.house import House, a_house, housed
from tests.unit.core.test_streams import STREAM, Source, goes_live, turn

BALL = "34020000001320000001"


@housed
async def test_an_unknown_device_is_refused_until_admitted(house: House) -> None:
    devices, told = house.core.devices, list[tuple[str, Admitted | None]]()
    devices.on_admitted("gb28181", lambda external_id, admitted: told.append((external_id, admitted)))
    assert devices.admitted("gb28181", BALL) is None
    devices.knock("gb28181", BALL, "192.0.2.9:5060", "unknown-device")
    devices.knock("gb28181", BALL, "192.0.2.9:5060", "unknown-device")
    (pending,) = house.core.directory.pending(SYSTEM)
    assert (pending.external_id, pending.attempts) == (BALL, 2)

    device = await devices.admit("gb28181", BALL, by="tina")
    admitted = devices.admitted("gb28181", BALL)
    assert admitted is not None and device == "kit1/cam-1" == admitted.id
    assert admitted.password and admitted.password not in repr(admitted)
    assert [external_id for external_id, a in told if a is not None] == [BALL]
    assert house.core.directory.pending(SYSTEM) == []

    await devices.forget(device)
    assert devices.admitted("gb28181", BALL) is None and told[-1] == (BALL, None)


@housed
async def test_kit_password_or_its_own(house: House) -> None:
    devices = house.core.devices
    await devices.admit("gb28181", "1", by="t")
    await devices.admit("gb28181", "2", password="own", by="t")
    kit = (house.state_dir / "kit-password").read_text().strip()
    assert [a.password for a in devices.all_admitted("gb28181")] == [kit, "own"]


@by_hand
async def test_the_configuration_may_allow_ids(tmp_path: Path) -> None:
    config = replace(Config(), devices=DevicesConfig(allow=["3402000000132*", "*"]))
    async with a_house(tmp_path, config) as house:
        assert house.core.devices.admitted("gb28181", BALL) is not None
        assert house.core.devices.admitted("gb28181", "99020000001320000001") is None, "a bare * allows nobody"


@housed
async def test_the_list_of_those_who_knock_is_bounded(house: House) -> None:
    most = house.config.devices.max_pending
    for number in range(most + 50):
        house.core.devices.knock("gb28181", str(number), "192.0.2.9:5060", "unknown-device")
    pending = house.core.directory.pending(SYSTEM)
    assert len(pending) == most and pending[0].external_id == str(most + 49)
    assert "0" not in {p.external_id for p in pending}


@housed
async def test_channels_keep_their_keys(house: House) -> None:
    devices = house.core.devices
    hold = devices.attach(await devices.admit("gb28181", BALL, by="t"), FakeHandler())
    assert hold.channels([ChannelReport("a", "A"), ChannelReport("b", "B")]) == {"a": "ch1", "b": "ch2"}
    assert hold.channels([ChannelReport("b", "B"), ChannelReport("c", "C")]) == {"b": "ch2", "c": "ch3"}
    (device,) = house.core.directory.devices(SYSTEM)
    assert [c.key for c in device.channels] == ["ch2", "ch3"], "a channel no longer told is not shown"
    assert hold.channels([ChannelReport("a", "A again")], complete=False) == {"a": "ch1"}
    (device,) = house.core.directory.devices(SYSTEM)
    assert {c.key for c in device.channels} == {"ch1", "ch2", "ch3"}


@by_hand
async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        devices = house.core.devices
        id_ = await devices.admit("gb28181", BALL, name="东门", slug="gate", by="t")
        hold = devices.attach(id_, FakeHandler())
        hold.channels([ChannelReport("a", "A", capabilities=Capabilities(ptz=True))])
        hold.describe(manufacturer="Maker", model="X")
        hold.remember('{"charset": "gb18030"}')
        devices.knock("gb28181", "stranger", "192.0.2.9:5060", "unknown-device")
    async with a_house(tmp_path) as house:
        (device,) = house.core.directory.devices(SYSTEM)
        assert (device.id, device.name, device.model) == ("kit1/gate", "东门", "X")
        assert (device.state, device.code) == (DeviceState.OFFLINE, "restarted")
        assert device.channels[0].key == "ch1" and device.channels[0].capabilities.ptz
        admitted = house.core.devices.admitted("gb28181", BALL)
        assert admitted is not None and admitted.remembered == '{"charset": "gb18030"}'
        assert [p.external_id for p in house.core.directory.pending(SYSTEM)] == ["stranger"]


@housed
async def test_state_reaches_streams_and_a_replaced_hold_is_dead(house: House) -> None:
    devices, heard = house.core.devices, list[tuple[DeviceId, bool, str]]()
    id_ = await devices.admit("gb28181", BALL, by="t")
    devices.on_reachable(lambda device, online, code: heard.append((device, online, code)))
    old = devices.attach(id_, FakeHandler())
    old.state(DeviceState.ONLINE, address="192.0.2.9:5060")
    new = devices.attach(id_, FakeHandler())
    old.state(DeviceState.OFFLINE, "keepalive-lost")
    assert heard == [(id_, False, "restarted"), (id_, True, "")]
    new.state(DeviceState.OFFLINE, "keepalive-lost")
    assert heard[-1] == (id_, False, "keepalive-lost")
    with pytest.raises(LinkDown):
        devices.handler(id_)
    new.detach()
    new.seen("198.51.100.1:5060")
    left = house.core.directory.device(SYSTEM, id_)
    assert (left.address, left.code) == ("192.0.2.9:5060", "keepalive-lost"), "the reason it had stays"


@housed
async def test_what_makes_no_device(house: House) -> None:
    devices = house.core.devices
    for external_id in ("", " ", "x" * 65, "a\nb"):
        with pytest.raises(GatewayError) as refused:
            await devices.admit("gb28181", external_id, by="t")
        assert refused.value.code == "bad-request"
    with pytest.raises(NotFound):
        devices.attach(DeviceId("kit1/nobody"), FakeHandler())


async def never(publication: Publication) -> None:
    raise AssertionError("nobody watches it")


@housed
async def test_changes_of_one_turn_are_one_event(house: House) -> None:
    devices = house.core.devices
    id_ = await devices.admit("gb28181", BALL, by="t")
    await settle()
    async with house.core.bus.subscribe(SYSTEM, types=["device"]) as events:
        hold = devices.attach(id_, FakeHandler())
        hold.state(DeviceState.ONLINE)
        hold.describe(model="X")
        hold.channels([ChannelReport(str(n), "c") for n in range(8)])
        for number in range(1, 9):
            house.core.streams.offer(Offer(StreamId(f"{id_}/ch{number}"), id_, "c", never))
        await settle()
        house.core.bus.close()
        (event,) = [e async for e in events if isinstance(e, BusEvent)]
    assert event.data.model == "X" and all(c.stream for c in event.data.channels)


@housed
async def test_registering_anew_opens_a_stalled_stream_at_once(house: House) -> None:
    source, devices, streams = Source(), house.core.devices, house.core.streams
    hold = devices.attach(await devices.admit("gb28181", BALL, slug="ball-1", by="t"), FakeHandler())
    hold.state(DeviceState.ONLINE)
    streams.offer(source.offer())
    async with streams.view(STREAM, SYSTEM, "whep"):
        leg = await goes_live(house)
        house.engine.leg_event(leg, "stalled")
        await turn()
        hold.state(DeviceState.ONLINE)
        await turn()
        assert (source.opened, source.ended) == (2, 1), "not only after the patience of a stalled source"


@housed
async def test_the_directory_filters_and_keeps_scopes(house: House) -> None:
    devices = house.core.devices
    for number, name in enumerate(("东门球机", "West gate"), 1):
        hold = devices.attach(await devices.admit("gb28181", str(number), name=name, by="t"), FakeHandler())
        hold.channels([ChannelReport("a", "A"), ChannelReport("b", "B")])
    directory = house.core.directory
    assert [d.name for d in directory.devices(SYSTEM, "GATE")] == ["West gate"]
    assert [d.name for d in directory.devices(SYSTEM, "东门")] == ["东门球机"]
    assert directory.devices(SYSTEM, state=DeviceState.ONLINE) == []
    (west,) = directory.devices(SYSTEM, "west")
    narrow = Principal("n", Role.VIEWER, "s", scope=f"{west.id}/ch2")
    (seen,) = directory.devices(narrow)
    assert [c.key for c in seen.channels] == ["ch2"]
    assert west.channels[0].stream is None, "nothing can be watched before an adapter offers it"
    stream = StreamId(f"{west.id}/ch1")
    house.core.streams.offer(Offer(stream, west.id, "A", never))
    (west,) = directory.devices(SYSTEM, "west")
    assert [c.stream for c in west.channels] == [stream, None]
    assert devices.ref("west-gate/ch2") == parse_ref("kit1/west-gate/ch2", home="kit1")


@pytest.mark.parametrize(
    ("wish", "name", "external_id", "taken", "slug"),
    [
        ("gate", "", "x", set(), "gate"),
        ("gate", "", BALL, {"gate"}, "cam-1"),
        ("", "Ball 7", "x", set(), "ball-7"),
        ("", "布控球", BALL, {"ball-1"}, "ball-2"),
        ("", "", "34020000001180000001", set(), "nvr-1"),
        ("UPPER/../x", "", "x", set(), "dev-1"),
    ],
)
def test_slugs(wish: str, name: str, external_id: str, taken: set[str], slug: str) -> None:
    assert slug_for(wish, name, external_id, taken) == slug


@by_hand
async def test_devices_that_the_configuration_names_are_not_kept(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        devices, handler = house.core.devices, FakeHandler()
        declared = devices.declare("roip", "radio-1", "radio-1", "Fire channel")
        assert declared.id == "kit1/radio-1" == devices.declare("roip", "radio-1", "radio-1", "Fire").id
        hold = devices.attach(declared.id, handler)
        hold.channels([ChannelReport("radio-1", "Fire")])
        hold.state(DeviceState.ONLINE)
        (shown,) = house.core.directory.devices(SYSTEM)
        assert (shown.name, shown.state, shown.channels[0].key) == ("Fire", DeviceState.ONLINE, "ch1")
        for slug in ("talk", "No Slug"):
            with pytest.raises(ConfigError):
                devices.declare("roip", "radio-2", slug, "x")
        with pytest.raises(ConfigError, match="another name"):
            devices.declare("roip", "radio-2", "radio-1", "x")
        moved = devices.declare("roip", "radio-1", "tower", "Fire")
        assert moved.id == "kit1/tower" and len(devices.all()) == 1
        admitted = await devices.admit("gb28181", "1", name="ball", slug="ball-1", by="tina")
        with pytest.raises(ConfigError, match="admitted as kit1/ball-1"):
            devices.declare("gb28181", "1", "other", "x")
        await devices.rename(moved.id, "Police")
        devices.save_all()
        assert admitted == "kit1/ball-1"
    async with a_house(tmp_path) as house:
        assert [known.id for known in house.core.devices.all()] == ["kit1/ball-1"]
        house.core.devices.declare("roip", "radio-1", "tower", "Fire")
        await house.core.devices.forget(DeviceId("kit1/tower"))


def test_no_device_is_called_talk() -> None:
    assert slug_for("talk", "talk", "1", set()) != "talk"
