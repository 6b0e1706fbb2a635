"""`SipCore`: one SIP user agent, sans-IO (RFC 3261 §8, §12 to §18).

Bytes and the time go in, bytes and events come out. After every call: take `next_event()` until None, send all of
`data_to_send(now)`, and call `handle_timer(now)` at `next_timer()`.

Bounds: `max_transactions` (full: the oldest that only absorbs repeats is forgotten; none such: a request is refused
with 503, ours raises Busy) and `max_dialogs` (full: 503, or Busy). Both are counted. Responses go to the source of
the request's packet, by the same local address and connection (RFC 3581; a device behind NAT is met nowhere else).
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from gateway.base.errors import Busy, LocalProtocolError, RemoteProtocolError
from gateway.wire.sip.dialog import Dialog
from gateway.wire.sip.dialogs import Dialogs
from gateway.wire.sip.events import (
    DialogEnded,
    Event,
    FlowBroken,
    Heard,
    RequestFailed,
    ResponseReceived,
)
from gateway.wire.sip.headers import BRANCH_COOKIE, split_list
from gateway.wire.sip.hop import Hop, format_host
from gateway.wire.sip.inbound import Inbound, bad_request
from gateway.wire.sip.message import (
    SipMessage,
    SipRequest,
    SipResponse,
    check,
    parse_datagram,
    parse_message,
)
from gateway.wire.sip.reliable import Reliables, rseq_of, takes
from gateway.wire.sip.stream import Ping, Pong, Skipped, StreamFramer
from gateway.wire.sip.timerq import TimerQueue
from gateway.wire.sip.transaction import Kind, State, Timed, Timers, Transaction, cancel_of

_MAX_VENDOR_PING_BYTES = 8


@dataclass(frozen=True, slots=True)
class CoreLimits:
    max_transactions: int = 16_384
    max_dialogs: int = 4_096
    max_flows: int = 4_096  # framers held; more flows than that are broken at their first byte


class SipCore:
    def __init__(
        self,
        *,
        product: str = "",
        timing: Timers | None = None,
        limits: CoreLimits | None = None,
        supported: Iterable[str] = (),
        screen: Callable[[SipRequest, Hop], bool] | None = None,
    ) -> None:
        """`product` is sent as User-Agent and Server; `supported` are the option tags that a Require may name.

        `screen` is asked for each new request outside of dialogs, before anything answers it: False drops it without a
        word (counted `screened`).
        """
        self.product = product
        self.timing = timing or Timers()
        self.limits = limits or CoreLimits()
        self.supported = frozenset(tag.lower() for tag in supported)
        self.counters: Counter[str] = Counter()
        self.screen = screen
        self._out: list[tuple[Hop, bytes]] = []
        self._events: deque[Event] = deque()
        self._timers = TimerQueue()
        self._transactions: dict[str, Transaction] = {}
        self._framers: dict[int, StreamFramer] = {}
        self.dialogs = Dialogs(self.limits.max_dialogs, self.timing, self._timers, self.send, self._events.append)
        self.reliables = Reliables(self.timing, self._timers, self.send, self._events.append)
        self._inbound = Inbound(self)

    @property
    def standing(self) -> dict[str, int]:
        """What is kept now: dialogs alive, and transactions (those that only absorb repeats too, up to 32 s)."""
        return {"dialogs": self.dialogs.alive, "transactions": len(self._transactions)}

    # — the five verbs —

    def receive_datagram(self, data: bytes, hop: Hop, now: float) -> None:
        """One UDP datagram. Never raises for what is in it."""
        if not data.strip(b"\r\n\0 ") or len(data) <= _MAX_VENDOR_PING_BYTES:
            self.counters["heard"] += 1
            self._events.append(Heard(hop))
            return
        self._receive(data, hop, now, parse_datagram)

    def receive_stream(self, data: bytes, hop: Hop, now: float) -> None:
        """Bytes of a TCP or TLS connection, cut anywhere. A FlowBroken event asks to close it."""
        framer = self._framers.get(hop.flow)
        if framer is None:
            if len(self._framers) >= self.limits.max_flows:
                self.counters["full"] += 1
                self._events.append(FlowBroken(hop, "too many connections"))
                return
            framer = self._framers[hop.flow] = StreamFramer()
        try:
            items = framer.feed(data)
        except RemoteProtocolError as exc:
            self.counters["bad"] += 1
            self._events.append(FlowBroken(hop, str(exc)))
            return
        for item in items:
            if isinstance(item, bytes):
                self._receive(item, hop, now, parse_message)
            elif isinstance(item, Skipped):
                self.counters["skipped_bytes"] += item.count
            else:
                self.counters["heard"] += 1
                self._events.append(Heard(hop))
                if isinstance(item, Ping):
                    self.send(hop, b"\r\n")
                assert isinstance(item, Ping | Pong)  # noqa: S101 - every kind of item stands above

    def flow_closed(self, flow: int, now: float) -> None:
        """The connection is gone: our requests on it fail, calls on it end (nobody reaches a NAT'd peer again)."""
        self._framers.pop(flow, None)
        for tx in [tx for tx in self._transactions.values() if tx.hop.flow == flow]:
            if tx.kind in (Kind.CLIENT, Kind.INVITE_CLIENT) and not tx.settled and tx.request.method != "CANCEL":
                self._events.append(RequestFailed(tx.key, "link"))
            tx.end()
        for dialog in self.dialogs.on_flow(flow):
            self.dialogs.end(dialog, now)
            self._events.append(DialogEnded(dialog, "link", "the connection closed"))

    def data_to_send(self, now: float) -> list[tuple[Hop, bytes]]:
        """What is to be sent, in order; given once."""
        out, self._out = self._out, []
        return out

    def next_timer(self) -> float | None:
        return self._timers.next()

    def handle_timer(self, now: float) -> None:
        while (due := self._timers.pop(now)) is not None:
            owner, name = due
            owner.fire(name, now)

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    # — what we do —

    def request(self, request: SipRequest, hop: Hop, now: float) -> str:
        """Send a request and give the key that its events will carry; Via is put on here. Not for ACK and CANCEL.

        Raises Busy when a table is full, LocalProtocolError when the request lacks what RFC 3261 §8.1.1 asks for.
        """
        if request.method in ("ACK", "CANCEL"):
            raise LocalProtocolError(f"{request.method} is sent by ack() and cancel()")
        try:
            check(request.with_headers(request.headers.first("Via", "SIP/2.0/UDP x")))
        except RemoteProtocolError as exc:
            raise LocalProtocolError(f"{request.method} is malformed: {exc}") from exc
        if request.method in ("INVITE", "SUBSCRIBE") and request.to.tag is None and self.dialogs.full:
            self.counters["full"] += 1
            raise Busy(f"{request.method}: {self.limits.max_dialogs} dialogs stand")
        if not self.make_room():
            raise Busy(f"{request.method}: {self.limits.max_transactions} transactions stand")
        branch = BRANCH_COOKIE + secrets.token_hex(8)
        request = self._ours(request, hop, branch)
        kind = Kind.INVITE_CLIENT if request.method == "INVITE" else Kind.CLIENT
        tx = Transaction(kind, client_key(branch, request.method), request, hop, self)
        self._transactions[tx.key] = tx
        tx.start(now)
        return tx.key

    def send_in_dialog(
        self,
        dialog: Dialog,
        method: str,
        now: float,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> str:
        """A request inside a dialog; BYE ends it at once. Raises LocalProtocolError when it is over, Busy."""
        if not dialog.alive:
            raise LocalProtocolError(f"{method} in a dialog that is over")
        request = dialog.request(method, headers=headers, body=body, content_type=content_type)
        key = self.request(request, dialog.hop, now)
        if method == "INVITE":
            dialog.asked_key = key
        if method == "BYE":
            self.dialogs.end(dialog, now)
        return key

    def ack(self, dialog: Dialog, seq: int, now: float, *, body: bytes = b"", content_type: str | None = None) -> None:
        """Acknowledge the 2xx to our INVITE of CSeq `seq`; the same bytes answer every repeat of it."""
        request = dialog.request("ACK", body=body, content_type=content_type, seq=seq)
        data = bytes(self._ours(request, dialog.hop, BRANCH_COOKIE + secrets.token_hex(8)))
        dialog.acks = {seq: data}
        self.send(dialog.hop, data)

    def cancel(self, key: str, now: float) -> bool:
        """Cancel our INVITE: at once when a 1xx came, else when one comes (§9.1). False when it is settled or gone: a
        2xx may still be on its way then."""
        tx = self._transactions.get(key)
        if tx is None or tx.kind is not Kind.INVITE_CLIENT or tx.settled:
            return False
        tx.cancel_wanted = True
        self._cancel_if_due(tx, now)
        return True

    def forget(self, key: str) -> None:
        """Nobody waits for this request of ours any more: no events of it, no repeats."""
        tx = self._transactions.get(key)
        if tx is not None and tx.kind is Kind.CLIENT:
            tx.end()

    def move(self, key: str, hop: Hop) -> None:
        """Our address changed: what is still to be sent of this transaction takes another way."""
        tx = self._transactions.get(key)
        if tx is not None:
            tx.hop = hop
            self.reliables.move(key, hop)

    def drop(self, key: str) -> None:
        """Forget a request without an answer; its repeats come as new ones."""
        tx = self._transactions.get(key)
        if tx is not None and not tx.settled:
            self.counters["dropped"] += 1
            tx.end()

    def respond(self, key: str, response: SipResponse, now: float, *, reliable: bool = False) -> Dialog | None:
        """Answer the request `key`; gives the dialog that the answer made or belongs to. To gets our tag.

        `reliable` sends a 1xx to INVITE until its PRACK (RFC 3262); a PRACK that fits comes as RequestReceived.
        Raises LocalProtocolError when a final answer was given before, or when a reliable 1xx waits for its PRACK and
        another, or a 2xx, is to be sent. A request whose connection fell, or that was forgotten, is answered into the
        void.
        """
        tx = self._transactions.get(key)
        if tx is None:
            self.counters["late_answers"] += 1
            return None
        if tx.settled:
            raise LocalProtocolError(f"{tx.request.method} was answered before")
        if (reliable or response.ok) and self.reliables.waiting(key):
            raise LocalProtocolError("a reliable provisional response waits for its PRACK")
        if response.status > 100 and response.to.tag is None:
            tx.tag = tx.tag or secrets.token_hex(8)
            to = response.headers.get("To") or ""
            response = response.with_headers(response.headers.set("To", f"{to};tag={tx.tag}"))
        if self.product and "Server" not in response.headers:
            response = response.with_headers(response.headers.add("Server", self.product))
        if reliable:
            response = self.reliables.prepare(key, tx.request, response, tx.hop)
        try:
            dialog = self.dialogs.on_answer(key, tx.request, response, tx.hop, bytes(response), now)
        except RemoteProtocolError:
            # The dialogs ran full, or the peer's Record-Route leads nowhere: no dialog, so no 2xx may be said.
            self.counters["full"] += 1
            dialog, response = None, replace(response, status=503, reason="Service Unavailable", body=b"")
        if response.final:
            self.reliables.settle(key)
        elif reliable:
            self.reliables.start(key, bytes(response), dialog, now)
        tx.respond(response, now)
        return dialog

    # — for the parts of the core (Sink of transactions, Inbound) —

    def send(self, hop: Hop, data: bytes) -> None:
        self._out.append((hop, data))

    def emit(self, event: Event) -> None:
        self._events.append(event)

    def arm(self, owner: Timed, name: str, when: float) -> None:
        self._timers.arm(owner, name, when)

    def gone(self, transaction: Transaction) -> None:
        self.reliables.settle(transaction.key)
        if transaction.kind is Kind.INVITE_CLIENT and transaction.request.to.tag is None:
            self.dialogs.forget_early(transaction.request)
        if self._transactions.get(transaction.key) is transaction:
            del self._transactions[transaction.key]

    def find(self, key: str) -> Transaction | None:
        return self._transactions.get(key)

    def serve(self, key: str, request: SipRequest, hop: Hop) -> Transaction:
        kind = Kind.INVITE_SERVER if request.method == "INVITE" else Kind.SERVER
        tx = self._transactions[key] = Transaction(kind, key, request, hop, self)
        return tx

    def make_room(self) -> bool:
        """Whether one more transaction may stand, after forgetting the oldest that only absorbs repeats."""
        if len(self._transactions) < self.limits.max_transactions:
            return True
        for tx in self._transactions.values():
            if tx.state in (State.COMPLETED, State.CONFIRMED):
                self.counters["forgotten"] += 1
                tx.end()
                return True
        self.counters["full"] += 1
        return False

    def told(self, transaction: Transaction, message: SipMessage, now: float) -> None:
        if isinstance(message, SipRequest):
            self.dialogs.on_ack(message)
            return
        tx = transaction
        if tx.request.method == "CANCEL":
            return  # our own doing; what counts is the INVITE's answer
        if tx.kind is Kind.INVITE_CLIENT:
            if message.ok and self.dialogs.repeated_answer(message):
                return
            self._cancel_if_due(tx, now)
        try:
            dialog = self.dialogs.on_response(tx.request, message, tx.hop, now)
        except RemoteProtocolError:
            self.counters["bad"] += 1
            dialog = None
        rseq = rseq_of(message) if tx.kind is Kind.INVITE_CLIENT else None
        if rseq is not None and dialog is not None and not takes(dialog, message.cseq.number, rseq):
            self.counters["provisional_out_of_order"] += 1  # or a repeat, whose PRACK is on its way
            return
        self._events.append(ResponseReceived(tx.key, message, tx.hop, dialog))

    def timed_out(self, transaction: Transaction, now: float) -> None:
        if transaction.request.method == "CANCEL":
            return
        if transaction.kind in (Kind.CLIENT, Kind.INVITE_CLIENT):
            self.counters["timeouts"] += 1
            if transaction.kind is Kind.INVITE_CLIENT:
                self.dialogs.end_early(transaction.request, now)
            self._events.append(RequestFailed(transaction.key, "timeout"))
        else:
            self.counters["unacknowledged"] += 1

    # — inside —

    def _receive(self, data: bytes, hop: Hop, now: float, parse: Callable[[bytes], SipMessage]) -> None:
        self.counters["received"] += 1
        try:
            message = parse(data)
            if isinstance(message, SipResponse):
                check(message)
        except RemoteProtocolError as exc:
            self.counters["bad"] += 1
            answer = bad_request(data, hop, exc)
            if answer is not None:
                self.send(hop, answer)
            return
        if isinstance(message, SipRequest):
            self._inbound.receive(message, hop, now)
        else:
            self._receive_response(message, now)

    def _receive_response(self, response: SipResponse, now: float) -> None:
        # §8.1.3.3: a response with a second Via is not for us.
        if sum(len(split_list(line)) for line in response.headers.all("Via")) != 1:
            self.counters["stray"] += 1
            return
        tx = self._transactions.get(client_key(response.via.branch, response.cseq.method))
        if tx is not None and tx.kind in (Kind.CLIENT, Kind.INVITE_CLIENT):
            tx.receive(response, now)
        elif not (response.ok and response.cseq.method == "INVITE" and self.dialogs.repeated_answer(response)):
            self.counters["stray"] += 1

    def _cancel_if_due(self, tx: Transaction, now: float) -> None:
        if tx.cancel_wanted and not tx.cancel_sent and tx.state is State.PROCEEDING:
            tx.cancel_sent = True
            cancel = cancel_of(tx.request)
            key = client_key(cancel.via.branch, "CANCEL")
            self._transactions[key] = sent = Transaction(Kind.CLIENT, key, cancel, tx.hop, self)
            sent.start(now)
            tx.step("cancelled", now)

    def _ours(self, request: SipRequest, hop: Hop, branch: str) -> SipRequest:
        host, port = hop.local
        via = f"SIP/2.0/{hop.transport.upper()} {format_host(host)}:{port};rport;branch={branch}"
        headers = request.headers.first("Via", via)
        if self.product and "User-Agent" not in headers:
            headers = headers.add("User-Agent", self.product)
        return request.with_headers(headers)


def client_key(branch: str, method: str) -> str:
    return f"{branch} {method}"
