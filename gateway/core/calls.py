"""The list of calls: those that stand, and the last ones that ended. Fulfils `contract.voice.Calls`.

Adapters list their calls and carry out what people order; whoever can place calls says for which scheme.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace

from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, NotFound, Unsupported
from gateway.contract.voice import CallHandler, Dial
from gateway.core.audit import Audit
from gateway.core.messages import Bus
from gateway.core.rights import in_scope
from gateway.model.principal import Principal, Role
from gateway.model.voice import CallState, CallStatus

log = logging.getLogger(__name__)

ENDED_KEPT = 200
"""Calls that ended, for the list; the record has them all."""
_FIELDS = {field.name for field in fields(CallStatus)} - {"id"}
_TEXT = 200


class Hold:
    """Fulfils `contract.voice.CallHold`."""

    def __init__(self, calls: Calls, status: CallStatus, handler: CallHandler) -> None:
        self._calls = calls
        self.status = status
        self.handler = handler
        self.ended = asyncio.get_running_loop().create_future()

    @property
    def id(self) -> str:
        return self.status.id

    def change(self, state: CallState | None = None, **given: str | float) -> None:
        """Raises TypeError for a field that CallStatus does not have."""
        if strange := given.keys() - _FIELDS:
            raise TypeError(f"a call has no {', '.join(sorted(strange))}")
        if self.ended.done():
            return
        values = {name: value[:_TEXT] if isinstance(value, str) else value for name, value in given.items()}
        changed = replace(self.status, **values)  # type: ignore[arg-type]
        if state is not None:
            changed = replace(changed, state=state)
        if changed != self.status:
            self._calls.changed(self, changed)

    def end(self, code: str, detail: str = "") -> None:
        if not self.ended.done():
            self._calls.over(self, code, detail[:_TEXT])


class Calls:
    """On the event loop only."""

    def __init__(self, gateway: str, bus: Bus, audit: Audit, clock: Clock, most: Callable[[], int]) -> None:
        self._gateway = gateway
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._most = most
        self._standing: dict[str, Hold] = {}
        self._ended: deque[CallStatus] = deque(maxlen=ENDED_KEPT)
        self._dialers: dict[str, Dial] = {}
        self.total = 0
        self._number = 0

    # — what adapters do —

    def open(self, status: CallStatus, handler: CallHandler) -> Hold:
        if len(self._standing) >= self._most():
            raise Busy(f"{len(self._standing)} calls stand already", code="too-many-calls")
        now = self._clock.wall()
        status = replace(status, id=status.id or self._next(), peer=status.peer[:_TEXT], started=status.started or now)
        if status.id in self._standing:
            raise Busy(f"there is a call {status.id} already")
        hold = Hold(self, status, handler)
        self._standing[status.id] = hold
        self.total += 1
        way = "in" if status.incoming else "out"
        self._audit.note(_peer(status), "call.start", status.target, detail=f"{way} {status.id} {status.trunk}".strip())
        self._publish(status)
        return hold

    def dialer(self, scheme: str, dial: Dial) -> Callable[[], None]:
        self._dialers[scheme] = dial

        def forget() -> None:
            if self._dialers.get(scheme) is dial:
                del self._dialers[scheme]

        return forget

    # — what holds do —

    def changed(self, hold: Hold, status: CallStatus) -> None:
        if status.state is CallState.UP and not status.answered:
            status = replace(status, answered=self._clock.wall())
        hold.status = status
        self._publish(status)

    def over(self, hold: Hold, code: str, detail: str) -> None:
        status = replace(hold.status, state=CallState.ENDED, code=code, detail=detail, ended=self._clock.wall())
        hold.status = status
        self._standing.pop(status.id, None)
        self._ended.append(status)
        hold.ended.set_result(code)
        lasted = status.ended - status.answered if status.answered else 0.0
        self._audit.note(_peer(status), "call.end", status.target, detail=f"{status.id} {lasted:.0f} s {code}".strip())
        self._publish(status)

    # — what people ask and order —

    def list(self, who: Principal) -> Sequence[CallStatus]:
        """Standing ones first, then those that ended, newest first; as far as the scope goes."""
        standing = [hold.status for hold in self._standing.values()]
        return [status for status in (*reversed(standing), *reversed(self._ended)) if self._visible(who, status)]

    def find(self, who: Principal, id_: str) -> Hold:
        """Raises NotFound, Denied."""
        hold = self._standing.get(id_)
        if hold is None:
            ended = any(status.id == id_ for status in self._ended)
            text = f"call {id_[:80]} has ended" if ended else f"there is no call {id_[:80]!r}"
            raise NotFound(text, code="call-ended" if ended else None)
        if not self._visible(who, hold.status):
            raise Denied(f"call {id_} lies outside of what {who.name} may see")
        return hold

    async def place(self, who: Principal, number: str, where: str | None, video: bool) -> str:
        """`number`: with its scheme (`sip:8001`) or without. Raises Unsupported (`no-dialer`) or what dialers raise."""
        scheme, colon, rest = number.partition(":")
        if not colon:
            scheme, rest = "sip", number
        dial = self._dialers.get(scheme)
        if dial is None:
            raise Unsupported(f"nothing here places calls of the kind {scheme[:20]!r}", code="no-dialer")
        return await dial(who, rest, where, video)

    def hold_of(self, id_: str) -> Hold | None:
        return self._standing.get(id_)

    def count(self) -> Mapping[str, int]:
        """Standing ones by state."""
        return Counter(hold.status.state.value for hold in self._standing.values())

    # — within —

    def _next(self) -> str:
        """A short name, good as part of an id."""
        while True:
            self._number += 1
            if (id_ := f"call-{self._number}") not in self._standing:
                return id_

    def _visible(self, who: Principal, status: CallStatus) -> bool:
        return in_scope(who, status.target or self._gateway)

    def _publish(self, status: CallStatus) -> None:
        self._bus.publish("call", status.id, status, within=status.target or self._gateway)


def _peer(status: CallStatus) -> Principal:
    """The far side, as the record names it."""
    return Principal(f"{status.scheme}:{status.peer}"[:_TEXT], Role.VIEWER, status.id)
