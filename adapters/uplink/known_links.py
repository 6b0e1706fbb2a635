"""A kit's links as its center knows them: the kit's own word, as far as our end of the bundle does not know better.

A kit whose links are all cut can not tell so: its last word, which called one of them good, would stand until the
session is over. Our end knows within seconds by which paths nothing comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from adapters.uplink.bundle import Bundle
from adapters.uplink.paths import TCP
from gateway.model.kit import LinkState, LinkUse

LOSSY = "path-lossy"
"""Something comes by such a path: whether it is good is for the kit to say, whose pictures take it."""


class KnownLinks:
    """`now`: unix seconds of our clock."""

    def __init__(self, bundle: Bundle, now: Callable[[], float]) -> None:
        self._bundle = bundle
        self._now = now
        self._told: Sequence[LinkState] = ()
        self._heard: dict[str, float] = {}
        self._shown: tuple[LinkState, ...] = ()

    def told(self, links: Sequence[LinkState]) -> Sequence[LinkState]:
        """The kit's word of now: what is to be shown."""
        self._told, now = links, self._now()
        heard = {link.name: now for link in links if link.state is LinkUse.IN and not self._silent(link.name)}
        self._heard = {link.name: self._heard[link.name] for link in links if link.name in self._heard} | heard
        self._shown = self._known()
        return self._shown

    def changed(self) -> Sequence[LinkState] | None:
        """Our paths changed: what is to be shown now, if that is something else."""
        before, self._shown = self._shown, self._known()
        return self._shown if self._shown != before else None

    def _known(self) -> tuple[LinkState, ...]:
        return tuple(self._one(link) for link in self._told)

    def _one(self, link: LinkState) -> LinkState:
        heard_at = self._heard.get(link.name)
        code = self._silent(link.name)
        if code and link.state in (LinkUse.IN, LinkUse.TRYING):
            return replace(link, state=LinkUse.OUT, code=code, heard_at=heard_at)
        return replace(link, heard_at=heard_at)

    def _silent(self, name: str) -> str:
        """Why nothing comes by the link, whichever way it goes; "" while something does, or where we do not know it."""
        paths = self._bundle.paths
        ours = [path for path in (paths.get(name), paths.get(name + TCP)) if path is not None]
        if not ours and paths and not self._bundle.carries:
            return "path-silent"  # its name has not come yet: nothing comes by any
        codes = [path.code for path in ours]
        return codes[0] if codes and "" not in codes and LOSSY not in codes else ""
