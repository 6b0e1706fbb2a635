"""When a source is opened and closed: the rules of one stream, sans-IO, time given by whoever calls.

    IDLE ──viewer──► OPENING ──media──► LIVE ◄──frames── STALLED
      ▲                │  ▲               │ └──no frames──►  │
      │ nobody,        │  └──timer/online─┼─── WAITING ◄─────┘ patience over, or the source ended
      └─idle_close─────┴──────────────────┘       OFFLINE: the device is gone; viewers stay, `online` opens at once

`run` asks for an attempt to begin, `cancel` for the one under way to end; both are read from `poll` after every call.
There is never more than one attempt: after `cancel` the next begins when `ended` was told. A source is wanted while it
has viewers, for `idle_close_s` after the last one, and always if it is not `on_demand`. Every failure is tried again,
the first one too, after 0.5 s, doubling to 15 s, with ±20 % of jitter. Why the last attempt failed stays told while the
next one has nothing new to say.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container
from dataclasses import dataclass

from gateway.model.media import StreamState

HEALTHY_S = 10.0
"""A source that lived this long begins its waits anew."""
ASKED = ("", "opening", "waiting-media")
"""What an attempt says before it knows anything: no news where the one before it failed."""

LACKS = {"codec-unsupported": "source-codec", "audio-unsupported": "source-sound", "av1": "av1"}
"""What the media plane says of a track in a codec that it does not carry, as it is told of the source."""
PICTURELESS = ("audio-only", "source-codec", "av1")
"""Codes of a stream of which only the sound can be had."""
_KIND = {"source-codec": "video", "av1": "video", "source-sound": "audio"}


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds; see gateway.config.root.Streams."""

    idle_close_s: float = 10.0
    patience_s: float = 10.0
    open_s: float = 60.0
    retry_first_s: float = 0.5
    retry_most_s: float = 15.0


@dataclass(slots=True)
class Orders:
    """What is to be done now."""

    run: bool = False
    cancel: bool = False
    changed: bool = False


