"""What is acknowledged is on the disk before: seen from outside, by the kernel's record of system calls.

A power cut can not be made here; that the log is written and synced before the word goes out is what a cut relies on.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.programs import need

ROOT = Path(__file__).parents[3]
COUNT = 12


@pytest.mark.peer
@pytest.mark.parametrize("role", ["kit", "center"])
def test_nothing_is_told_before_its_log_is_synced(tmp_path: Path, role: str) -> None:
    need("strace")
    record = tmp_path / "calls"
    watched = "fsync,fdatasync,write,pwrite64,writev"
    command = ["strace", "-f", "-y", "-e", f"trace={watched}", "-s", "64", "-o", str(record)]
    command += [sys.executable, "-m", "tests.unit.store.synced", str(tmp_path / "state"), role, str(COUNT)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120, stdout=subprocess.DEVNULL)
    told = written = 0
    unsynced = False
    for line in record.read_text(errors="replace").splitlines():
        if re.search(r"\b(pwrite64|write|writev)\(\d+<[^>]*state\.db-wal>", line):
            unsynced, written = True, written + 1
        elif re.search(r"\b(fsync|fdatasync)\(\d+<[^>]*state\.db-wal>\) += 0", line):
            unsynced = False
        elif re.search(r"<\.\.\. (fsync|fdatasync) resumed>\) += 0", line):
            unsynced = False  # another thread spoke meanwhile; only the log is synced while it runs
        elif (found := re.search(r'write\(1<[^>]*>, "told (\d+)', line)) is not None:
            assert int(found[1]) == told and written, line
            assert not unsynced, f"{line}: its log had not been synced"
            told, written = told + 1, 0
    assert told == COUNT
