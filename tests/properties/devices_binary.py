"""Binary words from strangers, as the fuzzer feeds them: KLV, and what vehicle terminals say."""

from __future__ import annotations

from contextlib import suppress

from adapters.jt808.protocol import location, messages
from adapters.jt808.protocol.frame import MAX_FRAME, FrameReader, Message, encode
from adapters.jt808.protocol.media import read_caller
from gateway.base.errors import RemoteProtocolError
from gateway.wire.klv import Spot, read_klv, write_klv
from tests.properties.devices_text import shown

_SIZES = {1: 0, 2: 8, 5: 2, 13: 4, 14: 4, 15: 2, 23: 4, 24: 4, 25: 2, 56: 1}


def try_klv(data: bytes) -> None:
    """As it is; and as values of a packet whose lengths and sum are right, so that more than the sum is tried."""
    tags, at = [], 0
    for tag, size in list(_SIZES.items())[1:]:
        tags.append((tag, data[at : at + size]))
        at += size
    tags += [(3, data[at : at + 100]), (10, data[at + 100 : at + 200])]
    for packet in (write_klv(tags), data):
        report = read_klv(packet)
        if report is None:
            continue
        shown(report.platform, 127)
        shown(report.mission, 127)
        for spot in (report.sensor, report.frame_centre):
            _inside(spot)
        if report.heading_deg is not None and not 0 <= report.heading_deg <= 360:
            raise AssertionError("a heading that is none")


def _inside(spot: Spot | None) -> None:
    if spot is not None and not (-90 <= spot.latitude <= 90 and -180 <= spot.longitude <= 180):
        raise AssertionError("a place that is not on Earth")


def try_jt808(data: bytes) -> None:
    """As a connection brings it; and as the body of each message, so that more than check codes is tried."""
    reader = FrameReader()
    for message in reader.feed(data):
        _said(message)
        if message.version < 2 and len(message.phone) <= 12 and list(FrameReader().feed(encode(message))) != [message]:
            raise AssertionError("a message that was read is not written the same")
    if len(reader._held) > MAX_FRAME:
        raise AssertionError("more is held than a frame has")
    for identity in (0x0001, 0x0100, 0x0102, 0x0200, 0x0704, 0x1003):
        for version in (0, 1):
            _said(Message(identity, "1", 1, data[:1023], version))
    with suppress(ValueError):
        read_caller(data)


def _said(message: Message) -> None:
    body = message.body
    with suppress(RemoteProtocolError):
        match message.id:
            case 0x0001:
                messages.read_ack(body)
            case 0x0100:
                told = messages.read_registration(body, is_2019=message.is_2019)
                for text in (told.plate, told.manufacturer, told.model, told.terminal):
                    shown(text, 64)
            case 0x0102:
                messages.read_codes(body)
            case 0x0200:
                _place(location.read_location(body))
            case 0x0704:
                for where in location.read_batch(body):
                    _place(where)
            case 0x1003:
                messages.read_av_attributes(body)


def _place(where: location.Location) -> None:
    if where.fixed and not (-90 <= where.latitude <= 90 and -180 <= where.longitude <= 180):
        raise AssertionError("a place that is not on Earth")
    if not where.kinds.keys() <= location.KINDS:
        raise AssertionError("an alarm without words")
