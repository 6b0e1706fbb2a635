"""One vehicle: its device in the directory, its cameras as streams, its alarms and positions. It outlives connections.

away ─► a line that authenticated ─► online ─► the line ends ─► offline (viewers stay) ─► the next line
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Sequence
from functools import partial

from adapters.jt808.config import Jt808Config
from adapters.jt808.door import MediaDoor
from adapters.jt808.line import Line
from adapters.jt808.live import LivePicture
from adapters.jt808.protocol import messages
from adapters.jt808.protocol.location import Location
from adapters.jt808.protocol.messages import AvAttributes, Order, Registration
from adapters.jt808.talkback import Loudspeaker
from gateway.base.clock import Clock
from gateway.base.errors import LinkDown, Unsupported
from gateway.base.throttle import Throttle
from gateway.contract.adapter import Context
from gateway.contract.device import Admitted, ChannelReport
from gateway.contract.media import Offer, Publication
from gateway.contract.voice import VoiceLine, VoiceOffer
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.device import Capabilities, DeviceState
from gateway.model.ids import stream_id
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.ptz import CruiseOp, LensMove, Preset, PresetOp, PtzMove
from gateway.model.voice import MemberKind, VoiceId

log = logging.getLogger(__name__)

MAX_CHANNELS = 64
_STOP, _UP, _DOWN, _LEFT, _RIGHT = range(5)
TWICE_TURNS, TWICE_S = 4, 60.0
"""So many lines of one number that took each other's place in so long: it is used twice."""
CLOCK_AHEAD_S = 600.0
"""A report from further in the future than this has a wrong clock: it counts as taken now."""


