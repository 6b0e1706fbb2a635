"""Senders and readers that come and go by the hundred at our own port, by hand: what is left behind is counted."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

from tests.fakes.rtsp_camera import PPS, SPS
from tests.paths.rtsp_rig import DRONE, WALL, Rig
from tests.paths.test_rtsp_guests import SDP, Hand, hand


def picture(count: int) -> bytes:
    """A key frame as interleaved frames."""
    frames = b""
    seq = 3 * count
    for nalu in (SPS, PPS, b"\x65\xb8" + struct.pack("!I", count | 0x01010101) + b"\x55" * 400):
        marker = 0x80 if nalu[0] == 0x65 else 0
        packet = struct.pack("!BBHII", 0x80, 96 | marker, seq & 0xFFFF, count * 3600, 7) + nalu
        frames += struct.pack("!cBH", b"$", 0, len(packet)) + packet
        seq += 1
    return frames


async def once(rig: Rig, turn: int) -> None:
    """One publishes, one reads what it sends; both go, every other time without a word."""
    url = rig.url("drone-1")
    tcp = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1")
    async with hand(rig, DRONE) as sends, hand(rig, WALL) as reads:
        assert (await sends.ask("ANNOUNCE", url, body=SDP)).ok
        assert (await sends.ask("SETUP", f"{url}/streamid=0", (tcp[0], tcp[1] + ";mode=record"))).ok
        assert (await sends.ask("RECORD", url)).ok
        for count in range(3):
            sends.writer.write(picture(count))
        await _plays(reads, url, tcp)
        await reads.frame()
        if turn % 2:
            assert (await reads.ask("TEARDOWN", url)).ok
            assert (await sends.ask("TEARDOWN", url)).ok
    await rig.until(lambda: rig.status("drone-1/main").code == "publisher-gone")


async def _plays(reads: Hand, url: str, tcp: tuple[str, str]) -> None:
    assert (await reads.ask("DESCRIBE", url)).ok
    assert (await reads.ask("SETUP", f"{url}/trackID=0", tcp)).ok
    assert (await reads.ask("PLAY", url)).ok


def standing(rig: Rig) -> dict[str, float]:
    """What must be the same before and after."""
    stats = rig.engine.engine_stats()
    kept = {name: stats[name] for name in ("legs", "subscriptions", "streams")}
    return kept | {"files": len(list(Path("/proc/self/fd").iterdir())), "tasks": len(asyncio.all_tasks())}


async def cycles(rig: Rig, count: int) -> tuple[dict[str, float], dict[str, float]]:
    """Before and after `count` turns; the first ones are not counted, they fill pools."""
    for turn in range(4):
        await once(rig, turn)
    await calm(rig)
    before = standing(rig)
    for turn in range(count):
        await once(rig, turn)
    await calm(rig)
    return before, standing(rig)


def left(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What there is more of. A task or a file that is just being closed is none."""
    at_rest = ("legs", "subscriptions", "streams")
    return {name: after[name] - n for name, n in before.items() if after[name] > n + (0 if name in at_rest else 2)}


async def calm(rig: Rig) -> None:
    await rig.until(lambda: rig.adapter.figures()["connections"] == 0, "all connections are over")
    await rig.until(lambda: rig.status("drone-1/main").code == "publisher-gone")
    await rig.until(lambda: rig.engine.engine_stats()["legs"] == 0 and rig.engine.engine_stats()["subscriptions"] == 0)
