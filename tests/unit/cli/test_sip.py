"""`fieldgate sip` without a daemon: users are prepared in the state directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.base.errors import ConfigError
from gateway.cli.call import _by_trunk
from gateway.model.reason import reason
from tests.unit.cli.conftest import Run


def test_users_are_prepared_before_the_first_start(fieldgate: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("right horse battery\n")
    added = fieldgate("sip", "users", "add", "8001", "--name", "Wang", "--password-file", str(secret))
    assert added.code == 0 and "8001" in added.out and "right horse" not in added.out
    file = tmp_path / "adapters" / "sip" / "users.json"
    assert file.stat().st_mode & 0o777 == 0o600 and "right horse" not in file.read_text()
    made = fieldgate("sip", "users", "add", "8002")
    assert made.code == 0 and "shown this once" in made.out
    assert fieldgate("sip", "users", "remove", "8001").code == 0
    assert '"8001"' not in file.read_text() and '"8002"' in file.read_text()
    assert fieldgate("sip", "users", "remove", "8001").code == 1


def test_what_will_not_do_is_said(fieldgate: Run, tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("abc\n")
    refused = fieldgate("sip", "users", "add", "8001", "--password-file", str(short))
    assert refused.code == 1 and "shorter than" in refused.err
    assert fieldgate("sip", "users", "add", "not a name").code == 1


@pytest.mark.parametrize("code", ["sip-scanner", None])
def test_status_with_a_ban_says_why(fieldgate: Run, monkeypatch: pytest.MonkeyPatch, code: str | None) -> None:
    ban = {"source": "10.9.9.0", "seconds": 90} | ({"code": code} if code else {})
    told = {"trunks": [], "phones": [], "banned": [ban], "users": 1, "misfits": [], "problem": "", "calls": 0}
    monkeypatch.setattr("gateway.cli.sip.Client.get", lambda _self, _path: told)
    shown = fieldgate("sip", "status")
    assert shown.code == 0 and "banned: 10.9.9.0, 1.5 minutes more." in shown.out
    assert (reason("sip-scanner").cause_en in shown.out.replace("\n", " ")) is (code is not None)


def trunks(tmp_path: Path, *servers: str) -> Path:
    listed = ", ".join(f'"{one}"' for one in servers)
    file = tmp_path / "gateway.toml"
    file.write_text(f"""
[adapter.sip.trunks.center]
servers = [{listed}]
domain = "center.example"
accounts = [{{ user = "6001", password = "secret", target = "talk/ops" }}]
""")
    return file


def test_the_test_phone_takes_the_first_server_that_it_can(tmp_path: Path) -> None:
    """The guide's own trunk names TLS first."""
    file = trunks(tmp_path, "tls:sip.center.example", "udp:10.20.0.2:5060", "tcp:10.20.0.3")
    line = _by_trunk(file, "center", "")
    assert line.server == "sip:10.20.0.2:5060;transport=udp" and line.user == "6001"
    with pytest.raises(ConfigError, match="TLS"):
        _by_trunk(trunks(tmp_path, "tls:sip.center.example"), "", "")


def test_status_needs_a_daemon(fieldgate: Run) -> None:
    asked = fieldgate("sip", "status")
    assert asked.code == 3 and "no-daemon" in asked.err
