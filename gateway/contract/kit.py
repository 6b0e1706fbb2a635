"""The kit itself: what receivers and modems tell of place and time, and how it stands, for those who show it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.base.moment import TimeQuality
from gateway.model.kit_state import FieldState, Fix, KitCondition


class KitStanding(Protocol):
    """On the event loop; every method returns at once."""

    def fix(self, source: str, kind: str, fix: Fix) -> str:
        """Where a receiver says that the kit is. `source`: its name, as "gpsd" or "lte0"; `kind`: "receiver", "modem",
        "satphone", "station" or "network". Returns why it does not count (a reason code), "" when it does."""

    def no_fix(self, source: str, kind: str, code: str) -> None:
        """It has none: `gnss-no-fix`, `gnss-silent`."""

    def no_source(self, source: str) -> None:
        """It is gone: unplugged, switched off."""

    def time(self, source: str, quality: TimeQuality, unix_s: float) -> None:
        """The time that a network (NITZ) or receiver (GNSS) tells, as of now."""

    def quality(self) -> TimeQuality:
        """How good this machine's clock is now."""

    def held(self, way: str, yes: bool) -> None:
        """A center's broker holds the kit by this adapter, or no longer: messages go, whatever pictures do."""

    @property
    def condition(self) -> KitCondition: ...
    @property
    def field(self) -> FieldState:
        """The field team's word, its reason and the links."""

    def on_field(self, called: Callable[[FieldState], None]) -> Callable[[], None]:
        """`called(state)` after every change of word, reason or links, until the returned function is called."""
