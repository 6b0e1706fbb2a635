"""After events of the media plane were lost: its states are asked for, and whoever waits for a lost event hears it.

What can be asked: which streams, legs and voices are still there, whether media has come, whether frames flow, whether
a viewer has had a frame, whether a voice speaks. What can not is treated as lost: a picture whose track nobody was told
of is opened anew. Datagrams need nothing (STUN and DTLS repeat themselves), nor do the ends of viewers (their consent
runs out), and a key frame is asked for once more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway import codecs
from gateway.core.figures import Counters
from gateway.core.mediaplane import MediaPlane
from gateway.core.stream import LiveStream

log = logging.getLogger(__name__)

AGAIN_S = 1.0
"""Pause between two rounds: a loop that is held up again and again does not also ask without end."""


@dataclass(slots=True)
class Found:
    """One snapshot. A handle that was asked for and is in none of these is gone from the media plane."""

    streams: dict[int, Counters] = field(default_factory=dict)
    legs: dict[int, Counters] = field(default_factory=dict)
    subscriptions: dict[int, Counters] = field(default_factory=dict)
    voices: dict[int, Counters] = field(default_factory=dict)


class Recheck:
    """`run` is a task of the daemon; `tell` says a notice (reason code, detail)."""

    def __init__(
        self, plane: MediaPlane, live: Callable[[], Sequence[LiveStream]], tell: Callable[[str, str], None]
    ) -> None:
        self._plane = plane
        self._live = live
        self._tell = tell
        self._count = 0
        self._wake = asyncio.Event()
        self._packets: dict[int, object] = {}  # of each voice in the round before
        self.rounds = 0
        """Done so far."""

    def lost(self, count: int) -> None:
        self._count += count
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if count := self._count:
                self._count = 0
                self._tell("events-lost", f"{count} events of the media plane; its states are asked for anew")
            if not await self.once():
                self._wake.set()
            self.rounds += 1
            await asyncio.sleep(AGAIN_S)

    async def once(self) -> bool:
        """False when the plane did not answer, or the answer left something open: ask once more."""
        asked = [(stream, handle) for stream in self._live() if (handle := stream.open_handle) is not None]
        legs = [leg.handle for stream, _ in asked for leg in stream.legs if not leg.end_code]
        try:
            asked_voices = self._plane.voices
            found = await asyncio.to_thread(_ask, self._plane.engine, legs, self._plane.subscriptions, asked_voices)
        except codecs.MediaError as exc:
            log.warning("the media plane does not answer: %s", exc)
            return False
        sure = True
        for stream, handle in asked:
            if stream.open_handle == handle:
                sure &= stream.found(found.streams.get(handle), {leg: found.legs.get(leg) for leg in legs})
        for subscription, counters in found.subscriptions.items():
            self._plane.found_subscription(subscription, counters)
        return self._voices(asked_voices, found) and sure

    def _voices(self, asked: Sequence[int], found: Found) -> bool:
        """Whether packets still come shows in the second round. False when there is a need of one."""
        before, sure = self._packets, True
        self._packets = {voice: counters.get("packets") for voice, counters in found.voices.items()}
        for voice in asked:
            counters = found.voices.get(voice)
            stopped = counters is not None and before.get(voice) == counters.get("packets") and voice in before
            self._plane.found_voice(voice, counters, stopped=stopped)
            sure &= counters is None or voice in before
        if sure:
            self._packets = {}
        return sure


def _ask(engine: codecs.Engine, legs: Sequence[int], subscriptions: Sequence[int], voices: Sequence[int]) -> Found:
    """In a thread: each call may wait for the media thread. Raises MediaError when it does not answer."""
    found = Found(streams=engine.all_stream_stats())
    for handles, ask, into in (
        (legs, engine.leg_stats, found.legs),
        (subscriptions, engine.subscription_stats, found.subscriptions),
        *([(voices, engine.voice_stats, found.voices)] if voices else ()),
    ):
        for handle in handles:
            try:
                into[handle] = ask(handle)
            except codecs.MediaError:
                engine.engine_stats()  # it answers, so it is the handle that is gone
    return found
