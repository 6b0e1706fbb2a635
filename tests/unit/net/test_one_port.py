"""One UDP port for kits and browsers: each gets what is its own, by the kernel's filter."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gateway.config.units import HostPort
from gateway.net.one_port import Lane, OnePort
from tests.peers.stage import ports


@pytest.fixture
def at() -> Iterator[HostPort]:
    with ports() as free:
        yield HostPort("127.0.0.1", free.other)


@pytest.fixture
def shared(at: HostPort) -> Iterator[OnePort]:
    made = OnePort(lambda: at)
    yield made
    made.close()


def heard(sock: socket.socket) -> list[bytes]:
    got = []
    while True:
        try:
            got.append(sock.recv(2048))
        except BlockingIOError:
            return got


INIT = b"\x18\x01" + bytes(1198)
"""As of codecs/src/bundle/wire.rs: kind 1, version 2; a suite; never shorter than this."""
OF_BUNDLE = [
    INIT,
    b"\x14\x01" + bytes(1198),  # as the layout before
    b"\x1c\x02" + bytes(1300),  # and as the next one
    b"\x48data",
    b"\x4b",
    b"\x58retry",
    b"\x68" * 30,
    b"",  # nobody's
]
OF_BROWSERS = [
    b"\x00\x01" + bytes(18),  # STUN
    b"\x16\xfe\xfd" + bytes(60),  # DTLS handshake
    b"\x16\xfe\xff" + bytes(1300),  # one that fills the datagram
    b"\x17\xfe\xfd" + bytes(1200),
    b"\x2f" + bytes(1250),  # DTLS 1.3, unified header
    b"\x80\x60" + bytes(1200),  # RTP
    b"\x80\xc8" + bytes(24),  # RTCP
    b"\xff",
    b"\x18\x01" + bytes(20),  # too short to be a greeting
]


def test_each_gets_its_own(at: HostPort, shared: OnePort) -> None:
    lanes = {lane: shared.take(lane, at.port) for lane in Lane}
    bundle, browsers = lanes[Lane.BUNDLE], lanes[Lane.BROWSERS]
    assert bundle is not None and browsers is not None
    with bundle, browsers, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        for pair in zip(OF_BUNDLE, OF_BROWSERS, strict=False):
            for data in pair:
                far.sendto(data, at)
        for data in OF_BROWSERS[len(OF_BUNDLE) :]:
            far.sendto(data, at)
        assert heard(bundle) == OF_BUNDLE
        assert heard(browsers) == OF_BROWSERS
        browsers.sendto(b"answer", far.getsockname())
        assert far.recvfrom(100) == (b"answer", at)


def test_one_that_goes_and_comes_back_gets_what_is_its_own(at: HostPort, shared: OnePort) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        first = shared.take(Lane.BUNDLE, at.port)
        assert first is not None
        first.close()
        browsers = shared.take(Lane.BROWSERS, at.port)
        assert browsers is not None
        with browsers:
            far.sendto(INIT, at)
            assert heard(browsers) == []
            again = shared.take(Lane.BUNDLE, at.port)
            assert again is not None
            with again:
                assert heard(again) == [INIT]


def test_a_port_that_somebody_has_is_not_joined(at: HostPort, shared: OnePort) -> None:
    """SO_REUSEPORT would let a second gateway in beside the first, and each would get half of what comes."""
    mine = shared.take(Lane.BUNDLE, at.port)
    assert mine is not None
    other = OnePort(lambda: at)
    with mine, pytest.raises(OSError, match="in use"):
        other.take(Lane.BROWSERS, at.port)
    other.close()


def test_what_is_not_shared(at: HostPort) -> None:
    assert OnePort(lambda: None).take(Lane.BROWSERS, at.port) is None
    assert OnePort(lambda: at).take(Lane.BROWSERS, at.port + 1) is None
    assert OnePort(lambda: HostPort("127.0.0.1", 0)).take(Lane.BROWSERS, 0) is None
