"""The worker as a process of its own between two streams of the real media plane; FFmpeg decodes what it makes."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction

import av
import pytest

from gateway import codecs
from gateway.convert.pictures import split
from gateway.convert.recipe import COPY, Recipe
from gateway.convert.records import Track, Unit

from .rig import PATIENCE_S, Camera, Seen, Works, plane, reads


@pytest.fixture
def engine() -> Iterator[codecs.Engine]:
    with plane() as made:
        yield made


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def between(
    engine: codecs.Engine, stack: ExitStack, recipe: Recipe, camera_of: dict[str, object]
) -> tuple[Camera, Seen, Works]:
    source = engine.open_stream("ball")
    target = engine.open_stream("made", beside=source)
    camera = Camera(engine, source, **camera_of)  # type: ignore[arg-type]
    stack.callback(camera.close)
    seen = reads(engine, target)
    stack.callback(seen.port.close)
    works = Works(engine, source, target, recipe)
    stack.callback(works.close)
    works.told("ready")
    return camera, seen, works


def shoot_on(camera: Camera, stack: ExitStack) -> None:
    """The camera goes on by itself until the test ends."""
    over = threading.Event()

    def body() -> None:
        while not over.is_set():
            camera.shoot(real_time=True)

    thread = threading.Thread(target=body)
    thread.start()
    stack.callback(thread.join)
    stack.callback(over.set)


def rising(units: list[Unit]) -> bool:
    return all(a.pts < b.pts for a, b in itertools.pairwise(units))


def test_h265_becomes_h264_from_the_cached_group_on(engine: codecs.Engine, stack: ExitStack) -> None:
    source = engine.open_stream("ball")
    target = engine.open_stream("made", beside=source)
    camera = Camera(engine, source, "h265", (640, 360), gop=100)
    stack.callback(camera.close)
    camera.shoot(40)
    while int(engine.stream_stats(source)["gop_frames"]) < 40:
        time.sleep(0.01)
    seen = reads(engine, target)
    stack.callback(seen.port.close)
    works = Works(engine, source, target, Recipe("h264"))
    stack.callback(works.close)
    shoot_on(camera, stack)
    seen.until("pictures", lambda s: len(s.pictures()) > 20)
    pictures = seen.pictures()
    # The forty cached ones were run through, not shown: it begins at the present, long before the next key frame.
    assert pictures[0].key and rising(pictures)
    assert not any(unit.key for unit in pictures[1:20])
    (track,) = [track for track in seen.tracks if track.is_video]
    assert (track.codec, track.width, track.height, track.b_frames) == ("h264", 640, 360, False)
    assert track.profile.startswith("baseline@") and len(track.sets) == 2
    frames = seen.decoded()
    assert (frames[-1].width, frames[-1].height) == (640, 360)
    made = works.told("made")
    assert made["video"] == "h265 640x360 → h264 640x360" and made["encoder"]


def test_motion_jpeg_becomes_h264(engine: codecs.Engine, stack: ExitStack) -> None:
    camera, seen, works = between(engine, stack, Recipe("h264"), {"codec": "mjpeg", "size": (320, 240)})
    shoot_on(camera, stack)
    seen.until("pictures", lambda s: len(s.pictures()) > 20)
    assert rising(seen.pictures()) and works.told("made")["video"] == "mjpeg 320x240 → h264 320x240"
    # Every picture of the source is whole in itself; that does not make each of ours a key frame.
    assert sum(unit.key for unit in seen.pictures()) < 10
    assert (seen.decoded()[-1].width, seen.decoded()[-1].height) == (320, 240)


@pytest.mark.parametrize("sound", ["mp2", "ac3", "eac3"])
def test_what_broadcast_sends_becomes_what_everybody_takes(engine: codecs.Engine, stack: ExitStack, sound: str) -> None:
    camera_of: dict[str, object] = {"codec": "mpeg2video", "size": (320, 240), "b_frames": 2, "gop": 12, "audio": sound}
    camera, seen, works = between(engine, stack, Recipe("h264", "opus"), camera_of)
    shoot_on(camera, stack)
    seen.until("pictures and sound", lambda s: len(s.pictures()) > 20 and len(s.sounds()) > 40)
    assert rising(seen.pictures()) and rising(seen.sounds())
    assert works.told("made", lambda e: "video" in e)["video"] == "mpeg2video 320x240 → h264 320x240"
    frames = seen.decoded()
    assert (frames[-1].width, frames[-1].height) == (320, 240)
    # The clock of the picture is that of the sound.
    assert abs(seen.pictures()[-1].pts / 90_000 - seen.sounds()[-1].pts / 48_000) < 0.5


def test_b_frames_go_and_sound_stays_with_the_picture(engine: codecs.Engine, stack: ExitStack) -> None:
    camera, seen, _ = between(
        engine, stack, Recipe("h264", "opus"), {"codec": "h264", "b_frames": 2, "gop": 25, "audio": "aac"}
    )
    shoot_on(camera, stack)
    seen.until("both", lambda s: len(s.pictures()) > 40 and len(s.sounds()) > 60)
    assert rising(seen.pictures()) and rising(seen.sounds())
    assert {track.codec for track in seen.tracks} == {"h264", "opus"}
    # Both are of one clock: what was taken at one moment stands within a picture and a sound frame of each other.
    last = min(seen.pictures()[-1].pts / 90_000, seen.sounds()[-1].pts / 48_000)
    picture_at = min(abs(unit.pts / 90_000 - last) for unit in seen.pictures())
    sound_at = min(abs(unit.pts / 48_000 - last) for unit in seen.sounds())
    assert picture_at < 0.08 and sound_at < 0.08
    # No picture refers to a later one: each can be shown when it is decoded.
    shown = [frame.pts for frame in seen.decoded()]
    assert len(shown) >= len(seen.pictures()) - 1


def test_what_fits_goes_on_as_it_is(engine: codecs.Engine, stack: ExitStack) -> None:
    source = engine.open_stream("ball")
    target = engine.open_stream("made", beside=source)
    camera = Camera(engine, source, "h264", (640, 360), gop=100, audio="aac")
    stack.callback(camera.close)
    camera.shoot(30)
    while int(engine.stream_stats(source)["gop_frames"]) < 30:
        time.sleep(0.01)
    seen = reads(engine, target)
    stack.callback(seen.port.close)
    works = Works(engine, source, target, Recipe(COPY, "opus"))
    stack.callback(works.close)
    shoot_on(camera, stack)
    seen.until("both", lambda s: len(s.pictures()) > 40 and s.sounds())
    pictures = seen.pictures()
    # The cached ones are drawn together before the newest: what follows stands where it belongs.
    gaps = [b.pts - a.pts for a, b in itertools.pairwise(pictures)]
    assert pictures[0].key and gaps[:29] == [90] * 29 and gaps[30:40] == [3600] * 10
    assert len(seen.decoded()) >= 40


@pytest.mark.parametrize(("codec", "target"), [("pcma", "aac"), ("g722", "aac"), ("opus", "aac"), ("aac", "pcma")])
def test_sound_each_way(engine: codecs.Engine, stack: ExitStack, codec: str, target: str) -> None:
    camera, seen, _ = between(engine, stack, Recipe("", target), {"codec": "h264", "audio": codec})
    shoot_on(camera, stack)
    seen.until("sound", lambda s: len(s.sounds()) > 60)
    track = seen.tracks[-1]
    assert track.codec == target and not seen.pictures() and rising(seen.sounds())
    decoder = av.CodecContext.create({"aac": "aac", "pcma": "pcm_alaw"}[target], "r")
    if track.sets:
        decoder.extradata = track.sets[0]
    else:
        decoder.sample_rate, decoder.layout = 8000, "mono"  # type: ignore[attr-defined]
    samples: list[float] = []
    flat = av.AudioResampler("flt", "mono", 8000)
    for unit in seen.sounds()[10:]:
        for frame in decoder.decode(av.Packet(unit.parts[0])):  # type: ignore[attr-defined]
            for piece in flat.resample(frame):
                samples += memoryview(bytes(piece.planes[0])[: piece.samples * 4]).cast("f").tolist()
    # 440 Hz: as many crossings of zero as such a tone has.
    crossings = sum(a < 0 <= b for a, b in itertools.pairwise(samples))
    assert 0.95 * 440 < crossings / (len(samples) / 8000) < 1.05 * 440


def test_who_keeps_up_leaves_nothing_out_though_there_is_never_a_pause(engine: codecs.Engine, stack: ExitStack) -> None:
    # As by sound each 20 ms beside a picture: the worker is idle most of the time, and never for long.
    camera, seen, works = between(engine, stack, Recipe("h264"), {"codec": "h265", "size": (160, 96), "fps": 100})
    camera.shoot(150, real_time=True)
    assert works.told("beat", lambda beat: beat["fed"][0] >= 150)["skipped"] == 0
    seen.until("all pictures", lambda s: len(s.pictures()) >= 149)


def test_a_low_ladder_and_pictures_once_a_second(engine: codecs.Engine, stack: ExitStack) -> None:
    camera, seen, works = between(engine, stack, Recipe("h264", "", 180, 1.0, 100_000), {"codec": "h264", "gop": 10})
    camera.shoot(120)
    seen.until("pictures", lambda s: len(s.pictures()) >= 4)
    pictures = seen.pictures()
    assert all(b.pts - a.pts > 80_000 for a, b in itertools.pairwise(pictures))
    assert (seen.tracks[0].width, seen.tracks[0].height) == (320, 180)
    # Key frames come often enough: nothing else is decoded.
    assert works.told("beat", lambda beat: beat["fed"][0] >= 100)["skipped"] > 50


def test_a_key_frame_is_made_when_it_is_wanted(engine: codecs.Engine, stack: ExitStack) -> None:
    camera, seen, works = between(engine, stack, Recipe("h264"), {"codec": "h265", "gop": 1000})
    shoot_on(camera, stack)
    seen.until("pictures", lambda s: len(s.pictures()) > 20)
    before = len(seen.pictures())
    works.ask("key")
    seen.until("a key frame", lambda s: any(unit.key for unit in s.pictures()[before:]))
    between_keys = seen.pictures()[-1].pts - seen.pictures()[0].pts
    assert between_keys < 2 * 90_000, "it came because it was asked for, not because it was time"


def test_the_source_of_a_picture_that_is_passed_on_is_asked_for_a_key_frame(
    engine: codecs.Engine, stack: ExitStack
) -> None:
    recipe, given = Recipe(COPY, "opus"), {"codec": "h264", "gop": 1000, "audio": "aac"}
    camera, seen, works = between(engine, stack, recipe, given)
    shoot_on(camera, stack)
    seen.until("pictures", lambda s: len(s.pictures()) > 20)
    engine.drain(10_000)
    works.ask("key")
    until = time.monotonic() + PATIENCE_S
    asked: list[str] = []
    while not asked and time.monotonic() < until:
        asked = [event.cause for event in engine.drain(1000) if isinstance(event, codecs.KeyFrameWanted)]
        time.sleep(0.01)
    assert asked == ["join"]


def test_another_size_and_another_codec_in_mid_stream(engine: codecs.Engine, stack: ExitStack) -> None:
    camera, seen, _ = between(engine, stack, Recipe("h264"), {"codec": "h265", "gop": 25})

    def shown(width: int) -> None:
        """Shoot until pictures of that width come out."""
        deadline = time.monotonic() + 30
        while not any(track.width == width for track in seen.tracks) or len(seen.decoded()) < 3:
            assert time.monotonic() < deadline
            camera.shoot(5, real_time=True)
            before = len(seen.units)
            seen.until("something", lambda s, before=before: len(s.units) > before)

    shown(640)
    camera.set("h265", (320, 240))
    shown(320)
    camera.set("h264", (480, 272))
    shown(480)
    assert [track.width for track in seen.tracks] == [640, 320, 480] and rising(seen.pictures())
    assert [track.generation for track in seen.tracks] == [1, 2, 3]
    assert {(f.width, f.height) for f in seen.decoded()} >= {(640, 360), (320, 240)}


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_hostile_units_cost_at_most_the_worker(engine: codecs.Engine, stack: ExitStack, codec: str) -> None:
    """Garbage, cut and turned-over pictures, and absurd sizes; then a good one, if the worker still lives."""
    camera, seen, works = between(engine, stack, Recipe("h264"), {"codec": codec, "gop": 5})
    camera.shoot(5)
    seen.until("pictures", lambda s: s.pictures())
    chance = random.Random(7)
    good: list[bytes] = []
    kept = camera.writer.unit
    camera.writer.unit = lambda unit: good.extend(unit.parts)  # type: ignore[method-assign]
    camera.shoot(20)
    camera.writer.unit = kept  # type: ignore[method-assign]
    heads = {"h264": (0x65, 0x41, 0x67, 0x68), "h265": (0x26, 0x02, 0x42, 0x44, 0x40)}[codec]
    pts = camera.number * 3600
    for number in range(300):
        part = bytearray(chance.choice(good) if number % 2 else chance.randbytes(chance.randrange(3, 3000)))
        for _ in range(chance.randrange(1, 20)):
            part[chance.randrange(len(part))] = chance.randrange(256)
        part[0] = chance.choice(heads)
        parts = (bytes(part[: chance.randrange(2, len(part) + 1)]),)
        kept(Unit(codec, parts, pts + number * 360, pts + number * 360, number % 3 == 0))
    camera.number += 40
    camera.set(codec, (640, 360))
    shoot_on(camera, stack)
    before = len(seen.pictures())
    if works.process.poll() is None:
        seen.until("pictures again", lambda s: len(s.pictures()) > before + 10)
        beat = works.told("beat", lambda beat: beat["fed"][0] > 300)
        assert beat["errors"] > 0 and beat["rss_kb"] < 400_000
    # The media plane did not even notice.
    assert int(engine.stream_stats(engine.open_stream("other"))["frames"]) == 0


def test_a_picture_of_absurd_size_is_not_even_tried(engine: codecs.Engine, stack: ExitStack) -> None:
    camera, seen, works = between(engine, stack, Recipe("h264"), {"codec": "h264", "gop": 5})
    # x264 writes the parameter sets of 16000 × 8000 pixels; no such picture is ever coded here.
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 16_000, 8_000, "yuv420p"  # type: ignore[attr-defined]
    context.time_base = Fraction(1, 25)
    context.options = {"preset": "ultrafast"}
    context.flags |= av.codec.context.Flags.global_header
    context.open()
    sets = [part for part in split(bytes(context.extradata or b"")) if part[0] & 0x1F in (7, 8)]
    assert sets
    camera.writer.track(Track("h264", 90_000, 16_000, 8_000, sets=tuple(sets)))
    for number in range(10):
        camera.writer.unit(Unit("h264", (*sets, b"\x65\x88\x84" + bytes(500)), number * 3600, number * 3600, True))
    beat = works.told("beat", lambda beat: beat["fed"][0] >= 5)
    assert beat["errors"] >= 5 and beat["rss_kb"] < 400_000
    camera.told = False
    camera.number = 100
    camera.set("h264", (640, 360))
    shoot_on(camera, stack)
    seen.until("a picture of sense", lambda s: len(s.pictures()) > 5)


def test_it_ends_when_the_daemon_goes(engine: codecs.Engine, stack: ExitStack) -> None:
    camera, seen, works = between(engine, stack, Recipe("h264"), {"codec": "h264"})
    camera.shoot(5)
    seen.until("pictures", lambda s: s.pictures())
    works.control.close()
    assert works.process.wait(10) == 0
