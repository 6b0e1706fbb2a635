"""An Iridium short burst data unit: its signal, and sessions that send one message and fetch one.

A message that came lies in the unit until the next session overwrites it: it is kept here before one is made. Whether a
message went whose answer was lost the unit knows: the number of the next one has grown (as makers' sheets have it).
"""

from __future__ import annotations

import asyncio
import logging
import re

from adapters.satphone.config import PhoneConfig
from adapters.satphone.protocol.sbd import MOST_IN, Session, Status, parts, read_session, read_status
from adapters.satphone.terminal import Terminal
from gateway.base.errors import GatewayError, LinkDown, PeerError, RemoteProtocolError, Unsupported
from gateway.contract.adapter import Context
from gateway.contract.texts import Progress, TextSent
from gateway.model.link import LinkPhase, Signal
from gateway.model.texts import Arrived, CarrierKind, TextOut
from gateway.net.at import AtPort
from gateway.wire.at import Command, Unsolicited, fields, number

log = logging.getLogger(__name__)

SESSION_S = 90.0
CHECK_S = 600.0
"""So often a session is made only to look whether something waits: each may cost."""
FETCH_FIRST_S = 60.0
"""After a session that fetched nothing although something waits; later each time, up to `CHECK_S`."""
FETCH = Command("AT+SBDRT", ("+SBDRT",), plain=re.compile(r"(?!SBDRING).{1,400}"), empty_ok=True)
CSQ = Command("AT+CSQF", ("+CSQF",))


class SbdUnit(Terminal):
    carries = CarrierKind.SBD

    def __init__(self, name: str, config: PhoneConfig, context: Context) -> None:
        super().__init__(name, config, context)
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._port: AtPort | None = None
        self._ring = False
        self._fetch_at, self._fetch_gap_s = 0.0, FETCH_FIRST_S
        self._hold_until, self._hold_code = 0.0, ""
        self._unsure: tuple[tuple[str, int], int] | None = None
        """A piece whose answer was lost, and the number that it had."""
        self._went: tuple[str, int] | None = None

    async def live(self) -> None:
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
                self._wake.clear()
                await self._look(port)
                due = self._ring and loop.time() >= self._fetch_at
                if (due or loop.time() - looked >= CHECK_S) and loop.time() >= self._hold_until:
                    looked = loop.time()
                    await self._fetch(port)
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
            await self._send_one(port, (text.id, at), pieces[at].encode())
            if at + 1 < len(pieces):
                await progress(at + 1, len(pieces))
        return TextSent(len(pieces))

    async def _send_one(self, port: AtPort, which: tuple[str, int], body: bytes) -> None:
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if now < self._hold_until:
                raise LinkDown(f"{self.name} waits {self._hold_until - now:.0f} s", code=self._hold_code)
            before = await self._ready(port)
            if self._went == which:
                self._went = None
                return
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
                if before is not None:
                    self._unsure = (which, before.out_number)
                raise LinkDown(str(exc), code="text-unsure") from exc
            await self._after(port, session)
            if not session.sent:
                code, words = session.why_not()
                kind = PeerError if code == "text-refused" else LinkDown
                raise kind(f"{self.name}: {words}", code=code)

    async def _fetch(self, port: AtPort) -> None:
        while True:
            async with self._turn:  # session by session: fifty may wait, and what is to be sent goes between them
                await self._ready(port)
                session = await self._session(port)
                await self._after(port, session)
            if not session.came:
                break
            self._fetch_gap_s = FETCH_FIRST_S
            if not session.queued:
                break
        self._ring = False
        if not session.came:
            self._fetch_at = asyncio.get_running_loop().time() + self._fetch_gap_s
            self._fetch_gap_s = min(self._fetch_gap_s * 2, CHECK_S)

    async def _ready(self, port: AtPort) -> Status | None:
        """Before a session: what lies in the unit is kept, and it is known what became of one that was unsure. What is
        left there of an attempt before would go along with it: who wanted that sent is told that it was not.

        Raises GatewayError where the disk takes nothing: a session would overwrite what came."""
        status = await self._status(port)
        if self._unsure is not None and status is not None:
            which, number_ = self._unsure
            self._unsure, self._went = None, which if status.out_number != number_ else None
        if status is not None and status.out_held:
            await port.ask(Command("AT+SBDD0", empty_ok=True))
        if status is not None and status.in_held:
            await self._keep(port, status.in_number)
        return status

    async def _session(self, port: AtPort) -> Session:
        told = Command("AT+SBDIX", ("+SBDIX",), timeout_s=SESSION_S)
        return read_session((await port.lines(told))[0])

    async def _after(self, port: AtPort, session: Session) -> None:
        """Whatever fails here, what the session sent is sent; what it fetched lies in the unit until it is kept."""
        if session.holds_s:
            self._hold_until = asyncio.get_running_loop().time() + session.holds_s
            self._hold_code = session.why_not()[0]
        try:
            if session.sent:
                await port.ask(Command("AT+SBDD0", empty_ok=True))
            if session.came and session.in_length:
                await self._keep(port, session.in_number)
        except GatewayError as exc:
            log.warning("%s: a message that came stays in the unit: %s (%s)", self.name, exc, exc.code)

    async def _keep(self, port: AtPort, number_: int) -> None:
        lines = await port.lines(FETCH)
        body = "\n".join(line for line in lines if not line.startswith("+SBDRT"))
        try:
            await self.seat.take(Arrived("sbd:", body[:MOST_IN], str(number_)))
        except RemoteProtocolError as exc:
            log.warning("%s: a message that came can be none: %s", self.name, exc)
        await port.ask(Command("AT+SBDD1", empty_ok=True))

    async def _status(self, port: AtPort) -> Status | None:
        answer = await port.ask(Command("AT+SBDSX", ("+SBDSX",)))
        told = fields(answer.lines[0]) if answer.ok and answer.lines else []
        return read_status([number(told, at) for at in range(len(told))])

    async def _look(self, port: AtPort) -> None:
        try:
            (line, *_) = await port.lines(CSQ)
            bars = number(fields(line), 0)
        except GatewayError as exc:
            if isinstance(exc, LinkDown):
                raise
            bars = None
        async with self._turn:
            try:
                status = await self._ready(port)
            except GatewayError as exc:
                if isinstance(exc, LinkDown):
                    raise
                status = None
                log.warning("%s: a message that came stays in the unit: %s (%s)", self.name, exc, exc.code)
        # SBDRING alone may be missed: the unit knows whether it was rung, and what waits.
        self._ring = self._ring or (status is not None and (status.rung or bool(status.waiting)))
        signal = Signal(technology="iridium", bars=bars)
        wait_s = self._hold_until - asyncio.get_running_loop().time()
        if not bars:
            self.tell(LinkPhase.SEARCHING, "sbd-no-network", signal=signal)
        elif wait_s > 0:
            self.tell(LinkPhase.REGISTERED, self._hold_code, signal=signal, again_in_s=wait_s)
        else:
            self.tell(LinkPhase.REGISTERED, "sat-messages-only", ready=True, signal=signal)

    def _urc(self, urc: Unsolicited) -> None:
        if urc.line.startswith("SBDRING"):
            self._ring, self._fetch_at = True, 0.0
            self._wake.set()
