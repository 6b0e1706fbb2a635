"""What a kit's session asks of its kit: the daemon's (`kit_facts.py`), or one that is made up to load a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from adapters.mqtt.protocol.messages import Birth, Order
from gateway.base.moment import Moment
from gateway.model.command import CommandResult
from gateway.model.device import Device
from gateway.model.kit import LinkState
from gateway.model.kit_state import KitCondition
from gateway.model.position import Position


@dataclass(frozen=True, slots=True)
class Gone:
    """A device that is no more."""

    device: str


@dataclass(frozen=True, slots=True)
class Missed:
    """Changes were lost: all is told anew."""


Change = Device | Gone | Position | Missed


class KitFacts(Protocol):
    """What a session tells of its kit, and who does what it is told to."""

    @property
    def gateway(self) -> str: ...
    def birth(self) -> Birth:
        """`session`, `instance` and `online` are the session's to fill in."""

    def devices(self) -> Sequence[Device]: ...
    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[Change]]: ...
    def moment(self) -> Moment: ...
    def figures(self) -> Mapping[str, float]: ...
    def links(self) -> Sequence[LinkState]: ...
    def condition(self) -> KitCondition | None:
        """How the kit itself stands; None: that is nothing to those who listen."""

    async def order(self, order: Order, left_s: float) -> CommandResult:
        """Never raises GatewayError."""
