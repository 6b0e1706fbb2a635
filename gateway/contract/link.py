"""Links: whoever tends a bearer offers it here and tells how it stands; whoever calls out asks here which way.

    with context.links.offer("modem1", BearerKind.LTE, recover=self.recover) as seat:
        seat.tell(BearerFacts(LinkPhase.REGISTERED, code="link-no-interface"))
        …
        seat.tell(BearerFacts(LinkPhase.UP, interface="wwan0", signal=signal))

The link keeps its name, history and quota however its interface is called. Whether data pass is found out here, by
probes that leave by that interface and by traffic: an adapter need not find that out, but is asked to `recover` where
its bearer says "up" and nothing passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from gateway.model.link import BearerFacts, BearerKind, Link, TrafficClass


class LinkSeat(Protocol):
    """One bearer's place among the links."""

    @property
    def name(self) -> str: ...

    def tell(self, facts: BearerFacts) -> None:
        """How it stands from now on. Cheap: told again unchanged, it changes nothing."""


class Links(Protocol):
    """On the event loop only."""

    def offer(
        self, name: str, kind: BearerKind, *, recover: Callable[[str], None] | None = None
    ) -> AbstractContextManager[LinkSeat]:
        """A bearer of this name is tended until the context is left; then it stands as `absent` for a while, and goes.

        `name`: a slug that stays over restarts and renumbering, of the configuration (`modem1`). `recover(code)` is
        called when the bearer says `up` and data have not passed for long though they do elsewhere: take the next step
        back. It returns at once, may be called again while it is under way, and is not called while `phase` is other
        than `up`. Raises Busy (`link-taken`) while somebody else offers that name.
        """

    def view(self) -> Sequence[Link]:
        """All links, by name."""

    def may_use(self, interface: str) -> str:
        """ "" when traffic may leave by this interface, else the reason why not (`link-roaming`, `link-quota-spent`,
        `link-switched-off`): whoever binds to interfaces himself asks. An interface that nobody knows may be used."""

    def cost(self, interface: str) -> int | None:
        """What the configuration or its bearer says it costs, 0 … 100; None: nothing was said."""

    def classes(self, interface: str) -> frozenset[TrafficClass]:
        """What may take this interface, as the configuration says; everything where it says nothing."""

    def passed(self, interface: str, rtt_s: float | None = None) -> None:
        """Something authentic came in by this interface just now: as good as an answered probe."""

    def silent(self, interface: str) -> None:
        """Whoever keeps asking by this interface, and was answered before, has had no answer for longer than he waits:
        down, where data pass by another link and nothing is probed; where it is, that is done at once."""

    def on_change(self, called: Callable[[], None]) -> Callable[[], None]:
        """`called` whenever a link came, went or stands otherwise, until the returned function is called."""
