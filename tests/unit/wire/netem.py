"""A bad network between sans-IO cores, in memory: loss, reorder and duplication by seed, time moved by hand."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from gateway.wire.sip import Hop, SipResponse
from gateway.wire.sip.core import SipCore
from gateway.wire.sip.events import Event

Address = tuple[str, int]


@dataclass
class Netem:
    """Datagrams between peers. `loss` and `dup` are chances, a delay is drawn from `delay_s` (so order changes)."""

    seed: int = 0
    loss: float = 0.0
    dup: float = 0.0
    delay_s: tuple[float, float] = (0.01, 0.01)
    drop: Callable[[bytes], bool] = lambda _: False  # aimed loss: True drops this one
    now: float = 0.0
    peers: dict[Address, Peer] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)  # first lines as sent, lost ones marked

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._order = count()
        self._queue: list[tuple[float, int, bytes, Address, Address]] = []

    def peer(self, address: Address, **core: object) -> Peer:
        self.peers[address] = Peer(self, address, SipCore(**core))  # type: ignore[arg-type]
        return self.peers[address]

    def send(self, data: bytes, source: Address, to: Address) -> None:
        first = data.split(b"\r\n", 1)[0].decode("utf-8", "replace")
        lost = self.drop(data) or self._rng.random() < self.loss
        self.log.append(f"lost {first}" if lost else first)
        for _ in range(0 if lost else 2 if self._rng.random() < self.dup else 1):
            due = self.now + self._rng.uniform(*self.delay_s)
            heapq.heappush(self._queue, (due, next(self._order), data, source, to))

    def run(self, seconds: float) -> None:
        """Let time pass: deliver what is due and fire timers, in their order."""
        until = self.now + seconds
        self._flush()
        while True:
            timers = [(when, peer) for peer in self.peers.values() if (when := peer.core.next_timer()) is not None]
            due = [self._queue[0][0]] if self._queue else []
            following = min([*due, *(when for when, _ in timers)], default=until + 1)
            if following > until:
                break
            self.now = max(self.now, following)
            if due and due[0] <= self.now:
                _, _, data, source, to = heapq.heappop(self._queue)
                if to in self.peers:
                    self.peers[to].core.receive_datagram(data, Hop("udp", to, source), self.now)
            for when, peer in timers:
                if when <= self.now:
                    peer.core.handle_timer(self.now)
            self._flush()
        self.now = until

    def _flush(self) -> None:
        moved = True
        while moved:
            moved = False
            for peer in list(self.peers.values()):
                while (event := peer.core.next_event()) is not None:
                    moved = True
                    peer.events.append(event)
                    peer.react(event)
                for hop, data in peer.core.data_to_send(self.now):
                    moved = True
                    self.send(data, hop.local, hop.remote)


class Peer:
    """One core at one address; `react` is what it does with events (nothing, until a test says)."""

    def __init__(self, net: Netem, address: Address, core: SipCore) -> None:
        self.net = net
        self.address = address
        self.core = core
        self.events: list[Event] = []
        self.react: Callable[[Event], None] = lambda _: None

    @property
    def now(self) -> float:
        return self.net.now

    def hop(self, to: Peer) -> Hop:
        return Hop("udp", self.address, to.address)

    def of(self, kind: type[Event]) -> list[Event]:  # type: ignore[valid-type]
        return [event for event in self.events if isinstance(event, kind)]

    def statuses(self) -> list[int]:
        return [r.status for e in self.events if isinstance(r := getattr(e, "response", None), SipResponse)]
