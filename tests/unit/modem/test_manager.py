"""ModemManager's properties, names and errors as values: no bus, no loop."""

from __future__ import annotations

import pytest

from adapters.modem import manager_facts as facts
from adapters.modem import manager_words as mm
from adapters.modem.face import RegState, Report, SimState
from adapters.modem.manager_find import find
from adapters.modem.manager_tree import LISTED, MODEMS, Thing, Tree
from gateway.model.reason import REASONS
from gateway.model.texts import Arrived

MODEM = "/org/freedesktop/ModemManager1/Modem/0"
SIM = "/org/freedesktop/ModemManager1/SIM/0"


def modem(**values: object) -> Thing:
    return Thing(MODEM, {mm.MODEM: {"State": 8, "UnlockRequired": 1, "Sim": SIM, **values}})


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, SimState.READY),
        ({"Sim": "/"}, SimState.ABSENT),
        ({"State": -1, "StateFailedReason": 2}, SimState.ABSENT),
        ({"State": -1, "StateFailedReason": 3}, SimState.FAILED),
        ({"State": 2, "UnlockRequired": 2}, SimState.PIN),
        ({"State": 2, "UnlockRequired": 4}, SimState.PUK),
        ({"State": 2, "UnlockRequired": 8}, SimState.FAILED),  # bound to a network
        ({"State": 8, "UnlockRequired": 3}, SimState.READY),  # PIN2 stops nothing
        ({"State": 1, "UnlockRequired": 0}, SimState.BUSY),
        ({"State": "odd", "UnlockRequired": None}, SimState.BUSY),
    ],
)
def test_the_card(values: dict[str, object], wanted: SimState) -> None:
    assert facts.sim_state(modem(**values)) is wanted


@pytest.mark.parametrize(
    ("told", "state", "wanted"),
    [
        (1, 8, RegState.HOME),
        (5, 8, RegState.ROAMING),
        (6, 8, RegState.HOME),
        (3, 6, RegState.DENIED),
        (8, 6, RegState.DENIED),
        (0, 7, RegState.SEARCHING),
        (0, 6, RegState.IDLE),
        (99, 6, RegState.UNKNOWN),
    ],
)
def test_registration(told: int, state: int, wanted: RegState) -> None:
    thing = modem(State=state, AccessTechnologies=0x4000)
    thing.merge(mm.GPP, {"RegistrationState": told, "OperatorCode": "46000"})
    assert facts.registration(thing).state is wanted


def test_signal_of_5g_beside_lte_and_of_nothing_measured() -> None:
    thing = modem(AccessTechnologies=0xC000, SignalQuality=[77, True])
    thing.merge(mm.SIGNAL, {"Nr5g": {"rsrp": -101.0, "rsrq": -11.0, "snr": 12.5}, "Lte": {"rsrp": -90.0}})
    thing.merge(mm.LOCATION, {"Location": {1: "460,00,0000,00C0FFEE,1A2B"}})
    signal = facts.signal(thing)
    assert (signal.technology, signal.rsrp_dbm, signal.sinr_db, signal.bars) == ("nr-nsa", -101.0, 12.5, 4)
    assert signal.cell == "C0FFEE"
    thing.merge(mm.SIGNAL, {"Nr5g": {"rsrp": -32768.0, "rsrq": float("nan")}, "Lte": {}})
    assert facts.signal(thing).rsrp_dbm is None


def test_a_fix_has_the_day_that_is_nearest_and_a_place_on_earth() -> None:
    thing = modem()
    now = 1_796_083_190.0  # ten seconds before midnight, UTC
    now -= now % 86400
    now += 86390
    thing.merge(mm.LOCATION, {"Location": {2: {"utc-time": "000005.00", "latitude": 31.2, "longitude": 121.5}}})
    found = facts.fix(thing, now)
    assert found is not None and found.taken_at - now == 15
    thing.merge(mm.LOCATION, {"Location": {2: {"utc-time": "x", "latitude": 131.2, "longitude": 121.5}}})
    assert facts.fix(thing, now) is None


