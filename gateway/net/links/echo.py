"""UDP probes and their answers. What answers tells nothing, sends no more than it got, and nothing to strangers' words.

A probe is 24 bytes: `fgp1`, 8 random bytes of who asks, an 8-byte number, 4 bytes of nothing; the answer is the same
with `fgp2` in front. One of 48 bytes and more (up to a whole packet) is answered with 48: behind the 24 how many bytes
came (2), from which port (2) and address (16, IPv4 mapped) they came, and nothing (4). A `dns://` target is asked for
the root's A, which it has not, so that the answer is small; the number is its id, and any answer with that id counts,
refused too. Sans-IO but for `serve`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from collections.abc import Callable

from gateway.base.udp import Address, UdpSocket
from gateway.net.sip.rates import Rates

ASK, ANSWER = b"fgp1", b"fgp2"
SIZE, LONG, MOST = 24, 48, 1500
_DNS = struct.Struct(">6H")
PER_SOURCE, SOURCES = 2000, 4096
"""Probes a second of one address that are answered; a carrier's NAT may have hundreds of kits behind one."""


def probe(token: bytes, number: int) -> bytes:
    return ASK + token[:8].ljust(8, b"\0") + number.to_bytes(8, "big") + bytes(4)


def number_of(data: bytes, token: bytes) -> int | None:
    """Of an answer to us; None: it is none."""
    if len(data) != SIZE or data[:4] != ANSWER or data[4:12] != token:
        return None
    return int.from_bytes(data[12:20], "big")


def large(token: bytes, number: int, size: int) -> bytes:
    """A probe of so many bytes, 48 at least."""
    return probe(token, number).ljust(max(size, LONG), b"\0")


def answer(data: bytes, remote: Address = ("", 0)) -> bytes | None:
    if data[:4] != ASK or not (len(data) == SIZE or LONG <= len(data) <= MOST):
        return None
    said = ANSWER + data[4:SIZE]
    if len(data) == SIZE:
        return said
    seen = ipaddress.ip_address(remote[0] or "::")
    packed = seen.packed if seen.version == 6 else bytes(10) + b"\xff\xff" + seen.packed
    return said + struct.pack(">HH", len(data), remote[1]) + packed + bytes(4)


def seen_from(data: bytes, token: bytes) -> tuple[int, int, str, int] | None:
    """Of an answer to a large probe: number, bytes that came, our address and port as the far side sees them."""
    if len(data) != LONG or data[:4] != ANSWER or data[4:12] != token:
        return None
    size, port = struct.unpack_from(">HH", data, SIZE)
    address = ipaddress.IPv6Address(data[SIZE + 4 : SIZE + 20])
    return int.from_bytes(data[12:20], "big"), size, str(address.ipv4_mapped or address), port


def question(number: int) -> bytes:
    """A DNS question: A of the root (RFC 1035 §4.1), recursion desired; the id is the number's low 16 bits."""
    return _DNS.pack(number & 0xFFFF, 0x0100, 1, 0, 0, 0) + b"\0" + struct.pack(">HH", 1, 1)


def id_of(data: bytes) -> int | None:
    """Of a DNS answer; None: it is none."""
    if len(data) < _DNS.size:
        return None
    number, flags, *_ = _DNS.unpack_from(data)
    return int(number) if flags & 0x8000 else None


def serve(host: str, port: int) -> Callable[[], None]:
    """Answer probes there until the returned function is called. Raises ConfigError (`port-in-use`)."""
    sock = UdpSocket(host, port, receive_buffer_bytes=256 * 1024)
    rates = Rates(PER_SOURCE, PER_SOURCE, SOURCES)
    clock = asyncio.get_running_loop().time

    def heard(data: bytes, remote: Address, local: Address) -> None:
        said = answer(data, remote)
        if said is not None and rates.take(remote[0], clock()):
            sock.send(said, remote, local[0])

    sock.open(heard)
    return sock.close
