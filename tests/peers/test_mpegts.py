"""Transport streams over UDP and RTP at the whole daemon: FFmpeg and GStreamer send and read, unicast and multicast."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.klv import write_klv
from tests.peers.programs import need
from tests.peers.senders import PATIENCE_S, a_stage, live, looked_at, running, stream
from tests.peers.stage import Ports, Stage, ports

pytestmark = pytest.mark.peer

GROUP, OUT = "239.255.77.21", "239.255.77.22"


@pytest.fixture
def free() -> Iterator[Ports]:
    need("ffmpeg", "gst-launch-1.0")
    with ports() as mine:
        yield mine


def config(free: Ports) -> str:
    return f"""
[adapter.mpegts]
interface = "lo"
ttl = 0
[source.unicast]
url = "udp://127.0.0.1:{free.ts}"
on_demand = false
[source.group]
url = "udp://@{GROUP}:{free.other}?iface=lo&source=127.0.0.1"
on_demand = false
[push.wall]
stream = "unicast/main"
url = "rtp://{OUT}:{free.pbx}?bitrate=4000000"
"""


@pytest.fixture
async def stage(free: Ports, tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(tmp_path, free, config(free)) as made:
        yield made


PICTURE = "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p"


async def test_unicast_in_and_a_group_out(stage: Stage, free: Ports) -> None:
    words = (
        "ffmpeg -v error -f lavfi -re -i sine=frequency=440:sample_rate=48000 -f lavfi -re -i "
        f"testsrc2=size=640x360:rate=25 {PICTURE} -c:a aac -f rtp_mpegts rtp://127.0.0.1:{free.ts}"
    )
    with running(*words.split()):
        await live(stage, "unicast/main", "h264", "aac")
        codecs, packets = await looked_at(f"rtp://{OUT}:{free.pbx}?localaddr=127.0.0.1")
        assert codecs == {"h264", "aac"} and packets > 100
    await stage.until(
        "its end", lambda: stream(stage, "unicast/main")["code"] in ("media-stopped", "waiting-media"), PATIENCE_S
    )
    # A GStreamer sender, raw, in the same place: the stream goes on.
    line = (
        "gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! x264enc "
        "speed-preset=ultrafast tune=zerolatency key-int-max=25 ! h264parse ! mpegtsmux alignment=7 ! udpsink "
        f"host=127.0.0.1 port={free.ts}"
    )
    with running(*line.split()):

        def other() -> bool:
            one = stream(stage, "unicast/main")
            return one["state"] == "live" and any(track["width"] == 320 for track in one["tracks"])

        await stage.until("the other sender's picture", other, PATIENCE_S)


@pytest.mark.parametrize(
    ("picture", "sound", "names"),
    [
        ("-c:v mpeg2video -g 25 -bf 2 -b:v 3M", "-c:a mp2", ("mpeg2video", "mp2")),
        (PICTURE, "-c:a ac3", ("h264", "ac3")),
        (PICTURE, "-c:a eac3", ("h264", "eac3")),
    ],
)
async def test_what_nobody_takes_as_it_is_is_converted_by_itself(
    stage: Stage, free: Ports, picture: str, sound: str, names: tuple[str, str]
) -> None:
    words = (
        "ffmpeg -v error -f lavfi -re -i sine=frequency=440:sample_rate=48000 -f lavfi -re -i "
        f"testsrc2=size=640x360:rate=25 {picture} {sound} -f mpegts udp://127.0.0.1:{free.ts}?pkt_size=1316"
    )
    with running(*words.split()):
        one = await live(stage, "unicast/main", *names)
        assert (one["code"], one["tracks"][0]["width"]) == ("", 640)
        codecs, packets = await looked_at(f"rtp://{OUT}:{free.pbx}?localaddr=127.0.0.1")
        assert codecs == {"h264", "aac"} and packets > 50


@pytest.mark.parametrize(
    ("picture", "sound", "state", "code", "named"),
    [
        (PICTURE, "-c:a dca -strict -2", "live", "source-sound", "DTS (stream_type 0x82)"),
        ("-c:v mpeg4", "-c:a aac", "opening", "source-codec", "MPEG-4 part 2 (stream_type 0x10)"),
    ],
)
async def test_a_codec_that_is_not_carried_is_named(
    stage: Stage, free: Ports, picture: str, sound: str, state: str, code: str, named: str
) -> None:
    words = (
        "ffmpeg -v error -f lavfi -re -i sine=frequency=440:sample_rate=48000 -f lavfi -re -i "
        f"testsrc2=size=640x360:rate=25 {picture} {sound} -f mpegts udp://127.0.0.1:{free.ts}?pkt_size=1316"
    )
    with running(*words.split()):

        def told() -> bool:
            one = stream(stage, "unicast/main")
            return (one["state"], one["code"], one["detail"]) == (state, code, named)

        await stage.until("its words", told, PATIENCE_S)
    assert set(stage.client.get("/api/v1/reasons")[code]["cause"]) == {"en", "zh"}


async def test_each_programme_of_a_group_is_a_stream(stage: Stage, free: Ports) -> None:
    words = (
        f"ffmpeg -v error -f lavfi -re -i testsrc2=size=640x360:rate=25 -f lavfi -re -i testsrc=size=320x240:rate=25 "
        f"-map 0 -map 1 {PICTURE} -program title=Mast:program_num=7:st=0 -program title=Boat:program_num=9:st=1 "
        f"-f mpegts udp://{GROUP}:{free.other}?pkt_size=1316&localaddr=127.0.0.1&ttl=0"
    )
    with running(*words.split()):
        first = await live(stage, "group/main", "h264")
        assert first["tracks"][0]["width"] == 640
        await stage.until(
            "both programmes", lambda: stream(stage, "group/p7") and stream(stage, "group/p9"), PATIENCE_S
        )
        assert stream(stage, "group/p9")["title"] == "Boat"


async def test_where_a_drone_is_comes_with_its_picture(stage: Stage, free: Ports) -> None:
    north, east = round(39.9 / 90 * (2**31 - 1)), round(116.4 / 180 * (2**31 - 1))
    place = write_klv([(2, bytes(8)), (13, north.to_bytes(4)), (14, east.to_bytes(4))])
    # The places come to the multiplexer as a live source. A file read in a loop, stamped by the pipeline's clock,
    # begins before there is one as often as not: then the multiplexer sends none of it, ever.
    line = (
        f"gst-launch-1.0 -q mpegtsmux name=m alignment=7 ! udpsink host=127.0.0.1 port={free.ts} "
        "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! x264enc tune=zerolatency "
        f"key-int-max=25 ! h264parse ! m. udpsrc address=127.0.0.1 port={free.usrp} do-timestamp=true "
        "caps=meta/x-klv,parsed=true ! m."
    )
    with running(*line.split()), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as told:

        def found() -> list[dict[str, Any]]:
            told.sendto(place, ("127.0.0.1", free.usrp))
            return [one for one in stage.client.get("/api/v1/positions") if one["device"].endswith("/unicast")]

        (position,) = await stage.until("its position", found, PATIENCE_S)
    assert (round(position["latitude"], 5), round(position["longitude"], 5)) == (39.9, 116.4)
