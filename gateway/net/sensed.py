"""Positions out of what a picture carries beside it (KLV, MISB ST 0601), whatever brings the transport stream."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from gateway import codecs
from gateway.base.errors import RemoteProtocolError
from gateway.model.ids import DeviceId, StreamId
from gateway.model.position import Datum, Position, PositionSource
from gateway.wire.klv import UasReport, read_klv

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""Senders say it with each picture; a map needs no more."""
AHEAD_S, BEHIND_S = 60.0, 86_400.0
"""A sender's clock further off than this is not believed: the time of arrival is taken."""
MPS_TO_KMH = 3.6


class Sensed:
    """Hears the data events of one stream, tells the positions of its device."""

    def __init__(
        self, stream: StreamId, tell: Callable[[Position], None], clock: Callable[[], float] = time.time
    ) -> None:
        device, _, self._channel = stream.rpartition("/")
        self._device = DeviceId(device)
        self._tell = tell
        self._clock = clock
        self._told_at = 0.0
        self.told = 0
        self.damaged = 0

    def heard(self, event: codecs.DataEvent) -> None:
        if event.kind != "klv":
            return
        now = self._clock()
        if 0 <= now - self._told_at < EVERY_S:
            return
        try:
            report = read_klv(event.data)
        except RemoteProtocolError as exc:
            self.damaged += 1
            if self.damaged & (self.damaged - 1) == 0:  # the 1st, 2nd, 4th …
                log.info(
                    "%s/%s: metadata that can not be read (%d so far): %s",
                    self._device,
                    self._channel,
                    self.damaged,
                    exc,
                )
            return
        if report is not None and (position := self._position(report, now)) is not None:
            self._told_at = now
            self.told += 1
            self._tell(position)

    def _position(self, report: UasReport, now: float) -> Position | None:
        if report.sensor is None:
            return None
        taken = report.taken_at
        if taken is None or not now - BEHIND_S <= taken <= now + AHEAD_S:
            taken = now
        speed = report.ground_speed_ms
        return Position(
            self._device,
            self._channel,
            report.sensor.longitude,
            report.sensor.latitude,
            Datum.WGS84,
            PositionSource.GNSS,
            taken,
            now,
            altitude_m=report.sensor.altitude_m,
            speed_kmh=None if speed is None else speed * MPS_TO_KMH,
            direction_deg=report.heading_deg,
        )
