"""Publishers forked from a process that has loaded what they need: `python -m tests.soak.nursery whip|ball|vehicle`.

A start costs milliseconds, and a kill is real. One at a time: a line of JSON on stdin is what to start, and the
answers are its process id and, once it is gone, its exit code as subprocess tells it. FFmpeg 8 (PyAV) as WHIP sender
ends with its file; our ball (GB/T 28181) and our vehicle (JT/T 1078) say goodbye at SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.sim.ball import Ball
from gateway.sim.encoder import VideoSettings
from gateway.sim.profile import Profile
from gateway.sim.replay import one_gop
from gateway.sim.report import silent
from gateway.sim.vehicle import Vehicle, VehicleProfile
from tests.interop import sender8

PICTURE = VideoSettings(width=320, height=180, fps=10, bitrate=200_000)


def whip(clip: str, url: str, key: str) -> None:
    os.environ["WHIP_TOKEN"] = key
    sys.argv = ["sender8", clip, url, "whip"]
    sender8.main()


def ball(port: int, device: str, password: str) -> None:
    server = ("127.0.0.1", port)
    _until_told(
        Ball(Profile(server, device_id=device, password=password, video=PICTURE, replay=True, talk="none"), silent).run
    )


def vehicle(port: int, phone: str) -> None:
    profile = VehicleProfile(("127.0.0.1", port), phone, channels=1, video=PICTURE)
    _until_told(lambda: Vehicle(profile, lambda event, who, words: None).run())


KINDS: dict[str, Callable[..., None]] = {"whip": whip, "ball": ball, "vehicle": vehicle}


def _until_told(life: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Live until SIGTERM, then say goodbye."""

    async def here() -> None:
        task = asyncio.create_task(life())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    asyncio.run(here())


def _child(kind: str, given: list[Any]) -> None:
    """Never returns: what the parent has still to do is not this one's."""
    code = 1
    try:
        KINDS[kind](*given)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    kind = sys.argv[1]
    if kind != "whip":
        one_gop(PICTURE)  # once for all that are forked
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            _child(kind, json.loads(line))
        print(pid, flush=True)
        _pid, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
