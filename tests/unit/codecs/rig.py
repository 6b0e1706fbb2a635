"""The real engine over loopback sockets: a source that sends H.264, peers that receive, and events awaited by name."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from pylibsrtp import Policy
from pylibsrtp import Session as Srtp

from gateway import codecs

E = TypeVar("E")
PATIENCE_S = 60.0
OPENED: list[socket.socket] = []
"""Sockets made here, closed when the engine is."""

# x264, constrained baseline, 1280x720.
SPS = bytes.fromhex("6742c01fda014016e840000003004000000c83c60ca8")
PPS = bytes.fromhex("68ce0fc8")

PROFILES: dict[codecs.SrtpProfile, tuple[int, int, int]] = {
    "AEAD_AES_128_GCM": (16, 12, Policy.SRTP_PROFILE_AEAD_AES_128_GCM),
    "AEAD_AES_256_GCM": (32, 12, Policy.SRTP_PROFILE_AEAD_AES_256_GCM),
    "AES_CM_128_HMAC_SHA1_80": (16, 14, Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
    "AES_CM_128_HMAC_SHA1_32": (16, 14, Policy.SRTP_PROFILE_AES128_CM_SHA1_32),
}

H264 = codecs.RtpMap(102, "H264", 90_000, rtx_pt=103, fmtp="packetization-mode=1;profile-level-id=42e01f")


def udp(host: str = "127.0.0.1") -> socket.socket:
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.bind((host, 0))
    s.settimeout(PATIENCE_S)
    OPENED.append(s)
    return s


@dataclass
class Packet:
    """An RTP packet taken apart."""

    pt: int
    marker: bool
    seq: int
    ts: int
    ssrc: int
    payload: bytes
    extension: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Packet:
        b0, b1, seq, ts, ssrc = struct.unpack_from("!BBHII", data)
        at = 12
        extension = b""
        if b0 & 0x10:
            words = struct.unpack_from("!H", data, 14)[0]
            extension = data[16 : 16 + 4 * words]
            at = 16 + 4 * words
        return cls(b1 & 0x7F, b1 >= 0x80, seq, ts, ssrc, data[at:], extension)


def is_rtcp(data: bytes) -> bool:
    return 192 <= data[1] <= 223


class Nalus:
    """NAL units out of H.264 payloads (RFC 6184): written here anew, so that it can disagree with the engine."""

    def __init__(self) -> None:
        self.found: list[bytes] = []
        self._fu = b""

    def push(self, payload: bytes) -> None:
        kind = payload[0] & 0x1F
        if kind == 24:
            at = 1
            while at < len(payload):
                n = struct.unpack_from("!H", payload, at)[0]
                self.found.append(payload[at + 2 : at + 2 + n])
                at += 2 + n
        elif kind == 28:
            if payload[1] & 0x80:
                self._fu = bytes([payload[0] & 0xE0 | payload[1] & 0x1F])
            self._fu += payload[2:]
            if payload[1] & 0x40:
                self.found.append(self._fu)
        else:
            self.found.append(payload)


@dataclass
class Source:
    """Sends pictures as RTP to one address, each NAL unit in one packet or in FU-A fragments."""

    to: tuple[str, int]
    ssrc: int = 77
    seq: int = 65_530
    ts: int = 0xFFFF_F000
    count: int = 0
    sent: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.socket = udp(self.to[0])

    def packets(self, *, key: bool, size: int = 600) -> list[bytes]:
        self.count += 1
        body = (b"\x65\xb8" if key else b"\x41\x9a") + struct.pack("!I", self.count | 0x01010101)
        body += bytes(1 + i % 251 for i in range(size))
        nalus = [SPS, PPS, body] if key else [body]
        self.sent += nalus
        payloads: list[bytes] = []
        for nalu in nalus:
            if len(nalu) <= 1200:
                payloads.append(nalu)
                continue
            parts = [nalu[1 + i : 1 + i + 1000] for i in range(0, len(nalu) - 1, 1000)]
            for i, part in enumerate(parts):
                flags = (0x80 if i == 0 else 0) | (0x40 if i == len(parts) - 1 else 0)
                payloads.append(bytes([nalu[0] & 0xE0 | 28, flags | nalu[0] & 0x1F]) + part)
        out = []
        for i, payload in enumerate(payloads):
            marker = 0x80 if i == len(payloads) - 1 else 0
            out.append(
                struct.pack("!BBHII", 0x80, 96 | marker, self.seq & 0xFFFF, self.ts & 0xFFFFFFFF, self.ssrc) + payload
            )
            self.seq += 1
        self.ts += 3000
        return out

    def picture(self, *, key: bool = False, size: int = 600) -> None:
        for packet in self.packets(key=key, size=size):
            self.socket.sendto(packet, self.to)


class Peer:
    """A WebRTC viewer or publisher after its handshake: one socket, keys both ways by libsrtp."""

    def __init__(self, rig: Rig, profile: codecs.SrtpProfile = "AEAD_AES_128_GCM", *, arm: bool = True) -> None:
        self.rig = rig
        self.socket = udp(rig.host)
        self.host, self.port = self.socket.getsockname()[:2]
        self.session = rig.engine.open_session(f"u{self.port}")
        key_len, salt_len, number = PROFILES[profile]
        self.profile = profile
        self.keys = [os.urandom(key_len), os.urandom(salt_len), os.urandom(key_len), os.urandom(salt_len)]
        tx_key, tx_salt, rx_key, rx_salt = self.keys
        inbound = Policy(key=tx_key + tx_salt, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=number)
        inbound.allow_repeat_tx = True
        inbound.window_size = 1024
        outbound = Policy(key=rx_key + rx_salt, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=number)
        outbound.allow_repeat_tx = True
        self.inbound, self.outbound = Srtp(inbound), Srtp(outbound)
        self.reports: list[bytes] = []
        if arm:
            self.arm()

    def arm(self) -> None:
        tx_key, tx_salt, rx_key, rx_salt = self.keys
        self.rig.engine.arm_session(
            self.session,
            self.rig.port,
            self.host,
            self.port,
            profile=self.profile,
            tx_key=tx_key,
            tx_salt=tx_salt,
            rx_key=rx_key,
            rx_salt=rx_salt,
        )

    def watch(self, stream: int, *, rtx: bool = True, video: list[codecs.RtpMap] | None = None) -> int:
        return self.rig.engine.subscribe_session(
            stream,
            self.session,
            video=[H264] if video is None else video,
            audio=[codecs.RtpMap(8, "pcma", 8000)],
            video_ssrc=1000,
            video_rtx_ssrc=2000 if rtx else 0,
            audio_ssrc=3000,
            cname="test",
            mid_ext=1,
            video_mid="0",
            audio_mid="1",
            abs_send_time_ext=3,
        )

    def raw(self) -> bytes:
        return self.socket.recv(4096)

    def receive(self, count: int) -> list[Packet]:
        """The next `count` RTP packets; RTCP is set aside."""
        out: list[Packet] = []
        while len(out) < count:
            data = self.raw()
            if is_rtcp(data):
                self.reports.append(self.inbound.unprotect_rtcp(data))
            else:
                out.append(Packet.parse(self.inbound.unprotect(data)))
        return out

    def report(self) -> bytes:
        """The next RTCP compound; RTP is dropped."""
        while not self.reports:
            data = self.raw()
            if is_rtcp(data):
                self.reports.append(self.inbound.unprotect_rtcp(data))
        return self.reports.pop(0)

    def send_rtcp(self, compound: bytes) -> None:
        self.socket.sendto(self.outbound.protect_rtcp(compound), self.rig.address)

    def send_rtp(self, packet: bytes) -> None:
        self.socket.sendto(self.outbound.protect(packet), self.rig.address)


class Rig:
    def __init__(self, threads: int = 1, host: str = "127.0.0.1") -> None:
        self.engine = codecs.Engine(threads=threads)
        self.host = host
        self.seen: list[codecs.Event] = []
        s = udp(host)
        self.address: tuple[str, int] = s.getsockname()[:2]
        self.port = self.engine.open_port(s.detach())

    def source(self, stream: int, **more: int) -> tuple[int, Source]:
        s = udp(self.host)
        to = s.getsockname()[:2]
        leg = self.engine.open_rtp(stream, udp_fd=s.detach(), hint="h264", payloads=[codecs.RtpMap(96, "h264", 90_000)])
        return leg, Source(to, **more)

    def plain(
        self, stream: int, *, queue_bytes: int = 4_000_000, out: socket.socket | None = None
    ) -> tuple[int, socket.socket]:
        out, here = out or udp(self.host), udp(self.host)
        sub = self.engine.subscribe_rtp(
            stream,
            out.detach(),
            *here.getsockname()[:2],
            video=[codecs.RtpMap(96, "h264", 90_000)],
            audio=[],
            video_ssrc=5,
            audio_ssrc=6,
            cname="plain",
            queue_bytes=queue_bytes,
        )
        return sub, here

    def wait(self, kind: type[E], where: Callable[[E], bool] = lambda e: True, patience_s: float = PATIENCE_S) -> E:
        """The next event of `kind` for which `where` holds, also one that came while another was awaited."""
        deadline = time.monotonic() + patience_s
        while True:
            for i, event in enumerate(self.seen):
                if isinstance(event, kind) and where(event):
                    del self.seen[i]
                    return event
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"no {kind.__name__}; seen {self.seen}")
            select.select([self.engine.event_fd], [], [], left)
            self.seen += self.engine.drain()

    def settle(self) -> None:
        """Whatever was asked or had arrived before is done."""
        self.engine.engine_stats()
        self.engine.engine_stats()
        self.seen += self.engine.drain()


@contextlib.contextmanager
def running(threads: int = 1, host: str = "127.0.0.1") -> Iterator[Rig]:
    rig = Rig(threads, host)
    try:
        yield rig
    finally:
        rig.engine.close()
        while OPENED:
            OPENED.pop().close()


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def stun(username: str, pwd: str = "", kind: int = 1) -> bytes:
    """RFC 8489: binding request with USERNAME and, with a password, MESSAGE-INTEGRITY."""
    body = attribute(6, username.encode()) if username else b""
    head = struct.pack("!HHI", kind, len(body) + (24 if pwd else 0), 0x2112A442) + os.urandom(12)
    if pwd:
        body += attribute(8, hmac.new(pwd.encode(), head + body, hashlib.sha1).digest())
    return head + body


def receiver_report(ssrc: int, block: bytes = b"") -> bytes:
    return struct.pack("!BBHI", 0x80 | (1 if block else 0), 201, 1 + len(block) // 4, ssrc) + block


def nack(media: int, seq: int, mask: int = 0) -> bytes:
    return receiver_report(9) + struct.pack("!BBHIIHH", 0x81, 205, 3, 9, media, seq & 0xFFFF, mask)


def pli(media: int) -> bytes:
    return receiver_report(9) + struct.pack("!BBHII", 0x81, 206, 2, 9, media)


def fir(media: int) -> bytes:
    return receiver_report(9) + struct.pack("!BBHIIIBBBB", 0x84, 206, 4, 9, 0, media, 1, 0, 0, 0)


def remb(media: int, bps: int) -> bytes:
    exponent = max(bps.bit_length() - 18, 0)
    word = 1 << 24 | exponent << 18 | bps >> exponent
    return receiver_report(9) + struct.pack("!BBHII4sII", 0x8F, 206, 5, 9, 0, b"REMB", word, media)


def twcc(media: int, arrived: list[bool], gap_us: int) -> bytes:
    """Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): one-bit vectors, small deltas
    of `gap_us` between the packets that arrived."""
    assert len(arrived) % 14 == 0 and gap_us < 64_000
    chunks = b"".join(
        struct.pack("!H", 0x8000 | int("".join("01"[one] for one in arrived[at : at + 14]), 2))
        for at in range(0, len(arrived), 14)
    )
    body = struct.pack("!HHI", 0, len(arrived), 1 << 8) + chunks + bytes([gap_us // 250]) * sum(arrived)
    body += bytes(-len(body) % 4)
    return receiver_report(9) + struct.pack("!BBHII", 0x8F, 205, 2 + len(body) // 4, 9, media) + body


def parts(compound: bytes) -> dict[int, bytes]:
    """RTCP packets of a compound by type."""
    out = {}
    while compound:
        n = 4 * (struct.unpack_from("!H", compound, 2)[0] + 1)
        out[compound[1]] = compound[:n]
        compound = compound[n:]
    return out
