"""Binary metadata from strangers, as the fuzzer feeds it: KLV."""

from __future__ import annotations

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
