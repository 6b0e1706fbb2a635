"""gateway/net/snmp.py against agents in memory's reach: good ones, slow ones, and those that lie."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import ValidationError

from gateway.base.errors import LinkDown, PeerError, RemoteProtocolError, Unsupported
from gateway.config.snmp import SnmpAgent
from gateway.net.snmp import AT_ONCE, Agent, SnmpClient, agent_of, client_of
from gateway.wire.snmp import Bound, Kind, Message, Oid, Pdu, decode, encode, parse_oid

ROOT = parse_oid("1.3.6.1.4.1.64000")
Answer = Callable[[Message], list[bytes]]


class FakeAgent(asyncio.DatagramProtocol):
    """Answers each question with what `answer` makes of it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Message] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = decode(data)
        self.asked.append(message)
        for sent in self.answer(message):
            self.transport.sendto(sent, addr)


@asynccontextmanager
async def asking(answer: Answer, **how: object) -> AsyncIterator[tuple[SnmpClient, FakeAgent]]:
    loop = asyncio.get_running_loop()
    transport, agent = await loop.create_datagram_endpoint(lambda: FakeAgent(answer), local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    client = SnmpClient(replace(Agent("127.0.0.1", port, timeout_s=0.05), **how))  # type: ignore[arg-type]
    try:
        yield client, agent
    finally:
        client.close()
        transport.close()


def table(values: dict[Oid, int]) -> Answer:
    """An agent that has these, and is honest."""

    def answer(asked: Message) -> list[bytes]:
        def of(oid: Oid) -> Bound:
            return Bound(oid, Kind.INTEGER, values[oid]) if oid in values else Bound(oid, Kind.NO_OBJECT)

        if asked.pdu is Pdu.GET:
            rows = [of(b.oid) for b in asked.bindings]
        else:
            behind = [of(oid) for oid in sorted(values) if oid > asked.bindings[0].oid]
            rows = behind[: max(asked.index, 1)] or [Bound((1, 3, 7), Kind.END_OF_VIEW)]
        return [encode(replace(asked, pdu=Pdu.RESPONSE, bindings=tuple(rows), index=0))]

    return answer


VALUES = {(*ROOT, 1, n): n * 7 for n in range(1, 61)}


async def test_what_there_is_is_told_and_what_is_missing_left_out() -> None:
    async with asking(table(VALUES)) as (client, agent):
        found = await client.get([*VALUES, (*ROOT, 9)])
        assert {oid: bound.value for oid, bound in found.items()} == VALUES
        assert max(len(asked.bindings) for asked in agent.asked) == AT_ONCE
        walked = await client.walk(ROOT)
        assert [bound.value for bound in walked] == list(VALUES.values())
        assert len(await client.walk(ROOT, most=10)) == 10
    async with asking(table(VALUES), version="1") as (client, agent):
        assert len(await client.walk(ROOT)) == len(VALUES)
        assert {asked.pdu for asked in agent.asked} == {Pdu.GET_NEXT}


async def test_an_answer_too_big_is_asked_for_in_halves_and_v1_without_what_it_lacks() -> None:
    honest = table(VALUES)

    def small(asked: Message) -> list[bytes]:
        if len(asked.bindings) > 3 or asked.index > 3:
            return [encode(replace(asked, pdu=Pdu.RESPONSE, error=1, index=0, bindings=()))]
        return honest(asked)

    async with asking(small) as (client, _):
        assert len(await client.get(list(VALUES)[:10])) == 10
        assert len(await client.walk(ROOT)) == len(VALUES)

    def old(asked: Message) -> list[bytes]:
        for place, bound in enumerate(asked.bindings, 1):
            if bound.oid not in VALUES:
                return [encode(replace(asked, pdu=Pdu.RESPONSE, error=2, index=place))]
        return honest(asked)

    async with asking(old, version="1") as (client, _):
        assert set(await client.get([(*ROOT, 8), (*ROOT, 1, 1), (*ROOT, 9)])) == {(*ROOT, 1, 1)}


async def test_silence_is_a_link_down_and_a_late_answer_nobodys() -> None:
    late: list[bytes] = []
    honest = table({(*ROOT, 1): 1, (*ROOT, 2): 2})

    def slow(asked: Message) -> list[bytes]:
        if asked.bindings[0].oid == (*ROOT, 1):
            late.extend(honest(asked))
            return []
        return [*late, *honest(asked)]

    async with asking(slow) as (client, agent):
        with pytest.raises(LinkDown) as told:
            await client.get([(*ROOT, 1)])
        assert told.value.code == "snmp-silent" and len(agent.asked) == 2
        assert (await client.get([(*ROOT, 2)]))[*ROOT, 2].value == 2


def other(asked: Message) -> list[bytes]:
    return [encode(replace(asked, pdu=Pdu.RESPONSE, bindings=(Bound((*ROOT, 77), Kind.INTEGER, 1),)))]


def circle(asked: Message) -> list[bytes]:
    rows = (Bound((*ROOT, 5), Kind.INTEGER, 1), Bound((*ROOT, 5), Kind.INTEGER, 1))
    return [encode(replace(asked, pdu=Pdu.RESPONSE, bindings=rows, index=0))]


def endless(asked: Message) -> list[bytes]:
    at = asked.bindings[0].oid
    last = at[-1] + 1 if len(at) > len(ROOT) else 1
    return [encode(replace(asked, pdu=Pdu.RESPONSE, bindings=(Bound((*ROOT, last), Kind.INTEGER, 1),), index=0))]


async def test_lies_are_named() -> None:
    async with asking(other) as (client, _):
        with pytest.raises(RemoteProtocolError) as told:
            await client.get([(*ROOT, 1)])
        assert told.value.code == "snmp-lies"
    async with asking(circle) as (client, _):
        with pytest.raises(RemoteProtocolError) as told:
            await client.walk(ROOT)
        assert told.value.code == "snmp-lies"
    async with asking(endless) as (client, agent):
        assert len(await client.walk(ROOT, most=40)) == 40 == len(agent.asked)


async def test_garbage_and_strangers_answers_are_dropped_until_there_are_too_many() -> None:
    honest = table({(*ROOT, 1): 1})

    def noisy(asked: Message) -> list[bytes]:
        strange = encode(replace(asked, pdu=Pdu.RESPONSE, request=asked.request ^ 1))
        return [b"\0garbage", strange, *honest(asked)]

    async with asking(noisy) as (client, _):
        assert len(await client.get([(*ROOT, 1)])) == 1
    async with asking(lambda asked: [b"garbage"] * 40) as (client, _):
        with pytest.raises(RemoteProtocolError) as told:
            await client.get([(*ROOT, 1)])
        assert told.value.code == "snmp-garbled"


async def test_a_refusal_says_its_word() -> None:
    async with asking(lambda asked: [encode(replace(asked, pdu=Pdu.RESPONSE, error=16))]) as (client, _):
        with pytest.raises(PeerError) as told:
            await client.get([(*ROOT, 1)])
        assert told.value.code == "snmp-refused" and told.value.status == "authorizationError"


async def test_questions_at_once_wait_for_each_other() -> None:
    async with asking(table(VALUES)) as (client, _):
        asked = [client.get([oid]) for oid in list(VALUES)[:20]]
        assert [next(iter(found.values())).value for found in await asyncio.gather(*asked)] == list(VALUES.values())[
            :20
        ]


def test_the_configuration_and_what_it_makes() -> None:
    agent = agent_of(SnmpAgent(host="192.0.2.1", community="secret"))  # type: ignore[arg-type]
    assert isinstance(client_of(agent), SnmpClient)
    assert "secret" not in repr(agent)
    for wrong in ({"version": "3"}, {"version": "3", "user": "kit", "auth_password": "short"}):
        with pytest.raises(ValidationError):
            SnmpAgent.model_validate({"host": "192.0.2.1", **wrong})


def test_without_pysnmp_v3_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysnmp.error", None)
    with pytest.raises(Unsupported) as told:
        client_of(Agent("192.0.2.1", version="3", user="kit", auth_password="12345678"))
    assert told.value.code == "snmp-v3-missing"
