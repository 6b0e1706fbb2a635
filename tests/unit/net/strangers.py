"""Peers that say exactly what a test wants: one that answers, one that only listens."""

from __future__ import annotations

import asyncio

from gateway.net.sip import SipEndpoint
from gateway.wire.sip import Hop, SipRequest, SipResponse, parse_datagram, respond
from tests.unit.net.phones import WAIT, session

SDP_TYPE = "application/sdp"


class Said:
    """A peer in the test's hand: what it got, and answers as written."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[SipRequest] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport | None = None
        self.source: tuple[str, int] = ("", 0)
        self._seen: set[tuple[str, str, str]] = set()

    async def request(self, method: str) -> SipRequest:
        """The next request of a method; repeats and others are passed over."""
        async with asyncio.timeout(WAIT):
            while True:
                found = await self.got.get()
                name = (found.via.branch, found.method, found.to.tag or "")
                if found.method == method and (name not in self._seen or method == "ACK"):
                    self._seen.add(name)
                    return found

    def answer(
        self, request: SipRequest, status: int, headers: list[tuple[str, str]] | None = None, body: bytes = b"",
        *, tag: str = "peer",
    ) -> None:  # fmt: skip
        assert self.transport is not None
        self.transport.sendto(bytes(respond(request, status, None, headers or [], body, tag=tag)), self.source)


class _Wire(asyncio.DatagramProtocol):
    def __init__(self, said: Said) -> None:
        self._said = said

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._said.source = addr
        message = parse_datagram(data)
        if isinstance(message, SipRequest):
            self._said.got.put_nowait(message)


class peer:
    async def __aenter__(self) -> tuple[tuple[str, int], Said]:
        said = Said()
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: _Wire(said), ("127.0.0.1", 0))
        said.transport = self.transport
        return self.transport.get_extra_info("sockname")[:2], said

    async def __aexit__(self, *_: object) -> None:
        self.transport.close()


class deaf:
    """A peer that sends what the test writes and only listens: `(hop, send, got)`."""

    def __init__(self, sip: SipEndpoint) -> None:
        self._to = (sip.bound[0].host, sip.bound[0].port)

    async def __aenter__(self):  # type: ignore[no-untyped-def]
        got: list[object] = []

        class Ears(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                got.append(parse_datagram(data))

        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(Ears, ("127.0.0.1", 0))
        hop = Hop("udp", self._transport.get_extra_info("sockname")[:2], self._to)
        count = 0

        def send(data: bytes, host: str = hop.local[0]) -> None:
            nonlocal count
            count += 1
            via = f"Via: SIP/2.0/UDP {host}:{hop.local[1]};rport;branch=z9hG4bKd{count}\r\n"
            first, _, rest = data.partition(b"\r\n")
            self._transport.sendto(first + b"\r\n" + via.encode() + rest, self._to)

        return hop, send, got

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()


def with_sdp(request: SipRequest, supported: str = "") -> SipRequest:
    headers = request.headers.add("Content-Type", SDP_TYPE)
    headers = headers.add("Supported", supported) if supported else headers
    return SipRequest("INVITE", request.uri, headers, session(4000).offer())


def in_dialog(
    asked: SipRequest, answer: SipResponse, method: str, seq: int, headers: list[tuple[str, str]] | None = None
) -> SipRequest:
    lines = asked.headers.set("To", answer.headers.get("To") or "").set("CSeq", f"{seq} {method}")
    for name in ("Content-Type", "Supported"):
        lines = lines.without(name)
    return SipRequest(method, asked.uri, lines.extend(headers or []))
