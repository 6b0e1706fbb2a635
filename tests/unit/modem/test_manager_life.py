"""ModemManager as a party that is absent, silent, refuses, crashes and comes back; what it has let go of. No bus."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.modem import manager_words as mm
from adapters.modem.face import Step
from adapters.modem.ladder import FIRST_S, Trouble
from adapters.modem.manager import AGAIN_S
from adapters.modem.manager_modem import FIX_KEPT_S, ManagerModem
from adapters.modem.manager_texts import INCOMPLETE_MOST, INCOMPLETE_S, ManagerTexts
from gateway.base.errors import LinkDown
from gateway.model.link import LinkPhase
from gateway.model.texts import TextOut
from tests.fakes.loop import by_hand
from tests.fakes.modem_manager import FakeManager
from tests.unit.modem.manager_rig import connects, following, manager_rig
from tests.unit.modem.rig import pass_time


@by_hand
async def test_absent_then_there_then_crashed_then_another(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeManager()
    fake.there = False
    async with following(fake, monkeypatch) as manager:
        assert manager.trouble is not None and manager.trouble.code == "mm-absent"
        with pytest.raises(LinkDown):
            manager.find("")
        fake.begin()
        await pass_time(1)
        path = fake.plug()
        assert manager.trouble is None and [one.path for one in manager.modems] == [path]
        told: list[str] = []
        stop = manager.watch(path, told.append)
        fake.change(path, mm.GPP, RegistrationState=5)
        fake.end()
        await pass_time(0.1)
        assert told[-1] == "" and mm.GPP in told and not manager.modems
        fake.begin(":1.9")
        fake.plug()
        await pass_time(AGAIN_S[1] * 1.3)
        assert manager.trouble is None and len(manager.modems) == 1
        # Words of the one before, and of a stranger, are nobody's.
        for sender in (":1.7", ":1.66"):
            fake.say(path, "x", "InterfacesRemoved", [manager.modems[0].path, [mm.MODEM]], sender=sender)
        assert len(manager.modems) == 1
        stop()


@by_hand
async def test_a_change_that_comes_before_the_wait_begins_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A modem without a card says "failed", and nothing after that."""
    fake = FakeManager()
    async with following(fake, monkeypatch) as manager:
        path = fake.plug(State=1)
        waiting = asyncio.ensure_future(manager.changed())
        fake.change(path, mm.MODEM, State=-1, StateFailedReason=2)
        await pass_time(1)
        assert waiting.done()


@by_hand
async def test_the_bus_goes_and_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeManager()
    async with following(fake, monkeypatch) as manager:
        fake.plug()
        fake.cut()
        await pass_time(30)
        assert manager.trouble is not None and manager.trouble.code == "mm-no-bus" and not manager.modems
        fake.bus_there = True
        await pass_time(AGAIN_S[1] * 1.3)
        assert manager.trouble is None and len(manager.modems) == 1


@by_hand
async def test_objects_that_come_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """A modem without properties, properties of the wrong kind, parts that are gone when they are asked for."""
    fake = FakeManager()
    async with following(fake, monkeypatch) as manager:
        path = f"{mm.ROOT}/Modem/9"
        fake.objects[path] = {mm.MODEM: {}}
        fake.say(mm.ROOT, "x.ObjectManager", "InterfacesAdded", [path, fake.objects[path]])
        fake.say(path, "x.Properties", "PropertiesChanged", [mm.MODEM, {"State": "x", "Bearers": 7, "Ports": [[]]}, []])
        for body in ([], [1, 2, 3], ["x"], [None, None]):
            fake.say(path, "x.Properties", "PropertiesChanged", body)
        [modem] = manager.modems
        assert await manager.parts(modem, mm.MODEM, "Bearers") == [] and await manager.card(modem) is None
        fake.change(path, mm.MODEM, Bearers=["/b/1"], Sim="/s/1")
        assert (await manager.parts(modem, mm.MODEM, "Bearers"))[0].interfaces == {mm.BEARER: {}}
        assert manager.find("") is modem and manager.find("nobody") is None


