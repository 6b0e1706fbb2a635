"""One modem as a bearer, with the AT backend and the fake modem: what may be wrong with it, each with its reason."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway.model.link import LinkPhase
from tests.fakes.loop import by_hand
from tests.fakes.modem import CHIPS, RM500Q, Chip, FakeModem, FakeSim
from tests.fakes.modem.port import Asked, AtError
from tests.unit.modem.rig import bearer_rig, pass_time

BACK_WITHIN_S = 60.0


@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
@by_hand
async def test_up_with_its_reception(chip: Chip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path, FakeModem(chip)) as rig:
        await rig.until(LinkPhase.UP)
        signal, net = rig.facts.signal, rig.modem.net
        assert (signal.rsrp_dbm, signal.rsrq_db, signal.sinr_db) == (net.rsrp, net.rsrq, net.sinr)
        wanted = {"lte": "lte", "nsa": "nr-nsa", "sa": "nr-sa"}[chip.technology]
        assert signal.technology == wanted and signal.operator == "中国移动" and signal.bars == 4
        assert rig.facts.interface == "wwan0" and rig.facts.roaming is False and chip.model in rig.facts.device
        assert signal.band in ("B3", "n3", "n78", "") and signal.cell in ("C0FFEE", "")
        assert rig.seats.ready[-1] == (True, "")


@by_hand
async def test_whatever_comes_between(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Cut anywhere, lines unasked within all answers, echo late, noise: it is up, and stays."""
    modem = FakeModem(RM500Q)
    modem.faults.cut, modem.faults.urc, modem.faults.late_echo, modem.faults.noise = (1, 7), 0.5, 0.5, 0.2
    modem.faults.urcs = ('+QIND: "csq",{n}', "^RSSI: {n}", "+CREG: 1", '+CEREG: 1,"1A2B","C0FFEE",7')
    async with bearer_rig(monkeypatch, tmp_path, modem) as rig:
        await rig.until(LinkPhase.UP)
        await pass_time(60)
        assert {facts.phase for facts in rig.seats.told} == {LinkPhase.CONNECTING, LinkPhase.UP}


