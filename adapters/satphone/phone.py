"""A satellite phone by AT: what its profile asks, short messages in PDU mode, where to turn it."""

from __future__ import annotations

import asyncio
import logging

from adapters.satphone.aim import aim
from adapters.satphone.config import PhoneConfig
from adapters.satphone.protocol.profile import Profile, load
from adapters.satphone.terminal import Terminal
from gateway.base.errors import GatewayError, LinkDown, PeerError, Unsupported
from gateway.contract.adapter import Context
from gateway.contract.texts import Progress, TextSent
from gateway.model.kit_state import Fix
from gateway.model.link import NO_SIGNAL, LinkPhase, Signal
from gateway.model.texts import CarrierKind, TextOut
from gateway.net.at import AtPort
from gateway.net.at_texts import SET_UP, AtTexts
from gateway.net.texts_inbox import TextInbox
from gateway.wire.at import Command, Outcome, Unsolicited, fields, number

log = logging.getLogger(__name__)

SEND_S = 120.0


class Phone(Terminal):
    carries = CarrierKind.SMS

    def __init__(self, name: str, config: PhoneConfig, context: Context) -> None:
        super().__init__(name, config, context)
        # What the phone has told without keeping it outlives the line.
        self._at = AtPort(config.port, owner=f"satphone {name}", on_urc=self._urc, baud=config.baud)
        self._texts = AtTexts(self._at, send_s=SEND_S)
        self._inbox = TextInbox(name, self._texts.stored, self._texts.delete)
        self._wake = asyncio.Event()
        self._usable = self._set_up = False
        self._stays = ""

    async def live(self) -> None:
        profile = await asyncio.to_thread(load, self.config.profile)
        self.device = profile.title
        self._set_up = False
        port = self._at
        await port.open()
        loop = asyncio.get_running_loop()
        gone = loop.create_task(port.gone(), name=f"{self.name} gone")
        try:
            for told in profile.init:
                await port.ask(Command(told, empty_ok=True))
            self._usable = True
            while not gone.done():
                self._wake.clear()
                await self._look(port, profile)
                wake = loop.create_task(self._wake.wait())
                try:
                    await asyncio.wait(
                        {gone, wake}, timeout=self.config.look_every, return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    wake.cancel()
            raise gone.result()
        finally:
            self._usable = False
            gone.cancel()
            await port.close()
            self.context.kit.no_source(self.name)

    async def send(self, text: TextOut, progress: Progress) -> TextSent:
        if not self._usable:
            raise LinkDown(f"{self.name} is not there", code="serial-lost")
        return TextSent(*await self._texts.send(text, progress))

    # — within —

    async def _prepared(self, port: AtPort) -> bool:
        """Its messages are read and sent as PDUs: without that mode a length would be taken for a number to send to."""
        if not self._set_up:
            answers = [await port.ask(command) for command in SET_UP]
            self._set_up = answers[0].ok
        return self._set_up

    async def _look(self, port: AtPort, profile: Profile) -> None:
        pin = await port.ask(Command("AT+CPIN?", ("+CPIN",)))
        if pin.ok and pin.lines and "READY" not in pin.lines[0]:
            # A PIN is never guessed: three wrong ones block the card.
            self.tell(LinkPhase.LOCKED, "satphone-pin", pin.lines[0][:40])
            return
        if pin.outcome is Outcome.CME and pin.code in (10, 13, 14, 15):
            self.tell(LinkPhase.ABSENT, "satphone-no-card", pin.final)
            return
        signal = await self._signal(port, profile)
        told = await port.ask(Command(profile.registration, (profile.registration_prefix,)))
        found = fields(told.lines[0]) if told.ok and told.lines else []
        state = number(found, 1) if len(found) > 1 else number(found, 0)
        if state in profile.registered:
            ready = profile.sms and await self._prepared(port)
            refused = "modem-refused" if profile.sms and not ready else ""
            self.tell(LinkPhase.REGISTERED, "sat-messages-only", ready=ready, signal=signal, text_code=refused)
            if ready:
                await self._fetch()
        else:
            self.tell(LinkPhase.SEARCHING, "satphone-searching", await self._aimed(port, profile), signal=signal)
        await self._place(port, profile)

    async def _signal(self, port: AtPort, profile: Profile) -> Signal:
        answer = await port.ask(Command(profile.signal.ask, (profile.signal.prefix,)))
        return (profile.read_signal(answer.lines[0]) if answer.ok and answer.lines else None) or NO_SIGNAL

    async def _place(self, port: AtPort, profile: Profile) -> tuple[float, float] | None:
        if not profile.position:
            return None
        answer = await port.ask(Command(profile.position, (profile.position_prefix or "+",), empty_ok=True))
        found = profile.read_position(answer.lines[0]) if answer.ok and answer.lines else None
        if found is not None:
            self.context.kit.fix(self.name, "satphone", Fix(*found))
        return found

    async def _aimed(self, port: AtPort, profile: Profile) -> str:
        """Where the satellite stands, for whoever holds the phone; "" where it is not known."""
        longitude, found = profile.aim.get("longitude"), await self._place(port, profile)
        if longitude is None or found is None:
            return ""
        azimuth, elevation = aim(*found, longitude)
        return f"{azimuth:.0f}°, {elevation:.0f}° up" if elevation > 0 else f"{azimuth:.0f}°, below the horizon"

    async def _fetch(self) -> None:
        """A message leaves the phone only after it is kept here; while the disk takes none they stay where they lie."""
        try:
            await self._inbox.hand_in(self.seat)
            self._stays = ""
        except LinkDown:
            raise
        except GatewayError as exc:
            self._set_up = self._set_up and not isinstance(exc, (PeerError, Unsupported))  # it may have begun anew
            if exc.code != self._stays:
                log.warning("%s: short messages stay in the phone: %s (%s)", self.name, exc, exc.code)
            self._stays = exc.code

    def _urc(self, urc: Unsolicited) -> None:
        if self._texts.heard(urc):
            self._wake.set()
