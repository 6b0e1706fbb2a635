"""A kit and its center, end to end over a bundle in memory: directory, pictures, orders, alarms, the kit's API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.uplink import asking, kit_here
from adapters.uplink.config import Link
from adapters.uplink.kit import CenterCall
from gateway import codecs
from gateway.base.errors import Denied, LinkDown
from gateway.contract.home import ApiAnswer, ApiRequest
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.command import Action, Outcome
from gateway.model.device import DeviceState
from gateway.model.forward import ForwardFile
from gateway.model.ids import DeviceId
from gateway.model.kit import KitState
from gateway.model.media import StreamState
from gateway.model.pairing import PairedKit
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import Principal, Role
from tests.unit.uplink.rig import FRONT, OTTO, VERA, Pair, a_pair, until

ADA = Principal("ada", Role.ADMINISTRATOR, "s-ada")
AUDE = Principal("aude", Role.AUDITOR, "s-aude")


async def test_the_center_lists_what_the_kit_has(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        directory = pair.center.core.directory
        await until("its ball is listed", lambda: directory.devices(VERA, "ball") and directory.streams(VERA))
        (device,) = directory.devices(VERA)
        assert (device.id, device.state, device.channels[0].stream) == ("kit7/ball-1", DeviceState.ONLINE, FRONT)
        kit = pair.center.core.fleet.kit(VERA, "kit7")
        assert (kit.state, kit.name, kit.boot, kit.address) == (KitState.ONLINE, "Kit7", 1, "192.0.2.7")
        assert kit.clock_off_s is not None and abs(kit.clock_off_s) < 5
        (itself,) = pair.kit.core.fleet.kits(VERA)
        await until("the kit sees its center", lambda: pair.kit.core.fleet.kits(VERA)[0].state is KitState.ONLINE)
        assert itself.centers[0].gateway == "county" and itself.centers[0].name == "County"
        # What changes is told.
        await pair.kit.core.devices.rename(DeviceId("kit7/ball-1"), "Gate")
        await until("the new name", lambda: directory.device(VERA, "kit7/ball-1").name == "Gate")
        await pair.kit.core.devices.forget(DeviceId("kit7/ball-1"))
        pair.kit.core.streams.forget_device(DeviceId("kit7/ball-1"))
        await until("it is gone", lambda: not directory.devices(VERA) and not directory.streams(VERA))


async def test_links_are_shown_on_both_sides(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        await until("links at the center", lambda: pair.center.core.fleet.kit(VERA, "kit7").links)
        (link,) = pair.center.core.fleet.kit(VERA, "kit7").links
        assert (link.name, link.state, link.rtt_ms, link.usable_bps) == ("lte-1", "in", 35.0, 4e6)
        (own,) = pair.kit.core.fleet.kits(VERA)[0].centers[0].links
        assert own.name == "lte-1"
        (order,) = pair.kit.engine.did("bundle_path")
        assert (order["host"], order["port"], order["kind"]) == ("127.0.0.1", 8444, "udp")


async def test_a_link_of_which_nothing_is_heard_is_not_shown_as_good(tmp_path: Path) -> None:
    """A kit whose links are all cut can not tell so: its last word called one of them good."""
    async with a_pair(tmp_path, kit={"links": [Link(name="lte-1"), Link(name="lte-2")]}) as pair:
        fleet = pair.center.core.fleet

        def shown() -> list[tuple[str, str, str]]:
            return [(link.name, link.state.value, link.code) for link in fleet.kit(VERA, "kit7").links]

        await until("both carry", lambda: [row[1] for row in shown()] == ["in", "in"])
        pair.net.path("lte-2", "")
        pair.net.kits["kit7"].stats = {"path.lte-1.state": "out", "path.lte-1.code": "path-silent"}
        pair.net.path("lte-1", "path-silent")
        await until("one is out", lambda: fleet.kit(VERA, "kit7").code == "kit-link-out")
        heard = lambda: [link.heard_at or 0.0 for link in fleet.kit(VERA, "kit7").links]  # noqa: E731
        await until("the kit tells so too", lambda: heard()[1] > heard()[0] > 0.0)
        assert shown()[1] == ("lte-2", "in", "")
        pair.net.cut()
        await until("it is said", lambda: fleet.kit(VERA, "kit7").code == "kit-unreachable")
        assert shown() == [("lte-1", "out", "path-silent"), ("lte-2", "out", "link-silent")]
        assert heard()[1] > heard()[0], "with the age of what was known"
        now, _ = await fleet.link_trails(VERA, "kit7", 1.0, 60)
        assert {link.state.value for link in now.links} == {"out"}
        pair.net.kits["kit7"].stats = {}
        pair.net.mend()
        await until("both carry again", lambda: [row[1] for row in shown()] == ["in", "in"])
        assert fleet.kit(VERA, "kit7").state is KitState.ONLINE


async def test_one_copy_of_a_picture_however_many_watch(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        streams = pair.center.core.streams
        await until("the picture is offered", lambda: streams.has(FRONT))
        async with streams.view(FRONT, VERA, "whep") as viewing, streams.view(FRONT, OTTO, "whep"):
            await until("the ball is opened", lambda: pair.opened)
            pair.kit_live()
            await until("a flow is taken", lambda: pair.center.engine.did("open_frames_in"))
            (out,) = pair.kit.engine.did("bundle_flow")
            assert (out["way"], out["klass"], out["mode"], out["playout_ms"]) == ("out", "video", "spread", 400)
            leg = pair.center.engine.newest_leg(FRONT)
            pair.center.engine.media(leg, "frames")
            pair.center.engine.track(pair.center.engine.legs[leg])
            await until("it is live", lambda: viewing.status.state is StreamState.LIVE)
            assert len(pair.opened) == 1
            # A viewer's wish for a key picture goes all the way.
            pair.center.engine.key_frame_wanted(pair.center.engine.legs[leg])
            side = pair.net.kits["kit7"].peer
            assert side is not None
            await until("a key picture is wanted", lambda: side.wanted_keys)
        streams.withdraw(FRONT)
        await until("the kit lets it go", lambda: pair.kit.engine.did("unsubscribe"))
        assert await _acts(pair.kit, "view.start") == [("center@county", FRONT)]
        assert [who for who, _ in await _acts(pair.center, "view.start")] == ["vera", "otto"]


async def test_what_the_source_waits_for_is_said_at_the_center(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        streams = pair.center.core.streams
        await until("the picture is offered", lambda: streams.has(FRONT))
        async with streams.view(FRONT, VERA, "whep") as viewing:
            await until("the ball is opened", lambda: pair.opened)
            pair.opened[0].say("waiting-media", "the ball rings")
            await until("it is said", lambda: viewing.status.code == "waiting-media")
            assert viewing.status.detail == "the ball rings"
            pair.kit.core.streams.withdraw(FRONT)
            await until("its end is said", lambda: viewing.status.state in (StreamState.WAITING, StreamState.REMOVED))


async def test_viewers_stay_while_links_are_cut_and_the_session_is_lost(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        streams, fleet = pair.center.core.streams, pair.center.core.fleet
        await until("the picture is offered", lambda: streams.has(FRONT))
        async with streams.view(FRONT, VERA, "whep") as viewing:
            await until("a flow is taken", lambda: pair.center.engine.did("open_frames_in"))
            pair.net.cut()
            await until("cut off", lambda: fleet.kit(VERA, "kit7").code == "kit-unreachable")
            assert viewing.status.state is not StreamState.REMOVED
            await until("it waits", lambda: viewing.status.state is StreamState.OFFLINE)
            assert viewing.status.code == "kit-unreachable"
            pair.net.mend()
            await until("back", lambda: fleet.kit(VERA, "kit7").state is KitState.ONLINE)
            await until("opened again", lambda: len(pair.center.engine.did("open_frames_in")) == 2)
            pair.net.down("kit7", "link-down")
            await until("offline", lambda: fleet.kit(VERA, "kit7").code == "kit-offline")
            assert viewing.status.state in (StreamState.OFFLINE, StreamState.WAITING)
            pair.net.connect("kit7")
            await until("opened a third time", lambda: len(pair.center.engine.did("open_frames_in")) == 3)
            assert viewing.status.state is StreamState.OPENING


async def test_a_camera_is_moved_by_the_kit(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        await pair.here()
        await until("the ball", lambda: pair.center.core.directory.devices(VERA))
        result = await pair.center.order(Action.PTZ_MOVE, FRONT, pan=0.5)
        assert result.outcome is Outcome.DONE
        assert pair.ball.moves[0][1].pan == 0.5
        holder = pair.center.core.presets.holder
        await until("who holds it is known", lambda: holder(FRONT) is not None)
        assert holder(FRONT).name == "otto@county"  # type: ignore[union-attr]
        # Somebody at the kit has it: the center's operator reads so.
        lena = Principal("lena", Role.TECHNICIAN, "s-lena")
        assert (await pair.kit.order(Action.PTZ_MOVE, FRONT, lena, pan=-1)).outcome is Outcome.DONE
        refused = await pair.center.order(Action.PTZ_MOVE, FRONT, pan=0.5)
        assert (refused.outcome, refused.code) == (Outcome.REFUSED, "ptz-held")
        assert ("otto@county", FRONT) in await _acts(pair.kit, "ptz.move")
        assert ("otto", FRONT) in await _acts(pair.center, "ptz.move")


async def test_a_center_has_no_more_rights_than_it_was_given(tmp_path: Path) -> None:
    async with a_pair(tmp_path, role=Role.VIEWER, scope="kit7/ball-1") as pair:
        await pair.here()
        await until("the ball", lambda: pair.center.core.directory.devices(VERA))
        refused = await pair.center.order(Action.PTZ_MOVE, FRONT, ADA, pan=0.5)
        assert (refused.outcome, refused.code) == (Outcome.REFUSED, "denied") and not pair.ball.moves
        await pair.kit.core.devices.admit("gb28181", "34020000001320000002", name="ball-2", by="tina")
        await pair.kit.core.devices.rename(DeviceId("kit7/ball-1"), "Gate")
        directory = pair.center.core.directory
        await until("the new name", lambda: directory.device(VERA, "kit7/ball-1").name == "Gate")
        assert [device.id for device in directory.devices(VERA)] == ["kit7/ball-1"]


async def test_alarms_and_positions_reach_the_center_once(tmp_path: Path) -> None:
    ball = DeviceId("kit7/ball-1")
    alarm = Alarm(ball, "ch1", "k", AlarmSeverity.MAJOR, "motion", "video", "moved", 1.8e9, 1.8e9)
    async with a_pair(tmp_path) as pair:
        await pair.here()
        await until("the outbox is joined", lambda: pair.kit.core.outbox.wanted)
        await pair.kit.core.reports.alarm(alarm)
        pair.kit.core.reports.position(Position(ball, "", 116.4, 39.9, Datum.WGS84, PositionSource.GNSS, 1.8e9, 1.8e9))
        await until("the position", lambda: pair.center.core.positions.latest(VERA))
        kept = await _alarms(pair)
        assert [one.description for one in kept] == ["moved"]
        # Cut off, it is kept at the kit and comes when the links are back.
        pair.net.cut()
        await pair.kit.core.reports.alarm(replace(alarm, key="other", description="fire"))
        await asyncio.sleep(0.1)
        assert len(await pair.center.core.alarms.recent(VERA)) == 1
        pair.net.mend()
        kept = await _alarms(pair, 2)
        assert {one.description for one in kept} == {"moved", "fire"}
        # Acknowledged at the center, it is so at the kit.
        await pair.center.order(Action.ALARM_ACKNOWLEDGE, kept[0].id)

        async with asyncio.timeout(20):
            while all(one.acknowledged_by != "otto@county" for one in await pair.kit.core.alarms.recent(VERA)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_file_takes_what_is_free_though_nobody_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle tells of rates only while pictures or voices go: a file went at 8 kbit/s beside none of them."""
    async with a_pair(tmp_path / "s") as pair:
        await pair.here()
        inbox, pieces = pair.center.core.inbox, list[int]()
        append = inbox.file_append

        async def counted(gateway: str, id_: str, offset: int, data: bytes) -> int:
            here = await append(gateway, id_, offset, data)
            pieces.append(len(data))
            return here

        monkeypatch.setattr(inbox, "file_append", counted)
        side = pair.net.kits["kit7"]
        side.stats = {"usable_bps": 8_000_000}
        session = pair.kit.adapter._calls["county"][1]._kit  # type: ignore[union-attr]
        assert session is not None
        await until("it is looked at", lambda: session._usable_bps == 8_000_000)
        (tmp_path / "clip.mp4").write_bytes(data := bytes(range(256)) * 1200)
        await until("the outbox is joined", lambda: pair.kit.core.outbox.wanted)
        id_ = await pair.kit.core.outbox.add_file(str(tmp_path / "clip.mp4"), ForwardFile("", "clip.mp4", "", 0, ""))
        await until("it is whole", lambda: sum(pieces) >= len(data))
        assert max(pieces) == 65_536, "by three quarters of what passes"
        kept, path = await inbox.file(VERA, "kit7", id_)
        assert path.read_bytes() == data and kept.complete_at is not None
        # Beside a picture it is a quarter.
        monkeypatch.setattr(type(session.giving), "count", property(lambda _self: 1))
        assert session._room_for_files() == 2_000_000.0


