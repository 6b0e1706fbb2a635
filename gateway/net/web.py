"""A small HTTP/1.1 client for devices on site: bounded, one connection a request, digest by RFC 7616.

Cameras' web servers mishandle kept connections, so each request has its own. Framing is h11's. Where it may connect is
the caller's matter: `Connect` is `contract.source.Reach.connect` or something like it, asked anew each time.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from gateway.base.errors import LinkDown, PeerError, RemoteProtocolError
from gateway.wire.digest import Challenge, DigestClient

Connect = Callable[[str, int], Awaitable[socket.socket]]
"""(host, port) → a connected non-blocking socket. Raises LinkDown, Denied."""

MAX_BODY = 1024 * 1024
MAX_HEAD = 32 * 1024
_READ = 65536


@dataclass(frozen=True, slots=True)
class WebUrl:
    """An http or https URL taken apart; never with user and password in it."""

    host: str
    port: int
    path: str  # with its query; begins with "/"
    tls: bool = False

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """As the Host header has it: the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class WebAnswer:
    status: int
    headers: tuple[tuple[str, str], ...]  # names in lower case
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str:
        return next(iter(self.all(name)), "")


def read_url(text: str) -> WebUrl:
    """Raises RemoteProtocolError (`bad-url`): another scheme, control characters, no host, over 2048 characters."""
    text = text.strip()
    if len(text) > 2048 or not text.isprintable() or " " in text:
        raise RemoteProtocolError("a URL that is too long or holds blanks or control characters", code="bad-url")
    try:
        parts = urlsplit(text)
        port = parts.port
        host = parts.hostname or ""
    except ValueError as exc:
        raise RemoteProtocolError(f"{text[:80]!r} is no URL: {exc}", code="bad-url") from exc
    if parts.scheme not in ("http", "https") or not host:
        raise RemoteProtocolError(f"{text[:80]!r} is no http or https URL", code="bad-url")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebUrl(host, port or (443 if tls else 80), path if path.startswith("/") else f"/{path}", tls)


def unverified() -> ssl.SSLContext:
    """TLS to a device that has nothing but a certificate of its own making: the line is private, the far end is not
    proved by it (its password digest is never sent in clear either way)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Cameras of years ago know nothing newer than TLS 1.2 with SHA-1 certificates and short keys.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


async def request(
    connect: Connect,
    url: WebUrl,
    method: str = "GET",
    body: bytes = b"",
    *,
    headers: Sequence[tuple[str, str]] = (),
    timeout_s: float = 5.0,
    max_body: int = MAX_BODY,
    tls: ssl.SSLContext | None = None,
    on_certificate: Callable[[bytes], None] | None = None,
) -> WebAnswer:
    """One request and its whole answer. `on_certificate` gets the one that the server showed, DER.

    Raises LinkDown (`connect-…`, `http-no-answer`), RemoteProtocolError, and what `connect` raises.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _request(connect, url, method, body, headers, max_body, tls, on_certificate)
    except TimeoutError as exc:
        text = f"{url.authority} did not answer {method} within {timeout_s:g} s"
        raise LinkDown(text, code="http-no-answer") from exc
    except ssl.SSLError as exc:
        raise LinkDown(f"{url.authority}: TLS failed: {exc.reason or exc}", code="http-no-answer") from exc
    except OSError as exc:
        raise LinkDown(f"{url.authority}: {exc.strerror or exc}", code="http-no-answer") from exc


async def _request(
    connect: Connect,
    url: WebUrl,
    method: str,
    body: bytes,
    headers: Sequence[tuple[str, str]],
    max_body: int,
    tls: ssl.SSLContext | None,
    on_certificate: Callable[[bytes], None] | None,
) -> WebAnswer:
    connected = await connect(url.host, url.port)
    secure = (tls or unverified()) if url.tls else None
    name = url.host if url.tls else None
    try:
        reader, writer = await asyncio.open_connection(sock=connected)
    except BaseException:
        connected.close()
        raise
    try:
        if secure is not None:
            # Not in open_connection: cancelled at the end of its handshake it waits for the far side's farewell, on the
            # number of a socket that is somebody else's by then.
            await writer.start_tls(secure, server_hostname=name)
        if on_certificate is not None and (proved := writer.get_extra_info("ssl_object")) is not None:
            on_certificate(proved.getpeercert(binary_form=True) or b"")
        return await _talk(reader, writer, url, method, body, headers, max_body)
    except (h11.RemoteProtocolError, h11.LocalProtocolError) as exc:
        raise RemoteProtocolError(f"{url.authority} does not speak HTTP: {exc}", code="not-http") from exc
    finally:
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            writer.transport.abort()


