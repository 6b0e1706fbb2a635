"""`fieldgate demo`: children that never outlive it, and a state directory that is gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.base.errors import LinkDown
from gateway.cli import demo
from gateway.cli.demo_ports import DemoPorts
from gateway.cli.demo_stage import Processes, Stage
from gateway.cli.demo_voice import write_config
from gateway.config.load import load_config
from gateway.registry import Installed
from tests.unit.cli.conftest import Run


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Processes:
    """Processes that run a line of Python instead of the gateway."""
    stand_in = tmp_path / "python"
    stand_in.write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} -c "$1"\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    return Processes(tmp_path)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_children_end_with_it(children: Processes) -> None:
    with pytest.raises(KeyboardInterrupt), children:
        pids = [children.start(name, "import time; time.sleep(600)") for name in ("gateway", "ball")]
        children.check()
        assert all(alive(pid) for pid in pids)
        raise KeyboardInterrupt
    assert not any(alive(pid) for pid in pids)


def test_a_child_that_ended_is_named_with_its_last_words(children: Processes, tmp_path: Path) -> None:
    with children:
        children.start("gateway", "raise SystemExit('port 5060 is taken')")
        stage = Stage(tmp_path, None, children)
        with pytest.raises(LinkDown, match="gateway ended with 1: port 5060 is taken") as caught:
            stage.await_("its start", lambda: None, 30)
    assert caught.value.code == "demo-child"


def test_waiting_has_an_end(children: Processes, tmp_path: Path) -> None:
    with children, pytest.raises(LinkDown, match="its start took longer"):
        Stage(tmp_path, None, children).await_("its start", lambda: None, 0.0)


def test_a_throwaway_state_is_private_and_gone() -> None:
    with demo._state(None) as place:
        assert place.stat().st_mode & 0o777 == 0o700
        (place / "x").touch()
    assert not place.exists()


def test_a_given_state_is_kept(tmp_path: Path) -> None:
    with demo._state(tmp_path / "kept") as place:
        (place / "x").touch()
    assert (place / "x").exists()


def test_a_running_gateways_state_is_not_taken(fieldgate: Run, daemon: object, tmp_path: Path) -> None:
    ran = fieldgate("demo", "--state-dir", str(tmp_path))
    assert ran.code == 1
    assert "in use by a running gateway" in ran.err


def test_ports_come_from_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[api]\nlisten = "127.0.0.1"\nport = 9443\n[adapter.gb28181]\nlisten = "127.0.0.1:5999"\n')
    assert demo._base_url(file) == "https://127.0.0.1:9443"
    assert demo._sip_port(file) == 5999
    assert demo._sip_port(None) == 5060


def test_facts_for_programs_are_private(children: Processes, tmp_path: Path) -> None:
    demo._write_facts(Stage(tmp_path, None, children), {"link": "https://x/#code=1"})
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600


def test_the_ball_may_end_and_come_back_while_the_demo_goes_on(
    children: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed from outside, it is told how to start it; Enter starts it; the end of the gateway ends the demo."""
    typist, terminal = os.pipe()
    line = "import time; time.sleep(600)"
    with children, os.fdopen(typist) as typed, os.fdopen(terminal, "w") as keys:
        monkeypatch.setattr(typed, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(sys, "stdin", typed)
        monkeypatch.setattr(demo, "_ball_arguments", lambda _stage: [line])
        stage = Stage(tmp_path, None, children)
        gateway, ball = children.start("gateway", line), children.start("ball", line)
        again: list[int] = []

        def ball_is(pid: int) -> None:
            again.append(pid)
            assert alive(pid) and pid != ball and children.running("ball")
            os.kill(gateway, signal.SIGKILL)

        os.kill(ball, signal.SIGKILL)
        children._running["ball"].wait(10)
        keys.write("\n")
        keys.flush()
        with pytest.raises(LinkDown, match="gateway ended with -9"):
            demo._attend(stage, lambda: "", ball_is)
    assert len(again) == 1 and not alive(again[0])
    told = capsys.readouterr().out
    assert "布控球已停止" in told and "The ball has stopped. Enter starts it again" in told
    assert f"kill {again[0]}" in told and told.index("has stopped") < told.index(f"kill {again[0]}")


def test_the_printed_command_starts_a_ball(tmp_path: Path) -> None:
    """What is printed is a command of this installation that knows all these options."""
    command = demo._ball_command(Stage(tmp_path, None, Processes(tmp_path)))
    assert command[-8:-6] == ["sim", "ball"] and str(tmp_path / "kit-password") in command
    (tmp_path / "kit-password").write_text("")
    ran = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False, cwd="/", timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_the_demo_s_voice_configuration_is_a_good_one_and_keeps_its_password(tmp_path: Path) -> None:
    from gateway.cli.demo_voice import PHONE, write_config
    from gateway.config.load import load_config
    from gateway.registry import Installed

    file, phone = write_config(tmp_path)
    config = load_config(file, Installed())
    assert config.talk.group["ops"].members == ["radio-1/ch1", "ball-1/ch1"]
    assert {section.type for section in config.adapters.values()} >= {"sip", "roip", "gb28181", "webrtc"}
    assert phone.user == PHONE
    assert len(phone.password) == 12
    assert phone.password not in repr(phone)
    assert file.stat().st_mode & 0o077 == 0
    assert write_config(tmp_path)[1].password == phone.password


def test_the_demo_s_radio_goes_on_the_air(tmp_path: Path) -> None:
    from gateway.cli import demo_voice

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        free = DemoPorts(radio=probe.getsockname()[1])
    with Processes(tmp_path) as children:
        demo_voice.start_radio(Stage(tmp_path, None, children), free)
        said = tmp_path / "radio.log"
        until = time.monotonic() + 20
        while "on the air" not in (said.read_text() if said.exists() else ""):
            children.check()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.05)


def test_the_teams_page_and_its_word_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    kit: Any = SimpleNamespace(get=lambda path: {"/api/v1/kit": {"field": {"word": "connecting"}}}[path])
    demo._tell_field(kit, "https://192.0.2.7:8443")
    told = capsys.readouterr().out
    assert "https://192.0.2.7:8443/field" in told and "正在连接" in told and "Connecting" in told


def test_the_demos_kit_misses_no_center(tmp_path: Path) -> None:
    file, _ = write_config(tmp_path)
    assert load_config(file, Installed()).team.center is False
