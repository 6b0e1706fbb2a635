"""One search at a time; what was found becomes a device or a source by an order, and is marked as there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.base.errors import Denied
from gateway.core.discovery import with_user
from gateway.model.command import Action, CommandResult, Outcome
from gateway.model.discovery import Find, FindKind, FindWay
from gateway.model.principal import Role
from tests.fakes.loop import advance
from tests.unit.core.house import TECHNICIAN, House, housed
from tests.unit.core.test_commands import order

CAMERA = Find(
    "0000000a",
    FindKind.CAMERA,
    (FindWay.WS_DISCOVERY,),
    "192.0.2.5",
    name="Gate",
    external_id="192.0.2.5:80",
    adopt="onvif",
)
DRONE = Find(
    "0000000b",
    FindKind.SOURCE,
    (FindWay.MDNS,),
    "192.0.2.6",
    name="Drone",
    urls=("rtsp://192.0.2.6:8554/1",),
    adopt="source",
)
PRINTER = Find("0000000c", FindKind.OTHER, (FindWay.SSDP,), "192.0.2.7", name="Printer")


def test_credentials_are_quoted() -> None:
    assert with_user("rtsp://h:1/p?a=b", "", "") == "rtsp://h:1/p?a=b"
    assert with_user("rtsp://h:1/p", "a@b", "p/w:x") == "rtsp://a%40b:p%2Fw%3Ax@h:1/p"


def found(house: House) -> None:
    for find in (CAMERA, DRONE, PRINTER):
        house.core.discovery._finds.put(find)


async def give(house: House, action: Action, target: str = "", **args: object) -> CommandResult:
    return await house.core.commands.execute(order(house, TECHNICIAN, action, target, **args))


@housed
async def test_a_camera_is_admitted_with_its_user(house: House) -> None:
    found(house)
    done = await give(
        house, Action.DISCOVER_ADOPT, "yard", key=CAMERA.key, user="viewer", password="secret-1", name="Yard"
    )
    assert done.outcome is Outcome.DONE and done.data["device"] == "kit1/yard"
    (admitted,) = house.core.devices.all_admitted("onvif")
    assert (admitted.external_id, admitted.user, admitted.password) == ("192.0.2.5:80", "viewer", "secret-1")
    assert {f.key: f.adopted for f in house.core.discovery.finds(TECHNICIAN)} == {
        CAMERA.key: "kit1/yard",
        DRONE.key: "",
        PRINTER.key: "",
    }


@housed
async def test_a_stream_becomes_a_source(house: House) -> None:
    found(house)
    done = await give(house, Action.DISCOVER_ADOPT, "", key=DRONE.key, user="u", password="secret-2")
    assert done.outcome is Outcome.DONE
    (wanted,) = house.core.source_book.wanted()
    assert wanted.urls == {"main": "rtsp://u:secret-2@192.0.2.6:8554/1"} and wanted.title == "Drone"
    told = {f.key: f.adopted for f in house.core.discovery.finds(TECHNICIAN)}
    assert told[DRONE.key] == wanted.name


@housed
async def test_what_can_not_be_adopted_is_refused(house: House) -> None:
    found(house)
    for key, code in ((PRINTER.key, "not-adoptable"), ("ffffffff", "not-found")):
        refused = await give(house, Action.DISCOVER_ADOPT, "", key=key)
        assert (refused.outcome, refused.code) == (Outcome.REFUSED, code)


@housed
async def test_one_search_at_a_time(house: House) -> None:
    first = await give(house, Action.DISCOVER_START, seconds=30, ways="mdns", interface="lo")
    assert first.outcome is Outcome.DONE
    second = await give(house, Action.DISCOVER_START, seconds=1)
    assert (second.outcome, second.code) == (Outcome.REFUSED, "discovery-running")
    assert house.core.discovery.status(TECHNICIAN).running
    await give(house, Action.DISCOVER_STOP)
    assert not house.core.discovery.status(TECHNICIAN).running


@housed
async def test_orders_that_make_no_sense(house: House) -> None:
    for args in ({"seconds": 0}, {"seconds": 9000}, {"ways": "telepathy"}, {"interface": "none0"}):
        failed = await give(house, Action.DISCOVER_START, **args)
        assert (failed.outcome, failed.code) == (Outcome.FAILED, "bad-request")


@housed
async def test_scopes_and_roles(house: House) -> None:
    for who in (replace(TECHNICIAN, role=Role.OPERATOR), replace(TECHNICIAN, scope="kit1/ball-1")):
        with pytest.raises(Denied):
            house.core.discovery.finds(who)


@housed
async def test_a_search_ends_by_itself(house: House) -> None:
    await give(house, Action.DISCOVER_START, seconds=0.2, ways="ssdp,mdns,ws-discovery", interface="lo")
    task = house.core.discovery._task
    assert task is not None
    await advance(0.5)
    assert task.done()
    assert not house.core.discovery.status(TECHNICIAN).running
