"""What a kit tells of itself goes to the fleet: lists and items, cameras held, links, what it gave up."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.uplink.known_links import KnownLinks
from adapters.uplink.line import Line
from adapters.uplink.words import Lists, one, text
from gateway.base.errors import RemoteProtocolError
from gateway.contract.fleet import KitHold
from gateway.contract.home import VoiceEnd
from gateway.model.device import Device
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import LinkState
from gateway.model.kit_state import KitCondition
from gateway.model.media import StreamState, StreamStatus
from gateway.model.position import Position
from gateway.model.ptz import PtzHolder
from gateway.model.voice import GroupId, GroupStatus
from gateway.wire.records import record

log = logging.getLogger(__name__)

MOST_LINKS = 32


class Hearing:
    """Registers itself at the two lines."""

    def __init__(self, hold: KitHold, rpc: Line, tell: Line, known: KnownLinks) -> None:
        self._hold = hold
        self._known = known
        self.links: Sequence[LinkState] = ()
        self._lists = Lists()
        tell.hear("list", self._list)
        tell.hear("item", self._item)
        tell.hear("gone", self._gone)
        tell.hear("position", self._position)
        tell.hear("ptz", self._ptz)
        tell.hear("condition", self._condition)
        rpc.hear("links", self._links)
        rpc.hear("gave-up", self._gave_up)

    def _list(self, args: Mapping[str, Any]) -> None:
        self._hold.seen()
        if (found := self._lists.take(args)) is None:
            return
        kind, items = found
        match kind:
            case "device":
                self._hold.devices([record(Device, item) for item in items])
            case "stream":
                self._hold.streams([record(StreamStatus, item) for item in items])
            case "group":
                self._hold.groups([record(GroupStatus, item) for item in items])
            case _:
                self._hold.voices([record(VoiceEnd, item) for item in items])

    def _item(self, args: Mapping[str, Any]) -> None:
        self._hold.seen()
        match args.get("kind"):
            case "device":
                self._hold.device(one(Device, args, "value"))
            case "stream":
                self._hold.stream(one(StreamStatus, args, "value"))
            case "group":
                self._hold.group(one(GroupStatus, args, "value"))

    def _gone(self, args: Mapping[str, Any]) -> None:
        id_ = text(args, "id")
        match args.get("kind"):
            case "device":
                self._hold.device_gone(DeviceId(id_))
            case "stream":
                device = DeviceId(id_.rpartition("/")[0])
                self._hold.stream(StreamStatus(StreamId(id_), device, "", StreamState.REMOVED))
            case "group":
                self._hold.group_gone(GroupId(id_))

    def _position(self, args: Mapping[str, Any]) -> None:
        self._hold.position(record(Position, args))

    def _ptz(self, args: Mapping[str, Any]) -> None:
        holder = args.get("holder")
        self._hold.holder(text(args, "stream"), record(PtzHolder, holder) if holder is not None else None)

    def _condition(self, args: Mapping[str, Any]) -> None:
        self._hold.condition(record(KitCondition, args))

    def _links(self, args: Mapping[str, Any]) -> None:
        links = args.get("links")
        if not isinstance(links, list) or len(links) > MOST_LINKS:
            raise RemoteProtocolError("links that are none", code="record-damaged")
        self.links = self._known.told([record(LinkState, link) for link in links])
        self._hold.links(self.links)

    def _gave_up(self, args: Mapping[str, Any]) -> None:
        self._hold.gave_up(StreamId(text(args, "stream")), text(args, "code", 64))
