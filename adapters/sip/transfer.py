"""REFER of a peer: call somebody else in its place (RFC 3515, 5589), only to numbers that the routing allows it.

The new call takes the group or conversation of the one that asked. Where the number is a group, a ball or the console
of ours, whoever the referrer is back to back with is seated there, and nobody is called. The referrer is told how it
goes by NOTIFY, and hangs up by itself when it is told 200; it is let go when it does not.
"""

from __future__ import annotations

import asyncio
import logging

from adapters.sip.call import Call, Ground
from adapters.sip.call_pair import bind, let_go, part
from adapters.sip.ends import status_for
from adapters.sip.engine import LegEnd, Referral, ReferralReply
from adapters.sip.outgoing import Dialled
from adapters.sip.routing import Target
from gateway.base.errors import GatewayError, Unsupported

log = logging.getLogger(__name__)


def refer(ground: Ground, call: Call, referral: Referral, reply: ReferralReply) -> bool:
    """False: refused, in words of the log. Else under way."""
    if call.seat is None:
        return False
    try:
        found = ground.routing.lookup(call.principal, referral.number)
        if found.kind != "number":
            return _inside(ground, call, found, reply)
        routes = ground.routing.outgoing(call.principal, referral.number, call.on_behalf)
    except GatewayError as exc:
        log.warning("call %s asks to be transferred to %s: refused: %s", call.id, referral.number, exc)
        call.trouble("refer", exc.code, f"transfer to {referral.number}: {exc}")
        return False
    try:
        dialled = Dialled(ground, call.principal, referral.number, routes, call.seat.group, replaces=referral.replaces)
        ground.start(_report(call, dialled, reply), f"transfer of {call.id}")
        ground.start(dialled.run(), f"call {dialled.call.id}")
    except GatewayError as exc:
        log.warning("call %s can not be transferred: %s", call.id, exc)
        reply.tell(status_for(exc))
        return True
    return True


def _inside(ground: Ground, call: Call, target: Target, reply: ReferralReply) -> bool:
    """Raises Unsupported where there is nobody who could be seated elsewhere, Busy."""
    if call.partner is None:
        raise Unsupported("only a phone that is called through this gateway can be transferred to it")
    ground.start(_seated(call, call.partner, target, reply), f"transfer of {call.id}")
    return True


async def _seated(call: Call, other: Call, target: Target, reply: ReferralReply) -> None:
    reply.tell(100, "Trying")
    try:
        await other.reseat(target)  # and lets the referrer go
    except GatewayError as exc:
        log.warning("call %s can not be transferred: %s", call.id, exc)
        reply.tell(status_for(exc))
        return
    reply.tell(200, "OK")


async def _report(call: Call, dialled: Dialled, reply: ReferralReply) -> None:
    reply.tell(100, "Trying")
    answered: asyncio.Future[bool] = asyncio.ensure_future(dialled.answered.wait())
    over: asyncio.Future[LegEnd] = dialled.over
    try:
        await asyncio.wait({answered, over}, return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
    finally:
        answered.cancel()
    if not dialled.answered.is_set():
        end: LegEnd = dialled.over.result()
        reply.tell(end.status or 503, end.code)
        return
    reply.tell(200, "OK")
    if (left := part(call)) is not None:
        bind(left, dialled.call)  # they end together now, and the referrer alone
    await let_go(call, dialled.number)
