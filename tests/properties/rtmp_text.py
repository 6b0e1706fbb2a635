"""What RTMP's peers can say, for the fuzzer: runs of messages, each one byte of type, two of length, then its body."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.rtmp.protocol import amf
from adapters.rtmp.protocol import messages as m
from adapters.rtmp.protocol.client import ClientSession, Ready
from adapters.rtmp.protocol.handshake import BLOCK, ClientHandshake, ServerHandshake
from adapters.rtmp.protocol.names import asked
from adapters.rtmp.protocol.server import Play, Publish, ServerSession
from gateway.base.errors import RemoteProtocolError


def pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 3 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 3])
        yield data[at], data[at + 3 : at + 3 + size]
        at += 3 + size


def packed(*messages: tuple[int, bytes]) -> bytes:
    return b"".join(bytes((kind,)) + len(body).to_bytes(2) + body for kind, body in messages)


def try_rtmp(data: bytes) -> None:
    """Both sides hear it, each to its own first refusal; what goes out is whole."""
    for side in (_server, _client):
        try:
            side(data)
        except RemoteProtocolError:
            pass
    for handshake in (ServerHandshake(), ClientHandshake()):
        try:
            handshake.receive(data[:5])
            handshake.receive(data.ljust(2 * BLOCK, b"\0"))
        except RemoteProtocolError:
            pass
    values = amf.decode(data[3:])
    if amf.decode(amf.encode(*values)) != values and not _has_nan(values):
        raise AssertionError("AMF0 that was read is not written the same")


def _has_nan(value: object) -> bool:
    if isinstance(value, float):
        return value != value
    if isinstance(value, dict):
        return any(_has_nan(inner) for inner in value.values())
    return isinstance(value, list) and any(_has_nan(inner) for inner in value)


def _server(data: bytes) -> None:
    session = ServerSession()
    for kind, body in pieces(data):
        for event in session.receive(kind, 1, body):
            if isinstance(event, Publish | Play):
                app = session.connected.app if session.connected else ""
                wanted = asked(app, event.name, ("live",))
                if any(ord(c) < 32 for c in wanted.path) or len(wanted.path) > 400:
                    raise AssertionError("a name that can not be went through")
                session.accept({})
                session.end("x", "y")
        _whole(session.data_to_send())


def _client(data: bytes) -> None:
    session = ClientSession("play", app="live", stream="x", tc_url="rtmp://h/live")
    session.begin()
    for kind, body in pieces(data):
        for event in session.receive(kind, 0, body):
            if isinstance(event, Ready):
                session.go()
        _whole(session.data_to_send())
    session.leave()


def _whole(messages: list[m.Outgoing]) -> None:
    for message in messages:
        if len(message.data) > 65_536 or not 2 <= message.chunk_stream < 64:
            raise AssertionError("a message that the media plane would refuse")
        if message.type_id in (m.COMMAND, m.DATA):
            amf.decode(message.data)
