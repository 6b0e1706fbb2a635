"""How brokers are reached and spoken to: how long they have, and which version they know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from adapters.mqtt.address import Broker
from adapters.mqtt.dial import Dialler


@dataclass(frozen=True, slots=True)
class Times:
    answer_s: float = 4.0
    keep_alive_s: float = 20.0


@dataclass(slots=True)
class Versions:
    """Which brokers have MQTT 5, as far as it is known."""

    wish: Literal["auto", "5", "3.1.1"] = "auto"
    known: dict[Broker, bool] = field(default_factory=dict)

    def five(self, broker: Broker) -> bool:
        return self.wish == "5" or (self.wish == "auto" and self.known.get(broker, True))

    def alike(self, broker: Broker, nodes: Iterable[Broker]) -> None:
        """Nodes of a cluster speak what `broker`, one of them, does: none is asked for more than that."""
        if self.wish == "auto" and not self.known.get(broker, True):
            for node in nodes:
                self.known.setdefault(node, False)

    def may_be_old(self, broker: Broker) -> bool:
        return self.wish == "auto" and broker not in self.known


@dataclass(frozen=True, slots=True)
class Setting:
    brokers: tuple[Broker, ...]
    dialler: Dialler = field(default_factory=Dialler)
    times: Times = field(default_factory=Times)
    versions: Versions = field(default_factory=Versions)
    spread: bool = True
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def cluster(self) -> bool:
        """All brokers are one: what one of them has the others have."""
        return self.spread and len(self.brokers) > 1
