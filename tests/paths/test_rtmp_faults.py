"""What goes wrong with RTMP: strangers, wrong keys, names that can not be, publishers that fight, peers that vanish."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from pathlib import Path

import pytest

from adapters.rtmp.protocol.handshake import BLOCK
from gateway.model.reason import REASONS
from tests.paths.rtmp_rig import CONFIG, KEY, Program, Raw, Rig, a_rig, frames, reader, sender


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("live/drone-1?key=wrong", "program-password"),
        ("live/drone-1?user=nobody&pass=x", "program-unknown"),
        (f"live/camera-9?key={KEY}", "push-unknown"),
        (f"live/..%2f..%2fetc?key={KEY}", "bad-name"),
        (f"live/drone-1%0d%0a?key={KEY}", "bad-name"),
        ("live/drone-1?user=wall&pass=look-at-it", "push-denied"),
    ],
)
async def test_who_may_not_publish_reads_why(tmp_path: Path, path: str, code: str) -> None:
    async with a_rig(tmp_path) as rig:
        said = await (await Program.start(*sender(rig.url(path), seconds=5))).said()
        assert code in said, said
        assert code in REASONS
        assert KEY not in said.replace(path, "")
        (finding,) = await rig.until(rig.adapter.findings)
        assert finding.code == code
        assert "127.0.0.1" in finding.measured
        assert KEY not in finding.measured


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("live/drone-1?user=drone-1&pass=wrong", "program-password"),
        (f"live/drone-1?key={KEY}", "read-denied"),
        ("live/ball-7?user=wall&pass=look-at-it", "read-denied"),
        ("live/drone-7?user=wall&pass=look-at-it", "not-found"),
    ],
)
async def test_who_may_not_watch_reads_why(tmp_path: Path, path: str, code: str) -> None:
    async with a_rig(tmp_path) as rig:
        raw = await Raw.connect(rig)
        raw.command("connect", 1, {"app": "live"})
        raw.command("createStream", 2, None)
        raw.command("play", 3, None, path.removeprefix("live/"), stream_id=1)
        assert b"NetStream.Play." in (said := await raw.closed())
        assert f"({code})".encode() in said
        await raw.close()


async def test_a_second_publisher_is_refused_and_by_policy_replaces_the_first(tmp_path: Path) -> None:
    url = f"live/drone-1?key={KEY}"
    async with a_rig(tmp_path / "a") as rig:
        first = await Program.start(*sender(rig.url(url)))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        # As somebody else: who comes again as the same from the same address is taken for the first one come back.
        said = await (await Program.start(*sender(rig.url("live/drone-1?key=of-another"), seconds=5))).said()
        assert "push-taken" in said
        assert rig.state("drone-1/main") == "live"
        await first.stop()
    config = CONFIG | {"security": {"pull_allow": ["127.0.0.0/8"], "push_policy": "replace"}}
    async with a_rig(tmp_path / "b", **config) as rig:
        first = await Program.start(*sender(rig.url(url)))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        second = await Program.start(*sender(rig.url(url)))
        await first.said()
        await rig.until(lambda: rig.state("drone-1/main") == "live" and rig.adapter.figures()["publishers"] == 1)
        await second.stop()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x02" + bytes(3) + b"\0\0\4\1" + bytes(4) + b"\0\0\0\0", "rtmp-broken"),
        (b"\x02" + bytes(3) + b"\0\0\4\1" + bytes(4) + b"\xff\xff\xff\xff", "rtmp-broken"),
        (b"\x03" + bytes(3) + b"\xff\xff\xff\x14" + bytes(4) + bytes(128), "rtmp-broken"),
        (b"\xc7", "rtmp-broken"),
        (b"\x03" + bytes(3) + b"\0\0\3\x14" + bytes(4) + b"\x04\x04\x04", "rtmp-amf"),
    ],
)
async def test_absurd_chunks_and_commands_end_the_connection(
    tmp_path: Path, sent: bytes, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_rig(tmp_path) as rig:
        raw = await Raw.connect(rig)
        raw.writer.write(sent)
        assert await raw.closed() == b""
        await rig.until(lambda: any(f"({code})" in r.getMessage() for r in caplog.records))
        await raw.close()


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"\x06" + bytes(BLOCK), b"\x16\x03\x01\x02\x00"])
async def test_strangers_are_let_go_at_their_first_byte(tmp_path: Path, first: bytes) -> None:
    async with a_rig(tmp_path) as rig:
        raw = await Raw.connect(rig, shake=False)
        raw.writer.write(first)
        assert await raw.closed() == b""
        await raw.close()


async def test_who_asks_for_nothing_is_let_go_and_connections_are_counted(tmp_path: Path) -> None:
    limits = {"patience": "1s", "connections": 4, "connections_per_address": 3}
    async with a_rig(tmp_path, rtmp=limits) as rig:
        silent = [await Raw.connect(rig, shake=n == 0) for n in range(3)]
        one_too_many = await Raw.connect(rig, shake=False)
        assert await one_too_many.closed() == b""
        for raw in silent:
            await raw.closed()
        await rig.until(
            lambda: rig.adapter.figures() == {"connections": 0, "publishers": 0, "players": 0, "refused": 1}
        )
        for raw in [*silent, one_too_many]:
            await raw.close()


async def test_a_publisher_that_vanishes_comes_back_and_the_player_stays(tmp_path: Path) -> None:
    url = f"live/drone-1?key={KEY}"
    async with a_rig(tmp_path) as rig:
        first = await Program.start(*sender(rig.url(url)))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        player = await Program.start(*reader(rig.url("live/drone-1?user=wall&pass=look-at-it"), seconds=6))
        await rig.until(lambda: rig.adapter.figures()["players"] == 1)
        first.process.kill()
        await rig.until(lambda: rig.status("drone-1/main").code == "publisher-gone")
        # Another resolution.
        second = await Program.start(*sender(rig.url(url), "-s", "640x360"))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        said = await player.said()
        # Six seconds of its own time line, the gap included.
        assert frames(said).get(0, 0) >= 60, said
        await first.said()
        await second.stop()


async def test_a_player_that_came_first_sees_the_publisher_begin(tmp_path: Path) -> None:
    config = CONFIG | {
        "program": {
            "drone-1": {"password": KEY, "publish": ["drone-1"]},
            "wall": {"password": "look-at-it", "read": ["*"]},
        }
    }
    async with a_rig(tmp_path, **config) as rig:
        player = await Program.start(*reader(rig.url("live/drone-1?user=wall&pass=look-at-it"), seconds=1.5))
        await rig.until(lambda: rig.adapter.figures()["players"] == 1)
        # Longer than an unbound wire is kept.
        await asyncio.sleep(11)
        publisher = await Program.start(*sender(rig.url(f"live/drone-1?key={KEY}")))
        assert frames(await player.said()).get(0, 0) >= 30
        await publisher.stop()


async def cycles(rig: Rig, count: int) -> None:
    """Publish and unpublish `count` times over the wire: for the soak too."""
    header = bytes.fromhex("1700000000014d400dffe1001b674d400deca0a0fd80880000030008000003019078a14cb001000468cf0f2c")
    for n in range(count):
        raw = await Raw.connect(rig)
        raw.publish(f"drone-1?key={KEY}")
        await raw.until(b"NetStream.Publish.Start")
        raw.chunk(9, header, 1)
        if n % 3 == 0:
            raw.command("FCUnpublish", 4, None, "drone-1")
            raw.command("deleteStream", 5, None, 1)
            await raw.closed()
        await raw.close()
        await rig.until(lambda: rig.adapter.figures()["connections"] == 0)


async def test_a_thousand_publishers_leave_nothing_behind(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        await cycles(rig, 20)
        await rig.until(lambda: rig.engine.engine_stats()["legs"] == 0)
        before, tasks = descriptors(), names()
        await cycles(rig, 200)
        await rig.until(lambda: rig.engine.engine_stats()["legs"] == 0)
        assert descriptors() <= before
        await rig.until(lambda: names() <= tasks, f"none left but {tasks}, of {names()}")
        assert rig.engine.engine_stats()["streams"] <= 1


def names() -> Counter[str]:
    """Tasks by what they are for."""
    return Counter(task.get_name().partition("-")[0] for task in asyncio.all_tasks())


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_flood_of_commands_ends_only_its_own_connection(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        publisher = await Program.start(*sender(rig.url(f"live/drone-1?key={KEY}")))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        raw = await Raw.connect(rig)
        raw.command("connect", 1, {"app": "live"})
        for _ in range(500):
            raw.command("x", 0.0, None)
        await raw.closed()
        await raw.close()
        assert rig.state("drone-1/main") == "live"
        assert publisher.process.returncode is None
        await publisher.stop()


async def test_a_reset_in_the_handshake_is_an_end_like_another(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        with socket.create_connection(("127.0.0.1", rig.port)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.send(b"\x03abc")
            await rig.until(lambda: rig.adapter.figures()["connections"] == 1)
        await rig.until(lambda: rig.adapter.figures()["connections"] == 0)
