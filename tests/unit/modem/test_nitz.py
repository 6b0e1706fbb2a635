"""The network's time, and none that is a modem's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.modem.nitz import KEPT_S, Reported, latest, moment
from gateway.model.link import LinkPhase
from tests.fakes.loop import by_hand
from tests.fakes.modem import SIM7600, FakeModem
from tests.unit.modem.rig import bearer_rig, pass_time

AT = 1796019330.0  # 2026-11-30 06:15:30 UTC


@pytest.mark.parametrize(
    "told",
    [
        "",
        "1980/01/06,00:00:00",
        "80/01/06,00:00:00",
        "2026/13/30,06:15:30",
        "2026/11/30",
        "2026/11/30,25:00:00",
        "x" * 99,
    ],
)
def test_what_is_no_time(told: str) -> None:
    assert moment(told) is None and latest([f'+QLTS: "{told}"']) is None and latest([]) is None


def test_both_words() -> None:
    assert latest(['+QLTS: "2026/11/30,06:15:30+32,0"']) == AT, "universal already"
    assert moment("26/11/30,14:15:30", 32) == AT
    for line in ('+CTZE: "+32",0,"2026/11/30,14:15:30"', '+CTZEU: "+32",0,"2026/11/30,06:15:30"'):
        told = Reported()
        assert told.time(5.0) is None and told.heard(line, 10.0)
        assert told.time(70.0) == AT + 60 and told.time(11.0 + KEPT_S) is None
    for line in ('+CTZV: +32,"26/11/30,14:15:30"', "+CTZE: +32,0", '+CTZE: "+99",0,"2026/11/30,14:15:30"', "RING", ""):
        assert not Reported().heard(line, 0.0)


@by_hand
async def test_of_the_modem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with bearer_rig(monkeypatch, tmp_path) as rig:
        await rig.until(LinkPhase.UP)
        assert rig.bearer.registered and await rig.bearer.modem.network_time() == AT
        rig.modem.net.time = ""
        assert await rig.bearer.modem.network_time() is None
    async with bearer_rig(monkeypatch, tmp_path, FakeModem(SIM7600)) as rig:
        await rig.until(LinkPhase.UP)
        assert await rig.bearer.modem.network_time() is None, "its own clock is nobody's word"
        rig.modem.urc('+CTZE: "+32",0,"2026/11/30,14:15:30"')
        await pass_time(1)
        told = await rig.bearer.modem.network_time()
        assert told is not None and AT < told < AT + 1.5
