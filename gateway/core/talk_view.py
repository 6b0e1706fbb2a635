"""What people may see of talk groups and calls, as far as their scope goes: the API's side of `core.talk`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Protocol

from gateway.base.errors import Denied
from gateway.core.calls import Calls
from gateway.core.facts import EndpointInfo
from gateway.core.mediaplane import MediaPlane
from gateway.core.rights import in_scope, require_role
from gateway.core.talk import Talk
from gateway.core.talk_endpoint import Endpoint
from gateway.core.talk_group import Group
from gateway.model.principal import Principal, Role
from gateway.model.voice import CallStatus, GroupStatus, Spurt
from gateway.store.spurts import SpurtRepo


def info(endpoint: Endpoint) -> EndpointInfo:
    """What can be talked to, as it is shown: data of the event `endpoint`."""
    return EndpointInfo(
        id=endpoint.id,
        device=endpoint.device,
        title=endpoint.offer.title,
        kind=endpoint.offer.kind,
        state=endpoint.state,
        online=endpoint.online,
        code=endpoint.party.code,
        talks=endpoint.offer.talks,
        listens=endpoint.offer.listens,
        labels=endpoint.offer.labels,
    )


class FarGroups(Protocol):
    def groups(self) -> Iterable[GroupStatus]: ...
    def group(self, group: str) -> GroupStatus | None: ...
    async def spurts(self, who: Principal, group: str, before: float | None, limit: int) -> Sequence[Spurt]: ...


class TalkView:
    """Fulfils `services.TalkFace`."""

    def __init__(
        self, talk: Talk, calls: Calls, spurts: SpurtRepo, plane: MediaPlane, far: FarGroups | None = None
    ) -> None:
        self._talk = talk
        self._calls = calls
        self._spurts = spurts
        self._plane = plane
        self.far = far

    def groups(self, who: Principal) -> Sequence[GroupStatus]:
        far = self.far.groups() if self.far is not None else ()
        own = (group.status for group in self._talk.groups())
        return [status for status in chain(own, far) if in_scope(who, status.id)]

    def group(self, who: Principal, ref: str) -> GroupStatus:
        if (far := self._far(who, ref)) is not None:
            return far
        return self._group(who, ref).status

    async def spurts(
        self, who: Principal, ref: str, *, before: float | None = None, limit: int = 200
    ) -> Sequence[Spurt]:
        if self.far is not None and (far := self._far(who, ref)) is not None:
            return await self.far.spurts(who, far.id, before, limit)
        return await self._spurts.recent(self._group(who, ref).id, before=before, limit=limit)

    def levels(self, who: Principal, ref: str) -> Mapping[str, float]:
        if self._far(who, ref) is not None:
            return {}
        places = self._group(who, ref).places.values()
        voices = {place.party.handle: place.party.id for place in places if place.party.handle is not None}
        found = self._plane.engine.levels(list(voices))
        return {voices[voice]: round(said, 1) for voice, (said, _) in found.items()}

    def endpoints(self, who: Principal) -> Sequence[EndpointInfo]:
        return [info(endpoint) for endpoint in self._talk.members.endpoints() if in_scope(who, endpoint.id)]

    def calls(self, who: Principal) -> Sequence[CallStatus]:
        require_role(who, Role.OPERATOR, "see who calls whom")
        return self._calls.list(who)

    def _far(self, who: Principal, ref: str) -> GroupStatus | None:
        if self.far is None or (found := self.far.group(self._talk.resolve(ref))) is None:
            return None
        if not in_scope(who, found.id):
            raise Denied(f"{found.id} lies outside of what {who.name} may see")
        return found

    def _group(self, who: Principal, ref: str) -> Group:
        group = self._talk.group(self._talk.resolve(ref))
        if not in_scope(who, group.id):
            raise Denied(f"{group.id} lies outside of what {who.name} may see")
        return group
