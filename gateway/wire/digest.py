"""HTTP digest as SIP uses it, both sides (RFC 7616, RFC 8760; RFC 2069 form without qop).

response = H(HA1:nonce:HA2) or H(HA1:nonce:nc:cnonce:qop:HA2). Every string is used as it was sent: the uri, realm and
nc of the Authorization header, not ours, go into the hash (devices write nc in upper or lower case, and a uri that
is not the Request-URI).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.sip.headers import quote_text, split_list, unquote_text

NONCE_LIFETIME_S = 300.0
MAX_NONCES = 4096  # whose counts are remembered; the oldest is forgotten, its next use is answered `stale`

_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256", "SM3": "sm3"}


def supported_algorithms() -> tuple[str, ...]:
    """The algorithms this machine can compute; SM3 only where OpenSSL has it."""
    return tuple(name for name, impl in _HASHES.items() if impl in hashlib.algorithms_available)


@dataclass(frozen=True, slots=True)
class Challenge:
    """WWW-Authenticate or Proxy-Authenticate. `qop` is empty when none was offered (the RFC 2069 form)."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False

    @classmethod
    def parse(cls, value: str) -> Challenge:
        """Raises RemoteProtocolError for another scheme or without realm and nonce."""
        fields = parse_auth(value)
        if "realm" not in fields or "nonce" not in fields:
            raise RemoteProtocolError("a challenge without realm or nonce")
        qop = tuple(q.strip().lower() for q in fields.get("qop", "").split(",") if q.strip())
        return cls(
            fields["realm"],
            fields["nonce"],
            fields.get("algorithm", "MD5"),
            qop,
            fields.get("opaque"),
            fields.get("stale", "").lower() == "true",
        )

    def __str__(self) -> str:
        out = [f"realm={quote_text(self.realm)}", f"nonce={quote_text(self.nonce)}"]
        if self.qop:
            out.append(f"qop={quote_text(','.join(self.qop))}")
        if self.opaque is not None:
            out.append(f"opaque={quote_text(self.opaque)}")
        if self.stale:
            out.append("stale=true")
        # Left out for MD5 with no -sess it would mean the same; said, because some devices want to read it.
        out.append(f"algorithm={self.algorithm}")
        return "Digest " + ", ".join(out)


@dataclass(frozen=True, slots=True, repr=False)
class Authorization:
    """Authorization or Proxy-Authorization, every string as sent."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "MD5"
    qop: str | None = None
    nc: str | None = None
    cnonce: str | None = None
    opaque: str | None = None

    @classmethod
    def parse(cls, value: str) -> Authorization:
        """Raises RemoteProtocolError for another scheme or when a field the hash needs is missing."""
        f = parse_auth(value)
        missing = [name for name in ("username", "realm", "nonce", "uri", "response") if name not in f]
        if missing:
            raise RemoteProtocolError(f"an authorization without {', '.join(missing)}")
        qop = f.get("qop")
        if qop is not None and ("nc" not in f or "cnonce" not in f):
            raise RemoteProtocolError("an authorization with qop but without nc or cnonce")
        return cls(
            f["username"],
            f["realm"],
            f["nonce"],
            f["uri"],
            f["response"],
            f.get("algorithm", "MD5"),
            qop,
            f.get("nc"),
            f.get("cnonce"),
            f.get("opaque"),
        )

    def __str__(self) -> str:
        out = [f"{k}={quote_text(getattr(self, k))}" for k in ("username", "realm", "nonce", "uri", "response")]
        out.append(f"algorithm={self.algorithm}")
        if self.qop is not None:
            out += [f"qop={self.qop}", f"nc={self.nc}"]
        if self.cnonce is not None:  # a -sess algorithm needs it without qop too
            out.append(f"cnonce={quote_text(self.cnonce)}")
        if self.opaque is not None:
            out.append(f"opaque={quote_text(self.opaque)}")
        return "Digest " + ", ".join(out)

    def __repr__(self) -> str:
        return f"Authorization({self.username!r}, realm={self.realm!r})"


def parse_auth(value: str) -> dict[str, str]:
    """The fields of a `Digest …` header value, names in lower case, quotes undone. Raises RemoteProtocolError."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        raise RemoteProtocolError("not a Digest header")
    fields: dict[str, str] = {}
    for piece in split_list(rest):
        name, equals, text = piece.partition("=")
        if not equals:
            raise RemoteProtocolError("a Digest field without value")
        fields.setdefault(name.strip().lower(), unquote_text(text.strip()))
    return fields


