"""The errors of the gateway: the class says who failed, the code says why.

`code` is a key of `gateway.model.reason.REASONS`, where cause and cure stand in Chinese and English; it is
what the API, the console, the log and `doctor` show. The message says what was being done, to whom, and what
came back.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Any failure the gateway knows how to name."""

    code = "internal"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class ConfigError(GatewayError):
    """The configuration is wrong; `key` is the dotted key, and trying again will not help."""

    code = "config"

    def __init__(self, key: str, message: str, *, code: str | None = None) -> None:
        super().__init__(f"{key}: {message}", code=code)
        self.key = key


class ProtocolError(GatewayError):
    """A rule of a protocol was broken."""

    code = "protocol"


class LocalProtocolError(ProtocolError):
    """We broke it: a bug of ours."""


class RemoteProtocolError(ProtocolError):
    """The peer broke it: the only error that bytes from outside may raise."""


class PeerError(GatewayError):
    """The peer understood and refused; `status` is its own word for it (a SIP or HTTP status, a vendor code)."""

    code = "peer-refused"

    def __init__(self, message: str, *, status: int | str = 0, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.status = status


def first(group: BaseExceptionGroup[GatewayError]) -> GatewayError:
    """Of what ended a TaskGroup the one that says most: a refusal rather than the connection that ended with it."""
    left, found = list[BaseException](group.exceptions), list[GatewayError]()
    while left:
        one = left.pop(0)
        if isinstance(one, BaseExceptionGroup):
            left[:0] = one.exceptions
        elif isinstance(one, GatewayError):
            found.append(one)
    return next((exc for exc in found if not isinstance(exc, LinkDown)), found[0])


class LinkDown(GatewayError):
    """The way to the peer is gone; transient, trying again is right."""

    code = "link-down"


class Busy(GatewayError):
    """Somebody of equal or higher right has it, or a stated limit is reached."""

    code = "busy"


class NotFound(GatewayError):
    code = "not-found"


class Denied(GatewayError):
    """The asker is known and may not."""

    code = "denied"


class Unsupported(GatewayError):
    """Asked for something the peer, or this build, can not do."""

    code = "unsupported"
