"""Endpoints and microphones, and which of them sit in which groups: the configuration's members, and invited ones.

A group's word for members: an endpoint's or channel's id with or without the gateway, `sip:8001`, `tel:139…`, or
`kind:radio`.
An endpoint is wanted by a group while somebody else speaks there; by a conference, while a person sits in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from gateway.base.errors import Busy
from gateway.config.talk import Talk as TalkConfig
from gateway.contract.voice import VoiceOffer
from gateway.core.calls import Calls
from gateway.core.mediaplane import MediaPlane
from gateway.core.streams import Streams
from gateway.core.talk_dialled import DIALLED, Dialled
from gateway.core.talk_endpoint import Endpoint
from gateway.core.talk_group import Group
from gateway.core.talk_microphone import Microphone
from gateway.model.ids import DeviceId, StreamId
from gateway.model.voice import GroupId, MemberKind

log = logging.getLogger(__name__)


class Members:
    """On the event loop only."""

    def __init__(
        self,
        gateway: str,
        plane: MediaPlane,
        streams: Streams,
        calls: Calls,
        groups: Callable[[], Sequence[Group]],
        config: Callable[[], TalkConfig],
    ) -> None:
        self._gateway = gateway
        self._plane = plane
        self._streams = streams
        self._calls = calls
        self._groups = groups
        self._config = config
        self._endpoints: dict[str, Endpoint] = {}
        self._microphones: dict[StreamId, Microphone] = {}
        self._offline: dict[DeviceId, str] = {}
        self._dialled: dict[tuple[GroupId, str], Dialled] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._conversing: dict[GroupId, tuple[str, str]] = {}  # conversation → its channel's stream and endpoint
        self._reconciling: asyncio.Handle | None = None
        self.on_change: Callable[[Endpoint], None] = lambda _endpoint: None

    # — what adapters offer —

    def offer(self, offer: VoiceOffer, *, soon: bool = False) -> None:
        """`soon`: one of many: who sits where is looked at once for all of them."""
        found = self._endpoints.get(offer.id)
        if found is not None:
            found.replace(offer)
            for place in found.party.places.values():
                place.group.told()
        else:
            endpoint = Endpoint(
                offer,
                self._plane,
                offline=self._offline.get(offer.device),
                changed=lambda: self.on_change(endpoint),
            )
            self._endpoints[offer.id] = endpoint
            endpoint.start()
        self.on_change(self._endpoints[offer.id])
        if soon:
            self.reconcile_soon()
        else:
            self.reconcile()

    def withdraw(self, voice: str) -> None:
        if (endpoint := self._endpoints.pop(voice, None)) is None:
            return
        if (microphone := self._microphones.get(StreamId(voice))) is not None:
            microphone.beside(None)
        self._leave(endpoint.remove(), f"withdraw {voice}")
        self.on_change(endpoint)

    def reachable(self, device: DeviceId, online: bool, code: str) -> None:
        if online:
            self._offline.pop(device, None)
        else:
            self._offline[device] = code
        for endpoint in self._endpoints.values():
            if endpoint.device == device:
                endpoint.reachable(online, code)

    def stream_offered(self) -> None:
        """A channel more can be listened to."""
        self.reconcile()

    # — what is asked —

    def endpoints(self) -> Sequence[Endpoint]:
        return list(self._endpoints.values())

    def find(self, text: str) -> Endpoint | None:
        """By id, with or without the gateway part."""
        return self._endpoints.get(text) or self._endpoints.get(f"{self._gateway}/{text}")

    # — who sits where —

    def converse(self, group: Group, stream: str, voice: str) -> None:
        """A conversation with a channel: its microphone and its loudspeaker sit down."""
        self._conversing[group.id] = (stream, voice)
        self._seat(group)

    def invite(self, group: Group, endpoint: Endpoint) -> None:
        """Raises Busy (`group-full`, `too-many`)."""
        endpoint.invited.add(group.id)
        try:
            self._join(group, endpoint)
        except Busy:
            endpoint.invited.discard(group.id)
            raise
        endpoint.warm()
        self.used(group)

    def uninvite(self, group: Group, endpoint: Endpoint) -> None:
        endpoint.invited.discard(group.id)
        endpoint.want(group.id, False)
        if (place := endpoint.party.places.get(group.id)) is not None:
            group.remove(place)

    def reconcile(self) -> None:
        """What is offered and what the configuration says may have changed."""
        for group in self._groups():
            self._seat(group)

    def reconcile_soon(self) -> None:
        """Once for all that comes in this turn of the loop."""
        if self._reconciling is None:
            self._reconciling = asyncio.get_running_loop().call_soon(self._reconcile)

    def _reconcile(self) -> None:
        self._reconciling = None
        self.reconcile()

    def used(self, group: Group) -> None:
        """After each turn of a group: whether its endpoints are worth being open."""
        for place in list(group.places.values()):
            if place.party.person:
                continue
            wanted = group.spoken_in_beside(place.party.id)
            if (endpoint := self._endpoints.get(place.party.id)) is not None:
                endpoint.want(group.id, wanted)
            elif (microphone := self._of(place.party.id)) is not None:
                microphone.want(group.id, group.persons > 0)
        for (id_, word), dialled in list(self._dialled.items()):
            if id_ == group.id:
                dialled.want(group.spoken_in_beside(word))

    def forget(self, group: Group) -> None:
        """It ends."""
        self._conversing.pop(group.id, None)
        self._dial(group, set())
        for endpoint in self._endpoints.values():
            endpoint.invited.discard(group.id)
            endpoint.want(group.id, False)
        for microphone in list(self._microphones.values()):
            microphone.want(group.id, False)

    def sweep(self) -> None:
        """Microphones that sit nowhere go."""
        for stream, microphone in list(self._microphones.items()):
            if not microphone.party.places:
                del self._microphones[stream]
                self._leave(microphone.remove(), f"microphone {stream}")

    async def close(self) -> None:
        if self._reconciling is not None:
            self._reconciling.cancel()
        for voice in list(self._endpoints):
            self.withdraw(voice)
        self.sweep()
        while self._leaving:
            await asyncio.gather(*self._leaving, return_exceptions=True)

    # — within —

    def _seat(self, group: Group) -> None:
        endpoints = {endpoint.id: endpoint for endpoint in self._wanted(group)}
        channels = set(self._channels(group))
        for place in list(group.places.values()):
            if place.party.person:
                continue
            microphone = self._of(place.party.id)
            if microphone is not None and microphone.stream not in channels:
                microphone.want(group.id, False)
                group.remove(place)
            elif microphone is None and place.party.id not in endpoints:
                if (endpoint := self._endpoints.get(place.party.id)) is not None:
                    endpoint.want(group.id, False)
                group.remove(place)
        try:
            for endpoint in endpoints.values():
                self._join(group, endpoint)
            for stream in channels:
                self._listen(group, stream)
        except Busy as exc:
            log.warning("%s: not all of its members have a place: %s", group.id, exc)
        self._dial(group, {word for word in group.spec.members if word.startswith(DIALLED)})
        self.used(group)
        self.sweep()

    def _dial(self, group: Group, words: set[str]) -> None:
        for key in [key for key in self._dialled if key[0] == group.id and key[1] not in words]:
            self._leave(self._dialled.pop(key).remove(), f"dialled {key[1]}")
        for word in sorted(words):
            if (group.id, word) not in self._dialled:
                idle_s = self._config().dialled_idle
                self._dialled[group.id, word] = Dialled(word, group, self._calls, self._plane, idle_s)

    def _join(self, group: Group, endpoint: Endpoint) -> None:
        offer = endpoint.offer
        if (place := endpoint.party.places.get(group.id)) is None:
            group.add(endpoint.party, talks=offer.talks, listens=offer.listens)
        elif (place.talks, place.listens) != (offer.talks, offer.listens):
            group.rights(place, talks=offer.talks, listens=offer.listens)

    def _listen(self, group: Group, stream: StreamId) -> None:
        microphone = self._microphones.get(stream)
        if microphone is None:
            microphone = Microphone(self._streams, self._plane, stream, self._streams.status(stream).title)
            self._microphones[stream] = microphone
        endpoint = self._endpoints.get(stream)
        microphone.beside(endpoint.party if endpoint is not None else None)
        if group.id not in microphone.party.places:
            group.add(microphone.party, talks=True, listens=False)

    def _of(self, member: str) -> Microphone | None:
        return next((m for m in self._microphones.values() if m.party.id == member), None)

    def _wanted(self, group: Group) -> Iterator[Endpoint]:
        for word in group.spec.members:
            if word.startswith("kind:"):
                kind = MemberKind(word.removeprefix("kind:"))
                yield from (e for e in self._endpoints.values() if e.offer.kind is kind)
            elif (endpoint := self.find(word)) is not None:
                yield endpoint
        yield from (e for e in self._endpoints.values() if group.id in e.invited)
        _, voice = self._conversing.get(group.id, ("", ""))
        if (endpoint := self._endpoints.get(voice)) is not None:
            yield endpoint

    def _channels(self, group: Group) -> Iterator[StreamId]:
        """Whose microphones are heard."""
        words = group.spec.members if group.full_duplex else group.spec.talks
        stream, _ = self._conversing.get(group.id, ("", ""))
        brought = [e.id for e in self._endpoints.values() if group.full_duplex and group.id in e.invited]
        for word in (*words, *brought, *((stream,) if stream else ())):
            for id_ in (StreamId(word), StreamId(f"{self._gateway}/{word}")):
                # What can be talked to and talks itself (a radio) has no microphone beside it.
                endpoint = self._endpoints.get(id_)
                if self._streams.has(id_) and (endpoint is None or not endpoint.offer.talks):
                    yield id_

    def _leave(self, end: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(end, name=name)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
