"""The kit's state in the core: read, judged, told; the word of the team; the clock's steps."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from gateway.api.field.near import is_near
from gateway.base.moment import BUILT, TimeQuality
from gateway.config.kit import Kit as KitConfig
from gateway.config.root import Config
from gateway.core import kit_state
from gateway.core.facts import AdapterStatus, BusEvent
from gateway.core.kit_clock import BACK_S
from gateway.core.kit_power import Supply
from gateway.core.kit_standing import make_kit
from gateway.core.kit_state import KitState as KitStateTask
from gateway.core.kit_state import Machine, Readings
from gateway.model.forward import ClockMark
from gateway.model.kit import CenterState, KitState, LinkState, LinkUse
from gateway.model.kit_state import ClockStep, FieldState, FieldWord, Fix, Heat, KitCondition, PowerSource
from gateway.model.link import BearerFacts, BearerKind, LinkPhase
from gateway.model.position import Position
from gateway.model.principal import SYSTEM
from gateway.net.rtnetlink import Interface
from tests.fakes import loop
from tests.unit.core.house import a_house, advance, by_hand

BATTERY = [Supply("Battery", status="Discharging", level=0.2)]


@by_hand
async def test_readings_become_codes_and_events(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        house.core.kit._readings = Readings(BATTERY, [Heat("cpu", 96.0)])
        async with house.core.bus.subscribe(SYSTEM, types=("condition",)) as heard:
            house.core.kit.look()
            (event,) = heard._waiting
        condition = house.core.standing.condition
        assert condition.codes[:2] == ("too-hot", "battery-low") and condition.power.source is PowerSource.BATTERY
        assert isinstance(event, BusEvent) and event.data is condition and isinstance(condition, KitCondition)


def test_the_machine_itself_is_read_and_who_synchronises_is_asked_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, asked, good = [0.0], [], [True]
    monkeypatch.setattr(kit_state, "kernel_quality", lambda: TimeQuality.NTP if good[0] else TimeQuality.UNSYNCED)
    monkeypatch.setattr(kit_state, "clock_source", lambda: asked.append(now[0]) or "chrony x")
    read = Machine(tmp_path, lambda: now[0])
    for second in (0.0, 5.0, 59.0, 61.0):
        now[0] = second
        assert (read().synchronised, read().source) == (True, "chrony x")
    assert asked == [0.0, 61.0] and read().space.total_bytes > 0
    good[0] = False
    assert (read().synchronised, read().source) == (False, "")


@by_hand
async def test_a_reading_that_fails_is_not_the_last(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        tries: list[int] = []

        def read() -> Readings:
            tries.append(1)
            if len(tries) == 1:
                raise RuntimeError("a mistake of ours")
            return Readings(BATTERY)

        kit = KitStateTask("kit1", house.core.bus, house.clock, KitConfig, lambda _position: None, read=read)
        run = asyncio.create_task(kit.run())
        async with asyncio.timeout(None):
            while kit.condition.power.source is not PowerSource.BATTERY:
                await advance(1.0)
                await asyncio.to_thread(lambda: None)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


@by_hand
async def test_a_disk_that_hangs_holds_up_neither_place_nor_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_house(tmp_path) as house:
        released, tries = threading.Event(), []

        def read() -> Readings:
            tries.append(1)
            released.wait(60)
            return Readings(BATTERY)

        told: list[Position] = []
        kit = KitStateTask("kit1", house.core.bus, house.clock, KitConfig, told.append, read=read)
        kit._readings = Readings([Supply("Mains", online=True)])
        monkeypatch.setattr(loop, "HANGS_S", 0.05)
        run = asyncio.create_task(kit.run())
        kit.fix("gpsd", "receiver", Fix(104.06, 30.67))
        await advance(12.0)
        assert [one.longitude for one in told] == [104.06] and kit.condition.power.source is PowerSource.MAINS
        await advance(30.0)
        assert "kit-unread" in kit.condition.codes and kit.condition.power.source is PowerSource.UNKNOWN
        assert len(tries) == 1, "there is never a second one beside it"
        released.set()
        async with asyncio.timeout(None):
            while kit.condition.power.source is not PowerSource.BATTERY:
                await advance(1.0)
                await asyncio.to_thread(lambda: None)
        assert "kit-unread" not in kit.condition.codes
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


@by_hand
async def test_a_gauge_that_tells_nothing_once_is_not_believed_once(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        levels = []
        for level in (0.8, 0.0, 0.79, 0.0, 0.0, 0.0):
            house.core.kit._readings = Readings([Supply("Battery", status="Discharging", level=level)])
            house.core.kit.look()
            levels.append((house.core.kit.condition.power.level, house.core.kit.condition.power.code))
        assert [level for level, _ in levels] == [0.8, 0.8, 0.79, 0.79, 0.79, 0.0]
        assert [code for _, code in levels[:5]] == ["on-battery"] * 5 and levels[5][1] == "battery-critical"


@by_hand
async def test_the_last_record_is_the_one_that_was_kept_last(tmp_path: Path) -> None:
    """A mark of a boot whose clock was a year ahead stands among the others for long: it is no record any more."""
    now = BUILT + 86400 * 30
    async with a_house(tmp_path) as house:
        house.core.outbox.marks.clear()
        for boot, wall in (("a", now - 500), ("b", now + 365 * 86400), ("c", now)):
            house.core.outbox.marks[boot] = ClockMark(boot, 1.0, wall)
        made = make_kit(house.core, Config, tmp_path)
        assert made._clocks.floor == now - BACK_S


@by_hand
async def test_the_place_is_a_position_like_any_other(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        kit = house.core.standing
        assert kit.fix("gpsd", "receiver", Fix(104.06, 30.67, accuracy_m=3.0)) == ""
        house.core.kit.look()
        (position,) = house.core.home.positions(SYSTEM)
        assert (position.device, position.longitude, position.accuracy_m) == ("kit1/kit", 104.06, 3.0)
        assert kit.condition.place is not None and kit.condition.place.by == "gpsd"
        assert kit.fix("gpsd", "receiver", Fix(10.0, 30.67)) == "gnss-jump"
        house.core.kit.look()
        assert kit.condition.place_code == "gnss-jump" and "gnss-jump" in kit.condition.codes
        kit.no_fix("gpsd", "receiver", "gnss-no-fix")
        kit.no_source("gpsd")
        house.core.kit.look()
        assert kit.condition.place_code == "position-old" and kit.condition.place is not None


@by_hand
async def test_a_written_place_follows_the_configuration(tmp_path: Path) -> None:
    config = Config(kit=KitConfig(longitude=120.0, latitude=30.0))
    async with a_house(tmp_path, config) as house:
        house.core.kit.look()
        place = house.core.standing.condition.place
        assert place is not None and (place.by, place.source) == ("fixed", "manual")
        house.core.kit._config = KitConfig  # type: ignore[assignment]
        house.core.kit.look()
        assert house.core.standing.condition.place_code == "position-none"


@by_hand
async def test_a_jump_of_the_clock_is_told_as_one_pair(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        kit = house.core.standing
        kit.time("lte0", TimeQuality.NITZ, house.clock.wall() - 1.0)
        async with house.core.bus.subscribe(SYSTEM, types=("clock",)) as heard:
            house.jumps.append(-86400.0)
            house.core.watch.look_at_clock()
            (event,) = heard._waiting
        assert isinstance(event, BusEvent) and isinstance(event.data, ClockStep)
        step = event.data
        assert step.before - step.after == pytest.approx(86400.0)
        assert step.boot_id and kit.quality() is TimeQuality.UNSYNCED


@by_hand
async def test_a_clock_set_back_by_a_year_does_not_move_the_place(tmp_path: Path) -> None:
    """It is said; what is timed goes on by the other clock, what is dated is of the wrong clock's now."""
    async with a_house(tmp_path) as house:
        kit = house.core.kit
        house.jumps.append(BUILT + 1e6 - house.clock.wall())
        house.core.watch.look_at_clock()
        kit._readings = Readings(synchronised=True, source="timesyncd")
        kit._clocks.record(house.clock.wall())
        house.core.standing.fix("gpsd", "receiver", Fix(104.06, 30.67))
        kit.look()
        assert house.core.standing.quality() is TimeQuality.NTP
        house.jumps.append(-365 * 86400.0)
        house.core.watch.look_at_clock()
        assert house.core.standing.quality() is TimeQuality.UNSYNCED
        kit.look()
        assert kit.condition.clock.code == "clock-past" and kit.condition.place is not None
        assert kit.condition.place.taken_at == pytest.approx(house.clock.wall()), "it is no year in the future"
        await advance(kit_state.REPORT_S + 1.0)
        assert house.core.standing.fix("gpsd", "receiver", Fix(104.0601, 30.67)) == "", "no jump of the place"
        (position,) = house.core.home.positions(SYSTEM)
        assert position.taken_at < house.clock.wall(), "the map too is dated anew"
        await advance(kit_state.REPORT_S + 1.0)
        kit.look()
        (position,) = house.core.home.positions(SYSTEM)
        assert position.longitude == 104.0601 and house.clock.wall() - 30 < position.taken_at <= house.clock.wall()


