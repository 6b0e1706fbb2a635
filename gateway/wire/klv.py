"""MISB ST 0601 out of SMPTE ST 336 packets: where a drone's camera is, and where it looks.

One packet in (the media plane hands up whole ones), what a map needs out. Tags that are not read are skipped; a value
that its sender marks as unknown (the most negative integer) is None, never a number.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.base.errors import RemoteProtocolError
from gateway.wire.plain import plain

UAS_LOCAL_SET = bytes.fromhex("060e2b34020b01010e01030101000000")
"""The universal key of the UAS Datalink Local Set (ST 0601 §6.2)."""

MAX_PACKET = 16 * 1024
_KEY = 16
_CHECKSUM, _TIME, _MISSION, _HEADING, _DESIGNATION = 1, 2, 3, 5, 10
_LATITUDE, _LONGITUDE, _ALTITUDE, _AZIMUTH = 13, 14, 15, 18
_CENTRE_LATITUDE, _CENTRE_LONGITUDE, _CENTRE_ELEVATION, _GROUND_SPEED, _HEIGHT = 23, 24, 25, 56, 75


@dataclass(frozen=True, slots=True)
class Spot:
    """WGS-84 degrees; metres over mean sea level (sensor, frame centre), None where not told."""

    latitude: float
    longitude: float
    altitude_m: float | None = None


@dataclass(frozen=True, slots=True)
class UasReport:
    """What one packet said. `taken_at`: Unix seconds of the Precision Time Stamp (tag 2)."""

    taken_at: float | None = None
    platform: str = ""
    mission: str = ""
    heading_deg: float | None = None
    """Of the platform, from true north."""
    ground_speed_ms: float | None = None
    sensor: Spot | None = None
    sensor_azimuth_deg: float | None = None
    """Of the camera, relative to the platform."""
    frame_centre: Spot | None = None


def read_klv(packet: bytes) -> UasReport | None:
    """None: a packet of another set than ST 0601's, which is no fault. Raises RemoteProtocolError on lengths that do
    not fit, and on a checksum that is wrong or missing (ST 0601 §6.3, tag 1)."""
    if len(packet) > MAX_PACKET:
        raise RemoteProtocolError(f"KLV packet of {len(packet)} bytes")
    if len(packet) <= _KEY or packet[:4] != UAS_LOCAL_SET[:4]:
        raise RemoteProtocolError("no KLV packet")
    if packet[:_KEY] != UAS_LOCAL_SET:
        return None
    length, at = _length(packet, _KEY)
    if at + length != len(packet):
        raise RemoteProtocolError(f"KLV length {length}, but {len(packet) - at} bytes")
    tags: dict[int, bytes] = {}
    while at < len(packet):
        tag, at = _tag(packet, at)
        size, at = _length(packet, at)
        value = packet[at : at + size]
        if len(value) != size:
            raise RemoteProtocolError(f"KLV tag {tag} longer than its packet")
        at += size
        if tag == _CHECKSUM:
            # Over everything before its own value; it stands last.
            if size != 2 or _checksum(packet[: at - 2]) != int.from_bytes(value):
                raise RemoteProtocolError("KLV checksum wrong")
            return _report(tags)
        tags[tag] = value
    raise RemoteProtocolError("KLV packet without checksum")


def _report(tags: dict[int, bytes]) -> UasReport:
    taken = tags.get(_TIME, b"")
    altitude = _scaled(tags.get(_ALTITUDE), 2, -900.0, 19_000.0)
    if altitude is None:
        altitude = _scaled(tags.get(_HEIGHT), 2, -900.0, 19_000.0)
    speed = tags.get(_GROUND_SPEED, b"")
    return UasReport(
        taken_at=int.from_bytes(taken) / 1e6 if len(taken) == 8 else None,
        platform=_text(tags.get(_DESIGNATION)),
        mission=_text(tags.get(_MISSION)),
        heading_deg=_scaled(tags.get(_HEADING), 2, 0.0, 360.0),
        ground_speed_ms=float(speed[0]) if len(speed) == 1 else None,
        sensor=_spot(tags.get(_LATITUDE), tags.get(_LONGITUDE), altitude),
        sensor_azimuth_deg=_scaled(tags.get(_AZIMUTH), 4, 0.0, 360.0),
        frame_centre=_spot(
            tags.get(_CENTRE_LATITUDE),
            tags.get(_CENTRE_LONGITUDE),
            _scaled(tags.get(_CENTRE_ELEVATION), 2, -900.0, 19_000.0),
        ),
    )


def _spot(latitude: bytes | None, longitude: bytes | None, altitude: float | None) -> Spot | None:
    north, east = _signed(latitude, 90.0), _signed(longitude, 180.0)
    if north is None or east is None:
        return None
    return Spot(north, east, altitude)


def _scaled(value: bytes | None, size: int, low: float, high: float) -> float | None:
    """An unsigned integer that spans `low` … `high` (ST 0601 §7.1)."""
    if value is None or len(value) != size:
        return None
    return low + int.from_bytes(value) * (high - low) / ((1 << 8 * size) - 1)


def _signed(value: bytes | None, span: float) -> float | None:
    """A signed 32-bit integer that spans ±`span`; the most negative one says "unknown"."""
    if value is None or len(value) != 4:
        return None
    number = int.from_bytes(value, signed=True)
    return None if number == -(1 << 31) else number * span / ((1 << 31) - 1)


def _text(value: bytes | None) -> str:
    return plain(value.decode(errors="replace"), 127) if value else ""


def _length(packet: bytes, at: int) -> tuple[int, int]:
    """BER (ISO/IEC 8825-1 §8.1.3): the length, and where the value begins."""
    if at >= len(packet):
        raise RemoteProtocolError("KLV packet ends within a length")
    first = packet[at]
    if first < 0x80:
        return first, at + 1
    count = first & 0x7F
    if not 1 <= count <= 4 or at + 1 + count > len(packet):
        raise RemoteProtocolError("KLV length of a form that nobody sends")
    return int.from_bytes(packet[at + 1 : at + 1 + count]), at + 1 + count


def _tag(packet: bytes, at: int) -> tuple[int, int]:
    """BER-OID: seven bits a byte."""
    tag = 0
    for offset in range(3):
        if at + offset >= len(packet):
            break
        tag = tag << 7 | packet[at + offset] & 0x7F
        if packet[at + offset] < 0x80:
            return tag, at + offset + 1
    raise RemoteProtocolError("KLV tag without end")


def _checksum(data: bytes) -> int:
    """The running sum of 16 bits of ST 0601 §6.3."""
    return (sum(data[::2]) * 256 + sum(data[1::2])) & 0xFFFF


def write_klv(tags: list[tuple[int, bytes]]) -> bytes:
    """A packet of these tags (below 128, in order, without the checksum) for simulators and tests."""
    body = b"".join(bytes((tag, len(value))) + value for tag, value in tags)
    length = len(body) + 4
    head = bytes((length,)) if length < 0x80 else b"\x82" + length.to_bytes(2)
    packet = UAS_LOCAL_SET + head + body + b"\x01\x02"
    return packet + _checksum(packet).to_bytes(2)
