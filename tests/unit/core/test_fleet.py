"""Kits at a center and centers at a kit: what is believed of them, how they stand, who sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.base.errors import Denied, NotFound, RemoteProtocolError
from gateway.contract.fleet import KitAbout
from gateway.core.fleet import THUMBNAIL_BYTES
from gateway.core.fleet_hold import FleetHold
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.command import Command, CommandResult, Outcome
from gateway.model.device import Device, DeviceState
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import CenterState, KitState, LinkState, LinkUse, Thumbnail
from gateway.model.media import StreamState, StreamStatus
from gateway.model.pairing import PairedCenter, PairedKit
from gateway.model.principal import Principal, Role
from tests.fakes.loop import advance, settle
from tests.unit.core.house import ADMIN, VIEWER, House, housed

KIT = PairedKit("kit7", bytes(32), "County 7")
BALL = Device(DeviceId("kit7/ball-1"), "gb28181", "34020000001320000001", "Ball 1", DeviceState.ONLINE)
LTE = LinkState("lte-1", "lte", "wwan0", LinkUse.IN, rtt_ms=35.0, loss=0.02, usable_bps=4e6)
SATELLITE = LinkState("sat", "satellite", "eth1", LinkUse.IN, rtt_ms=280.0)


class AWay:
    """A way to a kit that does as it is told."""

    def __init__(self, name: str = "uplink") -> None:
        self.name = name

    async def command(self, command: Command, left_s: float) -> CommandResult:
        return CommandResult(command.id, Outcome.DONE)


async def up(house: House, name: str = "uplink", boot: int = 3) -> FleetHold:
    if house.core.pairings.kit("kit7") is None:
        await house.core.pairings.admit_kit(KIT)
    return house.core.fleet.kit_up("kit7", KitAbout(boot=boot, version="1.0"), AWay(name))


def alarm(**more: Any) -> Alarm:
    made = Alarm(DeviceId("kit7/ball-1"), "ch1", "k", AlarmSeverity.MAJOR, "motion", "video", "moved", 1.0, 2.0)
    return replace(made, id="01JABCDEFGHJKMNPQRSTVWXYZ0", **more)


@housed
async def test_a_paired_kit_is_shown_before_it_ever_came(house: House) -> None:
    assert house.core.fleet.kits(VIEWER) == []
    await house.core.pairings.admit_kit(KIT)
    (kit,) = house.core.fleet.kits(VIEWER)
    assert (kit.gateway, kit.name, kit.state, kit.code) == ("kit7", "County 7", KitState.OFFLINE, "kit-offline")


@housed
async def test_a_kit_that_can_not_be_taken_says_why_unless_it_is_here_or_revoked(house: House) -> None:
    fleet = house.core.fleet
    fleet.kit_refused("kit9", "bundle-version", "of nobody")
    await house.core.pairings.admit_kit(KIT)
    fleet.kit_refused("kit7", "bundle-version", "it speaks format 3")
    kit = fleet.kit(VIEWER, "kit7")
    assert (kit.state, kit.code, kit.detail) == (KitState.OFFLINE, "bundle-version", "it speaks format 3")
    await up(house, "mqtt")
    fleet.kit_refused("kit7", "bundle-version", "it speaks format 3")
    assert fleet.kit(VIEWER, "kit7").code == "", "by another way it is here"
    await house.core.pairings.revoke_kit("kit7", "stolen")
    fleet.kit_refused("kit7", "bundle-version", "it speaks format 3")
    assert fleet.kit(VIEWER, "kit7").code == "kit-revoked"


@housed
async def test_it_comes_and_goes(house: House) -> None:
    async with house.core.bus.subscribe(ADMIN, types=["kit"]) as events:
        hold = await up(house)
        hold.devices([BALL])
        kit = house.core.fleet.kit(VIEWER, "kit7")
        assert (kit.state, kit.boot, kit.version, kit.ways) == (KitState.ONLINE, 3, "1.0", ("uplink",))
        assert (kit.devices, kit.devices_online) == (1, 1)
        await settle()
        told = await anext(aiter(events))
        assert not isinstance(told.data, int) and told.subject == "kit7"
    went = house.clock.wall()
    hold.down("kit-offline", "no path is left")
    await advance(5.0)
    hold.devices([])  # a way that is gone says nothing any more
    kit = house.core.fleet.kit(VIEWER, "kit7")
    assert (kit.state, kit.code, kit.detail, kit.since) == (KitState.OFFLINE, "kit-offline", "no path is left", went)
    assert (kit.devices, kit.devices_online, kit.ways) == (1, 0, ())


@housed
async def test_two_ways_and_one_kit(house: House) -> None:
    bundle, broker = await up(house), await up(house, "mqtt")
    assert house.core.fleet.kit(VIEWER, "kit7").ways == ("uplink", "mqtt")
    known = house.core.fleet.known("kit7")
    assert known is not None
    assert (way := known.way()) is not None and way.name == "uplink"
    bundle.reachable(False, "kit-unreachable")
    assert (way := known.way()) is not None and way.name == "mqtt"
    assert house.core.fleet.kit(VIEWER, "kit7").state is KitState.ONLINE
    broker.down("kit-offline")
    kit = house.core.fleet.kit(VIEWER, "kit7")
    assert (kit.state, kit.code) == (KitState.OFFLINE, "kit-unreachable")
    bundle.reachable(True)
    assert house.core.fleet.kit(VIEWER, "kit7").state is KitState.ONLINE


@housed
async def test_who_is_not_let_in(house: House) -> None:
    with pytest.raises(Denied) as unknown:
        house.core.fleet.kit_up("kit9", KitAbout(), AWay())
    assert unknown.value.code == "kit-unknown"
    await up(house, boot=5)
    with pytest.raises(Denied) as stale:
        await up(house, "mqtt", boot=4)
    assert stale.value.code == "kit-stale"
    await house.core.pairings.revoke_kit("kit7", "stolen")
    with pytest.raises(Denied) as revoked:
        await up(house)
    assert revoked.value.code == "kit-revoked" and "stolen" in str(revoked.value)


@housed
async def test_a_kit_speaks_of_itself_only(house: House) -> None:
    hold = await up(house)
    foreign = replace(BALL, id=DeviceId("kit70/ball-1"))
    for tell in (
        lambda: hold.devices([BALL, foreign]),
        lambda: hold.device(foreign),
        lambda: hold.holder("kit1/ball-1/ch1", None),
        lambda: hold.gave_up(StreamId("kit1/ball-1/ch1"), "link-thin"),
    ):
        with pytest.raises(RemoteProtocolError) as refused:
            tell()
        assert refused.value.code == "kit-foreign-id"
    with pytest.raises(RemoteProtocolError):
        await hold.alarm(replace(alarm(), device=DeviceId("kit1/ball-1")))
    assert house.core.fleet.kit(VIEWER, "kit7").devices == 0


@housed
async def test_an_alarm_is_kept_once_whichever_way_it_comes(house: House) -> None:
    bundle, broker = await up(house), await up(house, "mqtt")
    await bundle.alarm(alarm())
    await broker.alarm(alarm())
    await broker.alarm(alarm(repeats=2))
    (kept,) = await house.core.alarms.recent(VIEWER)
    assert (kept.id, kept.repeats, kept.device) == ("01JABCDEFGHJKMNPQRSTVWXYZ0", 2, "kit7/ball-1")
    await house.core.alarms.acknowledge(ADMIN, kept.id)
    await bundle.alarm(alarm(repeats=1, cleared=True, acknowledged_by="lena", acknowledged_at=9.0))
    (kept,) = await house.core.alarms.recent(VIEWER)
    assert (kept.repeats, kept.cleared, kept.acknowledged_by) == (2, True, "ada")


@housed
async def test_links_make_it_degraded_and_leave_a_trail(house: House) -> None:
    hold = await up(house)
    hold.links([LTE, SATELLITE])
    assert house.core.fleet.kit(VIEWER, "kit7").state is KitState.ONLINE
    await advance(10.5)
    hold.links([replace(LTE, state=LinkUse.OUT, code="link-silent", bytes_in=5000, bytes_out=2_500_000), SATELLITE])
    kit = house.core.fleet.kit(VIEWER, "kit7")
    assert (kit.state, kit.code) == (KitState.DEGRADED, "kit-link-out")
    seen = kit.last_seen
    await advance(1.0)
    out = replace(SATELLITE, state=LinkUse.OUT, code="path-silent")
    hold.links([LTE, out], told=False)
    kit = house.core.fleet.kit(VIEWER, "kit7")
    assert kit.links == (LTE, out) and kit.last_seen == seen, "our own end's word is no sign of life"
    hold.reachable(False, "kit-unreachable")
    hold.links([LTE, SATELLITE])
    assert house.core.fleet.kit(VIEWER, "kit7").links == (LTE, out), "it can not have told"
    hold.links([replace(LTE, state=LinkUse.OUT), out], told=False)
    assert house.core.fleet.kit(VIEWER, "kit7").links == (replace(LTE, state=LinkUse.OUT), out)
    hold.reachable(True)
    hold.links([replace(LTE, state=LinkUse.OUT, code="link-silent", bytes_in=5000, bytes_out=2_500_000), SATELLITE])
    await advance(9.0)
    now, trails = await house.core.fleet.link_trails(VIEWER, "kit7", 24.0, 1440)
    assert [link.name for link in now.links] == ["lte-1", "sat"]
    lte = next(trail for trail in trails if trail.name == "lte-1")
    assert lte.used == (True, False)
    assert lte.rtt_ms == pytest.approx((35.0, 35.0)) and lte.loss == pytest.approx((0.02, 0.02), rel=1e-5)
    assert lte.out_bps == pytest.approx((0.0, 2e6)) and lte.in_bps == pytest.approx((0.0, 4000.0))
    assert lte.at[1] - lte.at[0] == 10.0


@housed
async def test_what_is_given_up_is_said(house: House) -> None:
    hold = await up(house)
    hold.streams([StreamStatus(StreamId("kit7/ball-1/ch1"), BALL.id, "Front", StreamState.IDLE)])
    hold.gave_up(StreamId("kit7/ball-1/ch1"), "kit-link-out")
    kit = house.core.fleet.kit(VIEWER, "kit7")
    assert kit.state is KitState.DEGRADED and kit.gave_up[0].stream == "kit7/ball-1/ch1"
    hold.gave_up(StreamId("kit7/ball-1/ch1"), "")
    assert house.core.fleet.kit(VIEWER, "kit7").gave_up == ()


@housed
async def test_who_sees_which_kit(house: House) -> None:
    await up(house)
    other = Principal("lena", Role.VIEWER, "s", scope="kit8")
    part = Principal("lena", Role.VIEWER, "s", scope="kit7/ball-1")
    assert house.core.fleet.kits(other) == []
    with pytest.raises(Denied):
        house.core.fleet.kit(other, "kit7")
    assert [kit.gateway for kit in house.core.fleet.kits(part)] == ["kit7"]
    with pytest.raises(NotFound):
        house.core.fleet.kit(VIEWER, "kit9")


@housed
async def test_the_thumbnail_is_told_with_its_age_and_bounded(house: House) -> None:
    await up(house)
    with pytest.raises(NotFound) as none:
        house.core.fleet.picture(VIEWER, "kit7")
    assert none.value.code == "thumbnail-none"
    house.core.fleet.thumbnail("kit7", Thumbnail("kit7/ball-1/ch1", bytes(THUMBNAIL_BYTES + 1), 1.0))
    with pytest.raises(NotFound):
        house.core.fleet.picture(VIEWER, "kit7")
    house.core.fleet.thumbnail("kit7", Thumbnail("kit7/ball-1/ch1", b"jpeg", 1.0))
    assert house.core.fleet.picture(VIEWER, "kit7").jpeg == b"jpeg"
    assert house.core.fleet.kit(VIEWER, "kit7").thumbnail_of == "kit7/ball-1/ch1"
    with pytest.raises(NotFound):
        house.core.fleet.picture(Principal("lena", Role.VIEWER, "s", scope="kit7/ball-2"), "kit7")


@housed
async def test_a_kit_shows_itself_with_its_centers(house: House) -> None:
    fleet = house.core.fleet
    assert fleet.kits(VIEWER) == []
    fleet.center(CenterState("city", "City", KitState.OFFLINE, "kit-unreachable"))
    fleet.center(CenterState("county", "County", KitState.ONLINE, links=(LTE,)))
    (kit,) = fleet.kits(VIEWER)
    assert (kit.gateway, kit.state, kit.boot) == ("kit1", KitState.ONLINE, house.core.boot)
    assert [center.gateway for center in kit.centers] == ["city", "county"] and kit.links == (LTE,)
    await advance(10.5)
    now, trails = await fleet.link_trails(VIEWER, "county", 1.0, 10)
    assert now.links == (LTE,) and [trail.name for trail in trails] == ["lte-1"]
    fleet.thumbnail("county", Thumbnail("kit1/ball-1/ch1", b"jpeg", 7.0))
    assert fleet.picture(VIEWER, "county").jpeg == fleet.picture(VIEWER, "kit1").jpeg == b"jpeg"
    assert fleet.kits(VIEWER)[0].centers[1].thumbnail_at == 7.0
    fleet.center_gone("city")
    fleet.center_gone("county")
    assert fleet.kits(VIEWER) == []


@housed
async def test_somebody_of_a_center_has_no_more_than_the_center(house: House) -> None:
    fleet = house.core.fleet
    center = PairedCenter("county", bytes(32), role=Role.OPERATOR, scope="kit1/ball-1")
    wang = fleet.may(center, "wang", "administrator", "s1", "10.0.0.2")
    assert (wang.name, wang.role, wang.scope, wang.session) == (
        "wang@county",
        Role.OPERATOR,
        "kit1/ball-1",
        "s1@county",
    )
    assert fleet.may(center, "li", "viewer", "s2").role is Role.VIEWER
    for scope, both in (
        ("", "kit1/ball-1"),
        ("kit1", "kit1/ball-1"),
        ("kit1/ball-1/ch1", "kit1/ball-1/ch1"),
        ("kit1/ball-10", "-"),
        ("kit2", "-"),
    ):
        assert fleet.may(center, "li", "viewer", "s2", scope=scope).scope == both
    assert fleet.may(replace(center, scope=""), "li", "viewer", "s2", scope="kit1").scope == "kit1"
    assert fleet.may(center, "zhao", "auditor", "s3").role is Role.VIEWER
    assert fleet.may(center, "zhao", "nonsense", "s3").role is Role.VIEWER


@housed
async def test_a_kit_that_is_unpaired_is_gone(house: House) -> None:
    await up(house)
    await house.core.pairings.forget_kit("kit7")
    assert house.core.fleet.kits(VIEWER) == []