@by_hand
async def test_the_word_follows_centers_and_adapters(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        told: list[FieldState] = []
        house.core.field.started = lambda: True
        house.core.links.view = tuple  # type: ignore[method-assign]  # of the machine of the tests
        house.core.watch._alive.clear()  # its thread does not live by the time of the tests
        undo = house.core.standing.on_field(told.append)
        await advance(4.1)
        assert (told[-1].word, told[-1].code) == (FieldWord.TECHNICIAN, "field-no-center")
        links = (LinkState("lte-1", "lte", "wwan0", LinkUse.IN, usable_bps=2e6),)
        house.core.fleet.center(CenterState("county", state=KitState.ONLINE, links=links))
        await advance(8.0)
        assert (told[-1].word, told[-1].code, told[-1].centers) == (FieldWord.READY, "", 1)
        assert [(one.name, one.carries) for one in told[-1].links] == [("lte-1", True)]
        failed: list[AdapterStatus] = []
        house.core.field.adapters = lambda: failed

        def stands(*statuses: AdapterStatus) -> None:
            failed[:] = statuses
            house.core.bus.publish("adapter", "", statuses[0] if statuses else None)  # as the daemon does

        stands(AdapterStatus("rtsp", "rtsp", "running"))
        await advance(5.0)
        assert (told[-1].word, told[-1].code) == (FieldWord.READY, "")
        stands(AdapterStatus("rtsp", "rtsp", "running", "port-in-use"))
        await advance(5.0)
        assert (told[-1].word, told[-1].code) == (FieldWord.READY, "field-adapter"), "it runs, and nobody can reach it"
        stands()
        await advance(8.0)
        assert (told[-1].word, told[-1].code) == (FieldWord.READY, "")
        stands(AdapterStatus("sip", "sip", "failed", "config"))
        await advance(5.0)
        assert (told[-1].word, told[-1].code) == (FieldWord.READY, "field-adapter")
        house.core.fleet.center_gone("county")
        house.core.standing.held("mqtt", True)
        await advance(8.0)
        assert (told[-1].word, told[-1].code) == (FieldWord.DEGRADED, "field-messages-only")
        undo()
        before = len(told)
        house.core.standing.held("mqtt", False)
        await advance(8.0)
        assert len(told) == before and house.core.standing.field.word is FieldWord.TECHNICIAN


@by_hand
async def test_whatever_is_a_link_leads_away_and_the_kits_own_network_does_not(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        links = house.core.links
        with links.offer("lte0", BearerKind.LTE) as modem, links.offer("ridge", BearerKind.MESH) as mesh:
            links.found(
                [
                    Interface(1, "wwan0", True, v4=["10.64.0.9"], out4=True),
                    Interface(2, "eth0", True, v4=["192.168.10.1"], v6=["fd00::1"]),  # the kit's own
                    Interface(3, "eth1", True, v4=["192.168.1.50"], out4=True),  # a cable to elsewhere
                    Interface(4, "bat0", True, v4=["172.16.0.1"]),
                ]
            )
            modem.tell(BearerFacts(LinkPhase.UP, interface="wwan0"))
            mesh.tell(BearerFacts(LinkPhase.UP, interface="bat0"))
            outward = house.core.standing.outward()
            assert outward == {"wwan0", "10.64.0.9", "eth1", "192.168.1.50", "bat0", "172.16.0.1"}
            assert is_near("192.168.10.7", "192.168.10.1", outward=outward)
            assert not is_near("192.168.1.7", "192.168.1.50", outward=outward)
