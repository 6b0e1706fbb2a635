"""The modem itself: its state, what answers, and what is done to it (unplugged, hung, renumbered, its SIM pulled)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.wire.at.finals import CME_WORDS, CMS_WORDS
from tests.fakes.modem import general, network, texting, voice
from tests.fakes.modem.chips import EC25, Chip
from tests.fakes.modem.faults import Faults
from tests.fakes.modem.port import Asked, AtError, ModemPort
from tests.fakes.modem.state import FakeCall, FakeGnss, FakeNet, FakeSim
from tests.fakes.modem.texting import FakeTexts

Handler = Callable[["FakeModem", Asked], list[str]]

BOOT_S = 6.0
"""From AT+CFUN=1,1, or power, to the port being there again."""

REGISTER_S = 2.0


class FakeModem:
    """All ports share one device. `life` counts its starts."""

    def __init__(self, chip: Chip = EC25, *, faults: Faults | None = None, sim: FakeSim | None = None) -> None:
        self.chip = chip
        self.faults = faults or Faults()
        self.sim = sim or FakeSim()
        self.net = FakeNet(technology=chip.technology)
        self.gnss = FakeGnss()
        self.texts = FakeTexts()
        self.calls: list[FakeCall] = []
        self.sound = ""
        """Where the sound of the call that is up goes: "", "nmea", "uart", "uac", "pcm"."""
        self.sounds: list[str] = []
        """What it was told of that, in order."""
        self.ports: list[ModemPort] = []
        self.life = 1
        self.fun = 1
        self.reg_modes: dict[str, int] = {}
        self.contexts: dict[int, tuple[str, str]] = {1: ("IPV4V6", "")}
        self.auth: tuple[str, str, str] = ("", "", "")
        self.active: set[int] = set()
        self.netdev = False
        self.powered = True
        self.restarted: Callable[[], None] | None = None
        """An end sets it: the port goes, and comes again after `boot_s`."""
        self.boot_s = BOOT_S
        self.register_s = REGISTER_S
        self.history: list[str] = []
        """What was done to it that a test may want to see: "cfun 4", "reset", "power"."""
        self._heals = ""
        self._registered_at = 0.0
        self.handlers: dict[str, Handler] = {
            **general.HANDLERS,
            **network.HANDLERS,
            **texting.HANDLERS,
            **voice.HANDLERS,
        }
        self.handlers.update(chip.handlers)

    # ── what tests do to it ─────────────────────────────────────────────────
    def hang(self, heals: str) -> None:
        """It answers nothing any more until `heals`: "reopen" (the port closed and opened), "reset" or "power".
        "radio" and "reset" hangs answer simple commands but let no session pass, and heal by AT+CFUN."""
        self._heals = heals
        if heals in ("radio", "reset"):
            self.active.clear()
            self.netdev = False
            self.urc("+CGEV: ME PDN DEACT 1")

    @property
    def hung(self) -> str:
        return self._heals

    @property
    def deaf(self) -> bool:
        return not self.powered or self._heals in ("reopen", "power")

    def did(self, what: str) -> None:
        """A step that may heal: "reopen", "radio", "reset", "power"; a stronger one heals what a weaker would have."""
        self.history.append(what)
        order = ("reopen", "radio", "reset", "power")
        if self._heals and order.index(what) >= order.index(self._heals):
            self._heals = ""

    def port_opened(self) -> None:
        if self._heals == "reopen":
            self.did("reopen")

    def restart(self, how: str) -> None:
        """`how` "reset" or "power": all settings are those of a start, the port goes and comes again."""
        self.did(how)
        self.life += 1
        self.fun, self.netdev, self.gnss.on = 1, False, False
        self.active.clear()
        self.calls.clear()
        self.sound = ""
        self.reg_modes.clear()
        self.sim.unlocked = False
        self.texts.settings()
        for port in self.ports:
            port.settings()
        if self.restarted is not None:
            self.restarted()

    def pull_sim(self) -> None:
        self.sim.present = False
        self.active.clear()
        self.urc("+CPIN: NOT READY")
        self.net_urc()

    def put_sim(self, sim: FakeSim | None = None) -> None:
        self.sim = sim or FakeSim()
        self.urc("+CPIN: READY" if self.sim.word == "READY" else f"+CPIN: {self.sim.word}")
        self.net_urc()

    def text_in(self, pdu: str) -> None:
        """A PDU line of `pdus.deliver` arrives."""
        for line in self.texts.arrive(pdu):
            self.urc(line)

    def ring(self, number: str) -> FakeCall:
        call = FakeCall(self._call_id(), True, number, 4)
        self.calls.append(call)
        self.urc("RING")
        self.urc(f'+CLIP: "{number}",145')
        return call

    @property
    def speaks(self) -> bool:
        """A call is up."""
        return any(call.stat == 0 for call in self.calls)

    def far_answers(self) -> None:
        for call in self.calls:
            if call.stat in (2, 3):
                call.stat = 0

    def far_hangs_up(self, word: str = "NO CARRIER") -> None:
        self.calls.clear()
        self.urc(word)

    # ── within ──────────────────────────────────────────────────────────────
    def urc(self, line: str) -> None:
        for port in self.ports:
            port.urc(line)

    def net_urc(self) -> None:
        for name, mode in self.reg_modes.items():
            if mode:
                self.urc(f"{name}: {self.stat}")

    @property
    def stat(self) -> int:
        """Of +CEREG and its like: 0 while the radio is off or there is no card."""
        if self.fun != 1 or self.sim.word != "READY":
            return 0
        if self.net.stat in (1, 5) and asyncio.get_running_loop().time() < self._registered_at:
            return 2
        return self.net.stat

    def radio(self, fun: int) -> None:
        if fun in (0, 4) and self.fun == 1:
            self.active.clear()
            self.netdev = False
        if fun == 1 and self.fun != 1:
            self.did("radio")
            self._registered_at = asyncio.get_running_loop().time() + self.register_s
            asyncio.get_running_loop().call_later(self.register_s + 0.001, self.net_urc)
        self.fun = fun
        self.net_urc()

    def answer(self, asked: Asked) -> list[str]:
        handler = self.handlers.get(asked.name)
        if handler is None:
            raise AtError("CME", 100)
        return handler(self, asked)

    def need_sim(self) -> None:
        word = self.sim.word
        if word != "READY":
            raise AtError("CME", word if isinstance(word, int) else 11 if word == "SIM PIN" else 12)

    def words_of(self, kind: str, code: int) -> str:
        words = CME_WORDS if kind == "CME" else CMS_WORDS
        return next((text for text, number in words.items() if number == code), "")

    def told(self, port: ModemPort) -> None:
        """An answer went out."""

    def _call_id(self) -> int:
        used = {call.id for call in self.calls}
        return next(number for number in range(1, 8) if number not in used)