class Vehicle:
    """Implements contract.device.DeviceHandler."""

    def __init__(
        self, admitted: Admitted, config: Jt808Config, context: Context, door: MediaDoor, clock: Clock
    ) -> None:
        self.admitted = admitted
        self._config = config
        self._context = context
        self._door = door
        self._clock = clock
        self._line: Line | None = None
        self._standing: dict[str, tuple[str, float]] = {}  # kind → (key, since) of alarms that have not ended
        self._offered: list[str] = []
        self._heard_by: bool | None = None  # whether what is offered has a loudspeaker
        self._turns: deque[float] = deque(maxlen=TWICE_TURNS)
        self._said = Throttle(log, interval_s=60.0)
        self._device = context.devices.attach(admitted.id, self)
        self._remembered = _remembered(admitted.remembered)
        self._loudspeaker = bool(self._remembered.get("loudspeaker", True))
        self._set_channels(int(self._remembered.get("channels", config.channels)))

    def __str__(self) -> str:
        return f"{self.admitted.id} ({self.phone})"

    @property
    def phone(self) -> str:
        return self.admitted.external_id

    # — its line —

    def online(self, line: Line) -> None:
        """A connection has authenticated; an older one is shut: terminals that lost their bearer do not say so."""
        before, self._line = self._line, line
        if before is not None and before is not line:
            before.close()
            self._turns.append(self._clock.monotonic())
            if len(self._turns) == TWICE_TURNS and self._turns[-1] - self._turns[0] < TWICE_S:
                # Each takes the other's place, and comes again when it has lost it.
                self._said("twice", f"{self}: two terminals have this number: {before.address} and {line.address}")
                self._device.state(DeviceState.ONLINE, "jt808-twice", line.address, address=line.address)
                return
        self._device.state(DeviceState.ONLINE, address=line.address)

    def offline(self, line: Line) -> None:
        if self._line is line:
            self._line = None
            self._device.state(DeviceState.OFFLINE, "device-offline")

    def close(self) -> None:
        for key in self._offered:
            self._context.streams.withdraw(stream_id(self.admitted.id, key))
            if self._config.talk:
                self._context.talk.withdraw(VoiceId(stream_id(self.admitted.id, key)))
        if self._line is not None:
            self._line.close()
        self._device.detach()

    def line(self) -> Line:
        """Raises LinkDown while it is away."""
        if self._line is None:
            raise LinkDown(f"{self} is not connected", code="device-offline")
        return self._line

    # — what it tells —

    def registered(self, told: Registration) -> None:
        self._device.describe(
            manufacturer=told.manufacturer,
            model=told.model,
            version=str(told.generation),
            name=self.admitted.name if self.admitted.name != self.phone else told.plate,
        )

    def attributes(self, told: AvAttributes) -> None:
        self._loudspeaker = told.loudspeaker
        self._set_channels(told.video_channels or len(self._offered))
        kept = json.dumps({"channels": len(self._offered), "loudspeaker": self._loudspeaker})
        self._device.remember(kept)

    def heard(self) -> None:
        self._device.seen(self._line.address if self._line else "")

    async def located(self, where: Location, *, late: bool = False) -> None:
        """A report: its position, and alarms that began or ended by it. Durable when it returns: then it may be
        acknowledged. A late one (stored while there was no bearer) moves no alarm that stands now."""
        now = self._clock.wall()
        taken = where.taken_at if where.taken_at is not None and where.taken_at < now + CLOCK_AHEAD_S else now
        if where.fixed:
            self._context.messages.position(
                Position(
                    device=self.admitted.id,
                    channel="",
                    longitude=where.longitude,
                    latitude=where.latitude,
                    datum=Datum.WGS84,
                    source=PositionSource.GNSS,
                    taken_at=taken,
                    received_at=now,
                    altitude_m=where.altitude_m,
                    speed_kmh=where.speed_kmh,
                    direction_deg=where.direction_deg % 360,
                )
            )
        kinds = where.kinds
        for kind, severity in kinds.items():
            if kind not in self._standing:
                key = f"jt808:{self.phone}:{kind}:{int(taken)}"
                await self._context.messages.alarm(self._alarm(kind, key, severity, taken, now))
                if not late:
                    self._standing[kind] = (key, taken)
        if late:
            return
        for kind in self._standing.keys() - kinds.keys():
            key, since = self._standing.pop(kind)
            gone = self._alarm(kind, key, AlarmSeverity.WARNING, since, now, cleared=True)
            await self._context.messages.alarm(gone)

    def _alarm(
        self, kind: str, key: str, severity: AlarmSeverity, at: float, now: float, *, cleared: bool = False
    ) -> Alarm:
        return Alarm(self.admitted.id, "", key, severity, kind, "device", "", at, now, cleared=cleared)

    # — its cameras and its loudspeaker —

    def _set_channels(self, count: int) -> None:
        count = max(1, min(count, MAX_CHANNELS))
        if (len(self._offered), self._heard_by) == (count, self._loudspeaker):
            return
        self._heard_by = self._loudspeaker
        able = Capabilities(ptz=True, zoom=True, focus=True, iris=True, audio_in=True, talk_back=self._loudspeaker)
        reports = [ChannelReport(str(n), f"{self.admitted.name} {n}", capabilities=able) for n in range(1, count + 1)]
        keys = self._device.channels(reports)
        kept = set(keys.values())
        for gone in set(self._offered):
            if gone not in kept:
                self._context.streams.withdraw(stream_id(self.admitted.id, gone))
            if self._config.talk and (gone not in kept or not self._loudspeaker):
                self._context.talk.withdraw(VoiceId(stream_id(self.admitted.id, gone)))
        self._offered = list(keys.values())
        for report in reports:
            self._offer(report, keys[report.external_id])

    def _offer(self, report: ChannelReport, key: str) -> None:
        number = int(report.external_id)
        stream = stream_id(self.admitted.id, key)
        self._context.streams.offer(
            Offer(stream, self.admitted.id, report.name, partial(self._live, number), labels={"source": "jt1078"})
        )
        if self._config.talk and self._loudspeaker:
            self._context.talk.offer(
                VoiceOffer(
                    VoiceId(stream),
                    self.admitted.id,
                    report.name,
                    MemberKind.LOUDSPEAKER,
                    partial(self._talk, number),
                    talks=False,  # its microphone is its stream
                )
            )

    async def _live(self, number: int, publication: Publication) -> None:
        await LivePicture(self.line(), self._door, self._config, number).run(publication, self._context.media.engine)

    async def _talk(self, number: int, line: VoiceLine) -> None:
        await Loudspeaker(self.line(), self._door, self._config, number).run(line, self._context.media)

    # — what the core asks of it —

    async def move(self, channel: str, move: PtzMove) -> None:
        """One direction at a time is all there is (JT/T 1078-2016 §5.8): the stronger one."""
        number = int(channel)
        direction, speed = _STOP, 0.0
        if abs(move.pan) >= abs(move.tilt) and move.pan:
            direction, speed = (_RIGHT if move.pan > 0 else _LEFT), abs(move.pan)
        elif move.tilt:
            direction, speed = (_UP if move.tilt > 0 else _DOWN), abs(move.tilt)
        if direction or not move.zoom:
            await self._order(Order.PTZ, messages.rotate(number, direction, round(speed * 255)))
        if move.zoom:
            await self._order(Order.ZOOM, messages.lens(number, int(move.zoom < 0)))

    async def lens(self, channel: str, move: LensMove) -> None:
        if move.focus:
            await self._order(Order.FOCUS, messages.lens(int(channel), int(move.focus < 0)))
        if move.iris:
            await self._order(Order.IRIS, messages.lens(int(channel), int(move.iris < 0)))

    async def preset(self, channel: str, op: PresetOp, number: int, name: str) -> None:
        raise Unsupported("JT/T 1078 has no presets")

    async def presets(self, channel: str) -> Sequence[Preset]:
        return ()

    async def cruise(self, channel: str, op: CruiseOp, number: int) -> None:
        raise Unsupported("JT/T 1078 has no cruises")

    async def key_frame(self, channel: str) -> None:
        raise Unsupported("JT/T 1078 has no wish for a key frame: the next one comes with the camera's own interval")

    async def refresh(self) -> None:
        await self.line().send(Order.AV_ATTRIBUTES_QUERY, b"")
        await self.line().send(Order.LOCATION_QUERY, b"")

    async def _order(self, order: Order, body: bytes) -> None:
        await self.line().order(order, body, self._config.answer)


def _remembered(text: str) -> dict[str, int]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
