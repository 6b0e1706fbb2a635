"""What one link is like, measured from this machine: each question leaves by that interface alone, and ends by itself.

None raises: what is not answered is None. All of them together take some seconds; nothing is changed anywhere.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import pairwise

from gateway.net.links import echo
from gateway.net.links.prober import Target, bound

PINGS, PING_EVERY_S, PATIENCE_S = 20, 0.1, 2.0
TRAIN, TRAIN_BYTES = 30, 1200
SIZES = (1472, 1452, 1424, 1400, 1372, 1350, 1280, 1200, 1000, 576)
"""UDP payloads that are tried, the largest first: IPv4 and UDP take 28 bytes of a packet."""
_MTU_DISCOVER, _PROBE = {socket.AF_INET: (socket.IPPROTO_IP, 10), socket.AF_INET6: (socket.IPPROTO_IPV6, 23)}, 3


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where to leave: an interface ("" as routes lead) and its addresses."""

    interface: str
    v4: str = ""
    v6: str = ""

    def source(self, family: socket.AddressFamily) -> str:
        return self.v4 if family == socket.AF_INET else self.v6


@dataclass(frozen=True, slots=True)
class Pings:
    sent: int
    answered: int
    rtt_ms: float | None  # the middle one
    jitter_ms: float | None


@dataclass(frozen=True, slots=True)
class Shaking:
    """A TLS handshake: how long it took with its connection; how far the far clock is from ours (None: it did not say);
    `problem`: "" or what went wrong."""

    seconds: float | None
    clock_off_s: float | None = None
    problem: str = ""


class _Asker:
    """A connected UDP socket by a link."""

    def __init__(self, out: Outlet, target: Target) -> None:
        self.socket = bound(out.interface, out.source(target.family), target.family, socket.SOCK_DGRAM)
        try:
            self.socket.connect((target.host, target.port))
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> _Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        try:
            self.socket.send(data)
        except OSError:
            return False
        return True

    async def receive(self, within_s: float) -> bytes | None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(within_s):
                return await asyncio.get_running_loop().sock_recv(self.socket, 2048)
        return None


