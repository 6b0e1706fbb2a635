"""Talk groups, conversations, and what can be talked to. Fulfils `contract.voice.Talk`.

Groups stand in the configuration; conversations are made for a call or for one who speaks with a device, and end with
them. A group's members of the configuration are kept in step with what is offered by `talk_members`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, NotFound, Unsupported
from gateway.config.talk import Talk as TalkConfig
from gateway.contract.voice import SeatWish, VoiceOffer
from gateway.core.audit import Audit
from gateway.core.calls import Calls
from gateway.core.floor_parts import Rules
from gateway.core.mediaplane import MediaPlane
from gateway.core.messages import Bus
from gateway.core.rights import allowed
from gateway.core.streams import Streams
from gateway.core.talk_far import FarTalk
from gateway.core.talk_group import Group, Spec
from gateway.core.talk_members import Members
from gateway.core.talk_party import ROOMS_EACH, Party, Place
from gateway.model.command import Action
from gateway.model.ids import DeviceId, StreamId
from gateway.model.principal import SYSTEM, Principal, Role
from gateway.model.voice import TALK, FloorAnswer, GroupId, GroupMode, GroupStatus, Spurt, VoiceId

log = logging.getLogger(__name__)

CONVERSATION_MOST = 16


class Talk:
    """On the event loop only."""

    def __init__(
        self,
        gateway: str,
        plane: MediaPlane,
        streams: Streams,
        calls: Calls,
        bus: Bus,
        audit: Audit,
        clock: Clock,
        config: Callable[[], TalkConfig],
        spurt: Callable[[Spurt], None],
    ) -> None:
        self.gateway = gateway
        self.plane = plane
        self._streams = streams
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._config = config
        self._spurt = spurt
        self._groups: dict[GroupId, Group] = {}
        self._numbers: dict[str, GroupId] = {}
        self.on_emergency: Callable[[Group, str], None] = lambda _group, _who: None
        """A group's emergency has begun; who called it, "" for a dispatcher's order."""
        self._conversations = 0
        self._closing = False
        self.members = Members(gateway, plane, streams, calls, self.groups, config)
        self.far: FarTalk | None = None
        """Groups and voices of the kits that this center holds."""
        self.settings_changed()

    # — what can be talked to —

    def offer(self, offer: VoiceOffer) -> None:
        if not self._closing:
            self.members.offer(offer)

    def withdraw(self, voice: VoiceId) -> None:
        self.members.withdraw(voice)

    def endpoint_online(self, device: DeviceId, online: bool, code: str = "") -> None:
        self.members.reachable(device, online, code)

    # — names —

    def resolve(self, text: str) -> GroupId:
        if text in self._groups:
            return GroupId(text)
        if (named := self._numbers.get(text)) is not None:
            return named
        for guess in (f"{self.gateway}/{TALK}/{text}", f"{self.gateway}/{text}"):
            if guess in self._groups:
                return GroupId(guess)
        if self.far is not None and (far := self.far.group(text)) is not None:
            return far.id
        raise NotFound(f"there is no talk group {text[:120]!r}")

    def group(self, group: str) -> Group:
        """Raises NotFound."""
        found = self._groups.get(GroupId(group))
        if found is None:
            raise NotFound(f"there is no talk group {group[:120]!r}")
        return found

    def groups(self) -> Sequence[Group]:
        return list(self._groups.values())

    def status(self, group: GroupId) -> GroupStatus:
        if self.far is not None and (far := self.far.group(group)) is not None:
            return far
        return self.group(group).status

    def changes(self, group: GroupId) -> AsyncIterator[GroupStatus]:
        return self.group(group).changes()

    # — sitting down —

    @asynccontextmanager
    async def seat(self, group: GroupId, wish: SeatWish) -> AsyncIterator[Party]:
        if self.far is not None and (far := self.far.group(group)) is not None:
            async with self.far.seat(far, wish) as seated:
                yield seated
            return
        found = self.group(group)
        talks, listens = self._rights(found.id, found.spec, wish)
        async with self._seated(found, wish, talks=talks, listens=listens) as party:
            yield party

    @asynccontextmanager
    async def converse(self, target: str, wish: SeatWish) -> AsyncIterator[Party]:
        stream, voice, title = self._channel(target)
        who = wish.principal
        talks = wish.may_talk and (who is None or allowed(who, Action.TALK_REQUEST, stream or voice))
        async with AsyncExitStack() as stack:
            if stream:
                # Its rights, its row in the record, and the stream held open.
                await stack.enter_async_context(self._streams.view(StreamId(stream), who or SYSTEM, "talk"))
            elif who is not None and not allowed(who, Action.STREAM_OPEN, voice):
                raise Denied(f"{who.name} ({who.role}) may not listen to {voice}", code="talk-denied")
            group = self._conversation(title)
            try:
                party = await stack.enter_async_context(self._seated(group, wish, talks=talks, listens=wish.may_listen))
                self.members.converse(group, stream, voice if talks or not stream else "")
                yield party
            finally:
                self._end(group, "conversation-over")

    @asynccontextmanager
    async def waiting_room(self, wish: SeatWish, title: str) -> AsyncIterator[Party]:
        group = self._conversation(title, needs_two=True)
        try:
            async with self._seated(group, wish, talks=wish.may_talk, listens=wish.may_listen) as party:
                yield party
        finally:
            if group.persons < 2:
                self._end(group, "conversation-over")

    # — what orders ask —

    def call_all(self, place: Place, groups: Sequence[Group]) -> list[str]:
        """Whoever sits in `place` speaks in all of them at once, and in its own. Raises Busy (`too-many`) before any
        of them has heard a word."""
        party = place.party
        others = [group for group in groups if group.id not in party.places]
        if len(party.places) + len(others) > ROOMS_EACH:
            raise Busy(f"at most {ROOMS_EACH} groups at once", code="too-many")
        reached = []
        for group in (place.group, *others):
            try:
                seat = party.places.get(group.id) or group.add(party, talks=place.talks, listens=False)
            except Busy as exc:
                log.warning("a call to all leaves %s out: %s", group.id, exc)
                continue
            if group.seize(seat).answer is FloorAnswer.GRANTED:
                reached.append(str(group.id))
        return reached

    def end_all(self, place: Place) -> None:
        place.group.barge(place, False)
        place.group.release(place)
        for other in list(place.party.places.values()):
            if other is not place:
                other.group.remove(other)

    def expel(self, place: Place, detail: str) -> None:
        """Raises Unsupported for a member of the configuration."""
        party, group = place.party, place.group
        if party.person:
            if group.id != party.group:
                group.remove(place)
            else:
                party.end("talk-removed", detail)
            self._over(group)
        elif (endpoint := self.members.find(party.id)) is not None and group.id in endpoint.invited:
            self.members.uninvite(group, endpoint)
        else:
            raise Unsupported(f"{party.id} is a member of {group.id} by the configuration")

    # — the configuration, the end —

    def settings_changed(self) -> None:
        """Groups come, go and change; members of unchanged ones notice nothing, those of changed ones stay."""
        config = self._config()
        specs = {GroupId(f"{self.gateway}/{TALK}/{name}"): spec(name, config) for name in config.group}
        for id_, group in list(self._groups.items()):
            if not group.spec.adhoc and id_ not in specs:
                self._end(group, "group-removed")
        for id_, wanted in specs.items():
            found = self._groups.get(id_)
            if found is None:
                self._add(id_, wanted)
            elif found.spec != wanted:
                found.set(wanted)
        self._numbers = {wanted.number: id_ for id_, wanted in specs.items() if wanted.number}
        self.members.reconcile()

    async def close(self) -> None:
        """Seats are told that the gateway stops, endpoints are ended in their own way."""
        self._closing = True
        for group in self.groups():
            self._end(group, "stopping")
        await self.members.close()

    # — within —

    def _rights(self, group: GroupId, of: Spec, wish: SeatWish) -> tuple[bool, bool]:
        """What the wish may: (talk, listen). Somebody without an account was let in by the adapter's own rules."""
        who = wish.principal
        if who is None:
            return wish.may_talk, wish.may_listen
        if who.role is Role.AUDITOR or not allowed(who, Action.STREAM_OPEN, group):
            raise self._denied(who, group)
        talks = allowed(who, Action.TALK_REQUEST, group)
        if not talks and not of.viewers:
            raise self._denied(who, group)
        return wish.may_talk and talks, wish.may_listen

    def _denied(self, who: Principal, group: GroupId) -> Denied:
        self._audit.refused(who, "talk.join", group, code="talk-denied")
        return Denied(f"{who.name} ({who.role}) may not join {group}", code="talk-denied")

    @asynccontextmanager
    async def _seated(self, group: Group, wish: SeatWish, *, talks: bool, listens: bool) -> AsyncIterator[Party]:
        if self._closing:
            raise Busy("the gateway stops", code="stopping")
        party = Party(self.plane, replace(wish, may_talk=talks, may_listen=listens))
        group.add(party, talks=talks, listens=listens)
        began = asyncio.get_running_loop().time()
        if wish.principal is not None:
            self._audit.note(wish.principal, "talk.join", group.id, detail=wish.id)
        try:
            yield party
        finally:
            party.end("stopping", tell=False)
            if wish.principal is not None:
                seconds = asyncio.get_running_loop().time() - began
                self._audit.note(wish.principal, "talk.leave", group.id, detail=f"{wish.id} {seconds:.0f} s")
            self._over(group)

    def _over(self, group: Group) -> None:
        """A conversation that two had is over when one is left."""
        if group.spec.needs_two and not group.gone and group.persons < 2:
            self._end(group, "conversation-over")

    def channel(self, target: str) -> str:
        """The full id of a channel that can be conversed with. Raises NotFound."""
        stream, voice, _ = self._channel(target)
        return stream or voice

    def _channel(self, target: str) -> tuple[str, str, str]:
        """What of a channel there is: its stream's id, its endpoint's id ("" for none), and a title."""
        endpoint = self.members.find(target)
        if endpoint is not None and self.far is not None and self.far.is_far(endpoint.id):
            # Its microphone comes by the same line: no picture is opened for its sound.
            return "", endpoint.id, endpoint.offer.title
        try:
            stream = self._streams.resolve(target)
        except NotFound:
            if endpoint is None:
                raise NotFound(f"there is nothing to talk to at {target[:120]!r}") from None
            return "", endpoint.id, endpoint.offer.title
        endpoint = self.members.find(stream)
        return stream, endpoint.id if endpoint is not None else "", self._streams.status(stream).title

    def _conversation(self, title: str, *, needs_two: bool = False) -> Group:
        most = self._config().max_conversations
        if sum(group.spec.adhoc for group in self._groups.values()) >= most:
            raise Busy(f"{most} conversations are open already", code="too-many")
        while True:
            self._conversations += 1
            id_ = GroupId(f"{self.gateway}/{TALK}/call-{self._conversations}")
            if id_ not in self._groups:
                break
        rules = Rules(mode=GroupMode.FULL)
        return self._add(id_, Spec(title[:100], rules=rules, most=CONVERSATION_MOST, adhoc=True, needs_two=needs_two))

    def _add(self, id_: GroupId, wanted: Spec) -> Group:
        group = Group(
            id_,
            wanted,
            self.plane,
            self._bus,
            self._clock,
            spurt=self._spurt,
            used=lambda g: self.members.used(g),
            emergency=lambda g, who: self.on_emergency(g, who),
        )
        self._groups[id_] = group
        group.publish()
        return group

    def _end(self, group: Group, code: str) -> None:
        if self._groups.get(group.id) is group:
            del self._groups[group.id]
            self.members.forget(group)
            group.close(code)


def spec(name: str, config: TalkConfig) -> Spec:
    """A group of the configuration."""
    group = config.group[name]
    return Spec(
        name=group.name or name,
        number=group.number,
        rules=Rules(
            mode=GroupMode(group.mode),
            talk_s=group.talk_timer,
            hang_s=group.hang,
            queue=group.queue,
            queue_wait_s=group.queue_wait,
            preempt=group.preempt,
        ),
        members=tuple(group.members),
        talks=tuple(group.talks),
        viewers=group.viewers,
        most=group.max_members,
    )
