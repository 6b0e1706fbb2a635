"""Positions of metadata: thinned, of a believable time, and silent about what is none."""

from __future__ import annotations

from gateway import codecs
from gateway.model.ids import StreamId
from gateway.model.position import Position
from gateway.net.sensed import Sensed
from gateway.wire.klv import write_klv

NOW = 1_700_000_000.0
NORTH, EAST = (round(39.9 / 90 * (2**31 - 1)), round(116.4 / 180 * (2**31 - 1)))


def packet(at: float = NOW) -> bytes:
    return write_klv([(2, int(at * 1e6).to_bytes(8)), (13, NORTH.to_bytes(4)), (14, EAST.to_bytes(4)), (56, b"\x0a")])


def event(data: bytes, kind: str = "klv") -> codecs.DataEvent:
    return codecs.DataEvent(stream=1, leg=2, kind=kind, data=data)  # type: ignore[arg-type]


class Told:
    def __init__(self) -> None:
        self.now = NOW
        self.positions: list[Position] = []
        self.sensed = Sensed(StreamId("kit1/drone-1/main"), self.positions.append, lambda: self.now)


def test_a_position_is_the_device_s_and_comes_once_a_second() -> None:
    told = Told()
    for tenth in range(25):
        told.now = NOW + tenth / 10
        told.sensed.heard(event(packet(told.now)))
    assert len(told.positions) == 3
    first = told.positions[0]
    assert (first.device, first.channel, round(first.latitude, 6), round(first.longitude, 6)) == (
        "kit1/drone-1", "main", 39.9, 116.4,
    )  # fmt: skip
    assert (first.taken_at, first.speed_kmh, first.altitude_m) == (NOW, 36.0, None)


def test_a_clock_that_is_wrong_is_not_believed() -> None:
    told = Told()
    for n, at in enumerate((NOW + 3600, 1_000_000_000.0)):
        told.now = NOW + 10 * n
        told.sensed.heard(event(packet(at)))
    assert [p.taken_at for p in told.positions] == [NOW, NOW + 10]


def test_what_is_none_is_passed_over() -> None:
    told = Told()
    for data in (b"", b"x" * 40, packet()[:-1], write_klv([(2, bytes(8))])):
        told.sensed.heard(event(data))
    told.sensed.heard(event(b"[]", "programs"))
    assert told.positions == [] and told.sensed.damaged == 3
