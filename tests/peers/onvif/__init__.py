"""A camera that we did not write: IPyCam (PyPI), with ONVIF, WS-Discovery, PTZ and RTSP of its own, in its own venv."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import pytest

PYTHON = Path(__file__).parents[3] / ".make" / "onvif-peer" / "bin" / "python"
RUNNER = Path(__file__).parent / "runner.py"


def require() -> None:
    """Skip, saying what is missing; with CI=true that is a failure."""
    if PYTHON.exists():
        return
    words = "IPyCam is not installed: run `make peers`"
    if os.environ.get("CI") == "true":
        pytest.fail(words)
    pytest.skip(words)


class IpyCam:
    """One running camera. `ptz` asks the program itself where it looks and whether it moves."""

    def __init__(self, process: asyncio.subprocess.Process, host: str, port: int) -> None:
        self._process = process
        self.host, self.port = host, port

    async def ptz(self) -> dict[str, Any]:
        return await self._say("ptz")

    async def presets(self) -> dict[str, Any]:
        return await self._say("presets")

    async def _say(self, word: str) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(f"{word}\n".encode())
        async with asyncio.timeout(10):
            return dict(json.loads(await stdout.readline()))


@asynccontextmanager
async def camera(
    tmp: Path,
    port: int,
    rtsp_port: int,
    *,
    host: str = "127.0.0.1",
    user: str = "admin",
    password: str = "camera-pass",
    within: Sequence[str] = (),
) -> AsyncIterator[IpyCam]:
    """The camera while it runs. `within`: a command before it, as ("ip", "netns", "exec", name)."""
    with (tmp / "ipycam.log").open("wb") as log:
        process = await _start(tmp, log, host, port, rtsp_port, user, password, within)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        assert line.strip() == b"ready", f"IPyCam did not start: {(tmp / 'ipycam.log').read_text()[-2000:]}"
        yield IpyCam(process, host, port)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _start(
    tmp: Path, log: IO[bytes], host: str, port: int, rtsp_port: int, user: str, password: str, within: Sequence[str]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *within,
        str(PYTHON),
        str(RUNNER),
        json.dumps(
            {"local_ip": host, "onvif_port": port, "rtsp_port": rtsp_port, "username": user, "password": password}
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        cwd=tmp,
    )
