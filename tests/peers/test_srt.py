"""SRT at the whole daemon: FFmpeg, GStreamer and srt-live-transmit publish, read, are pulled and are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.peers.discovery.net import net
from tests.peers.programs import need
from tests.peers.senders import PATIENCE_S, a_stage, live, looked_at, running, stream
from tests.peers.stage import Ports, Stage, ports

pytestmark = pytest.mark.peer

SECRET, PHRASE = "sender-secret-1", "correct horse battery"


@pytest.fixture
def free() -> Iterator[Ports]:
    need("ffmpeg", "gst-launch-1.0", "srt-live-transmit")
    with ports() as mine:
        yield mine


def config(free: Ports) -> str:
    return f"""
[program.sender]
password = "{SECRET}"
publish = ["drone-*"]
read = ["*"]
[program.radio]
password = "{SECRET}-2"
publish = ["radio-1"]
[security]
pull_allow = ["127.0.0.1"]
[source.called]
url = "srt://127.0.0.1:{free.other}?passphrase=correct%20horse%20battery"
[source.awaited]
url = "srt://127.0.0.1:{free.ts}?mode=listener&passphrase=correct%20horse%20battery"
on_demand = false
[push.out]
stream = "drone-1/main"
url = "srt://127.0.0.1:{free.pbx}?streamid=out"
"""


@pytest.fixture
async def stage(free: Ports, tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(tmp_path, free, config(free)) as made:
        yield made


def ffmpeg(url: str, *, size: str = "640x360") -> Any:
    words = (
        "ffmpeg -v error -f lavfi -re -i sine=frequency=440:sample_rate=48000 -f lavfi -re -i "
        f"testsrc2=size={size}:rate=25 -c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac -f mpegts"
    )
    return running(*words.split(), url)


def publish_url(free: Ports, name: str, more: str = "") -> str:
    return f"srt://127.0.0.1:{free.srt}?streamid=%23!::r={name},m=publish,u=sender,s={SECRET}{more}"


async def test_published_read_and_pushed_on(stage: Stage, free: Ports) -> None:
    with ffmpeg(publish_url(free, "drone-1")):
        await live(stage, "drone-1/main", "h264", "aac")
        reader = f"srt://127.0.0.1:{free.srt}?streamid=read:drone-1:sender:{SECRET}"
        codecs, packets = await looked_at(reader)
        assert codecs == {"h264", "aac"} and packets > 100
        # The output that the configuration has goes to whoever listens there.
        codecs, packets = await looked_at(f"srt://127.0.0.1:{free.pbx}?mode=listener")
        assert codecs == {"h264", "aac"} and packets > 100
    # Gone without a word: viewers would read this, and the next publisher goes on in the same stream.
    await stage.until("gone", lambda: stream(stage, "drone-1/main")["code"] == "publisher-gone", PATIENCE_S)
    words = (
        "gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! x265enc "
        "speed-preset=ultrafast tune=zerolatency key-int-max=25 ! h265parse ! mpegtsmux alignment=7 ! srtsink"
    )
    line = words.split()
    where = publish_url(free, "drone-1").replace("%23", "#")
    uri, _, streamid = where.partition("?streamid=")
    with running(*line, f"uri={uri}", f"streamid={streamid}", "latency=200"):

        def other() -> bool:
            one = stream(stage, "drone-1/main")
            return one["state"] == "live" and any(track["codec"] == "h265" for track in one["tracks"])

        await stage.until("H.265 in the same stream", other, PATIENCE_S)


async def test_called_and_awaited(stage: Stage, free: Ports) -> None:
    # A source of ours that calls an encoder, while somebody watches.
    with ffmpeg(f"srt://127.0.0.1:{free.other}?mode=listener&passphrase={PHRASE}"):
        codecs, packets = await looked_at(f"srt://127.0.0.1:{free.srt}?streamid=read:called:sender:{SECRET}")
        assert codecs == {"h264", "aac"} and packets > 100
    # And one that waits for an encoder without stream id, through srt-live-transmit.
    feeder = (
        f"ffmpeg -v error -f lavfi -re -i testsrc2=size=320x240:rate=25 -c:v libx264 -preset ultrafast -g 25 "
        f"-pix_fmt yuv420p -f mpegts udp://127.0.0.1:{free.radio}?pkt_size=1316"
    )
    target = f"srt://127.0.0.1:{free.ts}?passphrase={PHRASE}"
    with running("srt-live-transmit", "-q", f"udp://127.0.0.1:{free.radio}", target), running(*feeder.split()):
        one = await live(stage, "awaited/main", "h264")
        assert [track["width"] for track in one["tracks"]] == [320]


async def test_met_at_a_rendezvous(free: Ports, tmp_path: Path) -> None:
    """Both call, each from the port that it calls: a source of ours, and srt-live-transmit on a machine of its own."""
    with net() as place:
        config = f"""
