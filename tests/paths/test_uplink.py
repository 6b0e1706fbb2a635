"""A kit and its center over the real bundle: pictures, orders, alarms, and what is left when links die."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.model.command import Action, Outcome
from gateway.model.kit import KitState
from gateway.model.kit_state import FieldWord
from gateway.model.principal import SYSTEM
from tests.paths.uplink_rig import STREAM, County, comes, county, until
from tests.peers.stage import Ports, ports
from tests.unit.webrtc.client import only_loopback


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ports, Ports]]:
    only_loopback(monkeypatch)
    with ExitStack() as stack:
        yield stack.enter_context(ports()), stack.enter_context(ports())


async def test_pictures_orders_alarms_and_positions(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    async with county(tmp_path, *free) as made:
        await made.here()
        async with made.center.person() as anna, made.viewer(anna) as first:
            await first.sees(20)
            assert first.size == (320, 180)
            async with made.viewer(anna) as second:
                await second.sees(10)
                # However many watch at the center, the kit has one viewer: the center.
                (status,) = [one for one in made.kit.core.streams.all() if one.id == STREAM]
                assert status.viewers == 1
            shown = (await anna.get(f"/api/v1/streams/{STREAM}/snapshot.jpg")).content
            assert shown.startswith(b"\xff\xd8") and len(shown) > 2000

            body = {"action": "ptz.move", "target": STREAM, "args": {"pan": 0.5}}
            assert (await anna.post("/api/v1/commands", json=body)).json()["outcome"] == "done"
            await until("the ball moves", lambda: made.ball.head.moving)
            assert (await anna.post("/api/v1/commands", json=body | {"action": "ptz.stop", "args": {}})).is_success
            await until("it stops", lambda: not made.ball.head.moving)

            made.ball.press_alarm()
            alarms = await comes("its alarm", lambda: _json(anna, "/api/v1/alarms"))
            assert {one["device"] for one in alarms} == {"kit7/ball-1"}
            await until("its position", lambda: made.center.core.positions.latest(SYSTEM))
            links = (await _json(anna, "/api/v1/kits"))[0]["links"]
            assert {link["name"] for link in links} == {"lte-1", "lte-2"}

            condition = (await _json(anna, "/api/v1/kits"))[0]["condition"]
            assert condition["gateway"] == "kit7" and condition["space"]["total_bytes"] > 0, "how the kit itself stands"

            # The kit's own API, with its own words.
            answer = await anna.get("/api/v1/kits/kit7/api/v1/devices")
            assert answer.status_code == 200 and answer.json()[0]["id"] == "kit7/ball-1"


async def test_kits_and_browsers_come_to_one_port(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    at_kit, at_center = free
    one = dataclasses.replace(at_center, webrtc=at_center.other)
    async with county(tmp_path, at_kit, one) as made:
        await made.here()
        async with made.center.person() as anna, made.viewer(anna) as viewer:
            await viewer.sees(20)
            assert {port.port for port in made.center.webrtc.ports.all} == {at_center.other}
            # Either comes and goes without the other's noticing.
            await made.center.restart("webrtc")
            assert made.state()[0] in ("live", "idle") and not made.center.core.fleet.kit(SYSTEM, "kit7").code
        async with made.center.person("operator", "berta") as berta, made.viewer(berta) as viewer:
            await viewer.sees(10)
            await made.center.restart("uplink")
            await viewer.sees(20, 60.0)


async def test_a_snapshot_is_made_at_the_kit(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    async with county(tmp_path, *free) as made:
        await made.here()
        async with made.center.person("viewer") as anna:
            shown = (await anna.get(f"/api/v1/streams/{STREAM}/snapshot.jpg")).content
            assert shown.startswith(b"\xff\xd8")
            assert made.state()[0] == "idle", "nothing was opened for it at the center"


async def test_one_link_dies_and_then_all_of_them(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    async with county(tmp_path, *free) as made:
        await made.here()
        async with made.center.person() as anna, made.viewer(anna) as viewer:
            await viewer.sees(20)
            made.net.dead = 1
            await until("one link is out", lambda: _uses(made) == {"in": 1, "out": 1})
            await viewer.sees(20)
            assert made.state()[0] == "live"
            await until("the team reads ready", lambda: made.kit.core.field.state.word is FieldWord.READY)
            made.net.cut = True
            await until("it is said", lambda: made.state()[1] == "kit-unreachable")
            # The kit can not tell that its other link is cut too.
            await until("no link is shown as good", lambda: _uses(made) == {"out": 2})
            assert all(link.heard_at for link in made.center.core.fleet.kit(SYSTEM, "kit7").links)
            assert not viewer.client.ended.is_set()
            # Cut off, the kit's own people go on.
            assert (await made.kit.order(Action.PTZ_MOVE, STREAM, pan=0.5)).outcome is Outcome.DONE
            made.ball.press_alarm()
            await until("the team reads connecting", lambda: made.kit.core.field.state.word is FieldWord.CONNECTING)
            made.net.cut, made.net.dead = False, 0
            await viewer.sees(20, 60.0)
            await until("it is live", lambda: made.state() == ("live", ""))
            assert not viewer.client.ended.is_set()
            await comes("the alarm of the meantime", lambda: _json(anna, "/api/v1/alarms"))


async def test_the_kit_restarts_and_the_center_does(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    async with county(tmp_path, *free) as made:
        await made.here()
        async with made.center.person() as anna, made.viewer(anna) as viewer:
            await viewer.sees(10)
            await made.kit.stop()
            await until("the kit is gone", lambda: made.center.core.fleet.kit(SYSTEM, "kit7").state is KitState.OFFLINE)
            await until("it is said", lambda: made.state() == ("offline", "kit-stopped"))
            await made.kit.start()
            await viewer.sees(10, 60.0)
            assert not viewer.client.ended.is_set()
        await made.center.stop()
        await until("the kit knows", lambda: made.kit.core.fleet.kits(SYSTEM)[0].state is KitState.OFFLINE)
        await made.center.start()
        await made.here()
        async with made.center.person() as anna, made.viewer(anna) as viewer:
            await viewer.sees(10, 60.0)


async def test_revoked_it_is_out_at_once_and_stays_out(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    async with county(tmp_path, *free) as made:
        await made.here()
        await made.center.local("post", "/api/v1/kits/kit7/revoke", {"reason": "stolen"})
        await until("it is out", lambda: not made.center.core.fleet.kit(SYSTEM, "kit7").ways)
        await until("the kit knows", lambda: made.kit.core.fleet.kits(SYSTEM)[0].centers[0].code)
        await until("it is refused", lambda: made.center.uplink.figures()["uplink_refused_total"] >= 1)
        assert not made.center.core.fleet.kit(SYSTEM, "kit7").ways

        def shown() -> tuple[str, str]:
            (center,) = made.kit.core.fleet.kits(SYSTEM)[0].centers
            return center.code, center.detail

        await until("the kit shows why", lambda: shown() == ("revoked", "stolen"))
        # A center that was started since knows it for no stranger.
        await made.center.stop()
        await made.center.start()
        await until("it is refused anew", lambda: made.center.uplink.figures()["uplink_refused_total"] >= 1)
        await until("the kit shows the same", lambda: shown() == ("revoked", "stolen"))


async def test_a_new_key_over_the_session_that_stands(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    async with county(tmp_path, *free) as made:
        await made.here()
        kit, before = made.kit.core.pairings, made.kit.core.pairings.public_key()
        await made.kit.local("post", "/api/v1/pairing/key", {})
        await until("the new key is its own", lambda: not kit.next_key() and kit.public_key() != before)
        await made.here()


async def test_by_tcp_where_no_udp_passes(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    async with county(tmp_path, *free, kit='udp_patience = "1s"\n', links=1) as made:
        made.net.cut = True
        await made.here()
        async with made.center.person() as anna, made.viewer(anna) as viewer:
            await viewer.sees(20)
            assert (await made.center.order(Action.PTZ_MOVE, STREAM, pan=0.5)).outcome is Outcome.DONE
            made.net.cut = False
            await until("UDP has it again", lambda: made.net.carried > 50_000)
            await viewer.sees(20)


async def test_a_recording_that_was_chosen_goes_on_where_it_was_cut(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    async with county(tmp_path, *free) as made:
        await made.here()
        async with made.kit.person(name="olga") as olga, made.center.person() as anna:
            data = random.Random(5).randbytes(2_000_000)
            about = {"name": "gate.mp4", "device": "ball-1"}
            sent = await olga.post("/api/v1/outbox/files", params=about, content=data)
            assert sent.status_code == 201, sent.text

            async def come(whole: bool) -> Any:
                found = [one for one in await _json(anna, "/api/v1/kit-files") if one["received"]]
                return [one for one in found if one["complete_at"]] if whole else found

            (file,) = await comes("its first piece", lambda: come(False))
            made.net.cut = True
            fleet = made.center.core.fleet
            await until("cut off", lambda: fleet.kit(SYSTEM, "kit7").code == "kit-unreachable")
            made.net.cut = False
            (file,) = await comes("all of it", lambda: come(True), 60.0)
            assert (file["file"]["name"], file["file"]["device"]) == ("gate.mp4", "kit7/ball-1")
            got = await anna.get(f"/api/v1/kit-files/kit7/{sent.json()['id']}/file")
            assert got.content == data
            await comes("nothing waits any more", lambda: _sent(olga))


async def _sent(http: Any) -> bool:
    return await _json(http, "/api/v1/outbox/files") == []


def _uses(made: County) -> dict[str, int]:
    found: dict[str, int] = {}
    for link in made.center.core.fleet.kit(SYSTEM, "kit7").links:
        found[link.state.value] = found.get(link.state.value, 0) + 1
    return found


async def _json(http: Any, path: str) -> Any:
    return (await http.get(path)).json()
