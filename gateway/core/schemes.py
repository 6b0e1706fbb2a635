"""Who opens which URL: the table that adapters fill.

An adapter that ends takes its schemes with it: what it had open is ended with `adapter-off`, and opened again when
somebody has the scheme anew.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gateway.base.errors import GatewayError, LinkDown, Unsupported
from gateway.core.cut import Cut

log = logging.getLogger(__name__)

Opener = TypeVar("Opener", bound=Callable[..., Awaitable[None]])


class Schemes(Generic[Opener]):
    """`changed(scheme)` is called after a scheme came or went."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._openers: dict[str, Opener] = {}
        self._running: dict[str, set[Cut]] = {}

    def register(self, scheme: str, opener: Opener) -> Callable[[], None]:
        """The newest counts. The returned function may be called twice."""
        self._end(scheme)
        self._openers[scheme] = opener

        def forget() -> None:
            if self._openers.get(scheme) is opener:
                del self._openers[scheme]
                self._end(scheme)
                self._changed(scheme)

        self._changed(scheme)
        return forget

    def __contains__(self, scheme: str) -> bool:
        return scheme in self._openers

    def names(self) -> Sequence[str]:
        return sorted(self._openers)

    def opener(self, scheme: str) -> Opener:
        """Raises Unsupported (`adapter-off`)."""
        found = self._openers.get(scheme)
        if found is None:
            known = ", ".join(self.names()) or "none"
            raise Unsupported(f"nobody opens {scheme}: now (known: {known})", code="adapter-off")
        return found

    async def run(self, scheme: str, work: Awaitable[None], cut: Cut | None = None) -> None:
        """`work` is the opener's; it ends with it."""
        cut = cut or Cut()
        running = self._running.setdefault(scheme, set())
        running.add(cut)
        try:
            await cut.run(work)
        finally:
            running.discard(cut)

    def _end(self, scheme: str) -> None:
        why: GatewayError = LinkDown(f"the adapter of {scheme}: ended", code="adapter-off")
        for cut in list(self._running.get(scheme, ())):
            cut.cut(why)
