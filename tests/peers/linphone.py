"""Linphone's console program as a phone that plays one tone and writes down what it hears."""

from __future__ import annotations

import asyncio
import os
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.peers.baresip import free_port
from tests.peers.programs import need

PATIENCE_S = 15.0

_CONFIG = """
[sip]
sip_port={sip}
sip_tcp_port=0
sip_tls_port=0
use_ipv6=0
ipv6_migration_done=1
media_encryption={encryption}
media_encryption_mandatory={mandatory}
default_proxy=-1
[rtp]
audio_rtp_port={rtp}
[video]
enabled=0
capture=0
display=0
automatically_initiate=0
automatically_accept=0
"""


class Linphone:
    def __init__(self, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.folder = folder
        self._process = process
        self.text = ""
        self._more = asyncio.Event()

    async def order(self, line: str) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(line.encode() + b"\n")
        await stdin.drain()

    async def says(self, words: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while words not in self.text:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError as exc:
            raise AssertionError(f"linphonec never said {words!r}:\n{self.text[-1500:]}") from exc

    def heard(self) -> array[int]:
        """Samples at 8 kHz or what its file says; complete once the call has ended."""
        with wave.open(str(self.folder / "heard.wav")) as file:
            step = file.getframerate() * file.getnchannels() // 8000
            return array("h", file.readframes(file.getnframes()))[::step]

    async def read(self) -> None:
        out = self._process.stdout
        assert out is not None
        while data := await out.read(4096):
            self.text += data.decode(errors="replace")
            self._more.set()


@asynccontextmanager
async def linphone(folder: Path, tone: bytes, *, encryption: str = "none") -> AsyncIterator[Linphone]:
    """`tone`: signed 16-bit samples at 8 kHz that it plays after the order `play …/tone.wav`."""
    need("linphonec")
    for name in (".local/share/linphone", ".config/linphone"):
        (folder / name).mkdir(parents=True)
    (folder / "rc").write_text(
        _CONFIG.format(
            sip=free_port(), rtp=free_port() & ~1, encryption=encryption, mandatory=int(encryption != "none")
        )
    )
    with wave.open(str(folder / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(tone)
    process = await asyncio.create_subprocess_exec(
        "linphonec",
        "-c",
        str(folder / "rc"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "HOME": str(folder)},
    )
    phone = Linphone(folder, process)
    reading = asyncio.create_task(phone.read())
    try:
        await phone.says("linphonec>")
        await phone.order("soundcard use files")
        await phone.says("Using wav files")
        await phone.order(f"record {folder}/heard.wav")
        yield phone
        await phone.order("quit")
    finally:
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
