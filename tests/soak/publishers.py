"""How a publication begins and ends, by each protocol: what is configured for it, and one turn of one slot."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from tests.interop.fixtures import fixture
from tests.interop.rule import RTMP, RTSP_TCP, SRT, WHIP, Ingest
from tests.interop.sender8 import certificate
from tests.interop.senders import PASSWORD, Gates, push_url
from tests.peers.stage import Stage
from tests.soak.forked import Forked, Nursery
from tests.soak.watch import Watch

SLOTS = 16
"""Sources and devices that come and go beside one another; each waits until its end was noticed."""
LONG_S = 45.0
"""Wait for a picture, for its end to be noticed, and for a sender to be gone, on a machine with other work."""
WAYS = {"rtsp": RTSP_TCP, "rtmp": RTMP, "srt": SRT}
_MUXER = {"rtsp": ["-f", "rtsp", "-rtsp_transport", "tcp"], "rtmp": ["-f", "flv"], "srt": ["-f", "mpegts"]}


class Publisher(Protocol):
    """`turn` publishes once in a slot of `slots` and says what went wrong, "" where nothing did."""

    slots: int

    def config(self) -> str: ...

    async def prepare(self, stage: Stage) -> None: ...

    async def turn(self, slot: int, *, killed: bool) -> str: ...

    async def stop(self) -> None: ...


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

    async def prepare(self, stage: Stage) -> None:
        pass

    async def stop(self) -> None:
        pass

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

    async def prepare(self, stage: Stage) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def turn(self, slot: int, *, killed: bool) -> str:
        place = f"udp://127.0.0.1:{self._first + slot}?pkt_size=1316"
        process = await _ffmpeg("-re", "-i", str(fixture("h264", "aac")), "-c", "copy", "-f", "mpegts", place)

        def end() -> None:
            process.send_signal(signal.SIGKILL if killed else signal.SIGINT)

        said = await _seen(self._watch, f"ts-{slot}/main", end)
        _out, err = await process.communicate()
        fine = -signal.SIGKILL if killed else 255  # what FFmpeg answers to SIGINT
        return said if process.returncode == fine else err.decode(errors="replace")[-300:] or str(process.returncode)


class Whip:
    """FFmpeg 8 sends a second in real time and takes leave, or is killed once its stream is live."""

    slots = 8

    def __init__(self, gates: Gates, watch: Watch) -> None:
        self._gates, self._watch = gates, watch
        self._nurseries = [Nursery("whip") for _slot in range(self.slots)]
        self._clip = Path()

    def config(self) -> str:
        return ""

    async def prepare(self, stage: Stage) -> None:
        folder = stage.place / "whip"
        folder.mkdir()
        await asyncio.to_thread(certificate, folder)
        self._clip = folder / "clip.mkv"
        process = await _ffmpeg("-t", "1", "-i", str(fixture("h264", "opus")), "-c", "copy", str(self._clip))
        _out, err = await process.communicate()
        assert process.returncode == 0, err.decode()

    async def stop(self) -> None:
        await asyncio.gather(*(one.stop() for one in self._nurseries))

    async def turn(self, slot: int, *, killed: bool) -> str:
        one = Ingest("cycle", WHIP, "h264", str(slot))
        sender = await self._nurseries[slot].fork(str(self._clip), push_url(one, self._gates), PASSWORD)
        if killed:
            live = asyncio.create_task(self._watch.live(one.slug, LONG_S))
            await asyncio.wait([live, sender.ended], return_when=asyncio.FIRST_COMPLETED)
            seen = not live.done() or live.exception() is None
            live.cancel()
            sender.send(signal.SIGKILL)
            if not seen:
                await _code(sender, {0, -signal.SIGKILL})
                return f"{one.slug} did not go live: {self._watch.last(one.slug)}"
        # One that was to be killed may have been quicker.
        said = await _code(sender, {0, -signal.SIGKILL} if killed else {0})
        try:
            await self._watch.gone(one.slug, LONG_S)
        except TimeoutError:
            return f"{one.slug} stays live"
        return said


class Devices:
    """Devices of ours that register, are asked for their picture by an output, and go: with goodbye, or killed."""

    slots = SLOTS

    def __init__(self, watch: Watch, kind: str, scheme: str, ids: str, sink: int) -> None:
        self._watch, self._kind, self._scheme, self._ids, self._sink = watch, kind, scheme, ids, sink
        self._nurseries = [Nursery(kind) for _slot in range(self.slots)]
        self._given: list[Any] = []
        self._port = 0

    def config(self) -> str:
        return "".join(
            f'[push.{self._kind}-{slot}]\nstream = "{self._kind}-{slot}/ch1"\nurl = "udp://127.0.0.1:{self._sink}"\n'
            for slot in range(self.slots)
        )

    async def prepare(self, stage: Stage) -> None:
        self._port = stage.ports.sip if self._kind == "ball" else stage.ports.jt808
        if self._kind == "ball":
            self._given = [(stage.place / "kit-password").read_text().strip()]
        for slot in range(self.slots):
            given = {"external_id": self._id(slot), "id": f"{self._kind}-{slot}", "name": f"{self._kind} {slot}"}
            await asyncio.to_thread(stage.client.post, "/api/v1/devices", {**given, "scheme": self._scheme})

    async def stop(self) -> None:
        await asyncio.gather(*(one.stop() for one in self._nurseries))

    def _id(self, slot: int) -> str:
        return f"{self._ids}{slot:04d}"

    async def turn(self, slot: int, *, killed: bool) -> str:
        device = await self._nurseries[slot].fork(self._port, self._id(slot), *self._given)
        end = signal.SIGKILL if killed else signal.SIGTERM
        said = await _seen(self._watch, f"{self._kind}-{slot}/ch1", lambda: device.send(end))
        return said or await _code(device, {-signal.SIGKILL if killed else 0})


async def _code(process: Forked, fine: set[int]) -> str:
    """What is wrong with how it ended, "" where nothing is. One that does not end is killed."""
    try:
        code = await asyncio.wait_for(asyncio.shield(process.ended), LONG_S)
    except TimeoutError:
        process.send(signal.SIGKILL)
        return "a sender did not end"
    return "" if code in fine else f"a sender ended with {code}"


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
