"""What was acknowledged at a center: its kit hears of it, however long it is away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.base.errors import LinkDown
from gateway.contract.fleet import KitAbout
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.command import Action, Command, CommandResult, Outcome
from gateway.model.ids import DeviceId
from tests.fakes.loop import advance, by_hand, settle
from tests.unit.core.a_kit import a_kit
from tests.unit.core.house import ADMIN, House, a_house, housed

ALARM = Alarm(DeviceId("kit7/ball-1"), "ch1", "k", AlarmSeverity.MAJOR, "motion", "video", "moved", 1.0, 2.0, id="01J")


async def acknowledge(house: House, id_: str = "01J") -> None:
    await house.core.alarms.acknowledge(ADMIN, id_)


async def caught_up(house: House) -> None:
    for _ in range(20):  # the store's threads are real
        await advance(0.5)
        await house.core.store.db.read(lambda _conn: None)
        await settle()


async def untold(house: House) -> list[str]:
    await house.core.store.alive()
    return [one.id for one in await house.core.store.alarms.untold("kit7", limit=100)]


@housed
async def test_an_alarm_acknowledged_here_is_told_to_its_kit(house: House) -> None:
    hold, bundle = await a_kit(house)
    await caught_up(house)
    await hold.alarm(ALARM)
    bundle.failing = LinkDown("no answer", code="kit-unreachable")
    order = Command("o", ADMIN, Action.ALARM_ACKNOWLEDGE, "01J", house.clock.wall() + 10.0)
    assert (await house.core.commands.execute(order)).outcome is Outcome.DONE
    await settle()
    bundle.failing = None
    # The kit did not hear; it tells its alarm again, and hears now.
    await hold.alarm(replace(ALARM, repeats=1))
    await caught_up(house)
    ((sent, _),) = bundle.orders
    assert (sent.action, sent.target, sent.actor.name) == (Action.ALARM_ACKNOWLEDGE, "01J", "ada")
    assert await untold(house) == []
    await hold.alarm(replace(ALARM, repeats=1, acknowledged_by="ada@kit1", acknowledged_at=5.0))
    await caught_up(house)
    assert len(bundle.orders) == 1


@by_hand
async def test_a_kit_hears_when_it_is_here_again_also_after_a_restart(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        hold, bundle = await a_kit(house)
        for number in range(3):
            await hold.alarm(replace(ALARM, id=f"{number}", key=f"{number}"))
        hold.down("kit-offline", "no path")
        for number in range(3):
            await acknowledge(house, f"{number}")
        await caught_up(house)
        assert bundle.orders == [] and await untold(house) == ["0", "1", "2"]
        # It says itself that somebody there acknowledged one of them: it need not hear of that.
        await house.core.alarms.take(replace(ALARM, id="1", key="1", acknowledged_by="wang", acknowledged_at=3.0))
    async with a_house(tmp_path) as house:
        _, bundle = await a_kit(house)
        await caught_up(house)
        assert [(sent.target, sent.actor.name) for sent, _ in bundle.orders] == [("0", "ada"), ("2", "ada")]
        assert await untold(house) == []
        reads: list[str] = []
        house.core.store.alarms.untold = lambda gateway, **_: reads.append(gateway)  # type: ignore[assignment,method-assign]
        house.core.fleet.kit_up("kit7", KitAbout(boot=3), bundle)
        await caught_up(house)
        assert reads == [], "nothing waits for it: nothing is asked"


@housed
async def test_each_try_is_an_order_of_its_own_and_a_no_is_an_end(house: House) -> None:
    hold, bundle = await a_kit(house)
    await caught_up(house)
    await hold.alarm(ALARM)
    bundle.result = CommandResult("", Outcome.FAILED, "store-busy")
    await acknowledge(house)
    await caught_up(house)
    assert await untold(house) == ["01J"], "it may go better the next time"
    bundle.result = CommandResult("", Outcome.REFUSED, "not-found")
    for _ in range(2):
        house.core.fleet.kit_up("kit7", KitAbout(boot=3), bundle)
        await caught_up(house)
    ids = [sent.id for sent, _ in bundle.orders]
    assert len(ids) == len(set(ids)) == 2 and await untold(house) == []
