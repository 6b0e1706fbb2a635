"""A device by the letter of a script: raw sockets, `gateway.wire` for the text, nothing of the endpoint under test.

It answers what a decent device answers (200 to every message, catalogue, description, subscriptions, INVITE), and
each of these can be bent by a field or a function, which is how faults are played.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from gateway.wire.digest import DigestClient
from gateway.wire.sip import Headers, SipMessage, SipRequest, SipResponse, parse_datagram, parse_message, respond

HOST = "127.0.0.1"
BALL = "34020000001320000001"
CHANNEL = "34020000001310000001"
PLATFORM = "34020000002000000001"
DOMAIN = "3402000000"
RTP = bytes.fromhex("80600001000000000bebc207") + bytes.fromhex("000001ba") + bytes(24)
"""One RTP packet, payload type 96, SSRC 200000007, that begins with a PS pack header."""


def item(external: str = CHANNEL, name: str = "ball", **more: str) -> str:
    extra = "".join(f"<{k}>{v}</{k}>" for k, v in more.items())
    return f"<Item><DeviceID>{external}</DeviceID><Name>{name}</Name><Status>ON</Status>{extra}</Item>"


def catalog(sn: str, items: Iterable[str], total: int | None = None) -> str:
    listed = list(items)
    number = len(listed) if total is None else total
    return (
        f"<Response><CmdType>Catalog</CmdType><SN>{sn}</SN><DeviceID>{BALL}</DeviceID><SumNum>{number}</SumNum>"
        f'<DeviceList Num="{len(listed)}">{"".join(listed)}</DeviceList></Response>'
    )


def keepalive(sn: int = 1, external: str = BALL) -> str:
    return (
        f"<Notify><CmdType>Keepalive</CmdType><SN>{sn}</SN><DeviceID>{external}</DeviceID><Status>OK</Status></Notify>"
    )


def value(body: bytes, tag: str) -> str:
    """The text of a tag in a message of ours (they are flat and well formed)."""
    text = body.decode("gb18030")
    _, found, rest = text.partition(f"<{tag}>")
    return rest.partition("<")[0] if found else ""


@dataclass
class Media:
    """What it does with an INVITE. `send`: "udp", "tcp", "listen" (waits to be dialled) or "" (nothing)."""

    send: str = "udp"
    status: int = 200
    sdp: Callable[[str, int], str] | None = None  # (our y, its port) → its answer
    bare: bool = False  # a 200 without Contact
    tagless: bool = False  # a 200 without a tag in To
    single: bool = False  # has one stream only: 486 while a call stands
    only: str = ""  # sends only if the offer's m= line holds this


@dataclass
class ScriptedDevice:
    server: tuple[str, int]
    id: str = BALL
    password: str = "secret"
    version: str = ""
    pages: Callable[[str], list[str]] | None = None  # SN → catalogue messages
    media: Media = field(default_factory=Media)
    subscribe_status: int = 200
    reply_status: int = 200  # to a MESSAGE
    options_status: int = 200
    status: str = ""  # what it says inside DeviceStatus; empty: it does not answer that
    silent: bool = False  # answers nothing at all any more
    wrap: Callable[[str], bytes] = lambda text: f'<?xml version="1.0" encoding="GB2312"?>\n{text}'.encode("gb18030")

    def __post_init__(self) -> None:
        self.requests: asyncio.Queue[SipRequest] = asyncio.Queue()
        self.seen: list[SipRequest] = []
        self._waiting: dict[tuple[str, str], asyncio.Future[SipResponse]] = {}
        self._cseq = itertools.count(1)
        self._unique = itertools.count(1)
        self._sock: socket.socket | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.dialogs: list[SipRequest] = []
        self.subscriptions: list[SipRequest] = []
        self.sockets: list[socket.socket] = []

    # — the wire —

    async def open(self, *, tcp: bool = False) -> ScriptedDevice:
        if tcp:
            reader, self._writer = await asyncio.open_connection(*self.server)
            self._spawn(self._read_stream(reader))
        else:
            self.rebind()
        return self

    def rebind(self) -> None:
        """A new port, as after NAT forgot us."""
        loop = asyncio.get_running_loop()
        if self._sock is not None:
            loop.remove_reader(self._sock)
            self._sock.close()
        self._sock = socket.socket(type=socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.bind((HOST, 0))
        self._sock.connect(self.server)
        loop.add_reader(self._sock, self._readable)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
        if self._writer is not None:
            self._writer.close()
            try:
                await self._writer.wait_closed()
            except OSError:
                pass
        for sock in self.sockets:
            sock.close()

    @property
    def port(self) -> int:
        if self._sock is not None:
            return int(self._sock.getsockname()[1])
        assert self._writer is not None
        return int(self._writer.get_extra_info("sockname")[1])

    def raw(self, data: bytes) -> None:
        if self._sock is not None:
            try:
                self._sock.send(data)
            except OSError:
                pass
        elif self._writer is not None:
            self._writer.write(data)

    def _readable(self) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(65536)
        except OSError:
            return
        self._take(parse_datagram(data))

    async def _read_stream(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.partition(b":")[2])
                    for line in head.lower().splitlines()
                    if line.startswith(b"content-length")
                )
                self._take(parse_message(head.lstrip(b"\r\n") + await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    def _take(self, message: SipMessage) -> None:
        if self.silent:
            return
        if isinstance(message, SipResponse):
            if message.status >= 200:
                waiting = self._waiting.get((message.call_id, str(message.cseq)))
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
            return
        self.seen.append(message)
        self.requests.put_nowait(message)
        if message.method == "SUBSCRIBE":
            self.subscriptions.append(message)
        self._spawn(self._answer(message))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # — what it asks —

    async def request(
        self,
        method: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        user: str = "",
        call_id: str = "",
        to_user: str = "",
        to: str = "",
        from_: str = "",
    ) -> SipResponse:
        number, unique = next(self._cseq), next(self._unique)
        transport = "UDP" if self._sock is not None else "TCP"
        call = call_id or f"{unique}-{self.port}@{HOST}"
        made = SipRequest(
            method,
            f"sip:{PLATFORM}@{DOMAIN}",
            Headers(
                [
                    ("Via", f"SIP/2.0/{transport} {HOST}:{self.port};rport;branch=z9hG4bK{unique}x{self.port}"),
                    ("From", from_ or f"<sip:{user or self.id}@{DOMAIN}>;tag=t{unique}"),
                    ("To", to or f"<sip:{to_user or PLATFORM}@{DOMAIN}>"),
                    ("Call-ID", call),
                    ("CSeq", f"{number} {method}"),
                    ("Contact", f"<sip:{self.id}@{HOST}:{self.port}>"),
                    ("Max-Forwards", "70"),
                    *headers,
                ]
            ),
            body,
        )
        future: asyncio.Future[SipResponse] = asyncio.get_running_loop().create_future()
        self._waiting[call, f"{number} {method}"] = future
        self.raw(bytes(made))
        async with asyncio.timeout(5):
            return await future

    async def register(self, expires: int = 3600, *, password: str | None = None, call_id: str = "") -> SipResponse:
        """Both rounds of REGISTER; the last answer."""
        call = call_id or f"reg-{next(self._unique)}-{self.port}@{HOST}"
        plain = [("Expires", str(expires)), *((("X-GB-Ver", self.version),) if self.version else ())]
        first = await self.request("REGISTER", plain, call_id=call, to_user=self.id)
        if first.status != 401:
            return first
        client = DigestClient(self.id, self.password if password is None else password)
        challenge = client.choose(first.headers.all("WWW-Authenticate"))
        assert challenge is not None
        answer = client.answer(challenge, "REGISTER", f"sip:{PLATFORM}@{DOMAIN}")
        return await self.request("REGISTER", [*plain, ("Authorization", str(answer))], call_id=call, to_user=self.id)

    async def message(self, text: str | bytes, *, user: str = "", call_id: str = "") -> SipResponse:
        body = text if isinstance(text, bytes) else self.wrap(text)
        return await self.request(
            "MESSAGE", [("Content-Type", "Application/MANSCDP+xml")], body, user=user, call_id=call_id
        )

    async def notify(self, text: str, *, state: str = "active;expires=500", subscription: int = 0) -> SipResponse:
        """In the dialog of the nth SUBSCRIBE that it took."""
        sub = self.subscriptions[subscription]
        return await self.request(
            "NOTIFY",
            [
                ("Content-Type", "Application/MANSCDP+xml"),
                ("Event", sub.headers.get("Event") or "presence"),
                ("Subscription-State", state),
            ],
            self.wrap(text),
            call_id=sub.call_id,
            to=str(sub.from_),
            from_=f"{sub.to};tag=sub",
        )

    async def bye(self) -> SipResponse:
        """End the newest call from its side."""
        invite = self.dialogs[-1]
        return await self.request("BYE", call_id=invite.call_id, to=str(invite.from_), from_=f"{invite.to};tag=call")

    # — what it is asked —

    async def got(self, true: Callable[[SipRequest], object], timeout: float = 5.0) -> SipRequest:
        """The next request, from the first not yet taken on, for which `true` holds."""
        async with asyncio.timeout(timeout):
            while True:
                request = await self.requests.get()
                if true(request):
                    return request

    async def order(self, tag: str, timeout: float = 5.0) -> str:
        """The value of `tag` in the next message that has it."""
        return value((await self.got(lambda r: value(r.body, tag), timeout)).body, tag)

    def reply(
        self, request: SipRequest, status: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        tag = {"SUBSCRIBE": "sub", "INVITE": "call"}.get(request.method, "x")
        self.raw(bytes(respond(request, status, headers=headers, body=body, tag=tag)))

    async def _answer(self, request: SipRequest) -> None:
        contact = ("Contact", f"<sip:{self.id}@{HOST}:{self.port}>")
        match request.method:
            case "MESSAGE":
                self.reply(request, self.reply_status)
                await self._business(request)
            case "SUBSCRIBE":
                self.reply(
                    request, self.subscribe_status, [contact, ("Expires", request.headers.get("Expires") or "0")]
                )
            case "INVITE":
                await self._invited(request, contact)
            case "ACK":
                pass
            case "OPTIONS":
                self.reply(request, self.options_status)
            case "BYE":
                self.dialogs = [d for d in self.dialogs if d.call_id != request.call_id]
                self.reply(request, 200)
            case _:
                self.reply(request, 200)

    async def _business(self, request: SipRequest) -> None:
        sn, cmd = value(request.body, "SN"), value(request.body, "CmdType")
        if b"<Query>" not in request.body:
            return
        if cmd == "Catalog":
            pages = self.pages(sn) if self.pages is not None else [catalog(sn, [item()])]
            for page in pages:
                await self.message(page)
        elif cmd == "DeviceInfo":
            await self.message(
                f"<Response><CmdType>DeviceInfo</CmdType><SN>{sn}</SN><DeviceID>{self.id}</DeviceID><Result>OK</Result>"
                "<DeviceName>球机</DeviceName><Manufacturer>Acme</Manufacturer><Model>B1</Model>"
                "<Firmware>1.2</Firmware></Response>"
            )
        elif cmd == "DeviceStatus" and self.status:
            await self.message(
                f"<Response><CmdType>DeviceStatus</CmdType><SN>{sn}</SN><DeviceID>{self.id}</DeviceID><Result>OK</Result>"
                f"{self.status}</Response>"
            )
        elif cmd == "PresetQuery":
            await self.message(
                f"<Response><CmdType>PresetQuery</CmdType><SN>{sn}</SN><DeviceID>{CHANNEL}</DeviceID>"
                '<PresetList Num="1"><Item><PresetID>3</PresetID><PresetName>大门</PresetName></Item></PresetList>'
                "</Response>"
            )

    async def _invited(self, request: SipRequest, contact: tuple[str, str]) -> None:
        if self.media.single and self.dialogs:
            self.reply(request, 486)
            return
        if self.media.status != 200:
            self.reply(request, self.media.status)
            return
        self.dialogs.append(request)
        offer = request.body.decode()
        line = next(part for part in offer.splitlines() if part.startswith("m="))
        y = next(part[2:] for part in offer.splitlines() if part.startswith("y="))
        port = int(line.split()[1])
        willing = self.media.only in line
        listener = socket.socket()
        listener.bind((HOST, 0))
        listener.setblocking(False)
        self.sockets.append(listener)
        if self.media.send == "listen" and willing:
            listener.listen()
        own = listener.getsockname()[1]
        answer = self.media.sdp(y, own) if self.media.sdp else self.sdp(y, own, line.split()[2])
        headers = [("Content-Type", "application/sdp"), *(() if self.media.bare else (contact,))]
        if self.media.tagless:
            self.raw(bytes(respond(request, 200, headers=headers, body=answer.encode())))
        else:
            self.reply(request, 200, headers, answer.encode())
        if willing:
            await self._send_media(port, listener)

    @staticmethod
    def sdp(y: str, port: int, proto: str = "RTP/AVP") -> str:
        return (
            f"v=0\r\no={BALL} 0 0 IN IP4 {HOST}\r\ns=Play\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=video {port} {proto} 96\r\n"
            f"a=sendonly\r\na=rtpmap:96 PS/90000\r\ny={y}\r\n"
        )

    async def _send_media(self, port: int, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        if self.media.send == "udp":
            out = socket.socket(type=socket.SOCK_DGRAM)
            self.sockets.append(out)
            out.sendto(RTP, (HOST, port))
        elif self.media.send == "tcp":
            out = socket.socket()
            out.setblocking(False)
            self.sockets.append(out)
            await loop.sock_connect(out, (HOST, port))
            await loop.sock_sendall(out, len(RTP).to_bytes(2, "big") + RTP)
        elif self.media.send == "listen":
            connection, _ = await loop.sock_accept(listener)
            self.sockets.append(connection)
            await loop.sock_sendall(connection, len(RTP).to_bytes(2, "big") + RTP)
