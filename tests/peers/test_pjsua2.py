"""PJSIP in its worker process: the test phone, and the second engine. Against SIPp and our own registrar."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.sip.engine import Leg, LegEnd, LegState
from adapters.sip.pjsua2.engine import PjsuaEngine
from adapters.sip.pjsua2.probe import Line, place_test_call, quality
from adapters.sip.pjsua2.process import WorkerProcess, installed
from adapters.sip.routing import MediaPolicy, Route
from gateway import codecs
from gateway.base.errors import LinkDown, Unsupported
from gateway.wire.sip import Hop
from tests.peers.programs import need

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        not installed(), reason="the extra [pjsua2] has no wheel for this Python: run `make peers` on 3.11"
    ),
]


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def sipp_answers(calls: int = 100, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """SIPp's own scenario of a callee that echoes sound."""
    need("sipp")
    port, media = free_port(), free_port() & ~1
    process = await asyncio.create_subprocess_exec(
        "sipp", "-sn", "uas", "-i", host, "-p", str(port), "-mi", host, "-mp", str(media),
        "-rtp_echo", "-m", str(calls), "-nostdin",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await bound(port, host)
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def bound(port: int, host: str) -> None:
    """Until somebody else has the UDP port."""
    async with asyncio.timeout(10):
        while True:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind((host, port))
                except OSError:
                    return
            await asyncio.sleep(0.02)


def line(port: int, **settings: Any) -> Line:
    return Line(f"sip:127.0.0.1:{port};transport=udp", "127.0.0.1", "tester", **{"register": False, **settings})


# — the test phone —


async def test_the_test_phone_hears_its_own_tone_back() -> None:
    async with sipp_answers() as port:
        stages: list[str] = []
        report = await place_test_call(line(port), "100", seconds=2.0, say=lambda stage, _: stages.append(stage))
    assert report.failed_at == "", report.detail
    assert report.heard
    assert report.codec in ("pcma", "pcmu")
    assert report.received > 50
    assert report.mos is not None
    assert report.mos > 4.0
    assert [stage for stage in ("up", "measuring", "end") if stage in stages] == ["up", "measuring", "end"]


async def test_ipv6_is_refused_in_words_before_pjsip_would_abort() -> None:
    with pytest.raises(Unsupported, match="IPv6"):
        await place_test_call(Line("sip:[::1]:5060;transport=udp", "[::1]", "tester", register=False), "100")


async def test_it_says_where_it_failed_when_nobody_is_there() -> None:
    report = await place_test_call(line(free_port()), "100", seconds=1.0, ring_s=3.0)
    assert report.failed_at == "call"
    assert report.code in ("no-answer", "peer-unavailable", "peer-failed")


async def test_a_registration_without_answer_is_told_as_such() -> None:
    from adapters.sip.pjsua2 import probe

    kept, probe.REGISTER_S = probe.REGISTER_S, 2.0
    try:
        report = await place_test_call(line(free_port(), register=True, password="x"), "100")
    finally:
        probe.REGISTER_S = kept
    assert (report.failed_at, report.code) == ("register", "trunk-down")


async def test_the_command_prints_json_and_its_exit_code_says_it() -> None:
    async with sipp_answers() as port:
        program = [sys.executable, "-m", "gateway", "call", "100", "--server", f"udp:127.0.0.1:{port}"]
        process = await asyncio.create_subprocess_exec(
            *program, "--seconds", "1", "--json", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 0
    assert json.loads(out)["failed_at"] == ""


def test_quality_falls_with_loss_and_delay() -> None:
    clean, lossy, late = quality("pcma", 0.0, 60), quality("pcma", 0.05, 60), quality("pcma", 0.0, 500)
    assert clean == pytest.approx(4.38, abs=0.05)
    assert 3.0 < lossy < clean
    assert late < lossy
    assert quality("pcma", 1.0, 60) < 1.6


# — the engine —


class Owner:
    """Writes down what a leg says."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.end: LegEnd | None = None
        self._changed = asyncio.Event()

    async def until(self, word: str) -> None:
        async with asyncio.timeout(15):
            while word not in self.said:
                self._changed.clear()
                await self._changed.wait()

    def _say(self, word: str) -> None:
        self.said.append(word)
        self._changed.set()

    def leg_ringing(self, leg: Leg) -> None:
        self._say("ringing")

    def leg_media(self, leg: Leg) -> None:
        self._say("held" if leg.media.held else "media" if leg.media.voice is not None else "no media")

    def leg_up(self, leg: Leg) -> None:
        self._say("up")

    def leg_digit(self, leg: Leg, digit: str) -> None:
        self._say(digit)

    def leg_trouble(self, leg: Leg, code: str, detail: str) -> None:
        self._say(f"trouble {code} {detail}")

    def leg_ended(self, leg: Leg, end: LegEnd) -> None:
        self.end = end
        self._say("ended")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was not expected")


class Pcm:
    """A media plane whose PCM voices end here: what a call says can be read, what it shall hear written."""

    def __init__(self) -> None:
        self.voices: dict[int, socket.socket] = {}

    def open_voice_pcm(self, fd: int, *, rate_hz: int, channels: int = 1) -> int:
        handle = len(self.voices) + 1
        self.voices[handle] = socket.socket(fileno=fd)
        self.voices[handle].setblocking(False)
        return handle

    def close_voice(self, voice: int) -> None:
        self.voices.pop(voice).close()


@asynccontextmanager
async def engine() -> AsyncIterator[tuple[PjsuaEngine, Pcm]]:
    pcm = Pcm()
    made = PjsuaEngine(cast(codecs.Engine, pcm), rtp_first=free_port() & ~1)
    try:
        yield made, pcm
    finally:
        await made.close()
    assert pcm.voices == {}


def route(port: int, transport: str = "udp", **policy: Any) -> Route:
    return Route(
        endpoint=cast(Any, SimpleNamespace()),
        hop=Hop(cast(Any, transport), ("127.0.0.1", 0), ("127.0.0.1", port)),
        uri=f"sip:100@127.0.0.1:{port}",
        from_uri="sip:kit1@127.0.0.1",
        from_display="Kit 1",
        contact_user="kit1",
        headers=(("P-Asserted-Identity", "<sip:600@127.0.0.1>"),),
        policy=MediaPolicy(srtp="off", **policy),
        name="center",
        trunk="center",
    )


async def test_sound_goes_through_the_pcm_port_and_back() -> None:
    async with sipp_answers() as port, engine() as (calls, pcm):
        owner = Owner()
        leg = await calls.place(route(port), owner)  # type: ignore[arg-type]
        await leg.answered()
        await owner.until("media")
        assert leg.media.audio in ("pcma", "pcmu")
        (line_,) = pcm.voices.values()
        loop = asyncio.get_running_loop()
        loud = 0
        async with asyncio.timeout(20):
            while loud < 5:  # SIPp echoes: what goes in comes back
                frame = await loop.sock_recv(line_, 4096)
                assert len(frame) == 640
                samples = memoryview(frame).cast("h")
                loud += max(abs(sample) for sample in samples) > 4000
                line_.send(b"\x00\x30" * 160 + b"\x00\xd0" * 160)
        await leg.hang_up()
        assert leg.state is LegState.ENDED
        assert owner.end is not None
        assert owner.end.code == "hung-up"
    assert calls.standing() == 0


async def test_a_crash_of_a_worker_ends_its_calls_with_a_reason_and_nothing_else() -> None:
    async with sipp_answers() as port, engine() as (calls, _):
        owners = [Owner() for _ in range(5)]
        legs = [await calls.place(route(port), owner) for owner in owners]  # type: ignore[arg-type]
        for owner in owners:
            await owner.until("up")
        first = cast(Any, legs[0])._crew.process.pid  # four calls live there, the fifth in another worker
        os.kill(first, signal.SIGABRT)
        for owner in owners[:4]:
            await owner.until("ended")
            assert owner.end is not None
            assert owner.end.code == "sip-worker-died"
            assert "SIGABRT" in owner.end.detail
        assert legs[4].state is LegState.UP
        again = Owner()
        await calls.place(route(port), again)  # type: ignore[arg-type]
        await again.until("up")


async def test_what_it_can_not_do_is_refused_in_words() -> None:
    async with engine() as (calls, _):
        with pytest.raises(Unsupported, match="TLS"):
            await calls.place(route(5061, transport="tls"), cast(Any, Owner()))


async def test_a_worker_that_is_gone_takes_no_orders() -> None:
    died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with WorkerProcess(lambda _event: None, died.set_result) as worker:
        worker.order({"do": "abort"})
        assert "SIGABRT" in await asyncio.wait_for(died, 10)
        with pytest.raises(LinkDown) as caught:
            worker.order({"do": "hang-up", "call": 1})
        assert caught.value.code == "sip-worker-died"
