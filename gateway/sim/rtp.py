"""RTP as the ball sends it: packets of one SSRC (RFC 3550 §5.1), and the two-byte frame over TCP (RFC 4571 §2)."""

from __future__ import annotations

import random
import struct

PS_PAYLOAD_TYPE = 96
MTU_PAYLOAD = 1400


class RtpPacketizer:
    """Numbers and cuts. Every packet of a frame has its time; the last has the marker (GB/T 28181-2022 §4.3.6)."""

    def __init__(self, ssrc: int, payload_type: int = PS_PAYLOAD_TYPE, seq: int | None = None) -> None:
        self.ssrc, self.payload_type = ssrc, payload_type
        self.seq = random.randrange(0x8000) if seq is None else seq

    def packets(self, payload: bytes, rtp_ts: int) -> list[bytes]:
        """The packets of one pack; `rtp_ts` in 90 kHz ticks, taken modulo 2^32."""
        out = []
        for at in range(0, len(payload), MTU_PAYLOAD):
            piece = payload[at : at + MTU_PAYLOAD]
            marker = 0x80 if at + MTU_PAYLOAD >= len(payload) else 0
            head = struct.pack(
                "!BBHII", 0x80, self.payload_type | marker, self.seq, rtp_ts & 0xFFFFFFFF, self.ssrc & 0xFFFFFFFF
            )
            out.append(head + piece)
            self.seq = self.seq + 1 & 0xFFFF
        return out


def framed(packet: bytes) -> bytes:
    """One packet as it goes over TCP."""
    return struct.pack("!H", len(packet)) + packet
