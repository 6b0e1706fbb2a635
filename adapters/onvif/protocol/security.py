"""WS-Security UsernameToken with password digest (OASIS WSS UsernameToken Profile 1.1 §3.1; ONVIF Core §5.9.4).

digest = Base64(SHA-1(nonce + created + password)). `created` is the camera's time, not ours: it refuses tokens that are
too old or of the future, so its clock is asked first.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

from adapters.onvif.protocol.soap import tag

_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
_BASE64 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"

NONCE_BYTES = 16


def password_digest(nonce: bytes, created: str, password: str) -> str:
    # SHA-1 is the profile's own, not a choice.
    told = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest()
    return base64.b64encode(told).decode("ascii")


def created_text(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(unix % 1 * 1000):03d}Z"


def username_token(user: str, password: str, nonce: bytes, camera_time: float) -> str:
    """The Security header. `camera_time`: unix seconds by the camera's clock."""
    created = created_text(camera_time)
    return tag(
        "Security",
        tag(
            "UsernameToken",
            tag("Username", text=user),
            tag("Password", text=password_digest(nonce, created, password), Type=_DIGEST),
            tag("Nonce", text=base64.b64encode(nonce).decode("ascii"), EncodingType=_BASE64),
            tag("Created", ns=_WSU, text=created),
        ),
        ns=_WSSE,
        **{"s:mustUnderstand": "1"},
    )