class OnDemand:
    def __init__(
        self,
        patience: Patience,
        *,
        on_demand: bool = True,
        offline: str | None = None,
        jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2),
    ) -> None:
        self.patience = patience
        self.on_demand = on_demand
        self.state = StreamState.IDLE
        self.code = "idle"
        self.detail = ""
        self.viewers = 0
        self._online = offline is None
        self._offline_code = offline or "device-offline"
        self._jitter = jitter
        self._running = False  # an attempt is under way, or is being ended
        self._cancelling = False
        self._again = False  # begin anew as soon as the cancelled attempt has ended
        self._failures = 0
        self._live_at: float | None = None
        self._online_at: float | None = None
        self._idle_at: float | None = None
        self._retry_at: float | None = None
        self._give_up_at: float | None = None
        self._lasting = ("", "")
        self._failed = ("", "")  # why the attempt before this one failed
        self._own = False  # what stands there was said in this attempt
        self._orders = Orders()

    # — what is asked —

    @property
    def wanted(self) -> bool:
        return not self.on_demand or self.viewers > 0 or self._idle_at is not None

    def next_timer(self) -> float | None:
        times = [t for t in (self._idle_at, self._retry_at, self._give_up_at) if t is not None]
        return min(times, default=None)

    def retry_in_s(self, now: float) -> float | None:
        return None if self._retry_at is None else max(0.0, self._retry_at - now)

    def poll(self) -> Orders:
        orders, self._orders = self._orders, Orders()
        return orders

    # — viewers —

    def start(self, now: float) -> None:
        """The stream was offered: one that is not on demand is opened at once."""
        if not self.on_demand:
            self._want(now)

    def joined(self, now: float) -> None:
        self.viewers += 1
        self._idle_at = None
        self._orders.changed = True
        self._want(now)

    def left(self, now: float) -> None:
        self.viewers -= 1
        self._orders.changed = True
        if self.viewers == 0 and self.on_demand:
            if self.state in (StreamState.OPENING, StreamState.LIVE, StreamState.STALLED):
                self._idle_at = now + self.patience.idle_close_s
            else:
                self._rest()

    # — the device —

    def device(self, online: bool, now: float, code: str = "") -> None:
        """It came or went. A picture that still flows is not cut for a lost registration."""
        self._online = online
        if online:
            self._online_at = now
            self._failures = 0
            if self.state is StreamState.STALLED:
                # It was away and is back: the old call is dead, whatever it says.
                self._restart(now)
            elif self.state in (StreamState.OFFLINE, StreamState.WAITING):
                self._want(now, at_once=True)
            return
        self._offline_code = code or "device-offline"
        if self.state in (StreamState.OPENING, StreamState.STALLED):
            self._cancel()
            self._offline()
        elif self.state in (StreamState.WAITING, StreamState.OFFLINE):
            self._offline()  # away already: why may be known better now

    # — the attempt —

    def said(self, code: str, detail: str, now: float) -> None:
        """The source tells what it waits for."""
        if self.state is StreamState.OPENING:
            self._own = code not in ASKED
            if self._own or not self._failed[0]:
                self._become(StreamState.OPENING, code, detail)
            else:
                self._become(StreamState.OPENING, *self._failed)

    def media(self, now: float) -> None:
        """The first packets of this attempt are here: a picture is near, the attempt is not given up any more."""
        if self.state is StreamState.OPENING:
            self._give_up_at = now + self.patience.open_s
            self._own = True
            # A picture that is not carried here is not waited for.
            none = _KIND.get(self._lasting[0]) == "video"
            self._become(StreamState.OPENING, *(self._lasting if none else ("waiting-key-frame", "")))

    def frames(self, now: float) -> None:
        """Frames arrive, or arrive again."""
        if self._cancelling or not self._running:
            return
        if self.state in (StreamState.OPENING, StreamState.STALLED):
            self._give_up_at = None
            self._live_at = now
            self._failed = ("", "")
            self._become(StreamState.LIVE, *self._lasting)

    def remark(self, code: str, detail: str) -> None:
        """A problem worth telling while the stream goes on (`audio-only`, `framing-lost`)."""
        if self.state in (StreamState.OPENING, StreamState.LIVE):
            self._own = True
            self._become(self.state, code, detail)

    def lasting(self, code: str, detail: str) -> None:
        """Told as long as this attempt is live."""
        self._lasting = code, detail
        if self.state is StreamState.LIVE:
            self._become(self.state, code, detail)

    def problem(self, code: str, detail: str, tracks: Container[str]) -> bool:
        """What the media plane says of the source, of which those kinds of track are known. A track in a codec that is
        not carried is told as long as this attempt lasts, whether the rest of it plays or not. True: that is news."""
        told = LACKS.get(code)
        if told is None or _KIND[told] in tracks:
            self.remark(code, detail)
            return False
        news = self._lasting != (told, detail)
        self._lasting = told, detail
        self.remark(told, detail)
        return news

    def has(self, kind: str) -> None:
        """A track of that kind has come."""
        code = self._lasting[0]
        if _KIND.get(code) == kind:
            self._lasting = ("", "")
            if self.code == code:
                self._become(self.state, "" if self.state is StreamState.LIVE else "opening", "")

    def sound_only(self) -> None:
        """Sound has come for a while, and no picture. Where it is known why, that is told."""
        why = self._lasting if _KIND.get(self._lasting[0]) == "video" else ("audio-only", "")
        self.remark(*why)

    def stalled(self, now: float) -> None:
        if self.state is not StreamState.LIVE or self._cancelling:
            return
        back = self._online_at is not None and self._live_at is not None and self._online_at > self._live_at
        self._become(StreamState.STALLED, "media-stopped", "")
        if not self._online:
            self._cancel()
            self._offline()
        elif back:
            # It registered anew since the picture began, and now the picture stopped: it was restarted.
            self._restart(now)

    def ended(self, now: float, code: str, detail: str = "") -> None:
        """The attempt is over: returned, failed or was cancelled."""
        self._running = False
        self._give_up_at = None
        if self._cancelling:
            self._cancelling = False
            if self._again or (self.wanted and self.state is StreamState.OPENING):
                self._again = False
                self._begin(now)
            return
        if self._live_at is not None and now - self._live_at >= HEALTHY_S:
            self._failures = 0
        self._live_at = None
        if self.on_demand and self.viewers == 0:
            self._idle_at = None
            self._rest()
        elif not self._online:
            self._offline()
        else:
            wait = min(self.patience.retry_first_s * 2**self._failures, self.patience.retry_most_s) * self._jitter()
            self._failures = min(self._failures + 1, 30)
            self._retry_at = now + wait
            self._wait(code, detail)

    # — time —

    def handle_timer(self, now: float) -> None:
        if self._idle_at is not None and now >= self._idle_at:
            self._idle_at = None
            if self.viewers == 0 and self.on_demand:
                self._cancel()
                self._rest()
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            self._want(now)
        if self._give_up_at is not None and now >= self._give_up_at:
            self._give_up_at = None
            self._cancel()
            self._wait(*((self.code, self.detail) if self._own else ("no-media", "")))
            self._retry_at = now + self.patience.retry_first_s

    def remove(self) -> None:
        """The stream is withdrawn."""
        self._cancel()
        self._again = False
        self._idle_at = self._retry_at = None
        self.on_demand = True
        self._become(StreamState.REMOVED, "not-found", "")

    def again(self, now: float) -> None:
        """It is to be opened another way: an attempt under way ends and the next begins at once."""
        if self._running:
            self._restart(now)
        elif self.state is StreamState.WAITING:
            self._want(now, at_once=True)

    def replaced(self, now: float, *, on_demand: bool) -> None:
        """The same stream is offered anew, with another way to open it: an attempt under way goes on."""
        self.on_demand = on_demand
        if self.state is StreamState.REMOVED:
            self._become(StreamState.IDLE, "idle", "")
        if self.wanted and not self._running:
            self._want(now, at_once=True)

    def panic(self, now: float, code: str = "stream-panic") -> None:
        """The media plane gave the stream up, or it was given up: all of it begins anew."""
        if self._running:
            self._cancel()
            self._wait(code, "")
            self._retry_at = now + self.patience.retry_first_s

    # — within —

    def _want(self, now: float, *, at_once: bool = False) -> None:
        if not self.wanted or self.state is StreamState.REMOVED:
            return
        if at_once:
            self._retry_at = None
            self._failed = ("", "")
        if self._running and not self._cancelling:
            return
        if not self._online:
            self._retry_at = None
            self._offline()
        elif self._retry_at is None:
            if self._cancelling:
                self._again = True
                self._ask()
            else:
                self._begin(now)

    def _begin(self, now: float) -> None:
        self._running = True
        self._live_at = None
        self._lasting = ("", "")
        self._give_up_at = now + self.patience.open_s
        self._orders.run = True
        self._ask()

    def _ask(self) -> None:
        self._own = False
        self._become(StreamState.OPENING, *(self._failed if self._failed[0] else ("opening", "")))

    def _wait(self, code: str, detail: str) -> None:
        self._failed = code, detail
        self._become(StreamState.WAITING, code, detail)

    def _restart(self, now: float) -> None:
        self._cancel()
        self._want(now, at_once=True)

    def _cancel(self) -> None:
        self._give_up_at = None
        if self._running and not self._cancelling:
            self._cancelling = True
            self._orders.cancel = True

    def _rest(self) -> None:
        self._retry_at = None
        self._again = False
        self._failures = 0
        self._failed = ("", "")
        self._become(StreamState.IDLE, "idle", "")

    def _offline(self) -> None:
        self._retry_at = None
        self._again = False
        if self.wanted:
            self._become(StreamState.OFFLINE, self._offline_code, "")
        else:
            self._rest()

    def _become(self, state: StreamState, code: str, detail: str) -> None:
        if (self.state, self.code, self.detail) != (state, code, detail):
            self.state, self.code, self.detail = state, code, detail
            self._orders.changed = True
