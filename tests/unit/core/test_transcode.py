"""Conversions as viewings live through them: the core on the real media plane, with real workers."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway import codecs
from gateway.base.clock import Clock
from gateway.base.errors import Busy, Unsupported
from gateway.config.root import Config, Convert
from gateway.contract.media import Needs, Offer, Publication, Suited, Viewing
from gateway.convert.records import Unit
from gateway.core import conversion
from gateway.core.core import Core
from gateway.core.mediaplane import MediaPlane
from gateway.core.secrets import Secrets
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import Codec, Rendition, RenditionState
from gateway.store.store import Store
from tests.unit.convert.rig import Camera, Seen, reads
from tests.unit.core.house import VIEWER

BROWSER = Needs(video=(Codec.H264,), audio=(Codec.OPUS,), b_frames=False, mixes=True)
SOUND = Needs(video=(), audio=(Codec.OPUS,))
LOW = Needs(video=(Codec.H264,), audio=(), b_frames=False, max_height=180, max_fps=10)
PATIENCE_S = 60.0


class Ball:
    """A source of its own thread that sends until it is let go."""

    def __init__(self, engine: codecs.Engine, name: str, **camera: Any) -> None:
        self.engine = engine
        self.id = StreamId(f"kit1/{name}/ch1")
        self.given = camera
        self.camera: Camera | None = None
        self.garbage = False
        self.change: tuple[str, tuple[int, int]] | None = None

    @property
    def offer(self) -> Offer:
        return Offer(self.id, DeviceId(self.id.rpartition("/")[0]), self.id, self.open)

    async def open(self, publication: Publication) -> None:
        camera = self.camera = Camera(self.engine, publication.handle, **self.given)
        leg = publication.leg(camera.leg)
        over = threading.Event()
        shooting = asyncio.get_running_loop().run_in_executor(None, self._shoot, camera, over)
        try:
            await leg.ended()
        finally:
            over.set()
            await asyncio.wait([shooting])
            camera.close()

    def _shoot(self, camera: Camera, over: threading.Event) -> None:
        with suppress(OSError):  # a test closed the camera's port
            self._send(camera, over)

    def _send(self, camera: Camera, over: threading.Event) -> None:
        while not over.is_set():
            if self.change is not None:
                camera.set(*self.change)
                self.change = None
            if self.garbage:
                pts = camera.number * 3600
                camera.writer.unit(Unit(camera.codec, (os.urandom(400),), pts, pts, camera.number % 25 == 0))
                camera.number += 1
                time.sleep(0.04)
            else:
                camera.shoot(real_time=True)


class House:
    def __init__(self, core: Core, engine: codecs.Engine, stack: AsyncExitStack) -> None:
        self.core = core
        self.engine = engine
        self.stack = stack

    def ball(self, name: str, **camera: Any) -> Ball:
        ball = Ball(self.engine, name, **({"codec": "h265", "gop": 25} | camera))
        self.core.streams.offer(ball.offer)
        return ball

    async def view(self, ball: Ball) -> Viewing:
        return await self.stack.enter_async_context(self.core.streams.view(ball.id, VIEWER, "whep"))

    def renditions(self, ball: Ball) -> list[Rendition]:
        return list(self.core.streams.status(ball.id).renditions)

    async def until(self, what: str, question: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if answer := question():
                return answer
            await asyncio.sleep(0.01)
        raise AssertionError(f"{what}: not in time; {[s.renditions for s in self.core.streams.all()]}")

    def state(self, ball: Ball, state: RenditionState, code: str = "") -> bool:
        return any(one.state is state and one.code == code for one in self.renditions(ball))

    async def pictures(self, suited: Suited, count: int = 5) -> Seen:
        seen = reads(self.engine, suited.handle)
        self.stack.callback(seen.port.close)
        await asyncio.to_thread(seen.until, "pictures", lambda s: len(s.pictures()) >= count)
        return seen

    @property
    def pids(self) -> list[int]:
        return [one.pid for one in self.core.transcoder.running]


async def a_house(state_dir: Path, **convert: Any) -> AsyncIterator[House]:
    config = Config(convert=Convert(**({"linger": "200ms", "cores": 4.0} | convert)))
    engine, secrets = codecs.Engine(threads=1), Secrets(state_dir)
    store = Store(state_dir, secrets.audit_key())
    plane = MediaPlane(engine, lambda: config.media.rtp_ports)
    core = Core(lambda: config, state_dir, store, secrets, plane, Clock())
    core.start()
    async with AsyncExitStack() as stack:
        yield House(core, engine, stack)
    await core.quiesce()
    assert core.transcoder.running == []
    assert engine.engine_stats()["streams"] == 0
    await core.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async for made in a_house(tmp_path):
        yield made


@pytest.fixture
async def small_house(tmp_path: Path) -> AsyncIterator[House]:
    """Room for one conversion."""
    async for made in a_house(tmp_path, max_conversions=1):
        yield made


async def test_one_conversion_for_five_viewers_and_none_for_nobody(house: House) -> None:
    ball = house.ball("ball-1", audio="aac")
    async with AsyncExitStack() as viewers:
        views = [await viewers.enter_async_context(house.core.streams.view(ball.id, VIEWER, "whep")) for _ in range(5)]
        found = await asyncio.gather(*(view.suited(BROWSER) for view in views))
        assert {suited.handle for suited in found} == {found[0].handle} and len(house.pids) == 1
        assert found[0].handle != views[0].handle and {t.codec for t in found[0].tracks} == {Codec.H264, Codec.OPUS}
        assert found[0].converted == "h265 640x360 → h264 640x360, aac → opus" and not found[0].missing
        (told,) = house.renditions(ball)
        assert (told.name, told.viewers, told.state) == ("h264 + opus", 5, RenditionState.RUNNING)
        assert told.why == ("convert-codec", "convert-audio") and told.name == found[0].rendition
        # Who asks again gets the same; who needs less is served by another.
        assert (await views[0].suited(BROWSER)).handle == found[0].handle
        low = await views[4].suited(LOW)
        assert low.handle != found[0].handle and low.tracks[0].height == 180
        await house.until("four are left", lambda: [one.viewers for one in house.renditions(ball)] == [4, 1])
        pids = house.pids
    await house.until("both ended", lambda: house.pids == [] and house.renditions(ball) == [])
    for pid in pids:
        await house.until("its process is gone", lambda pid=pid: not Path(f"/proc/{pid}").exists())


async def test_what_fits_is_the_source_itself(house: House) -> None:
    ball = house.ball("ball-1", codec="h264", audio="pcma")
    view = await house.view(ball)
    suited = await view.suited(BROWSER)
    assert (suited.handle, suited.converted, suited.rendition) == (view.handle, "", "") and house.pids == []


async def test_a_source_that_is_set_anew_needs_no_conversion_any_more(house: House) -> None:
    ball = house.ball("ball-1")
    view = await house.view(ball)
    made = await view.suited(BROWSER)
    ball.change = ("h264", (320, 240))
    # The worker follows the source, until somebody asks anew.
    seen = await house.pictures(made)
    await asyncio.to_thread(seen.until, "its new size", lambda s: s.tracks[-1].width == 320)
    assert view.tracks[0].codec is Codec.H264
    assert (await view.suited(BROWSER)).handle == view.handle
    await house.until("it ended", lambda: house.pids == [])
    ball.change = ("h265", (640, 360))
    await house.until("H.265 again", lambda: view.tracks[0].codec is Codec.H265)
    assert (await view.suited(BROWSER)).handle != view.handle


@pytest.mark.parametrize(("how", "code"), [("SIGKILL", "convert-worker-died"), ("SIGSTOP", "convert-worker-hung")])
async def test_a_worker_that_dies_or_hangs_is_replaced(house: House, how: str, code: str) -> None:
    ball = house.ball("ball-1")
    view = await house.view(ball)
    made = await view.suited(BROWSER)
    await house.pictures(made)
    (pid,) = house.pids
    os.kill(pid, signal.Signals[how])
    await house.until("the reason is told", lambda: house.state(ball, RenditionState.WAITING, code))
    await house.until("it runs again", lambda: house.state(ball, RenditionState.RUNNING))
    # The viewer's stream is the same, and goes on.
    assert (await view.suited(BROWSER)).handle == made.handle
    await house.pictures(made)
    assert house.pids != [pid] and not Path(f"/proc/{pid}").exists()


async def test_a_worker_that_makes_nothing_is_replaced(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "NO_OUTPUT_S", 1.0)
    ball = house.ball("ball-1")
    view = await house.view(ball)
    made = await view.suited(BROWSER)
    await house.pictures(made)
    ball.garbage = True
    await house.until("the reason is told", lambda: house.state(ball, RenditionState.WAITING, "convert-no-output"))
    ball.garbage = False
    ball.change = ("h265", (640, 360))
    await house.until("it runs again", lambda: house.state(ball, RenditionState.RUNNING))
    await house.pictures(made)


async def test_a_worker_that_does_not_keep_up_says_so_until_it_does(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ball = house.ball("ball-1")
    view = await house.view(ball)
    await house.pictures(await view.suited(BROWSER))
    monkeypatch.setattr(conversion, "BEHIND_S", -1.0)  # whatever it tells is too far behind
    await house.until("slow", lambda: house.state(ball, RenditionState.RUNNING, "convert-slow"))
    monkeypatch.setattr(conversion, "BEHIND_S", 60.0)
    await house.until("in time", lambda: house.state(ball, RenditionState.RUNNING))


async def test_the_budget_refuses_in_its_order_and_lets_in_again(small_house: House) -> None:
    house = small_house
    first, second, third = house.ball("ball-1"), house.ball("ball-2"), house.ball("ball-3", audio="aac")
    one, two, three = [await house.view(ball) for ball in (first, second, third)]
    made = await one.suited(BROWSER)
    with pytest.raises(Busy) as refused:
        await two.suited(BROWSER)
    assert refused.value.code == "convert-budget" and house.state(second, RenditionState.WAITING, "convert-budget")
    # Sound comes before any picture: the picture gives way, its viewer stays and reads why.
    sound = await three.suited(SOUND)
    assert sound.tracks[0].codec is Codec.OPUS
    await house.until("it gave way", lambda: house.state(first, RenditionState.WAITING, "convert-budget"))
    assert house.core.transcoder.gave_way == 1
    # With H.265 and AAC there is no room for the picture, but the sound is had.
    both = await three.suited(BROWSER)
    assert both.missing == (("video", "convert-budget"),) and [t.codec for t in both.tracks] == [Codec.OPUS]
    # When the sound is let go, who waited first goes on in the same stream.
    await house.core.streams.view(third.id, VIEWER, "x").__aenter__()  # the source itself stays
    three.close()  # type: ignore[attr-defined]
    await house.until("the first runs again", lambda: house.state(first, RenditionState.RUNNING))
    assert (await one.suited(BROWSER)).handle == made.handle
    await house.pictures(made)
    assert house.state(second, RenditionState.WAITING, "convert-budget")


async def test_switched_off_it_says_so(tmp_path: Path) -> None:
    async for house in a_house(tmp_path, enabled=False):
        ball, other = house.ball("ball-1", audio="pcma"), house.ball("ball-2")
        view = await house.view(ball)
        suited = await view.suited(BROWSER)
        # The sound is there all the same.
        assert suited.handle == view.handle and suited.missing == (("video", "convert-unavailable"),)
        with pytest.raises(Unsupported) as refused:
            await (await house.view(other)).suited(BROWSER)
        assert refused.value.code == "convert-unavailable" and house.pids == []


async def test_conversions_that_come_and_go_leave_nothing(house: House) -> None:
    ball = house.ball("ball-1")
    await house.view(ball)  # the source itself stays

    def standing() -> tuple[int, int]:
        """Open descriptors; subscriptions."""
        return sum(1 for _ in Path("/proc/self/fd").iterdir()), int(house.engine.engine_stats()["subscriptions"])

    def workers() -> list[str]:
        pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return [pid for pid in pids if b"gateway.convert" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    async def once() -> None:
        async with house.core.streams.view(ball.id, VIEWER, "whep") as view:
            await view.suited(LOW)
        await house.until("it ended", lambda: house.pids == [] and not house.renditions(ball) and not workers())

    await once()  # whatever is opened once for all
    before = standing()
    for _ in range(6):
        await once()
    await house.until("all is as before", lambda: standing() <= before)
    assert house.core.transcoder.deaths == 0
