"""A kit and its center with a broker between them: directory, presence, events, orders, files; and what goes wrong."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

import pytest

from adapters.mqtt.address import Broker as Address
from adapters.mqtt.facts import Gone, Missed
from adapters.mqtt.kit import KitSession, KitSetting
from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.messages import Birth, Order
from adapters.mqtt.protocol.packets import Packet, Type, publish
from adapters.mqtt.protocol.rotation import Rotation
from adapters.mqtt.protocol.seal import Seal
from gateway.base.errors import GatewayError, LinkDown
from gateway.model.command import Action, Command, CommandResult, Outcome
from gateway.model.device import Device, DeviceState
from gateway.model.forward import ForwardFile, Rank
from gateway.model.ids import DeviceId
from gateway.model.pairing import PairedKit
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import Principal, Role
from tests.fakes.mqtt_broker import FakeBroker, Script, fake_broker, subscribed
from tests.unit.mqtt.rig import (
    CONDITION,
    Facts,
    Fleet,
    Inbox,
    Side,
    a_center,
    a_center_at,
    device,
    event,
    setting,
    stage,
    until,
)

WANG = Principal("wang", Role.OPERATOR, "s1", address="10.9.9.9")


def command(id_: str = "c1", action: Action = Action.PTZ_MOVE, **args: float) -> Command:
    return Command(id_, WANG, action, "kit7/ball-1/ch1", 2e9, dict(args))


async def test_a_kit_comes_with_its_devices_and_goes_in_order() -> None:
    async with stage("kit7") as s:
        facts = Facts("kit7", [device("kit7", "ball-1"), device("kit7", "car.2")])
        task_count = len(s.tasks)
        s.kit(facts)
        await until(lambda: s.fleet.here("kit7") and len(s.fleet.holds["kit7"].known) == 2, "the directory")
        hold = s.fleet.holds["kit7"]
        assert (hold.told.name, hold.told.boot, hold.told.adcode, hold.told.address) == (
            "Kit7",
            1,
            "510100",
            "10.1.1.1",
        )
        assert set(hold.known) == {"kit7/ball-1", "kit7/car.2"}
        await until(lambda: hold.linked, "telemetry")
        assert hold.linked[0].name == "lte" and hold.signs > 0
        assert hold.stands == CONDITION, "how the kit itself stands"
        await s.end(s.tasks[task_count])
        await until(lambda: hold.gone is not None, "its death")
        assert hold.gone == ("kit-stopped", "")


async def test_changes_are_followed() -> None:
    async with stage("kit7") as s:
        facts = Facts("kit7", [device("kit7", "a"), device("kit7", "b")])
        s.kit(facts)
        await until(lambda: s.fleet.here("kit7") and len(s.fleet.holds["kit7"].known) == 2)
        hold = s.fleet.holds["kit7"]
        facts.told.put_nowait(replace(device("kit7", "a"), state=DeviceState.OFFLINE, code="device-offline"))
        facts.told.put_nowait(Gone("kit7/b"))
        facts.told.put_nowait(Position(DeviceId("kit7/a"), "", 116.0, 39.0, Datum.WGS84, PositionSource.GNSS, 1.0, 2.0))
        await until(lambda: hold.positions and set(hold.known) == {"kit7/a"})
        assert hold.known["kit7/a"].code == "device-offline"
        facts._devices = [device("kit7", "c")]
        facts.told.put_nowait(Missed())
        await until(lambda: set(hold.known) == {"kit7/c"}, "all is told anew")


async def test_what_is_retained_of_devices_that_are_no_more_is_cleared() -> None:
    async with stage("kit7") as s:
        facts = Facts("kit7", [device("kit7", "a"), device("kit7", "old.one")])
        s.kit(facts)
        await until(lambda: s.fleet.here("kit7") and len(s.fleet.holds["kit7"].known) == 2)
        await s.end(s.tasks[-1])
        s.kit(Facts("kit7", [device("kit7", "a")], boot=2))
        await until(lambda: s.fleet.here("kit7") and set(s.fleet.holds["kit7"].known) == {"kit7/a"}, "it is cleared")
        assert [t for t in s.broker.amqtt.retained_messages if "/dev/" in t] == ["fc/v1/kit7/dev/a/state"]


async def test_what_is_told_anew_and_is_the_same_costs_a_center_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    reads = messages.read_device

    def counted(data: bytes) -> Device:
        read.append(data)
        return reads(data)

    monkeypatch.setattr(messages, "read_device", counted)
    async with stage("kit7") as s:
        facts = Facts("kit7", [device("kit7", "a"), device("kit7", "b")])
        session = s.kit(facts)
        await until(lambda: s.fleet.here("kit7") and len(s.fleet.holds["kit7"].known) == 2)
        facts._devices[1] = replace(facts._devices[1], state=DeviceState.OFFLINE)
        before = len(read)
        s.broker.cut("kit7")
        await until(lambda: session.figures.connections == 2 and s.fleet.here("kit7"), "it is back")
        hold = s.fleet.holds["kit7"]
        await until(lambda: hold.known.get("kit7/b") == facts._devices[1] and "kit7/a" in hold.known, "all is known")
        assert len(read) == before + 1


async def test_a_center_that_comes_later_knows_all_at_once() -> None:
    async with stage("kit7", "kit8") as s:
        for name in ("kit7", "kit8"):
            s.kit(Facts(name, [device(name, "a")]))
        await until(lambda: s.fleet.here("kit7") and s.fleet.here("kit8"))
        await s.end(s.tasks[0])
        assert s.fleet.holds["kit7"].gone is not None
        s.run(a_center(s.broker, s.fleet, s.inbox).run())
        await until(lambda: all(s.fleet.here(k) and s.fleet.holds[k].known for k in ("kit7", "kit8")), "the directory")


@pytest.mark.parametrize("why", ["many are let go", "they still come"])
async def test_a_center_that_comes_back_hears_its_kits_before_it_reads_what_it_knows(why: str) -> None:
    """A cluster of NATS that lost a node makes no queues and reads what it retains for seconds: our subscriptions with
    QoS 1 were refused, each connection read all devices before it ended, and no kit was heard meanwhile."""
    said = [f"fc/v1/+/{kind}" for kind in ("tlm", "pos", "rsp/+", "evt/+", "file/+")]
    others = ["fc/v1/center1/center", "fc/v1/+/state"]
    fleet = Fleet()
    async with fake_broker(Script(no_queues=True)) as broker:
        center = a_center_at(Address("tcp", "127.0.0.1", broker.port), fleet, Inbox())
        running = asyncio.create_task(center.run())

        def listened() -> list[list[str]]:
            return [[one for one, _ in subscribed(p)] for p in broker.heard if p.type is Type.SUBSCRIBE]

        try:
            await until(lambda: listened() == [said, others, ["fc/v1/+/dev/+/state"]], "all of it")
            if why == "they still come":
                center._came_at = center._clock.monotonic() + 1000.0
            else:
                fleet.rows = [PairedKit(f"kit-{number}", b"", name="") for number in range(4000)]
            broker.heard.clear()
            broker.cut()
            await until(lambda: any(p.type is Type.PUBLISH for p in broker.heard), "it is born again")
            assert center.connection is not None
            await center.connection.publish("fc/v1/kit7/cmd/ptz~stop", b"x")
            assert listened() == [said, others], "devices wait until the kits are back"
            assert center.standing.failures == 1 and center.standing.code == ""
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_in_a_cluster_states_are_read_once_more_after_a_node_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """What kits said while NATS looked for what it retains never came, and was asked for ten seconds later."""
    monkeypatch.setattr("adapters.mqtt.center.AGAIN_S", (0.0, 0.05))
    async with fake_broker(Script()) as one, fake_broker(Script()) as other:
        nodes = [Address("tcp", "127.0.0.1", node.port) for node in (one, other)]
        center = a_center_at(nodes[0], Fleet(), Inbox(), others=nodes[1:])
        running = asyncio.create_task(center.run())

        def alone() -> int:
            heard = [p for p in (*one.heard, *other.heard) if p.type is Type.SUBSCRIBE]
            return sum([name for name, _ in subscribed(p)] == ["fc/v1/+/state"] for p in heard)

        try:
            await until(lambda: center._born and center.connection is not None, "it is there")
            await until(lambda: any(b"dev/+/state" in p.body for p in one.heard), "it has heard all")
            assert alone() == 0, "the first time nobody was away"
            one.cut()
            await until(lambda: alone() == 2, "both times")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("nodes", [1, 2])
async def test_a_birth_is_said_again_to_a_cluster(monkeypatch: pytest.MonkeyPatch, nodes: int) -> None:
    """NATS acknowledges what it is to retain though it could not store it: who listened later knew of no such kit."""
    monkeypatch.setattr("adapters.mqtt.kit.AGAIN_S", (0.05, 0.1))
    async with fake_broker(Script()) as broker:
        address = Address("tcp", "127.0.0.1", broker.port)
        made = KitSetting(replace(setting(*[address] * nodes), spread=True), 0.05, 64, 1024)
        running = asyncio.create_task(KitSession(Facts("kit7"), {"center1": Side()}, made).run())

        def said(kind: str) -> int:
            name = f"fc/v1/kit7/{kind}".encode()
            told = [packet for packet in broker.heard if packet.type is Type.PUBLISH]
            return sum(packet.body[2:].startswith(name) and (kind == "tlm" or packet.flags & 1) for packet in told)

        try:
            await until(lambda: said("tlm") > 8 and said("state") >= nodes, "its figures")
            aloud = [packet.flags for packet in broker.heard if b"fc/v1/kit7/state" in packet.body[:20]][:nodes]
            assert aloud == [[3], [0, 3]][nodes - 1], "to a cluster first for those who listen, whose store may be busy"
            assert said("state") == nodes, "once more, and not for ever; to a single broker not at all"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("nodes", [1, 2])
async def test_a_kit_says_all_in_one_breath_to_a_broker_that_took_it_before(nodes: int) -> None:
    """Two times to and fro less, on a satellite link and where thousands come back. One that does not take it then is
    told who comes and no more: it may hang up before we have read why, where it has not read all of it."""

    def came(broker: FakeBroker) -> list[list[Type]]:
        """What it heard of each connection, until it was live."""
        found: list[list[Type]] = []
        for packet in broker.heard:
            if packet.type is Type.CONNECT:
                found.append([])
            if len(found[-1]) < 3:
                found[-1].append(packet.type)
        return found

    all_ = [Type.CONNECT, Type.SUBSCRIBE, Type.PUBLISH]
    async with fake_broker() as one, fake_broker(Script(connack=b"")) as other:
        brokers = [Address("tcp", "127.0.0.1", node.port) for node in (one, other)][:nodes]
        last = (one, other)[nodes - 1]
        made = KitSetting(replace(setting(*brokers, answer_s=0.2), spread=True), 0.05, 64, 1024)
        kit = next(f"kit{number}" for number in range(99) if Rotation(brokers, f"kit{number}").broker == brokers[0])
        running = asyncio.create_task(KitSession(Facts(kit), {"center1": Side()}, made).run())
        try:
            await until(lambda: any(p.type is Type.PUBLISH for p in one.heard), "its birth")
            assert came(one) == [all_]
            before = len(last.connects)
            one.script.connack = b""
            one.cut()
            await until(lambda: len(last.connects) >= before + 2, "it comes again, and again")
            assert came(last)[before] == all_, "before there is any answer"
            assert came(last)[before + 1] == [Type.CONNECT]
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_what_was_retained_before_is_no_reason_to_say_a_birth_again() -> None:
    """A cluster that lost a node hands each kit the state that it had there: all births were said twice."""
    async with fake_broker() as broker:
        address = Address("tcp", "127.0.0.1", broker.port)
        session = KitSession(Facts("kit7"), {"center1": Side()}, KitSetting(setting(address), 0.05, 64, 1024))
        running = asyncio.create_task(session.run())

        def state(packet: Packet) -> bool:
            return packet.type is Type.PUBLISH and packet.body[2:].startswith(b"fc/v1/kit7/state")

        try:
            await until(lambda: session._connection is not None and sum(map(state, broker.heard)) == 1, "its birth")
            old = Birth(False, 1, 0, session.instance)
            data = publish("fc/v1/kit7/state", messages.birth_bytes(old), five=False, retain=True)
            broker.writers[0].write(data)
            await until(lambda: session.figures.bytes_in or session._connection.bytes_in > len(data))  # type: ignore[union-attr]
            assert not session._rebirth.is_set()
            broker.writers[0].write(bytes([data[0] & 0xFE]) + data[1:])
            await until(lambda: sum(map(state, broker.heard)) == 2, "a late will is put right")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_cut_is_a_will_and_the_kit_is_back_by_itself() -> None:
    async with stage("kit7") as s:
        session = s.kit(Facts("kit7", [device("kit7", "a")]))
        await until(lambda: s.fleet.here("kit7"))
        first = s.fleet.holds["kit7"]
        s.broker.cut("kit7")
        await until(lambda: first.gone is not None, "the will")
        assert first.gone is not None and first.gone[0] == "kit-offline"
        await until(lambda: s.fleet.here("kit7") and s.fleet.holds["kit7"].known, "it is back")
        assert session.figures.connections == 2 and session.standing.failures == 1


async def test_silence_is_a_death_though_no_will_comes_and_a_word_brings_it_back() -> None:
    async with stage("kit7") as s:
        facts = Facts("kit7")
        s.kit(facts, telemetry_s=600.0)
        await until(lambda: s.fleet.here("kit7") and s.fleet.holds["kit7"].linked)
        hold, kit = s.fleet.holds["kit7"], s.center.kits["kit7"]
        kit.presence._sign_at -= 1801.0
        await until(lambda: hold.gone is not None)
        assert hold.gone is not None and hold.gone[0] == "kit-silent"
        facts.told.put_nowait(Position(DeviceId("kit7/a"), "", 1.0, 2.0, Datum.WGS84, PositionSource.GNSS, 1.0, 2.0))
        await until(lambda: s.fleet.here("kit7"), "its next word")


async def test_a_late_will_in_the_place_of_the_birth_is_put_right() -> None:
    async with stage("kit7") as s:
        session = s.kit(Facts("kit7"))
        await until(lambda: s.fleet.here("kit7"))
        hold = s.fleet.holds["kit7"]
        old = messages.birth_bytes(Birth(False, 0, 5, "earlier"))
        await s.broker.amqtt.retain_message(None, "fc/v1/kit7/state", old, 1)
        await s.broker.amqtt.internal_message_broadcast("fc/v1/kit7/state", old, 1)
        retained = s.broker.amqtt.retained_messages
        await until(lambda: messages.read_birth(bytes(retained["fc/v1/kit7/state"].data)).online, "the birth is back")
        assert hold.gone is None and session.figures.connections == 1


async def test_two_machines_with_one_id_are_named_on_all_sides() -> None:
    async with stage("kit7") as s:
        one, other = Facts("kit7"), Facts("kit7")
        one.birth = lambda: replace(Facts.birth(one), host="machine-one", addresses=("10.0.0.1",))  # type: ignore[method-assign]
        other.birth = lambda: replace(Facts.birth(other), host="machine-two", addresses=("10.0.0.2",))  # type: ignore[method-assign]
        a = s.kit(one)
        await until(lambda: s.fleet.here("kit7"))
        b = s.kit(other)
        await until(lambda: "duplicate-gateway" in (a.standing.code, b.standing.code), "one sees the other")
        seen, by = (a, "machine-two") if a.standing.code == "duplicate-gateway" else (b, "machine-one")
        assert by in seen.standing.detail
        await until(lambda: s.center.kits["kit7"].twins is not None, "the center names both")
        twins = s.center.kits["kit7"].twins
        assert twins is not None and {twins[0].host, twins[1].host} == {"machine-one", "machine-two"}


async def test_events_leave_the_outbox_only_when_the_center_has_them() -> None:
    async with stage("kit7") as s:
        side = Side()
        s.inbox.failing = GatewayError("the disk is full", code="disk-full")
        session = s.kit(Facts("kit7"), side)
        side.put(*(event(f"e{n:03}") for n in range(5)))
        await until(lambda: session.figures.events_sent >= 5)
        await asyncio.sleep(0.1)
        assert len(side.rows) == 5 and not side.acknowledged
        s.inbox.failing = None
        session.far["center1"].sender._window.reset()
        session.far["center1"].sender._wake.set()
        await until(lambda: not side.rows)
        assert sorted(id_ for _, id_ in s.inbox.events) == [f"e{n:03}" for n in range(5)] == sorted(side.acknowledged)


async def test_urgent_ones_go_first_in_batches_and_refused_ones_go_for_good() -> None:
    async with stage("kit7") as s:
        side = Side()
        side.put(*(event(f"p{n:03}", Rank.LAST, "info") for n in range(100)), event("urgent", severity="critical"))
        side.put(event("bad"))
        s.inbox.refuses["bad"] = "event-damaged"
        session = s.kit(Facts("kit7"), side, window=40)
        await until(lambda: not side.rows)
        assert next(iter(s.inbox.events)) == ("kit7", "urgent") and len(s.inbox.events) == 101
        assert session.figures.events_refused == 1 and ("kit7", "bad") not in s.inbox.events
        assert s.center.intake.figures.refused == 1


async def test_what_was_under_way_when_the_link_was_cut_comes_once() -> None:
    async with stage("kit7") as s:
        side = Side()
        s.kit(Facts("kit7"), side, window=10)
        for round_ in range(6):
            side.put(*(event(f"e{round_}-{n:02}") for n in range(20)))
            await until(lambda: "kit7" in s.broker.door._guests, "it is there")
            await until(lambda: len(side.rows) < 15, "some have gone")
            s.broker.cut("kit7")
        await until(lambda: not side.rows)
        assert len(s.inbox.events) == 120


async def test_a_center_that_is_not_there_is_not_sent_to_and_gets_all_when_it_comes() -> None:
    async with stage("kit7") as s:
        side = Side()
        session = s.kit(Facts("kit7"), side)
        await until(lambda: "center1" in session.centers)
        await s.end(s.tasks[0])
        await until(lambda: not session.centers["center1"].online, "the kit hears that it went")
        side.put(event("e1"))
        await asyncio.sleep(0.2)
        assert session.figures.events_sent == 0
        s.run(a_center(s.broker, s.fleet, s.inbox).run())
        await until(lambda: not side.rows)
        assert ("kit7", "e1") in s.inbox.events


async def test_two_centers_each_have_what_is_theirs() -> None:
    async with stage("kit7") as s:
        await s.broker.listen("center2")
        other = type(s.inbox)()
        s.run(a_center(s.broker, type(s.fleet)(), other, "center2").run())
        a, b = Side("mqtt/center1"), Side("mqtt/center2")
        made = KitSetting(setting(s.broker.address("kit7")), 1.0, 64, 1024)
        s.run(KitSession(Facts("kit7"), {"center1": a, "center2": b}, made).run())
        a.put(event("both"), event("one"))
        b.put(event("both"), event("two"))
        await until(lambda: not a.rows and not b.rows)
        assert {i for _, i in s.inbox.events} == {"both", "one"} and {i for _, i in other.events} == {"both", "two"}


async def test_orders_are_carried_out_and_answered() -> None:
    async with stage("kit7") as s:
        facts = Facts("kit7")
        facts.answer = lambda order: CommandResult(order.id, Outcome.DONE, data={"did": order.action})
        s.kit(facts)
        await until(lambda: s.fleet.here("kit7"))
        way = s.fleet.holds["kit7"].way
        results = await asyncio.gather(*(way.command(command(f"c{n}", pan=0.5), 10.0) for n in range(20)))
        assert all(r.outcome is Outcome.DONE and r.data == {"did": "ptz.move"} for r in results)
        order, left = facts.orders[0]
        assert (order.center, order.name, order.role, order.args) == ("center1", "wang", "operator", {"pan": 0.5})
        assert 5.0 < left <= 10.0 and order.session == "s1" and order.address == "10.9.9.9"
        assert not s.center.orders._waiting


async def test_an_order_that_lay_somewhere_too_long_is_not_carried_out() -> None:
    async with stage("kit7") as s:
        facts = Facts("kit7")
        session = s.kit(facts)
        await until(lambda: s.fleet.here("kit7"))
        way = s.fleet.holds["kit7"].way
        await way.command(command("c1"), 10.0)
        session.orders._transit.waited_s(f"center1 {s.center.orders._run}", 0.0, -1e7)  # a faster way than ever
        result = await way.command(command("c2"), 10.0)
        assert (result.outcome, result.code) == (Outcome.REFUSED, "expired") and len(facts.orders) == 1


async def test_an_order_without_an_answer_ends_in_words() -> None:
    async with stage("kit7") as s:
        s.kit(Facts("kit7"))
        await until(lambda: s.fleet.here("kit7"))
        way = s.fleet.holds["kit7"].way
        s.broker.refused["kit7"] = "the test keeps it out"
        s.broker.cut("kit7")
        with pytest.raises(LinkDown) as silent:
            await way.command(command(), 0.3)
        assert silent.value.code == "kit-silent"
        await s.end(s.tasks[0])
        with pytest.raises(LinkDown) as lost:
            await way.command(command(), 5.0)
        assert lost.value.code == "mqtt-lost"


async def test_a_kit_that_nobody_admitted_is_heard_and_not_taken_until_it_is() -> None:
    async with stage("kit7") as s:
        s.fleet.denied["kit7"] = "kit-unknown"
        side = Side()
        side.put(event("e1"))
        session = s.kit(Facts("kit7", [device("kit7", "a")]), side)
        await until(lambda: s.center.kits.get("kit7") is not None and s.center.kits["kit7"].refused == "kit-unknown")
        await until(lambda: session.figures.events_sent)
        assert not s.inbox.events and side.rows
        del s.fleet.denied["kit7"]
        for called in s.fleet.changed:
            called()
        await until(lambda: s.fleet.here("kit7") and s.fleet.holds["kit7"].known)
        session.far["center1"].sender._window.reset()
        session.far["center1"].sender._wake.set()
        await until(lambda: not side.rows)
        s.fleet.denied["kit7"] = "kit-revoked"
        hold = s.fleet.holds["kit7"]
        for called in s.fleet.changed:
            called()
        assert hold.gone == ("kit-revoked", "")


def a_file(data: bytes) -> ForwardFile:
    return ForwardFile("01JABCDEFGHJKMNPQRSTVWXYZ0", "a.jpg", "image/jpeg", len(data), hashlib.sha256(data).hexdigest())


async def test_a_file_comes_in_pieces_and_goes_on_after_a_cut() -> None:
    async with stage("kit7") as s:
        data = bytes(range(256)) * 200
        side = Side()
        side.put_file(file := a_file(data), data)
        s.kit(Facts("kit7"), side)
        await until(lambda: len(s.inbox.files.get(file.id, b"")) > 5000, "the first pieces")
        s.broker.cut("kit7")
        await until(lambda: side.done == [file.id])
        assert bytes(s.inbox.files[file.id]) == data
        assert side.progress[-1] == (file.id, len(data))


async def test_a_damaged_file_is_sent_again_and_one_that_is_not_wanted_is_let_go() -> None:
    async with stage("kit7") as s:
        side = Side()
        data = b"x" * 3000
        codes = ["file-damaged", "too-large"]

        async def refuses(*_: object) -> int:
            raise GatewayError("no", code=codes.pop(0))

        s.inbox.file_begin = refuses  # type: ignore[method-assign]
        side.put_file(file := a_file(data), data)
        s.kit(Facts("kit7"), side)
        await until(lambda: side.never == [(file.id, "too-large")])
        assert side.again == [file.id] and not side.done


async def test_brokers_are_tried_in_turn_and_one_that_never_answers_costs_its_time_out() -> None:
    async with stage("kit7") as s, fake_broker(Script(deaf=True)) as deaf, fake_broker(Script(then="drop")) as drops:
        from adapters.mqtt.address import Broker

        brokers = [Broker("tcp", "127.0.0.1", one.port) for one in (deaf, drops)]
        made = KitSetting(setting(*brokers, s.broker.address("kit7"), answer_s=0.5), 1.0, 64, 1024)
        session = KitSession(Facts("kit7"), {"center1": Side()}, made)
        s.run(session.run())
        await until(lambda: s.fleet.here("kit7"), "the third broker")
        assert session.standing.failures == 2 and session.broker == str(s.broker.address("kit7"))
        assert deaf.writers


async def test_garbage_from_others_is_passed_over() -> None:
    async with stage("kit7") as s:
        facts = Facts("kit7")
        session = s.kit(facts)
        await until(lambda: s.fleet.here("kit7"))
        broadcast = s.broker.amqtt.internal_message_broadcast
        for topic in (
            "state",
            "dev/x/state",
            "tlm",
            "pos",
            "evt/major",
            "file/1",
            "rsp/1",
            "cmd/ptz~move",
            "ack/c",
            "center",
        ):
            for noise in (b"", b"\xff\xfe", b"[]", b"{}", b"\x80", b"x" * 5000):
                await broadcast(f"fc/v1/kit7/{topic}", noise, 0)
        await broadcast("fc/v1/kit.7/state", b"{}", 0)
        result = await s.fleet.holds["kit7"].way.command(command("after"), 10.0)
        assert result.outcome is Outcome.DONE and session.figures.connections == 1 and s.center.connection is not None


async def test_sealed_messages_pass_and_a_brokers_own_do_not() -> None:
    async with stage("kit7") as s:
        key = b"k" * 32
        ours, theirs = Seal("kit7", [key]), Seal("center1", [key])
        facts, side = Facts("kit7", [device("kit7", "a")]), Side()
        made = KitSetting(setting(s.broker.address("kit7")), 1.0, 64, 1024)
        session = KitSession(facts, {"center1": side}, made, None, {"center1": ours}.get)
        s.center._seals = s.center.orders._seals = s.center.intake._seals = {"kit7": theirs}.get
        s.run(session.run())
        await until(lambda: s.fleet.here("kit7"))
        data = b"y" * 3000
        side.put(event("e1"))
        side.put_file(file := a_file(data), data)
        await until(lambda: not side.rows and side.done == [file.id])
        assert (await s.fleet.holds["kit7"].way.command(command(), 10.0)).outcome is Outcome.DONE

        broadcast = s.broker.amqtt.internal_message_broadcast
        order = Order(
            "forged", "ptz.move", "kit7/a", "center1", "eve", "administrator", 9.0, 1.0, "run", session.instance
        )
        other = replace(order, id="config", center="center9")
        sealed = theirs.close("fc/v1/kit7/cmd/ptz~move", messages.order_bytes(replace(order, center="center9")))
        side.put(event("e2"))
        await until(lambda: ("kit7", "e2") in s.inbox.events)
        await broadcast("fc/v1/kit7/cmd/ptz~move", messages.order_bytes(order), 1)
        await broadcast("fc/v1/kit7/cmd/ptz~move", sealed, 1)
        await broadcast("fc/v1/kit7/ack/center1", messages.ack_bytes(messages.Ack(("e3",))), 1)
        await broadcast("fc/v1/kit7/evt/major", messages.events_bytes(messages.Events("", side.batch([event("x")]))), 1)
        await broadcast("fc/v1/kit7/cmd/ptz~move", messages.order_bytes(other), 1)
        await until(lambda: len(facts.orders) == 2, "a center that is not paired needs no seal; its rights are asked")
        assert [one.id for one, _ in facts.orders] == ["c1", "config"]
        assert ("kit7", "x") not in s.inbox.events and s.center.kits["kit7"].forged_at > 0
        assert "e3" not in side.acknowledged