async def _talk(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    url: WebUrl,
    method: str,
    body: bytes,
    headers: Sequence[tuple[str, str]],
    max_body: int,
) -> WebAnswer:
    wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    head = [("Host", url.authority), ("User-Agent", "Fieldgate"), ("Connection", "close"), *headers]
    if body or method in ("POST", "PUT"):
        head.append(("Content-Length", str(len(body))))
    sent = wire.send(h11.Request(method=method, target=_ascii(url.path), headers=head)) or b""
    if body:
        sent += wire.send(h11.Data(data=body)) or b""
    sent += wire.send(h11.EndOfMessage()) or b""
    writer.write(sent)
    await writer.drain()
    status, fields, pieces, size = 0, [], [], 0
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(_READ))
        elif isinstance(event, h11.Response):
            status = event.status_code
            fields = [(k.decode("latin-1"), v.decode("latin-1").strip()) for k, v in event.headers]
        elif isinstance(event, h11.Data):
            size += len(event.data)
            if size > max_body:
                text = f"{url.authority} answers with more than {max_body} bytes"
                raise RemoteProtocolError(text, code="http-too-large")
            pieces.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return WebAnswer(status, tuple(fields), b"".join(pieces))
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            raise RemoteProtocolError(f"{url.authority} closed without an answer", code="not-http")


def _ascii(path: str) -> bytes:
    """As browsers do: what is no printable ASCII goes as percent-encoded UTF-8."""
    data = path.encode("utf-8", "replace")
    return b"".join(bytes([b]) if 0x20 < b < 0x7F else b"%%%02X" % b for b in data)


class WebClient:
    """Requests to one device, with its password by digest where it asks for one. Basic goes over TLS only."""

    def __init__(self, connect: Connect, user: str, password: str, *, timeout_s: float = 5.0) -> None:
        self._connect = connect
        self._digest = DigestClient(user, password) if user else None
        self._basic = _basic(user, password) if user else ""
        self._timeout_s = timeout_s
        self._tls: ssl.SSLContext | None = None

    async def send(
        self,
        url: WebUrl,
        method: str = "GET",
        body: bytes = b"",
        *,
        headers: Sequence[tuple[str, str]] = (),
        timeout_s: float | None = None,
        max_body: int = MAX_BODY,
    ) -> WebAnswer:
        """The answer, after one round of digest where that was asked for: a 401 in it means that it did not help.
        Raises what `request` does, and PeerError (`basic-only`) when only Basic is offered over plain HTTP."""
        if url.tls and self._tls is None:
            self._tls = unverified()

        async def once(more: Sequence[tuple[str, str]]) -> WebAnswer:
            return await request(
                self._connect,
                url,
                method,
                body,
                headers=[*headers, *more],
                timeout_s=timeout_s or self._timeout_s,
                max_body=max_body,
                tls=self._tls,
            )

        unasked = self._digest.again(method, url.path, body) if self._digest is not None else None
        answer = await once([("Authorization", str(unasked))] if unasked is not None else [])
        if answer.status != 401 or self._digest is None:
            return answer
        offered = answer.all("www-authenticate")
        challenge = self._digest.choose(offered)
        if challenge is not None:
            if unasked is not None and not _is_new(challenge, unasked.nonce):
                return answer
            return await once([("Authorization", str(self._digest.answer(challenge, method, url.path, body)))])
        if any(value.lower().startswith("basic") for value in offered):
            if not url.tls:
                raise PeerError(
                    f"{url.authority} takes a password in clear only (HTTP Basic): it is not sent",
                    status=401,
                    code="basic-only",
                )
            return await once([("Authorization", self._basic)])
        return answer


def _is_new(challenge: Challenge, nonce: str) -> bool:
    return challenge.stale or challenge.nonce != nonce


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
