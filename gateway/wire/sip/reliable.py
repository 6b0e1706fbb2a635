"""Reliable provisional responses (RFC 3262): what we sent and repeat until its PRACK; what the peer sent, in order.

One unacknowledged 1xx at a time per INVITE (§3 allows no second before the first is acknowledged). Repeated after T1,
doubling without T2's bound (§3); after 64·T1 without PRACK the INVITE is to be refused: `PrackMissing`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip.dialog import Dialog
from gateway.wire.sip.events import Event, PrackMissing
from gateway.wire.sip.hop import Hop
from gateway.wire.sip.message import SipRequest, SipResponse
from gateway.wire.sip.timerq import TimerQueue
from gateway.wire.sip.transaction import Timers
from gateway.wire.sip.uri import bounded_int

MAX_RSEQ = 2**31 - 1


@dataclass(slots=True, eq=False)
class _Sent:
    """The reliable 1xx of one INVITE."""

    table: Reliables
    key: str
    seq: int
    hop: Hop
    rseq: int
    wait: float = 0.0
    data: bytes = b""  # empty: acknowledged
    dialog: Dialog | None = None
    timers: dict[str, float] = field(default_factory=dict)

    def fire(self, name: str, now: float) -> None:
        self.table.fire(self, name, now)


class Reliables:
    """What we sent reliably, by INVITE key."""

    def __init__(
        self, timing: Timers, timers: TimerQueue, send: Callable[[Hop, bytes], None], emit: Callable[[Event], None]
    ) -> None:
        self._timing = timing
        self._timers = timers
        self._send = send
        self._emit = emit
        self._table: dict[str, _Sent] = {}

    def __len__(self) -> int:
        return len(self._table)

    def waiting(self, key: str) -> bool:
        """Whether a reliable 1xx of that INVITE waits for its PRACK."""
        found = self._table.get(key)
        return found is not None and bool(found.data)

    def prepare(self, key: str, request: SipRequest, response: SipResponse, hop: Hop) -> SipResponse:
        """The response with Require: 100rel and its RSeq, one more than the last."""
        sent = self._table.get(key)
        if sent is None:
            first = secrets.randbelow(2**16) + 1
            sent = self._table[key] = _Sent(self, key, request.cseq.number, hop, first - 1)
        sent.rseq += 1
        headers = response.headers.add("Require", "100rel").add("RSeq", str(sent.rseq))
        return response.with_headers(headers)

    def start(self, key: str, data: bytes, dialog: Dialog | None, now: float) -> None:
        sent = self._table[key]
        sent.data, sent.dialog, sent.wait = data, dialog, self._timing.t1
        self._timers.arm(sent, "again", now + sent.wait)
        self._timers.arm(sent, "over", now + 64 * self._timing.t1)

    def settle(self, key: str) -> None:
        """The INVITE has its final answer, or is gone."""
        sent = self._table.pop(key, None)
        if sent is not None:
            sent.data = b""
            sent.timers.clear()

    def move(self, key: str, hop: Hop) -> None:
        if key in self._table:
            self._table[key].hop = hop

    def prack(self, dialog: Dialog, request: SipRequest) -> bool:
        """Take a PRACK; False when it acknowledges nothing that waits (481). Raises RemoteProtocolError: malformed."""
        rseq, seq, method = parse_rack(request.headers.get("RAck") or "")
        for sent in self._table.values():
            if sent.dialog is dialog and sent.data and (sent.rseq, sent.seq, "INVITE") == (rseq, seq, method):
                sent.data = b""
                sent.timers.clear()
                return True
        return False

    def fire(self, sent: _Sent, name: str, now: float) -> None:
        if name == "again":
            self._send(sent.hop, sent.data)
            sent.wait *= 2
            self._timers.arm(sent, "again", now + sent.wait)
        else:
            self.settle(sent.key)
            self._emit(PrackMissing(sent.key, sent.dialog))


def parse_rack(value: str) -> tuple[int, int, str]:
    """`RSeq CSeq-number method` (§7.2). Raises RemoteProtocolError."""
    parts = value.split()
    if len(parts) != 3:
        raise RemoteProtocolError("RAck is not two numbers and a method")
    return bounded_int(parts[0], 1, MAX_RSEQ, "RAck"), bounded_int(parts[1], 0, MAX_RSEQ, "RAck"), parts[2]


def rseq_of(response: SipResponse) -> int | None:
    """The RSeq of a reliable 1xx; None: it is not sent reliably (no Require: 100rel, or no usable RSeq)."""
    if not 100 < response.status < 200 or "100rel" not in (tag.lower() for tag in response.values("Require")):
        return None
    try:
        return bounded_int(response.headers.get("RSeq") or "", 1, MAX_RSEQ, "RSeq")
    except RemoteProtocolError:
        return None


def takes(dialog: Dialog, seq: int, rseq: int) -> bool:
    """UAC: whether a reliable 1xx is the next one of its INVITE (§4); a repeat or one out of order is not."""
    if dialog.rseq[0] == seq and dialog.rseq[1] and rseq != dialog.rseq[1] + 1:
        return False
    dialog.rseq = (seq, rseq)
    return True
