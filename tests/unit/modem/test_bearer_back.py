"""How a bearer comes back: without doing harm on the way, and without waiting when the modem is well again."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.modem import bearer
from gateway.model.link import LinkPhase
from tests.fakes.loop import by_hand
from tests.fakes.modem import FakeModem
from tests.fakes.modem.port import Asked, AtError
from tests.unit.modem.rig import bearer_rig, pass_time


@by_hand
async def test_one_that_starts_slowly_is_not_cut_off_again_and_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    modem = FakeModem()
    modem.boot_s = 60.0
    async with bearer_rig(monkeypatch, tmp_path, modem) as rig:
        await rig.until(LinkPhase.UP)
        modem.hang("power")
        await pass_time(10)
        await rig.until(LinkPhase.UP, within_s=120)
        assert modem.history.count("power") == 1


@pytest.mark.parametrize("code", [14, 777], ids=["card busy for ever", "an error for ever"])
@by_hand
async def test_stuck_though_it_answers(code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modem = FakeModem()
    good, life = modem.handlers["+CPIN"], modem.life

    def stuck(modem: FakeModem, asked: Asked) -> list[str]:
        if modem.life == life:
            raise AtError("CME", code)
        return good(modem, asked)

    modem.handlers["+CPIN"] = stuck
    async with bearer_rig(monkeypatch, tmp_path, modem) as rig:
        await pass_time(60)
        assert rig.steps() == [], "it is given time"
        await rig.until(LinkPhase.UP, within_s=300)
        assert rig.steps() == ["reopen", "radio", "reset"]


@by_hand
async def test_well_again_within_the_long_pause(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The pause before a further round may be ten minutes: whoever mends it does not wait for that."""
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.modem.faults.lost = 1.0
        while rig.line.opened < 12:
            await pass_time(10)
        await pass_time(60)
        assert rig.facts.phase is LinkPhase.RECOVERING and rig.facts.step
        rig.modem.faults.lost = 0.0
        await rig.until(LinkPhase.UP, within_s=15)


@by_hand
async def test_no_contract_is_no_reason_to_reset_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The card's data ran out: its short messages go on."""
    monkeypatch.setattr(bearer, "RETRY_SESSION_S", (5.0, 15.0, 30.0))
    async with bearer_rig(monkeypatch, tmp_path, apn="cmnet") as rig:
        await rig.until(LinkPhase.UP)
        rig.modem.net.refuses_data = True
        rig.modem.active.clear()
        rig.modem.netdev = False
        await rig.until(LinkPhase.REGISTERED, "modem-no-plan")
        await pass_time(120)
        assert rig.steps() == [] and rig.seats.ready[-1] == (True, "")
        rig.modem.net.refuses_data = False
        await rig.until(LinkPhase.UP, within_s=40)


@by_hand
async def test_a_call_is_not_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On LTE without voice of its own a call takes the data away: the radio stays on until it has ended."""
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.bearer.recover("link-no-reply")
        await pass_time(5)
        rig.modem.ring("+8613900001111")
        rig.bearer.recover("link-no-reply")
        await pass_time(20)
        assert rig.steps() == ["retry"] and rig.modem.calls
        rig.modem.far_hangs_up()
        await pass_time(10)
        assert rig.steps() == ["retry", "radio"]
        rig.modem.ring("+8613900001111")  # and stands in its list for ever
        monkeypatch.setattr(bearer, "HOLD_S", 20.0)
        rig.bearer.recover("link-no-reply")
        await pass_time(30)
        assert rig.steps() == ["retry", "radio", "reset"]


@by_hand
async def test_each_trouble_waits_for_a_call_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that ended by itself while a call went on has not used up the patience of the next."""
    monkeypatch.setattr(bearer, "HOLD_S", 120.0)
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.modem.ring("+8613900001111")
        for _ in range(2):
            rig.modem.net.stat = 2
            await rig.until(LinkPhase.SEARCHING, "modem-searching")
            await pass_time(rig.bearer._wishes.patience_s + 20)
            assert rig.steps() == [] and rig.modem.calls
            rig.modem.net.stat = 1
            await rig.until(LinkPhase.UP, within_s=120)
            await pass_time(120)


@by_hand
async def test_a_message_that_is_going_out_is_not_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.bearer.recover("link-no-reply")
        await pass_time(5)
        monkeypatch.setattr(rig.carrier, "_going", 1)
        rig.bearer.recover("link-no-reply")
        await pass_time(30)
        assert rig.steps() == ["retry"]
        monkeypatch.setattr(rig.carrier, "_going", 0)
        await pass_time(10)
        assert rig.steps() == ["retry", "radio"]


@by_hand
async def test_a_flood_of_words_unasked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        before = rig.line.heard.count("AT+CPIN?")
        for _ in range(100):
            rig.modem.urc("+CREG: 1")
            rig.modem.urc('+CMTI: "ME",1')
            await pass_time(0.05)
        assert rig.facts.phase is LinkPhase.UP
        assert rig.line.heard.count("AT+CPIN?") - before <= 5 / 0.3 + 1


@by_hand
async def test_no_right_to_open_the_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No power is cut for that."""
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.line.denied = True
        rig.line.unplug()
        await rig.until(LinkPhase.ABSENT, "serial-denied")
        await pass_time(120)
        assert rig.steps() == [] and rig.now == (LinkPhase.ABSENT, "serial-denied")
        rig.line.denied = False
        rig.line.plug()
        await rig.until(LinkPhase.UP)


@by_hand
async def test_a_radio_that_did_not_come_on_is_switched_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The answer to the second half of the step is lost."""
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.bearer.recover("link-no-reply")
        await pass_time(5)
        rig.bearer.recover("link-no-reply")
        while "cfun" not in " ".join(rig.modem.history) and rig.modem.fun == 1:
            await pass_time(0.25)
        rig.modem.faults.lost = 1.0
        await pass_time(14)
        rig.modem.faults.lost = 0.0
        await rig.until(LinkPhase.UP, within_s=60)
        assert rig.modem.fun == 1
