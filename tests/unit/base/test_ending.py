"""A process whose thread hangs ends all the same, in order first; one that has none is not cut short."""

from __future__ import annotations

import subprocess
import sys
import threading

from gateway.base.ending import bounded, hanging

HUNG = """
import asyncio, sys, threading
from pathlib import Path
from gateway import daemon

never = threading.Event()

class Hung(daemon.Daemon):
    async def run(self):
        self.reading = asyncio.create_task(asyncio.to_thread(never.wait), name="a driver that hangs")
        await asyncio.sleep(0)
        return 5

daemon.Daemon = Hung
sys.exit(daemon.run(state_dir=Path(sys.argv[1])))
"""


def test_the_daemon_ends_although_a_thread_hangs(tmp_path: object) -> None:
    """Without a bound it waits for the thread, which here is for ever."""
    done = subprocess.run(
        [sys.executable, "-c", HUNG, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 5, done.stderr
    assert "ending without threads that do not: uvloop_0 in " in done.stderr


def test_what_ends_in_time_is_left_alone() -> None:
    left: list[int] = []
    with bounded(lambda: left.append(1) or 1, lambda: left.append(2), last_s=600.0):
        pass
    assert left == [] and not any(thread.name == "ending" and thread.is_alive() for thread in _settled())


def _settled() -> list[threading.Thread]:
    for thread in threading.enumerate():
        if thread.name == "ending":
            thread.join(10)
    return threading.enumerate()


def test_whoever_hangs_is_named_with_its_place() -> None:
    go = threading.Event()
    thread = threading.Thread(target=go.wait, name="disk")
    thread.start()
    try:
        assert any(one.startswith("disk in ") and "threading.py" in one for one in hanging())
    finally:
        go.set()
        thread.join()
    assert not any(one.startswith("disk") for one in hanging())
