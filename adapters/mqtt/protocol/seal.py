"""A seal on what must not be made by anybody else: no broker can forge an order, an acknowledgement or an event.

Kit and center that are paired have a secret in common (X25519 of their keys); the seal is an HMAC over topic and
message. It hides nothing: TLS does. A message without a seal begins as msgpack does; a sealed one with a byte that
msgpack never has, the sender's id, and the seal. Keys change: while a kit has two, a center knows one of them or both,
and each center another; a message is sealed with every key that there is, and one that fits opens it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.base.errors import RemoteProtocolError

MARK = 0xC1
TAG_BYTES = 16
MOST_KEYS = 4
_PURPOSE = b"fieldgate mqtt seal 1"


class Seal:
    """Between one kit and one center. `own` is who seals here."""

    def __init__(self, own: str, keys: Sequence[bytes]) -> None:
        if not 1 <= len(keys) <= MOST_KEYS:
            raise ValueError("a seal without a key, or with too many")
        self._own = own.encode("ascii")
        self._keys = tuple(keys)

    def close(self, topic: str, body: bytes) -> bytes:
        tags = b"".join(_tag(key, topic, self._own, body) for key in self._keys)
        return bytes([MARK, len(self._own)]) + self._own + bytes([len(self._keys)]) + tags + body

    def open(self, topic: str, data: bytes) -> bytes:
        """The message without its seal. Raises RemoteProtocolError (`mqtt-forged`)."""
        sender, tags, body = _parts(data)
        own = [_tag(key, topic, sender, body) for key in self._keys]
        if any(hmac.compare_digest(tag, one) for tag in tags for one in own):
            return body
        raise RemoteProtocolError(f"a message to {topic[:80]} with a wrong seal", code="mqtt-forged")


def sender_of(data: bytes) -> str:
    """Who says that they sealed it; "" where it has no seal. Raises RemoteProtocolError."""
    return _parts(data)[0].decode("ascii", "replace") if data[:1] == bytes([MARK]) else ""


def shared(private: bytes, public: bytes) -> bytes:
    """The secret that two have in common. Raises ValueError for what are no keys."""
    return _shared(private, public)


@lru_cache(8192)
def _shared(private: bytes, public: bytes) -> bytes:
    secret = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    return HKDF(hashes.SHA256(), 32, None, _PURPOSE).derive(secret)


def _tag(key: bytes, topic: str, sender: bytes, body: bytes) -> bytes:
    made = hmac.new(key, digestmod=hashlib.sha256)
    for part in (topic.encode(), sender):
        made.update(len(part).to_bytes(2, "big") + part)
    made.update(body)
    return made.digest()[:TAG_BYTES]


def _parts(data: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Sender, seals, message."""
    if len(data) < 2 or data[0] != MARK:
        raise RemoteProtocolError("a message without a seal", code="mqtt-forged")
    end = 2 + data[1]
    number = data[end] if len(data) > end else 0
    begin = end + 1 + number * TAG_BYTES
    if not 1 <= number <= MOST_KEYS or len(data) < begin:
        raise RemoteProtocolError("a seal that is cut off", code="mqtt-forged")
    return data[2:end], [data[at : at + TAG_BYTES] for at in range(end + 1, begin, TAG_BYTES)], data[begin:]
