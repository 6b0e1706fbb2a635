"""Orders at a kit: a copy that a broker kept moves nothing after the kit was started anew."""

from __future__ import annotations

from adapters.mqtt.kit import KitSession, KitSetting
from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.messages import Order
from adapters.mqtt.protocol.seal import Seal
from adapters.mqtt.protocol.topics import Kind, Topic
from gateway.model.command import Action, Command, CommandResult, Outcome
from gateway.model.principal import Principal, Role
from tests.unit.mqtt.rig import Facts, Side, Stage, setting, stage, until

KEY = b"k" * 32
MOVE = Command("c1", Principal("wang", Role.OPERATOR, "s1"), Action.PTZ_MOVE, "kit7/ball-1/ch1", 2e9)


def a_kit(s: Stage, facts: Facts) -> KitSession:
    made = KitSetting(setting(s.broker.address("kit7")), 1.0, 64, 1024)
    return KitSession(facts, {"center1": Side()}, made, None, {"center1": Seal("kit7", [KEY])}.get)


def an_order(id_: str, instance: str) -> tuple[str, bytes]:
    """As the center gave it once: sealed, with the time that it had."""
    topic = str(Topic("kit7", Kind.ORDER, "ptz.move"))
    order = Order(id_, "ptz.move", "kit7/ball-1/ch1", "center1", "wang", "operator", 5.0, 1.0, f"run-{id_}", instance)
    return topic, Seal("center1", [KEY]).close(topic, messages.order_bytes(order))


async def test_a_sealed_order_that_the_broker_kept_moves_nothing_after_a_restart() -> None:
    async with stage("kit7") as s:
        answers: list[CommandResult] = []
        s.center._seals = s.center.orders._seals = s.center.intake._seals = {"kit7": Seal("center1", [KEY])}.get
        s.center.orders.answered = lambda _gateway, result: answers.append(result)  # type: ignore[method-assign]
        before = Facts("kit7")
        session = a_kit(s, before)
        running = s.run(session.run())
        await until(lambda: s.fleet.here("kit7"))
        broadcast = s.broker.amqtt.internal_message_broadcast
        kept = an_order("kept", session.instance)
        await broadcast(*kept, 1)
        await until(lambda: [one.outcome for one in answers] == [Outcome.DONE])
        await s.end(running)
        after = Facts("kit7", boot=2)
        session = a_kit(s, after)
        s.run(session.run())
        await until(lambda: s.fleet.here("kit7") and s.fleet.holds["kit7"].told.boot == 2)
        await broadcast(*kept, 1)
        await until(lambda: len(answers) == 2)
        assert (answers[1].outcome, answers[1].code) == (Outcome.REFUSED, "order-stale")
        await broadcast(*an_order("fresh", session.instance), 1)
        await until(lambda: len(answers) == 3)
        assert [order.id for order, _ in before.orders] == ["kept"] and [o.id for o, _ in after.orders] == ["fresh"]
        assert (session.orders.figures.orders, session.orders.figures.stale) == (2, 1)


async def test_a_center_orders_the_start_of_the_kit_that_it_knows() -> None:
    async with stage("kit7") as s:
        facts = Facts("kit7")
        session = s.kit(facts)
        await until(lambda: s.fleet.here("kit7"))
        result = await s.fleet.holds["kit7"].way.command(MOVE, 10.0)
        ((order, left_s),) = facts.orders
        assert result.outcome is Outcome.DONE and order.instance == session.instance and 0 < left_s <= 10.0