@by_hand
async def test_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is ModemManager that hangs: said so, and no modem's power is cut for it."""
    fake = FakeManager()
    connects(fake)
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        (tmp_path / "usb" / "1-1.3").mkdir()
        fake.plug()
        await rig.until(LinkPhase.UP)
        fake.silent.add("*")
        for _ in range(4):  # the links' probes say so each minute
            if rig.bearer.facts.phase is LinkPhase.UP:
                rig.bearer.recover("link-no-reply")
            await pass_time(60)
        await rig.until(LinkPhase.ABSENT, "mm-silent", within_s=60)
        await pass_time(300)
        assert rig.cuts == [] and rig.now == (LinkPhase.ABSENT, "mm-silent")
        fake.silent.clear()
        await rig.until(LinkPhase.UP, within_s=40)


@by_hand
async def test_it_is_looking_at_a_modem_that_was_just_plugged_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It takes half a minute: the power is not cut meanwhile, nor of a device that it never shows."""
    fake = FakeManager()
    connects(fake)
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        (tmp_path / "usb" / "1-1.3").mkdir()
        await rig.until(LinkPhase.ABSENT, "mm-not-shown")
        await pass_time(300)
        assert rig.cuts == []
        fake.plug()
        await rig.until(LinkPhase.UP)


@by_hand
async def test_whose_it_is_is_known_when_it_is_plugged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With "auto" a modem that comes after the start is ModemManager's where it drives it: two would steal from each
    other."""
    fake = FakeManager()
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        absent: list[int] = []
        waiting = asyncio.ensure_future(rig.modem.shown(30.0, lambda: absent.append(1)))
        await pass_time(300)
        assert not waiting.done() and absent
        (tmp_path / "usb" / "1-1.3").mkdir()
        await pass_time(20)
        fake.plug()
        await pass_time(5)
        assert waiting.done() and waiting.result() is True
        other = ManagerModem(rig.manager, "usb:1-1.4:2")
        (tmp_path / "usb" / "1-1.4").mkdir()
        waiting = asyncio.ensure_future(other.shown(30.0))
        await pass_time(35)
        assert waiting.done() and waiting.result() is False, "plugged in, and not its"


