"""The streaming report of StreamCaster radios: UDP, one TLV behind the other, numbers as text.

`u16 type, u16 length (with the NUL), text, NUL`; a report begins with a type of its own (5009: signal, 8: temperature,
4001: voltage) and ends with type 1. Signal powers are in half dBm. Each radio tells what it receives by itself: its
signal and its noise, not of whom, so it gives nodes and readings, and an edge only to a radio that the configuration
names as its one neighbour. Manual 10017C000 §9.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from adapters.mesh.protocol.report import Heard, Report, Told, garbled, number, wifi_quality
from gateway.model.mesh import MeshReading

MOST_DATAGRAM, MOST_FIELDS = 2048, 256
_END, _SIGNAL, _TEMPERATURE, _VOLTAGE = 1, 5009, 8, 4001
_ANTENNAS, _NOISE, _NODE = (5000, 5001, 5002, 5003), 5004, 5007


@dataclass(frozen=True, slots=True)
class Streamed:
    """One report: what it is of, and its fields."""

    kind: int
    fields: Mapping[int, str]


def read_stream(data: bytes) -> list[Streamed]:
    """The reports of one datagram; one that is cut off is left out. Raises RemoteProtocolError (`mesh-garbled`)."""
    found: list[Streamed] = []
    now: Streamed | None = None
    for kind, text in _fields(data):
        if kind == _END:
            if now is not None:
                found.append(now)
            now = None
        elif kind in (_SIGNAL, _TEMPERATURE, _VOLTAGE) and not text:
            now = Streamed(kind, {})
        elif now is not None:
            now = Streamed(now.kind, {**now.fields, kind: text})
    return found


def _fields(data: bytes) -> Iterator[tuple[int, str]]:
    if len(data) > MOST_DATAGRAM:
        raise garbled(f"a report of {len(data)} bytes")
    at = count = 0
    while at + 4 <= len(data):
        kind, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        end, count = at + 4 + size, count + 1
        if size < 1 or end > len(data) or data[end - 1] != 0 or count > MOST_FIELDS:
            raise garbled("no streaming report: lengths that can not be")
        yield kind, data[at + 4 : end - 1].decode("ascii", "replace").strip()
        at = end
    if at != len(data):
        raise garbled("no streaming report: it is cut off")


@dataclass(slots=True)
class Silvus:
    """One radio's reports put together. `peer`: the radio at the other end, where there is one other."""

    name: str
    peer: str = ""
    id: str = ""
    _snr: float | None = None
    _rssi: float | None = None
    _readings: dict[str, MeshReading] = field(default_factory=dict)

    def receive(self, data: bytes) -> None:
        for streamed in read_stream(data):
            told = streamed.fields
            if streamed.kind == _SIGNAL:
                self._signal(told)
            elif streamed.kind == _TEMPERATURE:
                self._note("temperature", number(told.get(2), -60, 150), "°C")
            else:
                self._note("voltage", number(told.get(4004), 0, 100), "V")

    def _signal(self, told: Mapping[int, str]) -> None:
        if (node := told.get(_NODE, "")).isdecimal() and len(node) <= 6:
            self.id = node
        powers = [p / 2 for kind in _ANTENNAS if (p := number(told.get(kind), -300, 100)) is not None]
        noise = number(told.get(_NOISE), -400, 0)
        self._rssi = max(powers, default=None)
        self._snr = self._rssi - noise / 2 if self._rssi is not None and noise is not None else None
        self._note("signal", self._rssi, "dBm")
        self._note("snr", self._snr, "dB")
        for place, power in enumerate(powers, 1):
            self._note(f"antenna-{place}", power, "dBm")

    def _note(self, key: str, value: float | None, unit: str) -> None:
        if value is None:
            self._readings.pop(key, None)
        else:
            self._readings[key] = MeshReading(key, round(value, 1), unit)

    def report(self) -> Report:
        me = self.id or self.name
        ids = tuple(dict.fromkeys((me, self.name)))
        nodes = [Told(ids, self.name, read=True, heard_s=0.0, readings=tuple(self._readings.values()))]
        if not self.peer or self._rssi is None:
            return Report(tuple(nodes))
        quality = wifi_quality(self._snr, self._rssi)
        link = Heard(me, self.peer, snr_db=self._snr, rssi_dbm=self._rssi, quality=quality, heard_s=0.0)
        return Report((*nodes, Told((self.peer,))), (link,))
