"""A sound card through ALSA's own programs, so that no sample passes through the daemon's interpreter.

arecord and aplay share one SOCK_SEQPACKET socket with the media plane: each write of arecord is one period of 20 ms,
each record that aplay reads is one. Both are started with fixed arguments; only the device's name comes from the
configuration, and it is checked there.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.base.errors import LinkDown

TICK_S = 0.02
STOP_S = 2.0


_CARD = re.compile(r"(?:card|controlC)(\d{1,3})")
_USB_DEVICES = Path("/sys/bus/usb/devices")


def find_card(where: str, *, usb_devices: Path = _USB_DEVICES) -> str:
    """The ALSA device that is meant: `usb:1-1.3` (the card of the USB device in that socket), a name below
    /dev/snd/by-path/ or by-id/, or ALSA's own name. Cards are numbered anew when one is plugged in again: asked each
    time. Raises LinkDown (`sound-card`)."""
    if where.startswith("usb:"):
        socket_ = where.removeprefix("usb:")
        found = sorted(usb_devices.glob(f"{socket_}:*/sound/card*"))
        names = [one.name for one in found]
    elif where.startswith("/dev/snd/"):
        try:
            names = [Path(where).resolve(strict=True).name]
        except OSError:
            names = []
    else:
        return where
    for name in names:
        if (card := _CARD.fullmatch(name)) is not None:
            return f"plughw:{card[1]}"
    raise LinkDown(f"{where} has no sound card", code="sound-card")


@dataclass(frozen=True, slots=True)
class SoundCard:
    """`plane_end` is for `open_voice_pcm`; `lost` fails when one of the programs ends."""

    plane_end: socket.socket
    lost: asyncio.Future[None]


@asynccontextmanager
async def sound_card(device: str, rate_hz: int) -> AsyncIterator[SoundCard]:
    """Raises LinkDown (`sound-card`) when alsa-utils is missing or the device can not be opened."""
    programs = [shutil.which(name) for name in ("arecord", "aplay")]
    if None in programs:
        raise LinkDown("arecord and aplay are missing: install alsa-utils", code="sound-card")
    period = round(rate_hz * TICK_S)
    arguments = ["-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", str(rate_hz), "-D", device]
    arguments += [f"--period-size={period}", f"--buffer-size={period * 4}"]
    plane, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    running: list[asyncio.subprocess.Process] = []
    watchers: list[asyncio.Task[None]] = []
    try:
        plane.setblocking(False)
        for program, pipe in zip(programs, ("stdout", "stdin"), strict=True):
            assert program is not None  # noqa: S101  (looked at above)
            process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=ours.fileno() if pipe == "stdin" else asyncio.subprocess.DEVNULL,
                stdout=ours.fileno() if pipe == "stdout" else asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            running.append(process)
            watchers.append(asyncio.create_task(_watch(process, program, device, lost), name=f"sound {pipe}"))
        ours.close()
        yield SoundCard(plane, lost)
    finally:
        ours.close()
        plane.close()
        for process in running:
            await _end(process)
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        if not lost.done():
            lost.cancel()
        elif not lost.cancelled():
            lost.exception()


async def _watch(process: asyncio.subprocess.Process, program: str, device: str, lost: asyncio.Future[None]) -> None:
    assert process.stderr is not None  # noqa: S101
    words = (await process.stderr.read(2000)).decode(errors="replace").strip()
    code = await process.wait()
    if not lost.done():
        text = f"{program.rsplit('/', 1)[-1]} on {device} ended ({code}): {words or 'no word'}"
        lost.set_exception(LinkDown(text, code="sound-card"))


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
