from __future__ import annotations

import math

from adapters.gb28181.protocol.manscdp import CatalogItem, Fix
from adapters.gb28181.protocol.positions import position_of, typed_in, valid
from gateway.model.ids import DeviceId
from gateway.model.position import Datum, PositionSource

KIT = DeviceId("kit1/ball-1")


def test_a_fix_has_its_datum_and_source() -> None:
    fix = Fix("34020000001320000001", "2026-11-23T12:00:00", 104.06, 30.67, 12.5, 270.0, 505.0)
    found = position_of(fix, KIT, "ch1", received_at=1795406402.0)
    assert found is not None
    assert (found.datum, found.source) == (Datum.WGS84, PositionSource.GNSS)
    assert (found.taken_at, found.speed_kmh, found.direction_deg) == (1795406400.0, 12.5, 270.0)


def test_no_fix_is_no_position() -> None:
    for longitude, latitude in ((0.0, 0.0), (181.0, 0.0), (10.0, -91.0), (math.nan, 1.0), (math.inf, 1.0)):
        assert not valid(longitude, latitude)
        assert position_of(Fix("1", "", longitude, latitude), KIT, "ch1", received_at=1.0) is None


def test_a_direction_outside_the_circle_is_left_out() -> None:
    found = position_of(Fix("1", "", 104.0, 30.0, -1.0, 999.0), KIT, "ch1", received_at=1.0)
    assert found is not None and found.speed_kmh is None and found.direction_deg is None


def test_what_the_catalogue_says_is_typed_in() -> None:
    found = typed_in(CatalogItem("1", longitude=104.0, latitude=30.0), KIT, "ch1", received_at=9.0)
    assert found is not None and found.source is PositionSource.CATALOG
    assert typed_in(CatalogItem("1", longitude=104.0), KIT, "ch1", received_at=9.0) is None