def hash_name(algorithm: str) -> tuple[str, bool]:
    """`(base name, is -sess)`. Raises RemoteProtocolError for one we can not compute."""
    upper = algorithm.upper()
    base, session = (upper[:-5], True) if upper.endswith("-SESS") else (upper, False)
    if base not in supported_algorithms():
        raise RemoteProtocolError(f"digest algorithm {algorithm[:20]!r} is not known")
    return base, session


def digest(algorithm: str, text: str) -> str:
    base, _ = hash_name(algorithm)
    # MD5 here is the protocol's, not a choice: RFC 3261 §22.4 and GB/T 28181-2016 §8 know no other.
    return hashlib.new(_HASHES[base], text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def make_ha1(username: str, realm: str, password: str, algorithm: str = "MD5") -> str:
    """H(username:realm:password): what a store may keep instead of the password."""
    return digest(algorithm, f"{username}:{realm}:{password}")


def expected_response(auth: Authorization, method: str, ha1: str, body: bytes = b"") -> str:
    """The response that `auth` should hold, by its own literal strings. Raises RemoteProtocolError."""
    _, session = hash_name(auth.algorithm)
    if session:
        ha1 = digest(auth.algorithm, f"{ha1}:{auth.nonce}:{auth.cnonce or ''}")
    qop = (auth.qop or "").lower()
    if qop not in ("", "auth", "auth-int"):
        raise RemoteProtocolError(f"qop {qop[:20]!r} is not known")
    a2 = f"{method}:{auth.uri}"
    if qop == "auth-int":
        a2 += ":" + hashlib.new(_HASHES[hash_name(auth.algorithm)[0]], body, usedforsecurity=False).hexdigest()
    ha2 = digest(auth.algorithm, a2)
    if not qop:
        return digest(auth.algorithm, f"{ha1}:{auth.nonce}:{ha2}")
    # The literal qop: a device that writes "AUTH" hashed "AUTH".
    return digest(auth.algorithm, f"{ha1}:{auth.nonce}:{auth.nc}:{auth.cnonce}:{auth.qop}:{ha2}")


class DigestClient:
    """Answers challenges with one name and password; keeps the nonce count of each realm's last challenge."""

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self._password = password
        self._held: dict[str, tuple[Challenge, int, str]] = {}
        self.places: dict[str, str] = {}  # realm → the header its answers go into (digest_auth)

    @property
    def password(self) -> str:
        """For a SIP stack in another process that answers challenges itself; never to be logged."""
        return self._password

    def choose(self, values: Iterable[str]) -> Challenge | None:
        """The first challenge that we can answer (RFC 8760 §2.4: servers list the preferred one first)."""
        for value in values:
            try:
                challenge = Challenge.parse(value)
                hash_name(challenge.algorithm)
            except RemoteProtocolError:
                continue
            if not challenge.qop or {"auth", "auth-int"} & set(challenge.qop):
                return challenge
        return None

    def answer(self, challenge: Challenge, method: str, uri: str, body: bytes = b"") -> Authorization:
        """The Authorization for `challenge`; asking again with the same nonce counts nc up (RFC 7616 §3.4)."""
        held = self._held.get(challenge.realm)
        count, cnonce = 1, secrets.token_hex(8)
        if held is not None and held[0].nonce == challenge.nonce:
            count, cnonce = held[1] + 1, held[2]
        self._held[challenge.realm] = (challenge, count, cnonce)
        _, session = hash_name(challenge.algorithm)
        qop = "auth" if "auth" in challenge.qop else "auth-int" if challenge.qop else None
        auth = Authorization(
            self.username,
            challenge.realm,
            challenge.nonce,
            uri,
            "",
            challenge.algorithm,
            qop,
            f"{count:08x}" if qop else None,
            cnonce if qop or session else None,
            challenge.opaque,
        )
        ha1 = make_ha1(self.username, challenge.realm, self._password, challenge.algorithm)
        return replace(auth, response=expected_response(auth, method, ha1, body))

    def held(self, realm: str) -> Challenge | None:
        """The last challenge of a realm."""
        found = self._held.get(realm)
        return None if found is None else found[0]

    def again(self, method: str, uri: str, body: bytes = b"") -> Authorization | None:
        """An Authorization sent unasked with the last challenge's nonce; None before the first challenge."""
        if not self._held:
            return None
        challenge = next(reversed(self._held.values()))[0]
        return self.answer(challenge, method, uri, body)


class Verdict(Enum):
    OK = "ok"
    WRONG = "wrong"  # the password (or name) is wrong
    STALE = "stale"  # right password, nonce too old or unknown: challenge again with stale=true
    REPLAY = "replay"  # this nonce count was used before


class DigestServer:
    """Challenges and checks for one realm. Nonces carry their birth and an HMAC, so making one keeps no state; only
    nonces that a right password has used are remembered (bounded), for their counts."""

    def __init__(
        self,
        realm: str,
        *,
        algorithms: Sequence[str] = ("MD5",),
        qop: Sequence[str] = ("auth",),
        lifetime_s: float = NONCE_LIFETIME_S,
        secret: bytes | None = None,
    ) -> None:
        for algorithm in algorithms:
            if hash_name(algorithm)[0] not in supported_algorithms():
                raise LocalProtocolError(f"digest algorithm {algorithm}")
        self.realm = realm
        self._algorithms = tuple(algorithms)
        self._qop = tuple(qop)
        self._lifetime_s = lifetime_s
        self._secret = secret or secrets.token_bytes(32)
        self._counts: OrderedDict[str, int] = OrderedDict()

    def challenges(self, now: float, *, stale: bool = False) -> list[Challenge]:
        """One challenge an algorithm, the preferred first, all with one nonce."""
        nonce = self._nonce(now)
        return [Challenge(self.realm, nonce, name, self._qop, None, stale) for name in self._algorithms]

    def check(
        self,
        auth: Authorization,
        method: str,
        now: float,
        *,
        password: str | None = None,
        ha1: str | None = None,
        body: bytes = b"",
    ) -> Verdict:
        """Judge `auth` by the password or by its HA1 (for auth.algorithm); neither given is WRONG, in the same time.

        Raises RemoteProtocolError for an algorithm or qop that we did not offer or do not know.
        """
        if auth.algorithm.upper() not in {name.upper() for name in self._algorithms}:
            raise RemoteProtocolError(f"digest algorithm {auth.algorithm[:20]!r} was not offered")
        known = password is not None or ha1 is not None
        secret = ha1 or make_ha1(auth.username, auth.realm, password or "", auth.algorithm)
        want = expected_response(auth, method, secret, body)
        if not hmac.compare_digest(want.encode(), auth.response.lower().encode("utf-8", "surrogateescape")):
            return Verdict.WRONG
        if not known or auth.realm != self.realm:
            return Verdict.WRONG
        born = self._born(auth.nonce)
        if born is None or not -1.0 <= now - born <= self._lifetime_s:
            return Verdict.STALE
        return self._count(auth)

    def _count(self, auth: Authorization) -> Verdict:
        if auth.nc is None:
            return Verdict.OK  # without qop there is no count; the nonce's life bounds a replay
        try:
            count = int(auth.nc, 16)
        except ValueError as exc:
            raise RemoteProtocolError("nc is not hexadecimal") from exc
        last = self._counts.get(auth.nonce, 0)
        if count <= last:
            return Verdict.REPLAY
        self._counts[auth.nonce] = count
        self._counts.move_to_end(auth.nonce)
        while len(self._counts) > MAX_NONCES:
            self._counts.popitem(last=False)
        return Verdict.OK

    def _nonce(self, now: float) -> str:
        stamp = f"{int(now * 1000):x}.{secrets.token_hex(6)}"
        return f"{stamp}.{self._sign(stamp)}"

    def _sign(self, stamp: str) -> str:
        return hmac.new(self._secret, f"{self.realm}:{stamp}".encode(), "sha256").hexdigest()[:24]

    def _born(self, nonce: str) -> float | None:
        stamp, _, signature = nonce.rpartition(".")
        good = hmac.compare_digest(self._sign(stamp).encode(), signature.encode("utf-8", "surrogateescape"))
        return int(stamp.split(".")[0], 16) / 1000 if good else None
