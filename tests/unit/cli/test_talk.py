"""`fieldgate talk` and `fieldgate calls` against the real API over fakes."""

from __future__ import annotations

import json

from gateway.core.services import Services
from tests.unit.cli.conftest import Run


def test_groups_are_listed(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("talk", "list").out
    assert "kit1/talk/ops" in shown and "600" in shown and "idle" in shown and "1/1" in shown


def test_a_group_with_members_and_who_spoke(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("talk", "status", "ops").out
    assert "sip:8001" in shown and "5.0 s" in shown and "release" in shown
    asked = json.loads(fieldgate("talk", "status", "600", "--json").out)
    assert asked["group"]["id"] == "kit1/talk/ops" and len(asked["spurts"]) == 1


def test_an_unknown_group_is_said(fieldgate: Run, daemon: Services) -> None:
    done = fieldgate("talk", "status", "none")
    assert done.code == 1


def test_calls(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("calls").out
    assert "call-1" in shown and "8001" in shown and "ringing-in" in shown
