"""tests/conftest.py and tests/turns.py, as pytest runs them: in one process, and with workers beside each other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LATE = """
import pytest, time
from pathlib import Path

WITHIN = Path(__file__).parent / "within"

@pytest.mark.parametrize("number", range(6))
def test_others(number):
    mark = WITHIN / str(number)
    mark.touch()
    time.sleep(0.2)  # so that another worker finds it within
    mark.unlink()

def test_late():
    mark = WITHIN.parent / "tried"
    if not mark.exists():
        mark.touch()
        raise AssertionError("late")
    assert not list(WITHIN.iterdir()), "the second try is alone"

@pytest.mark.parametrize("number", range(6, 12))
def test_more(number):
    test_others(number)

def test_broken():
    raise AssertionError("never works")
"""
UNIT = """
from pathlib import Path

def test_unit():
    tries = Path(__file__).with_name("tries")
    with tries.open("a") as file:
        file.write("x")
    raise AssertionError("units are tried once")
"""


@pytest.mark.parametrize("workers", [[], ["-n", "3", "--dist", "load", "--maxschedchunk", "1"]])
def test_what_fails_is_tried_again_alone_and_it_is_said(tmp_path: Path, workers: list[str]) -> None:
    tests = tmp_path / "tests"
    for folder, text in (("peers", LATE), ("unit", UNIT)):
        (tests / folder).mkdir(parents=True)
        (tests / folder / "__init__.py").touch()
        (tests / folder / f"test_{folder}.py").write_text(text)
    (tests / "peers" / "within").mkdir()
    for name in ("__init__.py", "conftest.py", "turns.py"):
        shutil.copy(TESTS / name, tests / name)
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), *workers]
    done = subprocess.run([*run, "tests"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    told = done.stdout
    assert done.returncode == 1 and "2 failed, 13 passed" in told, told + done.stderr
    assert told.count("tried a second time: tests/peers/test_peers.py::test_late\n") == 1, told
    assert told.count("tried a second time: tests/peers/test_peers.py::test_broken\n") == 1, told
    assert told.count("    at first: call: test_peers.py:") == 2 and "AssertionError: late (tests/" in told, told
    assert told.count("tried a second time") == 2 and "FAILED tests/peers/test_peers.py::test_broken" in told
    assert (tests / "unit" / "tries").read_text() == "x"