[program.sender]
password = "{SECRET}"
read = ["*"]
[source.met]
url = "srt://{place.there}:{free.other}?mode=rendezvous&passphrase=correct%20horse%20battery"
"""
        feeder = (
            "ffmpeg -v error -f lavfi -re -i testsrc2=size=320x240:rate=25 -c:v libx264 -preset ultrafast -g 25 "
            f"-pix_fmt yuv420p -f mpegts udp://{place.there}:{free.radio}?pkt_size=1316"
        )
        theirs = f"srt://{place.here}:{free.other}?mode=rendezvous&passphrase={PHRASE}"
        meets = (*place.within, "srt-live-transmit", "-q", f"udp://:{free.radio}", theirs)
        async with a_stage(tmp_path, free, config) as stage:
            with running(*meets), running(*place.within, *feeder.split()):
                codecs, packets = await looked_at(f"srt://127.0.0.1:{free.srt}?streamid=read:met:sender:{SECRET}")
                assert codecs == {"h264"} and packets > 25, stream(stage, "met/main")


REFUSED = [
    (f"#!::r=drone-1,m=publish,u=sender,s={SECRET}x", "program-password"),
    (f"#!::r=drone-1,m=publish,u=nobody,s={SECRET}", "program-unknown"),
    ("publish:drone-1", "srt-anonymous"),
    (f"%23!::r=../../etc,m=publish,u=sender,s={SECRET}", "bad-name"),
    (f"#!::r=radio-1,m=publish,u=sender,s={SECRET}", "push-denied"),
    (f"#!::r=elsewhere,m=publish,u=sender,s={SECRET}", "push-unknown"),
    (f"#!::r=elsewhere,m=request,u=sender,s={SECRET}", "not-found"),
    (f"#!::r=drone-1,m=request,u=radio,s={SECRET}-2", "read-denied"),
    ("#!::r=drone-1,m=bidirectional", "srt-mode"),
    ("", "srt-no-stream"),
]


def _said(stage: Stage, words: str) -> bool:
    return words in stage.said("gateway")


async def test_refused_with_a_reason(stage: Stage, free: Ports) -> None:
    for streamid, code in REFUSED:
        with ffmpeg(f"srt://127.0.0.1:{free.srt}?streamid={streamid}") as process:
            await stage.until(code, partial(_said, stage, f"({code})"), PATIENCE_S)
            await asyncio.to_thread(process.wait, PATIENCE_S)
    assert SECRET not in stage.said("gateway")


async def test_two_publishers_of_one_name(stage: Stage, free: Ports) -> None:
    with ffmpeg(publish_url(free, "drone-1")):
        await live(stage, "drone-1/main", "h264", "aac")
        with ffmpeg(publish_url(free, "drone-1")) as second:
            await stage.until("its reason", lambda: "(push-taken)" in stage.said("gateway"), PATIENCE_S)
            await asyncio.to_thread(second.wait, PATIENCE_S)
        assert stream(stage, "drone-1/main")["state"] == "live"


class Way(asyncio.DatagramProtocol):
    """One direction of a link with a long way, for one peer: what comes goes on a while later."""

    def __init__(self, on: Callable[[bytes, Any], None], delay_s: float) -> None:
        self.on, self.delay_s = on, delay_s

    def datagram_received(self, data: bytes, addr: Any) -> None:
        asyncio.get_running_loop().call_later(self.delay_s, self.on, data, addr)


@asynccontextmanager
async def long_way(port: int, to: int, delay_s: float) -> AsyncIterator[None]:
    """127.0.0.1:`port` leads to `to`, each caller by a socket of its own."""
    loop = asyncio.get_running_loop()
    ways: dict[Any, asyncio.Task[Any]] = {}

    def there(data: bytes, caller: Any) -> None:
        def back(answer: bytes, _from: Any) -> None:
            door.sendto(answer, caller)

        if caller not in ways:
            ways[caller] = loop.create_task(
                loop.create_datagram_endpoint(lambda: Way(back, delay_s), remote_addr=("127.0.0.1", to))
            )
        ways[caller].add_done_callback(lambda made: made.result()[0].sendto(data))

    door, _ = await loop.create_datagram_endpoint(lambda: Way(there, delay_s), local_addr=("127.0.0.1", port))
    try:
        yield
    finally:
        door.close()
        for made in ways.values():
            (await made)[0].close()


async def test_a_long_way_gets_more_latency(stage: Stage, free: Ports) -> None:
    listening = f"srt://127.0.0.1:{free.usrp}?mode=listener&passphrase={PHRASE}"
    reader = f"srt://127.0.0.1:{free.srt}?streamid=read:called:sender:{SECRET}"
    async with long_way(free.other, free.usrp, 0.15):
        with ffmpeg(listening), running("ffmpeg", "-v", "error", "-i", reader, "-f", "null", "-"):
            await stage.until("its measure", lambda: "its next connection gets" in stage.said("gateway"), PATIENCE_S)
        # The encoder that was left has ended; the next one is called with three round trips.
        with ffmpeg(listening), running("ffmpeg", "-v", "error", "-i", reader, "-f", "null", "-"):
            await live(stage, "called/main", "h264", "aac")
    assert stage.said("gateway").count("its next connection gets") == 1
