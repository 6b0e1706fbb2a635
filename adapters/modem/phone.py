"""A modem as a telephone: which numbers are dialled, whose calls are taken, one call at a time, within its budget."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from adapters.modem.call import ModemCall
from adapters.modem.call_sound import CallSound
from adapters.modem.config import OneModem
from adapters.modem.face import CallPhase, CellularModem, Speaking, VoiceCall
from gateway.base.day_budget import DayBudget
from gateway.base.day_budget_file import KeptBudget
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, Unsupported
from gateway.base.tasks import Nest
from gateway.contract.adapter import Context
from gateway.model.principal import Principal, Role

log = logging.getLogger(__name__)

LOOK_S = 5.0
"""Who calls is looked for when the modem says so, and as often as this: its word may have been lost."""
SOON_S = 1.0
GOODBYE_S = 10.0


class Phone:
    def __init__(
        self, name: str, modem: CellularModem, config: OneModem, context: Context, registered: Callable[[], bool]
    ) -> None:
        self.name, self.modem, self.config, self.context = name, modem, config, context
        self.calls = config.calls
        self.budget = KeptBudget(context.state_dir, name) if self.calls.day_budget else DayBudget()
        self.call: ModemCall | None = None
        self.dropped = 0
        """Records of samples that came too late, of all calls."""
        self._registered = registered
        self._news = asyncio.Event()
        self._refused: set[tuple[str, str]] = set()
        """Calls that were refused and may be listed a moment longer; their ids are given anew soon."""
        self._nest = Nest(f"calls of {name}", 2)
        self._leaving = False

    # — out —

    def why_not(self, number: str) -> GatewayError | None:
        """Why it can not dial that now."""
        if not self.modem.features.calls:
            return Unsupported(f"{self.name} makes no voice calls", code="modem-no-voice")
        if not self._registered() or self._leaving:
            return LinkDown(f"{self.name} has no network", code="modem-searching")
        if self.call is not None:
            return Busy(f"{self.name} is in a call", code="modem-in-call")
        budget_s = self.calls.day_budget
        if budget_s and self.budget.used_s() >= budget_s and not self.calls.is_emergency(number):
            return Busy(f"{self.name}: {budget_s / 60:.0f} minutes within a day are used up", code="modem-call-budget")
        return None

    def dial(self, who: Principal, number: str, where: str | None) -> str:
        """The call's id, while it is under way. Asked after `why_not`. Raises Busy."""
        return self._start(ModemCall(self, who, number, incoming=False, where=where))

    # — in —

    def on_call(self) -> None:
        self._news.set()
        if self.call is not None:
            self.call.news.set()

    async def run(self) -> None:
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SOON_S if self._refused else LOOK_S):
                        await self._news.wait()
                self._news.clear()
                if self.call is None and self._registered() and not self._leaving:
                    try:
                        await self._look()
                    except LinkDown as exc:
                        log.debug("%s: no word of calls: %s", self.name, exc)
                    except GatewayError as exc:
                        log.warning("%s: calls are not looked after: %s (%s)", self.name, exc, exc.code)
        finally:
            await self.leave()

    async def leave(self) -> None:
        """The call that stands is ended while the modem can be told so."""
        self._leaving = True
        if (call := self.call) is not None:
            call.end("stopping")
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await asyncio.shield(call.over)
        await self._nest.close()

    async def _look(self) -> None:
        calls = [one for one in await self.modem.calls() if one.phase is not CallPhase.ENDED]
        self._refused &= {(one.id, one.number) for one in calls}
        if self.call is not None:  # dialled meanwhile
            return
        for one in calls:
            if one.incoming and one.phase is CallPhase.RINGING:
                await self._rings(one)
                return
        if calls and not self._refused and isinstance(self.modem, Speaking):
            # The line is ours alone: it stands since before this start, or since before the port went.
            log.warning("%s: a call with %s that is not ours stands, and is hung up", self.name, calls[0].number)
            await self.modem.hang_up()

    async def _rings(self, told: VoiceCall) -> None:
        number = told.number
        who = Principal(f"tel:{number or 'withheld'}", Role.OPERATOR, f"tel:{self.name}")  # a viewer would only listen
        if not self.calls.may_call(number):
            if (told.id, number) in self._refused:
                return await self.modem.hang_up()
            self._refused.add((told.id, number))
            log.info("%s: a call of %s is refused: not among its callers", self.name, number or "a withheld number")
            refused = ModemCall(self, who, number, incoming=True, where=None)
            refused.listed.end("caller-denied", f"not in calls.callers of {self.name}")
            await self.modem.hang_up()
            return
        ring = self.calls.ring
        where = None if ring == "console" else f"{self.context.gateway}/talk/{ring}"
        self._start(ModemCall(self, who, number, incoming=True, where=where))

    # — within —

    def count(self, sound: CallSound) -> None:
        if sound.line is not None:
            self.dropped += sound.line.dropped_in + sound.line.dropped_out

    def _start(self, call: ModemCall) -> str:
        self.call = call
        call.over.add_done_callback(lambda _: self._over(call))
        try:
            self._nest.start(call.run(), f"call {call.listed.id}")
        except Busy:
            call.over.cancel()
            call.listed.end("stopping")
            raise
        return call.listed.id

    def _over(self, call: ModemCall) -> None:
        if self.call is call:
            self.call = None
        self._news.set()


def dialled(phones: Sequence[Phone], who: Principal, number: str, where: str | None) -> str:
    """Dialled by the first modem that may and can; its call's id. Raises Denied (`number-denied`) and what keeps the
    first that may from it."""
    allowed = [phone for phone in phones if phone.calls.may_dial(number)]
    if not allowed:
        raise Denied(f"no modem may dial {number[:32]!r}: it is not in calls.to", code="number-denied")
    reasons = [phone.why_not(number) for phone in allowed]
    for phone, reason in zip(allowed, reasons, strict=True):
        if reason is None:
            return phone.dial(who, number, where)
    raise next(reason for reason in reasons if reason is not None)
