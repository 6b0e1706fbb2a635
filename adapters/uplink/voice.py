"""A voice over a pair of flows: an RTP leg of the media plane, whose other end is the bundle's instead of a network's.

The leg has a UDP socket on the loopback; what it sends there is read by the flow that goes out, and the flow that comes
in writes back to it. Opus, so that 24 kbit/s carry speech well; the flow sends it twice over the two best links.
"""

from __future__ import annotations

import os
import secrets
import socket

from adapters.uplink.bundle import Bundle
from gateway import codecs

OPUS = 111
LOOPBACK = "127.0.0.1"


class VoiceWire:
    """Open until `close`. Raises LinkDown, MediaError."""

    def __init__(self, bundle: Bundle, playout_ms: int) -> None:
        self._bundle = bundle
        self._engine = bundle.engine
        self._in: int | None = None
        self._sending: bool | None = None
        self._near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        leg = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            leg.bind((LOOPBACK, 0))
            self._near.bind((LOOPBACK, 0))
            self._near.connect(leg.getsockname())
            port = self._near.getsockname()[1]
            self._session = self._engine.open_rtp_session(leg.detach())
        except BaseException:
            leg.close()
            self._near.close()
            raise
        try:
            self._engine.arm_rtp_session(self._session, LOOPBACK, port, latch="strict")
            maps = [codecs.RtpMap(OPUS, "opus", 48_000, channels=2)]
            self.voice = self._engine.open_voice_session(
                self._session,
                send=maps,
                receive=maps,
                ssrc=secrets.randbits(32) or 1,
                cname=secrets.token_hex(8),
            )
            self.send(False)
            # The two flows share the socket: one reads what the leg sends, the other writes to it.
            self.number = bundle.open_flow(os.dup(self._near.fileno()), "datagrams", "voice", "duplicate", playout_ms)
        except BaseException:
            self._close_leg()
            raise

    async def join(self, number: int) -> None:
        """The far side's flow, as it told its number. Raises LinkDown."""
        await self._bundle.take_flow(number, os.dup(self._near.fileno()), "datagrams")
        self._in = number

    def send(self, on: bool) -> None:
        """Whether anything goes out: nothing does while nobody is heard."""
        if on != self._sending:
            self._sending = on
            self._engine.set_voice(self.voice, transmit="always" if on else "never", comfort_noise=True)

    def close(self) -> None:
        self._bundle.close_flow(self.number)
        if self._in is not None:
            self._bundle.drop_flow(self._in)
            self._in = None
        self._close_leg()

    def _close_leg(self) -> None:
        if hasattr(self, "voice"):
            self._engine.close_voice(self.voice)
        self._engine.close_session(self._session)
        self._near.close()
