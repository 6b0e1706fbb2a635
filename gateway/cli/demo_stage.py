"""The demo's children and its place: processes that never outlive the command."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gateway.base.errors import GatewayError, LinkDown
from gateway.cli.demo_ports import taken
from gateway.cli.words import t

POLL_S = 0.05
_LIBC = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """In the child: end when this command is killed without a chance to clean up (prctl(2), PR_SET_PDEATHSIG)."""
    _LIBC.prctl(1, signal.SIGTERM)


class Processes:
    """Children that never outlive this command; their output goes to files in the state directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self._running)):
            self.stop(name)
        for log in self._logs:
            log.close()

    def start(self, name: str, *arguments: str) -> int:
        log = (self._folder / f"{name}.log").open("ab")
        self._logs.append(log)
        # A session of its own: Ctrl-C reaches this command alone, which ends them in order.
        child = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", "gateway", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # this command has one thread
        )
        self._running[name] = child
        return child.pid

    def stop(self, name: str) -> None:
        child = self._running.pop(name, None)
        if child is None:
            return
        child.terminate()
        try:
            child.wait(8)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def running(self, name: str) -> bool:
        return name in self._running

    def ended(self, name: str) -> bool:
        """True once for a child that has ended by itself, or by somebody else: it is no child any more."""
        child = self._running.get(name)
        if child is None or child.poll() is None:
            return False
        del self._running[name]
        return True

    def check(self) -> None:
        """Raises LinkDown when one of them has ended, with the last it said; ConfigError for want of a port."""
        for name, child in self._running.items():
            if child.poll() is not None:
                said = (self._folder / f"{name}.log").read_bytes()[-1500:].decode(errors="replace").strip()
                raise taken(said) or LinkDown(f"{name} ended with {child.returncode}: {said}", code="demo-child")


@dataclass(frozen=True, slots=True)
class Stage:
    """What a demo has: where it keeps things, which configuration, and its children."""

    state_dir: Path
    config: Path | None
    children: Processes

    def await_(self, what: str, question: Callable[[], Any], limit_s: float) -> Any:
        """Ask until the answer is true. Raises LinkDown with `what` was waited for."""
        deadline = time.monotonic() + limit_s
        while True:
            self.children.check()
            with suppress(GatewayError):
                if answer := question():
                    return answer
            if time.monotonic() > deadline:
                raise LinkDown(
                    t(f"{what} took longer than {limit_s:.0f} s", f"{what} 超过 {limit_s:.0f} 秒"), code="demo-child"
                )
            time.sleep(POLL_S)
