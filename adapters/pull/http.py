"""A small HTTP/1.1 client: every connection by `Reach`, also after redirects; bodies as they come, framed by h11.

A URL that a technician wrote is trusted, and so is what stands on the same host; what a playlist, a redirect or a
hook names elsewhere may not lead into private networks.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

import h11

from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, PeerError, RemoteProtocolError
from gateway.base.url import SourceUrl, parse_url
from gateway.contract.adapter import Context

CONNECT_S = 8.0
ANSWER_S = 15.0
REDIRECTS = 5
READ = 256 * 1024
PORTS = {"http": 80, "https": 443}
AGENT = "Fieldgate"


@dataclass(frozen=True, slots=True)
class Address:
    """A URL to ask. `secret` goes as HTTP Basic to its own host only."""

    url: str
    trusted: bool = False
    secret: tuple[str, str] | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    def join(self, uri: str) -> Address:
        """What a playlist or a redirect names. Raises RemoteProtocolError (`bad-url`)."""
        try:
            made = urljoin(self.url, uri)
            same = urlsplit(made).hostname == self.host
        except ValueError:
            raise RemoteProtocolError("a URI of the far side is none", code="bad-url") from None
        if parse_url(made.partition("#")[0]).scheme not in PORTS:
            raise RemoteProtocolError("the far side names something that is not HTTP", code="bad-url")
        to = Address(made.partition("#")[0], self.trusted and same)
        return replace(to, secret=self.secret) if self.may_tell(to) else to

    def may_tell(self, to: Address) -> bool:
        """Whether what is secret here may be told there: to the same host, and never in clear after TLS."""
        mine, its = urlsplit(self.url), urlsplit(to.url)
        return mine.hostname == its.hostname and (its.scheme == "https" or mine.scheme == "http")

    def __str__(self) -> str:
        return str(parse_url(self.url))


def address_of(url: SourceUrl, scheme: str) -> Address:
    """A source's URL as one to ask."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    text = f"{scheme}://{host}{f':{url.port}' if url.port else ''}{url.path or '/'}"
    return Address(text, url.trusted, (url.user, url.password) if url.user else None)


@dataclass(slots=True)
class Answer:
    """`address`: where it came from in the end, after redirects."""

    status: int
    headers: Mapping[str, str]
    address: Address
    body: AsyncIterator[bytes]
    connection: _Connection

    def plain_rest(self) -> tuple[socket.socket, bytes] | None:
        """The connection itself and what was read of the body, where the body is all that follows: no length, no
        chunks. It belongs to the caller then. None where the framing needs a reader."""
        if "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", ""):
            return None
        return self.connection.hand_over()

    async def read(self, most: int) -> bytes:
        """The whole body. Raises RemoteProtocolError (`too-large`)."""
        held = bytearray()
        async for part in self.body:
            held += part
            if len(held) > most:
                raise RemoteProtocolError(f"{self.address} sends more than {most} bytes", code="too-large")
        return bytes(held)


class _Connection:
    """One connection, to one host."""

    def __init__(self, sock: socket.socket, where: tuple[str, str, int]) -> None:
        self.sock = sock
        self.where = where
        self.h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=64 * 1024)
        self._loop = asyncio.get_running_loop()
        self._first = b""

    @property
    def reusable(self) -> bool:
        return self.h11.our_state is h11.DONE and self.h11.their_state is h11.DONE

    async def send(self, request: h11.Request, body: bytes) -> None:
        data = self.h11.send(request) or b""
        if body:
            data += self.h11.send(h11.Data(body)) or b""
        data += self.h11.send(h11.EndOfMessage()) or b""
        await self._loop.sock_sendall(self.sock, data)

    async def event(self) -> h11.Event | None:
        """None: nothing follows on this connection."""
        while True:
            event = self.h11.next_event()
            if event is h11.PAUSED:
                return None
            if event is not h11.NEED_DATA:
                assert isinstance(event, h11.Event)  # noqa: S101  (the two marks are handled)
                return event
            self.h11.receive_data(await self._loop.sock_recv(self.sock, READ))

    async def body(self) -> AsyncIterator[bytes]:
        while True:
            async with asyncio.timeout(ANSWER_S):
                event = await self.event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise LinkDown("the connection ended before the answer did", code="source-ended")

    def hand_over(self) -> tuple[socket.socket, bytes]:
        taken, _ = self.h11.trailing_data
        sock, self.sock = self.sock, socket.socket()
        self.sock.close()
        return sock, taken

    def close(self) -> None:
        self.sock.close()


