"""What RTSP reads of strangers: messages however they are cut, headers, descriptions."""

from __future__ import annotations

from adapters.rtsp.protocol.described import read_description
from gateway.base.errors import RemoteProtocolError, Unsupported
from gateway.wire.rtsp import (
    Credentials,
    Guard,
    Message,
    RtspReader,
    RtspRequest,
    RtspResponse,
    join_control,
    parse_message,
    parse_public,
    parse_session,
    parse_transports,
    track_of,
)


def try_rtsp(data: bytes) -> None:
    whole, halves = _read([data]), _read([data[: len(data) // 2], data[len(data) // 2 :]])
    if whole != halves:
        raise AssertionError("a cut changes what is read")
    for message in whole:
        again = parse_message(bytes(message))
        if parse_message(bytes(again)) != again:
            raise AssertionError("parse and build do not settle")
        _headers(message)
    message = parse_message(data)
    _headers(message)


def _read(pieces: list[bytes]) -> list[Message]:
    reader, out = RtspReader(), []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (message := reader.next()) is not None:
                out.append(message)
    except RemoteProtocolError:
        pass
    return out


def _headers(message: Message) -> None:
    headers = message.headers
    for value in headers.all("Transport"):
        for found in parse_transports(value):
            if not (-1 <= found.channel <= 255 and max(found.client_port + found.server_port + found.port) <= 65536):
                raise AssertionError("a transport that can not be")
            parse_transports(str(found))
    session = parse_session(headers.get("Session"))
    if session is not None and not 5 <= session.timeout_s <= 3600:
        raise AssertionError("a timeout that can not be")
    parse_public(headers.get("Public"))
    _ = message.cseq
    if isinstance(message, RtspResponse):
        credentials = Credentials("user", "pass-word")
        if credentials.learn(message):
            bytes(credentials.sign(RtspRequest("DESCRIBE", "rtsp://a/b")))
    else:
        Guard("x", ["MD5", "SHA-256"]).judge(message, 0.0, lambda _user: "secret", basic=True)
        join_control(message.uri, "trackID=0")
        track_of(message.uri, ["rtsp://a/b/trackID=0", "rtsp://a/b/trackID=1"])
    try:
        described = read_description(message.body, "rtsp://a/b/")
    except Unsupported:
        return
    except RemoteProtocolError:
        return
    if len(described.tracks) > 2 or any(not 0 <= p.pt <= 127 for t in described.tracks for p in t.payloads):
        raise AssertionError("a description that can not be")
