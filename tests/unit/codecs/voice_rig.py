"""Phones on loopback: each has a socket, says a tone in G.711 and tells which tones it hears."""

from __future__ import annotations

import math
import os
import select
import struct
import time
from collections.abc import Sequence
from typing import Literal

from pylibsrtp import Policy
from pylibsrtp import Session as Srtp

from gateway import codecs

from .rig import PROFILES, Rig, is_rtcp, udp

PCMA = codecs.RtpMap(8, "pcma", 8000)
PCMU = codecs.RtpMap(0, "pcmu", 8000)
EVENT = codecs.RtpMap(101, "telephone-event", 8000)
FRAME = 160


def alaw(sample: int) -> int:
    """ITU-T G.711 §3.1, written from its table of segments."""
    mask = 0xD5 if sample >= 0 else 0x55
    value = min(abs(sample) if sample >= 0 else -sample - 1, 32767) >> 3
    if value < 32:
        return (value >> 1) ^ mask
    segment = value.bit_length() - 5
    return (segment << 4 | (value >> segment) & 0x0F) ^ mask


def from_alaw(byte: int) -> int:
    byte ^= 0x55
    segment, value = byte >> 4 & 7, (byte & 0x0F) << 4 | 8
    if segment:
        value = value + 0x100 << segment - 1
    return value if byte & 0x80 else -value


UNALAW = [from_alaw(byte) for byte in range(256)]


def tone(hz: float, samples: int, start: int = 0, *, rate: int = 8000, peak: float = 8000.0) -> list[int]:
    return [round(peak * math.sin(2 * math.pi * hz * (start + i) / rate)) for i in range(samples)]


def tone_db(samples: Sequence[int], hz: float, rate: int = 8000) -> float:
    """Goertzel: the level of one frequency in dBFS (a full-scale sine is 0)."""
    if not samples:
        return -127.0
    k = 2 * math.cos(2 * math.pi * hz / rate)
    s1 = s2 = 0.0
    for x in samples:
        s1, s2 = x + k * s1 - s2, s1
    power = s1 * s1 + s2 * s2 - k * s1 * s2
    amplitude = 2 * math.sqrt(max(power, 0.0)) / len(samples)
    return 20 * math.log10(max(amplitude / 32768, 1e-6))


def hears(samples: Sequence[int], hz: float, rate: int = 8000) -> bool:
    return tone_db(samples, hz, rate) > -30


Keys = tuple[codecs.SrtpProfile, bytes, bytes, bytes, bytes]


