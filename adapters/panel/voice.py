"""The voice: a recording where there is one, else espeak-ng; played by aplay, so that ALSA hangs a process, not us."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from gateway.base.errors import LinkDown
from gateway.model.field_words import spoken
from gateway.model.kit_state import FieldState

VOICES = {"zh": "cmn", "en": "en-gb"}
RENDER_S, PLAY_S, END_S = 20.0, 60.0, 5.0
MOST_BYTES = 16 << 20
"""Of a saying; a minute of speech is a sixth of it."""


async def render(state: FieldState, language: str, recordings: Path | None) -> bytes:
    """WAV. Raises LinkDown (`speech`)."""
    if recordings is not None:
        file = recordings / f"{state.word.value}.{language}.wav"
        found = await asyncio.to_thread(_recording, file)
        if found is not None:
            return found
    program = shutil.which("espeak-ng")
    if program is None:
        raise LinkDown("espeak-ng is missing, and there is no recording", code="speech")
    text = spoken(state, language)
    return await _run(RENDER_S, program, "-v", VOICES[language], "-s", "150", "--stdout", "--", text)


async def play(wav: bytes, device: str) -> None:
    """Returns when it was heard. Raises LinkDown (`speech`)."""
    program = shutil.which("aplay")
    if program is None:
        raise LinkDown("aplay is missing: install alsa-utils", code="speech")
    await _run(PLAY_S, program, "-q", "-D", device, "-", given=wav)


def _recording(file: Path) -> bytes | None:
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError:
        return None
    return data if data[:4] == b"RIFF" and len(data) <= MOST_BYTES else None


async def _run(within_s: float, program: str, *arguments: str, given: bytes | None = None) -> bytes:
    name = Path(program).name
    if (stuck := _STUCK.get(name)) is not None and stuck.returncode is None:
        raise LinkDown(f"{name} hangs in its driver since before: unplug the sound card", code="speech")
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as exc:
        raise LinkDown(f"{name}: {exc}", code="speech") from exc
    try:
        async with asyncio.timeout(within_s):
            out, err = await process.communicate(given)
    except TimeoutError:
        raise LinkDown(f"{name} did not end within {within_s:g} s", code="speech") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await _ended(name, process)
    if process.returncode != 0:
        words = err.decode(errors="replace").strip().splitlines()
        raise LinkDown(f"{name}: {words[-1][:200] if words else process.returncode}", code="speech")
    return out


_STUCK: dict[str, asyncio.subprocess.Process] = {}
"""Of each program the one that did not even end when it was killed: a driver holds it. There is no second one then."""


async def _ended(name: str, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        _STUCK[name] = process
