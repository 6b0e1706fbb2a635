"""How a publication begins and ends, by each protocol: what is configured for it, and one turn of one slot."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from tests.interop.fixtures import fixture
from tests.interop.rule import RTMP, RTSP_TCP, SRT, Ingest
from tests.interop.senders import Gates, push_url
from tests.soak.watch import Watch

SLOTS = 16
"""Sources whose senders come and go beside one another; each waits until its end was noticed."""
LONG_S = 45.0
"""Wait for a picture, and for its end to be noticed, on a machine with other work."""
WAYS = {"rtsp": RTSP_TCP, "rtmp": RTMP, "srt": SRT}
_MUXER = {"rtsp": ["-f", "rtsp", "-rtsp_transport", "tcp"], "rtmp": ["-f", "flv"], "srt": ["-f", "mpegts"]}


class Publisher(Protocol):
    """`turn` publishes once in a slot of `slots` and says what went wrong, "" where nothing did."""

    slots: int

    def config(self) -> str: ...

    async def turn(self, slot: int, *, killed: bool) -> str: ...


async def _ffmpeg(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", "-nostdin", *words,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


class Pushed:
    """FFmpeg sends a piece of 0.6 s as fast as it is taken; it is killed after 0.35 s."""

    slots = 8

    def __init__(self, protocol: str, gates: Gates) -> None:
        self._protocol, self._gates = protocol, gates

    def config(self) -> str:
        return ""

    async def turn(self, slot: int, *, killed: bool) -> str:
        url = push_url(Ingest("cycle", WAYS[self._protocol], "h264", str(slot)), self._gates)
        process = await _ffmpeg(
            "-t", "0.6", "-i", str(fixture("h264", "aac")), "-c", "copy", *_MUXER[self._protocol], url
        )
        fine = {0}
        if killed:
            try:
                await asyncio.wait_for(process.wait(), 0.35)
            except TimeoutError:
                # 255: it ended in that moment, and killing has taken its code from who waits for it.
                fine |= {-9, 255}
                with suppress(ProcessLookupError):
                    process.kill()
        _out, err = await process.communicate()
        return "" if process.returncode in fine else err.decode(errors="replace")[-300:] or str(process.returncode)


class Ts:
    """A source for each port, kept open; FFmpeg comes, is seen, goes by SIGINT or SIGKILL, and that is seen too."""

    slots = SLOTS

    def __init__(self, watch: Watch, first_port: int) -> None:
        self._watch, self._first = watch, first_port

    def config(self) -> str:
        return "".join(
            f'[source.ts-{slot}]\nurl = "udp://127.0.0.1:{self._first + slot}"\non_demand = false\n'
            for slot in range(self.slots)
        )

    async def turn(self, slot: int, *, killed: bool) -> str:
        place = f"udp://127.0.0.1:{self._first + slot}?pkt_size=1316"
        process = await _ffmpeg("-re", "-i", str(fixture("h264", "aac")), "-c", "copy", "-f", "mpegts", place)

        def end() -> None:
            process.send_signal(signal.SIGKILL if killed else signal.SIGINT)

        said = await _seen(self._watch, f"ts-{slot}/main", end)
        _out, err = await process.communicate()
        fine = -signal.SIGKILL if killed else 255  # what FFmpeg answers to SIGINT
        return said if process.returncode == fine else err.decode(errors="replace")[-300:] or str(process.returncode)


async def _seen(watch: Watch, stream: str, end: Callable[[], None]) -> str:
    """Until it is live, then `end`, then until it is live no more."""
    try:
        await watch.live(stream, LONG_S)
    except TimeoutError:
        return f"{stream} did not go live: {watch.last(stream)}"
    finally:
        end()
    try:
        await watch.gone(stream, LONG_S)
    except TimeoutError:
        return f"{stream} stays live"
    return ""
