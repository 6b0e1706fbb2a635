"""A drone controller as DJI makes them, by public reports: claims not kept, time that runs back, odd orders."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.paths.rtmp_rig import KEY, VECTORS, Program, Raw, a_rig, frames, reader


def tags(file: str) -> list[tuple[int, int, bytes]]:
    """(kind, time in ms, body) of an FLV file."""
    data, at, out = (VECTORS / file).read_bytes(), 13, []
    while at + 11 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4])
        time_ms = int.from_bytes(data[at + 4 : at + 7]) | data[at + 7] << 24
        out.append((data[at], time_ms, data[at + 11 : at + 11 + size]))
        at += 11 + size + 4
    return out


async def fly(raw: Raw, rounds: int) -> None:
    """Pictures only, though sound was promised; each key frame's time stands still, the next one's runs back."""
    video = [(time_ms, body) for kind, time_ms, body in tags("flv_h264_b_aac.flv") if kind == 9]
    header = video[0][1]
    raw.chunk(9, b"\x17\x00\x00\x00\x00", 1)
    raw.chunk(8, b"\xaf\x00", 1)
    clock = 0
    for n in range(rounds):
        raw.chunk(9, header, 1, time_ms=clock)
        for at, (time_ms, body) in enumerate(video[1:-1]):
            wrong = {3: -400, 4: -400, 9: 0}.get(at % 12, 0)
            raw.chunk(9, body, 1, time_ms=max(0, clock + time_ms + wrong))
            if at % 5 == 0:
                raw.chunk(18, b"\x02\x00\x04onFI\x05", 1, time_ms=clock)
            await raw.writer.drain()
            await asyncio.sleep(0.08)
        # The controller's clock begins anew now and then.
        clock = 0 if n % 2 else clock + 2000


async def test_a_drone_that_does_not_keep_its_word_is_seen(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        raw = await Raw.connect(rig)
        # tcUrl with the key's path, no type, FCPublish before releaseStream, two streams, spaces.
        raw.command("connect", 1, {"app": " live/ ", "tcUrl": "rtmp://10.0.0.1/live/", "flashVer": "DJI RC Pro"})
        raw.command("FCPublish", 2, None, f"drone-1?key={KEY}")
        raw.command("releaseStream", 3, None, f"drone-1?key={KEY}")
        raw.command("createStream", 4, None)
        raw.command("createStream", 5, None)
        raw.command("publish", 0, None, f"drone-1?key={KEY}", stream_id=2)
        await raw.until(b"NetStream.Publish.Start")
        metadata = {"duration": 0.0, "audiocodecid": 10.0, "audiosamplerate": 44100.0, "stereo": True}
        raw.command("@setDataFrame", "onMetaData", metadata, stream_id=2)
        flight = asyncio.create_task(fly(raw, 6))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        status = rig.status("drone-1/main")
        assert [t.codec.value for t in status.tracks] == ["h264"]
        assert status.source.software == "DJI RC Pro"
        said = await (await Program.start(*reader(rig.url("live/drone-1?user=wall&pass=look-at-it"), seconds=4))).said()
        assert frames(said).get(0, 0) >= 30, said
        times = [int(line.split(",")[2]) for line in said.splitlines() if line.startswith("0,")]
        assert times == sorted(times)
        flight.cancel()
        await asyncio.gather(flight, return_exceptions=True)
        await raw.close()
