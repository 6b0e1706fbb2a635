"""Orders about what is a kit's go to the kit, with rights asked here first; what is ours stays here."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from gateway.base.errors import LinkDown
from gateway.model.command import Action, Command, CommandResult, Outcome
from gateway.model.principal import Principal
from gateway.model.ptz import PtzHolder
from tests.fakes.loop import advance, settle
from tests.unit.core.a_kit import FRONT, a_kit
from tests.unit.core.house import AUDITOR, OPERATOR, TECHNICIAN, VIEWER, House, housed

NUMBERS = itertools.count()


def order(house: House, action: Action, target: str, who: Principal = OPERATOR, id_: str = "", **args: Any) -> Command:
    id_ = id_ or f"order-{next(NUMBERS)}"
    return Command(id_, who, action, target, house.clock.wall() + 10.0, args)


async def rows(house: House, act: str) -> list[tuple[str, str, str, str]]:
    return [
        (row.name, row.target, row.outcome, row.code) for row in await house.core.audit.read(AUDITOR) if row.act == act
    ]


@housed
async def test_a_move_is_the_kits_to_make(house: House) -> None:
    hold, bundle = await a_kit(house)
    execute = house.core.commands.execute
    result = await execute(order(house, Action.PTZ_MOVE, "kit7/ball-1/ch1", pan=0.5))
    assert result.outcome is Outcome.DONE
    ((sent, left_s),) = bundle.orders
    assert (sent.target, sent.actor, sent.args, left_s) == (FRONT, OPERATOR, {"pan": 0.5}, 10.0)
    # The kit says who holds it now: renewals of the same person are no rows of the record.
    hold.holder(FRONT, PtzHolder("otto@kit1", "s", 2, house.clock.wall() + 5))
    await advance(0.1)
    await execute(order(house, Action.PTZ_MOVE, FRONT, pan=0.5))
    assert await rows(house, "ptz.move") == [("otto", FRONT, "done", "")]
    bundle.result = CommandResult("", Outcome.REFUSED, "ptz-held", "is moved by wang")
    await advance(0.1)
    refused = await execute(order(house, Action.PTZ_MOVE, FRONT, pan=0.5))
    assert (refused.outcome, refused.code) == (Outcome.REFUSED, "ptz-held")
    assert (await rows(house, "ptz.move"))[-1] == ("otto", FRONT, "refused", "ptz-held")


@housed
async def test_a_kits_word_is_none_about_who_is_signed_in_here(house: House) -> None:
    _, bundle = await a_kit(house)
    for number, code in enumerate(("unauthenticated", "csrf", "of-tomorrow")):
        bundle.result = CommandResult("", Outcome.REFUSED, code, "says the kit")
        refused = await house.core.commands.execute(order(house, Action.PTZ_GO, FRONT, id_=f"n-{number}", home=True))
        assert (refused.outcome, refused.code) == (Outcome.REFUSED, "peer-refused")
        assert refused.detail == f"{code}: says the kit"


@housed
async def test_rights_are_asked_here_first(house: House) -> None:
    _, bundle = await a_kit(house)
    execute = house.core.commands.execute
    assert (await execute(order(house, Action.PTZ_MOVE, FRONT, VIEWER, pan=1))).code == "denied"
    elsewhere = replace(OPERATOR, scope="kit7/ball-2")
    assert (await execute(order(house, Action.PTZ_STOP, FRONT, elsewhere))).code == "denied"
    assert (await execute(order(house, Action.DEVICE_RENAME, "kit7/ball-1", OPERATOR, name="x"))).code == "denied"
    assert bundle.orders == []
    assert (await execute(order(house, Action.DEVICE_RENAME, "kit7/ball-1", TECHNICIAN, name="x"))).code == ""


@housed
async def test_the_same_order_twice_is_one(house: House) -> None:
    _, bundle = await a_kit(house)
    made = order(house, Action.PTZ_PRESET, FRONT, id_="p-1", op="call", number=3)
    first, second = await house.core.commands.execute(made), await house.core.commands.execute(made)
    assert first == second and len(bundle.orders) == 1


@housed
async def test_what_is_ours_stays_here(house: House) -> None:
    _, bundle = await a_kit(house)
    await house.core.devices.admit("gb28181", "34020000001320000009", name="gate", by="tina")
    execute = house.core.commands.execute
    assert (await execute(order(house, Action.DEVICE_RENAME, "gate", TECHNICIAN, name="Gate"))).code == ""
    held = await execute(order(house, Action.STREAM_OPEN, FRONT, VIEWER, hold_s=5))
    await settle()
    assert held.outcome is Outcome.DONE and bundle.opened == [FRONT] and bundle.orders == []
    assert (await execute(order(house, Action.TALK_REQUEST, "nowhere"))).code == "not-found"
    assert (await execute(order(house, Action.PTZ_STOP, "a/b/c/d"))).code == "not-found"


@housed
async def test_a_kit_that_is_away_is_said(house: House) -> None:
    hold, bundle = await a_kit(house)
    bundle.failing = LinkDown("no answer", code="kit-unreachable")
    execute = house.core.commands.execute
    assert (await execute(order(house, Action.PTZ_STOP, FRONT))).code == "kit-unreachable"
    hold.down("kit-offline", "no path")
    await advance(0.1)
    assert (await execute(order(house, Action.PTZ_STOP, FRONT))).code == "kit-offline"


@housed
async def test_orders_to_a_group_by_its_number(house: House) -> None:
    _, bundle = await a_kit(house)
    bundle.result = CommandResult("", Outcome.DONE, data={"answer": "granted"})
    result = await house.core.commands.execute(order(house, Action.TALK_REQUEST, "7600", member="browser:1@kit1"))
    assert result.data == {"answer": "granted"}
    assert bundle.orders[0][0].target == "kit7/talk/ops"
    assert await rows(house, "talk.request") == []
