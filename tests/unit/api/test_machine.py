"""The doctor's questions to the machine: each trouble is graded and coded."""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections import namedtuple
from pathlib import Path

import pytest

from gateway.api import machine
from gateway.model.doctor import Finding, Grade
from gateway.model.reason import REASONS

Usage = namedtuple("Usage", "total used free")


def graded(finding: Finding) -> tuple[Grade, str]:
    return finding.grade, finding.code


def test_this_machine_is_asked_everything(tmp_path: Path) -> None:
    found = machine.checks(tmp_path / "not" / "made" / "yet")
    assert len({one.check for one in found}) == len(found) >= 8
    for one in found:
        assert one.measured
        assert (one.code in REASONS) == (one.grade in (Grade.WARN, Grade.FAIL)), one


@pytest.mark.parametrize(
    ("free", "expected"),
    [(50_000_000, (Grade.FAIL, "disk-full")), (500_000_000, (Grade.WARN, "disk-low")), (10**10, (Grade.OK, ""))],
)
def test_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, expected: tuple[Grade, str]) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**11, 0, free))
    assert graded(machine.disk(tmp_path)) == expected


def test_a_state_directory_that_can_not_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert graded(machine.disk(tmp_path)) == (Grade.FAIL, "state-dir")


@pytest.mark.parametrize(
    ("now", "synchronised", "expected"),
    [
        (1000.0, True, (Grade.FAIL, "clock-unsynced")),
        (1_900_000_000.0, False, (Grade.WARN, "clock-unsynced")),
        (1_900_000_000.0, True, (Grade.OK, "")),
        (1_900_000_000.0, None, (Grade.OK, "")),
    ],
)
def test_clock(
    monkeypatch: pytest.MonkeyPatch, now: float, synchronised: bool | None, expected: tuple[Grade, str]
) -> None:
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(machine, "_kernel_clock_synchronised", lambda: synchronised)
    assert graded(machine.clock()) == expected


def test_the_kernel_says_whether_the_clock_is_synchronised() -> None:
    assert machine._kernel_clock_synchronised() in (True, False, None)


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "own_addresses", lambda: ["127.0.0.1"])
    assert graded(machine.addresses()) == (Grade.WARN, "no-address")


def test_processor_memory_and_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/cpuinfo": "Features : fp asimd aes pmull\n",
        "/proc/meminfo": "MemAvailable: 100000 kB\n",
        "/proc/sys/net/core/rmem_max": "212992\n",
    }
    monkeypatch.setattr(machine, "_read", lambda file: files[file])
    assert machine.processor().measured.endswith("aes pmull")
    assert graded(machine.memory()) == (Grade.WARN, "memory-low")
    assert graded(machine.socket_buffers()) == (Grade.WARN, "small-buffers")
    files["/proc/cpuinfo"] = "flags : sse2\n"
    assert graded(machine.processor()) == (Grade.WARN, "slow-crypto")


def test_few_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 512))
    assert graded(machine.open_files()) == (Grade.WARN, "few-files")
