"""The media plane's voices and rooms in memory: half of `FakeEngine`.

A test tells what a voice does with `voice_event` (or `talking`, `quiet`, `dtmf`, `stopped` …) and asks who would hear
whom with `hears`, which reads the routes as the real mixer does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from gateway import codecs

ROOMS_EACH = 8


@dataclass
class FakeVoice:
    what: str
    given: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    cues: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class FakeRoute:
    talk: bool
    listen: bool
    gain_db: float = 0.0


class FakeVoices:
    """`_note` and `_handle` are FakeEngine's."""

    def __init__(self) -> None:
        self.voices: dict[int, FakeVoice] = {}
        self.rooms: dict[int, str] = {}
        self.routes: dict[int, dict[int, FakeRoute]] = {}  # room → voice → route
        self.guards: dict[int, int] = {}  # microphone → loudspeaker
        self.voice_levels: dict[int, tuple[float, float]] = {}
        self.voice_counters: dict[int, dict[str, int | float | str]] = {}

    # — what a test does —

    def voice_event(self, voice: int, state: str, code: str = "", detail: str = "", address: str = "") -> None:
        event = codecs.VoiceEvent(
            voice=voice,
            state=state,  # type: ignore[arg-type]
            code=code,
            detail=detail,
            address=address,
        )
        self.tell(event)

    def talking(self, voice: int) -> None:
        self.voice_event(voice, "talking")

    def quiet(self, voice: int) -> None:
        self.voice_event(voice, "quiet")

    def stopped(self, voice: int) -> None:
        self.voice_event(voice, "stopped")

    def dtmf(self, voice: int, digit: str) -> None:
        self.voice_event(voice, "dtmf", detail=digit)

    def voice_closed(self, voice: int, code: str = "link-down") -> None:
        self.voice_event(voice, "closed", code)

    def a_voice(self) -> int:
        """A voice without a socket, for tests of what stands above."""
        return self._voice("open_voice", {})

    def newest_voice(self) -> int:
        return list(self.voices)[-1]

    def hears(self, listener: int) -> set[int]:
        """The voices that the mixer would put into what `listener` hears."""
        return {
            talker
            for routes in self.routes.values()
            if (own := routes.get(listener)) is not None and own.listen
            for talker, route in routes.items()
            if route.talk and talker != listener
        }

    def tell(self, event: Any) -> None:
        raise NotImplementedError

    def _note(self, order: str, **given: Any) -> None:
        raise NotImplementedError

    def _handle(self, order: str, **given: Any) -> int:
        raise NotImplementedError

    # — the face —

    def open_rtp_session(self, rtp_fd: int, *, rtcp_fd: int | None = None, stream: int | None = None) -> int:
        for fd in (rtp_fd, rtcp_fd):
            if fd is not None:
                os.close(fd)
        handle = self._handle("open_rtp_session", stream=stream)
        self.sessions[handle] = f"rtp-{handle}"  # type: ignore[attr-defined]
        return handle

    def arm_rtp_session(self, session: int, host: str, host_port: int, **given: Any) -> None:
        self._note("arm_rtp_session", session=session, host=host, host_port=host_port, **given)

    def open_voice_session(self, session: int, **given: Any) -> int:
        if session not in self.sessions:  # type: ignore[attr-defined]
            raise codecs.MediaError(f"no session {session}")
        return self._voice("open_voice_session", {"session": session, **given})

    def open_voice_tcp(self, fd: int, **given: Any) -> int:
        os.close(fd)
        return self._voice("open_voice_tcp", given)

    def open_voice_usrp(self, fd: int, host: str, host_port: int) -> int:
        os.close(fd)
        return self._voice("open_voice_usrp", {"host": host, "host_port": host_port})

    def open_voice_pcm(self, fd: int, *, rate_hz: int, channels: int = 1) -> int:
        os.close(fd)
        return self._voice("open_voice_pcm", {"rate_hz": rate_hz, "channels": channels})

    def open_voice_tap(self, stream: int) -> int:
        if stream not in self.streams:  # type: ignore[attr-defined]
            raise codecs.MediaError(f"no stream {stream}")
        return self._voice("open_voice_tap", {"stream": stream})

    def close_voice(self, voice: int) -> None:
        self._note("close_voice", voice=voice)
        self.voices.pop(voice, None)
        self.guards.pop(voice, None)
        for routes in self.routes.values():
            routes.pop(voice, None)

    def set_voice(self, voice: int, **given: Any) -> None:
        self._note("set_voice", voice=voice, **given)
        if voice in self.voices:
            self.voices[voice].settings = given

    def guard_echo(self, microphone: int, loudspeaker: int | None, **given: Any) -> None:
        self._note("guard_echo", microphone=microphone, loudspeaker=loudspeaker, **given)
        if loudspeaker is None:
            self.guards.pop(microphone, None)
        else:
            self.guards[microphone] = loudspeaker

    def cue(self, voice: int, samples: bytes, *, rate_hz: int = 8000, over: bool = True) -> None:
        self._note("cue", voice=voice, seconds=len(samples) / 2 / rate_hz, over=over)
        if voice in self.voices:
            self.voices[voice].cues.append({"samples": samples, "rate_hz": rate_hz, "over": over})

    def send_dtmf(self, voice: int, digit: str, *, duration_ms: int = 160) -> None:
        self._note("send_dtmf", voice=voice, digit=digit, duration_ms=duration_ms)

    def open_room(self, name: str) -> int:
        handle = self._handle("open_room", name=name)
        self.rooms[handle] = name
        self.routes[handle] = {}
        return handle

    def close_room(self, room: int) -> None:
        self._note("close_room", room=room)
        self.rooms.pop(room, None)
        self.routes.pop(room, None)

    def route(self, room: int, voice: int, *, talk: bool, listen: bool, gain_db: float = 0.0) -> None:
        self._note("route", room=room, voice=voice, talk=talk, listen=listen, gain_db=gain_db)
        if room not in self.routes or voice not in self.voices:
            return  # an order on a handle that is gone is ignored
        rooms = [other for other, routes in self.routes.items() if voice in routes and other != room]
        if len(rooms) >= ROOMS_EACH:
            raise codecs.MediaError(f"voice {voice} is in {ROOMS_EACH} rooms")
        self.routes[room][voice] = FakeRoute(talk, listen, gain_db)

    def leave(self, room: int, voice: int) -> None:
        self._note("leave", room=room, voice=voice)
        self.routes.get(room, {}).pop(voice, None)

    def levels(self, voices: list[int]) -> dict[int, tuple[float, float]]:
        return {voice: self.voice_levels.get(voice, (-127.0, -127.0)) for voice in voices if voice in self.voices}

    def voice_stats(self, voice: int) -> dict[str, int | float | str]:
        self._answering()  # type: ignore[attr-defined]
        if voice not in self.voices:
            raise codecs.MediaError(f"no voice {voice}")
        return self.voice_counters.get(voice, {})

    def voice_clock(self) -> dict[str, int | float]:
        self._answering()  # type: ignore[attr-defined]
        return {"ticks": 50, "late_p99_ms": 0.1, "voices": len(self.voices), "rooms": len(self.rooms)}

    def _voice(self, order: str, given: dict[str, Any]) -> int:
        handle = self._handle(order, **given)
        self.voices[handle] = FakeVoice(order, given)
        return handle
