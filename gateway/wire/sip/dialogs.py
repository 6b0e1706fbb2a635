"""The dialogs of one core: found, made, refreshed, ended; the 2xx repeated until its ACK."""

from __future__ import annotations

from collections.abc import Callable

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip.dialog import (
    REFRESHES_TARGET,
    Dialog,
    DialogId,
    DialogState,
    dialog_as_uac,
    dialog_as_uas,
)
from gateway.wire.sip.events import AckMissing, AckReceived, DialogEnded, Event
from gateway.wire.sip.hop import Hop
from gateway.wire.sip.message import SipRequest, SipResponse
from gateway.wire.sip.timerq import TimerQueue
from gateway.wire.sip.transaction import Timers


class Dialogs:
    """A dialog that ended stays findable for 64·T1, so that what is still on the way meets it and not a new one."""

    def __init__(
        self,
        limit: int,
        timing: Timers,
        timers: TimerQueue,
        send: Callable[[Hop, bytes], None],
        emit: Callable[[Event], None],
    ) -> None:
        self._limit = limit
        self._timing = timing
        self._timers = timers
        self._send = send
        self._emit = emit
        self._table: dict[DialogId, Dialog] = {}
        self._early: dict[tuple[str, str], list[Dialog]] = {}  # of our INVITEs, by Call-ID and our tag

    def __len__(self) -> int:
        return len(self._table)

    @property
    def full(self) -> bool:
        """Full of living dialogs; the remembered dead make room."""
        if len(self._table) < self._limit:
            return False
        for key in [key for key, dialog in self._table.items() if not dialog.alive]:
            self._table.pop(key).timers.clear()
        return len(self._table) >= self._limit

    @property
    def alive(self) -> int:
        """How many live: without those only remembered for what may still come for them."""
        return sum(dialog.alive for dialog in self._table.values())

    def of_request(self, request: SipRequest) -> Dialog | None:
        """The dialog that a request of the peer names."""
        return self._table.get((request.call_id, request.to.tag or "", request.from_.tag or ""))

    def of_answer(self, response: SipResponse) -> Dialog | None:
        """The dialog that a response to our request names."""
        return self._table.get((response.call_id, response.from_.tag or "", response.to.tag or ""))

    def on_flow(self, flow: int) -> list[Dialog]:
        return [d for d in self._table.values() if d.alive and d.hop.flow == flow and not d.outlives_flow]

    # — we asked —

    def on_response(self, request: SipRequest, response: SipResponse, hop: Hop, now: float) -> Dialog | None:
        """Make, find or change the dialog that a response to our request belongs to. A malformed Contact or
        Record-Route raises RemoteProtocolError."""
        local_tag, asked_tag = request.from_.tag or "", request.to.tag
        if asked_tag is not None:
            dialog = self._table.get((request.call_id, local_tag, asked_tag))
            if dialog is not None and dialog.alive:
                if response.ok and request.method in REFRESHES_TARGET:
                    dialog.refresh(response)
                elif response.status in (408, 481):
                    self.end(dialog, now)
                    self._emit(DialogEnded(dialog, "link", f"{request.method} answered {response.status}"))
            return dialog
        tag = response.to.tag
        if request.method == "INVITE" and response.status >= 300:
            self.end_early(request, now)
            return None
        makes = response.ok or (request.method == "INVITE" and response.status > 100 and tag is not None)
        if request.method not in ("INVITE", "SUBSCRIBE", "REFER") or not makes:
            return None
        dialog = self._table.get((request.call_id, local_tag, tag or ""))
        fresh = dialog_as_uac(request, response, hop)
        if dialog is None:
            dialog = fresh
            self._add(dialog)
            if request.method == "INVITE" and not response.ok:
                self._early.setdefault(dialog.id[:2], []).append(dialog)
        elif response.ok and dialog.state is DialogState.EARLY:
            dialog.routes, dialog.target = fresh.routes, fresh.target  # §13.2.2.4
        dialog.step("2xx" if response.ok else "1xx")
        return dialog

    def repeated_answer(self, response: SipResponse) -> bool:
        """A 2xx to INVITE that was acknowledged before: send the same ACK once more (§13.2.2.4)."""
        dialog = self._table.get((response.call_id, response.from_.tag or "", response.to.tag or ""))
        ack = None if dialog is None else dialog.acks.get(response.cseq.number)
        if dialog is None or ack is None:
            return False
        self._send(dialog.hop, ack)
        return True

    # — we were asked —

    def on_answer(
        self, key: str, request: SipRequest, response: SipResponse, hop: Hop, data: bytes, now: float
    ) -> Dialog | None:
        """Our answer `response` (as `data`) makes or confirms a dialog; a 2xx to INVITE is repeated until its ACK."""
        if request.to.tag is not None:
            dialog = self.of_request(request)
        elif request.method == "INVITE" and response.status >= 300:
            dialog = self._table.get((request.call_id, response.to.tag or "", request.from_.tag or ""))
            if dialog is not None:
                self.end(dialog, now)
            return None
        elif (request.method == "INVITE" and response.status > 100) or (request.method == "SUBSCRIBE" and response.ok):
            dialog = self._table.get((request.call_id, response.to.tag or "", request.from_.tag or ""))
            if dialog is None:
                dialog = dialog_as_uas(request, response, hop)
                dialog.invite_key = key
                self._add(dialog)
            dialog.contact = response.headers.get("Contact") or dialog.contact
            dialog.step("2xx" if response.ok else "1xx")
        else:
            return None
        if dialog is not None and request.method == "INVITE" and response.ok:
            dialog.unacked, dialog.unacked_seq, dialog.wait = data, request.cseq.number, self._timing.t1
            dialog.answer_hop = hop
            self._timers.arm(dialog, "2xx", now + dialog.wait)
            self._timers.arm(dialog, "ack", now + 64 * self._timing.t1)
        return dialog

    def on_ack(self, request: SipRequest) -> bool:
        """The ACK of a 2xx; False when no dialog of ours waits for it."""
        dialog = self.of_request(request)
        if dialog is None or not dialog.unacked or request.cseq.number != dialog.unacked_seq:
            return False
        dialog.unacked = b""
        dialog.timers.pop("2xx", None)
        dialog.timers.pop("ack", None)
        self._emit(AckReceived(dialog, request))
        return True

    def in_order(self, dialog: Dialog, request: SipRequest) -> bool:
        """Take the request's CSeq and Contact; False when it comes too late (§12.2.2)."""
        if not dialog.accepts(request.cseq.number):
            return False
        if request.method in REFRESHES_TARGET:
            dialog.refresh(request)
        return True

    def end(self, dialog: Dialog, now: float) -> None:
        dialog.step("end")
        dialog.timers.clear()
        dialog.unacked = b""
        if self._table.get(dialog.id) is dialog:
            self._timers.arm(dialog, "gone", now + 64 * self._timing.t1)

    def end_early(self, request: SipRequest, now: float) -> None:
        """Our INVITE came to nothing: so do the early dialogs it made."""
        for dialog in self._early.pop((request.call_id, request.from_.tag or ""), ()):
            if dialog.state is DialogState.EARLY:
                self.end(dialog, now)

    def forget_early(self, request: SipRequest) -> None:
        """Our INVITE was answered 64·T1 ago: forks that never said 2xx are over (§13.2.2.4)."""
        for dialog in self._early.pop((request.call_id, request.from_.tag or ""), ()):
            if dialog.state is DialogState.EARLY:
                dialog.step("end")
                dialog.timers.clear()
                self._table.pop(dialog.id, None)

    def _add(self, dialog: Dialog) -> None:
        if self.full:
            raise RemoteProtocolError(f"{self._limit} dialogs stand, no more are made")
        dialog.on_fire = self._fire
        self._table[dialog.id] = dialog

    def _fire(self, dialog: Dialog, name: str, now: float) -> None:
        if name == "gone":
            self._table.pop(dialog.id, None)
        elif name == "2xx":
            self._send(dialog.answer_hop or dialog.hop, dialog.unacked)
            dialog.wait = min(dialog.wait * 2, self._timing.t2)
            self._timers.arm(dialog, "2xx", now + dialog.wait)
        elif name == "ack":
            dialog.timers.pop("2xx", None)
            dialog.unacked = b""
            self._emit(AckMissing(dialog))
