"""Voice calls by AT: dialled, taken, listed, ended; their sound put where a computer hears it. A part of AtModem."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from adapters.modem import readings
from adapters.modem.config import OneModem
from adapters.modem.face import SoundWay, VoiceCall
from adapters.modem.quirks import Chipset
from gateway.base.errors import PeerError, Unsupported
from gateway.net.at import AtPort
from gateway.wire.at import Command

ASK_S = 3.0
NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
LIST = Command("AT+CLCC", ("+CLCC",), empty_ok=True, timeout_s=ASK_S)
_ENDS = {"BUSY": "peer-busy", "NO ANSWER": "no-answer"}


class AtCalls(ABC):
    """What it stands on is AtModem's. Fulfils `face.Speaking`."""

    _port: AtPort
    _chipset: Chipset
    _config: OneModem
    _last_word = ""

    @abstractmethod
    async def _try(self, command: Command) -> tuple[str, ...]: ...

    def call_word(self, word: str) -> None:
        """The modem said unasked that something is new of its calls."""
        self._last_word = _ENDS.get(word, "")

    async def calls(self) -> Sequence[VoiceCall]:
        return readings.calls(await self._port.lines(LIST))

    async def dial(self, number: str) -> None:
        if NUMBER.fullmatch(number) is None:
            raise PeerError("a number has digits, and + before an international one", code="modem-refused")
        self._last_word = ""
        await self._port.lines(Command(f"ATD{number};", dials=True, timeout_s=30.0))

    async def answer(self) -> None:
        await self._port.lines(Command("ATA", dials=True, timeout_s=30.0))

    async def hang_up(self) -> None:
        """Both words: one ends calls that ring, the other those that speak, by maker."""
        first = await self._port.ask(Command("AT+CHUP", timeout_s=10.0), urgent=True)
        if not first.ok:
            await self._port.lines(Command("ATH", timeout_s=10.0))

    async def switch_sound(self, way: SoundWay, on: bool) -> None:
        row = self._chipset.pcm if way is SoundWay.PCM else self._chipset.card
        if row is None and way is SoundWay.PCM:
            what = f"chipset {self._chipset.name}: no command is known that puts a call's sound on a serial port"
            raise Unsupported(what, code="call-no-sound-way")
        if row is None:
            return
        for words in row.first if on else ():
            await self._try(Command(words, timeout_s=ASK_S))
        for words in row.on if on else row.off:
            answer = await self._port.ask(Command(words, timeout_s=5.0), urgent=True)
            if not answer.ok:
                raise PeerError(f"{words}: {answer.final}", status=answer.final, code="call-no-sound-way")

    async def tones(self, digits: str) -> None:
        for digit in digits:
            await self._port.lines(Command(f"AT+VTS={digit}", timeout_s=5.0))

    @property
    def last_word(self) -> str:
        return self._last_word

    async def sound_off(self) -> None:
        """A call of before this start, or of before the port went, may have left its sound on."""
        way = self._config.calls.way
        row = self._chipset.pcm if way == SoundWay.PCM else self._chipset.card if way == SoundWay.CARD else None
        for words in row.off if row is not None else ():
            await self._try(Command(words, timeout_s=ASK_S))