def test_messages() -> None:
    held = {"PduType": 1, "State": 3, "Number": "10086", "Text": "您好", "Timestamp": "2026-11-30T16:00:00+08"}
    found = facts.stored(Thing("/s", {mm.SMS: dict(held)}))
    assert found is not None and isinstance(found.what, Arrived)
    assert (found.what.body, found.what.sent_at) == ("您好", 1_796_025_600.0)
    assert facts.stored(Thing("/s", {mm.SMS: held | {"State": 2}})) is None  # not whole
    assert facts.stored(Thing("/s", {mm.SMS: held | {"PduType": 2}})) is None  # ours
    binary = facts.stored(Thing("/s", {mm.SMS: held | {"Text": "", "Data": [1, 2]}}))
    assert binary is not None and binary.what is None
    for status, delivered, final in ((0, True, True), (0x30, False, False), (0x41, False, True), (0x100, False, True)):
        report = facts.stored(Thing("/s", {mm.SMS: {"PduType": 3, "State": 3, "DeliveryState": status}}))
        assert report is not None and isinstance(report.what, Report)
        assert (report.what.delivered, report.what.final) == (delivered, final)


@pytest.mark.parametrize("stamp", ["", "yesterday", "9999-99-99T99:99:99+99", "0001-01-01T00:00:00+14", "2026-11-30T"])
def test_odd_times_are_none_or_some(stamp: str) -> None:
    facts.moment(stamp)


def test_the_tree_asks_for_parts_once_and_forgets_them_with_their_modem() -> None:
    tree = Tree()
    tree.replace({MODEM: {mm.MODEM: {"Sim": SIM, "Bearers": ["/b/0"]}}, "/other": {"org.x": {}}})
    assert [thing.path for thing in tree.modems()] == [MODEM]
    assert sorted(tree.missing()) == [("/b/0", mm.BEARER), (SIM, mm.SIM)]
    tree.learn(SIM, mm.SIM, {"Imsi": "1"})
    tree.learn("/b/0", mm.BEARER, {})  # gone meanwhile
    assert list(tree.missing()) == []
    assert tree.change(SIM, mm.SIM, {"Imsi": "2"}) and not tree.change(SIM, mm.SIM, {"Imsi": "2"})
    owner = tree.owner(SIM)
    assert owner is not None and owner.path == MODEM
    tree.change(MODEM, mm.MODEM, {"Sim": "/"})
    assert tree.part(SIM) is None
    tree.remove(MODEM, [mm.MODEM])
    assert tree.modems() == [] and tree.part("/b/0") is None


def test_the_tree_is_bounded() -> None:
    tree = Tree()
    for number in range(MODEMS + 3):
        tree.add(f"/m/{number}", {mm.MODEM: {}})
    assert len(tree.modems()) == MODEMS and tree.left_out == 3
    tree.change("/m/0", mm.MODEM, {"Bearers": [f"/b/{n}" for n in range(LISTED * 2)]})
    assert len(list(tree.missing())) == LISTED


def test_which_modem_is_meant() -> None:
    one = modem(Device="/sys/devices/pci0000:00/usb1/1-2", EquipmentIdentifier="8675", Ports=[["ttyUSB2", 3]])
    two = modem(Device="/sys/devices/pci0000:00/usb1/1-3", EquipmentIdentifier="8676", Ports=[["ttyUSB6", 3]])
    for address in ("1-2", "usb:1-2:2", "8675", "/dev/ttyUSB2", "/sys/devices/pci0000:00/usb1/1-2"):
        assert find([two, one], address) is one
    assert find([two, one], "/dev/serial/by-path/x", "/dev/ttyUSB6") is two
    assert find([two, one], "") is None and find([two], "") is two
    assert find([two, one], "1-1") is None


def test_errors_have_words() -> None:
    for code in mm._ERRORS.values():
        assert code in REASONS, code
    assert mm.error_code("org.freedesktop.ModemManager1.Error.Core.Unauthorized") == "mm-not-allowed"
    assert mm.error_code("org.freedesktop.ModemManager1.Error.Core.Failed", "PolicyKit: no") == "mm-not-allowed"
    assert mm.error_code("org.freedesktop.ModemManager1.Error.Core.Failed", "x") == "mm-failed"
