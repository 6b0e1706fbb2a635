"""Is anything heard of a call's peer? What its voice tells, and what a silent phone is asked.

Silence is a phone's right (push-to-talk), and no end of the call unless its policy says so; not to answer is none.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from adapters.sip.engine import LegState, Probing
from gateway import codecs
from gateway.base.errors import Busy

if TYPE_CHECKING:
    from adapters.sip.call import Call

SILENT_S = 8.0
"""An answered leg from which nothing was heard for so long says `no-media-phone`. It is no end of the call."""
PROBE_S = 30.0
"""A silent phone is asked whether it is there at this interval."""
STRANGE_S = 10.0
"""So long after the last packet of a stranger it is still said."""


class Ear:
    def __init__(self, call: Call) -> None:
        self._call = call
        self._silence: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._strange: asyncio.TimerHandle | None = None

    def heard(self, event: codecs.VoiceEvent) -> None:
        """An event of the call's voice."""
        call = self._call
        match event.state:
            case "media":
                self.still()
                call.trouble("media", "")
            case "stopped":
                self.listen()
            case "dtmf":
                call.on_digit(event.detail)
            case "problem":
                call.trouble("voice", event.code, event.detail)
            case "stranger":
                call.trouble("stranger", "rtp-stranger", event.address)
                if self._strange is not None:
                    self._strange.cancel()
                self._strange = asyncio.get_running_loop().call_later(STRANGE_S, call.trouble, "stranger", "")

    def listen(self) -> None:
        """Something should be heard from now on."""
        self.still()
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(SILENT_S, self._say_silent)
        if self._call.policy.no_media_s > 0:
            self._deadline = loop.call_later(self._call.policy.no_media_s, self._give_up)

    def still(self) -> None:
        """Nothing needs to be heard."""
        for timer in (self._silence, self._deadline):
            if timer is not None:
                timer.cancel()
        self._silence = self._deadline = None

    def close(self) -> None:
        self.still()
        if self._strange is not None:
            self._strange.cancel()

    def _say_silent(self) -> None:
        leg = self._call.leg
        if leg is not None and leg.state is LegState.UP and leg.media.voice is not None:
            self._call.trouble("media", "no-media-phone", "nothing is heard of the phone")
            if isinstance(leg, Probing):
                self._probe(leg)

    def _probe(self, leg: Probing) -> None:
        """Asked as long as nothing is heard."""
        with suppress(Busy):
            self._call.ground.start(leg.probe(), f"probe of {self._call.id}")
        self._silence = asyncio.get_running_loop().call_later(PROBE_S, self._say_silent)

    def _give_up(self) -> None:
        call, leg = self._call, self._call.leg
        if leg is not None and leg.end is None and not (leg.media.held or leg.media.held_by_peer):
            words = f"nothing was heard for {call.policy.no_media_s:g} s"
            with suppress(Busy):
                call.ground.start(call.end("no-media-phone", words), f"end of {call.id}")
