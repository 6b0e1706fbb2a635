"""DTLS-SRTP handshakes: keys that fit, certificates that do not, lost flights, hostile bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest

from adapters.sip.dtls import Handshake, Identity, datagrams
from gateway.wire.sdp import Fingerprint

A, B = ("192.0.2.1", 4000), ("192.0.2.2", 5000)


@pytest.fixture(scope="module")
def both() -> tuple[Identity, Identity]:
    return Identity(), Identity()


class End:
    def __init__(
        self, identity: Identity, role: Literal["client", "server"], peer: Fingerprint, here: Any, there: Any
    ) -> None:
        self.over: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.other: End | None = None
        self.here = here
        self.lose = 0
        self.sent = 0
        self.shake = Handshake(identity, role, [peer], self.send, self.done, self.failed)
        self.there = there

    def send(self, data: bytes, address: Any) -> None:
        self.sent += 1
        if self.lose:
            self.lose -= 1
        elif self.other is not None:
            asyncio.get_running_loop().call_soon(self.other.shake.feed, data, self.here)

    def done(self, keys: Any, address: Any) -> None:
        self.over.set_result((keys, address))

    def failed(self, words: str) -> None:
        self.over.set_result(words)

    async def result(self) -> Any:
        async with asyncio.timeout(8):
            return await self.over


@pytest.fixture
async def ends(both: tuple[Identity, Identity]) -> Any:
    made: list[End] = []

    def make(client_sees: Fingerprint | None = None, server_sees: Fingerprint | None = None) -> tuple[End, End]:
        one = End(both[0], "client", client_sees or both[1].fingerprint, A, B)
        two = End(both[1], "server", server_sees or both[0].fingerprint, B, A)
        one.other, two.other = two, one
        made.extend([one, two])
        return one, two

    yield make
    for end in made:
        end.shake.close()


Make = Callable[..., tuple[End, End]]


async def test_both_ends_get_the_same_keys_crosswise(ends: Make) -> None:
    client, server = ends()
    server.shake.start(A)
    client.shake.start(B)
    (one, at_client), (two, at_server) = await client.result(), await server.result()
    assert one[0] == two[0] == "AEAD_AES_128_GCM"
    assert (one[1:3], one[3:5]) == (two[3:5], two[1:3])
    assert len(one[1]) == 16 and len(one[2]) == 12
    assert (at_client, at_server) == (B, A)


@pytest.mark.parametrize("liar", ["client", "server"])
async def test_a_certificate_that_is_not_the_one_of_the_sdp_gives_no_keys(ends: Make, liar: str) -> None:
    wrong = Fingerprint("sha-256", ":".join(["00"] * 32))
    client, server = ends(client_sees=wrong) if liar == "server" else ends(server_sees=wrong)
    server.shake.start(A)
    client.shake.start(B)
    deceived = client if liar == "server" else server
    assert "certificate" in await deceived.result()
    assert deceived.shake.keys is None


async def test_a_weak_hash_proves_nothing(ends: Make, both: tuple[Identity, Identity]) -> None:
    client, server = ends(client_sees=replace(both[1].fingerprint, algorithm="sha-1"))
    server.shake.start(A)
    client.shake.start(B)
    assert "certificate" in await client.result()


async def test_a_lost_flight_is_sent_again(ends: Make) -> None:
    client, server = ends()
    client.lose = 1  # the ClientHello
    server.shake.start(A)
    client.shake.start(B)
    keys, _ = await client.result()
    assert keys[0] and client.sent >= 3


async def test_the_last_flight_is_repeated_for_a_peer_that_lost_it(ends: Make) -> None:
    client, server = ends()
    server.shake.start(A)
    client.shake.start(B)
    await server.result()
    keys, _ = await client.result()
    assert keys


async def test_garbage_and_strangers_end_nothing(ends: Make) -> None:
    client, server = ends()
    server.shake.start(A)
    server.shake.feed(b"\x16" + bytes(40), ("198.51.100.7", 1))
    server.shake.feed(b"", A)
    client.shake.start(B)
    await server.result()
    server.shake.feed(b"\x16\xfe\xfd" + bytes(60), ("198.51.100.7", 1))  # after: not from the peer
    assert server.shake.keys is not None


async def test_closed_before_its_end_it_calls_nobody(ends: Make) -> None:
    client, server = ends()
    server.shake.close()
    client.shake.start(B)
    client.shake.close()
    client.shake.feed(b"\x16" * 20, B)
    assert not client.over.done() and not server.over.done()


def test_a_flight_is_cut_at_records() -> None:
    def record(length: int) -> bytes:
        return b"\x16\xfe\xfd" + bytes(8) + length.to_bytes(2, "big") + bytes(length)

    flight = record(500) + record(500) + record(500)
    cut = datagrams(flight)
    assert [len(one) for one in cut] == [1026, 513] and b"".join(cut) == flight
    assert datagrams(b"") == []
