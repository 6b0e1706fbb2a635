"""Whether a softphone is who it says: digest by user, judged together with the guard. Sans-IO.

An unknown user and a wrong password are answered alike, after the same challenge and the same delay: from outside
nobody learns which users there are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.sip.guard import Guard, Offence
from adapters.sip.users import ALGORITHMS, Users
from gateway.base.errors import RemoteProtocolError
from gateway.wire.digest import Authorization, DigestServer, Verdict
from gateway.wire.sip import Hop, SipRequest, printable


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

    def __init__(self, users: Users, guard: Guard, realm: str, networks: Sequence[str]) -> None:
        self._users = users
        self._guard = guard
        self._server = DigestServer(realm, algorithms=ALGORITHMS)
        self._networks = tuple(ipaddress.ip_network(one) for one in networks)

    def of_our_network(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address.version == one.version and address in one for one in self._networks)

    def judge(self, request: SipRequest, hop: Hop, now: float) -> Proof | Refused:
        """Never raises for what a phone sends."""
        host = hop.remote[0]
        if not self.of_our_network(host):
            self._guard.offence(host, Offence.STRANGER, now, request.method)
            return Refused(0, code=Offence.STRANGER.code)
        if not self._guard.spends(request.method, hop, now):
            return Refused(0, code=Offence.FLOOD.code)
        written = [*request.headers.all("Authorization"), *request.headers.all("Proxy-Authorization")]
        if not written:
            return self._challenge(now)
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
            return Proof(user)
        if verdict is Verdict.STALE:
            return self._challenge(now, stale=True)
        shown = printable(user)[:64]
        if verdict is Verdict.REPLAY:
            late = self._guard.offence(host, Offence.REPLAY, now, shown)
            return self._challenge(now, stale=True, late_s=late, code=Offence.REPLAY.code, user=shown)
        late = self._guard.offence(host, Offence.PASSWORD, now, shown)
        return Refused(403, late_s=late, code=Offence.PASSWORD.code, user=shown)

    def _ours(self, written: Sequence[str]) -> Authorization | None:
        """The one of our realm: phones send along what other servers on the way asked them for."""
        for value in written[:4]:
            auth = Authorization.parse(value)
            if auth.realm == self._server.realm:
                return auth
        return None

    def _challenge(
        self, now: float, *, stale: bool = False, late_s: float = 0.0, code: str = "", user: str = ""
    ) -> Refused:
        lines = [("WWW-Authenticate", str(one)) for one in self._server.challenges(now, stale=stale)]
        return Refused(401, tuple(lines), late_s, code, user)
