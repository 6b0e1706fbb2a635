"""How one link of a kit finds its center: by UDP to one address after another, by TCP beside it where UDP is silent.

    UDP  always tried; silent for `patience_s`: to the center's next address
    TCP  opened once UDP was silent at every address; let go when UDP has carried for `SURE_S`

Sans-IO: `poll` says what to do now, the caller tells what came of it. A TCP attempt that failed is made again after 5
s, doubling to 60 s.
"""

from __future__ import annotations

from dataclasses import dataclass

SURE_S = 10.0
TCP_FIRST_S = 5.0
TCP_MOST_S = 60.0


@dataclass(frozen=True, slots=True)
class Udp:
    """(Re)open the UDP path to this one of the center's addresses."""

    address: int


@dataclass(frozen=True, slots=True)
class Tcp:
    """Open the TCP path to this one."""

    address: int


@dataclass(frozen=True, slots=True)
class DropTcp:
    pass


Order = Udp | Tcp | DropTcp


class LinkTry:
    def __init__(self, addresses: int, now: float, *, patience_s: float, fallback: bool) -> None:
        self._addresses = max(addresses, 1)
        self._patience_s = patience_s
        self._fallback = fallback
        self._udp = 0
        self._udp_in_since: float | None = None
        self._udp_at = now
        self._silent = 0
        self._tcp = 0
        self._tcp_open = False
        self._tcp_at: float | None = None
        self._tcp_wait_s = TCP_FIRST_S
        self._orders: list[Order] = [Udp(0)]

    def poll(self) -> list[Order]:
        orders, self._orders = self._orders, []
        return orders

    def next_timer(self) -> float | None:
        times = []
        if self._udp_in_since is None:
            times.append(self._udp_at + self._patience_s)
        elif self._tcp_open:
            times.append(self._udp_in_since + SURE_S)
        if self._tcp_at is not None:
            times.append(self._tcp_at)
        return min(times, default=None)

    def handle_timer(self, now: float) -> None:
        if self._udp_in_since is None and now >= self._udp_at + self._patience_s:
            self._udp_silent(now)
        if self._tcp_open and self._udp_in_since is not None and now >= self._udp_in_since + SURE_S:
            self._tcp_open, self._tcp_wait_s = False, TCP_FIRST_S
            self._orders.append(DropTcp())
        if self._tcp_at is not None and now >= self._tcp_at:
            self._tcp_at = None
            if self._udp_in_since is None:
                self._open_tcp()

    def udp(self, carries: bool, now: float) -> None:
        """The UDP path carries from now on, or no longer."""
        if carries and self._udp_in_since is None:
            self._udp_in_since, self._silent, self._tcp_at = now, 0, None
        elif not carries and self._udp_in_since is not None:
            self._udp_in_since, self._udp_at = None, now

    def tcp_ended(self, now: float) -> None:
        """The attempt failed, or the connection ended."""
        self._tcp_open = False
        if self._udp_in_since is None:
            self._tcp = (self._tcp + 1) % self._addresses
            self._tcp_at = now + self._tcp_wait_s
            self._tcp_wait_s = min(self._tcp_wait_s * 2, TCP_MOST_S)

    def tcp_carries(self) -> None:
        self._tcp_wait_s = TCP_FIRST_S

    def _udp_silent(self, now: float) -> None:
        self._udp_at = now
        self._silent += 1
        if self._addresses > 1:
            self._udp = (self._udp + 1) % self._addresses
            self._orders.append(Udp(self._udp))
        if self._fallback and self._silent >= self._addresses and not self._tcp_open and self._tcp_at is None:
            self._open_tcp()

    def _open_tcp(self) -> None:
        self._tcp_open = True
        self._orders.append(Tcp(self._tcp))
