"""Orders about talk groups and calls. A press reads and writes memory only, and is not audited: spurts are its record.

Whoever presses, barges, listens in or calls all does it with a seat of their own (`member`; the only one they have in
the group where it is left out). What is done to others needs no seat.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

from gateway.base.errors import Busy, Denied, GatewayError, NotFound, Unsupported
from gateway.config.talk import Talk as TalkConfig
from gateway.core.act_args import Done, flag, text
from gateway.core.audit import Audit
from gateway.core.calls import Calls
from gateway.core.rights import require
from gateway.core.talk import Talk
from gateway.core.talk_group import Group
from gateway.core.talk_party import Place
from gateway.model.command import Action, Command
from gateway.model.principal import Principal
from gateway.model.voice import FloorWord

_DIGITS = re.compile(r"[0-9A-D*#]{1,32}")
_NUMBER = re.compile(r"(?:[a-z]{2,8}:)?[^\s\x00-\x1f]{1,128}")


class TalkActs:
    def __init__(self, talk: Talk, calls: Calls, audit: Audit, config: Callable[[], TalkConfig]) -> None:
        self._talk = talk
        self._calls = calls
        self._audit = audit
        self._config = config

    def table(self) -> Mapping[Action, Callable[[Command], Awaitable[Done]]]:
        return {
            Action.TALK_REQUEST: self._request,
            Action.TALK_RELEASE: self._release,
            Action.TALK_BARGE: self._barge,
            Action.TALK_REVOKE: self._revoke,
            Action.TALK_MUTE: self._mute,
            Action.TALK_REMOVE: self._remove,
            Action.TALK_INVITE: self._invite,
            Action.TALK_MONITOR: self._monitor,
            Action.TALK_ALL: self._all,
            Action.TALK_EMERGENCY: self._emergency,
            Action.CALL_PLACE: self._place,
            Action.CALL_ANSWER: self._answer,
            Action.CALL_HANG_UP: self._hang_up,
            Action.CALL_HOLD: self._hold,
            Action.CALL_TRANSFER: self._transfer,
            Action.CALL_DIGITS: self._digits,
        }

    # — the floor —

    async def _request(self, command: Command) -> Done:
        group = self._group(command)
        place = self._own(command, group)
        was = group.floor.emergency
        emergency = flag(command.args, "emergency", False)
        word = group.press(place, emergency=emergency, keep_s=self._config().press_timeout)
        if group.floor.emergency and not was:
            self._audit.note(command.actor, Action.TALK_EMERGENCY, group.id, detail=f"{place.party.id} pressed it")
        return _told(word, audited=False)

    async def _release(self, command: Command) -> Done:
        group = self._group(command)
        return _told(group.release(self._own(command, group)), audited=False)

    async def _barge(self, command: Command) -> Done:
        group = self._group(command)
        return _told(group.barge(self._own(command, group), flag(command.args, "on", True)))

    async def _revoke(self, command: Command) -> Done:
        return Done({"holder": self._group(command).revoke("floor-taken-back")})

    async def _all(self, command: Command) -> Done:
        home = self._group(command)
        place = self._own(command, home)
        if not flag(command.args, "on", True):
            self._talk.end_all(place)
            return Done()
        wanted = [name for name in text(command.args, "groups", most=1000).split(",") if name.strip()]
        groups = [self._talk.group(self._talk.resolve(name.strip())) for name in wanted] or [
            group for group in self._talk.groups() if not group.spec.adhoc and group.id != home.id
        ]
        for group in groups:
            require(command.actor, command.action, group.id)
        reached = self._talk.call_all(place, groups)
        return Done({"groups": ",".join(reached)})

    async def _emergency(self, command: Command) -> Done:
        group = self._group(command)
        on = flag(command.args, "on", True)
        group.declare(on)
        return Done({"emergency": on})

    # — members —

    async def _mute(self, command: Command) -> Done:
        group = self._group(command)
        place = self._member(command, group)
        group.mute(place, flag(command.args, "on", True))
        return Done({"member": place.party.id})

    async def _remove(self, command: Command) -> Done:
        group = self._group(command)
        place = self._member(command, group)
        self._talk.expel(place, f"by {command.actor.name}")
        return Done({"member": place.party.id})

    async def _invite(self, command: Command) -> Done:
        group = self._group(command)
        who = text(command.args, "who", most=200)
        if (endpoint := self._talk.members.find(who)) is not None:
            require(command.actor, Action.TALK_INVITE, endpoint.id)
            self._talk.members.invite(group, endpoint)
            return Done({"member": endpoint.id})
        if "/" in who:
            raise NotFound(f"there is nothing to talk to at {who[:120]!r}")
        call = await self._calls.place(command.actor, _number(who), group.id, False)
        return Done({"call": call})

    async def _monitor(self, command: Command) -> Done:
        group = self._group(command)
        place = self._own(command, group)
        group.monitor(place, flag(command.args, "on", True))
        return Done({"member": place.party.id})

    # — calls —

    async def _place(self, command: Command) -> Done:
        where = self._where(command) if command.target else None
        number = _number(text(command.args, "number", most=140))
        call = await self._calls.place(command.actor, number, where, flag(command.args, "video", False))
        hold = self._calls.hold_of(call)
        return Done({"call": call, "group": hold.status.target if hold is not None else where or ""})

    async def _answer(self, command: Command) -> Done:
        hold = self._calls.find(command.actor, command.target)
        return Done({"group": await hold.handler.answer(command.actor)})

    async def _hang_up(self, command: Command) -> Done:
        await self._calls.find(command.actor, command.target).handler.hang_up(command.actor)
        return Done()

    async def _hold(self, command: Command) -> Done:
        hold = self._calls.find(command.actor, command.target)
        await hold.handler.hold(command.actor, flag(command.args, "on", True))
        return Done()

    async def _transfer(self, command: Command) -> Done:
        hold = self._calls.find(command.actor, command.target)
        to, other = text(command.args, "to", most=140), text(command.args, "with", most=128)
        if bool(to) == bool(other):
            raise GatewayError("to: a number, or with: another call's id; one of them is needed", code="bad-request")
        if other:
            self._calls.find(command.actor, other)
        await hold.handler.transfer(command.actor, _number(to) if to else "", attended_with=other)
        return Done()

    async def _digits(self, command: Command) -> Done:
        hold = self._calls.find(command.actor, command.target)
        digits = text(command.args, "digits", most=32).upper()
        if not _DIGITS.fullmatch(digits):
            raise GatewayError("digits: 1 to 32 of 0-9, A-D, * and #", code="bad-request")
        await hold.handler.digits(command.actor, digits)
        return Done()

    # — within —

    def _group(self, command: Command) -> Group:
        group = self._talk.group(self._talk.resolve(command.target))
        require(command.actor, command.action, group.id)
        return group

    def _where(self, command: Command) -> str:
        """A group's full id, or a channel's: the answered call converses with it."""
        try:
            return self._group(command).id
        except NotFound:
            channel = self._talk.channel(command.target)
        require(command.actor, command.action, channel)
        return channel

    def _member(self, command: Command, group: Group) -> Place:
        member = text(command.args, "member", most=200)
        place = group.places.get(member) or group.places.get(f"{self._talk.gateway}/{member}")
        if place is None:
            raise NotFound(f"{group.id} has no member {member[:80]!r}", code="no-such-member")
        return place

    def _own(self, command: Command, group: Group) -> Place:
        """The asker's own place. Raises NotFound, Denied, Busy when it is not clear which."""
        if text(command.args, "member", most=200):
            place = self._member(command, group)
            if not _is(place.party.wish.principal, command.actor):
                raise Denied(f"{place.party.id} is not {command.actor.name}'s", code="talk-denied")
            return place
        mine = [place for place in group.places.values() if _is(place.party.wish.principal, command.actor)]
        if not mine:
            raise NotFound(f"{command.actor.name} has no seat in {group.id}: join it first", code="no-such-member")
        if len(mine) > 1:
            raise Busy(f"{command.actor.name} has {len(mine)} seats in {group.id}: name one as member")
        return mine[0]


def _is(principal: Principal | None, who: Principal) -> bool:
    return principal is not None and principal.name == who.name


def _number(given: str) -> str:
    if not _NUMBER.fullmatch(given):
        raise Unsupported(f"{given[:80]!r} is not a number", code="bad-request")
    return given


def _told(word: FloorWord, *, audited: bool = True) -> Done:
    """The answer stands in the result too, so that a lost event costs nothing."""
    data = {
        "member": word.member,
        "answer": word.answer.value,
        "code": word.code,
        "detail": word.detail,
        "position": word.position,
    }
    return Done(dict(data), audited=audited)
