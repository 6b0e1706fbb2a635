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
    told = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert "fieldgate.service" not in told.stderr, told.stderr