@by_hand
async def test_what_is_only_good_to_have_may_hang(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Measuring or the satellite receiver never comes on: the session stands, no ladder is climbed."""
    fake = FakeManager()
    connects(fake)
    fake.silent.add("Setup")
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        path = fake.plug()
        fake.objects[path] |= {mm.SIGNAL: {}, mm.LOCATION: {"Capabilities": 3}}
        fake.change(path, mm.LOCATION, Capabilities=3)
        fake.change(path, mm.SIGNAL, Rate=0)
        await rig.until(LinkPhase.UP)
        assert rig.bearer.facts.recoveries == ()


@by_hand
async def test_a_modem_without_short_messages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is no carrier, and says so: others are asked."""
    fake = FakeManager()
    connects(fake)
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        path = fake.plug()
        await rig.until(LinkPhase.UP)
        assert rig.seats.ready[-1] == (False, "modem-unsupported")
        fake.change(path, mm.MESSAGING, Messages=[])
        await pass_time(6)
        assert rig.seats.ready[-1] == (True, "")


@by_hand
async def test_one_that_it_has_let_go_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ModemManager drops a modem that does not answer it ten times: only its power brings it back."""
    fake = FakeManager()
    connects(fake)
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        (tmp_path / "usb" / "1-1.3").mkdir()
        path = fake.plug()
        await rig.until(LinkPhase.UP)
        fake.unplug(path)
        await rig.until(LinkPhase.ABSENT, "mm-not-shown")
        await pass_time(FIRST_S[Trouble.NOT_SHOWN] - 10)
        assert rig.cuts == []
        await pass_time(20)
        assert rig.cuts == ["1-1.3"]
        fake.plug()
        await rig.until(LinkPhase.UP)
        assert [(one.step, one.count) for one in rig.bearer.facts.recoveries] == [("power", 1)]


@by_hand
async def test_each_step_of_its_ladder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Session anew; disabled and enabled; Reset by D-Bus; USB power: counted and shown."""
    fake = FakeManager()
    connects(fake)
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        fake.plug()
        await rig.until(LinkPhase.UP)
        for member, count in (("Disconnect", 1), ("Enable", 2), ("Reset", 1)):
            rig.bearer.recover("link-no-reply")
            await pass_time(3)
            await rig.until(LinkPhase.UP)
            assert rig.count(member) == count, fake.calls
        rig.bearer.recover("link-no-reply")
        await pass_time(3)
        await rig.until(LinkPhase.UP)
        assert rig.cuts == ["1-1.3"]
        assert [(one.step, one.count) for one in rig.bearer.facts.recoveries] == [
            (step, 1) for step in ("retry", "radio", "reset", "power")
        ]
        assert next(facts.step for facts in rig.seats.told if facts.step) == "retry"


@by_hand
async def test_a_session_that_is_told_after_the_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is no session that ended at once, and one that was ended does not stand."""
    fake = FakeManager()
    connects(fake, told_after_s=1.0)
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        fake.plug()
        await rig.until(LinkPhase.UP)
        assert "modem-data-refused" not in [one.code for one in rig.seats.told]
        rig.bearer.recover("link-no-reply")
        await pass_time(4)
        await rig.until(LinkPhase.UP)
        assert rig.count("Disconnect") == 1 and rig.count("Connect") == 2


@by_hand
async def test_in_the_middle_of_something_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = FakeManager()
    fake.refuses["Connect"] = "ModemManager1.Error.Core.InProgress"
    connects(fake)

    def reset(path: str) -> list[Any]:
        fake.refuses.clear()
        return []

    fake.answers["Reset"] = reset
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        fake.plug()
        await rig.until(LinkPhase.CONNECTING, "busy")
        await pass_time(60)
        assert rig.bearer.facts.recoveries == ()
        await rig.until(LinkPhase.UP, within_s=600)
        assert "reset" in [one.step for one in rig.bearer.facts.recoveries]


@by_hand
async def test_it_fails_after_it_was_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """State "failed" for an unknown reason is no card that is still being read."""
    fake = FakeManager()
    connects(fake)
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        path = fake.plug()
        await rig.until(LinkPhase.UP)
        fake.answers["Reset"] = lambda path: fake.change(path, mm.MODEM, State=8) or []
        fake.change(path, mm.MODEM, State=-1, StateFailedReason=1, Bearers=[])
        await rig.until(LinkPhase.CONNECTING, "modem-starting")
        await rig.until(LinkPhase.UP, within_s=400)
        assert rig.count("Reset") == 1


@by_hand
async def test_a_place_that_has_not_changed_for_long_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = FakeManager()
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        place = {"latitude": 31.2, "longitude": 121.4, "utc-time": "061530.00"}
        path = fake.plug()
        await pass_time(5)
        fake.change(path, mm.LOCATION, Location={int(mm.Source.GPS_RAW): place})
        assert await rig.modem.fix() is not None
        await pass_time(FIX_KEPT_S + 1)
        assert await rig.modem.fix() is None
        fake.change(path, mm.LOCATION, Location={int(mm.Source.GPS_RAW): {**place, "utc-time": "061731.00"}})
        assert await rig.modem.fix() is not None


@by_hand
async def test_the_time_of_the_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = FakeManager()
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        path = fake.plug()
        await pass_time(5)
        assert await rig.modem.network_time() is None, "it has no such interface"
        fake.change(path, mm.TIME, NetworkTimezone={})
        for told, wanted in (
            ("2026-11-30T14:15:30+08", 1796019330.0),
            ("2026-11-30T14:15:30+08:00", 1796019330.0),
            ("1980-01-06T00:00:00+00", None),
            ("soon", None),
        ):
            fake.answers["GetNetworkTime"] = lambda path, told=told: [told]
            assert await rig.modem.network_time() == wanted
        fake.refuses["GetNetworkTime"] = "ModemManager1.Error.Core.Retry"
        assert await rig.modem.network_time() is None


@by_hand
async def test_a_clock_set_back_by_a_year(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The session stands, a place is of now by the same clock, and the network's time says what is right."""
    fake = FakeManager()
    connects(fake)
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        path = fake.plug()
        await rig.until(LinkPhase.UP)
        told = len(rig.seats.told)
        back = 1796019330.0 - 365 * 86400
        monkeypatch.setattr(rig.modem, "_clock", lambda: back)
        fake.change(path, mm.LOCATION, Location={4: "", 2: {"latitude": 31.2, "longitude": 1.0, "utc-time": "061528"}})
        fake.change(path, mm.TIME, NetworkTimezone={})
        fake.answers["GetNetworkTime"] = lambda path: ["2026-11-30T14:15:30+08"]
        await pass_time(30)
        found = await rig.modem.fix()
        assert found is not None and found.taken_at == back - 2 and await rig.modem.network_time() == back + 365 * 86400
        assert rig.now == (LinkPhase.UP, "") and {one.phase for one in rig.seats.told[told:]} == {LinkPhase.UP}


class Message:
    """One in ModemManager's list."""

    def __init__(self, fake: FakeManager, modem: str, number: int, **values: Any) -> None:
        self.path = f"{modem}/sms/{number}"
        fake.parts[self.path] = values


@by_hand
async def test_parts_that_wait_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest never came: they would fill the card."""
    fake = FakeManager()
    deleted: list[str] = []
    async with following(fake, monkeypatch) as manager:
        path = fake.plug()
        some = [
            Message(fake, path, at, State=int(mm.SmsState.RECEIVING), PduType=1).path
            for at in range(INCOMPLETE_MOST + 1)
        ]

        def delete(path: str, which: str) -> list[Any]:
            deleted.append(which)
            fake.change(path, mm.MESSAGING, Messages=[one for one in some if one not in deleted])
            return []

        fake.answers["Delete"] = delete
        fake.change(path, mm.MESSAGING, Messages=some[:1])
        texts = ManagerTexts(manager)
        assert await texts.stored(manager.modem(path)) == [] and deleted == []
        await pass_time(1)
        fake.change(path, mm.MESSAGING, Messages=some)
        await texts.stored(manager.modem(path))
        assert deleted == some[:1], "more than it may hold: the oldest"
        monkeypatch.setattr("adapters.modem.manager_texts.INCOMPLETE_S", 10.0)
        await pass_time(12)
        await texts.stored(manager.modem(path))
        assert deleted == some and INCOMPLETE_S > 2 * 86400


@by_hand
async def test_one_that_went_while_nobody_heard_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeManager()
    async with following(fake, monkeypatch) as manager:
        path = fake.plug()
        message = Message(fake, path, 1, State=0, PduType=2, MessageReference=0).path

        def create(path: str, wanted: object) -> list[Any]:
            fake.change(path, mm.MESSAGING, Messages=[message])
            return [message]

        fake.answers["Create"] = create
        fake.silent.add("Send")
        texts = ManagerTexts(manager)
        text = TextOut("t1", "+8613900000000", "x")
        sending = asyncio.ensure_future(texts.send(manager.modem(path), text))
        await pass_time(200)
        with pytest.raises(LinkDown) as unsure:
            await sending
        assert unsure.value.code == "text-unsure"
        # What it tells of that is still on its way.
        fake.parts[message] |= {"State": int(mm.SmsState.SENT), "MessageReference": 44}
        sent = await texts.send(manager.modem(path), text)
        assert sent.references == ("44",) and fake.calls.count("Sms.Send") == 0
        assert "Messaging.Delete" in fake.calls


def test_without_a_switch_no_power_step() -> None:
    assert Step.POWER not in ManagerModem(FakeManager(), "usb:1-1.3:2").steps  # type: ignore[arg-type]


@by_hand
async def test_two_names_of_one_modem_are_refused_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By its socket and by its IMEI: the second leaves it alone, whatever the first does with it meanwhile."""
    fake = FakeManager()
    connects(fake)
    async with manager_rig(monkeypatch, tmp_path, fake) as rig:
        path = fake.plug()
        (tmp_path / "usb" / "1-1.3").mkdir()
        await rig.until(LinkPhase.UP)
        imei = "861234567890123"
        fake.change(path, mm.MODEM, EquipmentIdentifier=imei)
        other = ManagerModem(rig.manager, imei)
        with pytest.raises(LinkDown, match="are one modem") as no:
            await other.open()
        assert no.value.code == "mm-taken"
        assert await other.shown(30.0), "with auto our own AT engine does not take it either"
        await rig.modem.close()
        with pytest.raises(LinkDown, match="leave one out"):
            await other.open()
        assert rig.cuts == []
