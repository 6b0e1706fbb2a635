"""docs/interop.md, written from what was measured."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping

from tests.interop.rule import OUTPUTS, Ingest
from tests.interop.watchers import Cell

NAMES = {"whep": "WHEP in Chromium", "rtsp": "RTSP", "srt": "SRT", "rtmp": "RTMP", "hls": "LL-HLS"}
Row = Mapping[str, Cell]


def _version(*command: str) -> str:
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return "missing"
    return (out.stdout or out.stderr).strip().splitlines()[0][:80]


def programs() -> list[str]:
    import av

    return [
        _version("ffmpeg", "-version"),
        "FFmpeg of PyAV: " + av.ffmpeg_version_info,
        _version("gst-launch-1.0", "--version"),
        _version("chromium", "--version"),
        _version("srt-live-transmit", "-version"),
        platform.platform(),
    ]


def _mark(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    if cell.played:
        return "✓"
    return f"`{cell.reason}`" if cell.reason else "✗"


def write(results: Mapping[Ingest, Row], counted: Mapping[str, int], today: str) -> str:
    """The page as Markdown."""
    lines = [
        "# What plays where",
        "",
        "Written by `make interop-media`; not by hand. Each row is a program that we did not write (but for our own",
        "simulated ball) bringing a stream its own way; each column a program that takes it out again, all at once.",
        f"✓: at least a second of pictures decoded and, where there is sound, its tone heard. Made on {today} with:",
        "",
        *(f"- {one}" for one in programs()),
        "",
        f"{counted['cells']} cells: {counted['cells_played']} play, {counted['cells_with_reason']} show a named "
        f"reason, {counted['cells_failed']} fail. The rule which cells make sense is `tests/interop/rule.py`.",
        "",
        "H.264-b has B-frames; a browser gets it, H.265, and AAC, converted by the gateway.",
        "",
        "| program | way in | picture | sound | " + " | ".join(NAMES[one] for one in OUTPUTS) + " |",
        "|---|---|---|---|" + "---|" * len(OUTPUTS),
    ]
    for one, row in results.items():
        marks = " | ".join(_mark(row.get(output)) for output in OUTPUTS)
        lines.append(f"| {one.program} | {one.way} | {one.video} | {one.audio} | {marks} |")
    missed = [
        f"- {one}, {NAMES[output]}: {cell.words}"
        for one, row in results.items()
        for output, cell in row.items()
        if not cell.played
    ]
    if missed:
        lines += ["", "## What did not play", "", *missed]
    return "\n".join(lines) + "\n"
