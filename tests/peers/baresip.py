"""baresip (Debian, 1.0) as a phone that says what it hears, ordered and heard by its TCP control port."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from gateway.wire.sip import Hop
from tests.paths.sip_rig import Kit
from tests.peers.programs import need

MODULES = Path("/usr/lib/baresip/modules")
PATIENCE_S = 15.0
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

_CONFIG = """
poll_method epoll
call_local_timeout 120
call_max_calls 8
sip_listen {host}:{sip}
rtp_ports {rtp}-{rtp_end}
rtp_stats no
audio_player aubridge,echo
audio_source {source}
audio_alert aubridge,alert
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels {channels}
auplay_channels {channels}
audio_buffer 20-160
video_source fakevideo,nil
video_display fakevideo,nil
video_size 352x288
video_bitrate 500000
video_fps 15
videnc_format yuv420p
net_interface {host}
module_path {modules}
{audio_modules}
module aubridge.so
module ausine.so
{video_modules}
module srtp.so
module dtls_srtp.so
module_tmp uuid.so
module_tmp account.so
module_app contact.so
module_app menu.so
module_app ctrl_tcp.so
module_app debug_cmd.so
ctrl_tcp_listen 127.0.0.1:{control}
snapshot_path {folder}
"""


class Baresip:
    """`async with baresip(...) as phone`. `events` are its own, newest last; `log` what it prints."""

    def __init__(self, folder: Path, sip: int, control: int) -> None:
        self.folder = folder
        self.port = sip
        self.control = control
        self.events: list[dict[str, Any]] = []
        self.log: list[str] = []
        self._more = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    host = "127.0.0.1"

    def hop_from(self, kit: Kit) -> Hop:
        """The kit's way to it."""
        return Hop("udp", (kit.host, kit.port), (self.host, self.port))

    async def order(self, command: str, params: str = "") -> None:
        body = json.dumps({"command": command, "params": params, "token": "t"}).encode()
        assert self._writer is not None
        self._writer.write(b"%d:%s," % (len(body), body))
        await self._writer.drain()

    async def event(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Wait for the so-many-th event of a type (CALL_ESTABLISHED, CALL_CLOSED, CALL_INCOMING …)."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events if event.get("type") == kind]

        await self._until(lambda: len(found()) >= count, f"event {kind}; had {[e.get('type') for e in self.events]}")
        return found()[count - 1]

    async def says(self, words: str) -> str:
        """Wait for a line of its log."""
        await self._until(lambda: any(words in line for line in self.log), words)
        return next(line for line in self.log if words in line)

    async def _until(self, true: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not true():
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError as exc:
            raise AssertionError(f"baresip never said {what}\n" + "\n".join(self.log[-30:])) from exc

    async def _connect(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(OSError):
                    reader, self._writer = await asyncio.open_connection("127.0.0.1", self.control)
                    break
                self._more.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._more.wait(), 0.1)
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                message = json.loads(await reader.readexactly(length))
                await reader.readexactly(1)
                self.events.append(message)
                self._more.set()

    async def _print(self, out: asyncio.StreamReader) -> None:
        while line := await out.readline():
            self.log.append(_ANSI.sub("", line.decode(errors="replace")).rstrip())
            self._more.set()


@asynccontextmanager
async def baresip(
    folder: Path,
    *,
    account: str = "",
    registrar: str = "",
    rate: int = 8000,
    channels: int = 1,
    codecs: tuple[str, ...] = ("g711",),
    video: bool = False,
    source: str = "aubridge,echo",
    host: str = "127.0.0.1",
) -> AsyncIterator[Baresip]:
    """Says what it hears, or with `source` "ausine,1000" (at 48 kHz only) a tone. `account` are parameters of its
    account line, e.g. ";mediaenc=srtp-mand"; with `registrar` (host:port) it registers there as 8001."""
    need("baresip")
    sip, control, rtp = free_port(), free_port(), free_port()
    phone = Baresip(folder, sip, control)
    text = _CONFIG.format(
        host=host,
        sip=sip,
        rtp=rtp & ~1,
        rtp_end=(rtp & ~1) + 40,
        folder=folder,
        rate=rate,
        source=source,
        channels=channels,
        control=control,
        modules=MODULES,
        audio_modules="\n".join(f"module {name}.so" for name in codecs),
        video_modules="module avcodec.so\nmodule fakevideo.so\nmodule swscale.so\nmodule snapshot.so" if video else "",
    )
    (folder / "config").write_text(text)
    domain, every = (registrar, 60) if registrar else (f"{host}:{sip}", 0)
    (folder / "accounts").write_text(f"<sip:8001@{domain};transport=udp>;regint={every}{account}\n")
    (folder / "contacts").write_text("")
    process = await asyncio.create_subprocess_exec(
        "baresip",
        "-f",
        str(folder),
        "-v",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    printing = asyncio.create_task(phone._print(process.stdout))
    try:
        await phone.says("baresip is ready")
        await phone._connect()
        yield phone
    finally:
        if phone._writer is not None:
            phone._writer.close()
            phone._reading.cancel()
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()
        printing.cancel()
        await asyncio.gather(printing, return_exceptions=True)


def free_port() -> int:
    """A port that is free for UDP and TCP, and so is the one above it (TLS)."""
    while True:
        with socket.socket() as tcp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            with suppress(OSError), socket.socket() as above, socket.socket(type=socket.SOCK_DGRAM) as udp:
                above.bind(("127.0.0.1", port + 1))
                udp.bind(("127.0.0.1", port))
                return port
