"""Session timers (RFC 4028), sans-IO: who refreshes, when, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip.headers import parse_params
from gateway.wire.sip.message import SipMessage, SipRequest, SipResponse
from gateway.wire.sip.uri import bounded_int, get_param

LEAST_S = 90  # §4: no smaller interval is ever asked for or taken
_MOST_S = 2**31 - 1

Side = Literal["us", "peer"]


@dataclass(frozen=True, slots=True)
class SessionExpires:
    seconds: int
    refresher: str = ""  # "uac", "uas" or ""

    @classmethod
    def of(cls, message: SipMessage) -> SessionExpires | None:
        """Session-Expires of a message; None without one, or when it is malformed (then there is no timer)."""
        value = message.headers.get("Session-Expires")
        if value is None:
            return None
        number, semicolon, rest = value.partition(";")
        try:
            seconds = bounded_int(number, 0, _MOST_S, "Session-Expires")
            who = (get_param(parse_params(rest), "refresher") or "").lower() if semicolon else ""
        except RemoteProtocolError:
            return None
        return cls(seconds, who if who in ("uac", "uas") else "")


def min_se(message: SipMessage) -> int:
    """Min-SE, 90 s where it is missing or malformed (§5)."""
    try:
        value = (message.headers.get("Min-SE") or "").partition(";")[0]
        return max(LEAST_S, bounded_int(value, 0, _MOST_S, "Min-SE"))
    except RemoteProtocolError:
        return LEAST_S


class SessionTimer:
    """What one dialog has agreed. `interval_s` 0: no timer runs."""

    def __init__(
        self, expires_s: int = 1800, min_se_s: int = LEAST_S, refresher: Literal["", "us", "peer"] = ""
    ) -> None:
        """`expires_s` 0: we ask for none, a peer's wish is followed. `refresher`: whom we ask for."""
        self.min_se_s = max(LEAST_S, min_se_s)
        self._wish_s = max(expires_s, self.min_se_s) if expires_s else 0
        self._prefer = refresher
        self.interval_s = 0
        self.we_refresh = False

    @property
    def refresh_after_s(self) -> float:
        """When we refresh, from the last refresh on (§10: at half of the interval)."""
        return self.interval_s / 2

    @property
    def over_after_s(self) -> float:
        """When a session that was not refreshed is hung up (§10: the lesser of 32 s and a third before its end)."""
        return self.interval_s - min(32.0, self.interval_s / 3)

    def asked(self) -> list[tuple[str, str]]:
        """Headers of a request of ours, INVITE or UPDATE. In a dialog with a timer its roles are kept (§7.4)."""
        if self.interval_s:
            who = ";refresher=uac" if self.we_refresh else ";refresher=uas"
        else:
            who = {"": "", "us": ";refresher=uac", "peer": ";refresher=uas"}[self._prefer]
        seconds = max(self.interval_s or self._wish_s, self.min_se_s if self.interval_s or self._wish_s else 0)
        lines = [("Session-Expires", f"{seconds}{who}")] if seconds else []
        return [*lines, ("Min-SE", str(self.min_se_s))] if lines and self.min_se_s > LEAST_S else lines

    def too_small(self, response: SipResponse) -> bool:
        """A 422 came: ask for what it wants from now on. False when it asks for nothing new (do not try again)."""
        wanted = min_se(response)
        if wanted <= max(self.min_se_s, 0) and self._wish_s >= wanted:
            return False
        self.min_se_s = max(self.min_se_s, wanted)
        self._wish_s = max(self._wish_s, wanted)
        self.interval_s = max(self.interval_s, wanted) if self.interval_s else 0
        return True

    def refused(self, request: SipRequest) -> list[tuple[str, str]] | None:
        """Headers of the 422 that a request is to be answered with; None: it is fine (§9)."""
        found = SessionExpires.of(request)
        if found is None or found.seconds >= self.min_se_s or "timer" not in _supported(request):
            return None
        return [("Min-SE", str(self.min_se_s))]

    def answer(self, request: SipRequest) -> list[tuple[str, str]]:
        """We answer 2xx: settle the timer and give the headers (§9). A peer that knows no timers leaves it to us."""
        found = SessionExpires.of(request)
        peer_can = "timer" in _supported(request)
        wish = max(self._wish_s, min_se(request)) if self._wish_s else 0
        if found is None and not wish:
            self.interval_s = 0
            return []
        seconds = max(found.seconds, self.min_se_s) if found is not None else wish
        if wish and found is not None:
            seconds = max(min(seconds, wish), min_se(request))
        if found is not None and found.refresher:
            uac = found.refresher == "uac"
        else:
            uac = peer_can and self._prefer != "us"
        self.interval_s, self.we_refresh = seconds, not uac
        lines = [("Session-Expires", f"{seconds};refresher={'uac' if uac else 'uas'}")]
        return [("Require", "timer"), *lines] if uac and peer_can else lines

    def answered(self, response: SipResponse) -> None:
        """A 2xx to our INVITE or UPDATE. Without Session-Expires the peer runs no timer: then we refresh if we wished
        for one (§7.2: the session lives without expiring, a refresh shows whether the peer does)."""
        found = SessionExpires.of(response)
        if found is not None:
            self.interval_s = max(found.seconds, LEAST_S)
            self.we_refresh = found.refresher != "uas"
        else:
            self.interval_s, self.we_refresh = self._wish_s, True


def _supported(message: SipMessage) -> set[str]:
    return {tag.lower() for name in ("Supported", "Require") for tag in message.values(name)}
