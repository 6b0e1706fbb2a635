"""What the end of a leg is called, and which SIP status our own refusals have. Sans-IO."""

from __future__ import annotations

from adapters.sip.engine import LegEnd
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, NotFound, PeerError, Unsupported

FAILOVER = frozenset({408, 430, 500, 503, 504})
"""The next route is tried on these (RFC 5626 §4.4 for 430; RFC 3263 §4.3): the way failed, not the called one."""

_BY_STATUS = {
    401: "call-forbidden",
    403: "call-forbidden",
    404: "no-such-number",
    407: "call-forbidden",
    408: "no-answer",
    410: "no-such-number",
    415: "no-common-codec",
    480: "peer-unavailable",
    481: "call-link-lost",
    484: "no-such-number",
    486: "peer-busy",
    487: "call-cancelled",
    488: "no-common-codec",
    600: "peer-busy",
    603: "peer-declined",
    604: "no-such-number",
    606: "no-common-codec",
    607: "peer-declined",  # RFC 8197: unwanted
    608: "peer-declined",
}
_BY_CODE = {
    "number-denied": 403,
    "talk-denied": 403,
    "no-route": 404,
    "trunk-full": 503,
    "trunk-budget": 503,
    "trunk-down": 503,
    "group-full": 486,
    "too-many-calls": 503,
    "ports-exhausted": 503,
    "no-answer": 480,
    "no-common-codec": 488,
    "peer-busy": 486,
    "peer-declined": 603,
    "no-such-number": 404,
    "peer-unavailable": 480,
    "stopping": 503,
}


def refused(status: int, words: str) -> LegEnd:
    """The peer's final answer of 300 and above."""
    code = _BY_STATUS.get(status) or ("peer-failed" if status >= 500 else "call-rejected")
    return LegEnd(code, f"{status} {words}".strip(), status)


def end_of(by: str, detail: str, status: int, ours: LegEnd | None) -> LegEnd:
    """`by` and the rest are those of `gateway.net.sip.CallEnd`; `ours` is why we hung up, if we did."""
    if by == "local" and ours is not None:
        return ours
    if by == "local":
        return LegEnd("hung-up", detail)
    if by == "remote":
        return LegEnd("peer-hung-up", "" if detail == "BYE" else detail)
    if by == "cancelled":
        return LegEnd("call-cancelled", detail)
    if by == "refused":
        text = detail.removeprefix(str(status)).strip()
        return refused(status or _leading(detail), text)
    if "acknowledged" in detail or "ACK" in detail:
        return LegEnd("no-ack", detail)
    if "session timer" in detail or "session expired" in detail:
        return LegEnd("session-expired", detail)
    if detail == "no answer":
        return LegEnd("no-answer", detail, 408)
    return LegEnd("call-link-lost", detail)


def end_of_error(exc: GatewayError) -> LegEnd:
    if isinstance(exc, PeerError) and isinstance(exc.status, int) and exc.status:
        return LegEnd(refused(exc.status, "").code, str(exc), exc.status)
    return LegEnd(exc.code, str(exc))


def status_for(exc: GatewayError) -> int:
    """How we refuse a call for an error of ours."""
    if exc.code in _BY_CODE:
        return _BY_CODE[exc.code]
    match exc:
        case PeerError(status=int(status)) if 400 <= status < 700:
            return status
        case NotFound():
            return 404
        case Denied():
            return 403
        case Busy():
            return 486
        case Unsupported():
            return 488
        case LinkDown():
            return 480
        case _:
            return 500


def _leading(detail: str) -> int:
    word = detail.split(" ", 1)[0]
    return int(word) if word.isascii() and word.isdigit() and len(word) == 3 else 0
