"""An Iridium short burst data unit: its signal, and sessions that send one message and fetch one."""

from __future__ import annotations

import asyncio
import re

from adapters.satphone.protocol.sbd import MOST_IN, Session, parts, read_session
from adapters.satphone.terminal import Terminal
from gateway.base.errors import GatewayError, LinkDown, PeerError, RemoteProtocolError, Unsupported
from gateway.contract.texts import Progress, TextSent
from gateway.model.link import LinkPhase, Signal
from gateway.model.texts import Arrived, CarrierKind, TextOut
from gateway.net.at import AtPort
from gateway.wire.at import Command, Unsolicited, fields, number

SESSION_S = 90.0
CHECK_S = 600.0
"""So often a session is made only to look whether something waits: each may cost."""
FETCH = Command("AT+SBDRT", ("+SBDRT",), plain=re.compile(r"(?!SBDRING).{1,400}"), empty_ok=True)
CSQ = Command("AT+CSQF", ("+CSQF",))


class SbdUnit(Terminal):
    carries = CarrierKind.SBD

    async def live(self) -> None:
        self._turn = asyncio.Lock()
        self._ring = False
        self._wake = asyncio.Event()
        self._port: AtPort | None = None
        port = AtPort(self.config.port, owner=f"satphone {self.name}", on_urc=self._urc, baud=self.config.baud)
        await port.open()
        loop = asyncio.get_running_loop()
        gone = loop.create_task(port.gone(), name=f"{self.name} gone")
        try:
            for told in ("ATE0", "AT&K0", "AT+SBDMTA=1", "AT+SBDD0"):
                await port.ask(Command(told, empty_ok=True, plain=None))
            self.device = "Iridium SBD"
            self._port = port
            looked = loop.time()
            while not gone.done():
                await self._look(port)
                if self._ring or loop.time() - looked >= CHECK_S:
                    looked = loop.time()
                    await self._fetch(port)
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

    async def send(self, text: TextOut, progress: Progress) -> TextSent:
        port = self._port
        if port is None:
            raise LinkDown(f"{self.name} is not there", code="serial-lost")
        pieces = parts(text.body)
        if len(pieces) > 9:
            raise Unsupported("longer than nine messages", code="text-too-long")
        for at in range(text.parts_done, len(pieces)):
            await self._send_one(port, pieces[at].encode())
            if at + 1 < len(pieces):
                await progress(at + 1, len(pieces))
        return TextSent(len(pieces))

    async def _send_one(self, port: AtPort, body: bytes) -> None:
        async with self._turn:
            # The unit answers 0 when the bytes fit their checksum, which stands behind them.
            payload = body + (sum(body) & 0xFFFF).to_bytes(2, "big")
            write = Command(
                f"AT+SBDWB={len(body)}", payload=payload, payload_end=b"", prompt="READY", finals=("0", "1", "2", "3")
            )
            answer = await port.ask(write)
            if not answer.ok or answer.final in ("1", "2", "3"):
                raise LinkDown(f"{self.name} did not take the message: {answer.final}", code="sbd-damaged")
            try:
                session = await self._session(port)
            except (LinkDown, RemoteProtocolError) as exc:
                raise LinkDown(str(exc), code="text-unsure") from exc
            if session.sent:
                await port.ask(Command("AT+SBDD0", empty_ok=True))
            await self._came(port, session)
            if not session.sent:
                code, words = session.why_not()
                kind = PeerError if code in ("text-refused", "sbd-blocked") else LinkDown
                raise kind(f"{self.name}: {words}", code=code)

    async def _fetch(self, port: AtPort) -> None:
        async with self._turn:
            session = await self._session(port)
            while True:
                await self._came(port, session)
                if not session.came or not session.queued:
                    self._ring = False
                    return
                session = await self._session(port)

    async def _session(self, port: AtPort) -> Session:
        told = Command("AT+SBDIX", ("+SBDIX",), timeout_s=SESSION_S)
        return read_session((await port.lines(told))[0])

    async def _came(self, port: AtPort, session: Session) -> None:
        if not session.came or not 0 < session.in_length <= MOST_IN:
            return
        lines = await port.lines(FETCH)
        body = "\n".join(line for line in lines if not line.startswith("+SBDRT"))
        await self.seat.take(Arrived("sbd:", body[:MOST_IN], str(session.in_number)))

    async def _look(self, port: AtPort) -> None:
        try:
            (line, *_) = await port.lines(CSQ)
            bars = number(fields(line), 0)
        except GatewayError as exc:
            if isinstance(exc, LinkDown):
                raise
            bars = None
        # SBDRING alone may be missed: the unit knows whether it was rung, and what waits.
        status = await port.ask(Command("AT+SBDSX", ("+SBDSX",)))
        if status.ok and status.lines:
            told = fields(status.lines[0])
            self._ring = self._ring or bool(number(told, 4)) or bool(number(told, 5))
        signal = Signal(technology="iridium", bars=bars)
        if bars:
            self.tell(LinkPhase.REGISTERED, "sat-messages-only", ready=True, signal=signal)
        else:
            self.tell(LinkPhase.SEARCHING, "sbd-no-network", signal=signal)

    def _urc(self, urc: Unsolicited) -> None:
        if urc.line.startswith("SBDRING"):
            self._ring = True
            self._wake.set()
