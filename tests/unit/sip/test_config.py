"""The configuration: what is written back is what was read, and what can not be meant is refused with its cure."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.sip.config import SipConfig
from adapters.sip.config_trunk import parse_server

ROOT = Path(__file__).parents[3]
ACCOUNT = {"user": "6001", "password": "secret of the center", "target": "talk/ops"}


def trunk(**given: Any) -> dict[str, Any]:
    return {"trunks": {"center": {"servers": ["udp:10.0.0.1"], "accounts": [ACCOUNT], **given}}}


def test_nobody_may_do_anything_outside_by_default() -> None:
    config = SipConfig()
    assert not config.users and not config.trunks and not config.routes
    assert not any("trunk" in word for word in config.softphones.calls)
    made = SipConfig.model_validate(trunk()).trunks["center"]
    assert made.numbers == [] and "trunks" not in made.calls and not made.trusted and made.verify


def test_secrets_are_not_shown() -> None:
    config = SipConfig.model_validate({**trunk(), "users": {"anna": {"password": "secret of anna"}}})
    for text in (repr(config), str(config.model_dump(mode="json")), config.model_dump_json()):
        assert "secret of" not in text


def test_servers_are_read_and_written_back() -> None:
    for text, whole in (
        ("udp:10.0.0.1", "udp:10.0.0.1:5060"),
        ("tls:sip.example.com", "tls:sip.example.com"),
        ("tls:sip.example.com:5061", "tls:sip.example.com:5061"),
        ("tcp:[2001:db8::1]:5070", "tcp:[2001:db8::1]:5070"),
    ):
        assert str(parse_server(text)) == whole and parse_server(whole) == parse_server(text)
    assert [parse_server(text).srv for text in ("udp:10.0.0.1", "udp:[::1]", "udp:a.test:5060", "udp:a.test")] == [
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"listen": ["5070"]}, "udp:0.0.0.0:5070"),
        ({"listen": ["sctp:0.0.0.0:5070"]}, "udp:0.0.0.0:5070"),
        ({"networks": ["10.0.0.0/99"]}, "192.168.1.0/24"),
        ({"users": {"an na": {}}}, "no user name"),
        ({"users": {"anna": {"password": "x", "password_file": "/x"}}}, "one of them"),
        ({"softphones": {"calls": ["everybody"]}}, "means nothing"),
        ({"softphones": {"calls": ["trunk:nowhere"]}}, "no trunk"),
        ({"routes": [{"pattern": "9.", "trunks": ["nowhere"]}]}, "no trunk"),
        ({"routes": [{"pattern": "(9+)+$", "trunks": ["x"]}]}, "no pattern"),
        ({"tls": {"certificate": "/x"}}, "belong together"),
        ({"register_min": "1h", "register_max": "30m"}, "make it longer"),
        (trunk(servers=["10.0.0.1"]), "udp:10.0.0.1:5060"),
        (trunk(servers=[]), "at least 1"),
        (trunk(accounts=[]), 'mode = "static"'),
        (trunk(accounts=[ACCOUNT, ACCOUNT]), "same user"),
        (trunk(accounts=[{"user": "6001", "target": "console"}]), "password_file"),
        (trunk(peer_name="x"), "no server of this trunk has tls"),
        (trunk(servers=["tls:x"], peer_name="x"), "client_ca"),
        (trunk(domain="a b"), "no domain"),
        (trunk(nonsense=1), "Extra inputs"),
    ],
)
def test_what_can_not_be_meant(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words.replace("[", r"\[").replace(".", r"\.")) as raised:
        SipConfig.model_validate(given)
    assert "secret of" not in str(raised.value)


def test_the_guides_examples_are_configurations() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "guide-sip.md").read_text(), re.S)
    merged: dict[str, Any] = {}
    for block in blocks:
        _merge(merged, tomllib.loads(block)["adapter"]["sip"])
    merged["trunks"]["satellite"] = {"servers": ["udp:10.0.0.1"], "mode": "static"}
    made = SipConfig.model_validate(merged)
    assert list(made.trunks) == ["center", "ims", "satellite"] and made.numbers["8100"] == "ball-1/ch1"


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
