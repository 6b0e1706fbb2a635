"""A modem by its AT port: `CellularModem` by our own engine."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from adapters.modem import at_data, nitz, power, readings
from adapters.modem.at_calls import AtCalls
from adapters.modem.config import OneModem
from adapters.modem.face import (
    Change,
    DataSession,
    Features,
    Fix,
    Identity,
    Registration,
    RegState,
    Sim,
    SimState,
    Step,
    Stored,
)
from adapters.modem.quirks import GENERIC, OPERATORS, Chipset, chipset_of
from gateway.base.errors import LinkDown, PeerError, Unsupported
from gateway.base.log import Secret
from gateway.base.serial import usb_socket
from gateway.contract.texts import Progress, TextSent
from gateway.model.link import Signal
from gateway.model.texts import TextOut
from gateway.net.at import AtPort, refused
from gateway.net.at_texts import SET_UP, AtTexts
from gateway.wire.at import AtTimes, Command, Outcome, Unsolicited, fields, text

log = logging.getLogger(__name__)

ASK_S = 3.0
REFUSED = 3
MADE_LOOKS = 4
"""For a session that was granted, a second apart."""
TEXT_S = 60.0
TIMES = AtTimes(quiet_s=0.25, flush_s=2.0, probe_s=0.8, probes=3)

_WORD = re.compile(r"[\x20-\x7e]{1,80}")
_DIGITS = re.compile(r"\d{14,17}")
_REGISTRATIONS = ("+C5GREG", "+CEREG", "+CGREG", "+CREG")
_CHANGES = {
    **dict.fromkeys(("+CPIN", "+QUSIM", "+QSIMSTAT", "^SIMST", "+SIM"), Change.SIM),
    **dict.fromkeys((*_REGISTRATIONS, "^SRVST", "^MODE"), Change.REGISTRATION),
    **dict.fromkeys(("+CGEV", "+QNETDEVSTATUS", "^NDISSTAT", "+GTRNDIS"), Change.SESSION),
    **dict.fromkeys(("RING", "+CRING", "+CLIP", "NO CARRIER", "BUSY", "NO ANSWER"), Change.CALL),
    **dict.fromkeys(("RDY", "^SYSSTART", "+SYSSTART"), Change.RESTARTED),
}
# 3GPP TS 27.007 §9.2.0.
_SIM_ERRORS = {
    10: SimState.ABSENT,
    11: SimState.PIN,
    12: SimState.PUK,
    13: SimState.FAILED,
    14: SimState.BUSY,
    15: SimState.FAILED,
}


def ask(words: str, *prefixes: str, empty_ok: bool = True) -> Command:
    return Command(words, prefixes, empty_ok=empty_ok, timeout_s=ASK_S)


class AtModem(AtCalls):
    def __init__(self, name: str, config: OneModem, *, times: AtTimes = TIMES, marks: Path | None = None) -> None:
        self._config = config
        self._port = AtPort(
            config.port, owner=f"modem {name}", on_urc=self._heard, on_silent=None, baud=config.baud, times=times
        )
        self._texts = AtTexts(self._port, send_s=TEXT_S)
        self._called: Callable[[Change], None] = lambda change: None
        self._chipset: Chipset = GENERIC
        self._way = "cgact"
        self._socket = self._vendor = ""
        self._marks = marks
        self._unknown: Counter[str] = Counter()
        """How often in a row this modem did not know a command: after REFUSED it is asked no more while it is open."""
        self._card: Sim | None = None
        """Read once, until the modem says something of its card."""
        self._texts_ready = False
        self._gnss_on = False
        self._time = nitz.Reported()

    @property
    def address(self) -> str:
        return self._config.port

    @property
    def chipset(self) -> Chipset:
        return self._chipset

    @property
    def steps(self) -> Sequence[Step]:
        steps = (Step.RETRY, Step.REOPEN, Step.RADIO, Step.RESET)
        return (*steps, Step.POWER) if self._config.power and power.switch_of(self._socket) is not None else steps

    @property
    def features(self) -> Features:
        return Features(texts=True, calls=True, gnss=bool(self._chipset.gnss))

    def on_change(self, called: Callable[[Change], None]) -> None:
        self._called = called

    # ── taking it and letting it go ─────────────────────────────────────────
    async def open(self) -> Identity:
        await self._port.open()
        self._unknown.clear()
        self._texts_ready = self._gnss_on = False
        self._card = None
        self._socket = usb_socket(self._config.port) or self._socket
        self._vendor = power.vendor_of(self._socket) or self._vendor
        try:
            await self._awake()
            for words in ("ATE0", "AT+CMEE=1"):
                await self._port.ask(ask(words))
            identity = await self._identify()
            self._chipset = chipset_of(identity.manufacturer, identity.model, self._config.chipset)
            self._way = self._chipset.data
            if await self._try(ask("AT+CFUN?", "+CFUN")) not in (("+CFUN: 1",), ()):
                await self._port.ask(Command("AT+CFUN=1", timeout_s=15.0))
            for name in _REGISTRATIONS:
                await self._try(ask(f"AT{name}=2"))
            for words in ("AT+CLIP=1", nitz.REPORT):
                await self._try(ask(words))
            await self.sound_off()
        except BaseException:
            await self._port.close()
            raise
        return identity

    async def _awake(self) -> None:
        """The first bytes on a line may be lost; the engine finds back by itself."""
        for last in (False, True):
            try:
                await self._port.ask(Command("AT", timeout_s=1.0))
                return
            except LinkDown:
                if last or not self._port.is_open:
                    raise

    async def _identify(self) -> Identity:
        told = []
        for words in ("AT+CGMI", "AT+CGMM", "AT+CGMR"):
            lines = await self._try(Command(words, plain=_WORD, empty_ok=True, timeout_s=ASK_S))
            told.append(lines[0].partition(": ")[2] or lines[0] if lines else "")
        imei = await self._try(Command("AT+CGSN", plain=_DIGITS, empty_ok=True, timeout_s=ASK_S))
        return Identity(told[0], told[1], told[2], imei[0] if imei else "")

    async def close(self) -> None:
        await self._port.close()

    async def gone(self) -> None:
        await self._port.gone()

    def _heard(self, urc: Unsolicited) -> None:
        self._time.heard(urc.line, asyncio.get_running_loop().time())
        change = Change.TEXT if self._texts.heard(urc) else _CHANGES.get(urc.prefix)
        if change is Change.RESTARTED:
            # Echo is on again, and what it was asked will not be answered.
            asyncio.get_running_loop().call_soon(self._port.restarted)
        if change is Change.SIM:
            self._card = None
        if change is Change.CALL:
            self.call_word(urc.prefix)
        if change is not None:
            self._called(change)

    async def _try(self, command: Command) -> tuple[str, ...]:
        """() where it is refused. What this modem does not know is not asked for ever; one that has just started
        refuses for a moment what it knows well."""
        if self._unknown[command.text] >= REFUSED:
            return ()
        try:
            lines = await self._port.lines(command)
            self._unknown.pop(command.text, None)
            return lines
        except Unsupported:
            self._unknown[command.text] += 1
        except PeerError as exc:
            log.debug("%s: %s", self.address, exc)
        return ()

    # ── how it stands ───────────────────────────────────────────────────────
    async def sim(self) -> Sim:
        answer = await self._port.ask(Command("AT+CPIN?", ("+CPIN",), timeout_s=ASK_S))
        if not answer.ok:
            self._card = None
            state = _SIM_ERRORS.get(answer.code if answer.code is not None else -1)
            if answer.outcome is Outcome.CME and state is not None:
                return Sim(state)
            raise refused(answer.command, answer)
        word = text(fields(answer.lines[-1]), 0) if answer.lines else ""
        if word not in ("READY", "SIM PIN2", "SIM PUK2"):  # those two guard a few services of the card
            state = SimState.PIN if word == "SIM PIN" else SimState.PUK if word == "SIM PUK" else SimState.FAILED
            return Sim(state, pin_tries=await self._tries())
        if self._card is not None:
            return self._card
        if not self._texts_ready:
            self._texts_ready = True
            for command in SET_UP:
                await self._try(command)
        iccid = await self._try(ask(self._chipset.iccid, "+QCCID", "+CCID", "+ICCID", "^ICCID"))
        imsi = await self._try(Command("AT+CIMI", plain=_DIGITS, empty_ok=True, timeout_s=ASK_S))
        own = await self._try(ask("AT+CNUM", "+CNUM"))
        self._card = Sim(
            SimState.READY,
            text(fields(iccid[0]), 0)[:22] if iccid else "",
            imsi[0] if imsi else "",
            text(fields(own[0]), 1)[:21] if own else "",
        )
        return self._card

    async def _tries(self) -> int | None:
        if not self._chipset.tries:
            return None
        return readings.tries(await self._try(ask(self._chipset.tries, "+QPINC", "+SPIC", "+CPINR")))

    async def enter_pin(self, pin: Secret) -> None:
        command = Command(f'AT+CPIN="{pin.reveal()}"', secret=True, timeout_s=15.0)
        answer = await self._port.ask(command)
        if not answer.ok:
            wrong = answer.outcome is Outcome.CME and answer.code in (12, 16)  # asks for the PUK; incorrect password
            code = "sim-pin-wrong" if wrong else "modem-refused"
            raise PeerError(f"the PIN was entered: {answer.final}", status=answer.final, code=code)

    async def registration(self) -> Registration:
        lines: list[str] = []
        for name in _REGISTRATIONS:
            command = Command(f"AT{name}?", (name,), shape=readings.REGISTRATION, empty_ok=True, timeout_s=ASK_S)
            lines += await self._try(command)
        told = readings.registration(lines, "", "", None)
        if not told.registered:
            return told
        await self._try(ask("AT+COPS=3,2"))
        plmn, act = readings.operator(await self._try(ask("AT+COPS?", "+COPS")))
        return readings.registration(lines, OPERATORS.get(plmn, plmn), plmn, act)

    async def signal(self) -> Signal:
        if self._chipset.signal:
            words, prefixes, reader = readings.SIGNALS[self._chipset.signal]
            # Fibocom's rows have no prefix: anything that is none unasked belongs to it.
            plain = re.compile(r"[\w ,:.-]{1,200}") if self._chipset.signal == "gtccinfo" else None
            command = Command(words, prefixes, plain=plain, empty_ok=True, timeout_s=ASK_S)
            found = reader(await self._try(command), raw_sinr=self._chipset.raw_sinr)
            if found is not None:
                return found
        found = readings.cesq(await self._try(ask("AT+CESQ", "+CESQ")))
        return found or readings.csq(await self._try(ask("AT+CSQ", "+CSQ"))) or Signal()

    # ── data ────────────────────────────────────────────────────────────────
    async def connect(self, apn: str, user: str, password: Secret, *, roaming: bool) -> DataSession:
        registration = await self.registration()
        if registration.state is RegState.ROAMING and not roaming:
            raise PeerError(f"in the foreign network {registration.plmn}", code="roaming-denied")
        if apn:
            contexts = await self._try(at_data.CONTEXTS)
            if not any(fields(line)[:1] == ["1"] and text(fields(line), 2) == apn for line in contexts):
                await self._port.lines(at_data.context(apn))
        if user:
            await self._port.lines(at_data.credentials(user, password))
        self._way = self._chipset.data
        answer = await self._port.ask(at_data.make(self._way))
        if not answer.ok and self._way != "cgact":
            self._way = "cgact"  # another program may dial for its interface
            answer = await self._port.ask(at_data.make("cgact"))
        if not answer.ok:
            code = at_data.refusal(answer, apn)
            raise PeerError(f"no data session: {answer.final}", status=answer.final, code=code)
        for _ in range(MADE_LOOKS):  # some say OK, and do it then
            if (made := await self.session()) is not None:
                return made
            await asyncio.sleep(1.0)
        raise PeerError("the session ended as soon as it was made", code="modem-data-refused")

    async def session(self) -> DataSession | None:
        asked = at_data.state(self._way)
        if asked is not None and at_data.stands(self._way, await self._try(asked)) is False:
            return None
        active = await self._port.lines(at_data.ACTIVE)
        if not any(fields(line)[:2] == ["1", "1"] for line in active):
            return None
        lines = await self._try(at_data.ADDRESSES)
        addresses = tuple(one for line in lines for one in fields(line)[1:3] if one and one != "0.0.0.0")  # noqa: S104
        return DataSession(self.interface(), self._config.apn, addresses)

    def interface(self) -> str:
        """The kernel's name of it now."""
        return self._config.interface or power.interface_of(self._socket)

    async def disconnect(self) -> None:
        for way in {self._chipset.data, "cgact"}:
            await self._try(at_data.end(way))

    # ── the ladder ──────────────────────────────────────────────────────────
    async def step(self, step: Step) -> None:
        match step:
            case Step.RETRY:
                if not self._port.is_open:
                    raise LinkDown(f"{self.address} is not open", code="serial-lost")
                await self._awake()
                await self.disconnect()
            case Step.REOPEN:
                await self._port.close()
            case Step.RADIO:
                await self._port.ask(Command("AT+CFUN=4", timeout_s=15.0))
                await asyncio.sleep(1.0)
                answer = await self._port.ask(Command("AT+CFUN=1", timeout_s=15.0))
                if not answer.ok:
                    raise PeerError(f"its radio stays off: {answer.final}", status=answer.final, code="modem-radio-off")
            case Step.RESET:
                try:
                    if not self._port.is_open:
                        await self._port.open()
                    self._port.restarted()
                    await self._port.ask(Command("AT+CFUN=1,1", timeout_s=3.0))
                finally:
                    await self._port.close()
            case Step.POWER:
                await self._port.close()
                await power.cycle(self._socket, self._vendor, self._marks)

    # ── messages, place ──────────────────────────────────────────────
    async def texts(self) -> Sequence[Stored]:
        return await self._texts.stored()

    async def delete_text(self, place: str) -> None:
        await self._texts.delete(place)

    async def send_text(self, text: TextOut, progress: Progress) -> TextSent:
        return TextSent(*await self._texts.send(text, progress))

    async def network_time(self) -> float | None:
        if self._chipset.keeps_time:
            return nitz.latest(await self._try(ask(nitz.LATEST, "+QLTS")))
        return self._time.time(asyncio.get_running_loop().time())

    async def fix(self) -> Fix | None:
        if not self._chipset.gnss:
            raise Unsupported("it has no satellite receiver that is known", code="modem-unsupported")
        if not self._gnss_on:
            start = "AT+QGPS=1" if self._chipset.gnss == "qgps" else "AT+CGPS=1"
            answer = await self._port.ask(Command(start, timeout_s=10.0))
            self._gnss_on = answer.ok or answer.code == 504  # on already
        if self._chipset.gnss == "qgps":
            return readings.qgpsloc(await self._try(ask("AT+QGPSLOC=2", "+QGPSLOC")))
        return readings.cgpsinfo(await self._try(ask("AT+CGPSINFO", "+CGPSINFO")))
