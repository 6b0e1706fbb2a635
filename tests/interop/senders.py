"""The programs that bring a stream, each by a command line of its own, as a technician would type it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from tests.interop.fixtures import fixture
from tests.interop.rule import (
    ERTMP,
    RTMP,
    RTSP_PULL_TCP,
    RTSP_PULL_UDP,
    RTSP_TCP,
    RTSP_UDP,
    SRT,
    TS_MULTICAST,
    TS_UDP,
    WHIP,
    Ingest,
)

USER, PASSWORD = "sender", "interop-sender-1"
READER, READER_PASSWORD = "reader", "interop-reader-1"
GROUP = "239.255.77.7"


@dataclass(frozen=True, slots=True)
class Gates:
    """Where the gateway listens, and ports that are free for those it pulls from."""

    http: str  # "https://127.0.0.1:8443"
    rtsp: int
    rtmp: int
    srt: int
    ts: Mapping[str, int]  # by slug: a port each, as a source may hold its own a while longer
    pulled: int
    relay: int
    onvif: int  # and the next for its RTSP


def push_url(one: Ingest, gates: Gates) -> str:
    """Where a sender of this way sends its stream `one.slug`."""
    match one.way:
        case "rtsp-tcp" | "rtsp-udp":
            return f"rtsp://{USER}:{PASSWORD}@127.0.0.1:{gates.rtsp}/{one.slug}"
        case "rtmp" | "rtmp-enhanced":
            return f"rtmp://127.0.0.1:{gates.rtmp}/live/{one.slug}?user={USER}&pass={PASSWORD}"
        case "srt":
            words = f"#!::r={one.slug},m=publish,u={USER},s={PASSWORD}"
            return f"srt://127.0.0.1:{gates.srt}?streamid={words.replace('#', '%23')}&latency=120000"
        case "ts-udp":
            return f"udp://127.0.0.1:{gates.ts[one.slug]}?pkt_size=1316"
        case "ts-multicast":
            return f"udp://{GROUP}:{gates.ts[one.slug]}?pkt_size=1316&localaddr=127.0.0.1&ttl=0"
        case "whip":
            return f"{gates.http}/whip/{one.slug}"
    raise ValueError(f"{one.way} is not pushed")


def source_url(one: Ingest, gates: Gates) -> str:
    """What the gateway is told to pull; "" for those that push."""
    match one.way:
        case "rtsp-pull-tcp":
            return f"rtsp://127.0.0.1:{gates.pulled}/{one.slug}#transport=tcp"
        case "rtsp-pull-udp":
            return f"rtsp://127.0.0.1:{gates.pulled}/{one.slug}#transport=udp"
        case "ts-udp":
            return f"udp://127.0.0.1:{gates.ts[one.slug]}"
        case "ts-multicast":
            return f"udp://@{GROUP}:{gates.ts[one.slug]}?iface=lo"
    return ""


def commands(one: Ingest, gates: Gates) -> list[list[str]]:
    """What is to run for it, servers first. The ball and Chromium are the stage's own business."""
    match one.program:
        case "ffmpeg":
            return [_ffmpeg(one, gates)]
        case "ffmpeg8":
            return [[sys.executable, "-m", "tests.interop.sender8", str(_file(one)), push_url(one, gates), _muxer(one)]]
        case "gstreamer":
            if one.way in (RTSP_PULL_TCP, RTSP_PULL_UDP):
                return [
                    ["/usr/bin/python3", "tests/interop/gst_server.py", str(gates.pulled), one.slug, *_gst_pay(one)]
                ]
            return [["gst-launch-1.0", "-q", *_gst_push(one, gates)]]
        case "srt-live-transmit":
            through = f"udp://127.0.0.1:{gates.relay}"
            feeder = [*_ffmpeg_head(one), "-f", "mpegts", f"{through}?pkt_size=1316"]
            target = push_url(one, gates).replace("%23", "#").replace("latency=120000", "latency=120")
            return [["srt-live-transmit", "-q", through, target], feeder]
    return []


def _file(one: Ingest) -> object:
    return fixture(one.video, one.audio)


def _ffmpeg_head(one: Ingest) -> list[str]:
    return ["ffmpeg", "-hide_banner", "-loglevel", "warning", "-re", "-i", str(_file(one)), "-c", "copy"]


def _muxer(one: Ingest) -> str:
    return {RTMP: "flv", ERTMP: "flv", WHIP: "whip", SRT: "mpegts", TS_UDP: "mpegts", TS_MULTICAST: "mpegts"}[one.way]


def _ffmpeg(one: Ingest, gates: Gates) -> list[str]:
    head = _ffmpeg_head(one)
    if one.way in (RTSP_TCP, RTSP_UDP):
        transport = "tcp" if one.way == RTSP_TCP else "udp"
        return [*head, "-f", "rtsp", "-rtsp_transport", transport, push_url(one, gates)]
    return [*head, "-f", _muxer(one), push_url(one, gates)]


_PARSE = {"h264": "h264parse", "h264b": "h264parse", "h265": "h265parse"}
_PARSE_SOUND = {"aac": "aacparse", "pcma": "identity", "opus": "opusparse"}


def _gst_push(one: Ingest, gates: Gates) -> list[str]:
    """filesrc → demux → parsers → muxer → sink, in real time."""
    video = f"d.video_0 ! queue ! {_PARSE[one.video]} config-interval=-1 ! identity sync=true ! m."
    sound = "" if one.audio == "none" else f"d.audio_0 ! queue ! {_PARSE_SOUND[one.audio]} ! identity sync=true ! m."
    url = push_url(one, gates)
    match one.way:
        case "rtmp":
            sink = f"flvmux name=m streamable=true ! rtmp2sink location={url}"
        case "srt":
            where, _, words = url.partition("?streamid=")
            streamid = words.partition("&")[0].replace("%23", "#")
            sink = f'mpegtsmux name=m alignment=7 ! srtsink uri={where} streamid="{streamid}" latency=120'
        case "ts-udp":
            sink = f"mpegtsmux name=m alignment=7 ! udpsink host=127.0.0.1 port={gates.ts[one.slug]}"
        case "rtsp-tcp":
            sink = f"rtspclientsink name=m location={url} protocols=tcp"
        case _:
            raise ValueError(f"no pipeline for {one}")
    return f"{sink} filesrc location={_file(one)} ! matroskademux name=d {video} {sound}".split()


_PAY = {"h264": "rtph264pay", "h264b": "rtph264pay", "h265": "rtph265pay"}
_PAY_SOUND = {"aac": "rtpmp4gpay", "pcma": "rtppcmapay", "opus": "rtpopuspay"}


def _gst_pay(one: Ingest) -> list[str]:
    """The launch line of GStreamer's own RTSP server."""
    video = f"d.video_0 ! queue ! {_PARSE[one.video]} ! {_PAY[one.video]} name=pay0 pt=96 config-interval=-1"
    sound = ""
    if one.audio != "none":
        sound = f"d.audio_0 ! queue ! {_PARSE_SOUND[one.audio]} ! {_PAY_SOUND[one.audio]} name=pay1 pt=97"
    return [f"( filesrc location={_file(one)} ! matroskademux name=d {video} {sound} )"]


__all__ = ["PASSWORD", "READER", "READER_PASSWORD", "USER", "Gates", "commands", "push_url", "source_url"]
