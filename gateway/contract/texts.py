"""Short messages: carriers (modems, satellite phones, BeiDou terminals) offer themselves, the core keeps and decides.

A carrier sends what it is given and hands in what came. It keeps nothing: what goes out waits in the core, over
restarts, until a carrier has sent it; what came is taken off the SIM or terminal only after `take` has returned.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from gateway.model.texts import Arrived, CarrierKind, TextIn, TextOut, TextPriority


@dataclass(frozen=True, slots=True)
class TextSent:
    """`references` are the network's own, one a part, by which a delivery report names it; () where there are none."""

    parts: int = 1
    references: tuple[str, ...] = ()


Progress = Callable[[int, int], Awaitable[None]]
"""`(done, parts)`: so many parts of so many are with the network. Durable when it returns."""

Send = Callable[[TextOut, Progress], Awaitable[TextSent]]
"""Send one message; called for one message at a time, and only while the seat says that it is ready.

Begin after `text.parts_done` parts, which went by this carrier before, and call the progress after each part but the
last. Number the parts of a long one by `text.reference`. Raises LinkDown (not sent, or not whole: it waits and is tried
again; `text-unsure` when the answer of the network was lost, so that it may have gone), PeerError (this network will
never take it: another carrier may; `text-refused` where there is no better word), Unsupported (`text-too-long`,
`text-address`).
"""


class CarrierSeat(Protocol):
    """A carrier's place. It begins as not ready, `text-carrier-down`."""

    def tell(self, ready: bool, code: str = "", detail: str = "", *, again_in_s: float = 0.0) -> None:
        """Whether it can send now; why not, and when it may again where that is known."""

    async def take(self, text: Arrived) -> bool:
        """Keep what came; True when it was new. Durable when it returns: only then may it be removed where it lies.

        Raises GatewayError (`disk-full`, `store-busy`): leave it there, and come again.
        """

    async def report(self, reference: str, delivered: bool, code: str = "", detail: str = "") -> None:
        """The network says what became of a part that was sent."""


class Texts(Protocol):
    def carrier(
        self, name: str, kind: CarrierKind, send: Send, *, cost: int = 0, number: str = ""
    ) -> AbstractContextManager[CarrierSeat]:
        """Offer to carry, while the context lasts. `number` is its own, where it is known.

        Raises Busy (`text-carrier-taken`): the name is another's.
        """

    async def send(
        self,
        to: str,
        body: str,
        *,
        id: str = "",
        priority: TextPriority = TextPriority.PERSON,
        max_age_s: float | None = None,
        replaces: str = "",
        by: str = "",
        carrier: str = "",
    ) -> TextOut:
        """Put a message into the outbox; durable when it returns. The same `id` again: the same message, once.

        `replaces`: a name of which one message waits at most; a newer one takes its place. `max_age_s`: it is given up
        when it is older (None: `texts.max_age`).
        Raises RemoteProtocolError (`text-address`, `text-too-long`), Busy (`texts-full`).
        """

    def on_kept(self, called: Callable[[TextIn], None]) -> Callable[[], None]:
        """`called(text)` for each whole message after it is durable, until the returned function is called."""
