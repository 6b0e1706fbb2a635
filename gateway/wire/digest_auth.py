"""Digest on SIP messages: answer every challenge of a response; judge the credentials of a request (RFC 3261 §22)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.base.errors import RemoteProtocolError
from gateway.wire.digest import Authorization, Challenge, DigestClient, DigestServer, Verdict
from gateway.wire.sip.headers import CSeq
from gateway.wire.sip.message import SipRequest, SipResponse
from gateway.wire.textmsg import Headers

MAX_CHALLENGES = 16  # read of one response
MAX_CREDENTIALS = 8  # read of one request
_PLACES = {"WWW-Authenticate": "Authorization", "Proxy-Authenticate": "Proxy-Authorization"}


def authorise(client: DigestClient, request: SipRequest, response: SipResponse) -> SipRequest | None:
    """`request` once more with an answer to every challenge of a 401 or 407 (several realms, both headers, §22.3), CSeq
    counted up. None: nothing to answer, or the password was refused (a fresh nonce of a realm that we answered, not
    called stale)."""
    if response.status not in (401, 407):
        return None
    lines = credentials(client, request, response)
    if lines is None:
        return None
    headers = Headers(tuple((k, v) for k, v in request.headers if k.lower() not in _names()))
    for name, value in lines:
        headers = headers.add(name, value)
    return request.with_headers(headers.set("CSeq", str(CSeq(request.cseq.number + 1, request.method))))


def credentials(client: DigestClient, request: SipRequest, response: SipResponse) -> list[tuple[str, str]] | None:
    """The header lines that answer a 401 or 407, those of other realms kept; None as in `authorise`."""
    sent = {(place, auth.realm): auth for place, auth in _sent(request)}
    chosen: dict[tuple[str, str], Challenge] = {}
    for asks, place in _PLACES.items():
        by_realm: dict[str, list[str]] = {}
        for value in response.headers.all(asks)[:MAX_CHALLENGES]:
            try:
                by_realm.setdefault(Challenge.parse(value).realm, []).append(value)
            except RemoteProtocolError:
                continue
        for realm, values in by_realm.items():
            challenge = client.choose(values)
            if challenge is not None:
                chosen[place, realm] = challenge
    if not chosen:
        return None
    for key, challenge in chosen.items():
        before = sent.get(key)
        # A nonce used again (nc over 1) may have run out without the server saying so.
        if before is not None and not challenge.stale and int(before.nc or "1", 16) <= 1:
            return None
    lines: list[tuple[str, str]] = []
    for (place, realm), challenge in chosen.items():
        client.places[realm] = place
        lines.append((place, str(client.answer(challenge, request.method, request.uri, request.body))))
    kept = [(place, str(auth)) for (place, realm), auth in sent.items() if (place, realm) not in chosen]
    return [*kept, *lines]


def preauthorised(client: DigestClient, request: SipRequest) -> SipRequest:
    """`request` with answers to the challenges held, nc counting up, so that no round trip is lost (RFC 7616 §3.4)."""
    for name, value in known_credentials(client, request.method, request.uri, request.body):
        request = request.with_headers(request.headers.add(name, value))
    return request


def known_credentials(client: DigestClient, method: str, uri: str, body: bytes = b"") -> list[tuple[str, str]]:
    """Header lines for a request by the challenges held; none before the first challenge."""
    lines: list[tuple[str, str]] = []
    for realm, place in client.places.items():
        challenge = client.held(realm)
        if challenge is not None and challenge.qop:  # without a count a nonce is used once
            lines.append((place, str(client.answer(challenge, method, uri, body))))
    return lines


@dataclass(frozen=True, slots=True)
class Judged:
    """`ok`, or what to answer: `status` with `headers` (challenges). `username` as claimed, "" when none was;
    `verdict` None: no credentials for our realm came."""

    ok: bool
    username: str = ""
    verdict: Verdict | None = None
    status: int = 401
    headers: tuple[tuple[str, str], ...] = ()


def authenticate(
    request: SipRequest,
    server: DigestServer,
    now: float,
    ha1_of: Callable[[str, str], str | None],
    *,
    proxy: bool = False,
) -> Judged:
    """Judge a request by its credentials for the server's realm. `ha1_of(username, algorithm)` gives the stored HA1,
    None for a name that nobody has (judged in the same time).

    Credentials without qop are refused (anew challenged): without a count they could be replayed while the nonce
    lives. A replayed count or an old nonce is challenged with stale=true.
    """
    asks, says, status = ("Proxy-Authenticate", "Proxy-Authorization", 407) if proxy else (
        "WWW-Authenticate", "Authorization", 401)  # fmt: skip

    def challenge(verdict: Verdict | None, username: str = "") -> Judged:
        stale = verdict in (Verdict.STALE, Verdict.REPLAY)
        lines = tuple((asks, str(c)) for c in server.challenges(now, stale=stale))
        return Judged(False, username, verdict, status, lines)

    auth: Authorization | None = None
    try:
        for value in request.headers.all(says)[:MAX_CREDENTIALS]:
            found = Authorization.parse(value)
            if found.realm == server.realm:
                auth = found
                break
        if auth is None:
            return challenge(None)
        if auth.nc is None:
            return challenge(Verdict.STALE, auth.username)
        secret = ha1_of(auth.username, auth.algorithm.upper())
        verdict = server.check(auth, request.method, now, ha1=secret, body=request.body)
    except RemoteProtocolError:
        return challenge(None, "" if auth is None else auth.username)
    return Judged(True, auth.username, verdict, 200) if verdict is Verdict.OK else challenge(verdict, auth.username)


def _sent(request: SipRequest) -> list[tuple[str, Authorization]]:
    found: list[tuple[str, Authorization]] = []
    for place in _PLACES.values():
        for value in request.headers.all(place)[:MAX_CREDENTIALS]:
            try:
                found.append((place, Authorization.parse(value)))
            except RemoteProtocolError:
                continue
    return found


def _names() -> frozenset[str]:
    return frozenset(place.lower() for place in _PLACES.values())
