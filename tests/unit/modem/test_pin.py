"""A PIN is entered once, and again only where the card itself says that it cost no try."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.modem.face import Sim, SimState
from adapters.modem.pin import PinKeeper
from adapters.modem.readings import tries
from gateway.base.errors import Busy, GatewayError, LinkDown, PeerError
from gateway.base.log import Secret
from gateway.model.link import LinkPhase
from tests.fakes.loop import by_hand
from tests.fakes.modem import FM150, FakeModem, FakeSim
from tests.fakes.modem.port import Asked, AtError
from tests.unit.modem.rig import bearer_rig, pass_time


class Card:
    """Answers `enter_pin` as it was told to."""

    def __init__(self, says: Exception | None) -> None:
        self.says = says
        self.entered = 0

    async def enter_pin(self, pin: Secret) -> None:
        self.entered += 1
        if self.says is not None:
            raise self.says


def locked(left: int | None) -> Sim:
    return Sim(SimState.PIN, pin_tries=left)


def keeper(folder: Path, pin: str = "1234") -> PinKeeper:
    return PinKeeper("lte0", Secret(pin), folder)


LOST = [
    LinkDown("gone before it answered", code="serial-lost"),
    PeerError("SIM busy", status="14", code="modem-refused"),
    Busy("in progress", code="busy"),
]


@pytest.mark.parametrize("says", LOST, ids=["lost", "busy card", "busy manager"])
async def test_not_known_what_the_card_said(says: Exception, tmp_path: Path) -> None:
    card = Card(says)
    with pytest.raises(GatewayError):
        await keeper(tmp_path).unlock(card, locked(3))  # type: ignore[arg-type]
    # The card counts three still: it never saw it, or took it and asks again after a restart.
    card.says = None
    assert await keeper(tmp_path).unlock(card, locked(3)) == ""  # type: ignore[arg-type]
    assert card.entered == 2
    card.says = says
    with pytest.raises(GatewayError):
        await keeper(tmp_path).unlock(card, locked(3))  # type: ignore[arg-type]
    # It counts two: it was refused, and the answer lost.
    for left in (2, 3):
        assert await keeper(tmp_path).unlock(card, locked(left)) == "sim-pin-wrong"  # type: ignore[arg-type]
    assert card.entered == 3


async def test_a_card_that_tells_no_number(tmp_path: Path) -> None:
    card = Card(LOST[0])
    with pytest.raises(LinkDown):
        await keeper(tmp_path).unlock(card, locked(None))  # type: ignore[arg-type]
    card.says = None
    for left in (None, 3):
        assert await keeper(tmp_path).unlock(card, locked(left)) == "sim-pin-unsure"  # type: ignore[arg-type]
    assert card.entered == 1
    assert await keeper(tmp_path, "4321").unlock(card, locked(None)) == ""  # type: ignore[arg-type]


async def test_a_mark_of_before_means_refused(tmp_path: Path) -> None:
    card = Card(None)
    kept = keeper(tmp_path)
    (tmp_path / "lte0.pin-tried").write_text(kept._print())
    assert await kept.unlock(card, locked(3)) == "sim-pin-wrong" and card.entered == 0  # type: ignore[arg-type]


async def test_no_room_to_note_it(tmp_path: Path) -> None:
    card = Card(None)
    with pytest.raises(GatewayError, match="not entered"):
        await keeper(tmp_path / "nowhere").unlock(card, locked(3))  # type: ignore[arg-type]
    assert card.entered == 0


def test_tries_left() -> None:
    assert tries(['+QPINC: "P2",1,10', '+QPINC: "SC",3,10']) == 3
    assert tries(["+SPIC: 2,10,0,10"]) == 2
    assert tries(["+CPINR: SIM PUK,10,10", "+CPINR: SIM PIN,1,3"]) == 1
    assert tries(["+CPINR: SIM PIN2,3,3"]) is None and tries(["+CPINR:", "+QPINC: ,"]) is None


@by_hand
async def test_the_last_try_by_the_words_of_3gpp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modem = FakeModem(FM150, sim=FakeSim(pin="1111", tries=1))
    async with bearer_rig(monkeypatch, tmp_path, modem, pin="1111") as rig:
        await rig.until(LinkPhase.LOCKED, "sim-pin-last")
        assert "pin" not in modem.history


@by_hand
async def test_a_card_that_is_busy_at_first_is_unlocked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modem = FakeModem(sim=FakeSim(pin="1111"))
    good = modem.handlers["+CPIN"]
    asked_pins = 0

    def busy(modem: FakeModem, asked: Asked) -> list[str]:
        nonlocal asked_pins
        if asked.op == "=":
            asked_pins += 1
            if asked_pins == 1:
                raise AtError("CME", 14)
        return good(modem, asked)

    modem.handlers["+CPIN"] = busy
    async with bearer_rig(monkeypatch, tmp_path, modem, pin="1111") as rig:
        await rig.until(LinkPhase.UP, within_s=30)
        assert asked_pins == 2


@by_hand
async def test_pin2_stops_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modem = FakeModem()
    good = modem.handlers["+CPIN"]
    modem.handlers["+CPIN"] = lambda modem, asked: ["+CPIN: SIM PIN2"] if asked.op == "?" else good(modem, asked)
    async with bearer_rig(monkeypatch, tmp_path, modem) as rig:
        await rig.until(LinkPhase.UP)
        await pass_time(10)
        assert rig.facts.phase is LinkPhase.UP
