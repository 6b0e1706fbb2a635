"""The field team's page: who sees it, what it says, and that it says no more."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.api.field.near import is_near
from gateway.api.field.page import FOLDER, SHAPES, language_of
from gateway.api.field.words import KINDS, PHASES
from gateway.config.kit import Team
from gateway.config.root import Config
from gateway.model.field_words import WORDS
from gateway.model.kit_state import FieldLink, FieldWord
from gateway.model.link import BearerKind, LinkPhase
from gateway.model.reason import REASONS


@pytest.mark.parametrize(
    ("client", "here", "networks", "near"),
    [
        ("192.168.10.7", "192.168.10.1", [], True),
        ("127.0.0.1", "127.0.0.1", [], True),
        ("::ffff:10.1.2.3", "::ffff:10.1.2.1", [], True),
        ("fe80::1%eth0", "fe80::2", [], True),
        ("fd00::7", "fd00::1", [], True),
        ("fe80::1%eth1", "fe80::2", [], False),  # by the cable to elsewhere
        ("192.168.1.7", "192.168.1.50", [], False),
        ("203.0.113.9", "192.168.10.1", [], False),
        ("100.64.3.4", "100.64.3.1", [], False),
        ("10.64.0.1", "10.64.0.9", [], False),  # by the modem
        ("::ffff:10.64.0.1", "::ffff:10.64.0.9", [], False),
        ("2001:db8::7", "2001:db8::1", [], False),
        ("", "192.168.10.1", [], False),
        ("unix", "", [], False),
        ("192.168.10.7", "192.168.10.1", ["192.168.20.0/24"], False),
        ("2001:db8::7", "2001:db8::1", ["10.0.0.0/8", "2001:db8::/64"], True),
    ],
)
def test_who_is_near(client: str, here: str, networks: list[str], near: bool) -> None:
    assert is_near(client, here, outward=["10.64.0.9", "wwan0", "192.168.1.50", "eth1"], networks=networks) is near


@pytest.mark.parametrize(
    ("wished", "accepted", "language"),
    [("", "", "zh"), ("", "en-GB,zh;q=0.5", "en"), ("", "zh-CN", "zh"), ("en", "zh-CN", "en"), ("xx", "fr", "en")],
)
def test_language(wished: str, accepted: str, language: str) -> None:
    assert language_of(wished, accepted) == language


async def test_every_word_in_both_languages(client: httpx.AsyncClient, services: Any) -> None:
    for word in FieldWord:
        services.kit.says(word.value, "" if word is FieldWord.READY else "field-no-link")
        for language in ("zh", "en"):
            answer = await client.get(f"/field?lang={language}")
            text = answer.text
            assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
            assert f'<body class="{word.value}"' in text and f'<html lang="{language}"' in text
            assert f'<h1 id="word">{WORDS[word][language]}</h1>' in text
            if word is not FieldWord.READY:
                row = REASONS["field-no-link"]
                assert (row.cause_zh if language == "zh" else row.cause_en) in text
                assert (row.cure_zh if language == "zh" else row.cure_en) in text
            assert "4G lte0" in text and "▮▮▮▯▯" in text and "▼ 40 %" in text
            assert '<noscript><meta http-equiv="refresh"' in text, "whole without a script"


async def test_where_no_center_holds_it_none_is_said_to_be_connected(client: httpx.AsyncClient, services: Any) -> None:
    services.kit.says("ready", "")
    assert "The center is connected" in (await client.get("/field?lang=en")).text
    services.kit.field = replace(services.kit.field, centers=0)
    text = (await client.get("/field?lang=en")).text
    assert "center" not in text.partition("<main")[2] and "All is well. Work can begin." in text


async def test_it_says_no_more_than_it_shows(client: httpx.AsyncClient, services: Any) -> None:
    told = (await client.get("/field/state")).json()
    assert set(told) == {"word", "words", "code", "cause", "cure", "more", "links", "level", "battery"}
    assert set(told["links"][0]) == {"name", "phase", "carries", "bars"}
    name = "<script>alert(1)</script>"
    services.kit.field = replace(services.kit.field, links=(FieldLink(name, "odd", False, "<b>", bars=9),))
    assert "<script>alert" not in (await client.get("/field")).text


def elsewhere(app: ASGIApp) -> httpx.AsyncClient:
    far = httpx.ASGITransport(app=app, client=("203.0.113.9", 40000))
    return httpx.AsyncClient(transport=far, base_url="https://kit1:8443")


async def test_elsewhere_it_is_refused_in_words(app: ASGIApp, services: Any) -> None:
    async with elsewhere(app) as made:
        for path in ("/field", "/field/state"):
            answer = await made.get(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "field-elsewhere")


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_person_elsewhere_reads_why_and_nothing_of_the_kit(app: ASGIApp, services: Any, language: str) -> None:
    services.kit.says("technician", "field-no-link")
    async with elsewhere(app) as made:
        answer = await made.get("/field", headers={"accept": "text/html,*/*;q=0.8", "accept-language": language})
        assert (answer.status_code, answer.headers["cache-control"]) == (403, "no-store")
        row, text = REASONS["field-elsewhere"], answer.text
        assert f'<html lang="{language}"' in text and "field-elsewhere" in text
        for words in (row.cause_zh, row.cure_zh, row.cause_en, row.cure_en):
            assert html.escape(words) in text
        for secret in ("lte0", "kit1", WORDS[FieldWord.TECHNICIAN][language], "40 %", "page.js"):
            assert secret not in text
        assert (await made.get("/field/page.css")).status_code == 200, "it is seen as it should be"
        state = await made.get("/field/state", headers={"accept": "text/html"})
        assert (state.status_code, state.json()["code"]) == (403, "field-elsewhere")


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_who_comes_by_a_proxy_of_this_machine_is_not_near(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get("/field/state")).status_code == 200
    answer = await client.get("/field/state", headers={name: "192.168.10.7"})
    assert (answer.status_code, answer.json()["code"]) == (403, "field-elsewhere")


async def test_switched_off_it_is_not_there(client: httpx.AsyncClient, services: Any) -> None:
    object.__setattr__(services, "config", lambda: Config(team=Team(page=False)))
    answer = await client.get("/field")
    assert (answer.status_code, answer.json()["code"]) == (404, "field-off")
    answer = await client.get("/field", headers={"accept": "text/html"})
    assert answer.status_code == 404 and "本页未启用" in answer.text and "Switched off" in answer.text
    assert (await client.get("/field/state")).status_code == 404


async def test_it_reads_and_changes_nothing(client: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await client.request(method, "/field")).status_code in (404, 405)
    policy = (await client.get("/field")).headers["content-security-policy"]
    assert "script-src 'self'" in policy
    text = (await client.get("/field")).text
    assert not re.search(r"\son[a-z]+=|style=|<script>(?!<)", text), "nothing that the policy would not let pass"
    for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css")):
        answer = await client.get(f"/field/{name}")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)


def test_the_script_is_of_the_oldest_syntax() -> None:
    text = re.sub(r"//.*", "", (FOLDER / "page.js").read_text())
    text = re.sub(r'"(\\.|[^"\\])*"', '""', text)
    for new in (
        "=>",
        "`",
        "let ",
        "const ",
        "class ",
        "async ",
        "await ",
        "fetch(",
        "?.",
        "??",
        "...",
        "Promise",
        "for (var",
    ):
        assert new not in text, new


def test_every_word_phase_and_kind_has_its_shape_and_name() -> None:
    assert {word.value for word in FieldWord} <= set(SHAPES)
    assert {phase.value for phase in LinkPhase} == set(PHASES)
    assert {kind.value for kind in BearerKind if kind.value} <= set(KINDS)
    css = Path(FOLDER / "page.css").read_text()
    assert all(f"body.{word}" in css for word in SHAPES)
    assert json.dumps(dict(WORDS[FieldWord.READY]))


def test_the_machine_itself_is_near_by_whichever_address() -> None:
    assert is_near("192.0.2.2", "192.0.2.2", outward=["192.0.2.2"])
    assert not is_near("192.0.2.3", "192.0.2.2") and not is_near("", "192.0.2.2")
    assert not is_near("192.0.2.2", "192.0.2.2", networks=["10.0.0.0/8"]), "where networks are named, only they"
