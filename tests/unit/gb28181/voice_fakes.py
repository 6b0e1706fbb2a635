"""The voice side of the core as small fakes. Sockets are real: a voice sends one packet at once, then stands."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from typing import Any

from gateway import codecs
from gateway.contract.voice import VoiceOffer
from gateway.model.voice import VoiceId

SOUND = bytes(160)


class FakeVoices:
    """The voice part of the engine; what it was told stands in its lists."""

    def __init__(self) -> None:
        self.sockets: dict[int, socket.socket] = {}
        self.peers: dict[int, tuple[str, int]] = {}
        self.armed: list[tuple[str, int, dict[str, Any]]] = []
        self.voices: dict[int, int] = {}
        self.settings: list[dict[str, Any]] = []
        self.ssrcs: list[int] = []
        self.closed: list[int] = []
        self._numbers = itertools.count(700)

    def open_rtp_session(self, rtp_fd: int, *, rtcp_fd: int | None = None, stream: int | None = None) -> int:
        handle = next(self._numbers)
        self.sockets[handle] = socket.socket(fileno=rtp_fd)
        return handle

    def arm_rtp_session(self, session: int, host: str, host_port: int, **given: Any) -> None:
        self.armed.append((host, host_port, given))
        self.peers[session] = (host, host_port)

    def open_voice_session(self, session: int, *, ssrc: int, **given: Any) -> int:
        voice = next(self._numbers)
        self.voices[voice] = session
        self.ssrcs.append(ssrc)
        host, port = self.peers[session]
        if port:
            self.sockets[session].sendto(_packet(ssrc), (host, port))
        return voice

    def open_voice_tcp(self, fd: int, *, ssrc: int, **given: Any) -> int:
        voice = next(self._numbers)
        self.sockets[voice] = socket.socket(fileno=fd)
        self.voices[voice] = voice
        self.ssrcs.append(ssrc)
        packet = _packet(ssrc)
        self.sockets[voice].send(len(packet).to_bytes(2, "big") + packet)
        return voice

    def set_voice(self, voice: int, **given: Any) -> None:
        self.settings.append(given)

    def close_voice(self, voice: int) -> None:
        self.closed.append(voice)
        if self.voices.pop(voice) == voice:
            self.sockets.pop(voice).close()

    def close_session(self, session: int) -> None:
        self.sockets.pop(session).close()


def _packet(ssrc: int) -> bytes:
    return bytes([0x80, 8, 0, 1, 0, 0, 0, 0]) + ssrc.to_bytes(4, "big") + SOUND


class FakeTalk:
    def __init__(self) -> None:
        self.offers: dict[VoiceId, VoiceOffer] = {}
        self.withdrawn: list[VoiceId] = []
        self.changed = asyncio.Event()

    def offer(self, offer: VoiceOffer) -> None:
        self.offers[offer.id] = offer
        self.changed.set()

    def withdraw(self, voice: VoiceId) -> None:
        self.offers.pop(voice, None)
        self.withdrawn.append(voice)
        self.changed.set()

    async def until(self, true: Callable[[FakeTalk], object], timeout: float = 60.0) -> None:
        async with asyncio.timeout(timeout):
            while not true(self):
                self.changed.clear()
                await self.changed.wait()


class FakeLine:
    """The seat of an endpoint while its `open` runs."""

    group = "kit1/talk/ops"

    def __init__(self, member: str) -> None:
        self.member = member
        self.handles: list[int | None] = []
        self.said: list[tuple[str, str]] = []
        self.listeners: list[Callable[[codecs.VoiceEvent], None]] = []
        self.up = asyncio.Event()

    def voice(self, handle: int | None) -> None:
        self.handles.append(handle)
        if handle is not None:
            self.up.set()

    def heard(self, listener: Callable[[codecs.VoiceEvent], None]) -> None:
        self.listeners.append(listener)

    def say(self, code: str, detail: str = "", *, held: bool = False) -> None:
        self.said.append((code, detail))

    def tell(self, state: str, *, code: str = "", detail: str = "", address: str = "") -> None:
        """An event of its voice."""
        for listener in self.listeners:
            listener(_Event(self.handles[-1], state, code, detail, address))  # type: ignore[arg-type]


class _Event:
    def __init__(self, voice: int | None, state: str, code: str, detail: str, address: str) -> None:
        self.voice, self.state, self.code, self.detail, self.address = voice, state, code, detail, address
