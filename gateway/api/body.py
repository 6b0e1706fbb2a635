"""Reading a request's body with a limit that holds whatever the header says."""

from __future__ import annotations

from starlette.requests import Request

from gateway.base.errors import GatewayError


class TooLarge(GatewayError):
    """The body is over its route's limit."""

    code = "too-large"


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes. Raises TooLarge at the first byte over it."""
    told = request.headers.get("content-length")
    if told is not None and (not told.isdigit() or int(told) > limit):
        raise TooLarge(f"at most {limit} bytes are taken here")
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) > limit:
            raise TooLarge(f"at most {limit} bytes are taken here")
    return bytes(held)
