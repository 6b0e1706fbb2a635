"""The broker's process as the daemon sees it: started, listened to, started again when it dies."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

import gateway
from adapters.mqtt.broker.setting import BrokerSetting
from gateway.base.errors import ConfigError, LinkDown
from gateway.base.throttle import Throttle

log = logging.getLogger(__name__)

START_S = 30.0
"""A busy machine loads slowly."""
END_S = 5.0
FIRST_S, MOST_S = 0.5, 15.0
_LEVELS = {"WARNING": logging.WARNING, "ERROR": logging.ERROR, "CRITICAL": logging.ERROR}


class EmbeddedBroker:
    """`run` keeps it alive until it is cancelled. Raises ConfigError when its port can not be had."""

    def __init__(self, setting: BrokerSetting, ready: Callable[[], None] = lambda: None) -> None:
        self._setting = setting
        self._ready = ready
        self._throttle = Throttle(log)
        self.port = 0
        self.restarts = 0
        self.pid = 0

    async def run(self) -> None:
        failures = 0
        while True:
            process = await self._start()
            words = asyncio.create_task(self._read_words(process), name="broker's words")
            try:
                self.port = await self._came_up(process)
                self.pid = process.pid
                log.info("the embedded broker listens on port %d", self.port)
                failures = 0
                self._ready()
                await process.wait()
            finally:
                self.pid = 0
                await _end(process)
                words.cancel()
                await asyncio.gather(words, return_exceptions=True)
            self.restarts += 1
            wait = min(MOST_S, FIRST_S * 2**failures)
            failures += 1
            log.error("the embedded broker ended (%s); it is started again in %.1f s", process.returncode, wait)
            await asyncio.sleep(wait)

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "adapters.mqtt.broker.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101  (asked for above)
        process.stdin.write(json.dumps(asdict(self._setting)).encode() + b"\n")
        with suppress(ConnectionError):
            await process.stdin.drain()
        return process

    async def _came_up(self, process: asyncio.subprocess.Process) -> int:
        assert process.stdout is not None  # noqa: S101  (asked for above)
        try:
            async with asyncio.timeout(START_S):
                line = await process.stdout.readline()
        except TimeoutError:
            raise LinkDown(f"the embedded broker did not start within {START_S:g} s", code="broker-down") from None
        word, _, port = line.decode("ascii", "replace").partition(" ")
        if word != "ready":
            setting = self._setting
            text = (
                f"the embedded broker does not start on {setting.host}:{setting.port}: is the port taken? See the log"
            )
            raise ConfigError("listen", text, code="port-in-use")
        return int(port)

    async def _read_words(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None  # noqa: S101  (asked for above)
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # a line that is too long
                continue
            if not line:
                return
            text = line.decode("utf-8", "replace").strip()[:500]
            level, _, rest = text.partition(" ")
            if level in _LEVELS:
                self._throttle(rest.partition(" ")[0], f"broker: {rest}")
            else:
                log.debug("broker: %s", text)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    if process.stdin is not None:
        process.stdin.close()  # one that works ends by this
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _environment() -> dict[str, str]:
    """Nothing of ours but where Python finds us."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TZ", "HOME")}
    root = os.path.dirname(os.path.dirname(os.path.abspath(gateway.__file__)))  # noqa: PTH100, PTH120
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))}
