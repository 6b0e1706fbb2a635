"""Requests that come in: matched to their transaction or dialog, or refused, in the order of RFC 3261 §8.2."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip.dialog import Dialog, DialogState
from gateway.wire.sip.events import Cancelled, DialogEnded, RequestReceived
from gateway.wire.sip.headers import BRANCH_COOKIE, COMPACT, Via, split_list
from gateway.wire.sip.hop import Hop
from gateway.wire.sip.message import SipRequest, VersionUnsupported, check, respond
from gateway.wire.sip.transaction import Kind, State, Transaction
from gateway.wire.sip.uri import split_scheme
from gateway.wire.textmsg import Headers, is_token, parse_head, printable

if TYPE_CHECKING:
    from gateway.wire.sip.core import SipCore

# In a dialog that we do not know these are refused (§12.2.2); others may be meant for us all the same: devices put a
# To tag on MESSAGE, and NOTIFY comes before the 200 of its SUBSCRIBE.
_NEED_DIALOG = frozenset({"BYE", "INVITE", "INFO", "UPDATE", "PRACK", "REFER"})
_SCHEMES = frozenset({"sip", "sips", "tel"})


class Inbound:
    def __init__(self, core: SipCore) -> None:
        self._core = core

    def receive(self, request: SipRequest, hop: Hop, now: float) -> None:
        """One parsed request; whatever is wrong with it ends as an answer or a count."""
        core = self._core
        try:
            check(request)
            request = with_source(request, hop)
            key = server_key(request, "INVITE" if request.method in ("ACK", "CANCEL") else request.method)
        except RemoteProtocolError as exc:
            core.counters["bad"] += 1
            answer = bad_request(bytes(request), hop, exc)
            if answer is not None:
                core.send(hop, answer)
            return
        if request.method == "ACK":
            self._ack(request, key, now)
        elif (known := core.find(key)) is not None and request.method != "CANCEL":
            core.counters["repeats"] += 1
            known.step("again", now)
        elif request.method == "CANCEL" and (again := core.find(server_key(request, "CANCEL"))) is not None:
            again.step("again", now)
        elif request.to.tag is None and core.screen is not None and not core.screen(request, hop):
            core.counters["screened"] += 1
        elif not core.make_room():
            headers = [("Retry-After", "5")]
            core.send(hop, bytes(respond(request, 503, headers=headers, tag=secrets.token_hex(8))))
        elif request.method == "CANCEL":
            self._cancel(request, key, hop, now)
        else:
            self._begin(core.serve(key, request, hop), now)

    def _ack(self, request: SipRequest, key: str, now: float) -> None:
        tx = self._core.find(key)
        if tx is not None and tx.kind is Kind.INVITE_SERVER and tx.state is not State.ACCEPTED:
            tx.step("ACK", now)
        elif not self._core.dialogs.on_ack(request):
            self._core.counters["stray"] += 1

    def _cancel(self, request: SipRequest, key: str, hop: Hop, now: float) -> None:
        core = self._core
        invite = core.find(key)
        tx = core.serve(server_key(request, "CANCEL"), request, hop)
        if invite is None:
            core.respond(tx.key, respond(request, 481), now)
            return
        # §9.2: the To tag of the two answers should be the same.
        invite.tag = tx.tag = invite.tag or secrets.token_hex(8)
        core.respond(tx.key, respond(request, 200), now)
        if invite.kind is Kind.INVITE_SERVER and not invite.settled:
            core.respond(invite.key, respond(invite.request, 487), now)
            core.emit(Cancelled(invite.key, invite.request))

    def _begin(self, tx: Transaction, now: float) -> None:
        core, request = self._core, tx.request
        if request.method == "INVITE":
            # §17.2.1: within 200 ms, or at once; at once spares the peer's timer A.
            core.respond(tx.key, respond(request, 100), now)
        if split_scheme(request.uri)[0] not in _SCHEMES:
            self._refuse(tx, 416, now)
            return
        wanted = [tag for tag in request.values("Require") if tag.lower() not in core.supported]
        if wanted:
            self._refuse(tx, 420, now, [("Unsupported", ", ".join(wanted))])
            return
        if request.to.tag is None:
            if request.method in ("INVITE", "SUBSCRIBE") and core.dialogs.full:
                core.counters["full"] += 1
                self._refuse(tx, 503, now, [("Retry-After", "5")])
            else:
                core.emit(RequestReceived(tx.key, request, tx.hop, None))
            return
        self._in_dialog(tx, core.dialogs.of_request(request), now)

    def _in_dialog(self, tx: Transaction, dialog: Dialog | None, now: float) -> None:
        core, request = self._core, tx.request
        if dialog is None or not dialog.alive:
            if request.method == "BYE" and dialog is not None:
                self._refuse(tx, 200, now)  # two BYEs crossed
            elif request.method in _NEED_DIALOG or dialog is not None:
                self._refuse(tx, 481, now)
            else:
                core.emit(RequestReceived(tx.key, request, tx.hop, None))
        elif not core.dialogs.in_order(dialog, request):
            self._refuse(tx, 500, now, [("Retry-After", "1")])
        elif request.method == "BYE":
            self._refuse(tx, 200, now)
            pending = core.find(dialog.invite_key)
            if pending is not None and not pending.settled:
                core.respond(pending.key, respond(pending.request, 487), now)  # §15.1.2
            core.dialogs.end(dialog, now)
            core.emit(DialogEnded(dialog, "remote", printable(request.headers.get("Reason") or "BYE")))
        elif request.method == "INVITE" and (crossing := self._crossing(dialog)):
            retry = [("Retry-After", str(secrets.randbelow(10) + 1))] if crossing == 500 else None
            self._refuse(tx, crossing, now, retry)
        elif request.method == "PRACK":
            self._prack(tx, dialog, now)
        else:
            if request.method == "INVITE":
                dialog.invite_key = tx.key
            core.emit(RequestReceived(tx.key, request, tx.hop, dialog))

    def _crossing(self, dialog: Dialog) -> int:
        """What a re-INVITE is refused with while another INVITE of the dialog is open (§14.2); 0: none is."""
        theirs, ours = self._core.find(dialog.invite_key), self._core.find(dialog.asked_key)
        if dialog.unacked or (theirs is not None and not theirs.settled):
            return 500
        early = dialog.uac and dialog.invite and dialog.state is DialogState.EARLY
        return 491 if early or (ours is not None and not ours.settled) else 0

    def _prack(self, tx: Transaction, dialog: Dialog, now: float) -> None:
        try:
            fits = self._core.reliables.prack(dialog, tx.request)
        except RemoteProtocolError:
            self._refuse(tx, 400, now)
            return
        if fits:
            self._core.emit(RequestReceived(tx.key, tx.request, tx.hop, dialog))
        else:
            self._refuse(tx, 481, now)

    def _refuse(self, tx: Transaction, status: int, now: float, headers: list[tuple[str, str]] | None = None) -> None:
        self._core.respond(tx.key, respond(tx.request, status, headers=headers or ()), now)


def with_source(request: SipRequest, hop: Hop) -> SipRequest:
    """The request with received and rport in its topmost Via (RFC 3261 §18.2.1, RFC 3581 §4)."""
    line = request.headers.get("Via") or ""
    first, *rest = split_list(line) or [""]
    filled = ", ".join([str(Via.parse(first).with_source(hop.remote)), *rest])
    return request.with_headers(request.headers.set_first("Via", filled))


def server_key(request: SipRequest, method: str) -> str:
    """The name of the transaction a request belongs to (§17.2.3). Beside branch, sent-by and method, Call-ID and CSeq
    stand in it: no harm to anyone, and devices that use one branch for everything are told apart. Without the cookie
    (RFC 2543) From tag and Request-URI stand in for the branch."""
    via, seq = request.via, request.cseq.number
    if via.branch.startswith(BRANCH_COOKIE) and len(via.branch) > len(BRANCH_COOKIE):
        return f"{method}|{via.branch}|{via.host}|{via.port}|{request.call_id}|{seq}"
    return f"{method}|{request.uri}|{request.from_.tag}|{via.host}|{via.port}|{via.branch}|{request.call_id}|{seq}"


def bad_request(data: bytes, hop: Hop, why: RemoteProtocolError) -> bytes | None:
    """A 400 (505 for another version) to a request that can not be read, where enough of it can; None for responses,
    ACK and noise."""
    try:
        head = parse_head(data.lstrip(b"\r\n\0"), COMPACT)
        method, _, rest = head.start.partition(" ")
        if not is_token(method) or " SIP/" not in f" {rest}" or method == "ACK" or method.upper().startswith("SIP/"):
            return None
        if not head.headers.get("Via"):
            return None  # nowhere to send it, as far as the sender goes
        request = SipRequest(method, "sip:unreadable", Headers(head.headers))
        try:
            request = with_source(request, hop)
        except RemoteProtocolError:
            pass  # the Via is what can not be read; it is given back as it came
        status = 505 if isinstance(why, VersionUnsupported) else 400
        reason = None if status == 505 else f"Bad Request ({printable(str(why))[:100]})"
        return bytes(respond(request, status, reason, tag=secrets.token_hex(8)))
    except RemoteProtocolError:
        return None
