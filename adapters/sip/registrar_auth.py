"""Whether a softphone is who it says: digest by user, judged together with the guard. Sans-IO.

An unknown user and a wrong password are answered alike, after the same challenge and the same delay: from outside
nobody learns which users there are.
"""

from __future__ import annotations

import ipaddress
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.sip.guard import Guard, Offence
from adapters.sip.users import ALGORITHMS, Users
from gateway.base.errors import RemoteProtocolError
from gateway.base.place import address_of
from gateway.wire.digest import Authorization, DigestServer, Verdict
from gateway.wire.sip import Hop, SipRequest, printable

MAX_ASKED = 1024
_KNOWS_MD5_ONLY = re.compile(r"baresip v[01]\.")  # libre answers ENOSYS and goes no further


@dataclass(frozen=True, slots=True)
class Proof:
    user: str


@dataclass(frozen=True, slots=True)
class Refused:
    """`status` 0: no answer at all. `late_s`: how long the answer waits. `code` and `user` are for people; an empty
    code is no offence (the first challenge)."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    late_s: float = 0.0
    code: str = ""
    user: str = ""
    reason: str | None = None


class Door:
    """The one place where softphones are let in, for REGISTER, INVITE and everything else."""

    def __init__(
        self, users: Users, guard: Guard, realm: str, networks: Sequence[str], digests: Sequence[str] = ALGORITHMS
    ) -> None:
        self._users = users
        self._guard = guard
        self._server = DigestServer(realm, algorithms=tuple(digests))
        self._both = len(digests) > 1 and "MD5" in digests
        self._asked: OrderedDict[tuple[str, str], None] = OrderedDict()  # (source, user) that has yet to answer
        self._networks = tuple(ipaddress.ip_network(one) for one in networks)

    def of_our_network(self, host: str) -> bool:
        address = address_of(host)
        return address is not None and any(address.version == one.version and address in one for one in self._networks)

    def judge(self, request: SipRequest, hop: Hop, now: float) -> Proof | Refused:
        """Never raises for what a phone sends."""
        host = hop.remote[0]
        if not self.of_our_network(host):
            self._guard.offence(host, Offence.STRANGER, now, request.method)
            return Refused(0, code=Offence.STRANGER.code)
        if not self._guard.spends(request.method, hop, now):
            return Refused(0, code=Offence.FLOOD.code)
        written = _written(request)
        if not written:
            return self._challenge(now, only_md5=self._fails_at_two(request, host))
        try:
            said = request.from_.user
            named = request.to.user if request.method == "REGISTER" else said
            auth = self._ours(written)
            if auth is None:
                return self._challenge(now)
            user = auth.username
            # Nobody registers, or calls, in another's name.
            known = user if user == named and user == said else ""
            ha1 = self._users.ha1(known, auth.algorithm) if known else None
            verdict = self._server.check(auth, request.method, now, ha1=ha1, body=request.body)
        except RemoteProtocolError as exc:
            late = self._guard.offence(host, Offence.GARBAGE, now, printable(str(exc))[:80])
            return self._challenge(now, late_s=late)
        if verdict is Verdict.OK:
            self._guard.clear(host)
            self._asked.pop((host, user), None)
            return Proof(user)
        if verdict is Verdict.STALE:
            return self._challenge(now, stale=True)
        shown = printable(user)[:64]
        if verdict is Verdict.REPLAY:
            late = self._guard.offence(host, Offence.REPLAY, now, shown)
            return self._challenge(now, stale=True, late_s=late, code=Offence.REPLAY.code, user=shown)
        late = self._guard.offence(host, Offence.PASSWORD, now, shown)
        return Refused(403, late_s=late, code=Offence.PASSWORD.code, user=shown)

    def is_answered(self, request: SipRequest) -> bool:
        """Whether it carries an answer to a challenge of ours, right or wrong."""
        try:
            return self._ours(_written(request)) is not None
        except RemoteProtocolError:
            return False

    def _ours(self, written: Sequence[str]) -> Authorization | None:
        """The one of our realm: phones send along what other servers on the way asked them for."""
        for value in written[:4]:
            auth = Authorization.parse(value)
            if auth.realm == self._server.realm:
                return auth
        return None

    def _fails_at_two(self, request: SipRequest, host: str) -> bool:
        """Phones from before RFC 8760 give up when a hash is offered that they do not know, even beside one they do.
        They are known by name, or by coming again without having answered."""
        if not self._both:
            return False
        if _KNOWS_MD5_ONLY.match(request.headers.get("User-Agent") or ""):
            return True
        try:
            key = (host, request.from_.user)
        except RemoteProtocolError:
            return False
        again = key in self._asked
        self._asked[key] = None
        self._asked.move_to_end(key)
        if len(self._asked) > MAX_ASKED:
            self._asked.popitem(last=False)
        return again

    def _challenge(
        self,
        now: float,
        *,
        stale: bool = False,
        only_md5: bool = False,
        late_s: float = 0.0,
        code: str = "",
        user: str = "",
    ) -> Refused:
        offered = self._server.challenges(now, stale=stale)
        lines = [("WWW-Authenticate", str(one)) for one in offered if one.algorithm == "MD5" or not only_md5]
        return Refused(401, tuple(lines), late_s, code, user)


def _written(request: SipRequest) -> list[str]:
    return [*request.headers.all("Authorization"), *request.headers.all("Proxy-Authorization")]
