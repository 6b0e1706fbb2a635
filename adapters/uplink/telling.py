"""A kit keeps its center told of what it has: everything at first, then what changes, the newest word only.

Changes wait a moment and go together, so that a thing that changes ten times a second is told four times; while the
link is so thin that much waits already, they wait longer. Alarms go by the outbox (`forwarding`).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from adapters.uplink.line import Line
from adapters.uplink.words import parts, shaped
from gateway.contract.home import Home, Told
from gateway.model.device import Device
from gateway.model.kit_state import KitCondition
from gateway.model.media import StreamState, StreamStatus
from gateway.model.position import Position
from gateway.model.principal import Principal
from gateway.model.voice import GroupStatus

TYPES = ("device", "stream", "talk", "endpoint", "ptz", "position", "condition")
GATHER_S = 0.25
HIGH_WATER = 128 * 1024
"""Bytes that wait on the line; with more, changes are gathered on."""

Key = tuple[str, str]


class Telling:
    """`run` until cancelled. `who`: the center as the kit lets it see."""

    def __init__(self, home: Home, line: Line, who: Principal, condition: Callable[[], KitCondition]) -> None:
        self._home = home
        self._line = line
        self._who = who
        self._condition = condition
        self._changed: OrderedDict[Key, Mapping[str, Any] | None] = OrderedDict()
        self._wake = asyncio.Event()
        self._streams: dict[str, tuple[str, str]] = {}
        """Title and device of each, as told: a center needs no more of how a stream stands here."""

    async def run(self) -> None:
        async with self._home.events(self._who, TYPES) as events:
            await self._all()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._flush())
                async for told in events:
                    if told.type == "missed":
                        self._changed.clear()
                        await self._all()
                    else:
                        self._take(told)

    async def _all(self) -> None:
        home, who = self._home, self._who
        streams = [_short(status) for status in home.streams(who)]
        self._streams = {status.id: (status.title, status.device) for status in streams}
        for kind, values in (
            ("device", home.devices(who)),
            ("stream", streams),
            ("group", home.groups(who)),
            ("voice", home.voices(who)),
        ):
            for part in parts(kind, values):
                await self._room()
                self._line.notice("list", part)
        if not who.scope:
            self._put("condition", "", self._condition())
        for position in home.positions(who):
            self._put("position", f"{position.device}/{position.channel}", position)

    def _take(self, told: Told) -> None:
        if self._home.leaving:
            return  # streams and groups end with us, and are no less there for a center that waits for us
        match told.data:
            case Device() as device:
                self._put("device", device.id, None if told.gone else device)
            case StreamStatus() as status:
                self._stream(status, gone=told.gone or status.state is StreamState.REMOVED)
            case GroupStatus() as group if not group.adhoc:
                self._put("group", group.id, None if told.gone else group)
            case Position() as position:
                self._put("position", f"{position.device}/{position.channel}", position)
            case KitCondition() as condition:
                self._put("condition", "", condition)
            case _ if told.type == "ptz":
                self._put("ptz", told.subject, None if told.gone else told.data)
            case _ if told.type == "endpoint":
                # Which voices there are: the whole list is short, and its parts change together.
                self._put("voices", "", ())

    def _stream(self, status: StreamStatus, *, gone: bool) -> None:
        if gone:
            if self._streams.pop(status.id, None) is not None:
                self._put("stream", status.id, None)
        elif self._streams.get(status.id) != (status.title, status.device):
            self._streams[status.id] = (status.title, status.device)
            self._put("stream", status.id, _short(status))

    def _put(self, kind: str, id_: str, value: Any) -> None:
        self._changed.pop((kind, id_), None)
        self._changed[kind, id_] = shaped(value) if value is not None and value != () else value
        self._wake.set()

    async def _flush(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)
            await self._room()
            if self._home.leaving:
                return
            self._wake.clear()
            changed, self._changed = self._changed, OrderedDict()
            for (kind, id_), value in changed.items():
                self._tell(kind, id_, value)

    def _tell(self, kind: str, id_: str, value: Any) -> None:
        match kind:
            case "voices":
                for part in parts("voice", self._home.voices(self._who)):
                    self._line.notice("list", part)
            case "position" | "condition":
                self._line.notice(kind, value)
            case "ptz":
                self._line.notice("ptz", {"stream": id_, "holder": value})
            case _ if value is None:
                self._line.notice("gone", {"kind": kind, "id": id_})
            case _:
                self._line.notice("item", {"kind": kind, "value": value})

    async def _room(self) -> None:
        while self._line.waiting > HIGH_WATER:  # noqa: ASYNC110  (the line has no event for it, and a look costs nothing)
            await asyncio.sleep(GATHER_S)


def _short(status: StreamStatus) -> StreamStatus:
    """Only what a center shows of it while nobody there watches."""
    return replace(StreamStatus(status.id, status.device, status.title, StreamState.IDLE, "idle"))
