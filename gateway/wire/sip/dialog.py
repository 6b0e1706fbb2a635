"""Dialogs (RFC 3261 §12): two tags and a Call-ID, the route between, the sequence numbers, and the 2xx with its ACK.

    (none) ─1xx with tag→ Early ─2xx→ Confirmed ─BYE, 481, 408→ Terminated
    (none) ─2xx→ Confirmed          Early ─failure→ Terminated

One INVITE may make several dialogs (forking): they share Call-ID and local tag and differ in the remote tag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from gateway.wire.sip.headers import CSeq, NameAddr
from gateway.wire.sip.hop import Hop
from gateway.wire.sip.message import SipRequest, SipResponse
from gateway.wire.sip.uri import SipUri
from gateway.wire.textmsg import Headers

DialogId = tuple[str, str, str]  # Call-ID, our tag, the peer's tag


class DialogState(Enum):
    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


TRANSITIONS: dict[tuple[DialogState, str], DialogState] = {
    (DialogState.EARLY, "1xx"): DialogState.EARLY,
    (DialogState.EARLY, "2xx"): DialogState.CONFIRMED,
    (DialogState.EARLY, "end"): DialogState.TERMINATED,
    (DialogState.CONFIRMED, "1xx"): DialogState.CONFIRMED,
    (DialogState.CONFIRMED, "2xx"): DialogState.CONFIRMED,
    (DialogState.CONFIRMED, "end"): DialogState.TERMINATED,
    (DialogState.TERMINATED, "end"): DialogState.TERMINATED,
}

# Methods whose Contact moves the remote target (RFC 3261 §12.2, RFC 3311, RFC 6665 §4.4.1).
REFRESHES_TARGET = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"})


@dataclass(slots=True, eq=False)
class Dialog:
    """One dialog. `hop` is the way it was made on: requests go there (a NAT'd peer's Contact leads nowhere), while the
    Request-URI and Route say what RFC 3261 wants. `local` and `remote` carry their tags."""

    call_id: str
    local: NameAddr
    remote: NameAddr
    target: str
    hop: Hop
    uac: bool
    invite: bool
    routes: tuple[str, ...] = ()
    contact: str | None = None  # our Contact, repeated in target-refreshing requests
    local_seq: int = 0
    remote_seq: int | None = None
    state: DialogState = DialogState.EARLY
    # UAC: the ACK of each of our INVITEs by CSeq, sent again for each repeated 2xx. Only the last is kept.
    acks: dict[int, bytes] = field(default_factory=dict)
    # UAS: the 2xx that waits for its ACK (RFC 3261 §13.3.1.4).
    unacked: bytes = b""
    unacked_seq: int = 0
    answer_hop: Hop | None = None  # the way the 2xx goes: that of its INVITE
    wait: float = 0.0
    invite_key: str = ""  # the peer's INVITE that waits for our answer
    asked_key: str = ""  # our INVITE inside the dialog that waits for its answer
    rseq: tuple[int, int] = (0, 0)  # UAC: CSeq of our INVITE and RSeq of the last reliable 1xx to it
    outlives_flow: bool = False  # its requests find another way when the connection falls
    timers: dict[str, float] = field(default_factory=dict)
    on_fire: Callable[[Dialog, str, float], None] | None = None  # set by the core

    @property
    def id(self) -> DialogId:
        return (self.call_id, self.local.tag or "", self.remote.tag or "")

    @property
    def alive(self) -> bool:
        return self.state is not DialogState.TERMINATED

    def step(self, what: str) -> None:
        self.state = TRANSITIONS.get((self.state, what), self.state)

    @property
    def next_hop(self) -> str:
        """The URI where requests inside the dialog go: the first route, else the remote target (§8.1.2, §12.2.1.1)."""
        return NameAddr.parse(self.routes[0]).uri if self.routes else self.target

    def fire(self, name: str, now: float) -> None:
        if self.on_fire is not None:
            self.on_fire(self, name, now)

    def accepts(self, seq: int) -> bool:
        """Whether a peer's request of that CSeq is in order (§12.2.2: a lower one is refused with 500)."""
        if self.remote_seq is not None and seq < self.remote_seq:
            return False
        self.remote_seq = seq
        return True

    def refresh(self, message: SipRequest | SipResponse) -> None:
        """Take the Contact as the new remote target (§12.2.1.2, §12.2.2)."""
        contact = message.contact
        if contact is not None:
            self.target = contact.uri

    def request(
        self,
        method: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
        seq: int | None = None,
    ) -> SipRequest:
        """A request inside the dialog, Via not yet on it. CSeq counts up, but for ACK, which takes its INVITE's `seq`.

        §12.2.1.1: with a strict router first in the route set, the Request-URI is that router and the target goes last.
        """
        if seq is None:
            self.local_seq += 1
            seq = self.local_seq
        uri, routes = self.target, list(self.routes)
        if routes and not _is_loose(routes[0]):
            uri = NameAddr.parse(routes[0]).uri
            routes = [*routes[1:], f"<{self.target}>"]
        lines = [("Route", route) for route in routes]
        lines += [("From", str(self.local)), ("To", str(self.remote)), ("Call-ID", self.call_id)]
        lines.append(("CSeq", str(CSeq(seq, method))))
        if self.contact is not None and method in REFRESHES_TARGET:
            lines.append(("Contact", self.contact))
        lines.append(("Max-Forwards", "70"))
        lines.extend(headers)
        if content_type is not None:
            lines.append(("Content-Type", content_type))
        return SipRequest(method, uri, Headers(lines), body)


def dialog_as_uac(request: SipRequest, response: SipResponse, hop: Hop) -> Dialog:
    """The dialog that a 1xx or 2xx with a To tag makes for us who asked (§12.1.2). Raises RemoteProtocolError.

    A device that leaves Contact out is met at the Request-URI, as RFC 2543 had it.
    """
    contact = response.contact
    return Dialog(
        call_id=request.call_id,
        local=request.from_,
        remote=response.to,
        target=request.uri if contact is None else contact.uri,
        hop=hop,
        uac=True,
        invite=request.method == "INVITE",
        routes=tuple(str(NameAddr.parse(r)) for r in reversed(response.values("Record-Route"))),
        contact=request.headers.get("Contact"),
        local_seq=request.cseq.number,
    )


def dialog_as_uas(request: SipRequest, response: SipResponse, hop: Hop) -> Dialog:
    """The dialog that our 1xx or 2xx makes for us who were asked (§12.1.1). Raises RemoteProtocolError."""
    contact = request.contact
    return Dialog(
        call_id=request.call_id,
        local=response.to,
        remote=request.from_,
        target=request.from_.uri if contact is None else contact.uri,
        hop=hop,
        uac=False,
        invite=request.method == "INVITE",
        routes=tuple(str(NameAddr.parse(r)) for r in request.values("Record-Route")),
        contact=response.headers.get("Contact"),
        remote_seq=request.cseq.number,
    )


def _is_loose(route: str) -> bool:
    address = NameAddr.parse(route)
    return SipUri.parse(address.uri).loose_router if address.uri.startswith(("sip:", "sips:")) else True
