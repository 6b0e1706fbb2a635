"""A satellite phone by AT: what its profile asks, short messages in PDU mode, where to turn it."""

from __future__ import annotations

import asyncio
import logging

from adapters.satphone.aim import aim
from adapters.satphone.protocol.profile import Profile, load
from adapters.satphone.terminal import Terminal
from gateway.base.errors import LinkDown, LocalProtocolError, PeerError, RemoteProtocolError, Unsupported
from gateway.contract.texts import Progress, TextSent
from gateway.model.kit_state import Fix
from gateway.model.link import NO_SIGNAL, LinkPhase, Signal
from gateway.model.texts import Arrived, CarrierKind, TextOut
from gateway.net.at import AtPort
from gateway.wire.at import PDU, Command, Outcome, Unsolicited, fields, number, text
from gateway.wire.sms import Deliver, StatusReport, Submit, read_pdu, split, write_submit

log = logging.getLogger(__name__)

SEND_S = 120.0
LIST = Command("AT+CMGL=4", ("+CMGL",), body=PDU, empty_ok=True, timeout_s=30.0)
_NEVER = {1, 8, 10, 21, 28, 30, 50, 69, 304}
"""TS 24.011 table 8.4: whoever asks again gets the same answer."""


class Phone(Terminal):
    carries = CarrierKind.SMS

    async def live(self) -> None:
        profile = await asyncio.to_thread(load, self.config.profile)
        self.device = profile.title
        self._wake = asyncio.Event()
        self._port: AtPort | None = None
        port = AtPort(self.config.port, owner=f"satphone {self.name}", on_urc=self._urc, baud=self.config.baud)
        await port.open()
        loop = asyncio.get_running_loop()
        gone = loop.create_task(port.gone(), name=f"{self.name} gone")
        try:
            await self._begin(port, profile)
            self._port = port
            while not gone.done():
                await self._look(port, profile)
                self._wake.clear()
                wake = loop.create_task(self._wake.wait())
                try:
                    await asyncio.wait(
                        {gone, wake}, timeout=self.config.look_every, return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    wake.cancel()
            raise gone.result()
        finally:
            self._port = None
            gone.cancel()
            await port.close()
            self.context.kit.no_source(self.name)

    async def send(self, text: TextOut, progress: Progress) -> TextSent:
        port = self._port
        if port is None:
            raise LinkDown(f"{self.name} is not there", code="serial-lost")
        try:
            bodies = split(text.body, reference=text.reference)
            pdus = [write_submit(Submit(text.to, body, report=True)) for body in bodies]
        except LocalProtocolError as exc:
            raise Unsupported(str(exc), code=exc.code) from exc
        references = []
        for at, (pdu, length) in enumerate(pdus):
            if at >= text.parts_done:
                references.append(await self._send_one(port, pdu, length))
                if at + 1 < len(pdus):
                    await progress(at + 1, len(pdus))
        return TextSent(len(pdus), tuple(filter(None, references)))

    # — within —

    async def _begin(self, port: AtPort, profile: Profile) -> None:
        for told in profile.init:
            await port.ask(Command(told, empty_ok=True))
        if profile.sms:
            await port.ask(Command("AT+CMGF=0"))
            await port.ask(Command("AT+CNMI=2,1,0,1,0"))

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
            self.tell(LinkPhase.REGISTERED, "sat-messages-only", ready=profile.sms, signal=signal)
            if profile.sms:
                await self._fetch(port)
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

    async def _fetch(self, port: AtPort) -> None:
        """A message leaves the phone only after it is kept here."""
        answer = await port.ask(LIST)
        if not answer.ok:
            return
        for head, body in zip(answer.lines[::2], answer.lines[1::2], strict=False):
            place = text(fields(head), 0)
            try:
                await self._hand_in(body)
            except RemoteProtocolError as exc:
                log.info("%s: a short message can not be read: %s", self.name, exc)
            if place.isascii() and place.isdigit():
                await port.ask(Command(f"AT+CMGD={int(place)}", timeout_s=25.0))

    async def _hand_in(self, pdu: str) -> None:
        message = read_pdu(pdu)
        if isinstance(message, Deliver):
            part = message.body.part
            where = (part.reference, part.part, part.parts) if part is not None else (0, 1, 1)
            arrived = Arrived(message.sender, message.body.text, message.stamp, *where, sent_at=message.sent_at)
            await self.seat.take(arrived)
        elif isinstance(message, StatusReport) and message.final:
            code = "" if message.delivered else "text-undelivered"
            await self.seat.report(str(message.reference), message.delivered, code, f"status {message.status}")

    async def _send_one(self, port: AtPort, pdu: bytes, length: int) -> str:
        payload = pdu.hex().upper().encode()
        try:
            answer = await port.ask(Command(f"AT+CMGS={length}", ("+CMGS",), payload=payload, timeout_s=SEND_S))
        except LinkDown as exc:
            # Asked, and not answered: it may have gone.
            raise LinkDown(str(exc), code="text-unsure") from exc
        if answer.ok:
            return text(fields(answer.lines[0]), 0) if answer.lines else ""
        if answer.outcome is Outcome.CMS and answer.code in _NEVER:
            raise PeerError(f"the network refused it: {answer.final}", status=answer.final, code="text-refused")
        raise LinkDown(f"not sent: {answer.final}", code="modem-refused")

    def _urc(self, urc: Unsolicited) -> None:
        if urc.prefix in ("+CMTI", "+CDSI"):
            self._wake.set()
        elif urc.prefix in ("+CMT", "+CDS"):
            log.info(
                "%s hands over a message that it does not keep: its profile's init should ask for +CMTI", self.name
            )