@pytest.mark.parametrize(
    ("sim", "phase", "code"),
    [
        (FakeSim(present=False), LinkPhase.ABSENT, "sim-absent"),
        (FakeSim(failed=True), LinkPhase.LOCKED, "sim-failed"),
        (FakeSim(pin="1234"), LinkPhase.LOCKED, "sim-pin"),
        (FakeSim(pin="1234", tries=0), LinkPhase.LOCKED, "sim-puk"),
    ],
)
@by_hand
async def test_the_card(
    sim: FakeSim, phase: LinkPhase, code: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with bearer_rig(monkeypatch, tmp_path, FakeModem(sim=sim)) as rig:
        await rig.until(phase, code)
        await pass_time(600)
        assert rig.now == (phase, code) and "pin" not in rig.modem.history and rig.seats.ready[-1] == (False, code)
        assert rig.steps() == []  # no step of the ladder puts a card in
        rig.modem.put_sim(FakeSim())
        await rig.until(LinkPhase.UP, within_s=10)
        rig.modem.pull_sim()
        await rig.until(LinkPhase.ABSENT, "sim-absent", within_s=10)


@by_hand
async def test_the_pin_is_entered_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modem = FakeModem(sim=FakeSim(pin="4321"))
    async with bearer_rig(monkeypatch, tmp_path, modem, pin="4321") as rig:
        await rig.until(LinkPhase.UP)
    assert modem.history.count("pin") == 1


@by_hand
async def test_a_wrong_pin_is_never_entered_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not after a restart of the gateway, not after one of the modem, not when it is plugged in again."""
    modem = FakeModem(sim=FakeSim(pin="1111"))
    for _ in range(3):
        async with bearer_rig(monkeypatch, tmp_path, modem, pin="2222") as rig:
            await rig.until(LinkPhase.LOCKED, "sim-pin-wrong")
            rig.line.unplug()
            await pass_time(20)
            rig.line.plug()
            await pass_time(60)
            assert rig.now == (LinkPhase.LOCKED, "sim-pin-wrong")
    assert modem.history.count("pin") == 1 and modem.sim.tries == 2
    async with bearer_rig(monkeypatch, tmp_path, modem, pin="1111") as rig:
        await rig.until(LinkPhase.UP)
    assert "2222" not in caplog.text and "1111" not in caplog.text


@by_hand
async def test_the_last_try_is_a_persons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modem = FakeModem(sim=FakeSim(pin="1111", tries=1))
    async with bearer_rig(monkeypatch, tmp_path, modem, pin="1111") as rig:
        await rig.until(LinkPhase.LOCKED, "sim-pin-last")
        assert "pin" not in modem.history


@by_hand
async def test_roaming_where_it_is_not_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modem = FakeModem()
    modem.net.stat, modem.net.plmn = 5, "45412"
    async with bearer_rig(monkeypatch, tmp_path, modem) as rig:
        await rig.until(LinkPhase.OFF, "roaming-denied")
        await pass_time(120)
        assert not modem.active and rig.facts.roaming is True and rig.now == (LinkPhase.OFF, "roaming-denied")
        modem.net.stat = 1
        await rig.until(LinkPhase.UP)
        modem.net.stat = 5
        modem.net_urc()
        await rig.until(LinkPhase.OFF, "roaming-denied", within_s=10)
        assert not modem.active, "the session that stood has ended"
    async with bearer_rig(monkeypatch, tmp_path, FakeModem(), roaming=True) as rig:
        rig.modem.net.stat = 5
        await rig.until(LinkPhase.UP)
        assert rig.facts.roaming is True


@by_hand
async def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modem = FakeModem()
    modem.net.stat = 2
    async with bearer_rig(monkeypatch, tmp_path, modem, patience="60s") as rig:
        await rig.until(LinkPhase.SEARCHING, "modem-searching")
        await pass_time(50)
        assert rig.steps() == []
        await pass_time(30)
        assert rig.steps() == ["radio"]
        modem.net.stat = 3
        modem.net_urc()
        await rig.until(LinkPhase.SEARCHING, "modem-denied")


@pytest.mark.parametrize(("stat", "apn", "code"), [(1, "", "modem-no-apn"), (1, "cmnet", "modem-no-plan")])
@by_hand
async def test_a_session_that_is_refused(
    stat: int, apn: str, code: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    modem = FakeModem()
    modem.net.refuses_data = True
    async with bearer_rig(monkeypatch, tmp_path, modem, apn=apn) as rig:
        await rig.until(LinkPhase.REGISTERED, code)
        modem.net.refuses_data = False
        await rig.until(LinkPhase.UP)
        assert modem.contexts[1][1] == apn


@pytest.mark.parametrize("model", ["EC25", "RM500U-CN", "FM150-AE", "ME909s-821"])
@by_hand
async def test_a_context_that_lte_has_by_itself_is_no_session(
    model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """+CGACT says 1 as soon as it is registered, and this machine's interface has nothing before it is asked for."""
    modem = FakeModem(CHIPS[model])
    modem.net.default_bearer = True
    async with bearer_rig(monkeypatch, tmp_path, modem) as rig:
        await rig.until(LinkPhase.UP)
        assert modem.netdev
        modem.netdev = False  # the network ended it
        await pass_time(10)
        assert modem.netdev and rig.steps() == [] and rig.facts.phase is LinkPhase.UP


@pytest.mark.parametrize("heals", ["reopen", "radio", "reset", "power"])
@by_hand
async def test_a_hung_modem_is_brought_back(
    heals: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "adapters.modem")
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.modem.hang(heals)
        await pass_time(0.3)
        took = 0.0
        if rig.facts.phase is LinkPhase.UP:
            took += await rig.until(LinkPhase.RECOVERING, "modem-recovering", within_s=30)
        took += await rig.until(LinkPhase.UP, within_s=BACK_WITHIN_S)
        assert took < BACK_WITHIN_S and rig.modem.hung == "" and heals in rig.steps(), (took, rig.steps())
        counts = {one.step: one.count for one in rig.facts.recoveries}
        assert all(counts[step] >= 1 for step in rig.steps())
        for step in rig.steps():
            assert f" {step}, round 1" in caplog.text


@by_hand
async def test_ok_and_no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The probes say so; each time the next step is taken, and the ladder begins anew after a long good time."""
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        for steps in (["retry"], ["retry", "radio"], ["retry", "radio", "reset"], ["retry", "radio", "reset", "power"]):
            rig.bearer.recover("link-no-reply")
            await pass_time(1)
            await rig.until(LinkPhase.UP)
            assert rig.steps() == steps
        await pass_time(700)
        rig.bearer.recover("link-no-reply")
        await pass_time(1)
        await rig.until(LinkPhase.UP)
        assert rig.steps()[-1] == "retry"


@by_hand
async def test_unplugged_and_held_by_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.line.unplug()
        await rig.until(LinkPhase.ABSENT, "modem-absent", within_s=5)
        assert rig.seats.ready[-1] == (False, "modem-absent")
        rig.line.held_by = "ModemManager (pid 612)"
        await rig.until(LinkPhase.ABSENT, "serial-held", within_s=20)
        assert "ModemManager (pid 612)" in rig.facts.detail
        rig.line.held_by = ""
        rig.line.plug()
        await rig.until(LinkPhase.UP, within_s=20)


@by_hand
async def test_it_restarts_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A brown-out: the port goes within a command, and comes again with echo on."""
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.modem.restart("reset")
        await rig.until(LinkPhase.ABSENT, "modem-absent", within_s=5)
        await rig.until(LinkPhase.UP, within_s=30)
        assert rig.line.opened == 2


@by_hand
async def test_one_lost_answer_costs_no_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        rig.modem.faults.lost = 1.0
        await pass_time(5.2)
        rig.modem.faults.lost = 0.0
        await rig.until(LinkPhase.RECOVERING, "modem-recovering")
        await rig.until(LinkPhase.UP)
        assert rig.steps() == ["retry"] and rig.modem.active and not any("CTL=0" in line for line in rig.line.heard)


@by_hand
async def test_an_answer_that_no_modem_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It goes on: shown, and well again when the modem is."""
    modem = FakeModem()
    good = modem.handlers["+CPIN"]

    def odd(modem: FakeModem, asked: Asked) -> list[str]:
        raise AtError("CME", 777)

    modem.handlers["+CPIN"] = odd
    async with bearer_rig(monkeypatch, tmp_path, modem) as rig:
        await rig.until(LinkPhase.DOWN, "modem-refused")
        modem.handlers["+CPIN"] = good
        await rig.until(LinkPhase.UP)


@by_hand
async def test_the_card_is_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        await pass_time(60)
        assert rig.line.heard.count("AT+CIMI") == 1 and rig.line.heard.count("AT+CPIN?") > 8
        rig.modem.put_sim(FakeSim(imsi="460110000000001"))
        await pass_time(6)
        assert rig.line.heard.count("AT+CIMI") == 2


@by_hand
async def test_what_is_refused_at_the_start_is_asked_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A modem that has just started says ERROR to all; later it knows its network well."""
    modem = FakeModem()
    good = modem.handlers["+CEREG"], modem.handlers["+CREG"]

    def starting(modem: FakeModem, asked: Asked) -> list[str]:
        raise AtError

    modem.handlers["+CEREG"] = modem.handlers["+CREG"] = starting
    async with bearer_rig(monkeypatch, tmp_path, modem) as rig:
        await rig.until(LinkPhase.SEARCHING, "modem-searching")
        modem.handlers["+CEREG"], modem.handlers["+CREG"] = good
        await rig.until(LinkPhase.UP, within_s=15)
        assert rig.steps() == []
    modem.handlers["+C5GREG"] = starting
    async with bearer_rig(monkeypatch, tmp_path, modem) as rig:
        await rig.until(LinkPhase.UP)
        await pass_time(60)
        assert rig.line.heard.count("AT+C5GREG?") == 3, "what it does not know is not asked for ever"
