"""The kinds of radio channel as the session sees them: a voice, a way to key, and a squelch that calls back."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from adapters.roip.config import AnyChannel, RtpChannel, UsrpChannel
from gateway import codecs
from gateway.base.errors import ConfigError, LinkDown
from gateway.config.units import HostPort
from gateway.contract.media import Media

STATIC_PT = {"pcmu": 0, "pcma": 8}
"""RFC 3551 §6."""


class Radio(Protocol):
    """A channel that is open. `squelch` of `open_radio` tells what is heard."""

    @property
    def voice(self) -> int: ...

    def key(self, on: bool) -> None:
        """Transmit, or not."""

    def heard(self, event: codecs.VoiceEvent) -> None:
        """An event of its voice."""

    async def failed(self) -> None:
        """Waits until the channel is lost; raises LinkDown that says how."""


Squelch = Callable[[bool], None]


class VoiceRadio:
    """USRP and RTP: whether something is sent keys the far transmitter, so keying is the voice's `transmit`."""

    def __init__(
        self, engine: codecs.Engine, voice: int, channel: AnyChannel, squelch: Squelch, *, by_packets: bool, vox: bool
    ) -> None:
        self._engine = engine
        self._voice = voice
        self._channel = channel
        self._squelch = squelch
        self._by_packets = by_packets
        self._vox = vox
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.key(False)

    @property
    def voice(self) -> int:
        return self._voice

    def key(self, on: bool) -> None:
        channel = self._channel
        extra = {}
        if isinstance(channel, RtpChannel):
            extra = {"vox_db": channel.vox_db, "vox_hang_ms": round(channel.vox_hang * 1000)}
        self._engine.set_voice(
            self._voice,
            gain_in_db=channel.gain_in_db,
            gain_out_db=channel.gain_out_db,
            transmit="always" if on else "never",
            stop_ms=round(channel.tail * 1000),
            **extra,  # type: ignore[arg-type]
        )

    def heard(self, event: codecs.VoiceEvent) -> None:
        match event.state:
            case "key":
                self._squelch(True)
            case "unkey":
                self._squelch(False)
            case "media" if self._by_packets:
                self._squelch(True)
            case "stopped" if self._by_packets or not self._vox:
                # Also for USRP: its last packet, the one that says "unkeyed", may be lost.
                self._squelch(False)
            case "talking" if self._vox:
                self._squelch(True)
            case "quiet" | "stopped" if self._vox:
                self._squelch(False)
            case "closed":
                if not self._lost.done():
                    self._lost.set_exception(LinkDown(f"the channel's socket ended: {event.detail}", code=event.code))
            case _:
                pass

    async def failed(self) -> None:
        await self._lost


def bind_udp(listen: HostPort) -> socket.socket:
    """Raises ConfigError (`port-in-use`) when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        udp.bind((listen.host, listen.port))
    except OSError as exc:
        udp.close()
        raise ConfigError("listen", f"{listen}: {exc.strerror}", code="port-in-use") from exc
    return udp


async def resolve(peer: HostPort) -> str:
    """The peer's IP address. Raises LinkDown when the name is not known now."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(peer.host, peer.port, type=socket.SOCK_DGRAM)
    except OSError as exc:
        raise LinkDown(f"{peer.host} is not known: {exc.strerror}", code="link-down") from exc
    return str(found[0][4][0])


@asynccontextmanager
async def open_radio(media: Media, channel: AnyChannel, squelch: Squelch) -> AsyncIterator[Radio]:
    """The channel while it is open. Raises ConfigError, LinkDown."""
    if isinstance(channel, UsrpChannel):
        async with _usrp(media.engine, channel, squelch) as radio:
            yield radio
    elif isinstance(channel, RtpChannel):
        async with _rtp(media.engine, channel, squelch) as radio:
            yield radio
    else:
        from adapters.roip.keyed import serial_radio  # pyserial, only where there is a serial radio

        async with serial_radio(media.engine, channel, squelch) as radio:
            yield radio


@asynccontextmanager
async def _usrp(engine: codecs.Engine, channel: UsrpChannel, squelch: Squelch) -> AsyncIterator[Radio]:
    host = await resolve(channel.peer)
    voice = engine.open_voice_usrp(bind_udp(channel.listen).detach(), host, channel.peer.port)
    try:
        yield VoiceRadio(engine, voice, channel, squelch, by_packets=False, vox=False)
    finally:
        engine.close_voice(voice)


@asynccontextmanager
async def _rtp(engine: codecs.Engine, channel: RtpChannel, squelch: Squelch) -> AsyncIterator[Radio]:
    host = await resolve(channel.peer)
    session = engine.open_rtp_session(bind_udp(channel.listen).detach())
    try:
        engine.arm_rtp_session(session, host, channel.peer.port, latch="host")
        payload = codecs.RtpMap(STATIC_PT[channel.codec], channel.codec, 8000)
        voice = engine.open_voice_session(
            session, send=[payload], receive=[payload], ssrc=secrets.randbits(31) | 1, cname="fieldgate"
        )
        try:
            vox = channel.squelch == "vox"
            yield VoiceRadio(engine, voice, channel, squelch, by_packets=not vox, vox=vox)
        finally:
            engine.close_voice(voice)
    finally:
        engine.close_session(session)
