"""The unit starts what exists, is sandboxed, and systemd itself finds nothing wrong with it."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[3] / "systemd"


def service() -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / "fieldgate.service")
    return parser["Service"]


def test_it_is_watched_and_comes_back() -> None:
    unit = service()
    assert unit["Type"] == "notify"
    assert float(unit["WatchdogSec"]) >= 10
    assert unit["Restart"] == "always"
    assert unit["ExecStart"].split()[1:] == ["run"]


def test_it_waits_for_no_link_and_for_no_clock() -> None:
    text = (UNITS / "fieldgate.service").read_text()
    waits = [line for line in text.splitlines() if line.startswith(("After=", "Wants=", "Requires="))]
    assert waits and not any("time-sync" in line or "online" in line for line in waits)


def test_it_has_no_power_it_does_not_need() -> None:
    unit = service()
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == ""
    assert unit["ProtectSystem"] == "strict"
    assert unit["User"] == "fieldgate"
    assert set(unit["RestrictAddressFamilies"].split()) == {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"}
    for key in ("NoNewPrivileges", "PrivateDevices", "ProtectHome", "MemoryDenyWriteExecute", "RestrictNamespaces"):
        assert unit[key] == "yes", key
    assert unit["MemoryMax"]
    assert unit["UMask"] == "0077"


DROP_INS = sorted((UNITS / "fieldgate.service.d").glob("*.conf"))
WANTED = {
    "links": {"CAP_NET_ADMIN"},
    "modems": {"CAP_NET_ADMIN", "ttyUSB", "ttyACM", "ttyS", "dialout"},
    "mesh-batctl": {"CAP_NET_ADMIN"},
    "listen": {"CAP_NET_RAW"},
    "serial": {"ttyUSB", "ttyACM", "ttyS", "ttyAMA", "dialout"},
    "call-sound": {"alsa", "audio"},
    "serial-radio": {"ttyUSB", "ttyACM", "ttyS", "alsa", "dialout", "audio"},
    "local-capture": {"video4linux", "alsa", "video", "audio"},
    "panel": {"gpiochip", "alsa", "gpio", "audio"},
}
"""What each drop-in gives, and not a thing more: capabilities, kinds of devices, groups."""


@pytest.mark.parametrize("file", DROP_INS, ids=lambda file: file.stem)
def test_a_drop_in_gives_what_its_adapter_needs_and_no_more(file: Path) -> None:
    given: set[str] = set()
    lines = [line.strip() for line in file.read_text().splitlines() if line.strip() and not line.startswith("#")]
    for key, _, value in (line.partition("=") for line in lines if "=" in line):
        match key:
            case "AmbientCapabilities" | "SupplementaryGroups":
                given |= set(value.split())
            case "DeviceAllow":
                given.add(value.removeprefix("char-").removesuffix(" rw"))
    assert given == WANTED[file.stem]
    if caps := {one for one in given if one.startswith("CAP_")}:
        assert f"CapabilityBoundingSet={' '.join(caps)}" in lines, "the unit's own set is empty"
        assert "PrivateUsers=no" in lines, "in a user namespace of its own it would reach nothing"
    if any(line.startswith("DeviceAllow") for line in lines):
        assert {"PrivateDevices=no", "DevicePolicy=closed"} <= set(lines)
    groups = (UNITS / "sysusers.d" / "fieldgate.conf").read_text()
    for line in lines:
        for group in line.removeprefix("SupplementaryGroups=").split() if line.startswith("Supp") else ():
            assert f"g {group} " in groups, "a unit whose group is missing does not start"


def test_every_file_is_in_the_table() -> None:
    table = (UNITS / "README.md").read_text()
    files = [file for file in UNITS.rglob("*") if file.is_file() and file.name != "README.md"]
    assert {file.stem for file in DROP_INS} == set(WANTED)
    for file in files:
        assert f"`{file.relative_to(UNITS)}`" in table, file


def test_the_user_and_folders_exist_for_it() -> None:
    assert "u fieldgate " in (UNITS / "sysusers.d" / "fieldgate.conf").read_text()
    assert "/var/lib/fieldgate 0700 fieldgate" in (UNITS / "tmpfiles.d" / "fieldgate.conf").read_text()


@pytest.mark.peer
def test_systemd_takes_it(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing; the tests above have parsed the unit")
    unit = tmp_path / "fieldgate.service"
    text = (UNITS / "fieldgate.service").read_text().replace("/usr/bin/fieldgate", sys.executable)
    unit.write_text(text)
    shutil.copytree(UNITS / "fieldgate.service.d", tmp_path / "fieldgate.service.d")  # all at once, as nobody has them
    told = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert "fieldgate.service" not in told.stderr, told.stderr
    assert told.returncode == 0, told.stderr
