"""One leg of sound to a device, in the media plane: opened over UDP or TCP, handed to the core, closed."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from gateway import codecs
from gateway.base.place import plain
from gateway.contract.media import Media
from gateway.contract.voice import VoiceLine

log = logging.getLogger(__name__)

PTIME_MS = 20
ACCEPT_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Sound:
    """What is sent. `codec` "pcma" or "pcmu"."""

    codec: str
    pt: int
    ssrc: int
    cname: str
    send: Literal["always", "heard"] = "always"

    @property
    def maps(self) -> list[codecs.RtpMap]:
        return [codecs.RtpMap(self.pt, self.codec, 8000)]


class VoiceLeg:
    """Give it a socket by `over_udp` or `over_tcp`, once; `close` in the end, always."""

    def __init__(self, media: Media, line: VoiceLine, sound: Sound, who: str) -> None:
        self._media, self._line, self._sound, self._who = media, line, sound, who
        self._session: int | None = None
        self._voice: int | None = None
        self._peer = ""
        self._known: Callable[[], Iterable[str]] = tuple
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def over_udp(self, udp: socket.socket, host: str, port: int, known: Callable[[], Iterable[str]]) -> None:
        """Symmetric RTP: to `host`, `port` (0: not told) until packets come from there by another port, or from another
        of the device's `known` addresses; then back to where they come from."""
        engine, sound = self._media.engine, self._sound
        self._known = known
        self._session = engine.open_rtp_session(udp.detach())
        self._arm(host, port)
        voice = engine.open_voice_session(
            self._session, send=sound.maps, receive=sound.maps, ssrc=sound.ssrc, cname=sound.cname, ptime_ms=PTIME_MS
        )
        self._begin(voice)

    def over_tcp(self, connection: socket.socket) -> None:
        sound = self._sound
        voice = self._media.engine.open_voice_tcp(
            connection.detach(),
            send=sound.maps,
            receive=sound.maps,
            ssrc=sound.ssrc,
            cname=sound.cname,
            ptime_ms=PTIME_MS,
        )
        self._begin(voice)

    async def ended(self) -> str:
        """Wait until the plane says that it is over; the reason code."""
        return await asyncio.shield(self._over)

    def close(self) -> None:
        engine = self._media.engine
        if self._voice is not None:
            self._line.voice(None)
            engine.close_voice(self._voice)
            self._voice = None
        if self._session is not None:
            engine.close_session(self._session)
            self._session = None

    def _begin(self, voice: int) -> None:
        self._voice = voice
        # No comfort noise: half-duplex devices shut their microphone while their loudspeaker has anything to play.
        self._media.engine.set_voice(voice, transmit=self._sound.send)
        self._line.heard(self._heard)
        self._line.voice(voice)

    def _arm(self, host: str, port: int) -> None:
        assert self._session is not None  # noqa: S101 - over_udp made it
        self._peer = host
        # Its RTCP beside, not among the sound: simple devices play whatever comes to their port.
        self._media.engine.arm_rtp_session(
            self._session, host, port, rtcp_host=host, rtcp_port=min(port + 1, 65535) if port else 0, latch="host"
        )

    def _heard(self, event: codecs.VoiceEvent) -> None:
        if event.voice != self._voice:
            return  # of another attempt on the same line
        if event.state == "closed" and not self._over.done():
            self._over.set_result(event.code or "media-stopped")
        elif event.state == "stranger" and self._session is not None:
            host, _, port = event.address.rpartition(":")
            host = plain(host)
            if host != plain(self._peer) and host in {plain(known) for known in self._known()} and port.isdigit():
                log.info("%s: sound goes to %s, from where its packets come", self._who, event.address)
                self._arm(host, int(port))
        elif event.state == "problem":
            log.warning("%s: its sound: %s %s", self._who, event.code, event.detail)


async def accepted(listener: socket.socket, known: Callable[[], Iterable[str]], who: str) -> socket.socket:
    """The device's connection. It need not say anything first (it listens), so only its known addresses are taken."""
    loop = asyncio.get_running_loop()
    warned = False
    while True:
        try:
            connection, peer = await loop.sock_accept(listener)
        except OSError as exc:
            if listener.fileno() < 0:
                raise
            log.warning("%s: a connection for sound was not taken: %s", who, exc)
            await asyncio.sleep(ACCEPT_PAUSE_S)
            continue
        if plain(str(peer[0])) in {plain(host) for host in known()}:
            connection.setblocking(False)
            return connection
        connection.close()
        if not warned:
            warned = True
            log.warning("%s: a connection for sound from %s, which is not the device, is closed", who, peer[0])
