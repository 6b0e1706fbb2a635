"""FFmpeg as a judge of what the ball sends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def needs(program: str) -> str:
    """The path of a program; without it a failure where CI is true, else a skip that names it."""
    found = shutil.which(program)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is missing")
        pytest.skip(f"{program} is missing")
    return found


def probe_video(path: Path) -> dict[str, object]:
    """What ffprobe says of the video stream, all frames decoded; any complaint of its decoder is a failure."""
    options = ["-v", "error", "-count_frames", "-select_streams", "v", "-show_streams", "-of", "json"]
    shown = subprocess.run(
        [needs("ffprobe"), *options, str(path)], capture_output=True, text=True, timeout=30, check=True
    )
    # FFmpeg takes any C0 stream for MPEG audio and complains of the G.711 in it.
    assert [line for line in shown.stderr.splitlines() if "mp2" not in line] == []
    (video,) = json.loads(shown.stdout)["streams"]
    assert isinstance(video, dict)
    return video
