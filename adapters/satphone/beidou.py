"""A BeiDou short message terminal: its card, its beams, what comes, and one message each time its card may send."""

from __future__ import annotations

import asyncio
import logging
import time

from adapters.satphone.config import PhoneConfig
from adapters.satphone.protocol.beidou import MOST_PIECES, Feedback, Message, coded, dialect, piece
from adapters.satphone.protocol.standing import SILENT_S, Standing
from adapters.satphone.terminal import Terminal
from gateway.base.errors import GatewayError, LinkDown, LocalProtocolError, PeerError, RemoteProtocolError, Unsupported
from gateway.base.serial import SerialLine, open_serial
from gateway.contract.adapter import Context
from gateway.contract.texts import Progress, TextSent
from gateway.model.link import LinkPhase, Signal
from gateway.model.texts import Arrived, CarrierKind, TextOut

log = logging.getLogger(__name__)

ANSWER_S = 12.0
INBOX = 64
"""Messages that came and are not on the disk yet; beyond, the newest is lost, and the log says so."""
SOON_S = 120.0
"""A message is taken when its turn comes within this time; for a longer wait others go first."""
_PHASES = {"bd-no-card": LinkPhase.ABSENT, "bd-silent": LinkPhase.ABSENT, "bd-no-beam": LinkPhase.SEARCHING}


