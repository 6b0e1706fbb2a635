"""Our addresses as a STUN server sees them, for a kit behind a NAT that others can reach back through.

Asked through the media plane's own ports, each 20 s: that keeps the NAT's bindings open as well (RFC 8489 §7;
RFC 4787 REQ-5 lets a NAT forget after two minutes, field routers do so after thirty seconds). No answer is no fault:
viewers on the LAN need none, so it is said once and asked again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import socket
import struct
from collections.abc import Callable, Sequence

from adapters.webrtc.ports import LocalPort
from gateway import codecs
from gateway.contract.media import Media

log = logging.getLogger(__name__)

EVERY_S = 20.0
_COOKIE = 0x2112A442
_BINDING_REQUEST, _BINDING_SUCCESS = 0x0001, 0x0101
_XOR_MAPPED_ADDRESS = 0x0020


def binding_request(transaction: bytes) -> bytes:
    """20 bytes, no attributes. RFC 8489 §5."""
    return struct.pack("!HHI", _BINDING_REQUEST, 0, _COOKIE) + transaction


def mapped_address(data: bytes, transaction: bytes) -> tuple[str, int] | None:
    """XOR-MAPPED-ADDRESS (IPv4) of the answer to `transaction`; None for anything else. RFC 8489 §14.2."""
    if len(data) < 20 or data[8:20] != transaction:
        return None
    kind, length, cookie = struct.unpack_from("!HHI", data)
    if kind != _BINDING_SUCCESS or cookie != _COOKIE or length != len(data) - 20:
        return None
    at = 20
    while at + 4 <= len(data):
        name, size = struct.unpack_from("!HH", data, at)
        value = data[at + 4 : at + 4 + size]
        if name == _XOR_MAPPED_ADDRESS and len(value) == 8 and value[1] == 1:
            port, address = struct.unpack_from("!HI", value, 2)
            found = ipaddress.IPv4Address(address ^ _COOKIE)
            return (str(found), port ^ _COOKIE >> 16) if not found.is_unspecified else None
        at += 4 + size + -size % 4
    return None


class Reflexive:
    """Keeps `mapped`, port handle → outer address, up to date while `run` runs."""

    def __init__(self, media: Media, server: str, ports: Callable[[], Sequence[LocalPort]]) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._media = media
        self._ports = ports
        self._asked: dict[int, bytes] = {}
        self._silent = False
        self.mapped: dict[int, tuple[str, int]] = {}

    async def run(self) -> None:
        """Ask for ever. Ends by cancellation."""
        engine = self._media.engine
        session = engine.open_session(secrets.token_hex(8), pwd=secrets.token_hex(16))
        self._media.on_session(session, self._heard)
        try:
            while True:
                await self._ask(session)
                await asyncio.sleep(EVERY_S)
        finally:
            self._media.forget_session(session)
            engine.close_session(session)

    async def _ask(self, session: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(*self._server, family=socket.AF_INET, type=socket.SOCK_DGRAM)
        except OSError as exc:
            self._say(f"{self._server[0]} can not be resolved: {exc}")
            return
        host, port = found[0][4][:2]
        if self._asked:  # unanswered since the last round
            self._say(f"{self._server[0]} does not answer")
        ports = [one for one in self._ports() if one.version == 4 and not one.is_loopback]
        self.mapped = {handle: seen for handle, seen in self.mapped.items() if handle in {one.handle for one in ports}}
        self._asked = {one.handle: secrets.token_bytes(12) for one in ports}
        for handle, transaction in self._asked.items():
            data = binding_request(transaction)
            self._media.engine.send_datagram(session, handle, data, str(host), int(port))

    def _heard(self, event: codecs.Datagram | codecs.SessionEvent) -> None:
        transaction = self._asked.get(getattr(event, "port", 0))
        if transaction is None or isinstance(event, codecs.SessionEvent):
            return
        seen = mapped_address(event.data, transaction)
        if seen is not None:
            del self._asked[event.port]
            self._silent = False
            if self.mapped.get(event.port) != seen:
                log.info("WebRTC is seen from outside at %s:%d", *seen)
            self.mapped[event.port] = seen

    def _say(self, words: str) -> None:
        if not self._silent:
            log.warning("the STUN server of WebRTC: %s", words)
        self._silent = True
