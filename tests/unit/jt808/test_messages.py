"""What terminals of three generations say, and what we say to them."""

from __future__ import annotations

import struct
from datetime import datetime

import pytest

from adapters.jt808.protocol import location, messages
from adapters.jt808.protocol.media import read_caller
from adapters.jt808.protocol.messages import Live
from gateway.base.errors import RemoteProtocolError
from gateway.model.alarm import AlarmSeverity


def registration(maker: int, model: int, terminal: int, plate: str = "川A12345") -> bytes:
    body = struct.pack(">HH", 51, 100) + b"FGATE".ljust(maker, b"\0") + b"BUS-1".ljust(model, b"\0")
    return body + b"0000001".ljust(terminal, b"\0") + b"\x02" + plate.encode("gb18030")


@pytest.mark.parametrize(
    ("lengths", "is_2019", "generation"),
    [((5, 8, 7), False, 2011), ((5, 20, 7), False, 2013), ((11, 30, 30), True, 2019), ((11, 30, 30), False, 2019)],
)
def test_registrations(lengths: tuple[int, int, int], is_2019: bool, generation: int) -> None:
    told = messages.read_registration(registration(*lengths), is_2019=is_2019)
    assert (told.generation, told.manufacturer, told.model, told.terminal) == (generation, "FGATE", "BUS-1", "0000001")
    assert (told.plate, told.colour) == ("川A12345", 2)


def test_codes_of_either_generation() -> None:
    code = "0123456789abcdef"
    assert code in messages.read_codes(code.encode())
    assert code in messages.read_codes(bytes([16]) + code.encode() + b"8" * 15 + b"1.0".ljust(20, b"\0"))
    with pytest.raises(RemoteProtocolError):
        messages.read_codes(b"")


def report(alarms: int = 0, status: int = 3, items: bytes = b"", time: str = "261129203000") -> bytes:
    return struct.pack(">IIIIhHH", alarms, status, 30_659_500, 104_065_700, 500, 423, 90) + bytes.fromhex(time) + items


def test_a_position_with_alarms_and_items() -> None:
    items = b"\x01\x04\0\0\x30\x39" + b"\x14\x04\0\0\0\x03" + b"\x15\x04\0\0\0\x02" + b"\x31\x01\x0c" + b"\xff\x09"
    where = location.read_location(report(1 | 1 << 29, items=items))
    assert (where.latitude, where.longitude, where.altitude_m) == (30.6595, 104.0657, 500)
    assert (where.speed_kmh, where.direction_deg, where.fixed, where.satellites) == (42.3, 90, True, 12)
    assert where.taken_at == datetime(2026, 11, 29, 20, 30, tzinfo=location.BEIJING).timestamp()
    assert where.kinds == {
        "emergency": AlarmSeverity.CRITICAL,
        "collision": AlarmSeverity.CRITICAL,
        "video-loss": AlarmSeverity.MAJOR,
        "occlusion": AlarmSeverity.MAJOR,
    }


def test_south_west_no_fix_and_no_time() -> None:
    where = location.read_location(report(status=2 | 4 | 8))
    assert (where.latitude, where.longitude) == (-30.6595, -104.0657)
    assert not location.read_location(report(status=0)).fixed
    assert location.read_location(report(time="000000000000")).taken_at is None
    with pytest.raises(RemoteProtocolError):
        location.read_location(report()[:27])


def test_late_reports_come_in_a_batch() -> None:
    one = report()
    body = struct.pack(">HB", 3, 1) + (len(one).to_bytes(2) + one) * 3
    assert len(location.read_batch(body)) == 3
    assert len(location.read_batch(body[:-1])) == 2
    assert location.read_batch(struct.pack(">HB", 9, 1) + b"\xff\xff") == []


def test_orders_byte_for_byte() -> None:
    # JT/T 1078-2016 tables 17 and 18
    assert messages.live("10.1.2.3", 1078, 2, Live.BOTH) == b"\x0810.1.2.3" + bytes.fromhex("0436 0000 02 00 00")
    assert messages.live_close(2) == bytes([2, 0, 0, 0])
    assert messages.live_close(2, intercom=True) == bytes([2, 4, 0, 0])
    assert messages.register_ack(5, 0, "ab") == b"\x00\x05\x00ab"
    assert messages.rotate(1, 4, 255) == bytes([1, 4, 255])


def test_who_brings_a_picture() -> None:
    short = b"01cd\x81\x62\0\1" + bytes.fromhex("013912345678") + b"\x03\x10" + bytes(20)
    long = b"01cd\x81\x62\0\1" + bytes.fromhex("00000000013912345678") + b"\x03\x10" + bytes(20)
    for head in (short, long, b"junk" + short):
        caller = read_caller(head)
        assert caller is not None and ("13912345678", 3) in caller.phones
    assert read_caller(short[:19]) is None
    with pytest.raises(ValueError):
        read_caller(bytes(5000))
