"""Changes that we make to a call: re-INVITE and UPDATE with their glare, a new address, INFO, REFER.

One change at a time. A refusal for glare is waited out and tried again: 491 for 2.1 to 4 s by who made the Call-ID,
else up to 2 s (RFC 3261 §14.1); 500 and 503 for their Retry-After.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.errors import LinkDown, LocalProtocolError, PeerError, RemoteProtocolError
from gateway.net.sip.transfer import Transfer
from gateway.net.sip.ua import MAX_TRANSFERS, Ua, explained
from gateway.wire.sip import Hop, SipResponse, local_uri
from gateway.wire.sip.body import sdp_of
from gateway.wire.sip.dialog import Dialog, DialogState
from gateway.wire.sip.refer import Replaces, refer_to

if TYPE_CHECKING:
    from gateway.net.sip.call import Call

TRIES = 6
_MAX_RETRY_AFTER_S = 10.0


async def modify(call: Call, ua: Ua, *, offer: bool) -> SipResponse:
    """Re-INVITE or UPDATE; see `Call.reoffer`. Without `offer` an UPDATE without SDP where the peer takes it."""
    async with ua.turn:
        for _ in range(TRIES):
            await ua.quiet.wait()  # §14.1: not while the peer's INVITE lacks its ACK
            dialog = await _changeable(call, ua, offer=offer)
            if ua.offer_state != "stable" and offer:
                await asyncio.sleep(_glare_s(call, dialog))  # an offer of the other side is being answered
                continue
            response = await _once(call, ua, dialog, offer=offer)
            if response.ok:
                return response
            if response.status == 491:
                await asyncio.sleep(_glare_s(call, dialog))
            elif response.status in (500, 503) and (wait := _retry_after(call, response)) is not None:
                await asyncio.sleep(wait)
            elif response.status != 422 or not ua.timer.too_small(response):
                raise PeerError(f"change of the call with {call.hop}: {response.status} {explained(response)}",
                                status=response.status)  # fmt: skip
        raise PeerError(f"change of the call with {call.hop}: refused {TRIES} times", status=491)


async def _changeable(call: Call, ua: Ua, *, offer: bool) -> Dialog:
    """The dialog once it may be changed: confirmed, or early where UPDATE may do it (RFC 3311 §5.1)."""
    dialog = call.dialog
    ready = dialog is not None and ua.allows("UPDATE") and (not offer or ua.offer_state == "stable")
    if not call.confirmed and not ready:
        await call.settled()
        dialog = call.dialog
    if dialog is None or not dialog.alive or call.end is not None:
        raise LinkDown(f"change of the call with {call.hop}: it is over")
    return dialog


async def _once(call: Call, ua: Ua, dialog: Dialog, *, offer: bool) -> SipResponse:
    early = dialog.state is DialogState.EARLY or not call.confirmed
    update = early or (not offer and ua.allows("UPDATE"))
    body = ua.offer() if offer or not update else b""
    headers = [*ua.says(), *ua.timer.asked()]
    try:
        response = await call.send(
            "UPDATE" if update else "INVITE",
            headers=headers,
            body=body,
            content_type="application/sdp" if body else None,
        )
    except BaseException:
        if body:
            ua.rolled_back()
        raise
    if not response.ok:
        if body:
            ua.rolled_back()
        return response
    ua.learn(response)
    ua.timer.answered(response)
    ua.clock.restart()
    if body:
        try:
            ua.answered(sdp_of(response))
        except RemoteProtocolError as exc:
            await call.bye(headers=[("Reason", 'SIP;cause=488;text="answer not acceptable"')])
            raise PeerError(f"answer of {call.hop} to our offer: {exc}", status=488) from exc
    return response


def move(call: Call, dialogs: Iterable[Dialog], hop: Hop, contact_user: str) -> str:
    """Take `hop` as our way from now on, for every dialog and open request of the call; gives the new Contact."""
    user = contact_user or call.contact_user()
    contact = f"<{local_uri(user, hop)}>"
    core = call.engine.core

    def moved(old: Hop) -> Hop:
        same_kind = old.transport == hop.transport
        if same_kind and hop.transport == "udp":
            return replace(old, local=hop.local)
        return hop if old.remote[0] == hop.remote[0] or not same_kind else old

    for dialog in dialogs:
        dialog.contact = contact
        dialog.hop = moved(dialog.hop)
        core.move(dialog.asked_key, dialog.hop)
        core.move(dialog.invite_key, dialog.hop)
    call.hop = moved(call.hop)
    return contact


async def refer(call: Call, ua: Ua, target: str, headers: Iterable[tuple[str, str]], *, notify: bool) -> Transfer:
    """Send a REFER; see `Call.refer`."""
    dialog = call.dialog
    if dialog is None or not call.confirmed:
        raise LocalProtocolError("REFER before the call is answered")
    if len(ua.transfers) >= MAX_TRANSFERS:
        raise PeerError(f"transfer of the call with {call.hop}: {MAX_TRANSFERS} are open", status=491)
    value = target if "<" in target else f"<{target}>"
    lines = [("Refer-To", value), *headers, *ua.says()]
    if not notify:
        lines.append(("Refer-Sub", "false"))
    # A NOTIFY may come before the 202 (RFC 6665 §4.1.2.4), so the transfer stands before it is asked for.
    seq = dialog.local_seq + 1
    transfer = ua.transfers[seq] = Transfer(seq, told=True)
    try:
        response = await call.send("REFER", headers=lines)
    except BaseException:
        ua.transfers.pop(seq, None)
        raise
    if not response.ok:
        ua.transfers.pop(seq, None)
        words = explained(response)
        raise PeerError(f"transfer of the call with {call.hop}: {response.status} {words}", status=response.status)
    if (response.headers.get("Refer-Sub") or "").strip().lower() == "false":
        ua.transfers.pop(seq, None)
        transfer.end(0)
    return transfer


def attended_target(other: Call) -> str:
    """The Refer-To that lets somebody take over `other`, the far side of a call of ours (RFC 5589 §7): its remote
    target with the Replaces that names the dialog as its far side knows it. Raises LocalProtocolError."""
    dialog = other.dialog
    if dialog is None or not other.confirmed:
        raise LocalProtocolError("an attended transfer to a call that is not answered")
    call_id, local, remote = dialog.id
    return refer_to(dialog.target, Replaces(call_id, remote, local))


def _glare_s(call: Call, dialog: Dialog) -> float:
    """RFC 3261 §14.1, in steps of 10 ms; scaled with T1."""
    low, high = (210, 400) if dialog.uac else (0, 200)
    return (low + secrets.randbelow(high - low + 1)) / 100 * call.engine.core.timing.t1 / 0.5


def _retry_after(call: Call, response: SipResponse) -> float | None:
    text = (response.headers.get("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
    if not text.isascii() or not text.isdigit() or len(text) > 3:
        return None
    wait = float(text)
    return wait * call.engine.core.timing.t1 / 0.5 if wait <= _MAX_RETRY_AFTER_S else None
