"""Short messages by AT in PDU mode: what lies in a modem or phone, what comes, what is sent (3GPP TS 27.005).

A message leaves the modem by `delete` alone, which its owner calls when it is kept. One whose line was damaged on its
way is read again by its place: only what lies there damaged is told as None, so that it is taken away and does not fill
the modem.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from gateway.base.errors import LinkDown, LocalProtocolError, PeerError, RemoteProtocolError, Unsupported
from gateway.model.texts import WIDE, Arrived, Report, Stored, TextOut
from gateway.net.at import AtPort, Unheard
from gateway.wire.at import PDU, Command, Outcome, Unsolicited, fields, number, text
from gateway.wire.sms import Deliver, StatusReport, Submit, read_pdu, split, write_submit

log = logging.getLogger(__name__)

SEND_S = 120.0
MAX_CAME = 64
MAX_UNSURE = 64
AGAIN_UNKNOWN_S = 3600.0
"""How long ago a first attempt is taken to have been, when nobody knows."""

PDU_MODE = Command("AT+CMGF=0")
SET_UP = (
    PDU_MODE,
    Command('AT+CPMS="ME","ME","ME"', ("+CPMS",), empty_ok=True),
    # New ones are stored and told by +CMTI, reports come at once.
    Command("AT+CNMI=2,1,0,1,0"),
)
LIST = Command("AT+CMGL=4", ("+CMGL",), body=PDU, empty_ok=True, timeout_s=30.0)

# 3GPP TS 27.005 §3.2.5 and TS 24.011 table 8.4: the network will not take this one, whoever asks again.
_NEVER = {1, 8, 10, 21, 28, 29, 30, 50, 69, 81, 95, 96, 97, 99, 111, 304, 305}
_NO_ANSWER = 332
"""The network did not answer the modem: it may have taken it."""
_GONE = 321

Progress = Callable[[int, int], Awaitable[None]]
"""As `contract.texts.Progress`."""


def arrived(message: Deliver) -> Arrived:
    part = message.body.part
    where = (part.reference + WIDE * part.wide, part.part, part.parts) if part is not None else (0, 1, 1)
    again_s = float(message.body.again_s)
    return Arrived(message.sender, message.body.text, message.stamp, *where, message.sent_at, again_s)


def read(place: str, pdu: str) -> Stored:
    """One that can not be read lies in the way of others: it is told as None, so that it is taken away."""
    try:
        message = read_pdu(pdu)
    except RemoteProtocolError as exc:
        log.warning("a short message can not be read, and is taken away: %s", exc)
        return Stored(place, None)
    if isinstance(message, Deliver):
        return Stored(place, arrived(message))
    if isinstance(message, StatusReport):
        return Stored(place, Report(str(message.reference), message.delivered, message.final, message.status))
    return Stored(place, None)


class AtTexts:
    """One line's messages. `heard` is given what the line says unasked."""

    def __init__(self, port: AtPort, *, send_s: float = SEND_S) -> None:
        self._port = port
        self._send_s = send_s
        self._came: dict[str, Stored] = {}
        """Told without being stored: reports, and messages of modems that store nothing; until `delete`."""
        self._count = 0
        self._unsure: dict[str, float] = {}
        """Messages of one part whose answer was lost: when that was first."""

    def heard(self, urc: Unsolicited) -> bool:
        """True when it means that there is something to fetch."""
        if urc.prefix not in ("+CMT", "+CDS"):
            return urc.prefix in ("+CMTI", "+CDSI")
        if len(self._came) >= MAX_CAME:
            # A report less says "sent" where it might say "delivered"; a message less is lost.
            oldest = next(
                (at for at, one in self._came.items() if isinstance(one.what, Report)), next(iter(self._came))
            )
            what = "report" if isinstance(self._came.pop(oldest).what, Report) else "message"
            log.warning(
                "%s: over %d of them wait for the disk: the oldest %s is lost", self._port.address, MAX_CAME, what
            )
        self._count += 1
        place = f"told {self._count}"
        self._came[place] = read(place, urc.body)
        return True

    async def stored(self) -> Sequence[Stored]:
        """All that lies there. Raises as `AtPort.lines`."""
        found = []
        for head, body in _pairs(await self._port.lines(LIST)):
            told = fields(head)
            place = text(told, 0)
            if not (place.isascii() and place.isdigit() and len(place) <= 5):
                continue
            if not _whole(told, body):
                body = await self._again(place, body)
            if body:
                found.append(read(place, body))
        return [*self._came.values(), *found]

    async def delete(self, place: str) -> None:
        """It is kept, or nobody will. One that is not there any more is deleted already."""
        if self._came.pop(place, None) is not None or not place.isdigit():
            return
        answer = await self._port.ask(Command(f"AT+CMGD={int(place)}", timeout_s=25.0))
        if not answer.ok and answer.code != _GONE:
            raise PeerError(
                f"a message could not be deleted: {answer.final}", status=answer.final, code="modem-refused"
            )

    async def send(self, message: TextOut, progress: Progress) -> tuple[int, tuple[str, ...]]:
        """How many parts it takes, and the network's numbers of those sent now. Raises as `contract.texts.Send`."""
        again_s = self._again_s(message)
        try:
            bodies = split(message.body, reference=message.reference, again_s=again_s)
            pdus = [write_submit(Submit(message.to, body, report=True)) for body in bodies]
        except LocalProtocolError as exc:
            raise Unsupported(str(exc), code=exc.code) from exc
        references = []
        for at, (pdu, length) in enumerate(pdus):
            if at < message.parts_done:
                continue
            try:
                references.append(await self._send_one(pdu, length))
            except LinkDown as exc:
                if exc.code == "text-unsure":
                    self._note_unsure(message.id)
                raise
            if at + 1 < len(pdus):
                await progress(at + 1, len(pdus))
        self._unsure.pop(message.id, None)
        return len(pdus), tuple(filter(None, references))

    # — within —

    async def _again(self, place: str, before: str) -> str:
        """What lies at that place, read a second time; "" when it can not be had now: it stays there."""
        command = Command(f"AT+CMGR={int(place)}", ("+CMGR",), body=PDU, empty_ok=True)
        answer = await self._port.ask(command)
        lines = answer.lines if answer.ok else ()
        for head, body in _pairs(lines):
            if body and (body == before or _whole(fields(head), body)):
                return body  # whole now, or lying there as it was read before
        log.info("%s: a short message was damaged on its way here: it stays, and is read again", self._port.address)
        return ""

    async def _send_one(self, pdu: bytes, length: int) -> str:
        # A modem that has begun anew is in text mode, where a length is a telephone number.
        answer = await self._port.ask(PDU_MODE)
        if not answer.ok:
            raise LinkDown(f"no PDU mode: {answer.final}", code="modem-refused")
        payload = pdu.hex().upper().encode()
        command = Command(f"AT+CMGS={length}", ("+CMGS",), payload=payload, timeout_s=self._send_s)
        try:
            answer = await self._port.ask(command)
        except Unheard:
            raise
        except LinkDown as exc:
            # Asked, and not answered: it may have gone.
            raise LinkDown(str(exc), code="text-unsure") from exc
        if answer.ok:
            return text(fields(answer.lines[0]), 0) if answer.lines else ""
        if answer.outcome is Outcome.CMS and answer.code == _NO_ANSWER:
            raise LinkDown(f"the network did not answer: {answer.final}", code="text-unsure")
        if answer.outcome is Outcome.CMS and answer.code in _NEVER:
            raise PeerError(f"the network refused it: {answer.final}", status=answer.final, code="text-refused")
        raise LinkDown(f"not sent: {answer.final}", code="modem-refused")

    def _note_unsure(self, id_: str) -> None:
        if id_ not in self._unsure and len(self._unsure) >= MAX_UNSURE:
            self._unsure.pop(next(iter(self._unsure)))
        self._unsure.setdefault(id_, asyncio.get_running_loop().time())

    def _again_s(self, message: TextOut) -> float:
        """So long ago it was tried first and may have gone; 0: it was not."""
        if not message.unsure:
            return 0.0
        since = self._unsure.get(message.id)
        if since is not None:
            return max(1.0, asyncio.get_running_loop().time() - since)
        age_s = time.time() - message.made_at  # tried before a restart
        return age_s if 1.0 <= age_s <= message.max_age_s + AGAIN_UNKNOWN_S else AGAIN_UNKNOWN_S


def _pairs(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Heads and their PDUs; "" for one whose PDU did not come."""
    head = ""
    for line in lines:
        if line.startswith(("+CMGL", "+CMGR")):
            if head:
                yield head, ""
            head = line
        elif head:
            yield head, line
            head = ""
    if head:
        yield head, ""


def _whole(told: list[str], body: str) -> bool:
    """As long as its head says: its octets without the service centre's address (TS 27.005 §3.1)."""
    said = number(told, len(told) - 1) if told else None
    if said is None or not body or len(body) % 2:
        return False
    return len(body) // 2 - 1 - int(body[:2], 16) == said
