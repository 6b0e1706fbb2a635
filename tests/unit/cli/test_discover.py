"""`fieldgate discover` against a running daemon's API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli import discover
from gateway.cli.client import Client
from gateway.core.services import Services
from gateway.model.command import Action
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_commands import given


def test_finds_are_shown(fieldgate: Run, daemon: Services) -> None:
    told = fieldgate("discover", "--seconds", "1", "--json")
    assert told.code == 0
    (find,) = json.loads(told.out)["finds"]
    assert find["key"] == "0a1b2c3d" and find["adopt"] == "onvif"
    command = given(daemon)
    assert command.action is Action.DISCOVER_START and command.args["seconds"] == 1
    shown = fieldgate("discover", "--seconds", "1")
    assert shown.code == 0 and "192.0.2.5" in shown.out and "0a1b2c3d" in shown.out
    assert "q ends" not in shown.out, "where there are no keys nobody is asked for one"


def test_nothing_was_found(fieldgate: Run, daemon: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon.discovery, "finds", lambda who: [])
    told = fieldgate("discover", "--seconds", "1")
    assert told.code == 1 and "Have they power" in told.out and "--listen" in told.out


def test_one_is_adopted_by_its_address(fieldgate: Run, daemon: Services) -> None:
    assert fieldgate("discover", "--seconds", "1", "--adopt", "192.0.2.5", "--user", "viewer").code == 0
    adopted = daemon.commands.given[-1]  # type: ignore[attr-defined]
    assert adopted.action is Action.DISCOVER_ADOPT and adopted.args == {"key": "0a1b2c3d", "user": "viewer"}


def test_a_number_and_enter_takes_one_in(daemon: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a terminal: keys as they are pressed, then its name, user and password."""
    keys, asked = iter(["x7\b1", "\r", "", "q"]), []
    monkeypatch.setattr(discover, "_keys", lambda wait_s: next(keys))
    monkeypatch.setattr("typer.prompt", lambda text, **more: asked.append(text) or more["default"])
    monkeypatch.setattr("getpass.getpass", lambda text: asked.append(text) or "its-secret")
    client = Client(tmp_path)
    source = discover._Daemon(client, {"seconds": 1, "ways": "", "interface": ""})
    told = discover._live(source, source.look(), True)
    assert told["finds"] and len(asked) == 3
    adopted = daemon.commands.given[-1]  # type: ignore[attr-defined]
    assert adopted.action is Action.DISCOVER_ADOPT
    assert {**adopted.args} == {"key": "0a1b2c3d", "name": told["finds"][0]["name"], "password": "its-secret"}


def test_what_was_not_found_can_not_be_adopted(fieldgate: Run, daemon: Services) -> None:
    told = fieldgate("discover", "--seconds", "1", "--adopt", "192.0.2.99")
    assert told.code == 1 and "not-found" in told.err


def test_adopting_needs_a_daemon(fieldgate: Run) -> None:
    assert fieldgate("discover", "--local", "--adopt", "192.0.2.5").code == 3


def test_it_searches_by_itself_without_one(fieldgate: Run) -> None:
    told = fieldgate("discover", "--local", "--seconds", "1", "--interface", "lo", "--json")
    assert told.code == 1, "nothing answers there"
    assert json.loads(told.out)["finds"] == []