async def pings(out: Outlet, target: Target) -> Pings:
    """Twenty probes, ten a second."""
    token, left, times = os.urandom(8), dict[int, float](), list[float]()
    try:
        with _Asker(out, target) as asker:

            async def hear() -> None:
                while True:
                    data = await asker.receive(PATIENCE_S)
                    now = time.monotonic()
                    if data is None:
                        continue
                    number = echo.id_of(data) if target.scheme == "dns" else echo.number_of(data, token)
                    if number is not None and number in left:
                        times.append(1000 * (now - left.pop(number)))

            hearing = asyncio.create_task(hear())
            for number in range(1, PINGS + 1):
                left[number] = time.monotonic()
                asker.send(echo.question(number) if target.scheme == "dns" else echo.probe(token, number))
                await asyncio.sleep(PING_EVERY_S)
            end = time.monotonic() + PATIENCE_S
            while left and time.monotonic() < end:  # noqa: ASYNC110 - ends with the first of two
                await asyncio.sleep(0.05)
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
    except OSError:
        return Pings(0, 0, None, None)
    steps = [abs(later - earlier) for earlier, later in pairwise(times)]
    return Pings(
        PINGS,
        len(times),
        round(sorted(times)[len(times) // 2], 1) if times else None,
        round(sum(steps) / len(steps), 1) if steps else None,
    )


async def payload(out: Outlet, target: Target) -> int | None:
    """The largest UDP payload that passes unfragmented; of our echo only."""
    token = os.urandom(8)
    with suppress(OSError), _Asker(out, target) as asker:
        level, option = _MTU_DISCOVER[target.family]
        asker.socket.setsockopt(level, option, _PROBE)
        for _ in range(2):
            for number, size in enumerate(SIZES):
                asker.send(echo.large(token, number, size))
                await asyncio.sleep(0.01)
        best, end = 0, time.monotonic() + PATIENCE_S
        while (wait := end - time.monotonic()) > 0 and best < SIZES[0]:
            found = echo.seen_from(await asker.receive(wait) or b"", token)
            if found is not None:
                best = max(best, found[1])
        return best or None
    return None


async def capacity(out: Outlet, target: Target) -> float | None:
    """Bit/s up: a train of packets is sent at once, small answers come as those leave the narrowest place."""
    token, at = os.urandom(8), list[tuple[float, int]]()
    with suppress(OSError), _Asker(out, target) as asker:
        for number in range(TRAIN):
            asker.send(echo.large(token, number, TRAIN_BYTES))
        end = time.monotonic() + PATIENCE_S
        while (wait := end - time.monotonic()) > 0 and len(at) < TRAIN:
            found = echo.seen_from(await asker.receive(wait) or b"", token)
            if found is not None:
                at.append((time.monotonic(), found[0]))
    if len(at) < TRAIN // 3:
        return None
    spread = at[-1][0] - at[0][0]
    # By numbers, not by answers: what was lost on the way was sent as well.
    passed = (len(at) - 1) * (TRAIN_BYTES + 28) * 8
    return passed / spread if spread > 0 else None


async def mapping(out: Outlet, targets: list[Target]) -> list[tuple[str, int]]:
    """How each target sees one and the same socket of ours; in the order of `targets`, those that answered."""
    token, found = os.urandom(8), list[tuple[str, int]]()
    if not targets:
        return []
    family = targets[0].family
    with suppress(OSError), bound(out.interface, out.source(family), family, socket.SOCK_DGRAM) as sock:
        for target in (one for one in targets if one.family == family):
            for number in range(3):
                sock.sendto(echo.large(token, number, echo.LONG), (target.host, target.port))
                with suppress(TimeoutError, OSError):
                    async with asyncio.timeout(1.0):
                        seen = echo.seen_from(await asyncio.get_running_loop().sock_recv(sock, 2048), token)
                    if seen is not None:
                        found.append(seen[2:])
                        break
    return found


async def shaken(out: Outlet, family: socket.AddressFamily, host: str, port: int) -> Shaking:
    """TCP and TLS by that link, and a request for the far clock. Certificates are not judged: only their dates are."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    began = time.monotonic()
    try:
        sock = bound(out.interface, out.source(family), family, socket.SOCK_STREAM)
    except OSError as exc:
        return Shaking(None, problem=str(exc))
    try:
        async with asyncio.timeout(8.0):
            await asyncio.get_running_loop().sock_connect(sock, (host, port))
            reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname="")
            took = time.monotonic() - began
            try:
                writer.write(b"HEAD /healthz HTTP/1.1\r\nHost: center\r\nConnection: close\r\n\r\n")
                head = await reader.read(4096)
            finally:
                writer.close()
    except (OSError, TimeoutError, ssl.SSLError) as exc:
        sock.close()
        return Shaking(None, problem=str(exc) or type(exc).__name__)
    off = None
    for line in head.decode("latin-1").splitlines():
        if line.lower().startswith("date:"):
            with suppress(ValueError, TypeError):
                off = parsedate_to_datetime(line[5:].strip()).timestamp() - time.time()
    return Shaking(round(took, 3), off)


async def stun(out: Outlet, target: Target) -> tuple[str, int] | None:
    """Our address as a STUN server sees it (RFC 5389 §6, §15.2); None: it does not answer."""
    name = secrets.token_bytes(12)
    asked = b"\x00\x01\x00\x00" + b"\x21\x12\xa4\x42" + name
    with suppress(OSError), _Asker(out, target) as asker:
        for _ in range(3):
            asker.send(asked)
            said = await asker.receive(1.0)
            if said is not None and said[:2] == b"\x01\x01" and said[8:20] == name:
                return _mapped(said)
    return None


def _mapped(said: bytes) -> tuple[str, int] | None:
    at = 20
    while at + 4 <= len(said):
        kind, length = int.from_bytes(said[at : at + 2], "big"), int.from_bytes(said[at + 2 : at + 4], "big")
        value = said[at + 4 : at + 4 + length]
        if kind == 0x0020 and length in (8, 20) and len(value) == length:
            port = int.from_bytes(value[2:4], "big") ^ 0x2112
            key = said[4:20][: length - 4]
            packed = bytes(one ^ other for one, other in zip(value[4:], key, strict=True))
            return socket.inet_ntop(socket.AF_INET if length == 8 else socket.AF_INET6, packed), port
        at += 4 + (length + 3) // 4 * 4
    return None


async def options(out: Outlet, target: Target) -> str | None:
    """A SIP server's answer to OPTIONS by UDP: its status line; None: silence."""
    branch, tag = secrets.token_hex(8), secrets.token_hex(4)
    with suppress(OSError), _Asker(out, target) as asker:
        own = "{}:{}".format(*asker.socket.getsockname()[:2])
        text = (
            f"OPTIONS sip:{target.host} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK{branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:doctor@{own}>;tag={tag}\r\nTo: <sip:{target.host}>\r\n"
            f"Call-ID: {branch}@doctor\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        for _ in range(3):
            asker.send(text.encode())
            said = await asker.receive(1.3)
            if said is not None and said.startswith(b"SIP/2.0 ") and f"{branch}@doctor".encode() in said:
                return said.split(b"\r\n", 1)[0].decode("latin-1")[8:80]
    return None
