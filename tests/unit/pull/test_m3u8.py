"""Playlists of others, and which segment comes next."""

from __future__ import annotations

import pytest

from adapters.pull.live import Live
from adapters.pull.m3u8 import ByteRange, Key, Map, Media, Multivariant, Segment, choose, read
from gateway.base.errors import RemoteProtocolError

LIVE = b"""#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-MAP:URI="init.mp4",BYTERANGE="600@10"
#EXTINF:4.000,
a.m4s
#EXT-X-DISCONTINUITY
#EXT-X-KEY:METHOD=AES-128,URI="key?id=1",IV=0x0f
#EXTINF:3.2,title, with commas
b.m4s?x=1
#EXT-X-KEY:METHOD=NONE
#EXT-X-BYTERANGE:100@50
#EXTINF:4,
c.mp4
#EXT-X-BYTERANGE:200
#EXTINF:4,
c.mp4
"""
MASTER = b"""#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1000000,RESOLUTION=640x360,CODECS="avc1.64001f,mp4a.40.2"
low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=4000000,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2"
mid.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=8000000,RESOLUTION=1920x1080,CODECS="avc1.64001f",AUDIO="a"
high.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="mp4a.40.2"
sound.m3u8
"""


def test_a_media_playlist() -> None:
    made = read(LIVE)
    assert isinstance(made, Media) and made.target_s == 4 and not made.ended
    a, b, c, d = made.segments
    init = Map("init.mp4", ByteRange(10, 600))
    assert a == Segment(7, 4.0, "a.m4s", None, init)
    assert b == Segment(8, 3.2, "b.m4s?x=1", None, init, Key("key?id=1", bytes(15) + b"\x0f"), True)
    assert (c.range, d.range, c.key) == (ByteRange(50, 100), ByteRange(150, 200), None)


def test_the_choice() -> None:
    made = read(MASTER)
    assert isinstance(made, Multivariant)
    assert choose(made).uri == "mid.m3u8", "one with sound before a better one without"
    assert choose(made, height=480).uri == "low.m3u8"
    assert choose(made, bandwidth=2_000_000).uri == "low.m3u8"
    assert choose(made, height=100).uri == "low.m3u8", "nothing fits: the smallest with a picture"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "hls-playlist"),
        (b"<html>", "hls-playlist"),
        (b"#EXTM3U\n", "hls-playlist"),
        (b"#EXTM3U\n#EXTINF:nan,\na", "hls-playlist"),
        (b"#EXTM3U\n#EXTINF:1e99,\na", "hls-playlist"),
        (b"#EXTM3U\n#EXTINF:-1,\na", "hls-playlist"),
        (b"#EXTM3U\n#EXTINF:1,\n" + b"a" * 5000, "hls-playlist"),
        (b"#EXTM3U\n#EXT-X-BYTERANGE:10\n#EXTINF:1,\na", "hls-playlist"),
        (b"#EXTM3U\n#EXT-X-BYTERANGE:0@0\n#EXTINF:1,\na", "hls-playlist"),
        (b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:\xc2\xb2\n#EXTINF:1,\na", "hls-playlist"),
        (b"#EXTM3U\n" + b"#x\n" * 20_001, "hls-playlist"),
        (b"#EXTM3U\n" + b" " * 1_000_001, "hls-playlist"),
        (b'#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x"\n#EXTINF:1,\na', "hls-cipher"),
        (b'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k",KEYFORMAT="com.apple"\n#EXTINF:1,\na', "hls-cipher"),
        (b'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0xzz\n#EXTINF:1,\na', "hls-playlist"),
    ],
)
def test_refused(text: bytes, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        read(text)
    assert refused.value.code == code


def playlist(first: int, count: int, *, ended: bool = False) -> Media:
    return Media(4.0, tuple(Segment(n, 4.0, f"{n}.ts") for n in range(first, first + count)), ended)


def test_live_begins_near_the_end_and_goes_on() -> None:
    live = Live()
    step = live.step(playlist(10, 6), 0.0)
    assert [one.number for one in step.segments] == [13, 14, 15] and step.reload_s == 4.0
    assert (same := live.step(playlist(10, 6), 4.0)).segments == [] and same.reload_s == 2.0
    assert [one.number for one in live.step(playlist(12, 6), 8.0).segments] == [16, 17]


def test_a_server_that_begins_anew_and_one_that_ran_away() -> None:
    for first in (0, 500):
        live = Live()
        live.step(playlist(100, 6), 0.0)
        step = live.step(playlist(first, 6), 4.0)
        assert step.jumped and [one.number for one in step.segments] == list(range(first + 3, first + 6))


def test_a_dead_playlist_and_a_recording() -> None:
    live = Live()
    live.step(playlist(10, 6), 0.0)
    assert not live.step(playlist(10, 6), 20.0).stale and live.step(playlist(10, 6), 25.0).stale
    step = Live().step(playlist(0, 5, ended=True), 0.0)
    assert step.over and [one.number for one in step.segments] == [0, 1, 2, 3, 4]
    assert Live().step(playlist(5, 0), 0.0).segments == []
