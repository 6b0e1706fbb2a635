"""Probes by one interface: a socket bound to it, so that the answer says that this link carries and no other.

Where binding to a device is not permitted the source address alone leads. Names are resolved by whoever makes it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from gateway.net.links import echo

_SO_BINDTODEVICE, _SO_MARK = 25, 36
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked. `scheme`: udp (our echo) or dns."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


def parse_target(text: str) -> tuple[str, str, int]:
    """`udp://host:port` → scheme, host, port. Raises ValueError."""
    scheme, _, rest = text.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme not in ("udp", "dns") or not host or not port.isdecimal():
        raise ValueError(f"{text!r} is nothing to ask")
    return scheme, host.removeprefix("[").removesuffix("]"), int(port)


class Prober:
    """`send` is False when the kernel took nothing; `on_answer(number)` for each answer. Each probe has a number of its
    own, which those of other probers may have too.

    Raises OSError when there is no such interface or address (any more).
    """

    def __init__(self, interface: str, source: str, target: Target, on_answer: Callable[[int], None]) -> None:
        self.interface, self.source, self.target = interface, source, target
        self._token = os.urandom(8)
        self._on_answer = on_answer
        self._asked: dict[int, int] = {}
        self._socket = bound(interface, source, target.family, socket.SOCK_DGRAM)
        try:
            self._socket.connect((target.host, target.port))
        except BaseException:
            self._socket.close()
            raise
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    def send(self, number: int) -> bool:
        dns = self.target.scheme == "dns"
        data = echo.question(number) if dns else echo.probe(self._token, number)
        for _ in range(2):
            try:
                self._socket.send(data)
            except ConnectionRefusedError:
                continue  # an ICMP error of an earlier probe, told now: this one has not left yet
            except OSError:
                return False
            if dns:
                self._asked[number & 0xFFFF] = number
                if len(self._asked) > 64:
                    del self._asked[next(iter(self._asked))]
            return True
        return False

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                data = self._socket.recv(2048)
            except OSError:  # nothing more, or an ICMP error: silence says it better
                return
            if self.target.scheme == "dns":
                number = self._asked.pop(found, None) if (found := echo.id_of(data)) is not None else None
            else:
                number = echo.number_of(data, self._token)
            if number is not None:
                self._on_answer(number)


def bound(interface: str, source: str, family: socket.AddressFamily, kind: int, mark: int = 0) -> socket.socket:
    """A socket that leaves by that interface, not blocking. Raises OSError."""
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if mark:
            with suppress(PermissionError):
                sock.setsockopt(socket.SOL_SOCKET, _SO_MARK, mark)
        if interface:
            with suppress(PermissionError):
                sock.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.encode())
        sock.bind((source, 0))
    except BaseException:
        sock.close()
        raise
    return sock
