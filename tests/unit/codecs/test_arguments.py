"""Orders that can not be carried out say why; descriptors handed in are closed whatever happens."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from gateway import codecs
from tests.unit.codecs.rig import Rig, udp


def closed(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError as error:
        return error.errno == errno.EBADF
    return False


def stream_socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


KEY = {"tx_key": bytes(16), "tx_salt": bytes(12), "rx_key": bytes(16), "rx_salt": bytes(12)}
OUT: dict[str, Any] = {"video": [], "audio": [], "video_ssrc": 1, "audio_ssrc": 2, "cname": "x"}
GONE = 99 << 8


@pytest.mark.parametrize(
    "call",
    [
        lambda e: codecs.Engine(threads=0),
        lambda e: codecs.Engine(threads=65),
        lambda e: codecs.Engine(event_capacity=1),
        lambda e: codecs.RtpMap(128, "h264", 90_000),
        lambda e: codecs.RtpMap(96, "h264", 0),
        lambda e: codecs.RtpMap(96, "", 90_000),
        lambda e: e.open_rtp(GONE),
        lambda e: e.open_rtp(e.open_stream("s"), udp_fd=-1),
        lambda e: e.open_rtp(e.open_stream("s"), udp_fd=987_654),
        lambda e: e.open_rtp(e.open_stream("s"), jitter_packets=0),
        lambda e: e.open_session(""),
        lambda e: e.open_session_in(e.open_stream("s"), GONE),
        lambda e: e.send_datagram(GONE, GONE, b"", "not an address", 1),
        lambda e: e.arm_session(GONE, GONE, "127.0.0.1", 1, profile="AEAD_AES_128_GCM", **KEY),
        lambda e: e.stream_stats(GONE),
        lambda e: e.leg_stats(GONE),
        lambda e: e.subscription_stats(GONE),
        lambda e: e.subscribe_session(GONE, GONE, video_rtx_ssrc=0, **OUT),
        lambda e: e.subscribe_session(e.open_stream("s"), GONE, video_rtx_ssrc=0, **OUT),
        lambda e: e.subscribe_session(e.open_stream("s"), GONE, video_rtx_ssrc=0, mid_ext=15, **OUT),
    ],
)
def test_refused(rig: Rig, call: Callable[[codecs.Engine], object]) -> None:
    with pytest.raises(codecs.MediaError):
        call(rig.engine)


@pytest.mark.parametrize(
    "call",
    [
        lambda e, fd: e.open_rtp(GONE, udp_fd=fd),
        lambda e, fd: e.open_rtp(e.open_stream("s"), udp_fd=fd, stall_ms=1),
        lambda e, fd: e.open_rtp(e.open_stream("s"), rtcp_fd=fd, udp_fd=-1),
        lambda e, fd: e.attach_tcp(1, fd, "rfc4571"),
        lambda e, fd: e.attach_tcp(1, fd, "rtmp"),
        lambda e, fd: e.open_frames_in(e.open_stream("s"), fd),
        lambda e, fd: e.open_frames_out(GONE, fd),
        lambda e, fd: e.subscribe_rtp(e.open_stream("s"), fd, "nowhere", 5, **OUT),
        lambda e, fd: e.subscribe_rtp(e.open_stream("s"), fd, "127.0.0.1", 0, **OUT),
        lambda e, fd: e.subscribe_rtp(e.open_stream("s"), fd, "::1", 5, **OUT),
        lambda e, fd: e.subscribe_rtp(
            e.open_stream("s"), fd, "127.0.0.1", 5, srtp=("AEAD_AES_128_GCM", b"short", b"x"), **OUT
        ),
    ],
)
def test_descriptors_are_closed_also_when_refused(rig: Rig, call: Callable[[codecs.Engine, int], object]) -> None:
    fd = udp().detach()
    with pytest.raises(codecs.MediaError):
        call(rig.engine, fd)
    assert closed(fd)


def test_a_port_must_be_a_datagram_socket(rig: Rig) -> None:
    fd = stream_socket().detach()
    with pytest.raises(codecs.MediaError, match="type"):
        rig.engine.open_port(fd)
    assert closed(fd)
    read, write = os.pipe()
    os.close(write)
    with pytest.raises(codecs.MediaError, match="no socket"):
        rig.engine.open_port(read)
    assert closed(read)


def test_key_lengths_must_fit(rig: Rig) -> None:
    session = rig.engine.open_session("frag")
    with pytest.raises(codecs.MediaError, match="AES_CM_128_HMAC_SHA1_80 takes a key of 16 and a salt of 14"):
        rig.engine.arm_session(session, rig.port, "127.0.0.1", 1, profile="AES_CM_128_HMAC_SHA1_80", **KEY)
    with pytest.raises(codecs.MediaError, match="no SRTP profile"):
        rig.engine.arm_session(session, rig.port, "127.0.0.1", 1, profile="NULL", **KEY)  # type: ignore[arg-type]


def test_orders_on_what_is_gone_are_ignored(rig: Rig) -> None:
    e = rig.engine
    stream = e.open_stream("s")
    e.close_stream(stream)
    e.close_stream(stream)
    e.close_leg(GONE)
    e.close_port(GONE)
    e.close_session(GONE)
    e.unsubscribe(GONE)
    e.move_session(GONE, rig.port, "127.0.0.1", 5)
    e.send_datagram(GONE, rig.port, b"x", "127.0.0.1", 5)
    assert e.engine_stats()["streams"] == 0


def test_events_are_values() -> None:
    event = codecs.LegEvent(leg=1, stream=2, state="closed", code="x", detail="", address="")
    assert event == codecs.LegEvent(leg=1, stream=2, state="closed", code="x", detail="", address="")
    assert repr(event).startswith("LegEvent(leg=1")
    with pytest.raises(AttributeError):
        event.leg = 3


def test_probe_and_backend() -> None:
    assert codecs.probe(bytes.fromhex("000001ba") + bytes(40)) == "ps"
    assert codecs.probe(b"") == "unknown"
    assert codecs.crypto_backend().startswith("aws-lc")
