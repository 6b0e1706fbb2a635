"""Users: HA1 only, a file for nobody else's eyes, deny by default."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from adapters.sip.config import SipConfig
from adapters.sip.users import UserFile, Users, make_user
from gateway.base.errors import Busy, ConfigError, NotFound
from gateway.wire.digest import make_ha1


def test_nobody_is_there_by_default(tmp_path: Path) -> None:
    users = Users(SipConfig(), tmp_path)
    assert len(users) == 0 and users.ha1("admin", "MD5") is None and users.of_number("8001") == ""


def test_a_user_is_kept_as_hashes_in_a_file_of_its_own(tmp_path: Path) -> None:
    Users(SipConfig(), tmp_path).add("anna", "right horse battery", number="8001", display="Anna")
    file = tmp_path / "users.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "right horse" not in file.read_text() and "right horse" not in repr(Users(SipConfig(), tmp_path).all())
    again = Users(SipConfig(), tmp_path)
    assert again.ha1("anna", "MD5") == make_ha1("anna", "fieldgate", "right horse battery")
    assert again.ha1("anna", "sha-256") == make_ha1("anna", "fieldgate", "right horse battery", "SHA-256")
    assert again.of_number("8001") == "anna"


def test_a_change_of_the_file_is_seen_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    users = Users(SipConfig(), tmp_path)
    Users(SipConfig(), tmp_path).add("anna", "right horse battery")
    assert users.stale and users.fresh() and users.get("anna") is not None
    assert not users.stale and not users.fresh()
    (tmp_path / "users.json").write_text("{not json")
    users.fresh()
    assert users.get("anna") is not None and "can not be read" in users.problem
    with pytest.raises(ConfigError):
        users.add("bob", "right horse battery")
    assert (tmp_path / "users.json").read_text() == "{not json", "what is broken is not overwritten"


@pytest.mark.parametrize("text", ["[]", '{"users": 1}', '{"users": {"a": {"x": 1}}}', '{"users": {"a": []}}', "\xff"])
def test_files_that_are_no_lists_of_users(tmp_path: Path, text: str) -> None:
    (tmp_path / "users.json").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError):
        UserFile(tmp_path).read()


def test_another_realm_needs_passwords_set_anew(tmp_path: Path) -> None:
    Users(SipConfig(), tmp_path).add("anna", "right horse battery")
    moved = Users(SipConfig(realm="other"), tmp_path)
    assert moved.ha1("anna", "MD5") is None and moved.misfits() == ["anna"]


@pytest.mark.parametrize(("name", "password"), [("an na", "x" * 8), ("", "x" * 8), ("anna", "short"), ("a@b", "x" * 8)])
def test_names_and_passwords_that_will_not_do(name: str, password: str) -> None:
    with pytest.raises(ConfigError):
        make_user(name, password, "fieldgate")


def test_configuration_comes_first_and_is_not_removed_from_here(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file 1\n")
    config = SipConfig.model_validate({"users": {"anna": {"password_file": str(secret), "number": "8001"}}})
    users = Users(config, tmp_path)
    assert users.ha1("anna", "MD5") == make_ha1("anna", "fieldgate", "from the file 1")
    with pytest.raises(ConfigError, match="configuration file"):
        users.remove("anna")
    with pytest.raises(NotFound):
        users.remove("bob")
    with pytest.raises(ConfigError, match="8001 is anna's"):
        users.add("bob", "right horse battery", number="8001")
    secret.write_text("")
    with pytest.raises(ConfigError, match="empty"):
        Users(config, tmp_path)


def test_the_number_of_users_is_bounded(tmp_path: Path) -> None:
    users = Users(SipConfig(max_users=1), tmp_path)
    users.add("anna", "right horse battery")
    users.add("anna", "another password")  # the same one again
    with pytest.raises(Busy):
        users.add("bob", "right horse battery")
    assert json.loads((tmp_path / "users.json").read_text())["version"] == 1
