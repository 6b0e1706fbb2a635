"""The registrar on the network: REGISTER of softphones, and what phones and strangers send outside of calls."""

from __future__ import annotations

import logging

from adapters.sip.guard import Guard
from adapters.sip.registrar import Binding, Location
from adapters.sip.registrar_auth import Door, Refused
from adapters.sip.registrar_refusals import Refusals
from adapters.sip.trunks import Trunks
from gateway.base.clock import Clock
from gateway.base.tasks import beat
from gateway.net.sip import IncomingRequest
from gateway.wire.sip import Hop

log = logging.getLogger(__name__)

SWEEP_S = 5.0


class RegistrarDesk:
    def __init__(
        self,
        location: Location,
        door: Door,
        guard: Guard,
        trunks: Trunks,
        refusals: Refusals,
        clock: Clock | None = None,
    ) -> None:
        self._location = location
        self._door = door
        self._guard = guard
        self._trunks = trunks
        self._refusals = refusals
        self._clock = clock or Clock()

    async def register(self, incoming: IncomingRequest) -> None:
        """RFC 3261 §10.3: prove who it is, then bind."""
        request, hop = incoming.request, incoming.hop
        now = self._clock.monotonic()
        judged = self._door.judge(request, hop, now)
        if isinstance(judged, Refused):
            await self._refusals.refuse(judged, hop, "REGISTER", incoming.respond, incoming.drop)
            return
        outcome = self._location.register(judged.user, request, hop, now)
        if outcome.ok:
            for one in outcome.removed:
                self.left(one, "signed off")
            for one in outcome.added:
                self._guard.proven(one.hop, now)
                log.info("SIP phone of %s at %s registered (%s)", one.user, one.hop, one.agent or "no name")
        incoming.respond(outcome.status, outcome.reason, headers=outcome.headers)

    async def options(self, incoming: IncomingRequest) -> None:
        """A sign of life for those we know; others learn nothing of us."""
        if self.knows(incoming.hop):
            allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO, REFER, NOTIFY"
            incoming.respond(200, headers=[("Allow", allow), ("Accept", "application/sdp")])
        else:
            self._strange(incoming)

    async def other(self, incoming: IncomingRequest) -> None:
        if not self.knows(incoming.hop):
            self._strange(incoming)
        elif incoming.request.method in ("SUBSCRIBE", "PUBLISH"):
            incoming.respond(489)
        else:
            incoming.respond(405, headers=[("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER")])

    def knows(self, hop: Hop) -> bool:
        """A trunk, or a phone that is registered by this very way."""
        return self._trunks.trunk_of(hop) is not None or self._location.by_hop(hop, self._clock.monotonic()) is not None

    def flow_closed(self, hop: Hop, why: str) -> None:
        self._guard.gone(hop)
        for one in self._location.flow_closed(hop):
            self.left(one, why)

    async def sweep(self) -> None:
        """Forget phones whose registration ran out. Until cancelled."""
        while True:
            await beat(SWEEP_S)
            for one in self._location.expire(self._clock.monotonic()):
                self.left(one, "its registration ran out")

    def _strange(self, incoming: IncomingRequest) -> None:
        if self._door.of_our_network(incoming.hop.remote[0]):
            incoming.respond(403)
        else:
            incoming.drop()

    def forget(self, user: str) -> None:
        """His password changed, or he is no user any more: his phones have to prove themselves anew."""
        for one in self._location.forget(user):
            self.left(one, "its user was changed")

    def left(self, one: Binding, why: str) -> None:
        """A binding that is no more."""
        if self._location.by_hop(one.hop, self._clock.monotonic()) is None:
            self._guard.gone(one.hop)
        log.info("SIP phone of %s at %s is gone: %s", one.user, one.hop, why)
