"""ModemManager, the real one, between our adapter and a modem that speaks AT: everything that the common face has."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.modem import manager_check
from adapters.modem.bearer import Bearer, Wishes
from adapters.modem.config import OneModem
from adapters.modem.face import CallPhase, CellularModem, Change, RegState, Report, SimState, Step
from adapters.modem.manager import Manager
from adapters.modem.manager_bus import Bus
from adapters.modem.manager_modem import ManagerModem
from adapters.modem.pin import PinKeeper
from gateway.base.errors import Denied, LinkDown, PeerError
from gateway.base.log import Secret
from gateway.model.doctor import Finding, Grade
from gateway.model.link import BearerFacts, LinkPhase
from gateway.model.texts import Arrived, TextOut
from tests.fakes.modem import EG25, FakeModem, FakeSim
from tests.fakes.modem.pdus import deliver
from tests.peers import modem_manager
from tests.peers.modem_manager import Stage, a_bus, a_manager

pytestmark = [pytest.mark.peer, pytest.mark.xdist_group("modem-manager")]
NO_WORD = Secret("")
PATIENCE_S = 20


@pytest.fixture(autouse=True)
def programs() -> None:
    if missing := modem_manager.missing():
        words = f"{', '.join(missing)} not installed: run `make peers`"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)


@asynccontextmanager
async def following(stage: Stage) -> AsyncIterator[Manager]:
    manager = Manager(stage.address)
    task = asyncio.create_task(manager.run())
    try:
        yield manager
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def opened(modem: CellularModem) -> None:
    """As the rules do: again until it is there."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await modem.open()
                return
            except LinkDown as exc:
                assert exc.code in ("mm-absent", "modem-absent"), exc
                await asyncio.sleep(0.1)


async def until(changes: asyncio.Queue[Change], right: Callable[[], object]) -> None:
    """Look again whenever the modem says that something changed."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = right()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await changes.get()


async def arrives(fake: FakeModem, pdu: str) -> None:
    """And is read before the next one comes: of two +CMTI in one piece ModemManager 1.20 reads only the first's."""
    fake.text_in(pdu)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if all(status for status, _ in fake.texts.stored.values()):
                return
            await asyncio.sleep(0.02)


def with_changes(modem: ManagerModem) -> asyncio.Queue[Change]:
    changes: asyncio.Queue[Change] = asyncio.Queue()
    modem.on_change(changes.put_nowait)
    return changes


async def registered(modem: ManagerModem, changes: asyncio.Queue[Change]) -> None:
    async def home() -> bool:
        return (await modem.registration()).state is RegState.HOME

    await until(changes, home)


async def test_a_modem_from_the_plug_to_the_session_and_back_by_the_ladder(tmp_path: Path) -> None:
    async with a_manager(tmp_path / "mm") as stage, following(stage) as manager:
        fake = FakeModem(EG25)
        modem = ManagerModem(manager, "")
        changes = with_changes(modem)
        await stage.plug(fake, plugin="quectel", ports=2)
        await opened(modem)
        assert (await modem.open()).shown == "Quectel EG25"
        card = await modem.sim()
        assert (card.state, card.iccid, card.imsi) == (SimState.READY, fake.sim.iccid, fake.sim.imsi)
        await registered(modem, changes)
        where = await modem.registration()
        assert (where.technology, where.operator, where.plmn) == ("lte", "CHINA MOBILE", "46000")

        async def measured() -> bool:
            return (await modem.signal()).rsrp_dbm is not None

        await until(changes, measured)
        signal = await modem.signal()
        assert signal.rsrp_dbm == pytest.approx(fake.net.rsrp, abs=1)
        assert signal.rsrq_db == pytest.approx(fake.net.rsrq, abs=0.6)
        assert signal.cell == "C0FFEE"

        assert await modem.session() is None
        fake.net.refuses_data = True
        for apn, code in (("", "modem-no-apn"), ("cmnet", "modem-data-refused")):
            with pytest.raises(PeerError) as refused:
                await modem.connect(apn, "", NO_WORD, roaming=False)
            assert refused.value.code in (code, "modem-no-plan", "mm-failed")
        fake.net.refuses_data = False
        session = await modem.connect("cmnet", "", NO_WORD, roaming=False)
        assert session.apn == "cmnet" and session.interface
        assert await modem.connect("cmnet", "", NO_WORD, roaming=False) == session  # found made
        await modem.step(Step.RETRY)
        assert await modem.session() is None

        await modem.step(Step.RADIO)
        await registered(modem, changes)
        # The fake's clock stands; ModemManager takes it for the network's.
        assert await modem.network_time() == 1796019330.0
        await modem.close()


