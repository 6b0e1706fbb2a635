"""What a gateway tells of itself to those who join it to others."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.contract.fleet import KitAbout
from gateway.contract.home import ApiAnswer, ApiRequest
from gateway.core.far_orders import FORWARDED
from gateway.model.command import Action, Command, Outcome
from gateway.model.device import DeviceState
from gateway.model.principal import Principal
from tests.fakes.loop import settle
from tests.unit.core.house import ADMIN, OPERATOR, TECHNICIAN, VIEWER, House, housed
from tests.unit.core.test_fleet import AWay, up


async def _ball(house: House) -> None:
    await house.core.devices.admit("gb28181", "34020000001320000001", name="ball-1", by="tina")


@housed
async def test_its_own_and_nobody_elses(house: House) -> None:
    home = house.core.home
    await _ball(house)
    hold = await up(house)
    async with home.events(ADMIN, ["device", "kit"]) as events:
        hold.about(KitAbout(name="x", boot=4))
        await house.core.devices.rename(next(iter(home.devices(ADMIN))).id, "Gate")
        await settle()
        told = await asyncio.wait_for(anext(aiter(events)), 5)
    assert (told.type, told.subject, told.data.name) == ("device", "kit1/ball-1", "Gate")
    assert [device.id for device in home.devices(VIEWER)] == ["kit1/ball-1"]
    assert home.devices(VIEWER)[0].state is DeviceState.OFFLINE
    assert home.devices(replace(VIEWER, scope="kit1/ball-2")) == []
    assert home.about["role"] == "edge" and home.boot == 1
    assert AWay().name == "uplink"


@housed
async def test_orders_pass_by_the_one_door(house: House) -> None:
    await _ball(house)

    def order(who: Principal) -> Command:
        return Command(
            f"order-{who.name}", who, Action.DEVICE_RENAME, "ball-1", house.clock.wall() + 5, {"name": "Gate"}
        )

    assert (await house.core.home.execute(order(TECHNICIAN))).outcome is Outcome.DONE
    assert (await house.core.home.execute(order(OPERATOR))).code == "denied"


@housed
async def test_a_center_orders_what_it_hands_on_and_nothing_besides(house: House) -> None:
    """By the bundle and by the broker alike: an administrator of a center is none of the accounts here."""
    allowed = {*FORWARDED, Action.ALARM_ACKNOWLEDGE}
    for action in Action:
        order = Command(f"o-{action}", ADMIN, action, "x", house.clock.wall() + 5, {"role": "administrator"})
        result = await house.core.home.execute(order)
        assert action in allowed or (result.outcome, result.code) == (Outcome.REFUSED, "denied"), action
        assert action not in allowed or result.code != "denied", action
    assert [account.name for account in house.core.accounts.accounts(ADMIN)] == []


@housed
async def test_without_an_api_requests_are_answered_all_the_same(house: House) -> None:
    home = house.core.home
    assert (await home.api(ApiRequest("GET", "/api/v1/devices"), VIEWER)).status == 503

    async def answering(request: ApiRequest, who: Principal) -> ApiAnswer:
        return ApiAnswer(200, body=f"{who.name} {request.path}".encode())

    home.answering = answering
    assert (await home.api(ApiRequest("GET", "/api/v1/devices"), VIEWER)).body == b"vera /api/v1/devices"
