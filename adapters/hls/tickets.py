"""Tickets: what a player that knows no header carries in the URL. Signed, for one stream, until a time. Sans-IO.

`<expires, hex>.<grant, base64url>.<stream, base64url>.<HMAC-SHA256 of these, 128 bits>`. Nothing is kept of them; the
key is a file of the adapter's own, so that they outlive a restart, and all end when it is removed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from gateway.base.errors import Denied

LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Ticket:
    grant: str
    """Of `contract.grants`: whose rights it has."""
    stream: str
    expires_at: float


class Tickets:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, grant: str, stream: str, expires_at: float) -> str:
        body = f"{int(expires_at):x}.{_b64(grant.encode())}.{_b64(stream.encode())}"
        return f"{body}.{self._seal(body)}"

    def read(self, text: str, now: float) -> Ticket:
        """Raises Denied (`ticket-ended`, `ticket-unknown`)."""
        body, _, seal = text[:LONGEST].rpartition(".")
        if not hmac.compare_digest(seal.encode("utf-8", "replace"), self._seal(body).encode()):
            raise Denied("this link was not made here", code="ticket-unknown")
        try:
            expires, grant, stream = body.split(".")
            found = Ticket(_unb64(grant).decode(), _unb64(stream).decode(), float(int(expires, 16)))
        except (ValueError, binascii.Error) as exc:  # sealed by us: only a key of another version gives this
            raise Denied("this link was not made here", code="ticket-unknown") from exc
        if found.expires_at <= now:
            raise Denied("this link has ended", code="ticket-ended")
        return found

    def _seal(self, body: str) -> str:
        return _b64(hmac.new(self._key, body.encode("utf-8", "replace"), hashlib.sha256).digest()[:16])


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
