"""One modem as a bearer: opened, unlocked, registered, its session made and kept; brought back by the ladder.

    open ─► SIM ─► network ─► session ─► up: looked at each `poll`, and when the modem says that something changed
      ▲                                   │ no answer, port gone, no network for long, or no data (told by the probes)
      └───────── a step of the ladder ◄───┘

What it finds goes to its seat among the links; who carries short messages is told whether it can.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from adapters.modem.face import (
    CallPhase,
    CellularModem,
    Change,
    DataSession,
    Identity,
    Registration,
    RegState,
    SimState,
    Step,
)
from adapters.modem.ladder import GONE_S, Climb, Ladder, Trouble
from adapters.modem.pin import PinKeeper
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, PeerError, Unsupported
from gateway.base.log import Secret, session_log
from gateway.contract.link import LinkSeat
from gateway.model.link import BearerFacts, LinkPhase, Signal

log = logging.getLogger(__name__)

STEP_S = 45.0
"""A step that takes longer has failed."""

BACK_S = 25.0
"""So long may a modem take to be there again after a reset."""

LOOK_S = 1.0
CALM_S = 0.3
"""Between what a modem says unasked and the look that follows: it may say a hundred things in a second."""

HOLD_S = 600.0
"""So long a call or a short message may put off a step that would cut it."""

OURS = ("disk-full", "store-busy")
"""Troubles that are this machine's: the modem is left in peace."""

RETRY_SESSION_S = (5.0, 15.0, 60.0, 300.0)
"""Between attempts to make a session that the network refuses."""

OnReady = Callable[[bool, str, str], None]
"""(ready, code, detail): whether short messages can go."""


class Wishes:
    """What the configuration wants of a bearer, whoever drives it."""

    def __init__(
        self, *, apn: str = "", user: str = "", password: Secret | None = None, roaming: bool = False,
        poll_s: float = 5.0, patience_s: float = 180.0, cost: int | None = None,
    ) -> None:  # fmt: skip
        self.apn, self.user, self.password = apn, user, password or Secret("")
        self.roaming, self.poll_s, self.patience_s, self.cost = roaming, poll_s, patience_s, cost


