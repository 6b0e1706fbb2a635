"""A modem that ModemManager drives, behind the common face."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from adapters.modem import manager_facts as facts
from adapters.modem import manager_words as mm
from adapters.modem import power as usb_power
from adapters.modem.face import (
    Change,
    DataSession,
    Features,
    Fix,
    Identity,
    Registration,
    Sim,
    SimState,
    Step,
    Stored,
    VoiceCall,
)
from adapters.modem.manager import Manager
from adapters.modem.manager_bus import Variant
from adapters.modem.manager_texts import ManagerTexts
from adapters.modem.manager_tree import Thing
from adapters.modem.nitz import believed
from adapters.modem.power import resolved
from gateway.base.errors import Busy, GatewayError, LinkDown, PeerError, Unsupported
from gateway.base.log import Secret
from gateway.contract.texts import Progress, TextSent
from gateway.model.link import Signal
from gateway.model.texts import TextOut

log = logging.getLogger(__name__)

APPEAR_S = 3.0  # a modem that is just being plugged in
SETTLE_S = 45.0  # ModemManager looks at a modem's ports one by one
ENABLE_S = 90.0
CONNECT_S = 120.0
ASK_S = 20.0
SIGNAL_EVERY_S = 5
TOLD_S = 5.0  # for what an answer has brought about to be told
FIX_KEPT_S = 120.0  # ModemManager takes a receiver's word each half minute

SetUp = Callable[[Thing, str], Awaitable[None]]
"""Give the interface of a bearer the addresses that the network gave; `interface` is its name here."""


class ManagerModem:
    """`CellularModem` over ModemManager. `power`: its USB socket may be switched off and on."""

    def __init__(
        self,
        manager: Manager,
        address: str,
        *,
        gnss: bool = False,
        power: bool = False,
        marks: Path | None = None,
        set_up: SetUp | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._manager = manager
        self._address = address
        self._gnss = gnss
        self._power, self._marks = power, marks
        self._set_up = set_up
        self._clock = clock
        self._path = ""
        self._socket = self._vendor = ""  # of USB, kept for when it is gone
        self._gone = asyncio.Event()
        self._called: Callable[[Change], None] = lambda change: None
        self._unwatch: Callable[[], None] = lambda: None
        self._place: tuple[object, float] = (None, 0.0)
        self._prepared = False
        self._enabling = asyncio.Lock()
        self._texts = ManagerTexts(manager)

    @property
    def address(self) -> str:
        return self._address

    @property
    def steps(self) -> Sequence[Step]:
        steps = (Step.RETRY, Step.REOPEN, Step.RADIO, Step.RESET)
        return (*steps, Step.POWER) if self._power and usb_power.switch_of(self._socket) is not None else steps

    @property
    def features(self) -> Features:
        if not self._path:
            return Features(texts=True)
        try:
            modem = self._modem()
        except GatewayError:
            return Features(texts=True)
        able = modem.number(mm.LOCATION, "Capabilities")
        return Features(modem.has(mm.MESSAGING), modem.has(mm.VOICE), bool(able & mm.Source.GPS_RAW))

    def on_change(self, called: Callable[[Change], None]) -> None:
        self._called = called

    # ── taking it and letting it go ─────────────────────────────────────────
    async def open(self) -> Identity:
        modem = await self._find()
        self._gone.clear()
        self._unwatch()
        self._path, self._prepared = modem.path, False
        self._socket = modem.text(mm.MODEM, "Device").rpartition("/")[2] or self._socket
        self._vendor = usb_power.vendor_of(self._socket) or self._vendor
        self._unwatch = self._manager.watch(modem.path, self._heard)
        await self._settled()
        await self._enable()
        return facts.identity(self._modem())

    async def shown(self, limit_s: float, absent: Callable[[], None] = lambda: None) -> bool:
        """Whether ModemManager shows it, within that time of being plugged in: until then `absent` is called now and
        then. Far sooner known when there is no ModemManager."""
        now = asyncio.get_running_loop().time
        begun = plugged = now()
        while True:
            try:
                await self._find()
                return True
            except GatewayError as exc:
                if exc.code == "mm-taken":
                    return True  # it is ModemManager's, by another name
                if exc.code == "modem-absent":
                    plugged = now()
                    absent()
                if now() - plugged >= limit_s:
                    return False
                if now() - begun >= 2 * APPEAR_S and exc.code in ("mm-absent", "mm-no-bus"):
                    return False

    async def close(self) -> None:
        self._unwatch()
        self._unwatch = lambda: None
        self._path = ""
        self._gone.set()

    async def gone(self) -> None:
        await self._gone.wait()

    async def _find(self) -> Thing:
        end = asyncio.get_running_loop().time() + APPEAR_S
        while True:
            changed = asyncio.ensure_future(self._manager.changed())
            try:
                where = await asyncio.to_thread(resolved, self._address)
                try:
                    found = self._manager.find(self._address, where)
                    why = self._not_found(where)
                except GatewayError as exc:
                    found, why = None, exc
                if found is not None:
                    return self._manager.claim(self, self._address, where, found)
                left = end - asyncio.get_running_loop().time()
                if left <= 0:
                    raise why
                await asyncio.wait((changed,), timeout=left)
            finally:
                changed.cancel()

    def _not_found(self, where: str) -> GatewayError:
        known = self._manager.modems
        if not self._address and len(known) > 1:
            names = ", ".join(modem.text(mm.MODEM, "Device").rpartition("/")[2] for modem in known)
            return LinkDown(f"ModemManager has {len(known)} modems ({names}): which one is meant?", code="mm-which")
        if where:
            return LinkDown(f"{self._address} is there, and ModemManager shows no modem of it", code="mm-not-shown")
        return LinkDown(f"{self._address or 'a modem'}: not plugged in", code="modem-absent")

    async def _settled(self) -> None:
        """Until ModemManager has looked at all of it. Raises LinkDown when it does not come to an end."""
        try:
            async with asyncio.timeout(SETTLE_S):
                await self._until(
                    lambda modem: (
                        facts.state(modem) not in (mm.State.UNKNOWN, mm.State.INITIALIZING)
                        and facts.state(modem) not in (mm.State.ENABLING, mm.State.DISABLING)
                    )
                )
        except TimeoutError as exc:
            raise LinkDown("ModemManager does not get through with it", code="modem-silent") from exc
        modem = self._modem()
        if facts.state(modem) is mm.State.FAILED and modem.number(mm.MODEM, "StateFailedReason") in (
            mm.Failed.NONE,
            mm.Failed.UNKNOWN,
            mm.Failed.UNKNOWN_CAPABILITIES,
        ):
            raise LinkDown("ModemManager could not set it up", code="mm-modem-failed")

    async def _until(self, right: Callable[[Thing], bool]) -> Thing:
        while True:
            changed = asyncio.ensure_future(self._manager.changed())
            try:
                modem = self._modem()
                if right(modem):
                    return modem
                await changed
            finally:
                changed.cancel()

    async def _enable(self) -> None:
        """Radio on, measuring, messages coming in. Nothing while the card is locked or absent."""
        async with self._enabling:
            await self._enable_now()

    async def _enable_now(self) -> None:
        modem = self._modem()
        if facts.state(modem) is mm.State.DISABLED:
            if modem.number(mm.MODEM, "PowerState") in (mm.Power.OFF, mm.Power.LOW):
                await self._ask(mm.MODEM, "SetPowerState", "u", [int(mm.Power.ON)], ENABLE_S)
            await self._ask(mm.MODEM, "Enable", "b", [True], ENABLE_S)
            modem = self._modem()
        if facts.state(modem) >= mm.State.ENABLED and not self._prepared:
            self._prepared = True
            await self._prepare(modem)

    async def _prepare(self, modem: Thing) -> None:
        """What is good to have; a modem that has it not goes on without."""
        wanted = int(mm.Source.LAC_CI)
        if self._gnss:
            wanted |= int(mm.Source.GPS_RAW)
        able = modem.number(mm.LOCATION, "Capabilities") & wanted
        for interface, member, signature, body in (
            (mm.SIGNAL, "Setup", "u", [SIGNAL_EVERY_S]),
            (mm.LOCATION, "Setup", "ub", [able, True]),
        ):
            if not modem.has(interface):
                continue
            try:
                await self._ask(interface, member, signature, body, ASK_S)
            except (PeerError, Unsupported, Busy) as exc:
                log.info("%s: %s", self._address or self._path, exc)
            except LinkDown as exc:
                if exc.code != "modem-silent":
                    raise
                # Its data may pass all the same; where it is deaf, it is found out by what matters.
                log.warning("%s: %s", self._address or self._path, exc)

    def _heard(self, interface: str) -> None:
        if not interface:
            self._gone.set()
            return
        for change in facts.CHANGES.get(interface, ()):
            self._called(change)

    def _modem(self) -> Thing:
        if not self._path:
            raise LinkDown(f"{self._address or 'the modem'} is not open", code="modem-absent")
        return self._manager.modem(self._path)

    async def _ask(
        self, interface: str, member: str, signature: str, body: Sequence[object], limit_s: float
    ) -> list[object]:
        self._modem()
        return await self._manager.call(self._path, interface, member, signature, body, limit_s=limit_s)

    # ── how it stands ───────────────────────────────────────────────────────
    async def sim(self) -> Sim:
        modem = self._modem()
        return facts.sim(modem, await self._manager.card(modem))

    async def enter_pin(self, pin: Secret) -> None:
        card = self._modem().text(mm.MODEM, "Sim")
        if not card or card == mm.NO_OBJECT:
            raise PeerError("there is no SIM to unlock", code="sim-absent")
        await self._manager.call(card, mm.SIM, "SendPin", "s", [pin.reveal()], limit_s=ASK_S)
        try:
            async with asyncio.timeout(ASK_S):
                await self._until(lambda modem: facts.sim_state(modem) not in (SimState.PIN, SimState.BUSY))
        except TimeoutError:
            log.info("%s: unlocked, and not looked through yet", self._address or self._path)

    async def registration(self) -> Registration:
        await self._enable()
        return facts.registration(self._modem())

    async def signal(self) -> Signal:
        return facts.signal(self._modem())

    # ── data ────────────────────────────────────────────────────────────────
    async def connect(self, apn: str, user: str, password: Secret, *, roaming: bool) -> DataSession:
        found = await self.session()
        if found is not None and (not apn or found.apn == apn):
            return found
        await self._enable()
        wanted = {"allow-roaming": Variant("b", roaming)}
        if apn:
            wanted["apn"] = Variant("s", apn)
        if user:
            wanted |= {"user": Variant("s", user), "password": Variant("s", password.reveal())}
        try:
            await self._ask(mm.SIMPLE, "Connect", "a{sv}", [wanted], CONNECT_S)
        except PeerError as exc:
            if apn or exc.code not in ("mm-failed", "modem-data-refused", "modem-no-plan"):
                raise
            # What the network gives the card by itself was not enough.
            raise PeerError(str(exc), status=exc.status, code="modem-no-apn") from exc
        made = await self._told(lambda found: found is not None)
        if made is None:
            raise PeerError("the session ended as soon as it was made", code="modem-data-refused")
        return made

    async def _told(self, right: Callable[[DataSession | None], bool]) -> DataSession | None:
        """The session, when ModemManager has told of it: its signals may come after its answer."""
        now = asyncio.get_running_loop().time
        end = now() + TOLD_S
        while True:
            changed = asyncio.ensure_future(self._manager.changed())
            try:
                found = await self.session()
                if right(found) or now() >= end:
                    return found
                await asyncio.wait((changed,), timeout=end - now())
            finally:
                changed.cancel()

    async def session(self) -> DataSession | None:
        for bearer in await self._manager.parts(self._modem(), mm.MODEM, "Bearers"):
            found = facts.session(bearer)
            if found is not None:
                if found.interface and self._set_up is not None:
                    await self._set_up(bearer, found.interface)
                return found
        return None

    async def disconnect(self) -> None:
        await self._ask(mm.SIMPLE, "Disconnect", "o", [mm.NO_OBJECT], ENABLE_S)
        await self._told(lambda found: found is None)

    # ── the ladder ──────────────────────────────────────────────────────────
    async def step(self, step: Step) -> None:
        if step in (Step.RESET, Step.POWER):
            await self._manager.alive()
        if step is Step.POWER:
            await self.close()
            await usb_power.cycle(self._socket, self._vendor, self._marks)
            return
        if step is Step.RETRY:
            await self.disconnect()
        elif step is Step.REOPEN:
            await self.close()
        elif step is Step.RADIO:
            await self._ask(mm.MODEM, "Enable", "b", [False], ENABLE_S)
            self._prepared = False
            await self._enable()
        elif step is Step.RESET:
            if not self._path:  # REOPEN came before
                self._path = (await self._find()).path
            await self._ask(mm.MODEM, "Reset", "", [], ASK_S)

    # ── messages, calls, position ───────────────────────────────────────────
    async def texts(self) -> Sequence[Stored]:
        return await self._texts.stored(self._modem())

    async def delete_text(self, place: str) -> None:
        await self._texts.delete(self._modem(), place)

    async def send_text(self, text: TextOut, progress: Progress) -> TextSent:
        return await self._texts.send(self._modem(), text)

    async def calls(self) -> Sequence[VoiceCall]:
        return [facts.call(thing) for thing in await self._manager.parts(self._modem(), mm.VOICE, "Calls")]

    async def dial(self, number: str) -> None:
        [path] = await self._ask(mm.VOICE, "CreateCall", "a{sv}", [{"number": Variant("s", number)}], ASK_S)
        await self._manager.call(str(path), mm.CALL, "Start", limit_s=ENABLE_S)

    async def answer(self) -> None:
        for thing in await self._manager.parts(self._modem(), mm.VOICE, "Calls"):
            if thing.number(mm.CALL, "State") in (mm.CallState.RINGING_IN, mm.CallState.WAITING):
                await self._manager.call(thing.path, mm.CALL, "Accept", limit_s=ASK_S)
                return
        raise PeerError("nobody rings", code="not-found")

    async def hang_up(self) -> None:
        await self._ask(mm.VOICE, "HangupAll", "", [], ASK_S)

    async def network_time(self) -> float | None:
        if not self._modem().has(mm.TIME):
            return None
        try:
            [told] = await self._ask(mm.TIME, "GetNetworkTime", "", [], ASK_S)
        except (PeerError, Unsupported, Busy):  # none came yet
            return None
        return believed(facts.moment(told)) if isinstance(told, str) else None

    async def fix(self) -> Fix | None:
        """ModemManager shows the last one for ever: one that has not changed for long is none."""
        told, now = facts.place(self._modem()), asyncio.get_running_loop().time()
        if told != self._place[0]:
            self._place = (told, now)
        return facts.fix(self._modem(), self._clock()) if now - self._place[1] <= FIX_KEPT_S else None
