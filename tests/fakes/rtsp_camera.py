"""A camera that speaks RTSP as cameras do: with habits that are switched on one by one. It sends real H.264."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import secrets
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PACE_S = 0.04
SPS = bytes.fromhex("6742c01fda014016e840000003004000000c83c60ca8")
PPS = bytes.fromhex("68ce0fc8")


@dataclass
class Habits:
    """What this camera does otherwise than it should."""

    base: str | None = "{uri}/"
    """Content-Base; None: no such header."""
    control: str = "trackID=0"
    """{uri} stands for the URI asked for."""
    whole: str = "*"
    refuses: tuple[str, ...] = ()
    """Transports answered with 461: "tcp", "udp"."""
    transport: str | None = "full"
    """"full", "short" (neither channels nor ports), None: no such header."""
    user: str = ""
    password: str = ""
    algorithm: str = "MD5"
    """"Basic", "MD5", "SHA-256"."""
    qop: bool = True
    redirect: str = ""
    silent_after: int = -1
    """Pictures; then nothing more, though the connection stands."""
    mute_on: str = ""
    """A method that is never answered."""
    no_range: bool = False
    public: str = "OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY"
    timeout: str = ";timeout=60"
    media: str = "H264/90000"
    says: str = ""
    """A whole description in place of ours."""
    cseq: bool = True
    one_channel: bool = False
    """RTCP comes on the channel of RTP."""
    back_channel: bool = False
    wrong_port: bool = False
    """Its datagrams come from another port than it says."""
    chatty: bool = False
    """Asks us things between the pictures."""
    keep_alive: int = 200
    """How GET_PARAMETER is answered where Public names it."""
    status: int = 200
    """How DESCRIBE is answered."""
    leads_on: str = ""
    """Where it sends us while pictures flow (REDIRECT)."""
    group: str = ""
    """Where it sends its pictures by multicast."""


@dataclass
class Camera:
    habits: Habits
    port: int = 0
    scheme: str = "rtsp"
    asked: list[str] = field(default_factory=list)
    """Methods as they came."""
    uris: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    """Authorization headers."""
    heard: list[bytes] = field(default_factory=list)
    """Packets that came on a back channel."""
    open: int = 0
    ever: int = 0
    udp_to: tuple[str, int] | None = None
    """Where a client wants its datagrams, once it has asked for them."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/cam/realmonitor?channel=1&subtype=0"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.ever += 1
        try:
            await _Talk(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


class _Talk:
    def __init__(self, camera: Camera, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.camera, self.habits, self.reader, self.writer = camera, camera.habits, reader, writer
        self.nonce = secrets.token_hex(8)
        self.udp: socket.socket | None = None
        self.sender: asyncio.Task[None] | None = None
        self.ears = False

    async def run(self) -> None:
        try:
            while True:
                first = await self.reader.readexactly(1)
                if first == b"$":
                    channel, size = struct.unpack("!BH", await self.reader.readexactly(3))
                    data = await self.reader.readexactly(size)
                    if self.ears and channel == 0:
                        self.camera.heard.append(data)
                    continue
                head = (first + await self.reader.readuntil(b"\r\n\r\n")).decode()
                if head.startswith("RTSP/"):
                    continue  # an answer to what we asked
                lines = head.split("\r\n")
                method, uri, _ = lines[0].split(" ", 2)
                headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
                self.camera.asked.append(method)
                self.camera.uris.append(uri)
                if method != self.habits.mute_on:
                    await self.answer(method, uri, headers)
        finally:
            if self.sender is not None:
                self.sender.cancel()
            if self.udp is not None:
                self.udp.close()

    async def answer(self, method: str, uri: str, headers: dict[str, str]) -> None:
        habits = self.habits
        if method != "OPTIONS" and habits.user and not self.knows(method, headers.get("authorization", "")):
            return self.say(401, headers, ("WWW-Authenticate", self.challenge()))
        match method:
            case "OPTIONS":
                self.say(200, headers, ("Public", habits.public))
            case "DESCRIBE" if habits.redirect:
                self.say(302, headers, ("Location", habits.redirect))
            case "DESCRIBE" if habits.status != 200:
                self.say(habits.status, headers)
            case "DESCRIBE":
                lines = [("Content-Type", "application/sdp")]
                if habits.base is not None:
                    lines.append(("Content-Base", habits.base.format(uri=uri)))
                self.say(200, headers, *lines, body=self.sdp(uri, "require" in headers))
            case "SETUP":
                self.ears = uri.endswith("trackID=5") and "require" in headers
                self.set_up(headers)
            case "PLAY" if habits.no_range and "range" in headers:
                self.say(457, headers)
            case "PLAY":
                self.say(200, headers, ("Session", f"1234{habits.timeout}"))
                if not self.ears:
                    self.sender = self.sender or asyncio.create_task(self.send())
            case "GET_PARAMETER":
                self.say(habits.keep_alive if "GET_PARAMETER" in habits.public else 501, headers)
            case _:
                self.say(200, headers, ("Session", "1234"))

    def say(self, status: int, headers: dict[str, str], *lines: tuple[str, str], body: bytes = b"") -> None:
        out = [f"RTSP/1.0 {status} Fine"]
        if self.habits.cseq:
            out.append(f"CSeq: {headers.get('cseq', '')}")
        out += [f"{name}: {value}" for name, value in lines]
        if body:
            out.append(f"Content-length: {len(body)}")
        self.writer.write(("\r\n".join(out) + "\r\n\r\n").encode() + body)

    def sdp(self, uri: str, required: bool) -> bytes:
        if self.habits.says:
            return self.habits.says.encode()
        control = self.habits.control.format(uri=uri)
        out = f"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=Cam\r\nt=0 0\r\na=control:{self.habits.whole}\r\n"
        out += f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 {self.habits.media}\r\n"
        out += f"a=control:{control}\r\n" if control else ""
        if self.habits.back_channel and required:
            out += "m=audio 0 RTP/AVP 0\r\na=control:trackID=5\r\na=sendonly\r\n"
        return out.encode()

    def set_up(self, headers: dict[str, str]) -> None:
        habits = self.habits
        asked = headers.get("transport", "")
        way = "tcp" if "TCP" in asked else "multicast" if "multicast" in asked else "udp"
        if way in habits.refuses:
            return self.say(461, headers)
        if way == "multicast":
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            ours = socket.inet_aton(self.writer.get_extra_info("sockname")[0])
            self.udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, ours)
            self.udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
            port = free_pair(habits.group)
            self.udp.connect((habits.group, port))
            full = f"RTP/AVP;multicast;destination={habits.group};port={port}-{port + 1};ttl=1;ssrc=0000004D"
        elif way == "udp":
            port = int(asked.partition("client_port=")[2].split("-")[0])
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self.udp.bind(("127.0.0.1", 0))
            self.camera.udp_to = self.writer.get_extra_info("peername")[0], port
            self.udp.connect(self.camera.udp_to)
            own = self.udp.getsockname()[1] ^ (2 if habits.wrong_port else 0)
            full = f"RTP/AVP;unicast;client_port={port}-{port + 1};server_port={own}-{own ^ 1};ssrc=0000004D"
        else:
            full = asked + ";ssrc=0000004D"
        lines = [("Session", f"1234{habits.timeout}")]
        if habits.transport == "full":
            lines.append(("Transport", full))
        elif habits.transport == "short":
            lines.append(("Transport", "RTP/AVP/TCP;unicast" if way == "tcp" else "RTP/AVP;unicast"))
        self.say(200, headers, *lines)

    async def send(self) -> None:
        """Pictures at 25 a second, a key frame each second."""
        sock = self.udp
        seq = 65_500
        count = 0
        while self.habits.silent_after < 0 or count < self.habits.silent_after:
            key = count % 25 == 0
            body = (b"\x65\xb8" if key else b"\x41\x9a") + struct.pack("!I", count | 0x01010101) + b"\x55" * 600
            for nalu in [SPS, PPS, body] if key else [body]:
                marker = 0x80 if nalu is body else 0
                packet = struct.pack("!BBHII", 0x80, 96 | marker, seq & 0xFFFF, count * 3600, 77) + nalu
                seq += 1
                if sock is not None:
                    with contextlib.suppress(ConnectionError, BlockingIOError):
                        sock.send(packet)
                else:
                    self.writer.write(struct.pack("!cBH", b"$", 0, len(packet)) + packet)
            if count % 25 == 0 and sock is None:
                ntp = (3_909_000_000 + count // 25) << 32
                report = struct.pack("!BBHIQIII", 0x80, 200, 6, 77, ntp, count * 3600, 1, 1)
                channel = 0 if self.habits.one_channel else 1
                self.writer.write(struct.pack("!cBH", b"$", channel, len(report)) + report)
            if self.habits.leads_on and count == 10:
                self.writer.write(
                    f"REDIRECT * RTSP/1.0\r\nCSeq: 8\r\nLocation: {self.habits.leads_on}\r\n\r\n".encode()
                )
            if self.habits.chatty:
                self.writer.write(b"OPTIONS rtsp://x RTSP/1.0\r\nCSeq: 9\r\n\r\n")
            count += 1
            await self.writer.drain()
            await asyncio.sleep(PACE_S)

    # — who —

    def challenge(self) -> str:
        if self.habits.algorithm == "Basic":
            return 'Basic realm="cam"'
        qop = 'qop="auth", ' if self.habits.qop else ""
        return f'Digest realm="cam", nonce="{self.nonce}", {qop}algorithm={self.habits.algorithm}'

    def knows(self, method: str, value: str) -> bool:
        habits = self.habits
        self.camera.secrets.append(value)
        if habits.algorithm == "Basic":
            return value == "Basic " + base64.b64encode(f"{habits.user}:{habits.password}".encode()).decode()
        fields = {k.strip(): v.strip().strip('"') for k, _, v in (p.partition("=") for p in value[7:].split(","))}

        def h(text: str) -> str:
            return hashlib.new("md5" if habits.algorithm == "MD5" else "sha256", text.encode()).hexdigest()

        ha1 = h(f"{habits.user}:cam:{habits.password}")
        ha2 = h(f"{method}:{fields.get('uri', '')}")
        if habits.qop:
            middle = f"{self.nonce}:{fields.get('nc')}:{fields.get('cnonce')}:auth"
        else:
            middle = self.nonce
        return fields.get("response") == h(f"{ha1}:{middle}:{ha2}")


def free_pair(group: str) -> int:
    """An even port of the group that nobody has, with the next one."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
        ):
            one.bind((group, 0))
            port = int(one.getsockname()[1])
            with contextlib.suppress(OSError):
                two.bind((group, port ^ 1))
                return port & ~1


@asynccontextmanager
async def a_camera(*, tls: ssl.SSLContext | None = None, **habits: object) -> AsyncIterator[Camera]:
    """`tls`: of RTSPS."""
    camera = Camera(Habits(**habits), scheme="rtsps" if tls else "rtsp")  # type: ignore[arg-type]
    server = await asyncio.start_server(camera._serve, "127.0.0.1", 0, ssl=tls)
    camera.port = server.sockets[0].getsockname()[1]
    assert urlsplit(camera.url).port == camera.port
    try:
        yield camera
    finally:
        server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await server.wait_closed()
