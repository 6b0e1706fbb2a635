"""Transactions (RFC 3261 §17, with the Accepted states of RFC 6026): one request, its repeats, its answers.

Four machines in one table. A step is found by (kind, state, input) and gives the next state and what to do.

    INVITE client     Calling ─1xx→ Proceeding ─2xx→ Accepted ─M→ Terminated
                      Calling, Proceeding ─failure→ Completed (ACK sent) ─D→ Terminated
                      Calling ─A→ Calling (sent again, doubling)   Calling ─B→ Terminated (timeout)
    other client      Trying ─1xx→ Proceeding ─final→ Completed ─K→ Terminated
                      Trying, Proceeding ─E→ same (sent again, up to T2)   ─F→ Terminated (timeout)
    INVITE server     Proceeding ─we 2xx→ Accepted ─L→ Terminated
                      Proceeding ─we fail→ Completed (repeated by G) ─ACK→ Confirmed ─I→ Terminated
                      Completed ─H→ Terminated (timeout: no ACK)
    other server      Trying ─we 1xx→ Proceeding ─we final→ Completed ─J→ Terminated

A request that is repeated is answered by the last answer and not told again. The 2xx of an INVITE is repeated by the
dialog (RFC 3261 §13.3.1.4), not here. Timer C belongs to proxies; `X` is the 64·T1 that an INVITE lives after its
CANCEL (§9.1). Timers A, E, G are not armed on TCP and TLS; D, I, J and K are zero there (§17.1.1.2 ff).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from gateway.wire.sip.hop import Hop
from gateway.wire.sip.message import SipMessage, SipRequest, SipResponse
from gateway.wire.textmsg import Headers


class Kind(Enum):
    INVITE_CLIENT = "INVITE client"
    CLIENT = "client"
    INVITE_SERVER = "INVITE server"
    SERVER = "server"


class State(Enum):
    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds (RFC 3261 table 4)."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    d: float = 32.0


Step = tuple[State, tuple[str, ...]]

_IC, _C, _IS, _S = Kind.INVITE_CLIENT, Kind.CLIENT, Kind.INVITE_SERVER, Kind.SERVER

# What to do: send (the last message we made), tell (the user of the transaction), ack, timeout, stop (all timers),
# a letter: arm that timer.
TRANSITIONS: dict[tuple[Kind, State, str], Step] = {
    (_IC, State.CALLING, "A"): (State.CALLING, ("send", "A")),
    (_IC, State.CALLING, "B"): (State.TERMINATED, ("timeout",)),
    (_IC, State.CALLING, "1xx"): (State.PROCEEDING, ("stop", "tell")),
    (_IC, State.CALLING, "2xx"): (State.ACCEPTED, ("stop", "M", "tell")),
    (_IC, State.CALLING, "failure"): (State.COMPLETED, ("stop", "ack", "D", "tell")),
    (_IC, State.PROCEEDING, "1xx"): (State.PROCEEDING, ("tell",)),
    (_IC, State.PROCEEDING, "2xx"): (State.ACCEPTED, ("stop", "M", "tell")),
    (_IC, State.PROCEEDING, "failure"): (State.COMPLETED, ("stop", "ack", "D", "tell")),
    (_IC, State.PROCEEDING, "cancelled"): (State.PROCEEDING, ("X",)),
    (_IC, State.PROCEEDING, "X"): (State.TERMINATED, ("timeout",)),
    (_IC, State.ACCEPTED, "2xx"): (State.ACCEPTED, ("tell",)),
    (_IC, State.ACCEPTED, "M"): (State.TERMINATED, ()),
    (_IC, State.COMPLETED, "failure"): (State.COMPLETED, ("ack",)),
    (_IC, State.COMPLETED, "D"): (State.TERMINATED, ()),
    (_C, State.TRYING, "E"): (State.TRYING, ("send", "E")),
    (_C, State.TRYING, "F"): (State.TERMINATED, ("timeout",)),
    (_C, State.TRYING, "1xx"): (State.PROCEEDING, ("tell",)),
    (_C, State.TRYING, "2xx"): (State.COMPLETED, ("stop", "K", "tell")),
    (_C, State.TRYING, "failure"): (State.COMPLETED, ("stop", "K", "tell")),
    (_C, State.PROCEEDING, "E"): (State.PROCEEDING, ("send", "E")),
    (_C, State.PROCEEDING, "F"): (State.TERMINATED, ("timeout",)),
    (_C, State.PROCEEDING, "1xx"): (State.PROCEEDING, ("tell",)),
    (_C, State.PROCEEDING, "2xx"): (State.COMPLETED, ("stop", "K", "tell")),
    (_C, State.PROCEEDING, "failure"): (State.COMPLETED, ("stop", "K", "tell")),
    (_C, State.COMPLETED, "K"): (State.TERMINATED, ()),
    (_IS, State.PROCEEDING, "again"): (State.PROCEEDING, ("send",)),
    (_IS, State.PROCEEDING, "we 1xx"): (State.PROCEEDING, ("send",)),
    (_IS, State.PROCEEDING, "we 2xx"): (State.ACCEPTED, ("send", "L")),
    (_IS, State.PROCEEDING, "we failure"): (State.COMPLETED, ("send", "G", "H")),
    (_IS, State.ACCEPTED, "ACK"): (State.ACCEPTED, ("tell",)),
    (_IS, State.ACCEPTED, "L"): (State.TERMINATED, ()),
    (_IS, State.COMPLETED, "again"): (State.COMPLETED, ("send",)),
    (_IS, State.COMPLETED, "G"): (State.COMPLETED, ("send", "G")),
    (_IS, State.COMPLETED, "H"): (State.TERMINATED, ("timeout",)),
    (_IS, State.COMPLETED, "ACK"): (State.CONFIRMED, ("stop", "I")),
    (_IS, State.CONFIRMED, "I"): (State.TERMINATED, ()),
    (_S, State.TRYING, "we 1xx"): (State.PROCEEDING, ("send",)),
    (_S, State.TRYING, "we 2xx"): (State.COMPLETED, ("send", "J")),
    (_S, State.TRYING, "we failure"): (State.COMPLETED, ("send", "J")),
    (_S, State.PROCEEDING, "again"): (State.PROCEEDING, ("send",)),
    (_S, State.PROCEEDING, "we 1xx"): (State.PROCEEDING, ("send",)),
    (_S, State.PROCEEDING, "we 2xx"): (State.COMPLETED, ("send", "J")),
    (_S, State.PROCEEDING, "we failure"): (State.COMPLETED, ("send", "J")),
    (_S, State.COMPLETED, "again"): (State.COMPLETED, ("send",)),
    (_S, State.COMPLETED, "J"): (State.TERMINATED, ()),
}
_UNRELIABLE_ONLY = frozenset("AEG")  # never armed on TCP and TLS
_ZERO_IF_RELIABLE = frozenset("DIJK")
_FIRST = {Kind.INVITE_CLIENT: (State.CALLING, "AB"), Kind.CLIENT: (State.TRYING, "EF")}


class Timed(Protocol):
    """Something the core keeps timers for: `timers` maps a name to the time it is due."""

    timers: dict[str, float]

    def fire(self, name: str, now: float) -> None: ...


class Sink(Protocol):
    """What a transaction asks of the core."""

    timing: Timers

    def send(self, hop: Hop, data: bytes) -> None: ...
    def arm(self, owner: Timed, name: str, when: float) -> None: ...
    def told(self, transaction: Transaction, message: SipMessage, now: float) -> None: ...
    def timed_out(self, transaction: Transaction, now: float) -> None: ...
    def gone(self, transaction: Transaction) -> None: ...


class Transaction:
    """One transaction of any kind. `key` is its name in the core; `last` the bytes it repeats."""

    __slots__ = ("cancel_sent", "cancel_wanted", "hop", "interval", "key", "kind", "last", "request", "sink", "state",
                 "tag", "timers")  # fmt: skip

    def __init__(self, kind: Kind, key: str, request: SipRequest, hop: Hop, sink: Sink) -> None:
        self.kind = kind
        self.key = key
        self.request = request
        self.hop = hop
        self.sink = sink
        self.timers: dict[str, float] = {}
        self.interval = sink.timing.t1
        self.last = b""
        self.tag = ""  # server: the To tag that all our answers carry
        self.cancel_wanted = self.cancel_sent = False
        self.state = State.PROCEEDING if kind is Kind.INVITE_SERVER else State.TRYING

    @property
    def settled(self) -> bool:
        """A final answer stands: it lives on only to absorb repeats."""
        return self.state in (State.COMPLETED, State.CONFIRMED, State.ACCEPTED, State.TERMINATED)

    def start(self, now: float) -> None:
        """Client: send the request and arm its first timers."""
        self.state, names = _FIRST[self.kind]
        self.last = bytes(self.request)
        self.sink.send(self.hop, self.last)
        for name in names:
            self._arm(name, now)

    def receive(self, response: SipResponse, now: float) -> None:
        self.step("1xx" if response.status < 200 else "2xx" if response.ok else "failure", now, response)

    def respond(self, response: SipResponse, now: float) -> None:
        """Server: send our answer."""
        what = "we 1xx" if response.status < 200 else "we 2xx" if response.ok else "we failure"
        self.last = bytes(response)
        self.step(what, now)
        if self.settled and self.request.body:
            self.request = replace(self.request, body=b"")  # kept for 32 s to absorb repeats, not to remember

    def fire(self, name: str, now: float) -> None:
        if name in "AG":
            self.interval = min(self.interval * 2, self.sink.timing.t2 if name == "G" else float("inf"))
        elif name == "E":
            # §17.1.2.2: doubling up to T2; T2 at once when a 1xx came.
            double = self.interval * 2 if self.state is State.TRYING else self.sink.timing.t2
            self.interval = min(double, self.sink.timing.t2)
        self.step(name, now)

    def step(self, what: str, now: float, message: SipMessage | None = None) -> None:
        """Take one step; an input that the table does not hold in this state is absorbed."""
        found = TRANSITIONS.get((self.kind, self.state, what))
        if found is None:
            return
        self.state, todo = found
        for do in todo:
            if do == "send":
                if self.last:
                    self.sink.send(self.hop, self.last)
            elif do == "tell":
                assert message is not None, "only messages are told"  # noqa: S101
                self.sink.told(self, message, now)
            elif do == "ack":
                assert isinstance(message, SipResponse), "only a response is acknowledged"  # noqa: S101
                self.sink.send(self.hop, bytes(ack_of_failure(self.request, message)))
            elif do == "timeout":
                self.sink.timed_out(self, now)
            elif do == "stop":
                self.timers.clear()
                self.interval = self.sink.timing.t1
            else:
                self._arm(do, now)
        if self.state is State.TERMINATED:
            self.end()

    def end(self) -> None:
        """Forget it, whatever its state."""
        self.state = State.TERMINATED
        self.timers.clear()
        self.sink.gone(self)

    def _arm(self, name: str, now: float) -> None:
        timing = self.sink.timing
        if self.hop.reliable and name in _UNRELIABLE_ONLY:
            return
        if self.hop.reliable and name in _ZERO_IF_RELIABLE:
            wait = 0.0
        elif name in _UNRELIABLE_ONLY:
            wait = self.interval
        elif name == "D":
            wait = timing.d
        elif name in "IK":
            wait = timing.t4
        else:  # B F H J L M X
            wait = 64 * timing.t1
        self.sink.arm(self, name, now + wait)


def ack_of_failure(invite: SipRequest, response: SipResponse) -> SipRequest:
    """The ACK of a 3xx to 6xx: same branch and Request-URI, To as answered, routes as sent (RFC 3261 §17.1.1.3)."""
    via = invite.headers.get("Via") or ""
    lines = [("Via", via), *((k, v) for k, v in invite.headers if k.lower() in ("route", "from", "call-id"))]
    lines.append(("To", response.headers.get("To") or invite.headers.get("To") or ""))
    lines.append(("CSeq", f"{invite.cseq.number} ACK"))
    lines.append(("Max-Forwards", "70"))
    return SipRequest("ACK", invite.uri, Headers(lines))


def cancel_of(invite: SipRequest) -> SipRequest:
    """The CANCEL of a request: one Via, the same; Request-URI, Call-ID, To, From, Route alike (RFC 3261 §9.1)."""
    lines = [("Via", invite.headers.get("Via") or "")]
    lines += [(k, v) for k, v in invite.headers if k.lower() in ("route", "from", "to", "call-id")]
    lines.append(("CSeq", f"{invite.cseq.number} CANCEL"))
    lines.append(("Max-Forwards", "70"))
    return SipRequest("CANCEL", invite.uri, Headers(lines))
