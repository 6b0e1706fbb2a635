"""Worlds do not meet, and leave nothing behind however they end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.emu.program import Unable, missing, skip_unless_able
from tests.emu.world import World

MAKER = """
import sys, time
from tests.emu.world import World
with World() as world:
    world.link("lteA")
    started = world.kit.start("sleep", "1000")
    link = world.kit.links["lteA"].process
    print(started.pid, link.pid, *(node.namespace.split("/")[2] for node in world.nodes.values()), flush=True)
    time.sleep(1000)
"""


def alive(pid: int) -> bool:
    """A process that nobody has waited for yet is dead all the same."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_killed_maker_takes_everything_along() -> None:
    skip_unless_able()
    with subprocess.Popen([sys.executable, "-c", MAKER], stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout
        pids = [int(word) for word in maker.stdout.readline().split()]
        assert len(pids) == 4 and all(map(alive, pids))
        maker.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, pids
        time.sleep(0.02)


def test_two_worlds_have_the_same_names_and_do_not_meet() -> None:
    skip_unless_able()
    with World() as one, World() as other:
        for world in (one, other):
            world.link("lteA")
        assert one.kit.namespace != other.kit.namespace
        shown = [Path(world.kit.namespace).stat().st_ino for world in (one, other)]
        assert shown[0] != shown[1]


def test_a_thread_comes_back_from_a_namespace() -> None:
    skip_unless_able()
    before = Path("/proc/thread-self/ns/net").readlink()
    with World() as world:
        with pytest.raises(KeyError), world.kit.entered():
            assert Path("/proc/thread-self/ns/net").readlink() != before
            raise KeyError
        assert Path("/proc/thread-self/ns/net").readlink() == before


def test_a_command_that_fails_says_where_and_why() -> None:
    skip_unless_able()
    with World() as world, pytest.raises(Unable, match=r"kit: ip link show none"):
        world.kit.run("ip", "link", "show", "none")


def test_what_is_missing_is_said_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    missing.cache_clear()
    try:
        with pytest.raises(Unable, match=r"need root.*sudo.*root 权限"):
            World()
    finally:
        missing.cache_clear()
