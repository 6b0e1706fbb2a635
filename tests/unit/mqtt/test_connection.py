"""One connection to brokers that are right, and to those that are wrong on purpose: each with a reason of its own."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Literal

import pytest

from adapters.mqtt.address import Broker
from adapters.mqtt.connection import Connection, Who, connected
from adapters.mqtt.dial import Dialler
from adapters.mqtt.manner import Times, Versions
from adapters.mqtt.protocol.packets import Packet, Type, read_connect
from gateway.base.errors import GatewayError, LinkDown, PeerError
from tests.fakes.mqtt_broker import FakeBroker, Script, fake_broker
from tests.unit.mqtt.rig import until

WHO = Who("kit7", ("fc/v1/kit7/state", b"{}"), "user", "secret")
QUICK = Times(answer_s=0.5, keep_alive_s=5)
PATIENT = Times(answer_s=10, keep_alive_s=5)


def talk(
    broker: FakeBroker,
    *,
    times: Times = PATIENT,
    wish: Literal["auto", "5", "3.1.1"] = "auto",
    versions: Versions | None = None,
) -> AbstractAsyncContextManager[Connection]:
    where = Broker("tcp", "127.0.0.1", broker.port)
    return connected(where, Dialler(), WHO, times, versions or Versions(wish), lambda *_: None)


async def why(broker: FakeBroker, *, times: Times = PATIENT, wish: Literal["auto", "5", "3.1.1"] = "auto") -> str:
    with pytest.raises(GatewayError) as failed:
        async with talk(broker, times=times, wish=wish) as connection:
            await asyncio.wait_for(connection.lost(), 10)
    return failed.value.code


def published(packet: Packet, five: bool) -> tuple[int, str, bytes]:
    """Flags, topic and payload of a PUBLISH with QoS 1."""
    end = 2 + int.from_bytes(packet.body[:2], "big")
    assert not five or packet.body[end + 2] == 0, "no properties"
    return packet.flags, packet.body[2:end].decode(), packet.body[end + (3 if five else 2) :]


@pytest.mark.parametrize("wish", ["5", "3.1.1"])
async def test_what_goes_together_is_acknowledged_one_by_one(wish: Literal["5", "3.1.1"]) -> None:
    """Also where a length takes one, two and three bytes."""
    told = [(f"fc/v1/kit7/dev/d{size}/state", b"x" * size) for size in (0, 5, 100, 20_000)]
    async with fake_broker() as broker:
        async with talk(broker, wish=wish) as connection:
            await connection.retain_all([])
            await asyncio.gather(
                connection.retain_all(told), connection.publish("fc/v1/kit7/state", b"{}", retain=True)
            )
            await connection.retain_all(told[:1])
            with pytest.raises(PeerError) as large:
                await connection.retain_all([*told, ("fc/v1/kit7/dev/x/state", b"x" * 600_000)])
            assert large.value.code == "too-large"
        heard = [published(packet, wish == "5") for packet in broker.heard if packet.type is Type.PUBLISH]
        assert sorted(heard) == sorted([(3, *one) for one in [*told, ("fc/v1/kit7/state", b"{}"), told[0]]])


async def test_a_broker_that_does_not_pass_on_what_it_takes_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    async with fake_broker(Script(puback_reason=0x87)) as broker, talk(broker, wish="5") as connection:
        await connection.retain_all([("fc/v1/kit7/dev/a/state", b"{}"), ("fc/v1/kit7/dev/b/state", b"{}")])
        await connection.publish("fc/v1/kit7/state", b"{}", retain=True)
    told = [row.getMessage() for row in caplog.records if row.name == "adapters.mqtt.client"]
    assert len(told) == 1 and "0x87, its rights forbid it" in told[0]


async def test_a_broker_that_keeps_its_acknowledgements_is_left_and_nothing_waits_on() -> None:
    async with fake_broker(Script(puback=False)) as broker, talk(broker, times=QUICK) as connection:
        with pytest.raises(LinkDown) as lost:
            await connection.retain_all([("fc/v1/kit7/state", b"{}"), ("fc/v1/kit7/dev/a/state", b"{}")])
        assert lost.value.code == "mqtt-lost" and not connection._client._waiting
        broker.cut()
        await connection._client.ended.wait()
        with pytest.raises(LinkDown):
            await connection.retain_all([("fc/v1/kit7/state", b"{}")])


@pytest.mark.parametrize("wish", ["5", "3.1.1"])
async def test_a_good_broker(wish: Literal["5", "3.1.1"]) -> None:
    async with fake_broker() as broker:
        async with talk(broker, wish=wish) as connection:
            assert connection.five == (wish == "5")
            await connection.subscribe(["fc/v1/kit7/cmd/+", "fc/v1/kit7/ack/+"])
            await connection.publish("fc/v1/kit7/state", b"{}", retain=True, expires_s=5.0)
            await connection.publish("fc/v1/kit7/tlm", b"x", qos=0)
            with pytest.raises(PeerError) as large:
                await connection.publish("fc/v1/kit7/tlm", b"x" * 600_000)
            assert large.value.code == "too-large"
        kinds = [packet.type for packet in broker.heard]
        assert kinds[:3] == [Type.CONNECT, Type.SUBSCRIBE, Type.PUBLISH]
        if wish == "3.1.1":
            told = read_connect(broker.connects[0])
            assert (told.client, told.clean, told.will_topic, told.user) == ("kit7", True, WHO.will[0], "user")
        for _ in range(100):
            if broker.heard[-1].type is Type.DISCONNECT:
                break
            await asyncio.sleep(0.01)
        assert broker.heard[-1].type is Type.DISCONNECT, "a goodbye keeps the will"


async def test_left_by_an_error_there_is_no_goodbye() -> None:
    async with fake_broker() as broker:
        with pytest.raises(ValueError):
            async with talk(broker):
                raise ValueError("a mistake")
        await asyncio.sleep(0)
        assert [packet.type for packet in broker.heard] == [Type.CONNECT]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Script(deaf=True), "mqtt-deaf"),
        (Script(hang_up=True), "mqtt-silent"),
        (Script(connack=b"\xff" * 40), "mqtt-garbage"),
        (Script(connack=b"\x20\x03\x00\x86\x00"), "mqtt-denied"),
        (Script(connack=b"\x20\x03\x00\x87\x00"), "mqtt-denied"),
        (Script(connack=b"\x20\x03\x00\x97\x00"), "mqtt-busy"),
        (Script(connack=b"\x20\x03\x00\x83\x00"), "mqtt-refused"),
        (Script(then="drop"), "mqtt-lost"),
        (Script(then="garbage"), "mqtt-garbage"),
        (Script(then="huge"), "mqtt-lost"),
        (Script(then="taken-over"), "duplicate-gateway"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_each_way_to_be_wrong_has_its_reason(script: Script, code: str) -> None:
    async with fake_broker(script) as broker:
        assert await why(broker, times=QUICK if script.deaf else PATIENT, wish="5") == code


@pytest.mark.parametrize(("connack", "code"), [(3, "mqtt-busy"), (4, "mqtt-denied"), (5, "mqtt-denied")])
async def test_refusals_of_3_1_1(connack: int, code: str) -> None:
    async with fake_broker(Script(connack=bytes([0x20, 2, 0, connack]))) as broker:
        assert await why(broker, wish="3.1.1") == code


@pytest.mark.parametrize("script", [Script(old=True), Script(old_silent=True)], ids=["says so", "hangs up"])
async def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1_and_that_is_remembered(script: Script) -> None:
    async with fake_broker(script) as broker:
        versions = Versions()
        for _ in range(2):
            async with talk(broker, versions=versions) as connection:
                assert not connection.five
        assert [packet.body[6] for packet in broker.connects] == [5, 4, 4]
        assert await why(broker, wish="5") in ("mqtt-version", "mqtt-silent")


def test_nodes_of_a_cluster_that_has_no_mqtt_5_are_not_asked_for_it_one_by_one() -> None:
    nodes = [Broker("tls", f"mq{number}", 8883) for number in range(3)]
    for wish, node, five in (("auto", False, False), ("auto", True, True), ("5", True, True)):
        versions = Versions(wish)  # type: ignore[arg-type]
        versions.known[nodes[0]] = node
        versions.alike(nodes[0], nodes)
        assert versions.five(nodes[2]) == five
        assert versions.may_be_old(nodes[2]) == (wish == "auto" and five), "one that has it may be the only one"


async def test_a_broker_that_forgets_to_answer_is_left() -> None:
    async with fake_broker(Script(puback=False)) as broker:
        with pytest.raises(LinkDown) as lost:
            async with talk(broker, times=QUICK) as connection:
                await connection.publish("fc/v1/kit7/evt/major", b"x")
        assert lost.value.code == "mqtt-lost"
    async with fake_broker(Script(suback=0x80)) as broker:
        with pytest.raises(PeerError) as denied:
            async with talk(broker) as connection:
                await connection.subscribe(["fc/v1/kit8/cmd/+"])
        assert denied.value.code == "mqtt-denied"


async def test_a_connection_that_is_cut_is_lost_at_once() -> None:
    async with fake_broker() as broker:
        with pytest.raises(LinkDown) as lost:
            async with talk(broker) as connection:
                broker.cut()
                await asyncio.wait_for(connection.lost(), 10)
        assert lost.value.code == "mqtt-lost"


async def test_a_broker_is_pinged_where_nothing_goes_and_left_where_it_says_nothing() -> None:
    async with fake_broker() as broker:
        with pytest.raises(LinkDown) as lost:
            async with talk(broker) as connection:
                client = connection._client
                client._alive()
                assert client._pinged_at is None, "something went a moment ago"
                client.socket.heard_at -= 3.0
                client._alive()
                await until(lambda: client._pinged_at is None, "the answer")
                assert [packet.type for packet in broker.heard[1:]] == [Type.PINGREQ]
                broker.script.then = "silence"
                client.socket.heard_at -= 3.0
                client._alive()
                assert client._pinged_at is not None
                client._alive()
                client._pinged_at -= 5.0
                client._alive()
                assert not client.ended.is_set(), "it was heard since"
                client.socket.heard_at -= 5.0
                client._alive()
                await asyncio.wait_for(connection.lost(), 10)
        assert lost.value.code == "mqtt-lost" and "ping" in str(lost.value)


async def test_a_broker_that_wants_no_keep_alive_is_looked_after_all_the_same() -> None:
    script = Script(connack=b"\x20\x06\x00\x00\x03\x13\x00\x00")
    async with fake_broker(script) as broker, talk(broker, wish="5") as connection:
        client = connection._client
        client._alive()
        assert client._watch is not None and client._watch.when() - asyncio.get_running_loop().time() > 1.0


async def test_who_waits_for_an_answer_hears_at_once_that_none_comes() -> None:
    never = Times(answer_s=3600, keep_alive_s=3600)
    async with fake_broker(Script(puback=False)) as broker, talk(broker, times=never) as connection:
        waiting = asyncio.create_task(connection.retain_all([("fc/v1/kit7/state", b"{}")]))
        await until(lambda: len(broker.heard) == 2, "it is there")
        broker.cut()
        with pytest.raises(LinkDown) as lost:
            await asyncio.wait_for(waiting, 20)
        assert lost.value.code == "mqtt-lost"


async def test_many_that_hang_leave_nothing_behind() -> None:
    async with fake_broker(Script(deaf=True)) as broker:
        before = asyncio.all_tasks()
        codes = await asyncio.gather(*(why(broker, times=Times(0.2)) for _ in range(20)))
        assert set(codes) == {"mqtt-deaf"}
        for writer in broker.writers:
            writer.transport.abort()
        for _ in range(50):
            left = {t for t in asyncio.all_tasks() - before if "serve" not in repr(t)}
            if not left:
                break
            await asyncio.sleep(0.02)
        assert not left


async def test_on_a_thin_link_a_message_has_the_time_that_it_takes() -> None:
    """Its time-out is a fifth of what the bytes take: they move, and it is waited for them."""
    async with fake_broker(Script(thin=True)) as broker, talk(broker, times=Times(answer_s=0.4)) as connection:
        await connection.publish("fc/v1/kit7/file/1", b"x" * 200_000)
        assert broker.heard[-1].type is Type.PUBLISH


@pytest.mark.parametrize("wish", ["5", "3.1.1"])
async def test_messages_come_as_they_were_published(wish: Literal["5", "3.1.1"]) -> None:
    """Whole, with and without QoS, however they are cut; properties of MQTT 5 are passed over."""
    properties = b"\x05\x02\x00\x00\x00\x09" if wish == "5" else b""  # a message expiry interval
    topic = b"\x00\x10fc/v1/kit7/state"
    plain = topic + properties + b"one"
    certain = topic + b"\x01\x02" + properties + b"two" * 60
    wire = bytes([0x31, len(plain)]) + plain + bytes([0x32, len(certain) & 0x7F | 0x80, len(certain) >> 7]) + certain
    heard: list[tuple[str, bytes, bool]] = []
    async with fake_broker() as broker:
        where = Broker("tcp", "127.0.0.1", broker.port)
        on_message = lambda *message: heard.append(message)  # noqa: E731
        async with connected(where, Dialler(), WHO, PATIENT, Versions(wish), on_message) as connection:
            for at in range(len(wire)):
                broker.writers[0].write(wire[at : at + 1])
                await asyncio.sleep(0)
            broker.writers[0].write(wire * 2)
            await connection.publish("fc/v1/kit7/tlm", b"x")
            await until(lambda: len(heard) >= 6 and sum(p.type is Type.PUBACK for p in broker.heard) >= 3)
    assert heard == 3 * [("fc/v1/kit7/state", b"one", True), ("fc/v1/kit7/state", b"two" * 60, False)]
    assert [p.body[:2] for p in broker.heard if p.type is Type.PUBACK] == 3 * [b"\x01\x02"]


@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"\x00\xffx", b"\x00\x02\xff\xfe\x00", b"\x00\x01a\xff\xff\xff\xff\x01"]
)
async def test_a_message_that_is_none_ends_the_connection(body: bytes) -> None:
    async with fake_broker() as broker:
        with pytest.raises(LinkDown) as lost:
            async with talk(broker, wish="5") as connection:
                broker.writers[0].write(bytes([0x30, len(body)]) + body)
                await asyncio.wait_for(connection.lost(), 10)
        assert lost.value.code == "mqtt-garbage"