class Client:
    """Keeps one connection open for the next question to the same host."""

    def __init__(self, context: Context, *, ca: str = "", verify: bool = True) -> None:
        self._context = context
        self._ca = ca
        self._verify = verify
        self._kept: _Connection | None = None

    def another(self) -> Client:
        """With the same rules, for a question beside one that is not over."""
        return Client(self._context, ca=self._ca, verify=self._verify)

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    @asynccontextmanager
    async def ask(
        self,
        address: Address,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        redirects: int = REDIRECTS,
    ) -> AsyncIterator[Answer]:
        """One question, redirects followed. Raises LinkDown, PeerError (`source-refused`, `source-gone` with the
        status), Denied (`url-refused`), RemoteProtocolError."""
        connection: _Connection | None = None
        try:
            for _ in range(redirects + 1):
                connection, answer = await self._once(address, method, headers or {}, body)
                if answer.status not in (301, 302, 303, 307, 308):
                    _check(answer)
                    yield answer
                    return
                to = answer.headers.get("location", "")
                self._keep_or_close(connection)
                connection = None
                if not to:
                    raise RemoteProtocolError(f"{address} redirects to nowhere", code="bad-url")
                led = address.join(to)
                if answer.status == 303:
                    method, body = "GET", b""
                if not address.may_tell(led):
                    # A hook's headers and body hold its key.
                    if body:
                        raise RemoteProtocolError(f"{address} redirects what is asked to another host", code="bad-url")
                    headers = {name: value for name, value in (headers or {}).items() if name.lower() == "range"}
                address = led
            raise RemoteProtocolError(f"{address} redirects more than {redirects} times", code="bad-url")
        except h11.RemoteProtocolError as exc:
            raise RemoteProtocolError(f"{address} answers with no HTTP: {exc}", code="http-broken") from exc
        except TimeoutError as exc:
            raise LinkDown(f"{address} does not answer", code="connect-timeout") from exc
        except OSError as exc:
            raise LinkDown(f"{address}: {exc.strerror or exc}", code="link-down") from exc
        finally:
            if connection is not None:
                self._keep_or_close(connection)

    async def _once(
        self, address: Address, method: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[_Connection, Answer]:
        reused = self._take(address)
        connection = reused or await self._connect(address)
        try:
            return connection, await self._exchange(connection, address, method, headers, body)
        except (OSError, h11.RemoteProtocolError, LinkDown) as exc:
            fault = self._tls_fault(connection)
            connection.close()
            if fault:
                raise LinkDown(f"TLS to {address}: {fault}", code="tls-failed") from exc
            if reused is None or method != "GET":
                raise
        except BaseException:
            connection.close()
            raise
        # The far side had let go the connection that was kept: once more on a new one.
        connection = await self._connect(address)
        try:
            return connection, await self._exchange(connection, address, method, headers, body)
        except BaseException:
            connection.close()
            raise

    async def _exchange(
        self, connection: _Connection, address: Address, method: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        parts = urlsplit(address.url)
        told = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": AGENT, "Accept": "*/*", **headers}
        if address.secret is not None:
            told["Authorization"] = "Basic " + base64.b64encode(":".join(address.secret).encode()).decode()
        if body:
            told["Content-Length"] = str(len(body))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            request = h11.Request(method=method, target=_ascii(target), headers=list(told.items()))
        except h11.LocalProtocolError as exc:
            raise RemoteProtocolError("the URL can not be asked for", code="bad-url") from exc
        async with asyncio.timeout(ANSWER_S):
            await connection.send(request, body)
            event = await connection.event()
            while isinstance(event, h11.InformationalResponse):
                event = await connection.event()
        if not isinstance(event, h11.Response):
            raise LinkDown(f"{address} ended the connection", code="source-ended")
        found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in event.headers}
        return Answer(event.status_code, found, address, connection.body(), connection)

    async def _connect(self, address: Address) -> _Connection:
        parts = urlsplit(address.url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        sock = await self._context.reach.connect(host, port, timeout_s=CONNECT_S, trusted=address.trusted)
        if parts.scheme == "https":
            try:
                plain = self._context.media.engine.tls_client(sock.detach(), host, self._ca, verify=self._verify)
            except codecs.MediaError as exc:
                raise LinkDown(f"TLS to {address}: {exc}", code="tls-failed") from exc
            sock = socket.socket(fileno=plain)
            sock.setblocking(False)
        return _Connection(sock, (parts.scheme, host, port))

    def _tls_fault(self, connection: _Connection) -> str:
        """Why TLS failed on it, in words; "" where it did not."""
        return self._context.media.engine.tls_fault(connection.sock.fileno()) if connection.where[0] == "https" else ""

    def _take(self, address: Address) -> _Connection | None:
        parts = urlsplit(address.url)
        where = (parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0))
        kept, self._kept = self._kept, None
        if kept is not None and kept.where == where:
            kept.h11.start_next_cycle()
            return kept
        if kept is not None:
            kept.close()
        return None

    def _keep_or_close(self, connection: _Connection) -> None:
        if connection.sock.fileno() >= 0 and connection.reusable:
            self.close()
            self._kept = connection
        else:
            connection.close()


def _ascii(target: str) -> bytes:
    """As browsers do: what is no ASCII goes as percent-encoded UTF-8."""
    return b"".join(bytes([b]) if 0x20 < b < 0x7F else b"%%%02X" % b for b in target.encode("utf-8", "replace"))


def _check(answer: Answer) -> None:
    if answer.status in (200, 206):
        return
    code = {401: "source-refused", 403: "source-refused", 404: "source-gone", 410: "source-gone"}
    raise PeerError(
        f"{answer.address} answers {answer.status}",
        status=answer.status,
        code=code.get(answer.status, "http-failed"),
    )


def expired(exc: GatewayError) -> bool:
    """Whether an address that expires may be what is wrong."""
    return isinstance(exc, PeerError) and exc.status in (401, 403, 404, 410)
