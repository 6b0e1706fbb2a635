"""Listening to the wire, from the daemon's side: a process of its own that has scapy, and tells streams line by line.

The process (`onwire_worker`) is given nothing but an interface's name; it needs CAP_NET_RAW, and where it lacks that it
says so and ends. What it writes is bounded and read as what strangers sent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gateway.base.errors import GatewayError
from gateway.wire.onwire import Seen

log = logging.getLogger(__name__)

MAX_LINE = 1024 * 1024
START_S = 20.0
STOP_S = 2.0


async def listen(seen: Callable[[Seen], None], interface: str = "") -> None:
    """Until cancelled. Raises GatewayError: `capture-not-installed`, `capture-no-right`, `capture-failed`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.net.discovery.onwire_worker",
        *([interface] if interface else []),
        stdin=asyncio.subprocess.PIPE,  # it ends when this is closed: it never outlives us
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=MAX_LINE,
    )
    assert process.stdout is not None and process.stderr is not None  # noqa: S101
    words = asyncio.create_task(process.stderr.read(4000))
    try:
        async with asyncio.timeout(START_S):
            first = await process.stdout.readline()
        while first:
            told = _read(first)
            if code := told.get("code"):
                raise GatewayError(str(told.get("detail", ""))[:200], code=str(code))
            rows = told.get("streams")
            for row in rows[:256] if isinstance(rows, list) else ():
                with suppress(TypeError, ValueError):
                    seen(_seen(row))
            first = await process.stdout.readline()
        code_ = await process.wait()
        text = (await words).decode("utf-8", "replace").strip().splitlines()
        raise GatewayError(f"it ended ({code_}): {text[-1][:160] if text else 'no word'}", code="capture-failed")
    except TimeoutError as exc:
        raise GatewayError(f"no word of it in {START_S:g} s", code="capture-failed") from exc
    except ValueError as exc:  # a line longer than MAX_LINE
        raise GatewayError(f"it said too much at once: {exc}", code="capture-failed") from exc
    finally:
        words.cancel()
        await _end(process)
        await asyncio.gather(words, return_exceptions=True)


def _read(line: bytes) -> dict[str, Any]:
    told = json.loads(line)
    if not isinstance(told, dict):
        raise ValueError("no object")
    return told


def _seen(row: Any) -> Seen:
    """Raises TypeError, ValueError for what is not a stream."""
    made = Seen(**{**row, "codecs": tuple(str(c)[:16] for c in row.get("codecs", ())[:32])})
    if made.kind not in ("ts", "rtp", "rtp-ts") or not 0 < int(made.destination_port) < 65536:
        raise ValueError("no stream")
    return made


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
