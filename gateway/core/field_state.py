"""The field team's word as of now: what the rule (`field_word`) looks at is gathered here, at most once a second: when
something happened that may matter, while the rule waits for something to last, and now and then all the same.

What it says is shown on the local page, by a lamp, by voice and by `fieldgate status`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.tasks import Pace
from gateway.core.facts import AdapterStatus
from gateway.core.field_word import FieldFacts, FieldJudge, links_of
from gateway.model.kit_state import FieldLink, FieldState
from gateway.model.link import BearerKind, LinkPhase
from gateway.model.texts import CarrierKind

if TYPE_CHECKING:
    from gateway.config.root import Config
    from gateway.core.core import Core

log = logging.getLogger(__name__)

EVERY_S, REST_S = 1.0, 5.0
HEEDED = ("links", "kit", "device", "adapter", "condition", "notice", "text-carrier")
"""Events that may speak of another word; links tell by themselves when one stands otherwise, not of their figures."""


class Field:
    """On the event loop; `run` is a task of the core. `adapters` and `started` are the daemon's to say."""

    def __init__(self, core: Core, config: Callable[[], Config]) -> None:
        self._core = core
        self._bus = core.bus
        self._clock = core.clock
        self._config = config
        self._judge = FieldJudge()
        self._listeners: list[Callable[[FieldState], None]] = []
        self._messages: set[str] = set()
        self._pace = Pace(EVERY_S)
        core.bus.heed(HEEDED, self._pace.stir)
        core.links.on_change(self._pace.stir)
        self.adapters: Callable[[], Sequence[AdapterStatus]] = tuple
        self.started: Callable[[], bool] = lambda: True

    @property
    def state(self) -> FieldState:
        return self._judge.state

    def listen(self, called: Callable[[FieldState], None]) -> Callable[[], None]:
        self._listeners.append(called)
        return lambda: self._listeners.remove(called) if called in self._listeners else None

    def messages(self, way: str, held: bool) -> None:
        """A broker holds the kit by this adapter, or no longer."""
        (self._messages.add if held else self._messages.discard)(way)
        self._pace.stir()

    @property
    def by_messages(self) -> bool:
        """Some broker holds the kit."""
        return bool(self._messages)

    def outward(self) -> Collection[str]:
        """Our addresses on networks that are not the kit's own, and the interfaces of those: every link leads to
        somebody else, be it a modem, a mesh, or a cable or Wi-Fi that has a default route or is named a link."""
        links = self._core.links.view()
        return {one for link in links for one in (*link.addresses, link.interface) if one}

    def stepped(self, by_s: float) -> None:
        self._judge.stepped(by_s)

    def stir(self) -> None:
        """Something else changed that may matter: the configuration, a part of the daemon, a pairing."""
        self._pace.stir()

    async def run(self) -> None:
        while True:
            try:
                self.look()
            except Exception:
                log.exception("the field team's word could not be found; it is tried again")
            await self._pace.beat(REST_S if self._judge.settled else EVERY_S)

    def look(self) -> None:
        before = self._judge.state
        self._judge.patience_s = self._config().team.technician_after
        state = self._judge.look(self._facts(), self._clock.monotonic(), self._clock.wall())
        if state == before:
            return
        if (state.word, state.code) != (before.word, before.code):
            log.info("the field team reads: %s%s", state.word, f" ({state.code})" if state.code else "")
        same = replace(state, links=before.links, level=before.level) == before
        self._bus.publish("field", "", state, transient=same)
        for called in list(self._listeners):
            try:
                called(state)
            except Exception:
                log.exception("telling the field team's word")

    def _facts(self) -> FieldFacts:
        core, config = self._core, self._config()
        centers = core.fleet.centers()
        links = self._links()
        failed = [one for one in self.adapters() if one.state == "failed" or one.code == "port-in-use"]
        devices = core.devices.all()
        return FieldFacts(
            condition=core.kit.condition,
            centers=centers,
            paired=sum(one.revoked_at is None for one in core.pairings.centers()),
            wanted=config.team.center and config.gateway.role != "center",
            is_center=config.gateway.role == "center",
            messages=bool(self._messages),
            links=links or links_of(centers),
            voiceless=frozenset(one.name for one in core.texts.carriers() if one.kind is not CarrierKind.SMS),
            failed=[one.code or "config" for one in failed],
            severed=next((one.code or "config" for one in failed if one.type == "uplink"), ""),
            broken=[code for code in core.watch.parts.values() if code],
            devices=len(devices),
            devices_online=sum(one.reachable for one in devices),
            started=self.started(),
        )

    def _links(self) -> list[FieldLink]:
        """The links of this machine, as the team sees them. A satellite phone carries no packets, but voices."""
        return [
            FieldLink(
                name=link.name,
                kind=link.kind.value,
                carries=link.usable or (link.kind is BearerKind.SATPHONE and link.phase is LinkPhase.UP),
                phase=link.phase.value,
                code=link.code,
                bars=link.signal.bars,
            )
            for link in self._core.links.view()
        ]
