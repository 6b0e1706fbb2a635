"""What people of a center may do at a kit, over the real bundle: the kit decides, each center by its own rights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.model.media import StreamStatus
from gateway.model.principal import SYSTEM
from tests.paths.uplink_rig import STREAM, another_center, comes, county, until
from tests.peers.stage import Ports, ports
from tests.unit.webrtc.client import only_loopback

MOVE = {"action": "ptz.move", "target": STREAM, "args": {"pan": 0.5}}
STOP = MOVE | {"action": "ptz.stop", "args": {}}


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ports, Ports, Ports]]:
    only_loopback(monkeypatch)
    with ExitStack() as stack:
        yield stack.enter_context(ports()), stack.enter_context(ports()), stack.enter_context(ports())


async def order(http: httpx.AsyncClient, body: dict[str, Any]) -> tuple[str, str]:
    """Its outcome and code."""
    told = (await http.post("/api/v1/commands", json=body)).json()
    return told["outcome"], told["code"]


def _viewers(all_: Sequence[StreamStatus]) -> list[int]:
    return [one.viewers for one in all_ if one.id == STREAM]


async def test_who_holds_a_camera_is_the_kits_to_say(tmp_path: Path, free: tuple[Ports, ...]) -> None:
    # At the kit a camera stays with whoever moved it for as long as the test needs.
    async with county(tmp_path, *free[:2], more_kit='[ptz]\nkeep = "60s"\n') as made:
        await made.here()
        holder = made.center.core.presets.holder
        async with (
            made.center.person() as anna,
            made.kit.person(name="olga") as olga,
            made.kit.person("technician", "tina") as tina,
        ):
            assert await order(anna, MOVE) == ("done", "")
            await until("the ball moves", lambda: made.ball.head.moving)
            await until("the center shows who holds it", lambda: holder(STREAM) is not None)
            assert getattr(holder(STREAM), "name", "") == "anna@county"
            # An equal at the kit waits for whoever has it, wherever that one sits; a higher one takes it.
            assert await order(olga, MOVE) == ("refused", "ptz-held")
            assert await order(tina, MOVE) == ("done", "")
            await until("the center shows the new one", lambda: getattr(holder(STREAM), "name", "") == "tina")
            assert await order(anna, MOVE) == ("refused", "ptz-held")
            answer = (await anna.get(f"/api/v1/streams/{STREAM}/ptz")).json()
            assert answer["holder"]["name"] == "tina"
            # Stopping is anybody's who may move it.
            assert await order(anna, STOP) == ("done", "")
            await until("it stops", lambda: not made.ball.head.moving)


async def test_two_centers_each_with_its_own_rights(tmp_path: Path, free: tuple[Ports, ...]) -> None:
    async with (
        county(tmp_path, *free[:2]) as made,
        another_center(made, tmp_path, "province", free[2], role="viewer", scope="kit7/ball-1") as province,
    ):
        await made.here()
        await made.kit.local(
            "post", "/api/v1/devices", {"external_id": "34020000001320000002", "id": "gate-2", "name": "Gate"}
        )
        async with made.center.person() as anna, province.person(name="paul") as paul:
            await comes("the county sees both", lambda: _devices(anna, {"kit7/ball-1", "kit7/gate-2"}))
            await comes("the province sees one", lambda: _devices(paul, {"kit7/ball-1"}))
            # An operator of the province is a viewer here.
            assert await order(paul, MOVE) == ("refused", "denied")
            assert await order(anna, MOVE) == ("done", "")
            body = {"action": "device.rename", "target": "kit7/ball-1", "args": {"name": "x"}}
            assert (await order(paul, body))[0] == "refused"
            asked = await paul.get("/api/v1/kits/kit7/api/v1/devices/gate-2")
            assert asked.status_code in (403, 404), "what is not its own is not shown by the kit's API either"
            # Both have the picture: one copy each.
            async with made.viewer(anna) as first, made.viewer(paul) as second:
                await first.sees(10)
                await second.sees(10)
                # On a busy machine a feed may have gone down a step: then it has both for the time of the change.
                await until("one copy each", lambda: _viewers(made.kit.core.streams.all()) == [2])
                # One is parted from; the other notices nothing.
                await made.kit.local("delete", "/api/v1/pairing/centers/province")
                await until("the province has it no more", lambda: not province.core.fleet.kit(SYSTEM, "kit7").ways)
                await first.sees(10)
                assert made.state() == ("live", "")


async def test_the_kits_own_api_through_the_center(tmp_path: Path, free: tuple[Ports, ...]) -> None:
    async with county(tmp_path, *free[:2]) as made:
        await made.here()
        base = "/api/v1/kits/kit7/api/v1"
        async with made.center.person() as anna, made.center.person("viewer") as vera:
            assert (await anna.get(f"{base}/devices")).json()[0]["id"] == "kit7/ball-1"
            shown = await anna.get(f"{base}/streams/{STREAM}/snapshot.jpg")
            assert shown.headers["content-type"] == "image/jpeg" and shown.content.startswith(b"\xff\xd8")
            # By the rights that the center has here: an operator's. Orders have a way of their own.
            assert (await anna.patch(f"{base}/devices/ball-1", json={"name": "x"})).status_code == 403
            assert (await vera.get(f"{base}/calls")).status_code == 403
            assert (await anna.post(f"{base}/commands", json=MOVE)).status_code == 403
            made.ball.press_alarm()
            (alarm,) = await comes("its alarm", lambda: _json(anna, f"{base}/alarms"))
            taken = await anna.post(f"{base}/alarms/{alarm['id']}/acknowledge", json={})
            assert taken.is_success, taken.text
            (alarm,) = await _json(anna, f"{base}/alarms")
            assert alarm["acknowledged_by"] == "anna@county", "under the name of whoever did it"
            for path in ("auth/login", "accounts", "audit", "kits/kit7/api/v1/devices"):
                assert (await anna.get(f"{base}/{path}")).status_code == 403, path
            assert (await anna.get(f"{base}/devices/none")).status_code == 404
            await made.kit.stop()
            await until("the kit is gone", lambda: not made.center.core.fleet.kit(SYSTEM, "kit7").ways)
            gone = await anna.get(f"{base}/devices")
            assert gone.status_code == 503 and gone.json()["code"] == "kit-stopped"


async def test_an_alarm_is_acknowledged_at_the_center_and_so_at_the_kit(
    tmp_path: Path, free: tuple[Ports, ...]
) -> None:
    async with county(tmp_path, *free[:2]) as made:
        await made.here()
        made.ball.press_alarm()
        async with made.center.person() as anna, made.kit.person() as olga:
            (alarm,) = await comes("its alarm", lambda: _json(anna, "/api/v1/alarms"))
            here = await _json(olga, "/api/v1/alarms")
            assert [one["id"] for one in here] == [alarm["id"]]
            body = {"action": "alarm.acknowledge", "target": alarm["id"], "args": {}}
            assert await order(anna, body) == ("done", "")

            async def acknowledged() -> bool:
                return all(one["acknowledged_by"] for one in await _json(olga, "/api/v1/alarms"))

            await comes("it is so at the kit", acknowledged)
            (at_kit,) = await _json(olga, "/api/v1/alarms")
            assert at_kit["acknowledged_by"] == "anna@county"
            # A position comes with whose it is, and how it is known.
            positions = await comes("its position", lambda: _json(anna, "/api/v1/positions"))
            assert {one["device"] for one in positions} == {"kit7/ball-1"}
            assert all(one["datum"] == "WGS-84" for one in positions)


async def _json(http: httpx.AsyncClient, path: str) -> Any:
    return (await http.get(path)).json()


async def _devices(http: httpx.AsyncClient, wanted: set[str]) -> bool:
    return {one["id"] for one in await _json(http, "/api/v1/devices")} == wanted
