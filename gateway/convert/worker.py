"""One conversion: reads a frame port, writes another, answers on a control socket until that is closed.

Control, one JSON object a record. In: `{"do": "key"}`. Out: `{"ev": "ready"}`, `trying` (an encoder is tried: if
nothing follows, it took us with it), `made` (what of what), `beat` twice a second (counters), `problem`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import socket
import time
from pathlib import Path
from typing import Any

import av

from gateway.convert.encoders import SOFTWARE, choose
from gateway.convert.passing import Passing
from gateway.convert.pictures import Pictures
from gateway.convert.recipe import COPY, Recipe
from gateway.convert.records import BadRecord, Reader, Track, Unit, Writer, wish
from gateway.convert.sound import Sound

BEAT_S = 0.5
QUIET_S = 0.03
"""Input that pauses this long has given all that was cached."""
RECORD_BYTES = 64 << 10
WRITE_S = 5.0
RANK = 10
"""nice(2)"""


def _resident_kb() -> int:
    """What lies in memory now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize() // 1024


class Control:
    def __init__(self, port: socket.socket) -> None:
        self.port = port
        port.setblocking(False)

    def tell(self, event: str, **more: Any) -> None:
        """Never waits: a reader that does not read has other worries."""
        with contextlib.suppress(OSError):
            self.port.send(json.dumps({"ev": event} | more).encode())

    def orders(self) -> list[dict[str, Any]] | None:
        """What has come; None: it was closed."""
        found: list[dict[str, Any]] = []
        while True:
            try:
                data = self.port.recv(RECORD_BYTES)
            except BlockingIOError:
                return found
            except OSError:
                return None
            if not data:
                return None
            found.append(json.loads(data))


class Worker:
    def __init__(
        self,
        recipe: Recipe,
        control: Control,
        given: socket.socket,
        out: socket.socket,
        *,
        encoder: str,
        bad: frozenset[str],
    ) -> None:
        """`encoder`: known to work; "auto": find out; "" or "libx264": in software."""
        out.settimeout(WRITE_S)
        given.setblocking(False)
        self._recipe = recipe
        self._control = control
        self._in = given
        self._encoder = encoder
        self._bad = bad
        self._writer = Writer(out)
        self._reader = Reader()
        self._video: Pictures | Passing | None = None
        self._audio: Sound | Passing | None = None
        if recipe.video:
            self._video = Passing(self._writer) if recipe.video == COPY else Pictures(
                recipe, self._writer, self._choose, self._made
            )  # fmt: skip
        if recipe.audio:
            self._audio = Passing(self._writer) if recipe.audio == COPY else Sound(recipe, self._writer)
        self._words: dict[str, str] = {}
        self._bad_records = 0
        self._idle_at = time.monotonic()
        self._beaten = (0.0, 0, 0.0)
        self._begins = True

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._in, select.POLLIN)
        poll.register(self._control.port, select.POLLIN)
        self._control.tell("ready")
        waits_s = BEAT_S
        while True:
            ready = dict(poll.poll(0))
            waited = self._in.fileno() not in ready
            if waited:
                ready = dict(poll.poll(waits_s * 1000))
            now = time.monotonic()
            if waited:
                # All that had come is done. With sound each 20 ms there is never a pause, however idle we are.
                self._idle_at = now
            if self._control.port.fileno() in ready and not self._obey(now):
                return
            if self._in.fileno() in ready:
                if not self._read(now):
                    return
                waits_s = QUIET_S
            else:
                if waits_s == QUIET_S and isinstance(self._video, Pictures | Passing):
                    self._video.quiet()
                waits_s = BEAT_S
            self._beat(now)

    def _obey(self, now: float) -> bool:
        orders = self._control.orders()
        for order in orders or ():
            if order.get("do") != "key":
                continue
            if isinstance(self._video, Pictures):
                self._video.want_key(now)
            elif self._video is not None:
                # A picture that is passed on has its key frames from the source. Full: the last wish is not read yet.
                with contextlib.suppress(OSError):
                    self._in.send(wish())
        return orders is not None

    def _read(self, now: float) -> bool:
        try:
            record = self._in.recv(RECORD_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not record:
            return False
        try:
            item = self._reader.push(record)
        except BadRecord:
            self._bad_records += 1
            return True
        if isinstance(item, Track):
            self._track(item)
        elif isinstance(item, Unit):
            self._unit(item, now)
        if self._begins and self._writer.units:
            # The first picture is waited for; from then on everything else on this machine comes before us.
            self._begins = False
            with contextlib.suppress(OSError):
                os.nice(RANK)
        return True

    def _track(self, track: Track) -> None:
        part = self._video if track.is_video else self._audio
        if part is None:
            return
        try:
            part.track(track)
        except (av.FFmpegError, ValueError, KeyError) as exc:
            kind = "video" if track.is_video else "audio"
            self._control.tell("problem", code="convert-unavailable", detail=f"{kind} {track.codec}: {exc}"[:200])
            return
        if isinstance(part, Sound):
            self._tell("audio", part.words)
        elif isinstance(part, Passing):
            self._tell("video" if track.is_video else "audio", "")

    def _unit(self, unit: Unit, now: float) -> None:
        if not unit.is_video:
            if self._audio is not None:
                self._audio.feed(unit)
        elif isinstance(self._video, Pictures):
            self._video.feed(unit, now - self._idle_at)
        elif self._video is not None:
            self._video.feed(unit)

    def _choose(self) -> str:
        if self._encoder == "auto":
            self._encoder = choose(True, lambda name: self._control.tell("trying", encoder=name), self._bad)
        return self._encoder or SOFTWARE

    def _made(self, words: str, encoder: str) -> None:
        self._words["encoder"] = encoder
        self._tell("video", words)

    def _tell(self, kind: str, words: str) -> None:
        self._words[kind] = words
        self._control.tell("made", **self._words)

    def _beat(self, now: float) -> None:
        before, made, cpu = self._beaten
        if now - before < BEAT_S:
            return
        usage = resource.getrusage(resource.RUSAGE_SELF)
        used, out = usage.ru_utime + usage.ru_stime, self._video.made if self._video else 0
        span = now - before
        self._beaten = (now, out, used)
        parts = (self._video, self._audio)
        self._control.tell(
            "beat",
            fed=[part.fed if part is not None else 0 for part in parts],
            made=[part.made if part is not None else 0 for part in parts],
            errors=self._bad_records + sum(getattr(part, "errors", 0) for part in parts),
            skipped=getattr(self._video, "skipped", 0),
            behind=round(now - self._idle_at, 3),
            fps=round((out - made) / span, 1) if before else 0.0,
            cores=round((used - cpu) / span, 3) if before else 0.0,
            rss_kb=_resident_kb(),
        )