class Bearer:
    def __init__(
        self, name: str, modem: CellularModem, seat: LinkSeat, wishes: Wishes, pin: PinKeeper, on_ready: OnReady
    ) -> None:
        self.name = name
        self.modem = modem
        self.identity = Identity()
        self.ladder = Ladder(modem.steps)
        self.facts = BearerFacts(LinkPhase.CONNECTING, code="modem-starting")
        self.on_text: Callable[[], None] = lambda: None
        self.on_call: Callable[[], None] = lambda: None
        self.leave: Callable[[], Awaitable[None]] | None = None
        """Awaited before the modem is let go: a call is hung up while there is a line to say so."""
        self._seat = seat
        self._wishes = wishes
        self._pin = pin
        self._on_ready = on_ready
        self._log = session_log(log, adapter="modem", modem=name)
        self.sending: Callable[[], bool] = lambda: False
        """Whether a short message is just going out."""
        self._woken = asyncio.Event()
        self._pause_s = wishes.poll_s
        self._no_data = ""
        self._open = self._was_there = False
        self._step = ""
        self._warned = ""
        self._held_since: float | None = None
        self._back_until = 0.0
        self._without_since: float | None = None
        self._session_again = 0.0
        self._refusals = 0
        self._had_session = False
        self._refusal: tuple[str, str] = ("", "")
        modem.on_change(self._changed)

    @property
    def registered(self) -> bool:
        return self.facts.phase in (LinkPhase.REGISTERED, LinkPhase.CONNECTING, LinkPhase.UP, LinkPhase.OFF)

    # ── from outside ────────────────────────────────────────────────────────
    def recover(self, code: str) -> None:
        """The links' probes: its session stands, and nothing passes."""
        self._no_data = code
        self._woken.set()

    def _changed(self, change: Change) -> None:
        if change is Change.RESTARTED:
            self._open = False
        if change is Change.TEXT:
            self.on_text()
            return
        if change is Change.CALL:
            self.on_call()
        if change is not Change.SIGNAL:
            self._woken.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # ── the life of it ──────────────────────────────────────────────────────
    async def run(self) -> None:
        try:
            while True:
                self._pause_s = self._wishes.poll_s
                trouble = await self._once()
                climb = None if trouble is None else await self._due(trouble)
                if trouble is not None and climb is not None:
                    await self._climb(trouble, climb)
                else:
                    await self._rest()
        finally:
            self._on_ready(False, "modem-absent", "")
            if self.leave is not None:
                await self.leave()
            await self.modem.close()

    async def _once(self) -> Trouble | None:
        """One look; what is wrong that the ladder is for."""
        try:
            if not self._open:
                await self._take()
            await self._look()
        except LinkDown as exc:
            return await self._down(exc)
        except Busy as exc:
            self._on_ready(False, exc.code, str(exc))
            if exc.code == "serial-held":
                # Another program has the port: no step of the ladder helps.
                self._open = False
                self._tell(BearerFacts(LinkPhase.ABSENT, code=exc.code, detail=str(exc)))
                return None
            self._tell(BearerFacts(LinkPhase.CONNECTING, code=exc.code, detail=str(exc)))
            return Trouble.STUCK
        except GatewayError as exc:
            # It answers, and not as a modem does that could be used: shown, and looked at again.
            self._on_ready(False, exc.code, str(exc))
            self._tell(BearerFacts(LinkPhase.DOWN, code=exc.code, detail=str(exc)))
            return None if isinstance(exc, Denied) or exc.code in OURS else Trouble.STUCK
        self._warned = ""
        if self._no_data:
            return Trouble.NO_DATA
        if self._without_since is not None and self._now() - self._without_since > self._wishes.patience_s:
            return Trouble.NO_NETWORK
        if self.facts.code == "modem-starting":
            return Trouble.STUCK
        self.ladder.over(Trouble.STUCK)
        self._held_since = None  # a trouble that ended by itself: the next one's wait is its own
        return None

    async def _down(self, exc: LinkDown) -> Trouble | None:
        if self._now() < self._back_until:
            self._open, self._pause_s = False, LOOK_S
            await self.modem.close()
            return None
        if exc.code != self._warned:
            self._log.warning("%s", exc)
            self._warned = exc.code
        if exc.code in ("modem-silent", "mm-modem-failed"):
            self._on_ready(False, Trouble.SILENT.value, "")
            return Trouble.SILENT
        self._open = False
        await self.modem.close()
        if exc.code == Trouble.NOT_SHOWN.value and self._was_there:
            # ModemManager lets go of a modem that does not answer it.
            self._absent(exc.code, str(exc))
            self.ladder.over(Trouble.GONE)
            return Trouble.NOT_SHOWN
        if exc.code.startswith("mm-") or exc.code == "serial-denied":
            # Who drives it is not there, or does not know it, or we may not: no step of the ladder helps.
            self._absent(exc.code, str(exc))
            return None
        self._absent("modem-absent", str(exc))
        self.ladder.over(Trouble.STUCK, Trouble.NOT_SHOWN)
        self._pause_s = GONE_S
        return Trouble.GONE

    def _absent(self, code: str, detail: str) -> None:
        self._on_ready(False, code, detail)
        self._tell(BearerFacts(LinkPhase.ABSENT, code=code, detail=detail))

    async def _take(self) -> None:
        self.identity = await self.modem.open()
        self._open = self._was_there = True
        self.ladder.steps = self.modem.steps
        self._log.info("%s is there", self.identity.shown or "a modem")

    async def _rest(self) -> None:
        """Until the next look: `poll`, or a word of the modem, or its end."""
        gone = asyncio.ensure_future(self.modem.gone() if self._open else asyncio.Event().wait())
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait({gone, woken}, timeout=self._pause_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (gone, woken):
                one.cancel()
            await asyncio.gather(gone, woken, return_exceptions=True)
        if self._woken.is_set():
            await asyncio.sleep(CALM_S)
        self._woken.clear()

    async def _due(self, trouble: Trouble) -> Climb | None:
        """The step to take now, if there is one and it disturbs nobody."""
        step = self.ladder.peek(trouble, self._now())
        if step is None:
            if trouble is Trouble.NO_DATA:
                self._no_data = ""  # said again while it is so
            elif trouble is Trouble.SILENT:
                self._tell(
                    BearerFacts(LinkPhase.RECOVERING, code="modem-recovering", detail=trouble.value, step=self._step)
                )
            return None
        answers = trouble in (Trouble.NO_DATA, Trouble.NO_NETWORK, Trouble.STUCK)
        if answers and step in (Step.RADIO, Step.RESET, Step.POWER) and await self._in_use():
            return None
        self._no_data = ""
        if trouble is Trouble.NO_NETWORK:
            self._without_since = self._now()
        return self.ladder.take(trouble, self._now())

    async def _in_use(self) -> bool:
        """Somebody calls by it, or a short message is under way: the radio stays on meanwhile, and not for ever."""
        try:
            calls = await self.modem.calls() if self._open else ()
        except GatewayError:
            calls = ()
        if not self.sending() and all(call.phase is CallPhase.ENDED for call in calls):
            self._held_since = None
            return False
        if self._held_since is None:
            self._held_since = self._now()
            self._log.info("a step back waits for a call or a short message that goes by it")
        return self._now() - self._held_since < HOLD_S

    async def _climb(self, trouble: Trouble, climb: Climb) -> None:
        gone = trouble in (Trouble.GONE, Trouble.NOT_SHOWN)
        self._step = climb.step.value
        self._on_ready(False, trouble.value, "")
        code, phase = ("modem-recovering", LinkPhase.RECOVERING) if not gone else (trouble.value, LinkPhase.ABSENT)
        self._tell(BearerFacts(phase, code=code, detail=trouble.value, step=climb.step.value))
        self._log.warning("%s: %s, round %d", trouble.value, climb.step.value, climb.round + 1)
        try:
            async with asyncio.timeout(STEP_S):
                if trouble is Trouble.SILENT and climb.step is Step.RETRY:
                    await self.modem.sim()  # one answer may have been lost: its session is left alone
                else:
                    await self.modem.step(climb.step)
        except (GatewayError, TimeoutError) as exc:
            self._log.warning("%s did not help: %s", climb.step.value, exc or "it did not end")
            if climb.step is Step.RADIO:
                self._open = False  # it may have stayed off: opened anew, it is switched on
        self._session_again = 0.0
        if climb.step not in (Step.RETRY, Step.RADIO):
            self._open = False
        if climb.step in (Step.RESET, Step.POWER) and not gone:
            await asyncio.sleep(LOOK_S)  # it answers OK, and goes a moment later
            self._back_until = self._now() + BACK_S
            if climb.step is Step.RESET and trouble is Trouble.SILENT:
                # It may not have heard that: soon found out.
                self._back_until = self._now() + 2 * LOOK_S

    # ── a look ──────────────────────────────────────────────────────────────
    async def _look(self) -> None:
        sim = await self.modem.sim()
        self.ladder.answers(self._now())
        if sim.state is SimState.PIN:
            code = await self._pin.unlock(self.modem, sim)
            if not code:
                self._woken.set()
                return
            detail = "" if sim.pin_tries is None else f"{sim.pin_tries} tries left"
            return self._stuck(LinkPhase.LOCKED, code, detail)
        if sim.state is SimState.BUSY:
            return self._stuck(LinkPhase.CONNECTING, "modem-starting")
        if sim.state is SimState.ABSENT:
            return self._stuck(LinkPhase.ABSENT, "sim-absent")
        if sim.state is not SimState.READY:
            return self._stuck(LinkPhase.LOCKED, "sim-puk" if sim.state is SimState.PUK else "sim-failed")
        registration = await self.modem.registration()
        if not registration.registered:
            self._on_ready(False, "modem-searching", "")
            self._without_network(registration)
            return
        self._without_since = None
        able = self.modem.features.texts
        self._on_ready(able, "" if able else "modem-unsupported", "" if able else "it has no short messages")
        signal = await self.modem.signal()
        technology = signal.technology or registration.technology
        signal = replace(signal, technology=technology, operator=registration.operator)
        roams = registration.state is RegState.ROAMING
        if roams and not self._wishes.roaming:
            if await self.modem.session() is not None:
                await self.modem.disconnect()
            self._no_data = ""
            self._tell(
                BearerFacts(LinkPhase.OFF, code="roaming-denied", detail=registration.plmn, roaming=True), signal
            )
            return
        session = await self.modem.session() or await self._connect(signal, roams)
        if session is None:
            code, detail = self._refusal
            self._tell(BearerFacts(LinkPhase.REGISTERED, code=code, detail=detail, roaming=roams), signal)
            return
        if not self._no_data:
            self.ladder.well(self._now())
        if not session.interface:
            facts = BearerFacts(LinkPhase.REGISTERED, code="modem-no-interface", roaming=roams)
        else:
            facts = BearerFacts(LinkPhase.UP, interface=session.interface, roaming=roams)
        self._tell(facts, signal)

    def _stuck(self, phase: LinkPhase, code: str, detail: str = "") -> None:
        """For a person: no step of the ladder puts a card in."""
        self._without_since, self._no_data = None, ""
        self._on_ready(False, code, detail)
        self._tell(BearerFacts(phase, code=code, detail=detail))

    def _without_network(self, registration: Registration) -> None:
        denied = registration.state is RegState.DENIED
        code = "modem-denied" if denied else "modem-searching"
        self._tell(BearerFacts(LinkPhase.SEARCHING, code=code, detail=registration.plmn))
        if denied:
            self._without_since = None  # a reset changes no network's mind
        elif self._without_since is None:
            self._without_since = self._now()

    async def _connect(self, signal: Signal, roams: bool) -> DataSession | None:
        """None while the network refuses, or until it is time to ask again."""
        if self._now() < self._session_again:
            return None
        self._tell(BearerFacts(LinkPhase.CONNECTING, roaming=roams), signal)
        wishes = self._wishes
        try:
            made = await self.modem.connect(wishes.apn, wishes.user, wishes.password, roaming=wishes.roaming)
        except (PeerError, Unsupported) as exc:
            self._refusal = (exc.code, str(exc))
            pause = RETRY_SESSION_S[min(self._refusals, len(RETRY_SESSION_S) - 1)]
            self._refusals += 1
            self._session_again = self._now() + pause
            self._log.warning("%s; asked again in %.0f s", exc, pause)
            # It had one before, or refuses for ever: it may be the modem that hangs.
            hangs = self._had_session or self._refusals % len(RETRY_SESSION_S) == 0
            if hangs and exc.code not in ("modem-no-apn", "modem-no-plan", "roaming-denied"):
                self._no_data = exc.code
            return None
        self._refusals, self._had_session = 0, True
        self._log.info("data session by %s", made.interface or "no interface of this machine")
        return made

    def _tell(self, facts: BearerFacts, signal: Signal | None = None) -> None:
        facts = replace(
            facts,
            signal=signal or Signal(),
            cost=self._wishes.cost,
            metered=True,
            recoveries=self.ladder.recoveries(),
            device=self.identity.shown,
        )
        if (facts.phase, facts.code) != (self.facts.phase, self.facts.code):
            self._log.info("%s %s %s", facts.phase.value, facts.code, facts.detail)
        self.facts = facts
        self._seat.tell(facts)