async def test_a_snapshot_and_the_kits_own_api(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        await pair.here()
        asked: list[tuple[ApiRequest, Principal]] = []

        async def answering(request: ApiRequest, who: Principal) -> ApiAnswer:
            asked.append((request, who))
            return ApiAnswer(200, {"content-type": "application/json", "set-cookie": "x"}, json.dumps([1]).encode())

        pair.kit.core.home.answering = answering
        fleet = pair.center.core.fleet
        answer = await fleet.ask(
            OTTO, "kit7", ApiRequest("GET", "/api/v1/devices", "q=ball", {"accept": "x", "cookie": "c"})
        )
        assert (answer.status, answer.body, dict(answer.headers)) == (200, b"[1]", {"content-type": "application/json"})
        request, who = asked[0]
        assert (request.path, request.query, request.headers) == ("/api/v1/devices", "q=ball", {"accept": "x"})
        assert (who.name, who.role, who.address) == ("otto@county", Role.OPERATOR, "10.0.0.5")
        big = ApiRequest("PATCH", "/api/v1/devices/ball-1", body=bytes(300_000))
        assert (await fleet.ask(OTTO, "kit7", big)).status == 200
        assert asked[1][0].body == bytes(300_000)
        with pytest.raises(Denied):
            await fleet.ask(VERA, "kit7", big)
        for method, path in (
            ("GET", "/api/v1/auth/login"),
            ("GET", "/api/v1/accounts"),
            ("GET", "/api/v1/kits/x/api/v1/devices"),
            ("GET", "/metrics"),
            ("GET", "/api/v1/../x"),
            ("GET", "/api/v1/devices/../pairing/centers"),
            ("GET", "/api/v1//pairing/centers"),
            ("GET", "/api/v1/of-tomorrow"),
            ("DELETE", "/api/v1/pairing/centers/province"),
            ("POST", "/api/v1/pairing/offers"),
            ("GET", "/api/v1/programs"),
            ("POST", "/api/v1/programs/drone/secret"),
            ("DELETE", "/api/v1/outbox/uplink/province"),
            ("POST", "/api/v1/commands"),
            ("POST", "/api/v1/invitations"),
            ("POST", "/api/v1/system/reload"),
        ):
            assert not asking.allowed(method, path), "nor does the kit answer it"
            with pytest.raises(Denied):
                await fleet.ask(ADA, "kit7", ApiRequest(method, path))
        assert [act for act in await _acts(pair.center, "kit.api") if act[0] == "otto"] == [("otto", "kit7")]
        pair.net.down("kit7", "link-down")
        await until("offline", lambda: not fleet.kit(VERA, "kit7").ways)
        with pytest.raises(LinkDown):
            await fleet.ask(OTTO, "kit7", ApiRequest("GET", "/api/v1/devices"))


async def test_a_kit_restarts_and_a_center_restarts(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        await pair.here()
        await pair.kit.stop()
        await until("the kit is away", lambda: not pair.center.core.fleet.kit(VERA, "kit7").ways)
        assert pair.kit.core.fleet.kits(VERA) == []
        await pair.kit.start()
        await pair.here()
        await pair.center.stop()
        await until("the center is away", lambda: pair.kit.core.fleet.kits(VERA)[0].state is KitState.OFFLINE)
        await pair.center.start(listen_udp="127.0.0.1:0")
        await until("its door is open again", lambda: pair.net.connect("kit7") or pair.net.upped >= 3)
        await pair.here()


async def test_of_two_releases_both_sides_say_so_and_it_comes_in_later(tmp_path: Path) -> None:
    words = ("we speak format 3, the center 2 to 2", "it speaks format 3, we 2 to 2")
    async with a_pair(tmp_path) as pair:
        await pair.here()
        pair.net.differ = words
        pair.net.down("kit7", "center-restarted")
        pair.net.connect("kit7")

        def at_kit() -> tuple[str, str]:
            (one,) = pair.kit.core.fleet.kits(VERA)[0].centers
            return one.code, one.detail

        def at_center() -> tuple[KitState, str, str]:
            kit = pair.center.core.fleet.kit(VERA, "kit7")
            return kit.state, kit.code, kit.detail

        await until("the kit says so", lambda: at_kit() == ("bundle-version", words[0]))
        await until("gone", lambda: not pair.center.core.fleet.kit(VERA, "kit7").ways)
        pair.net.connect("kit7")
        await until("so does the center", lambda: at_center() == (KitState.OFFLINE, "bundle-version", words[1]))
        pair.net.differ = ("", "")
        pair.net.connect("kit7")
        await pair.here()
        assert at_center()[0] is KitState.ONLINE and at_center()[1:] == ("", "")


async def test_revoked_in_the_moment_that_it_is_let_in_it_knows_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = CenterCall._met

    def late(call: CenterCall, answer: Mapping[str, Any]) -> None:
        """The center's word was read in the same breath as its answer, which is heard only now."""
        call._revoked("stolen")
        met(call, answer)

    monkeypatch.setattr(CenterCall, "_met", late)
    async with a_pair(tmp_path) as pair:
        await pair.here()

        def itself() -> tuple[KitState, str, str]:
            (one,) = pair.kit.core.fleet.kits(VERA)[0].centers
            return one.state, one.code, one.detail

        await until("the kit heard it too", lambda: itself()[0] is KitState.ONLINE)
        # The notice itself tells nothing here: all that is known is what was told before.
        assert pair.kit.adapter is not None
        ((_, call, _),) = pair.kit.adapter._calls.values()
        assert call._kit is not None
        call._kit.on_revoked = lambda _why: None
        await pair.center.core.pairings.revoke_kit("kit7", "stolen")
        await until("the kit knows", lambda: itself()[1:] == ("revoked", "stolen"))


async def test_revoked_it_is_out_and_knows_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_here, "FAREWELL_S", 60.0)
    async with a_pair(tmp_path) as pair:
        await pair.here()

        def center() -> tuple[str, str]:
            (one,) = pair.kit.core.fleet.kits(VERA)[0].centers
            return one.code, one.detail

        await until("the kit heard it too", lambda: center()[0] == "")
        # The word takes its time, as over a satellite's link: the session lasts until it has come.
        pair.net.open.clear()
        await pair.center.core.pairings.revoke_kit("kit7", "stolen")
        assert pair.center.core.fleet.kit(VERA, "kit7").code == "kit-revoked"
        await asyncio.sleep(0.7)
        assert center()[0] != "revoked"
        pair.net.open.set()
        await until("the kit knows", lambda: center() == ("revoked", "stolen"))
        pair.net.connect("kit7")
        await until("it is counted", lambda: pair.center.adapter.figures()["uplink_refused_total"] >= 1)  # type: ignore[union-attr]
        assert center() == ("revoked", "stolen")
        # Also of a center that has been started since: one that was revoked is no stranger.
        await pair.center.stop()
        await pair.center.start(listen_udp="127.0.0.1:0")
        await until("its door is open again", lambda: pair.net.doors)
        pair.net.connect("kit7")
        await until("refused", lambda: pair.center.adapter.figures()["uplink_refused_total"] >= 1)  # type: ignore[union-attr]
        assert center() == ("revoked", "stolen")
        # Admitted again with the key it has, it is let in.
        await pair.center.core.pairings.admit_kit(PairedKit("kit7", pair.kit.core.pairings.public_key()))
        pair.net.connect("kit7")
        await pair.here()
        # The kit's side revokes as well: it does not call any more.
        await pair.kit.core.pairings.revoke_center("county")
        await until("gone", lambda: not pair.center.core.fleet.kit(VERA, "kit7").ways)
        assert pair.kit.core.fleet.kits(VERA) == []


async def test_a_new_key_is_told_and_used(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        await pair.here()
        kit, center = pair.kit.core.pairings, pair.center.core.pairings
        before = kit.public_key()
        await kit.renew_key()
        await until("the new key is the kit's own", lambda: not kit.next_key() and kit.public_key() != before)
        await pair.here()
        (row,) = center.kits()
        assert (row.key, row.next_key) == (kit.public_key(), b"")
        assert pair.net.upped == 2


async def test_a_kit_that_fell_between_two_keys_finds_back(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        await pair.here()
        await pair.kit.stop()
        kit, center = pair.kit.core.pairings, pair.center.core.pairings
        await kit.renew_key()
        # The center has taken it over; the kit never heard that it had.
        await center.announce_key("kit7", codecs.bundle_keys(kit.next_key())[1], kit.public_key())
        await center.promote_key("kit7", kit.public_key())
        await pair.kit.start()
        await pair.here()
        await until("the next key is its own", lambda: not kit.next_key())


async def _acts(side: object, act: str) -> list[tuple[str, str]]:
    rows = await side.core.audit.read(AUDE)  # type: ignore[attr-defined]
    return [(row.name, row.target) for row in rows if row.act == act]


async def _alarms(pair: Pair, count: int = 1) -> list[Alarm]:
    async with asyncio.timeout(20):
        while len(found := await pair.center.core.alarms.recent(VERA)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return list(found)
