"""One kit that has lost its mind, or has been taken over, does not fill its center's memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.contract.fleet import KitAbout
from gateway.core import fleet_hold, positions
from gateway.core.far_kit import FarKit
from gateway.core.fleet_hold import FleetHold
from gateway.model.device import Channel, Device, DeviceState
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit_state import KitCondition, Power, PowerSource
from gateway.model.media import StreamState, StreamStatus
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import Principal, Role
from gateway.model.ptz import PtzHolder
from gateway.model.voice import Floor, FloorState, GroupId, GroupMode, GroupStatus
from tests.unit.core.house import VIEWER, House, housed
from tests.unit.core.test_fleet import BALL, KIT, LTE, AWay, up

LONG = "x" * 4000
FRONT = StreamId("kit7/ball-1/ch1")


def _device(number: int, hold: FleetHold) -> None:
    channels = tuple(Channel(f"ch{one}", LONG, LONG, parent=LONG) for one in range(40))
    hold.device(Device(DeviceId(f"kit7/d-{number}"), "x", "", LONG, DeviceState.ONLINE, channels=channels))


def _stream(number: int, hold: FleetHold) -> None:
    hold.stream(StreamStatus(StreamId(f"kit7/d/{number}"), DeviceId("kit7/d"), LONG, StreamState.IDLE, detail=LONG))


def _group(number: int, hold: FleetHold) -> None:
    hold.group(GroupStatus(GroupId(f"kit7/talk/{number}"), LONG, GroupMode.HALF, Floor(FloorState.IDLE), number=LONG))


def _list(number: int, hold: FleetHold) -> None:
    hold.devices([replace(BALL, id=DeviceId(f"kit7/{number}-{one}"), version=LONG) for one in range(50)])


@pytest.mark.parametrize("tell", [_device, _stream, _group, _list])
def test_what_is_held_of_one_kit_has_an_end(
    tell: Callable[[int, FleetHold], None], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_hold, "MOST_HELD", 400_000)

    async def checks(house: House) -> None:
        hold = await up(house)
        kit = house.core.fleet.known("kit7")
        assert isinstance(kit, FarKit)
        refused = 0
        for number in range(200):
            try:
                tell(number, hold)
            except RemoteProtocolError as exc:
                assert exc.code == "kit-too-many"
                refused += 1
        assert kit.weight() <= 400_000
        # Lists take the place of each other: however often they are told, they are as large as one.
        assert refused == 0 if tell is _list else refused > 0

    housed(checks)(tmp_path)


@housed
async def test_a_busy_kit_is_not_weighed_to_death(house: House) -> None:
    """What changes ten times a second is told anew each time, and is still one thing."""
    hold = await up(house)
    for number in range(2_000):
        hold.device(replace(BALL, detail=f"{number} " + "y" * 190, version="z" * 4000))
    kit = house.core.fleet.known("kit7")
    assert kit is not None and len(kit.devices) == 1 and kit.weight() < 20_000


@housed
async def test_it_gives_up_and_holds_only_what_it_has(house: House) -> None:
    hold = await up(house)
    kit = house.core.fleet.known("kit7")
    assert kit is not None
    for number in range(1000):
        hold.gave_up(StreamId(f"kit7/none/{number}"), "link-thin")
        hold.holder(f"kit7/none/{number}", PtzHolder("otto", "s", 2, 5.0))
    assert kit.gave_up == kit.holders == {}
    hold.streams([StreamStatus(FRONT, BALL.id, LONG, StreamState.IDLE)])
    hold.gave_up(FRONT, "link-thin")
    hold.holder(FRONT, PtzHolder("otto", "s", 2, 5.0))
    assert kit.gave_up[FRONT].code == "link-thin" and kit.holders[FRONT].name == "otto"
    assert len(kit.streams[FRONT].title) == 200
    hold.links([replace(LTE, interface=LONG)])
    assert len(kit.links[0].interface) == 64
    with pytest.raises(RemoteProtocolError):
        hold.device(replace(BALL, id=DeviceId(f"kit7/{LONG}")))


@housed
async def test_positions_of_one_gateway_have_an_end(house: House) -> None:
    at = Position(BALL.id, "", 116.4, 39.9, Datum.WGS84, PositionSource.GNSS, 1.8e9, 1.8e9)
    hold = await up(house)
    most, positions.MOST_EACH = positions.MOST_EACH, 5
    try:
        for number in range(20):
            hold.position(replace(at, channel=f"ch{number}"))
        hold.position(replace(at, channel=LONG))
        found = house.core.positions.latest(VIEWER)
        assert [one.channel for one in found] == [f"ch{number}" for number in range(5)]
        hold.position(replace(at, channel="ch3", longitude=117.0, taken_at=1.8e9 + 1))
        assert house.core.positions.latest(VIEWER)[3].longitude == 117.0, "what is known goes on"
        house.core.positions.report(replace(at, device=DeviceId("kit1/ball-1")))
        assert len(house.core.positions.latest(VIEWER)) == 6, "others have room of their own"
        house.core.positions.forget(BALL.id)
        hold.position(replace(at, channel="ch19"))
        assert len(house.core.positions.latest(VIEWER)) == 2
    finally:
        positions.MOST_EACH = most


@pytest.mark.parametrize("off_s", [366 * 86400.0, -366 * 86400.0, 30.0])
def test_a_kits_clock_is_not_believed(off_s: float, tmp_path: object) -> None:
    async def checks(house: House) -> None:
        await house.core.pairings.admit_kit(KIT)
        hold = house.core.fleet.kit_up("kit7", KitAbout(boot=3, clock_off_s=off_s), AWay())
        now = house.clock.wall()
        at = Position(BALL.id, "", 116.4, 39.9, Datum.WGS84, PositionSource.GNSS, now + off_s - 2, now + off_s)
        hold.position(at)
        (latest,) = house.core.positions.latest(VIEWER)
        assert (latest.taken_at, latest.received_at) == (now - 2, now)
        # A receiver's own time, right while the kit's clock is not.
        hold.position(replace(at, channel="car", taken_at=now - 1))
        assert house.core.positions.latest(VIEWER)[1].taken_at == (now - 1 if abs(off_s) > 60 else now - 1 - off_s)
        # The kit's clock was set while it is here.
        hold.position(replace(at, longitude=117.0, taken_at=now, received_at=now))
        latest = house.core.positions.latest(VIEWER)[0]
        assert (latest.longitude, latest.taken_at) == (117.0, now)

    housed(checks)(tmp_path)


@housed
async def test_how_a_kit_stands_is_for_those_who_see_all_of_it(house: House) -> None:
    hold = await up(house)
    told = KitCondition("kit9", 1.0, Power(PowerSource.BATTERY, 0.5, code="no-such-code"), codes=("on-battery", "x"))
    hold.condition(told)
    (kit,) = house.core.fleet.kits(VIEWER)
    assert kit.condition is not None and kit.condition.gateway == "kit7", "it speaks of itself only"
    assert (kit.condition.power.level, kit.condition.power.code, kit.condition.codes) == (0.5, "", ("on-battery",))
    part = Principal("lena", Role.VIEWER, "s", scope="kit7/ball-1")
    assert house.core.fleet.kits(part)[0].condition is None and house.core.fleet.kit(part, "kit7").condition is None
    hold.down("kit-offline")
    assert house.core.fleet.kits(VIEWER)[0].condition == kit.condition, "as it was when it was heard last"
