"""Basic and digest in RTSP, both sides (RFC 7616, RFC 7617)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.base.errors import RemoteProtocolError
from gateway.wire.digest import Authorization, DigestClient, DigestServer, Verdict
from gateway.wire.rtsp.message import RtspRequest, RtspResponse

MAX_CHALLENGES = 8


class Credentials:
    """A client's: answers the server's challenge, then goes ahead with what it learnt."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._digest = DigestClient(user, password)
        self._basic = False
        self._answered = ""

    @property
    def is_empty(self) -> bool:
        return not self._user and not self._password

    def sign(self, request: RtspRequest) -> RtspRequest:
        """With what is known so far; as it is before the first challenge."""
        if self._basic:
            return replace(request, headers=request.headers.set("Authorization", self._basic_line()))
        answer = self._digest.again(request.method, request.uri, request.body)
        if answer is None:
            return request
        return replace(request, headers=request.headers.set("Authorization", str(answer)))

    def learn(self, response: RtspResponse) -> bool:
        """From a 401: whether the request is worth sending once more. False: the password is wrong, or nothing that we
        can answer was asked."""
        values = response.headers.all("WWW-Authenticate")[:MAX_CHALLENGES]
        challenge = self._digest.choose(values)
        if challenge is not None:
            again = challenge.realm == self._answered and not challenge.stale
            self._answered = challenge.realm
            self._basic = False
            self._digest.answer(challenge, "OPTIONS", "*")
            return not again
        if any(value.strip().lower().startswith("basic") for value in values):
            again, self._basic = self._basic, True
            return not again
        return False

    def accepted(self) -> None:
        """An answer was taken: a later challenge is a new one."""
        self._answered = ""

    def _basic_line(self) -> str:
        return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Judgement:
    """`user` is "" where no credentials came; with `password` they came by Basic and are still to be checked."""

    user: str = ""
    verdict: Verdict | None = None
    password: str | None = None


class Guard:
    """A server's: challenges, and what came in answer. Basic is offered over TLS only."""

    def __init__(self, realm: str, algorithms: Sequence[str]) -> None:
        self._realm = realm
        self._digest = DigestServer(realm, algorithms=algorithms, qop=())

    def challenges(self, now: float, *, basic: bool, stale: bool = False) -> list[str]:
        """WWW-Authenticate lines. Without qop: half of the players know digest as RFC 2069 had it only."""
        lines = [str(challenge) for challenge in self._digest.challenges(now, stale=stale)]
        return [*lines, f'Basic realm="{self._realm}"'] if basic else lines

    def judge(self, request: RtspRequest, now: float, secret: Callable[[str], str | None], *, basic: bool) -> Judgement:
        """Never raises: what can not be read is as if it had not come."""
        value = (request.headers.get("Authorization") or "").strip()
        if value[:6].lower() == "basic " and basic:
            return _basic(value[6:])
        try:
            auth = Authorization.parse(value)
            verdict = self._digest.check(auth, request.method, now, password=secret(auth.username), body=request.body)
        except RemoteProtocolError:
            return Judgement()
        return Judgement(auth.username, verdict)


def _basic(text: str) -> Judgement:
    try:
        user, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return Judgement()
    return Judgement(user, None, password)
