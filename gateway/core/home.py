"""This gateway as those who join it to others see it. Fulfils `contract.home.Home`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from gateway.contract.home import ApiAnswer, ApiRequest, Told, VoiceEnd
from gateway.core.commands import Commands
from gateway.core.directory import Directory
from gateway.core.facts import Missed
from gateway.core.far_orders import FORWARDED
from gateway.core.messages import Bus, Subscription
from gateway.core.positions import Positions
from gateway.core.rights import in_scope
from gateway.core.snapshots import Snapshots
from gateway.core.talk import Talk
from gateway.model.command import Action, Command, CommandResult, Outcome
from gateway.model.device import Device
from gateway.model.ids import StreamId
from gateway.model.media import Snapshot, StreamStatus
from gateway.model.position import Position
from gateway.model.principal import Principal
from gateway.model.voice import GroupStatus

FROM_CENTERS = FORWARDED | {Action.ALARM_ACKNOWLEDGE}
"""Orders that a center may give here, as far as its rights go: what a center hands on, and nothing besides."""

Answering = Callable[[ApiRequest, Principal], Awaitable[ApiAnswer]]


async def _no_api(_request: ApiRequest, _who: Principal) -> ApiAnswer:
    return ApiAnswer(503)


class Home:
    """On the event loop. What belongs to kits of ours is theirs to tell, and is left out."""

    def __init__(
        self,
        gateway: str,
        boot: int,
        about: Callable[[], Mapping[str, str]],
        directory: Directory,
        talk: Talk,
        positions: Positions,
        snapshots: Snapshots,
        commands: Commands,
        bus: Bus,
        now: Callable[[], float],
    ) -> None:
        self._own = f"{gateway}/"
        self._boot = boot
        self._about = about
        self._directory = directory
        self._talk = talk
        self._positions = positions
        self._snapshots = snapshots
        self._commands = commands
        self._bus = bus
        self.now = now
        self.answering: Answering = _no_api
        """Who answers requests to the API: the daemon sets it when the API is there."""
        self.leaving = False

    @property
    def boot(self) -> int:
        return self._boot

    @property
    def about(self) -> Mapping[str, str]:
        return self._about()

    def devices(self, who: Principal) -> Sequence[Device]:
        return [device for device in self._directory.devices(who) if device.id.startswith(self._own)]

    def streams(self, who: Principal) -> Sequence[StreamStatus]:
        return [status for status in self._directory.streams(who) if status.id.startswith(self._own)]

    def groups(self, who: Principal) -> Sequence[GroupStatus]:
        return [
            group.status
            for group in self._talk.groups()
            if group.id.startswith(self._own) and not group.spec.adhoc and in_scope(who, group.id)
        ]

    def voices(self, who: Principal) -> Sequence[VoiceEnd]:
        return [
            VoiceEnd(
                id=endpoint.id,
                device=endpoint.device,
                title=endpoint.offer.title,
                kind=endpoint.offer.kind,
                online=endpoint.online,
                talks=endpoint.offer.talks,
                listens=endpoint.offer.listens,
            )
            for endpoint in self._talk.members.endpoints()
            if endpoint.id.startswith(self._own) and in_scope(who, endpoint.id)
        ]

    def positions(self, who: Principal) -> Sequence[Position]:
        return [position for position in self._positions.latest(who) if position.device.startswith(self._own)]

    @asynccontextmanager
    async def events(self, who: Principal, types: Sequence[str]) -> AsyncIterator[AsyncIterator[Told]]:
        async with self._bus.subscribe(who, types=types) as subscription:
            yield self._told(subscription)

    async def execute(self, command: Command) -> CommandResult:
        if command.action not in FROM_CENTERS:
            text = f"{command.action} is done at the gateway itself, not from a center"
            return CommandResult(command.id, Outcome.REFUSED, "denied", text)
        return await self._commands.execute(command)

    async def snapshot(self, stream: StreamId, who: Principal, *, height: int = 0, quality: int = 75) -> Snapshot:
        return await self._snapshots.take(stream, who, height=height, quality=quality)

    async def glance(self, stream: StreamId, *, height: int = 0, quality: int = 75) -> Snapshot | None:
        return await self._snapshots.glance(stream, height=height, quality=quality)

    async def api(self, request: ApiRequest, who: Principal) -> ApiAnswer:
        return await self.answering(request, who)

    async def _told(self, subscription: Subscription) -> AsyncGenerator[Told, None]:
        async for event in subscription:
            if isinstance(event, Missed):
                yield Told("missed", data=event.events)
            elif event.subject.startswith(self._own) or event.subject in ("", self._own[:-1]):
                yield Told(event.type, event.subject, event.data, event.gone)
