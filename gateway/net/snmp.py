"""Asking an SNMP agent, one question at a time: bounded answers, and what comes of an agent that is slow or lies.

v1 and v2c are ours (`gateway.wire.snmp`): a tenth of pysnmp's time for the same question. v3, with its keys and
ciphers, is pysnmp's (`snmp_v3.py`), loaded when an agent of that version is asked first. `client_of` chooses.

| what the agent does | what comes of it |
|---|---|
| nothing, or too late | asked again `retries` times; then LinkDown (`snmp-silent`); late ones belong to nobody |
| garbage, other request numbers | dropped; after `STRANGE` in one question RemoteProtocolError (`snmp-garbled`) |
| answers what was not asked, walks in circles | RemoteProtocolError (`snmp-lies`) |
| does not have a variable | it is left out of the answer |
| refuses | PeerError (`snmp-refused`) with the protocol's own word |
| an answer is too big for it | asked again for half as much |

The socket is connected: datagrams of other addresses never reach us.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from gateway.base.errors import LinkDown, PeerError, RemoteProtocolError
from gateway.config.snmp import SnmpAgent
from gateway.wire.snmp import (
    ERRORS,
    NO_SUCH_NAME,
    TOO_BIG,
    Bound,
    Message,
    Oid,
    Pdu,
    Version,
    decode,
    encode,
    oid_text,
)

AT_ONCE = 24
"""Variables in one question: an answer of that many fits a datagram of any path."""
STRANGE = 32
WALK_MOST = 512
_QUEUE = 64


@dataclass(frozen=True, slots=True)
class Agent:
    """Whom to ask. `user` and its passwords are v3's, the community is the others'; neither is ever printed."""

    host: str
    port: int = 161
    version: Literal["1", "2c", "3"] = "2c"
    community: str = field(default="public", repr=False)
    timeout_s: float = 1.0
    retries: int = 1
    user: str = ""
    auth: Literal["sha256", "sha1", "md5"] = "sha256"
    auth_password: str = field(default="", repr=False)
    privacy: Literal["aes128", "aes256", "des"] = "aes128"
    privacy_password: str = field(default="", repr=False)


def agent_of(config: SnmpAgent) -> Agent:
    """As a technician has written it."""
    return Agent(
        config.host,
        config.port,
        config.version,
        config.community.get_secret_value(),
        config.timeout,
        config.retries,
        config.user,
        config.auth,
        config.auth_password.get_secret_value(),
        config.privacy,
        config.privacy_password.get_secret_value(),
    )


def client_of(agent: Agent) -> SnmpClient:
    """Raises Unsupported (`snmp-v3-missing`) where pysnmp is wanted and not installed."""
    if agent.version != "3":
        return SnmpClient(agent)
    from gateway.net.snmp_v3 import SnmpV3Client

    return SnmpV3Client(agent)


class _Inbox(asyncio.DatagramProtocol):
    """Datagrams wait for whoever asks; more than `_QUEUE` are dropped, the newest first."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue(_QUEUE)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.waiting.full():
            self.waiting.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error: the time-out says it."""


class SnmpClient:
    """One agent. Questions at the same time wait for each other. `close` when done."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._lock = asyncio.Lock()
        self._transport: asyncio.DatagramTransport | None = None
        self._inbox = _Inbox()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def get(self, oids: Sequence[Oid]) -> Mapping[Oid, Bound]:
        """What the agent has of `oids`. Raises LinkDown, PeerError, RemoteProtocolError as the table above says."""
        found: dict[Oid, Bound] = {}
        async with self._lock:
            left = [list(oids[at : at + AT_ONCE]) for at in range(0, len(oids), AT_ONCE)]
            while left:
                group = left.pop(0)
                answer = await self._ask(Pdu.GET, group)
                if answer.error == TOO_BIG and len(group) > 1:
                    half = len(group) // 2
                    left[:0] = [group[:half], group[half:]]
                elif answer.error == NO_SUCH_NAME and 1 <= answer.index <= len(group):
                    # RFC 1157 §4.1.2: one that is missing spoils the whole answer of v1.
                    if rest := [*group[: answer.index - 1], *group[answer.index :]]:
                        left.insert(0, rest)
                else:
                    self._accept(answer)
                    if [b.oid for b in answer.bindings] != group:
                        raise self._lies("other variables than were asked for")
                    found |= {b.oid: b for b in answer.bindings if not b.missing}
        return found

    async def walk(self, root: Oid, most: int = WALK_MOST) -> Sequence[Bound]:
        """What stands below `root`, at most `most` of it. Raises as `get`."""
        found: list[Bound] = []
        at, wide = root, AT_ONCE
        async with self._lock:
            while len(found) < most:
                bulk = self.agent.version != "1"
                answer = await self._ask(Pdu.GET_BULK if bulk else Pdu.GET_NEXT, [at], wide if bulk else 0)
                if answer.error == TOO_BIG and wide > 1:
                    wide //= 2
                    continue
                if answer.error == NO_SUCH_NAME:
                    return found
                self._accept(answer)
                if not answer.bindings:
                    return found
                for bound in answer.bindings[:wide]:
                    if bound.missing or bound.oid[: len(root)] != root:
                        return found
                    if bound.oid <= at:
                        raise self._lies(f"a walk that does not go on at {oid_text(at)}")
                    at = bound.oid
                    found.append(bound)
        return found[:most]

    def _accept(self, answer: Message) -> None:
        if answer.error:
            word = ERRORS.get(answer.error, str(answer.error))
            raise PeerError(f"{self.agent.host} answers {word}", status=word, code="snmp-refused")

    def _lies(self, what: str) -> RemoteProtocolError:
        return RemoteProtocolError(f"{self.agent.host} answers with {what}", code="snmp-lies")

    async def _ask(self, pdu: Pdu, oids: Sequence[Oid], repetitions: int = 0) -> Message:
        transport = await self._open()
        request = secrets.randbelow(2**31 - 1) + 1
        agent = self.agent
        bindings = tuple(Bound(oid) for oid in oids)
        version = Version.V1 if agent.version == "1" else Version.V2C
        sent = encode(Message(version, agent.community.encode(), pdu, request, bindings, index=repetitions))
        strange = _Strange(agent.host)
        while not self._inbox.waiting.empty():
            self._inbox.waiting.get_nowait()  # answers to questions that were given up
        for _ in range(agent.retries + 1):
            transport.sendto(sent)
            try:
                async with asyncio.timeout(agent.timeout_s):
                    return await self._answer(request, strange)
            except TimeoutError:
                continue
        tries = f"{agent.retries + 1} × {agent.timeout_s:g} s"
        raise LinkDown(f"{agent.host}:{agent.port} does not answer SNMP within {tries}", code="snmp-silent")

    async def _answer(self, request: int, strange: _Strange) -> Message:
        while True:
            data = await self._inbox.waiting.get()
            with strange.counted():
                message = decode(data)
                if message.pdu is Pdu.RESPONSE and message.request == request:
                    return message
                strange.note("an answer to another question")

    async def _open(self) -> asyncio.DatagramTransport:
        if self._transport is None or self._transport.is_closing():
            loop, agent = asyncio.get_running_loop(), self.agent
            try:
                self._transport, self._inbox = await loop.create_datagram_endpoint(
                    _Inbox, remote_addr=(agent.host, agent.port)
                )
            except OSError as exc:
                raise LinkDown(f"{agent.host}: {exc.strerror or exc}", code="snmp-silent") from exc
        return self._transport


class _Strange:
    """Datagrams that answer nothing: a late answer is one, a flood of them is the agent's mistake or worse."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._count = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        try:
            yield
        except RemoteProtocolError as exc:
            self.note(str(exc))

    def note(self, what: str) -> None:
        self._count += 1
        if self._count > STRANGE:
            text = f"{self._host} sends {self._count} datagrams that answer nothing, the last: {what}"
            raise RemoteProtocolError(text, code="snmp-garbled")
