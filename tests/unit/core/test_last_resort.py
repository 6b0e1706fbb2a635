"""From a kit that lost its center to the center's page, by short message alone; and what is not believed on the way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.base.errors import LinkDown
from gateway.base.moment import Moment, TimeQuality
from gateway.config.root import Config, Gateway
from gateway.config.texts import LastResort
from gateway.contract.texts import Progress, TextSent
from gateway.core.last_resort_policy import Policy
from gateway.core.pairings import KEY_FILE, read_key
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.ids import DeviceId
from gateway.model.kit import KitState
from gateway.model.pairing import PairedCenter, PairedKit
from gateway.model.telemetry import RecordAlarm, RecordFix, RecordLink, Why
from gateway.model.texts import Arrived, CarrierKind, TextOut
from tests.fakes.loop import advance, by_hand, settle
from tests.unit.core.house import VIEWER, House, a_house

CENTER = "+8610000000"


def test_when_a_record_is_due() -> None:
    config = LastResort(center=[CENTER], most_a_day=4)
    policy = Policy(0.0)
    assert policy.due(config, 299.0) is None and policy.due(config, 300.0) is Why.LOST
    policy.sent(300.0)
    assert policy.due(config, 1199.0) is None and policy.due(config, 1200.0) is Why.ROUTINE
    policy.alarm(400.0)
    assert policy.due(config, 350.0) is None and policy.due(config, 400.0) is Why.ALARM
    policy.sent(400.0)
    policy.held(True, 500.0)
    policy.alarm(500.0)  # a center holds it: the alarm goes there
    assert policy.due(config, 9999.0) is None and policy.down_min(9999.0) == 0
    policy.held(False, 10_000.0)
    policy.alarm(10_001.0)
    assert policy.due(config, 10_001.0) is Why.ALARM
    assert policy.due(LastResort(center=[CENTER], on_alarm=False), 10_001.0) is None
    for at in (10_001.0, 20_000.0):
        policy.sent(at)
    assert policy.due(config, 30_000.0) is None  # four a day
    assert policy.due(config, 300.0 + 86_400.0) is Why.ROUTINE


def public_key(state_dir: Path) -> bytes:
    state_dir.mkdir(exist_ok=True)
    return X25519PrivateKey.from_private_bytes(read_key(state_dir / KEY_FILE)).public_key().public_bytes_raw()


async def read(center: House, kit_text: str, sender: str = "17400000001", mark: str = "1") -> str:
    """What became of it."""
    with center.core.texts.carrier("modem", CarrierKind.SMS, nobody) as seat:
        await seat.take(Arrived(sender, kit_text, mark))
    for _ in range(50):
        await center.core.store.db.write(lambda conn: None)
        await settle()
        (newest, *_) = await center.core.texts.came_lately()
        if newest.code:
            break
    return newest.code


async def nobody(text: TextOut, progress: Progress) -> TextSent:
    raise AssertionError


def configs() -> tuple[Config, Config]:
    resort = LastResort(center=["bd:412345", CENTER])
    return Config(gateway=Gateway(id="kit7"), last_resort=resort), Config(gateway=Gateway(id="center", role="center"))


FIX = RecordFix(116.39139, 39.9075, 44, 2, "gnss", 12, 90)
LINKS = (RecordLink("lte", "down", 0), RecordLink("satphone", "registered", 3))


async def told_by_a_kit(tmp_path: Path) -> list[str]:
    """Records of a kit that lost its center, in their order."""
    bodies = []
    async with a_house(tmp_path / "kit", configs()[0]) as kit:
        await kit.core.pairings.admit_center(PairedCenter("center", public_key(tmp_path / "center")))
        resort, now = kit.core.last_resort, kit.clock.wall()
        told = replace(resort._facts(), fix=FIX, links=LINKS, battery_percent=41, power="battery", word="degraded")
        resort._facts = lambda: told
        await kit.core.reports.alarm(
            Alarm(DeviceId("kit7/ball-1"), "ch1", "k", AlarmSeverity.MAJOR, "motion", "video", "", now, now)
        )
        for why in (Why.LOST, Why.ROUTINE, Why.POWER, Why.ROUTINE):
            id_ = await resort.send(why)
            text = (await kit.core.texts.sent_lately())[0]
            # Nobody carries BeiDou or SMS yet: the first address waits.
            assert (text.id, text.to, len(text.body)) == (id_, "bd:0412345", 64)
            bodies.append(text.body)
            told = replace(told, battery_percent=12)
    return bodies


@by_hand
async def test_the_center_shows_what_the_kit_told(tmp_path: Path) -> None:
    public_key(tmp_path / "kit")
    first, older, newer, last = await told_by_a_kit(tmp_path)
    center_config = configs()[1]
    async with a_house(tmp_path / "center", center_config) as center:
        await center.core.pairings.admit_kit(PairedKit("kit7", public_key(tmp_path / "kit")))
        assert await read(center, first) == "text-telemetry"
        shown = center.core.fleet.kit(VIEWER, "kit7")
        assert (shown.state, shown.code) == (KitState.OFFLINE, "kit-by-text") and shown.by_text is not None
        got = shown.by_text
        assert (got.fix, got.links, got.battery_percent, got.why) == (FIX, LINKS, 41, Why.LOST)
        assert got.alarms == (RecordAlarm("motion", "major", 0),) and got.alarms_open == 1
        assert got.carrier == "modem" and got.received_at > 0
        (where,) = center.core.positions.latest(VIEWER)
        assert (where.device, where.longitude) == ("kit7/kit", FIX.longitude)

        # The network delivers it twice, an attacker plays it again from elsewhere, a stranger makes one up.
        assert await read(center, first, "+8613999999999", "2") == "telemetry-replayed"
        forged = first[:20] + ("A" if first[20] != "A" else "B") + first[21:]
        assert await read(center, forged, "+8613999999999", "3") == "telemetry-forged"
        assert await read(center, "I" * 64, "+8613999999999", "4") == "telemetry-unknown"
        assert center.core.fleet.kit(VIEWER, "kit7").by_text == got
        (kept,) = await center.core.telemetry_in.records(VIEWER, "kit7", 10)
        assert kept == got

        # An older one that comes later is kept, and does not stand for how the kit is now.
        became = [await read(center, body, mark=mark) for body, mark in ((newer, "5"), (older, "6"))]
        assert became == ["text-telemetry"] * 2
        newest = center.core.fleet.kit(VIEWER, "kit7").by_text
        assert newest is not None and (newest.battery_percent, newest.why) == (12, Why.POWER)

        await center.core.pairings.revoke_kit("kit7", "stolen")
        assert await read(center, last, mark="7") == "telemetry-revoked"

    # It is shown again after a restart.
    async with a_house(tmp_path / "center", center_config) as center:
        assert center.core.fleet.kit(VIEWER, "kit7").by_text == newest


@by_hand
async def test_a_record_that_was_kept_and_not_read_is_read_after_the_restart(tmp_path: Path) -> None:
    public_key(tmp_path / "kit")
    first, *_ = await told_by_a_kit(tmp_path)
    kept_only = Config(gateway=Gateway(id="center"))  # as a center that ends before it reads
    async with a_house(tmp_path / "center", kept_only) as center:
        await center.core.pairings.admit_kit(PairedKit("kit7", public_key(tmp_path / "kit")))
        with center.core.texts.carrier("modem", CarrierKind.SMS, nobody) as seat:
            await seat.take(Arrived("17400000001", first, "1"))
            await seat.take(Arrived("17400000001", "please call " * 6, "2"))
    async with a_house(tmp_path / "center", configs()[1]) as center:
        for _ in range(20):
            await center.core.store.db.write(lambda conn: None)
            await settle()
        codes = [text.code for text in await center.core.texts.came_lately()]
        assert codes == ["", "text-telemetry"]
        assert center.core.fleet.kit(VIEWER, "kit7").by_text is not None


@by_hand
async def test_one_that_was_held_back_does_not_say_where_the_kit_is(tmp_path: Path) -> None:
    public_key(tmp_path / "kit")
    older, newer, *_ = await told_by_a_kit(tmp_path)
    async with a_house(tmp_path / "center", configs()[1]) as center:
        await center.core.pairings.admit_kit(PairedKit("kit7", public_key(tmp_path / "kit")))
        reported: list[float] = []
        center.core.positions.report = lambda where: reported.append(where.longitude)  # type: ignore[assignment,method-assign]
        assert await read(center, newer) == "text-telemetry"
        center.jumps.append(3 * 86400.0)
        assert await read(center, older, "+8613999999999", "2") == "text-telemetry"
        assert reported == [FIX.longitude]


def test_the_sequence_goes_on_over_restarts_and_a_lost_store(tmp_path: Path) -> None:
    sequences: list[int] = []

    @by_hand
    async def once() -> None:
        async with a_house(tmp_path, configs()[0]) as kit:
            await kit.core.pairings.admit_center(PairedCenter("center", kit.core.pairings.public_key()))
            for _ in range(2):
                sequences.append(await kit.core.store.telemetry.next("telemetry", 1))
            if not sequences[2:]:
                return
            resort = kit.core.last_resort
            wall = kit.clock.wall()
            good = Moment("boot", 1.0, wall, TimeQuality.NTP)
            resort._moments.now = lambda: good  # type: ignore[method-assign]
            await resort.send(Why.ROUTINE)
            sequences.append(await kit.core.store.telemetry.next("telemetry", 1))

    once()
    once()
    assert sequences[:4] == [1, 2, 3, 4] and sequences[4] > 50_000_000


@by_hand
async def test_it_goes_by_itself_when_no_center_holds_the_kit(tmp_path: Path) -> None:
    config = configs()[0]
    gone: list[TextOut] = []

    async def send(text: TextOut, progress: Progress) -> TextSent:
        gone.append(text)
        return TextSent()

    async with a_house(tmp_path, config) as kit:
        await kit.core.pairings.admit_center(PairedCenter("center", kit.core.pairings.public_key()))
        with kit.core.texts.carrier("phone", CarrierKind.SMS, send) as seat:
            seat.tell(True)
            loop_time = asyncio.get_running_loop().time
            kit.core.last_resort.policy.away_since = loop_time() - 301
            await kit.core.last_resort.look()
            for _ in range(20):
                await kit.core.store.db.write(lambda conn: None)
                await settle()
        assert [text.to for text in gone] == [CENTER]  # the phone is ready, no BeiDou terminal is


class AKit:
    """One that lost its center, and what its carriers were given."""

    def __init__(self, kit: House) -> None:
        self.kit, self.resort = kit, kit.core.last_resort
        self.gone: list[TextOut] = []
        self.failing: set[CarrierKind] = set()
        self.alarms: list[Alarm] = []

        async def alarms() -> list[Alarm]:
            return self.alarms

        self.resort._alarms = alarms

    async def send(self, text: TextOut, progress: Progress) -> TextSent:
        if text.kind in self.failing:
            raise LinkDown("no", code="modem-refused")
        self.gone.append(text)
        return TextSent()

    def alarm(self, id_: str, raised_at: float) -> None:
        self.alarms.append(
            Alarm(
                DeviceId("kit7/ball-1"),
                "ch1",
                "k",
                AlarmSeverity.MAJOR,
                "motion",
                "video",
                "",
                raised_at,
                raised_at,
                id=id_,
            )
        )

    async def pass_time(self, seconds: float) -> None:
        """Its policy looks all the while."""
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            await advance(min(left, 5.0))
            for _ in range(4):
                await self.kit.core.store.db.write(lambda conn: None)
                await settle()


def resort_config(**more: Any) -> Config:
    return Config(gateway=Gateway(id="kit7"), last_resort=LastResort(**{"center": [CENTER], "after": "10s", **more}))


@by_hand
async def test_an_alarm_counts_once_whatever_the_clock_does(tmp_path: Path) -> None:
    async with a_house(tmp_path, resort_config(after="10000s")) as house:
        kit = AKit(house)
        await house.core.pairings.admit_center(PairedCenter("center", house.core.pairings.public_key()))
        with house.core.texts.carrier("phone", CarrierKind.SMS, kit.send) as seat:
            seat.tell(True)
            kit.alarm("01Z", house.clock.wall() - 3600)  # open since before the center was lost: it knows
            await kit.pass_time(20)
            assert kit.gone == []
            house.jumps.append(-365 * 86400.0)
            kit.alarm("01A", house.clock.wall())  # its id sorts before the other's
            await kit.pass_time(10)
            assert len(kit.gone) == 1
            await kit.pass_time(100)
            assert len(kit.gone) == 1


@by_hand
async def test_what_was_not_sent_costs_nothing_and_what_was_counts_over_restarts(tmp_path: Path) -> None:
    config = resort_config(every="60s", most_a_day=3)
    async with a_house(tmp_path, config) as house:
        kit = AKit(house)
        await house.core.pairings.admit_center(PairedCenter("center", house.core.pairings.public_key()))
        await kit.pass_time(400)  # no carrier: one waits, made anew six times
        assert len(house.core.texts.queue.rows) == 1
        with house.core.texts.carrier("phone", CarrierKind.SMS, kit.send) as seat:
            seat.tell(True)
            await kit.pass_time(70)
            assert len(kit.gone) == 2
    async with a_house(tmp_path, config) as house:
        kit = AKit(house)
        with house.core.texts.carrier("phone", CarrierKind.SMS, kit.send) as seat:
            seat.tell(True)
            await kit.pass_time(300)
            assert len(kit.gone) == 1  # three a day


@by_hand
async def test_an_address_whose_carrier_fails_does_not_keep_the_record(tmp_path: Path) -> None:
    async with a_house(tmp_path, resort_config(center=[CENTER, "bd:412345"], every="300s")) as house:
        kit = AKit(house)
        await house.core.pairings.admit_center(PairedCenter("center", house.core.pairings.public_key()))
        texts = house.core.texts
        with (
            texts.carrier("lte", CarrierKind.SMS, kit.send) as lte,
            texts.carrier("bd1", CarrierKind.BEIDOU, kit.send) as beidou,
        ):
            lte.tell(True)
            beidou.tell(True)
            kit.failing = {CarrierKind.SMS}
            await kit.pass_time(60)
            assert [text.to for text in kit.gone] == ["bd:0412345"]
            kit.failing = set()
            await kit.pass_time(700)
            assert [text.to for text in kit.gone][-1] == CENTER  # it is tried again


@by_hand
async def test_a_record_that_waits_for_a_carrier_goes_by_the_one_that_comes(tmp_path: Path) -> None:
    async with a_house(tmp_path, resort_config(center=["bd:412345", CENTER])) as house:
        kit = AKit(house)
        await house.core.pairings.admit_center(PairedCenter("center", house.core.pairings.public_key()))
        await kit.pass_time(20)
        with house.core.texts.carrier("lte", CarrierKind.SMS, kit.send) as seat:
            seat.tell(True)
            await kit.pass_time(10)
            assert [text.to for text in kit.gone] == [CENTER]


@by_hand
async def test_a_center_without_an_address_is_named_while_it_is_paired(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_house(tmp_path / "kit", resort_config()) as kit:
        for name in ("hq", "town"):
            await kit.core.pairings.admit_center(PairedCenter(name, public_key(tmp_path / name)))
        for _ in range(2):
            kit.core.last_resort._targets()
        await kit.core.pairings.forget_center("town")
        kit.core.last_resort._targets()
    told = [row.getMessage() for row in caplog.records if "last_resort" in row.getMessage()]
    assert told == ["no record goes to town: last_resort.centers has no address of it"]


@by_hand
async def test_a_name_that_is_no_centers_is_told_before_it_is_needed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = resort_config(center=[], centers={"tovn": ["+8620000000"]})
    async with a_house(tmp_path / "kit", config) as kit:
        assert kit.core.last_resort.findings() == [], "nobody is paired yet"
        await kit.core.pairings.admit_center(PairedCenter("town", public_key(tmp_path / "town")))
        kit.core.last_resort._targets()
        (found,) = kit.core.last_resort.findings()
    assert found.code == "resort-unnamed" and found.measured == "no record goes to town; named, and not paired: tovn"
    assert sum("no record goes to town" in row.getMessage() for row in caplog.records) == 1
    async with a_house(tmp_path / "other", Config(gateway=Gateway(id="kit7"))) as kit:
        await kit.core.pairings.admit_center(PairedCenter("town", public_key(tmp_path / "town")))
        assert kit.core.last_resort.findings() == [], "no record is wanted"


@by_hand
async def test_what_is_said_without_a_name_stays_with_the_one_that_was_paired_first(tmp_path: Path) -> None:
    """Whatever it is called, whatever the clock says, and when it is paired anew."""

    def whose(kit: House) -> list[str]:
        return [center.gateway for center, _ in kit.core.last_resort._targets()]

    async with a_house(tmp_path / "kit", resort_config()) as kit:
        for name, at in (("town", 2e9), ("hq", 1e9)):  # the clock was set back between the two
            row = PairedCenter(name, public_key(tmp_path / name), admitted_at=at)
            await kit.core.pairings.admit_center(row)
        assert whose(kit) == ["town"]
        await kit.core.pairings.admit_center(PairedCenter("town", public_key(tmp_path / "town"), admitted_at=3e9))
        assert whose(kit) == ["town"]
    async with a_house(tmp_path / "kit", resort_config()) as kit:
        assert whose(kit) == ["town"]
        await kit.core.pairings.forget_center("town")
        assert whose(kit) == ["hq"]


@by_hand
async def test_each_center_gets_its_own(tmp_path: Path) -> None:
    for name in ("kit", "hq", "city", "town"):
        public_key(tmp_path / name)
    config = resort_config(centers={"city": ["+8620000000"]})
    async with a_house(tmp_path / "kit", config) as house:
        kit = AKit(house)
        for name in ("hq", "city", "town"):
            await house.core.pairings.admit_center(PairedCenter(name, public_key(tmp_path / name)))
        with house.core.texts.carrier("phone", CarrierKind.SMS, kit.send) as seat:
            seat.tell(True)
            await kit.pass_time(20)
    told = {text.to: text.body for text in kit.gone}
    assert set(told) == {CENTER, "+8620000000"} and len(kit.gone) == 2
    for name, own, others in (("hq", CENTER, "+8620000000"), ("city", "+8620000000", CENTER)):
        center_config = Config(gateway=Gateway(id=name, role="center"))
        async with a_house(tmp_path / name, center_config) as center:
            await center.core.pairings.admit_kit(PairedKit("kit7", public_key(tmp_path / "kit")))
            assert await read(center, told[own]) == "text-telemetry"
            assert await read(center, told[others], mark="2") in ("telemetry-unknown", "telemetry-forged")


@by_hand
async def test_a_center_that_has_met_the_new_key_reads_what_it_seals(tmp_path: Path) -> None:
    """Of two centers one is away while the key is renewed: the other one has forgotten the old key."""
    public_key(tmp_path / "kit")
    async with a_house(tmp_path / "kit", resort_config()) as house:
        kit, pairings = AKit(house), house.core.pairings
        for name in ("center", "far"):
            await pairings.admit_center(PairedCenter(name, public_key(tmp_path / name)))
        await pairings.renew_key()
        pairings.key_told("center")
        pairings.key_taken("center")
        new = X25519PrivateKey.from_private_bytes(pairings.next_key()).public_key().public_bytes_raw()
        assert await kit.resort.send(Why.ROUTINE)
        (text,) = await house.core.texts.sent_lately()
    # Started anew in the middle of it, the kit knows whom it has told; the other one gets what the old key seals.
    async with a_house(tmp_path / "kit", resort_config()) as house:
        kit = AKit(house)
        assert await kit.resort.send(Why.ROUTINE)
        (later, *_) = await house.core.texts.sent_lately()
        pairings = house.core.pairings
        rows = {row.gateway: pairings.shared_with_center(row) for row in pairings.centers()}
        assert rows["far"] == pairings.shared_with(public_key(tmp_path / "far"))
        assert rows["center"] != pairings.shared_with(public_key(tmp_path / "center"))
    async with a_house(tmp_path / "center", configs()[1]) as center:
        await center.core.pairings.admit_kit(PairedKit("kit7", new))
        assert await read(center, text.body) == "text-telemetry"
        assert await read(center, later.body, mark="2") == "text-telemetry"


def test_a_clock_of_another_century_does_not_use_the_sequence_up(tmp_path: Path) -> None:
    @by_hand
    async def once() -> None:
        async with a_house(tmp_path, configs()[0]) as kit:
            await kit.core.pairings.admit_center(PairedCenter("center", kit.core.pairings.public_key()))
            far = Moment("boot", 1.0, 9e9, TimeQuality.NTP)
            kit.core.last_resort._moments.now = lambda: far  # type: ignore[method-assign]
            assert await kit.core.last_resort.send(Why.ROUTINE)
            assert await kit.core.last_resort.send(Why.ROUTINE)

    once()


@pytest.mark.parametrize("bad", ["call me", "bd:", "bd:123456789", "+12"])
def test_an_address_that_is_none_is_named(bad: str) -> None:
    with pytest.raises(ValueError, match="no telephone number"):
        LastResort(center=[bad])