async def test_messages_both_ways(tmp_path: Path) -> None:
    async with a_manager(tmp_path / "mm") as stage, following(stage) as manager:
        fake = FakeModem(EG25)
        modem = ManagerModem(manager, "")
        changes = with_changes(modem)
        await stage.plug(fake)
        fake.text_in(deliver("10086", "余额不足"))  # before anybody looked
        await opened(modem)
        await registered(modem, changes)

        async def came(count: int) -> bool:
            return len(await modem.texts()) == count

        await until(changes, lambda: came(1))
        [first] = await modem.texts()
        assert isinstance(first.what, Arrived)
        assert (first.what.sender, first.what.body, first.what.parts) == ("10086", "余额不足", 1)
        assert first.what.sent_at is not None and first.what.mark
        await modem.delete_text(first.place)
        await modem.delete_text(first.place)  # gone is gone
        assert not fake.texts.stored

        # A long one, its parts out of order and one of them twice: whole when the last is there, and once.
        halves = ("集结点改到" * 10, "三号路口。" * 5)
        for number in (2, 2, 1):
            await arrives(fake, deliver("+8613900000000", halves[number - 1], part=(77, 2, number)))
        await until(changes, lambda: came(1))
        [long] = await modem.texts()
        assert isinstance(long.what, Arrived) and long.what.body == "".join(halves)
        await modem.delete_text(long.place)

        async def progress(done: int, parts: int) -> None:
            raise AssertionError("ModemManager sends a message whole")

        body = "水位上涨，请撤离。" * 20
        sent = await modem.send_text(TextOut("t1", "+8613900000000", body), progress)
        assert "".join(one.text for one in fake.texts.sent) == body and len(fake.texts.sent) > 1
        assert {one.to for one in fake.texts.sent} == {"+8613900000000"}

        # What the network says became of it; the message itself stays no burden.
        async def told() -> bool:
            return any(isinstance(one.what, Report) for one in await modem.texts())

        await until(changes, told)
        reports = [one.what for one in await modem.texts() if isinstance(one.what, Report)]
        assert all(report.delivered for report in reports)
        assert set(sent.references) & {report.reference for report in reports}

        fake.texts.refuses = 1
        with pytest.raises(PeerError) as refused:
            await modem.send_text(TextOut("t2", "+8613900000000", "no"), progress)
        assert refused.value.code == "text-refused"


async def test_calls_both_ways(tmp_path: Path) -> None:
    async with a_manager(tmp_path / "mm") as stage, following(stage) as manager:
        fake = FakeModem(EG25)
        modem = ManagerModem(manager, "")
        changes = with_changes(modem)
        await stage.plug(fake)
        await opened(modem)
        await registered(modem, changes)

        async def phase(wanted: CallPhase) -> bool:
            return wanted in [call.phase for call in await modem.calls()]

        await modem.dial("13900000000")
        assert [call.number for call in fake.calls] == ["13900000000"]
        fake.far_answers()
        await until(changes, lambda: phase(CallPhase.ACTIVE))
        await modem.hang_up()
        assert not fake.calls

        fake.ring("+8613911112222")
        await until(changes, lambda: phase(CallPhase.RINGING))
        [call] = [call for call in await modem.calls() if call.phase is CallPhase.RINGING]
        assert call.incoming and call.number == "+8613911112222"
        await modem.answer()
        assert [one.stat for one in fake.calls] == [0]


