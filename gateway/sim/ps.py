"""A program stream muxer as a device has one: one frame, one pack. GB/T 28181-2022 annex C; ISO/IEC 13818-1 §2.5.

Written independently of the media plane's demuxer, so that a shared misreading can't hide. Holds no state: a
frame and its options give the same bytes every time, and a pack made once serves every call.
"""

from __future__ import annotations

from dataclasses import dataclass

H264, H265, G711A, PRIVATE = 0x1B, 0x24, 0x90, 0x06  # stream_type (annex C table C.1)
VIDEO_ID, AUDIO_ID, PRIVATE_ID = 0xE0, 0xC0, 0xBD
_PES_MAX = 65535  # of PES_packet_length
_MUX_RATE = 20_000  # in units of 50 bytes/s


@dataclass(frozen=True, slots=True)
class PsOptions:
    """How a pack is made; the defaults are what the standard asks, the rest are faults that real devices have."""

    video_type: int = H264
    audio: bool = True
    psm: bool = True
    zero_length: bool = False  # PES_packet_length 0 for video
    private: bool = False  # a 0xBD packet of vendor data with each key frame


def _timestamp(prefix: int, ticks: int) -> bytes:
    """A 33-bit PTS or DTS in five bytes with its three marker bits. §2.4.3.6."""
    t = ticks & 0x1FFFFFFFF
    return bytes(
        (prefix << 4 | t >> 29 & 0x0E | 1, t >> 22 & 0xFF, t >> 14 & 0xFE | 1, t >> 7 & 0xFF, t << 1 & 0xFE | 1)
    )


def pack_header(scr: int) -> bytes:
    """14 bytes; `scr` in 90 kHz ticks (its 27 MHz extension stays 0). §2.5.3.3."""
    s = scr & 0x1FFFFFFFF
    bits = (
        0b01 << 46 | (s >> 30) << 43 | 1 << 42 | (s >> 15 & 0x7FFF) << 27 | 1 << 26 | (s & 0x7FFF) << 11 | 1 << 10 | 1
    )
    return b"\x00\x00\x01\xba" + bits.to_bytes(6, "big") + (_MUX_RATE << 2 | 3).to_bytes(3, "big") + b"\xf8"


def system_header(*, audio: bool) -> bytes:
    """§2.5.3.5."""
    body = (1 << 23 | _MUX_RATE << 1 | 1).to_bytes(3, "big") + bytes((int(audio) << 2, 0xE1, 0x7F))
    body += bytes((VIDEO_ID, 0xE0, 0xE8))  # buffer bound: 232 × 1024 bytes
    if audio:
        body += bytes((AUDIO_ID, 0xC0, 0x20))
    return b"\x00\x00\x01\xbb" + len(body).to_bytes(2, "big") + body


def crc32_mpeg(data: bytes) -> int:
    """CRC-32/MPEG-2: polynomial 04C11DB7, all ones at first, not reflected, not inverted. Annex A."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


def program_stream_map(video_type: int, *, audio: bool) -> bytes:
    """§2.5.4."""
    streams = bytes((video_type, VIDEO_ID, 0, 0)) + (bytes((G711A, AUDIO_ID, 0, 0)) if audio else b"")
    body = b"\xe0\xff" + b"\x00\x00" + len(streams).to_bytes(2, "big") + streams
    head = b"\x00\x00\x01\xbc" + (len(body) + 4).to_bytes(2, "big") + body
    return head + crc32_mpeg(head).to_bytes(4, "big")


def pes_packets(stream_id: int, payload: bytes, pts: int, dts: int, *, zero_length: bool = False) -> bytes:
    """The payload in as many PES packets as it takes; only the first carries time. §2.4.3.6."""
    out = bytearray()
    at = 0
    while at < len(payload) or not out:
        if at:
            head = b"\x80\x00\x00"
        elif pts == dts:
            head = b"\x84\x80\x05" + _timestamp(0b0010, pts)
        else:
            head = b"\x84\xc0\x0a" + _timestamp(0b0011, pts) + _timestamp(0b0001, dts)
        room = len(payload) - at if zero_length else _PES_MAX - len(head)
        piece = payload[at : at + room]
        length = 0 if zero_length else len(head) + len(piece)
        out += b"\x00\x00\x01" + bytes((stream_id,)) + length.to_bytes(2, "big") + head + piece
        at += len(piece)
        if not piece:
            break
    return bytes(out)


def private_packet(size: int = 44) -> bytes:
    """private_stream_1 with vendor bytes and no PES header extras."""
    body = b"\x8c\x00\x00" + bytes(range(0x40, 0x40 + size))
    return b"\x00\x00\x01" + bytes((PRIVATE_ID,)) + len(body).to_bytes(2, "big") + body


def mux(video: bytes, audio: bytes, pts: int, dts: int, *, key: bool, options: PsOptions) -> bytes:
    """One frame as one pack. Times in 90 kHz ticks; `audio` is G.711A that belongs beside this frame, may be empty."""
    with_audio = options.audio
    out = bytearray(pack_header(dts))
    if key:
        out += system_header(audio=with_audio)
        if options.psm:
            out += program_stream_map(options.video_type, audio=with_audio)
        if options.private:
            out += private_packet()
    out += pes_packets(VIDEO_ID, video, pts, dts, zero_length=options.zero_length)
    if with_audio and audio:
        out += pes_packets(AUDIO_ID, audio, dts, dts)
    return bytes(out)
