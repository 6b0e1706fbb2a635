"""A client of our RTSP port that asks out of order, or for what is not known: refused, with the reason in the line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.peers.senders import PATIENCE_S, a_stage
from tests.peers.stage import Ports, Stage, ports

pytestmark = pytest.mark.peer

CONFIG = """
[security]
pull_allow = ["127.0.0.0/8"]
[program.field]
publish = ["drone"]
read = ["*"]
without_password_from = ["127.0.0.0/8"]
[source.gate]
url = "rtsp://127.0.0.1:{dead}/nobody"
"""
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n"
)
Step = tuple[str, str]
CASES: list[tuple[list[Step], dict[str, str], str]] = [
    ([("PLAY", "gate/main")], {}, "455 rtsp-order"),
    ([("RECORD", "drone")], {}, "455 rtsp-order"),
    ([("PAUSE", "gate/main")], {}, "455 rtsp-order"),
    ([("ANNOUNCE", "drone"), ("RECORD", "drone")], {}, "455 rtsp-order"),
    ([("ANNOUNCE", "drone"), ("ANNOUNCE", "drone")], {}, "455 rtsp-order"),
    ([("ANNOUNCE", "drone"), ("DESCRIBE", "gate/main")], {}, "455 rtsp-order"),
    ([("SETUP", "gate/main/track1")], {"Require": "implicit-play"}, "551 rtsp-require"),
    ([("DESCRIBE", "gate/main")], {}, "503 rtsp-not-yet"),
]


@pytest.fixture
def free() -> Iterator[Ports]:
    with ports() as mine:
        yield mine


@pytest.fixture
async def stage(free: Ports, tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(tmp_path, free, CONFIG.format(dead=free.other)) as made:
        yield made


class Client:
    def __init__(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.base = f"rtsp://127.0.0.1:{port}"
        self._reader, self._writer = reader, writer
        self._number = 0

    async def ask(self, method: str, path: str, body: str = "", **headers: str) -> str:
        """Its answer's first line."""
        self._number += 1
        lines = [f"{method} {self.base}/{path} RTSP/1.0", f"CSeq: {self._number}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"] if body else []
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        async with asyncio.timeout(PATIENCE_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        return head.partition("\r\n")[0]


async def test_refused_with_its_reason(stage: Stage, free: Ports) -> None:
    for steps, headers, answer in CASES:
        reader, writer = await asyncio.open_connection("127.0.0.1", free.rtsp)
        try:
            client, line = Client(free.rtsp, reader, writer), ""
            for method, path in steps:
                line = await client.ask(method, path, SDP if method == "ANNOUNCE" else "", **headers)
            assert line.startswith(f"RTSP/1.0 {answer}"), (steps, line)
        finally:
            writer.close()