async def test_a_card_that_is_missing_or_locked(tmp_path: Path) -> None:
    async with a_manager(tmp_path / "mm") as stage, following(stage) as manager:
        without = FakeModem(EG25, sim=FakeSim(present=False))
        modem = ManagerModem(manager, "")
        await stage.plug(without)
        await opened(modem)
        assert (await modem.sim()).state is SimState.ABSENT
        await modem.close()
    async with a_manager(tmp_path / "mm2") as stage, following(stage) as manager:
        locked = FakeModem(EG25, sim=FakeSim(pin="4711"))
        modem = ManagerModem(manager, "")
        changes = with_changes(modem)
        await stage.plug(locked)
        await opened(modem)
        assert (await modem.sim()).state is SimState.PIN
        await modem.registration()
        assert "pin" not in locked.history, "a PIN was guessed"
        with pytest.raises(PeerError) as refused:
            await modem.enter_pin(Secret("0000"))
        assert refused.value.code == "sim-pin-wrong" and locked.sim.tries == 2
        await modem.enter_pin(Secret("4711"))
        assert (await modem.sim()).state is SimState.READY
        await registered(modem, changes)


async def doctor(stage: Stage, backend: str) -> dict[str, Finding]:
    modems = {"lte0": OneModem.model_validate({"port": "usb:9-1:2", "backend": backend})}
    found = await manager_check.checks(modems, make_bus=lambda: Bus(stage.address, lambda signal: None))
    return {one.check: one for one in found}


async def test_polkit_that_refuses(tmp_path: Path) -> None:
    async with a_manager(tmp_path / "mm") as stage, following(stage) as manager:
        assert (await doctor(stage, "modemmanager"))["modem.manager.rights"].grade is not Grade.FAIL
        await stage.polkit(allows=False)
        told = await doctor(stage, "modemmanager")
        assert told["modem.manager"].grade is Grade.OK
        assert told["modem.manager.rights"].code == "mm-not-allowed"
        assert told["modem.lte0.owner"].code == "modem-absent"
        modem = ManagerModem(manager, "")
        await stage.plug(FakeModem(EG25))
        with pytest.raises(Denied) as refused:
            await opened(modem)
        assert refused.value.code == "mm-not-allowed"
        await stage.polkit(allows=True)
        await opened(modem)
        assert modem.features.texts


async def test_a_manager_that_is_not_there_comes_and_is_started_anew(tmp_path: Path) -> None:
    async with a_bus(tmp_path / "mm") as stage, following(stage) as manager:
        modem = ManagerModem(manager, "")
        with pytest.raises(LinkDown) as absent:
            await modem.open()
        assert absent.value.code == "mm-absent"
        told = await doctor(stage, "modemmanager")
        assert told["modem.manager"].code == "mm-absent"
        assert (await doctor(stage, "at"))["modem.manager"].grade is Grade.OK
        await stage.polkit()
        await stage.manager()
        await stage.plug(FakeModem(EG25))
        await opened(modem)

        gone = asyncio.create_task(modem.gone())
        await stage.stop("ModemManager")
        async with asyncio.timeout(PATIENCE_S):
            await gone
        with pytest.raises(LinkDown) as lost:
            await modem.registration()
        assert lost.value.code == "mm-absent"
        await stage.manager()
        await stage.plug(FakeModem(EG25))
        await opened(modem)
        assert (await modem.sim()).state is SimState.READY


async def test_the_rules_say_why_and_go_on_by_themselves(tmp_path: Path) -> None:
    """The whole bearer on ModemManager: absent with its reason, then refused, then up, with nobody touching it."""
    told: asyncio.Queue[BearerFacts] = asyncio.Queue()

    class Seat:
        name = "lte0"

        def tell(self, facts: BearerFacts) -> None:
            told.put_nowait(facts)

    async def comes(phase: LinkPhase, code: str = "") -> BearerFacts:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                facts = await told.get()
                if (facts.phase, facts.code) == (phase, code):
                    return facts

    async with a_bus(tmp_path / "mm") as stage, following(stage) as manager:
        modem = ManagerModem(manager, "")
        wishes = Wishes(apn="cmnet", poll_s=0.5)
        bearer = Bearer("lte0", modem, Seat(), wishes, PinKeeper("lte0", NO_WORD, tmp_path), lambda *words: None)
        running = asyncio.create_task(bearer.run())
        await comes(LinkPhase.ABSENT, "mm-absent")
        await stage.polkit(allows=False)
        await stage.manager()
        await stage.plug(FakeModem(EG25), plugin="quectel", ports=2)
        await comes(LinkPhase.DOWN, "mm-not-allowed")
        await stage.polkit(allows=True)
        facts = await comes(LinkPhase.UP)
        assert facts.interface and facts.device == "Quectel EG25"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
