"""`fieldgate doctor`: findings with cause and cure, with a daemon and without, and its exit code."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.base.errors import ConfigError
from gateway.core.services import Services
from gateway.model.doctor import Finding, Grade
from gateway.registry import Installed
from tests.unit.cli.conftest import Run


class Sound:
    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        return [Finding("its port", Grade.OK, "free")]


class Ill(Sound):
    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        return [Finding("its port", Grade.FAIL, "5060 is held by sipp", "free", "port-in-use")]


class Broken(Sound):
    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        raise ValueError("a mistake of ours")


class Partial(Sound):
    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        raise ModuleNotFoundError("No module named 'aiomqtt'", name="aiomqtt")


@pytest.fixture
def free_port(tmp_path: Path) -> Path:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = tmp_path / "fieldgate.toml"
    file.write_text(f'[api]\nlisten = "127.0.0.1"\nport = {port}\n')
    return file


def adapters(monkeypatch: pytest.MonkeyPatch, kind: type[Sound]) -> None:
    monkeypatch.setattr(Installed, "adapter", lambda self, type_: kind)


def test_where_sources_and_pushes_lead(fieldgate: Run, free_port: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(monkeypatch, Sound)
    more = (
        "[source.gate]\nurl = 'rtsp://u:s3cret@192.168.1.64/1'\n[source.here]\nurl = 'rtsp://127.0.0.1/1'\n"
        "[source.group]\nurl = 'udp://239.1.1.1:5000'\n[source.unit]\nurl = 'udp://127.0.0.1:5001'\n"
        "[source.hall]\nurl = 'https://operator.invalid/#renew=operator'\n[push.out]\nstream = 'a/b'\nurl = 'rtmp://[::1]/live/s3cret'\n"
    )
    free_port.write_text(free_port.read_text() + more)
    ran = fieldgate("doctor", "--config", str(free_port), "--json")
    found = {one["check"]: one for one in json.loads(ran.out)}
    assert ran.code == 1 and "s3cret" not in ran.out
    assert found["source gate/main"]["grade"] == found["source group/main"]["grade"] == "ok"
    assert found["source unit/main"]["grade"] == found["source hall/main"]["grade"] == "ok", "not connected to as such"
    for check in ("source here/main", "push out"):
        assert (found[check]["grade"], found[check]["code"]) == ("fail", "url-refused")


def test_all_well(fieldgate: Run, free_port: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(monkeypatch, Sound)
    ran = fieldgate("doctor", "--config", str(free_port), "--json")
    found = {one["check"]: one for one in json.loads(ran.out)}
    assert found["its port"]["grade"] == "ok"
    assert found["daemon"]["grade"] == "off"
    failed = [one for one in found.values() if one["grade"] == "fail"]
    assert ran.code == (1 if failed else 0)


def test_a_part_that_is_loaded_late_is_missed_now(
    fieldgate: Run, free_port: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters(monkeypatch, Partial)
    ran = fieldgate("doctor", "--config", str(free_port), "--json")
    (one, *_) = [one for one in json.loads(ran.out) if one["check"].startswith("adapter ")]
    assert ran.code == 1 and (one["grade"], one["code"]) == ("fail", "not-installed") and "aiomqtt" in one["measured"]


def test_a_finding_says_what_to_do(fieldgate: Run, free_port: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(monkeypatch, Ill)
    ran = fieldgate("doctor", "--config", str(free_port))
    assert ran.code == 1
    assert "5060 is held by sipp" in ran.out
    assert "Stop the program that holds it" in ran.out
    zh = fieldgate("--lang", "zh", "doctor", "--config", str(free_port))
    assert "停止占用该端口的程序" in zh.out


def test_a_check_that_breaks_is_a_finding(fieldgate: Run, free_port: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(monkeypatch, Broken)
    found = json.loads(fieldgate("doctor", "--config", str(free_port), "--json").out)
    assert any(one["code"] == "internal" and "ValueError" in one["measured"] for one in found)


def test_an_adapter_that_is_not_installed(fieldgate: Run, free_port: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Installed, type_: str) -> type[Sound]:
        raise ConfigError(f"adapter.{type_}", "av is not installed", code="not-installed")

    monkeypatch.setattr(Installed, "adapter", missing)
    found = json.loads(fieldgate("doctor", "--config", str(free_port), "--json").out)
    assert any(one["code"] == "not-installed" for one in found)


def test_a_taken_api_port(fieldgate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(monkeypatch, Sound)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        file = tmp_path / "fieldgate.toml"
        file.write_text(f'[api]\nlisten = "127.0.0.1"\nport = {holder.getsockname()[1]}\n')
        ran = fieldgate("doctor", "--config", str(file), "--json")
    found = {one["check"]: one for one in json.loads(ran.out)}
    assert (found["api port"]["grade"], found["api port"]["code"]) == ("fail", "port-in-use")
    assert ran.code == 1


def test_a_wrong_configuration_is_a_finding(fieldgate: Run, tmp_path: Path) -> None:
    file = tmp_path / "fieldgate.toml"
    file.write_text("[api]\nprot = 1\n")
    ran = fieldgate("doctor", "--config", str(file), "--json")
    (config,) = [one for one in json.loads(ran.out) if one["check"] == "config"]
    assert config["grade"] == "fail"
    assert "api.prot" in config["measured"]
    assert ran.code == 1


def test_with_a_daemon_it_asks_the_daemon(fieldgate: Run, daemon: Services) -> None:
    ran = fieldgate("doctor", "--json")
    found = {one["check"]: one for one in json.loads(ran.out)}
    assert found["daemon"]["grade"] == "ok"
    assert found["adapter gb28181"]["code"] == "port-in-use"
    assert ran.code == 1


def test_ports_for_a_firewall_form(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("doctor", "ports")
    assert shown.code == 0 and "8443" in shown.out and "console and API" in shown.out
    assert json.loads(fieldgate("doctor", "ports", "--json").out)[0]["protocol"] == "tcp"


def test_ports_without_a_daemon(fieldgate: Run, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[adapter.srt]\n")
    assert {"8890", "8443"} <= {
        one["ports"] for one in json.loads(fieldgate("doctor", "ports", "-c", str(file), "--json").out)
    }