class Phone:
    """One leg: `hz` is what it says (0: it is silent, and sends nothing)."""

    def __init__(
        self,
        rig: Rig,
        hz: float = 0.0,
        *,
        latch: Literal["strict", "host", "first"] = "first",
        keys: Keys | None = None,
        send: list[codecs.RtpMap] | None = None,
        receive: list[codecs.RtpMap] | None = None,
        arm: bool = True,
        ssrc: int = 0,
    ) -> None:
        self.rig, self.hz = rig, hz
        self.socket = udp()
        self.host, self.port = self.socket.getsockname()[:2]
        there = udp()
        self.to = there.getsockname()[:2]
        self.session = rig.engine.open_rtp_session(there.detach())
        self.latch: Literal["strict", "host", "first"] = latch
        self.keys = keys
        if arm:
            self.arm()
        self.voice = rig.engine.open_voice_session(
            self.session,
            send=send or [PCMA, EVENT],
            receive=receive or [PCMA, PCMU, EVENT],
            ssrc=ssrc or 0x1000 + self.port,
            cname="test",
        )
        self.ssrc, self.seq, self.ts, self.said = 77 + self.port, 65_500, 0xFFFF_F000, 0
        self.heard: list[int] = []
        self.packets: list[bytes] = []
        self.reports: list[bytes] = []

    def arm(self, host: str = "", port: int = 0) -> None:
        self.rig.engine.arm_rtp_session(
            self.session,
            host or self.host,
            port or self.port,
            latch=self.latch,
            keys=self.keys,
        )

    def packet(self, payload: bytes, pt: int = 8, *, marker: bool = False, ts: int | None = None) -> bytes:
        head = struct.pack(
            "!BBHII",
            0x80,
            pt | (0x80 if marker else 0),
            self.seq & 0xFFFF,
            (self.ts if ts is None else ts) & 0xFFFFFFFF,
            self.ssrc,
        )
        self.seq += 1
        return head + payload

    def frame(self) -> bytes:
        pcm = tone(self.hz, FRAME, self.said)
        self.said += FRAME
        out = self.packet(bytes(alaw(s) for s in pcm))
        self.ts += FRAME
        return out

    def protect(self, packet: bytes) -> bytes:
        return packet

    def unprotect(self, packet: bytes) -> bytes:
        return packet

    def send(self, packet: bytes) -> None:
        self.socket.sendto(self.protect(packet), self.to)

    def speak(self) -> None:
        if self.hz:
            self.send(self.frame())

    def take(self) -> None:
        """Whatever waits in the socket."""
        while select.select([self.socket], [], [], 0)[0]:
            data = self.socket.recv(4096)
            if is_rtcp(data):
                self.reports.append(data)
                continue
            data = self.unprotect(data)
            self.packets.append(data)
            if data[1] & 0x7F == 8:
                self.heard += [UNALAW[b] for b in data[12:]]


def fresh_keys(profile: codecs.SrtpProfile) -> Keys:
    """(profile, our key and salt, the peer's key and salt), as an SDES exchange gives them."""
    key, salt, _ = PROFILES[profile]
    return profile, os.urandom(key), os.urandom(salt), os.urandom(key), os.urandom(salt)


class SecurePhone(Phone):
    """The same over SRTP, by libsrtp."""

    def __init__(self, rig: Rig, hz: float, profile: codecs.SrtpProfile) -> None:
        super().__init__(rig, hz, keys=self._make(profile))

    def _make(self, profile: codecs.SrtpProfile) -> Keys:
        keys = fresh_keys(profile)
        number = PROFILES[profile][2]
        inbound = Policy(key=keys[1] + keys[2], ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=number)
        outbound = Policy(key=keys[3] + keys[4], ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=number)
        self.inbound, self.outbound = Srtp(inbound), Srtp(outbound)
        return keys

    def rekey(self, profile: codecs.SrtpProfile) -> None:
        self.keys = self._make(profile)
        self.arm()

    def protect(self, packet: bytes) -> bytes:
        return self.outbound.protect(packet)

    def unprotect(self, packet: bytes) -> bytes:
        return self.inbound.unprotect(packet)


def converse(phones: Sequence[Phone], seconds: float, *, speak: bool = True) -> None:
    """Everybody speaks in real time: a packet each 20 ms."""
    begin = time.monotonic()
    for n in range(round(seconds / 0.02)):
        left = begin + n * 0.02 - time.monotonic()
        if left > 0:
            time.sleep(left)
        for phone in phones:
            if speak:
                phone.speak()
            phone.take()


def room(rig: Rig, phones: Sequence[Phone], *, talk: bool = True) -> int:
    made = rig.engine.open_room("test")
    for phone in phones:
        rig.engine.route(made, phone.voice, talk=talk, listen=True)
    return made


def voice_event(rig: Rig, phone: int, state: str, **fields: str) -> codecs.VoiceEvent:
    """The next event of that voice with that state, and these fields."""
    return rig.wait(
        codecs.VoiceEvent,
        lambda e: e.voice == phone and e.state == state and all(getattr(e, k) == v for k, v in fields.items()),
    )


def clear(phones: Sequence[Phone]) -> None:
    for phone in phones:
        phone.take()
        phone.heard.clear()
        phone.packets.clear()
