"""`fieldgate sources` and `fieldgate programs` against a running daemon."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gateway.cli import words
from gateway.core.services import Services
from gateway.model.command import Action
from gateway.model.principal import SYSTEM
from gateway.model.reason import REASONS
from tests.unit.cli.conftest import Run


def test_sources_say_why(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("sources", "list")
    assert shown.code == 0 and "kit1/gate/main" in shown.out and "nothing listens" in shown.out
    assert json.loads(fieldgate("sources", "list", "--json").out)["schemes"] == ["rtsp", "srt"]
    words.choose("zh")
    assert "等待" in fieldgate("sources", "list").out
    words.choose("en")
    pushes = fieldgate("sources", "pushes")
    assert "rtmp://center.example/live/…" in pushes.out


def test_trying_one(fieldgate: Run, daemon: Services) -> None:
    tried = fieldgate("sources", "test", "rtsp://u:s3cret@192.0.2.1/1")
    assert tried.code == 0 and "picture after 0.6 s" in tried.out and "s3cret" not in tried.out
    fake = daemon.sources
    fake.result = replace(fake.result, ok=False, code="connect-timeout")  # type: ignore[attr-defined]
    failed = fieldgate("sources", "test", "rtsp://192.0.2.1/1")
    assert failed.code == 1 and "connect-timeout" in failed.out and "Check its power" in failed.out


def test_adding_and_removing(fieldgate: Run, daemon: Services) -> None:
    ran = fieldgate("sources", "add", "rtsp://u:s3cret@192.0.2.1/1", "--id", "gate", "--always", "--sub", "rtsp://h/2")
    assert ran.code == 0 and "s3cret" not in ran.out
    assert fieldgate("sources", "remove", "kit1/gate", "--yes").code == 0
    added, removed = daemon.commands.given  # type: ignore[attr-defined]
    assert added.action is Action.SOURCE_ADD and added.args["on_demand"] is False
    assert added.args["sub_url"] == "rtsp://h/2" and added.args["url"].startswith("rtsp://u:s3cret@")
    assert (removed.action, removed.target) == (Action.SOURCE_REMOVE, "gate")


def test_programs(fieldgate: Run, daemon: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = fieldgate("programs", "list")
    assert "drone-*" in shown.out and "192.0.2.7" in shown.out and "refused" not in shown.out
    (one,) = daemon.sources.programs(SYSTEM)
    refused = replace(one, refused_at=1.0, refused_from="192.0.2.9", refused_code="program-password")
    monkeypatch.setattr(daemon.sources, "programs", lambda _who: [refused])
    again = " ".join(fieldgate("programs", "list").out.split())
    assert "192.0.2.9" in again and REASONS["program-password"].cause_en in again
    made = fieldgate("programs", "secret", "drone", "--yes")
    assert made.out.strip() == "fresh-secret-0123"
    assert fieldgate("programs", "secret", "none", "--yes").code == 1
