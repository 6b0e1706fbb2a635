"""The commands against a running daemon: what they ask for, what they show, how they fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.base.errors import NotFound
from gateway.core.services import Services
from gateway.model.command import Action, CommandResult, Outcome
from tests.unit.cli.conftest import Run


def given(services: Services) -> Any:
    (command,) = services.commands.given  # type: ignore[attr-defined]
    return command


def test_a_cameras_picture_is_shown_and_set(fieldgate: Run, daemon: Services) -> None:
    orders: Any = daemon.commands
    shown = fieldgate("devices", "picture", "ball-1/ch1").out
    assert all(word in shown for word in ("brightness", "0.25", "50", "0 … 200", "day / night"))
    assert "contrast" not in shown and orders.given == []
    told = fieldgate("--lang", "zh", "devices", "picture", "ball-1/ch1", "--brightness", "0.4", "--day-night", "night")
    assert "亮度" in told.out and "白天 / 夜间" in told.out
    (order,) = orders.given
    assert (order.action, order.target) == (Action.PICTURE_SET, "ball-1/ch1")
    assert order.args == {"brightness": 0.4, "day_night": "night"}
    levels = json.loads(fieldgate("devices", "picture", "ball-1/ch1", "--json").out)["levels"]
    assert levels[0] == {"name": "brightness", "low": 0, "high": 200, "now": 0.25}
    assert fieldgate("devices", "picture", "ball-1/ch1", "--contrast", "1.5").code == 2
    orders.answer = CommandResult("", Outcome.REFUSED, "no-picture-setting", "gate has no contrast")
    refused = fieldgate("--lang", "en", "devices", "picture", "ball-1/ch1", "--contrast", "0.5")
    assert refused.code == 1 and "gate has no contrast" in refused.err
    refused = fieldgate("--lang", "zh", "devices", "picture", "ball-1/ch1", "--contrast", "0.5")
    assert "gate 没有 contrast" in refused.err


def test_devices_are_listed(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("devices", "list")
    assert shown.code == 0
    assert "kit1/ball-1" in shown.out
    assert "online" in shown.out
    (device,) = json.loads(fieldgate("devices", "list", "--json").out)
    assert device["external_id"] == "34020000001110000001"
    assert json.loads(fieldgate("devices", "list", "nothing like it", "--json").out) == []


def test_pending_names_the_reason(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("devices", "pending")
    assert "34020000001110000009" in shown.out
    assert "nobody admitted it" in shown.out


def test_admit_is_the_local_technicians_order(fieldgate: Run, daemon: Services, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("its own\n")
    daemon.commands.answer = CommandResult("", Outcome.DONE, data={"device": "kit1/gate"})  # type: ignore[attr-defined]
    ran = fieldgate(
        "devices", "admit", "34020000001110000009", "--id", "gate", "--name", "Gate", "--password-file", str(secret)
    )
    assert ran.code == 0
    assert "kit1/gate" in ran.out
    assert "its own" not in ran.out
    command = given(daemon)
    assert command.action is Action.DEVICE_ADMIT
    assert (command.actor.name, command.actor.address) == ("local", "unix")
    assert command.target == "gate"
    assert command.args == {
        "external_id": "34020000001110000009",
        "scheme": "gb28181",
        "name": "Gate",
        "password": "its own",
    }


def test_forget_asks_first(fieldgate: Run, daemon: Services) -> None:
    assert fieldgate("devices", "forget", "ball-1", typed="n\n").code == 1
    assert daemon.commands.given == []  # type: ignore[attr-defined]
    assert fieldgate("devices", "forget", "ball-1", "--yes").code == 0
    assert given(daemon).action is Action.DEVICE_FORGET


def test_a_refusal_shows_cause_and_cure_in_the_language(fieldgate: Run, daemon: Services) -> None:
    daemon.commands.answer = CommandResult("", Outcome.REFUSED, "busy", "li has it")  # type: ignore[attr-defined]
    ran = fieldgate("devices", "rename", "ball-1", "Gate")
    assert ran.code == 1
    assert "(busy): li has it" in ran.err
    assert "Cure:" in ran.err
    ran = fieldgate("--lang", "zh", "devices", "rename", "ball-1", "东门")
    assert "处理" in ran.err


def test_streams_with_their_figures(fieldgate: Run, daemon: Services) -> None:
    assert "h264 1280×720" in fieldgate("streams", "list").out
    shown = fieldgate("streams", "show", "ball-1/ch1")
    assert "live" in shown.out
    assert json.loads(fieldgate("streams", "show", "ball-1/ch1", "--json").out)["id"] == "kit1/ball-1/ch1"
    assert fieldgate("streams", "show", "nothing").code == 1


def test_a_token_is_printed_bare(fieldgate: Run, daemon: Services) -> None:
    ran = fieldgate("token", "add", "center", "--role", "operator", "--days", "1")
    token = ran.out.strip()
    assert daemon.accounts.verify(token) is not None
    assert "center" in fieldgate("token", "list").out
    assert token not in fieldgate("token", "list").out
    code = fieldgate("token", "code", "--role", "viewer").out.strip()
    assert code in daemon.accounts.codes  # type: ignore[attr-defined]


def test_an_accounts_password_is_asked_for_unseen(fieldgate: Run, daemon: Services) -> None:
    ran = fieldgate("accounts", "add", "li", "--role", "operator", typed="a long password\na long password\n")
    assert ran.code == 0
    assert "a long password" not in ran.out
    assert given(daemon).args == {"name": "li", "role": "operator", "scope": "", "password": "a long password"}


def test_an_account_changes_only_what_is_named(fieldgate: Run, daemon: Services) -> None:
    assert fieldgate("accounts", "change", "li", "--disable").code == 0
    assert given(daemon).args == {"name": "li", "disabled": True}
    assert "wang" in fieldgate("accounts", "list").out


@pytest.mark.parametrize("words", [("devices", "list"), ("streams", "list"), ("token", "list"), ("accounts", "list")])
def test_without_a_daemon_it_says_so(fieldgate: Run, words: tuple[str, ...]) -> None:
    ran = fieldgate(*words)
    assert ran.code == 3
    assert "no-daemon" in ran.err
    assert "fieldgate run" in ran.err


def test_what_a_device_says_is_no_markup(fieldgate: Run, daemon: Services) -> None:
    from dataclasses import replace

    ball = daemon.directory.ball  # type: ignore[attr-defined]
    daemon.directory.ball = replace(ball, name="[red]x[/] [/nonsense]")  # type: ignore[attr-defined]
    assert "[red]x[/] [/nonsense]" in fieldgate("devices", "list").out


def test_an_error_of_the_daemon_keeps_its_code(
    fieldgate: Run, daemon: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise NotFound("no stream of that name")

    monkeypatch.setattr(daemon.directory, "streams", gone)
    ran = fieldgate("streams", "list")
    assert (ran.code, "not-found" in ran.err) == (1, True)
