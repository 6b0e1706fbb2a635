"""Requests to a kit's own API, each on a stream of its own: the head in msgpack behind its length, then the body.

A kit answers what somebody of its center may ask by the rights that the center has there, and only what `ASKED` names:
signing in, accounts, pairing, secrets of programs, what waits for other centers and whatever comes to the API later are
no business of a center's, whoever asks. Orders go by the conversation (`command`), not by the API.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Mapping
from typing import Any

import msgpack

from adapters.uplink.words import text, whole
from gateway.base.errors import GatewayError, LinkDown, RemoteProtocolError
from gateway.contract.home import ApiAnswer, ApiRequest, Home
from gateway.model.principal import Principal
from gateway.wire.records import bounded

log = logging.getLogger(__name__)

MOST_BODY = 8 << 20
MOST_HEAD = 64 * 1024
ANSWER_S = 60.0
FORWARDED = ("accept", "content-type", "if-match", "range", "fieldgate-id")
RETURNED = ("content-type", "content-disposition", "etag", "age")
_LENGTH = struct.Struct(">I")
_READ = ("GET", "HEAD")
_CHANGE = (*_READ, "POST", "PUT", "PATCH", "DELETE")
ASKED: Mapping[str, tuple[str, ...]] = {
    "devices": _CHANGE,
    "sources": _CHANGE,
    "discover": _CHANGE,
    "alarms": (*_READ, "POST"),
    "reports": (*_READ, "POST"),
    "calls": _READ,
    "directory": _READ,
    "openapi.json": _READ,
    "positions": _READ,
    "reasons": _READ,
    "streams": _READ,
    "system": _READ,
    "talk": _READ,
    "viewings": _READ,
}
"""What of the API a center may ask at all, by the first part of the path behind /api/v1."""


def allowed(method: str, path: str) -> bool:
    """Whether a center may ask that at all; what of it, the kit's rights say."""
    parts = path.split("/")
    well = path.startswith("/api/v1/") and len(path) <= 1024 and path.isascii() and ".." not in parts
    return well and method in ASKED.get(parts[3], ())


async def ask(sock: socket.socket, request: ApiRequest, who: Mapping[str, str]) -> ApiAnswer:
    """At the center. Closes `sock`. Raises LinkDown, RemoteProtocolError."""
    head = {
        "method": request.method,
        "path": request.path,
        "query": request.query[:4096],
        "headers": {name: value[:1024] for name, value in request.headers.items() if name in FORWARDED},
        "as": dict(who),
        "size": len(request.body),
    }
    try:
        async with asyncio.timeout(ANSWER_S):
            await _write(sock, head, request.body)
            answer, body = await _read(sock)
    except TimeoutError:
        raise LinkDown(f"the kit did not answer within {ANSWER_S:g} s", code="kit-unreachable") from None
    finally:
        sock.close()
    headers = _headers(answer)
    return ApiAnswer(whole(answer, "status", 100, 599), {k: v for k, v in headers.items() if k in RETURNED}, body)


async def serve(sock: socket.socket, home: Home, who: Any) -> None:
    """At the kit: one request. `who(as)` gives whom the asker is here. Closes `sock`."""
    try:
        async with asyncio.timeout(ANSWER_S):
            head, body = await _read(sock)
            named = head.get("as")
            principal: Principal = who(named if isinstance(named, dict) else {})
            answer = await _answer(home, head, body, principal)
            await _write(sock, {"status": answer.status, "headers": dict(answer.headers)}, answer.body)
            sock.shutdown(socket.SHUT_WR)
            # The far side closes when it has it all.
            await asyncio.get_running_loop().sock_recv(sock, 1)
    except (GatewayError, TimeoutError, OSError) as exc:
        log.info("a request of the center ended early: %s", exc)
    finally:
        sock.close()


async def _answer(home: Home, head: Mapping[str, Any], body: bytes, who: Principal) -> ApiAnswer:
    request = ApiRequest(
        text(head, "method", 16), text(head, "path", 1024), text(head, "query", 4096), _headers(head), body
    )
    if not allowed(request.method, request.path):
        return ApiAnswer(403, {"content-type": "text/plain"}, b"not for a center")
    answer = await home.api(request, who)
    if len(answer.body) > MOST_BODY:
        return ApiAnswer(413, {"content-type": "text/plain"}, b"more than 8 MB")
    return ApiAnswer(answer.status, {k: v for k, v in answer.headers.items() if k in RETURNED}, answer.body)


def _headers(head: Mapping[str, Any]) -> Mapping[str, str]:
    headers = head.get("headers", {})
    if not isinstance(headers, dict) or len(headers) > 32:
        raise RemoteProtocolError("headers that are none", code="record-damaged")
    return {text({"n": name}, "n", 64).lower(): text({"v": value}, "v", 1024) for name, value in headers.items()}


async def _write(sock: socket.socket, head: Mapping[str, Any], body: bytes) -> None:
    packed = msgpack.packb({**head, "size": len(body)})
    try:
        await asyncio.get_running_loop().sock_sendall(sock, _LENGTH.pack(len(packed)) + packed + body)
    except OSError as exc:
        raise LinkDown(str(exc), code="kit-unreachable") from exc


async def _read(sock: socket.socket) -> tuple[Mapping[str, Any], bytes]:
    (length,) = _LENGTH.unpack(await _exactly(sock, _LENGTH.size))
    if length > MOST_HEAD:
        raise RemoteProtocolError(f"a head of {length} bytes", code="record-damaged")
    try:
        head = msgpack.unpackb(await _exactly(sock, length))
    except GatewayError:
        raise
    except Exception as exc:  # msgpack has a family of its own, ValueErrors and more
        raise RemoteProtocolError("no msgpack", code="record-damaged") from exc
    if not isinstance(head, dict) or not all(isinstance(key, str) for key in head):
        raise RemoteProtocolError("a head that is none", code="record-damaged")
    bounded(head)
    return head, await _exactly(sock, whole(head, "size", 0, MOST_BODY))


async def _exactly(sock: socket.socket, size: int) -> bytes:
    loop, got = asyncio.get_running_loop(), bytearray()
    while len(got) < size:
        try:
            data = await loop.sock_recv(sock, min(size - len(got), 65_536))
        except OSError as exc:
            raise LinkDown(str(exc), code="kit-unreachable") from exc
        if not data:
            raise LinkDown("the stream ended early", code="kit-unreachable")
        got += data
    return bytes(got)
