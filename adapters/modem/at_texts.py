"""Short messages by AT in PDU mode: what lies in the modem, what comes, what is sent (3GPP TS 27.005)."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Sequence

from adapters.modem.face import Report, Stored
from gateway.base.errors import GatewayError, LinkDown, LocalProtocolError, PeerError, RemoteProtocolError, Unsupported
from gateway.contract.texts import Progress, TextSent
from gateway.model.texts import Arrived, TextOut
from gateway.net.at import AtPort, Unheard
from gateway.wire.at import PDU, Command, Outcome, Unsolicited, fields, text
from gateway.wire.sms import Deliver, StatusReport, Submit, read_pdu, split, write_submit

log = logging.getLogger(__name__)

SEND_S = 60.0
MAX_REPORTS = 64

SET_UP = (
    Command("AT+CMGF=0"),
    Command('AT+CPMS="ME","ME","ME"', ("+CPMS",), empty_ok=True),
    # New ones are stored and told by +CMTI, reports come at once.
    Command("AT+CNMI=2,1,0,1,0"),
)
LIST = Command("AT+CMGL=4", ("+CMGL",), body=PDU, empty_ok=True, timeout_s=30.0)

# 3GPP TS 27.005 §3.2.5 and TS 24.011 table 8.4: the network will not take this one, whoever asks again.
_NEVER = {1, 8, 10, 21, 28, 29, 30, 50, 69, 81, 95, 96, 97, 99, 111, 304, 305}


def arrived(message: Deliver) -> Arrived:
    part = message.body.part
    where = (part.reference, part.part, part.parts) if part is not None else (0, 1, 1)
    return Arrived(message.sender, message.body.text, message.stamp, *where, sent_at=message.sent_at)


def read(place: str, pdu: str) -> Stored:
    """One that can not be read lies in the way of others: it is told as None, so that it is taken away."""
    try:
        message = read_pdu(pdu)
    except RemoteProtocolError as exc:
        log.info("a short message can not be read: %s", exc)
        return Stored(place, None)
    if isinstance(message, Deliver):
        return Stored(place, arrived(message))
    if isinstance(message, StatusReport):
        return Stored(place, Report(str(message.reference), message.delivered, message.final, message.status))
    return Stored(place, None)


def listed(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Place and PDU of each. A header whose PDU was lost on the line stands for nothing: it comes again."""
    out = []
    for head, pdu in itertools.pairwise(lines):
        place = text(fields(head), 0)
        if head.startswith("+CMGL") and place.isascii() and place.isdigit() and PDU.fullmatch(pdu):
            out.append((place, pdu))
    return out


class AtTexts:
    def __init__(self, port: AtPort) -> None:
        self._port = port
        self._came: deque[Stored] = deque(maxlen=MAX_REPORTS)
        """Told without being stored: reports, and messages of modems that store nothing."""
        self._odd: dict[str, str] = {}

    def heard(self, urc: Unsolicited) -> bool:
        """True when it means that there is something to fetch."""
        if urc.prefix in ("+CMT", "+CDS"):
            if len(self._came) == MAX_REPORTS:
                log.warning("%s tells more than can be kept: the oldest report or message is lost", self._port.address)
            self._came.append(read("", urc.body))
            return True
        return urc.prefix in ("+CMTI", "+CDSI")

    async def stored(self) -> Sequence[Stored]:
        came = [self._came.popleft() for _ in range(len(self._came))]
        try:
            lines = await self._port.lines(LIST)
        except GatewayError:
            self._came.extendleft(reversed(came))
            raise
        came += self._sorted(listed(lines))
        return came

    def _sorted(self, found: Sequence[tuple[str, str]]) -> list[Stored]:
        """One that can not be read may have been garbled on the line: it is believed when it comes so twice."""
        out, odd = [], {}
        for place, pdu in found:
            one = read(place, pdu)
            if one.what is None and self._odd.get(place) != pdu:
                odd[place] = pdu
            else:
                out.append(one)
        self._odd = odd
        return out

    async def delete(self, place: str) -> None:
        if not place:
            return
        answer = await self._port.ask(Command(f"AT+CMGD={int(place)}", timeout_s=25.0))
        if not answer.ok and answer.code != 321:  # it is not there any more
            raise PeerError(
                f"a message could not be deleted: {answer.final}", status=answer.final, code="modem-refused"
            )

    async def send(self, message: TextOut, progress: Progress) -> TextSent:
        try:
            bodies = split(message.body, reference=message.reference)
            pdus = [write_submit(Submit(message.to, body, report=True)) for body in bodies]
        except LocalProtocolError as exc:
            raise Unsupported(str(exc), code=exc.code) from exc
        references = []
        for at, (pdu, length) in enumerate(pdus):
            if at < message.parts_done:
                continue
            references.append(await self._send_one(pdu, length))
            if at + 1 < len(pdus):
                await progress(at + 1, len(pdus))
        return TextSent(len(pdus), tuple(references))

    async def _send_one(self, pdu: bytes, length: int) -> str:
        payload = pdu.hex().upper().encode()
        command = Command(f"AT+CMGS={length}", ("+CMGS",), payload=payload, timeout_s=SEND_S)
        try:
            answer = await self._port.ask(command)
        except Unheard:
            raise
        except LinkDown as exc:
            # Asked, and not answered: it may have gone.
            raise LinkDown(str(exc), code="text-unsure") from exc
        if answer.ok and answer.lines:
            return text(fields(answer.lines[0]), 0)
        if answer.ok:
            return ""
        if answer.outcome is Outcome.CMS and answer.code in _NEVER:
            raise PeerError(f"the network refused it: {answer.final}", status=answer.final, code="text-refused")
        raise LinkDown(f"not sent: {answer.final}", code="modem-refused")
