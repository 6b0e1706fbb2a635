"""`fieldgate snapshot` against a running daemon, and what `streams show` says of conversions."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from gateway.base.errors import LinkDown
from gateway.cli.streams import describe_rendition
from gateway.core.services import Services
from gateway.model.media import Rendition, RenditionState
from tests.unit.api.fakes import STREAM
from tests.unit.cli.conftest import Run


def test_a_picture_is_written_with_its_age(fieldgate: Run, daemon: Services, tmp_path: Path) -> None:
    file = tmp_path / "gate.jpg"
    ran = fieldgate("snapshot", STREAM, "-o", str(file), "--height", "360", "--quality", "60", "--json")
    assert ran.code == 0, ran.out
    assert file.read_bytes() == b"\xff\xd8jpeg"
    assert json.loads(ran.out) == {"file": str(file), "bytes": 6, "size": "640x360", "age_s": 2.5}
    (asked,) = daemon.snapshots.asked  # type: ignore[attr-defined]
    assert asked == (STREAM, "local", 360, 60, False)
    assert "640x360" in fieldgate("snapshot", STREAM, "-o", str(file), "--last").out
    assert daemon.snapshots.asked[-1][-1] is True  # type: ignore[attr-defined]


def test_why_there_is_none_is_said(fieldgate: Run, daemon: Services, tmp_path: Path) -> None:
    daemon.snapshots.failing = LinkDown("no picture", code="snapshot-none")  # type: ignore[attr-defined]
    file = tmp_path / "none.jpg"
    ran = fieldgate("snapshot", STREAM, "-o", str(file))
    assert ran.code != 0 and "No picture of this stream" in ran.out + ran.err and not file.exists()


def test_what_is_converted_and_why_in_words() -> None:
    made = Rendition(
        "h264", "h265 1280x720 → h264 1280x720", "as it is", ("convert-codec",), RenditionState.RUNNING,
        encoder="libx264", viewers=2, cores=0.271,
    )  # fmt: skip
    words = describe_rendition(asdict(made))
    assert words.startswith(
        "converted: h265 1280x720 → h264 1280x720, sound as it is (running, libx264, 0.27 cores, 2 "
    )
    assert words.endswith("The source's codec is made into one that the viewer takes.")
    waits = Rendition("h264 + opus", state=RenditionState.WAITING, code="convert-budget", why=("convert-codec",))
    assert "h264 + opus (waiting, 0 viewers): The gateway's processor" in describe_rendition(asdict(waits))
