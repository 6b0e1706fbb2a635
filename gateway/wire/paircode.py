"""Codes that pair a kit with a center: what people scan, or copy from one screen to the other. Sans-IO.

The kit's code `fgp1:…` names the kit, its public key and a secret that is good once. Whoever has read it off the kit
may answer: the center's code `fga1:…` names the center, its key and where it is reached, sealed with that secret
(HMAC-SHA-256), so that the kit believes only a center that somebody gave the code to. Neither code holds a private key.

Both are base64url without padding of a MessagePack array behind four bytes of SHA-256, by which a slip of the pen is
told from a code of another version.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Any

import msgpack

from gateway.base.errors import RemoteProtocolError

OFFER, ANSWER = "fgp1:", "fga1:"
SECRET_BYTES = 16
KEY_BYTES = 32
"""An X25519 public key (RFC 7748 §5)."""
MOST = 2048
"""Characters of a code."""
MAX_HOSTS = 8
_CHECK, _SEAL = 4, 16
_GATEWAY = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SIGNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True)
class KitCode:
    """What the kit shows."""

    gateway: str
    name: str
    key: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"KitCode({self.gateway})"


@dataclass(frozen=True, slots=True)
class CenterCode:
    """What the center answers. `fingerprint`: SHA-256 of the certificate that its API shows, hex; "" not told."""

    gateway: str
    name: str
    key: bytes
    hosts: tuple[str, ...]
    udp_port: int
    tcp_port: int
    fingerprint: str = ""


def write_kit(code: KitCode) -> str:
    return OFFER + _pack([code.gateway, code.name, code.key, code.secret])


def read_kit(text: str) -> KitCode:
    """Raises RemoteProtocolError (`pair-code`)."""
    gateway, name, key, secret = _unpack(text, OFFER, (str, str, bytes, bytes))
    if not _named(gateway, name) or len(key) != KEY_BYTES or len(secret) != SECRET_BYTES:
        raise _wrong("it names no kit")
    return KitCode(gateway, name, key, secret)


def write_center(code: CenterCode, secret: bytes) -> str:
    body = [code.gateway, code.name, code.key, list(code.hosts), code.udp_port, code.tcp_port, code.fingerprint]
    sealed = msgpack.packb(body)
    return ANSWER + _pack([sealed, _seal(sealed, secret)])


def read_center(text: str, secret: bytes) -> CenterCode | None:
    """None when it is not sealed with `secret`: an answer to another code. Raises RemoteProtocolError (`pair-code`)."""
    sealed, seal = _unpack(text, ANSWER, (bytes, bytes))
    if not hmac.compare_digest(seal, _seal(sealed, secret)):
        return None
    body = _fields(sealed, (str, str, bytes, list, int, int, str))
    gateway, name, key, hosts, udp_port, tcp_port, fingerprint = body
    if not _named(gateway, name) or len(key) != KEY_BYTES:
        raise _wrong("it names no center")
    if not 1 <= len(hosts) <= MAX_HOSTS or not all(is_host(host) for host in hosts):
        raise _wrong("it does not say where the center is reached")
    if not (0 < udp_port < 65536 and 0 < tcp_port < 65536) or len(fingerprint) > 64:
        raise _wrong("its ports or its fingerprint are no such")
    return CenterCode(gateway, name, key, tuple(hosts), udp_port, tcp_port, fingerprint)


def answer_id(secret: bytes) -> str:
    """Where a center keeps its answer for the kit to fetch: told by the secret, which it does not tell."""
    return hashlib.sha256(b"fieldgate pair answer 1" + secret).hexdigest()[:32]


def is_host(host: Any) -> bool:
    """A host name or an address, without port."""
    return (
        isinstance(host, str)
        and 0 < len(host) <= 253
        and all(c.isascii() and (c.isalnum() or c in ".-:_") for c in host)
    )


def _named(gateway: str, name: str) -> bool:
    return _GATEWAY.fullmatch(gateway) is not None and len(name) <= 64 and (not name or name.isprintable())


def _seal(sealed: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, b"fieldgate pair answer 1" + sealed, hashlib.sha256).digest()[:_SEAL]


def _pack(body: list[Any]) -> str:
    packed = msgpack.packb(body)
    checked = hashlib.sha256(packed).digest()[:_CHECK] + packed
    return base64.urlsafe_b64encode(checked).rstrip(b"=").decode()


def _unpack(text: str, prefix: str, kinds: tuple[type, ...]) -> list[Any]:
    # People copy codes out of messages, with line breaks in them.
    text = "".join(text[: 2 * MOST].split())
    if not text.startswith(prefix):
        kind = "kit's code (fgp1:…)" if prefix == OFFER else "center's answer (fga1:…)"
        raise _wrong(f"a {kind} is needed")
    signs = text.removeprefix(prefix)
    if len(text) > MOST or not _SIGNS.issuperset(signs):
        raise _wrong("it is too long, or holds signs that no code has")
    try:
        checked = base64.urlsafe_b64decode(signs + "=" * (-len(signs) % 4))
    except ValueError:
        raise _wrong("a part of it is missing") from None
    packed = checked[_CHECK:]
    if not hmac.compare_digest(hashlib.sha256(packed).digest()[:_CHECK], checked[:_CHECK]):
        raise _wrong("a part of it is missing or was mistyped")
    return _fields(packed, kinds)


def _fields(packed: bytes, kinds: tuple[type, ...]) -> list[Any]:
    try:
        body = msgpack.unpackb(packed, max_array_len=16, max_map_len=0)
    except (ValueError, msgpack.exceptions.UnpackException) as exc:
        raise _wrong("it is not whole") from exc
    # type(), not isinstance: a bool is no number here.
    if (
        not isinstance(body, list)
        or len(body) != len(kinds)
        or any(type(b) is not k for b, k in zip(body, kinds, strict=True))
    ):
        raise _wrong("it is of another version")
    return body


def _wrong(why: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"that is no pairing code: {why}", code="pair-code")