class BeidouTerminal(Terminal):
    carries = CarrierKind.BEIDOU

    def __init__(self, name: str, config: PhoneConfig, context: Context) -> None:
        super().__init__(name, config, context)
        # What the card has sent and what came outlive the line.
        self._standing = Standing(config.every)
        self._inbox: asyncio.Queue[Message] = asyncio.Queue(INBOX)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            takes = tasks.create_task(self._take(), name=f"{self.name} takes messages")
            try:
                await super().run()
            finally:
                takes.cancel()

    async def live(self) -> None:
        loop = asyncio.get_running_loop()
        self._dialect = dialect(self.config.protocol)
        self._standing.line_anew()
        self._waits: asyncio.Future[Feedback] | None = None
        self._over: asyncio.Future[None] = loop.create_future()
        self._line: SerialLine | None = None
        self.device = f"BeiDou {self.config.protocol}"
        line = await open_serial(
            self.config.port,
            owner=f"satphone {self.name}",
            on_data=self._data,
            on_lost=self._lost,
            baud=self.config.baud,
        )
        self._line = line
        self._opened_at = loop.time()
        try:
            while not self._over.done():
                line.write(self._dialect.ask_card())
                line.write(self._dialect.ask_beams())
                await asyncio.wait({self._over}, timeout=self._pause())
                self._judge()
                heard_at = self._standing.heard_at or self._opened_at
                if loop.time() - heard_at > SILENT_S + self.config.look_every:
                    raise LinkDown(f"{self.name} says nothing", code="bd-silent")  # a line may be dead without an end
            self._over.result()
        finally:
            self._line = None
            self._unsure()
            await line.close()

    async def send(self, text: TextOut, progress: Progress) -> TextSent:
        """A long one goes as several, numbered for people, each when the card may send again."""
        pieces = cut(text.body, self.config.most_bytes - 1)
        for at in range(text.parts_done, len(pieces)):
            await self._wait_turn()
            await self._send_one(text.to.removeprefix("bd:"), pieces[at])
            if at + 1 < len(pieces):
                await progress(at + 1, len(pieces))
        return TextSent(len(pieces))

    # — within —

    async def _wait_turn(self) -> None:
        loop = asyncio.get_running_loop()
        why = self._standing.why_not(loop.time())
        if why == "bd-card-limit":
            # What it says meanwhile may change how long.
            await asyncio.sleep(self._standing.wait_s(loop.time()) + 0.01)
            why = self._standing.why_not(loop.time())
        if why or self._line is None:
            raise LinkDown(f"{self.name} can not send now", code=why or "serial-lost")

    async def _send_one(self, to: str, body: str) -> None:
        loop = asyncio.get_running_loop()
        assert self._line is not None  # noqa: S101  (_wait_turn)
        try:
            told = self._dialect.send(to, body)
        except LocalProtocolError as exc:
            raise Unsupported(str(exc), code=exc.code) from exc
        waits = self._waits = loop.create_future()
        self._line.write(told)
        # It counts against the card whether its answer comes or not.
        self._standing.sent(loop.time())
        self._judge()
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await waits
        except TimeoutError:
            raise LinkDown(f"{self.name} did not say what became of the message", code="text-unsure") from None
        finally:
            self._waits = None
        if answer.sent:
            return
        if answer.code == "bd-cipher":
            raise PeerError(f"{self.name}: {answer.detail}", status=answer.detail, code=answer.code)
        raise LinkDown(f"{self.name}: not sent, {answer.detail or answer.code}", code=answer.code)

    def _data(self, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        for told in self._dialect.receive(data):
            self._standing.heard(told, now)
            if isinstance(told, Feedback):
                if self._waits is not None and not self._waits.done():
                    self._waits.set_result(told)  # one that nobody waits for came too late
            elif isinstance(told, Message):
                try:
                    self._inbox.put_nowait(told)
                except asyncio.QueueFull:
                    log.error("%s: %d messages wait for the disk, another that came is lost", self.name, INBOX)
        self._judge()

    def _lost(self, error: GatewayError) -> None:
        if not self._over.done():
            self._over.set_exception(error)

    def _unsure(self) -> None:
        """The line went while a message was under way."""
        if self._waits is not None and not self._waits.done():
            self._waits.set_exception(LinkDown(f"{self.name}: the line went", code="text-unsure"))

    async def _take(self) -> None:
        """A terminal keeps nothing of what it hands over: it is tried until it is on the disk."""
        while True:
            told = await self._inbox.get()
            # What dates it at all has no day: without a mark nothing is taken for a repetition.
            mark = f"{int(time.time() // 86400)} {told.mark}" if told.mark else ""
            body, part, parts = piece(told.body)
            arrived = Arrived(told.sender, body, mark, part=part, parts=parts)
            while True:
                try:
                    await self.seat.take(arrived)
                    break
                except RemoteProtocolError as exc:
                    log.warning("%s: a message that came can be none: %s", self.name, exc)
                    break
                except GatewayError:
                    await asyncio.sleep(1.0)

    def _judge(self) -> None:
        now = asyncio.get_running_loop().time()
        why = self._standing.why_not(now)
        if why == "bd-silent" and self._standing.heard_at is None and now - self._opened_at < ANSWER_S:
            return  # it was only just asked
        signal = Signal(technology="beidou", bars=self._standing.bars())
        if why in _PHASES:
            self.tell(_PHASES[why], why, signal=signal)
            return
        wait_s = self._standing.wait_s(now)
        code = self._standing.inhibited(now) or why
        number = self._standing.card.number if self._standing.card is not None else ""
        # The card's limit is waited for here: a message may be handed over at once.
        ready = not code or (code == "bd-card-limit" and wait_s <= SOON_S)
        detail = f"card {number}" if not code else f"{wait_s:.0f} s" if why else ""
        self.tell(
            LinkPhase.REGISTERED,
            code or "sat-messages-only",
            detail,
            ready=ready,
            again_in_s=wait_s,
            signal=signal,
            text_code=code,
        )

    def _pause(self) -> float:
        return min(self.config.look_every, 2.0 if self._standing.heard_at is None else SILENT_S / 3)


def cut(body: str, most: int) -> list[str]:
    """Pieces of at most so many bytes in the terminal's alphabet; more than one are numbered. Raises Unsupported."""
    if len(coded(body)) <= most:
        return [body]
    room, pieces, one, size = most - len("(99/99)"), list[str](), "", 0
    for sign in body:
        more = len(coded(sign))
        if size + more > room:
            pieces.append(one)
            one, size = "", 0
        one, size = one + sign, size + more
    pieces.append(one)
    if len(pieces) > MOST_PIECES:
        raise Unsupported(f"{len(pieces)} BeiDou messages, {MOST_PIECES} go at most", code="text-too-long")
    return [f"({at}/{len(pieces)}){words}" for at, words in enumerate(pieces, 1)]
