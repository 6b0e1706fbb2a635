"""`fieldgate sms`: send, list, carriers, cancel; what a stranger wrote moves no cursor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.base.errors import NotFound
from gateway.cli import words
from gateway.core.services import Services
from gateway.model.principal import Principal
from gateway.model.texts import TextIn, TextOut
from tests.unit.cli.conftest import Run


def test_sent_listed_and_cancelled(fieldgate: Run, daemon: Services) -> None:
    sent = fieldgate("sms", "send", "10086", "到达", "现场")
    assert sent.code == 0 and sent.out.endswith("waiting\n")
    made = json.loads(fieldgate("sms", "send", "--json", "--urgent", "10086", "SOS").out)
    assert (made["body"], made["state"]) == ("SOS", "waiting")
    shown = fieldgate("sms", "list").out
    assert "all well" in shown and "SOS" in shown and "←" in shown and "→" in shown
    told = json.loads(fieldgate("sms", "list", "--json").out)
    assert told["in"][0]["body"] == "all well" and told["out"]
    assert fieldgate("sms", "cancel", "01T").out == "cancelled\n"


def test_who_carries_them(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("sms", "carriers").out
    assert "bd1" in shown and "card" in shown
    words.choose("zh")
    assert "北斗" in fieldgate("sms", "carriers").out
    assert json.loads(fieldgate("sms", "carriers", "--json").out)[0]["kind"] == "bd"


def test_nobody_carries_them_and_nobody_answers(
    fieldgate: Run, daemon: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: Any = daemon.texts
    monkeypatch.setattr(texts, "carriers", lambda who: [])
    assert "Nobody carries short messages here" in fieldgate("sms", "carriers").out

    async def cancel(who: Principal, id_: str) -> TextOut:
        raise NotFound(f"there is no short message {id_!r}")

    monkeypatch.setattr(texts, "cancel", cancel)
    refused = fieldgate("sms", "cancel", "no-such-message")
    assert refused.code != 0 and refused.err


def test_a_strangers_words_stay_words(fieldgate: Run, daemon: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: Any = daemon.texts
    before = texts.came

    async def came(*args: Any, **more: Any) -> Sequence[TextIn]:
        (one,) = await before(*args, **more)
        return [replace(one, sender="AD\r\x1b", body="\x1b[2J\x1b]0;mine\x07[red]w\u202enow\x9b")]

    monkeypatch.setattr(texts, "came", came)
    shown = fieldgate("sms", "list").out
    assert "[red]w" in shown and not set("\x1b\x07\r\x9b\u202e") & set(shown)
