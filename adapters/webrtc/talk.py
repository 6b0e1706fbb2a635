"""A person at a browser who talks and listens: a seat in a talk group, or in a conversation with a device's channel.

The seat is taken when the offer comes and freed when the session ends, whatever ends it; a change of the browser's
network keeps it, since ICE goes on by its own checks. Who holds the floor is the core's matter: the page asks by the
orders `talk.request` and `talk.release`, and the core sets the routes of the voice that is handed over here.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adapters.webrtc.offer import MID, Chosen, Plan, Sources, make_answer
from adapters.webrtc.session import Ground, Session, Words
from adapters.webrtc.whep import random_ssrc, rtp_maps
from gateway import codecs
from gateway.base.errors import Denied, LinkDown, NotFound, Unsupported
from gateway.contract.voice import KeyedBy, Seat, SeatWish
from gateway.model.principal import Principal, Role
from gateway.model.voice import MemberKind, Priority

if TYPE_CHECKING:
    from adapters.webrtc.peer import NativePeer

TALKERS = frozenset({Role.OPERATOR, Role.TECHNICIAN, Role.ADMINISTRATOR})


def allow(plan: Plan, who: Principal) -> Plan:
    """The plan as far as `who` may: a viewer listens only. Raises Denied where nothing is left of it, and Unsupported
    (`codec-unsupported`) for an offer without sound."""
    if plan.audio is None:
        raise Unsupported("the offer has no sound", code="codec-unsupported")
    if who.role in TALKERS or not plan.audio.receives:
        return plan
    if not plan.audio.sends:
        raise Denied(f"{who.name} ({who.role}) may listen, not talk")
    return replace(plan, audio=replace(plan.audio, direction="sendonly"))


def new_member() -> str:
    """A member id of our own, short enough to be read out."""
    return f"browser:{secrets.token_hex(3)}"


class Talker(Session):
    kind = "talk"
    _trouble = Words()
    _stopped = False

    def __init__(self, ground: Ground, ident: str, group: str, who: Principal, plan: Plan, member: str) -> None:
        super().__init__(ground, ident, group, who, plan)
        self.member = member
        self._sound: Chosen | None = plan.audio

    async def hold(self) -> None:
        assert self._sound is not None  # noqa: S101  (allow has looked)
        async with self._seated() as seat, self.open_peer() as peer:
            self.stream, self.member = seat.group, seat.member
            sources = self._answer(peer)
            await self.connect(peer)
            await self._speak(seat, peer, self._sound, sources)

    def _seated(self) -> AbstractAsyncContextManager[Seat]:
        """A seat in the group of that name or number, else in a conversation with the channel of that id."""
        sound, talk = self._sound, self.ground.context.talk
        assert sound is not None  # noqa: S101
        may_talk = sound.receives
        wish = SeatWish(
            id=self.member,
            kind=MemberKind.BROWSER,
            name=self.who.name,
            keyed_by=KeyedBy.ORDER,
            may_talk=may_talk,
            may_listen=sound.sends,
            priority=Priority.DISPATCHER if may_talk else Priority.NORMAL,
            emergency=may_talk,
            principal=self.who,
            on_end=self.end,
        )
        try:
            group = talk.resolve(self.stream)
        except NotFound:
            return talk.converse(self.stream, wish)
        return talk.seat(group, wish)

    def _answer(self, peer: NativePeer) -> Sources:
        plan = self.plan
        assert plan is not None  # noqa: S101  (kept until answered)
        cname = secrets.token_hex(8)
        sources = Sources(cname, secrets.token_hex(8), video_ssrc=0, video_rtx_ssrc=0, audio_ssrc=random_ssrc())
        self.answer.set_result(make_answer(plan, self.local(peer), session=secrets.randbits(62), sources=sources))
        return sources

    async def _speak(self, seat: Seat, peer: NativePeer, sound: Chosen, sources: Sources) -> None:
        """Hand the voice over and stay until somebody ends the session."""
        engine, maps = self.ground.engine, rtp_maps(sound)
        voice = engine.open_voice_session(
            peer.session,
            send=maps,
            receive=maps,
            ssrc=sources.audio_ssrc,
            cname=sources.cname,
            mid_ext=sound.extension(MID),
            mid=sound.mid,
        )
        # What was not agreed neither leaves nor is let in, whatever the routes say.
        engine.set_voice(voice, transmit="always" if sound.sends else "never", mute_in=not sound.receives)
        gone: asyncio.Future[codecs.VoiceEvent] = asyncio.get_running_loop().create_future()

        def heard(event: codecs.VoiceEvent) -> None:
            self._heard(event)
            if event.state == "closed" and not gone.done():
                gone.set_result(event)

        try:
            seat.heard(heard)
            seat.voice(voice)
            event = await gone
            raise LinkDown(event.detail or "the media plane closed the voice", code=event.code or "link-down")
        finally:
            seat.voice(None)
            engine.close_voice(voice)

    def _heard(self, event: codecs.VoiceEvent) -> None:
        match event.state:
            case "problem":
                self._trouble = Words(event.code, event.detail)
            case "media":
                self._stopped, self._trouble = False, Words()
            case "stopped":
                self._stopped = True

    def current_words(self) -> Words:
        """Why the session ended, else what is wrong with its sound."""
        return self.words if self.words.code or self.ended else self._trouble

    def stream_json(self) -> dict[str, Any]:
        sound = self._sound
        return {
            "group": self.stream,
            "member": self.member,
            "may_talk": sound is not None and sound.receives,
            "sound_stopped": self._stopped,
        }
