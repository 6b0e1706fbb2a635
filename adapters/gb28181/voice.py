"""The loudspeakers of one device: offered to talk groups, opened while one needs them, in the way that works.

offered ─► open ─► a way ─► plays until the end ──────────────► remembered
             ▲        ├─ refused, no INVITE, no connection ─► the next way (at most SLOW that make us wait)
             │        └─ hung up at the first sound ─► once more, begun otherwise ─► talk-dropped
             └── the core, while a group needs it ◄── the reason
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from adapters.gb28181.link import DeviceLink
from adapters.gb28181.protocol.catalog import voice_outputs
from adapters.gb28181.protocol.manscdp import CatalogItem
from adapters.gb28181.protocol.voice import Aim, Asked, Way, fit, ids_in, ways
from adapters.gb28181.voicecall import VoiceAttempt, Waiting, next_way_helps
from gateway.base.errors import Busy, GatewayError, LinkDown, RemoteProtocolError
from gateway.contract.voice import VoiceLine, VoiceOffer
from gateway.model.ids import stream_id
from gateway.model.voice import MemberKind, VoiceId
from gateway.net.sip import IncomingCall
from gateway.wire.sip import SipRequest

log = logging.getLogger(__name__)

SLOW_FACTOR = 3
LATE_S = 60.0
"""A device whose INVITE came after we had given up, within this time, is waited for so many times longer next."""

SLOW = 2
"""Ways whose failure makes somebody wait for seconds, tried in one opening; the others come at the next."""

_SLOW_CODES = ("broadcast-no-invite", "invite-timeout", "talk-no-connection")


@dataclass(frozen=True, slots=True)
class Caller:
    """What an INVITE says of where it comes from. `sender` is its From user."""

    named: frozenset[str]
    sender: str

    @classmethod
    def of(cls, request: SipRequest) -> Caller:
        """Whatever of it can be read; never raises."""
        texts = [request.headers.get(name) or "" for name in ("From", "To", "Subject")]
        origin = next((line for line in request.body[:4096].split(b"\n") if line.strip().startswith(b"o=")), b"")
        try:
            sender = request.from_.user
        except RemoteProtocolError:
            sender = ""
        return cls(ids_in(str(request.uri), *texts, origin.decode("latin-1")), sender)


class VoiceCalls:
    """Belongs to one device's entry. `reported` after every catalogue; `take` for each INVITE that fits."""

    def __init__(self, link: DeviceLink) -> None:
        self._link = link
        self._outputs: dict[str, str] = {}
        self._offered: dict[str, VoiceOffer] = {}
        self._waiting: list[Waiting] = []
        self._playing: dict[str, tuple[str, VoiceAttempt]] = {}  # target → for which channel
        self._failed: list[Way] = []
        self._asked_at = -math.inf
        self._slow = False

    # — what is offered —

    def reported(self, items: Mapping[str, CatalogItem], keys: Mapping[str, str], titles: Mapping[str, str]) -> None:
        """The catalogue as it stands: each channel with a voice output is a loudspeaker, of the channel's own id."""
        link = self._link
        mode = link.quirks.talk.mode
        self._outputs = voice_outputs(link.external_id, items.values())
        able = {
            channel
            for channel in keys
            if mode in ("broadcast", "talk") or (mode == "auto" and {channel, link.external_id} & self._outputs.keys())
        }
        for channel in self._offered.keys() - able:
            link.station.context.talk.withdraw(self._offered.pop(channel).id)
        for channel in sorted(able):
            voice = VoiceId(stream_id(link.admitted.id, keys[channel]))
            title = titles.get(channel) or link.admitted.name
            known = self._offered.get(channel)
            if known is None or (known.id, known.title) != (voice, title):
                offer = VoiceOffer(
                    voice,
                    link.admitted.id,
                    title,
                    MemberKind.LOUDSPEAKER,
                    partial(self._open, channel),
                    talks=False,  # its microphone is its stream
                )
                self._offered[channel] = offer
                link.station.context.talk.offer(offer)

    def withdraw_all(self) -> None:
        for offer in self._offered.values():
            self._link.station.context.talk.withdraw(offer.id)
        self._offered.clear()

    # — opening —

    async def _open(self, channel: str, line: VoiceLine) -> None:
        """See contract.voice.VoiceOpen. Raises LinkDown, PeerError or Busy with the reason that people read."""
        self._link.way()
        first: GatewayError | None = None
        slow = 0
        for way in self._ways(channel):
            failure = await self._try(channel, way, line)
            if not next_way_helps(failure):
                raise failure
            log.info("%s: %s: %s", self._link, way, failure)
            self._demote(way)
            first = first or failure
            slow += failure.code in _SLOW_CODES
            if slow >= SLOW:
                break
        assert first is not None  # noqa: S101 - there is always a way
        raise first

    async def _try(self, channel: str, way: Way, line: VoiceLine) -> GatewayError:
        """One way to its end; hung up at the first sound, once more in the other manner."""
        patience = self._link.station.config.invite_timeout * (SLOW_FACTOR if self._slow else 1)
        made = VoiceAttempt(self._link, way, self._targets(channel)[way.aim], line, patience)
        failure = await self._end_of(channel, made)
        if failure.code == "talk-dropped":
            made = VoiceAttempt(self._link, way.other(tcp=made.tcp), made.target, line, patience)
            log.info("%s: %s: %s; once more by %s", self._link, way, failure, made.way)
            failure = await self._end_of(channel, made)
        return failure

    async def _end_of(self, channel: str, made: VoiceAttempt) -> GatewayError:
        try:
            await self._run(channel, made)
        except GatewayError as exc:
            if made.stands:
                self._failed.clear()
            return exc
        return LinkDown(f"sound to {self._link} ended", code="source-ended")

    async def _run(self, channel: str, made: VoiceAttempt) -> None:
        link, target = self._link, made.target
        if target in self._playing:
            raise Busy(f"the loudspeaker of {link} plays for {self._playing[target][0]}", code="device-busy")
        self._playing[target] = channel, made
        made.line.say("opening", made.way.mode)
        try:
            if made.way.mode == "talk":
                await made.talk()
            else:
                self._asked_at = link.station.clock.monotonic()
                waiting = Waiting(Asked(link.external_id, target, link.station.config.id))
                self._waiting.append(waiting)
                try:
                    await made.broadcast(waiting)
                finally:
                    self._waiting.remove(waiting)
        finally:
            del self._playing[target]

    def _targets(self, channel: str) -> dict[Aim, str]:
        device = self._link.external_id
        output = self._outputs.get(channel) or self._outputs.get(device, "")
        return {"output": output or channel, "channel": channel, "device": device}

    def _ways(self, channel: str) -> list[Way]:
        """What worked first, what has failed since then last."""
        talk = self._link.quirks.talk
        targets = self._targets(channel)
        if talk.target:
            targets = {aim: target for aim, target in targets.items() if aim == talk.target}
        memory = self._link.memory
        found = ways(talk.mode, memory.version, targets, start=talk.start, codec=talk.codec, remembered=memory.talk)
        return sorted(found, key=lambda way: self._failed.index(way) if way in self._failed else -1)

    def _demote(self, way: Way) -> None:
        if way in self._failed:
            self._failed.remove(way)
        self._failed.append(way)

    async def check(self) -> None:
        """The device may have started anew: calls that it knows nothing of any more are over."""
        await asyncio.gather(*(attempt.check() for _, attempt in list(self._playing.values())))

    # — the device's INVITE —

    def fit(self, call: IncomingCall, caller: Caller) -> tuple[int, Waiting] | None:
        """The broadcast that this INVITE answers best, and how well; None: no one of this device."""
        link = self._link
        # Another connection from its own host is heard, as for messages (`moves`); another UDP port is somebody else.
        here = link.hop is not None and link.is_at(call.hop)
        near = link.hop is not None and call.hop.transport == "tcp" and call.hop.remote[0] == link.hop.remote[0]
        best: tuple[int, Waiting] | None = None
        for waiting in self._waiting:
            score = fit(waiting.asked, caller.named, here=here, near=near)
            if score and (best is None or score > best[0]):
                best = score, waiting
        return best

    def late(self) -> bool:
        """It called, and nobody waits: was it asked a while ago? Then it gets more time at the next asking."""
        asked = self._link.station.clock.monotonic() - self._asked_at < LATE_S
        self._slow = self._slow or (asked and not self._playing)
        return asked
