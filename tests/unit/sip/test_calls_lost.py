"""A trunk is lost: its calls are asked, others are left alone."""

from __future__ import annotations

from typing import Any

from adapters.sip.routing import Route
from gateway.model.voice import CallState
from tests.unit.sip.calls_rig import Rig, until_over
from tests.unit.sip.fakes import route


async def answered(rig: Rig, way: Route) -> tuple[Any, Any]:
    rig.routing.routes = [way]
    rig.sip.answers = ["ok"]
    count = len(rig.sip.legs)
    hold = await rig.dial(group="kit1/talk/ops")
    leg = await rig.sip.leg(count)
    await hold.until(CallState.UP)
    return hold, leg


async def test_a_leg_that_can_ask_is_asked_with_the_trunks_words(rig: Rig) -> None:
    hold, leg = await answered(rig, route())

    async def probe(why: str = "", patience_s: float | None = None) -> None:
        leg.did.append(("probe", why, patience_s is not None and patience_s < 32))

    leg.probe = probe
    for called in rig.routing.lost:
        called("center", "trunk center: silent")
    await leg.until(("probe", "trunk center: silent", True))
    assert hold.ended is None


async def test_a_leg_that_can_not_ask_ends_with_the_trunks_words(rig: Rig) -> None:
    hold, _ = await answered(rig, route())
    other, _ = await answered(rig, route())
    for called in rig.routing.lost:
        called("another", "trunk another: silent")
    assert hold.ended is None and other.ended is None
    for called in rig.routing.lost:
        called("center", "trunk center: silent")
    assert await until_over(hold) == ("call-link-lost", "trunk center: silent")
    await until_over(other)
