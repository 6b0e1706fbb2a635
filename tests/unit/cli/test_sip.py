"""`fieldgate sip` without a daemon: users are prepared in the state directory."""

from __future__ import annotations

from pathlib import Path

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


def test_status_needs_a_daemon(fieldgate: Run) -> None:
    asked = fieldgate("sip", "status")
    assert asked.code == 3 and "no-daemon" in asked.err
