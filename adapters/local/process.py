"""The worker as the adapter sees it: started with its sockets, heard, ended."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import gateway
from adapters.local.recipe import Recipe
from gateway.base.errors import LinkDown

START_S = 30.0
"""Cameras take seconds to begin; a machine that is busy loads FFmpeg slowly."""
HUNG_S = 15.0
END_S = 1.0
ALSA = Path("/usr/share/alsa/alsa.conf")
_RECORD = 64 << 10
_ENXIO, _ENODEV, _EBUSY, _EACCES, _ENOENT = 6, 19, 16, 13, 2


class Worker:
    """`made` holds in words what is made of what."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}
        self._seen = False
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None

    async def start(self, recipe: Recipe, out: socket.socket) -> None:
        """`out` is the worker's from then on. Raises LinkDown (`local-worker`)."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._control = ours
        self._seen = recipe.video is not None
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "adapters.local.worker",
                str(theirs.fileno()),
                str(out.fileno()),
                recipe.as_text(),
                pass_fds=[theirs.fileno(), out.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        except OSError as exc:
            raise LinkDown(f"the capture worker does not start: {exc.strerror}", code="local-worker") from exc
        finally:
            theirs.close()
            out.close()

    async def ended(self) -> None:
        """Hear it until it ends; always raises LinkDown with why."""
        assert self._control is not None  # noqa: S101  (started)
        loop, patience = asyncio.get_running_loop(), START_S
        why: LinkDown | None = None
        while why is None:
            try:
                async with asyncio.timeout(patience):
                    data = await loop.sock_recv(self._control, _RECORD)
            except ConnectionResetError:
                data = b""  # it died with an order of ours unread
            except TimeoutError:
                raise LinkDown(f"the capture worker says nothing for {patience:.0f} s", code="local-hung") from None
            if not data:
                raise LinkDown(f"the capture worker died{await self._how()}", code="local-worker")
            told = json.loads(data)
            patience = HUNG_S
            if told["ev"] == "made":
                self.made |= {kind: str(told[kind]) for kind in ("video", "audio") if kind in told}
            elif told["ev"] == "unplugged" and (told["kind"] == "video" or not self._seen):
                why = _why(told)
            elif told["ev"] == "let-go" and (told["kind"] == "video" or not self._seen):
                why = LinkDown("the media plane let go of the capture", code="source-ended")
        raise why

    async def _how(self) -> str:
        """Its exit in words, where it is known soon."""
        if self._process is None:
            return ""
        try:
            async with asyncio.timeout(END_S):
                status = await self._process.wait()
        except TimeoutError:
            return ""
        return f" of signal {-status}" if status < 0 else f" with status {status}"

    def want_key_frame(self) -> None:
        if self._control is not None:
            with suppress(OSError):
                self._control.send(b'{"do": "key"}')

    async def end(self) -> None:
        """Ask, then kill. Safe to call twice."""
        if self._control is not None:
            self._control.close()
            self._control = None
        process = self._process
        if process is None or process.returncode is not None:
            return
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _environment() -> dict[str, str]:
    """The daemon's, with the place that this very package was loaded from first, and ALSA's configuration: the library
    inside PyAV's wheels looks for it where it was built."""
    home = str(Path(gateway.__file__).parents[1])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    made = os.environ | {"PYTHONPATH": path, "MALLOC_ARENA_MAX": "2"}
    if ALSA.exists():
        made.setdefault("ALSA_CONFIG_PATH", str(ALSA))
    return made


def _why(told: dict[str, Any]) -> LinkDown:
    codes = {_EBUSY: "local-busy", _EACCES: "local-denied"}
    code = codes.get(int(told.get("errno", 0)), "local-unplugged")
    return LinkDown(f"{told['kind']}: {told.get('detail', '')}", code=code)
