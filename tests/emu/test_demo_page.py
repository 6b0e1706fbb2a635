"""The page of `make demo-center`: who has no token is told so, and what is clicked is done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.emu.demo.page import MAX_BODY, Page

SHOWN = {"kits": [{"name": "countyA", "links": []}]}


class Desk:
    def __init__(self) -> None:
        self.done: list[dict[str, Any]] = []
        self.page = Page(("127.0.0.1", 0), lambda: SHOWN, self.act)

    def act(self, order: dict[str, Any]) -> dict[str, Any]:
        if order.get("do") != "cut":
            raise ValueError("没有此操作。 There is no such order.")
        self.done.append(order)
        return SHOWN

    def client(self, token: str = "") -> httpx.Client:
        given = {"Authorization": f"Bearer {token or self.page.token}"}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.page.port}", headers=given, timeout=20)


def both(words: str) -> bool:
    """In Chinese and in English."""
    return bool(re.search("[\u4e00-\u9fff]", words) and re.search("[a-z]{3}", words))


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.page.close()


def test_the_page_itself_holds_no_secret_and_lets_nothing_in_from_elsewhere(desk: Desk) -> None:
    with desk.client("nobody") as client:
        answer = client.get("/")
    assert answer.status_code == 200 and desk.page.token not in answer.text
    assert "切断" in answer.text and "Cut" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy


def test_without_the_token_nothing_is_shown_or_done(desk: Desk) -> None:
    with desk.client("guessed") as client:
        refused = client.get("/state")
        assert refused.status_code == 401 and both(refused.json()["error"])
        assert client.post("/do", json={"do": "cut"}).status_code == 401
    assert desk.done == []


def test_a_click_is_done_and_the_new_state_comes_back(desk: Desk) -> None:
    order = {"do": "cut", "kit": "countyA", "link": "lteA", "cut": True}
    with desk.client() as client:
        assert client.get("/state").json() == SHOWN
        assert client.post("/do", json=order).json() == SHOWN
    assert desk.done == [order]


def test_what_is_not_understood_is_answered_in_words(desk: Desk) -> None:
    with desk.client() as client:
        for body in (b"{", b"[]", b'{"do": "dance"}'):
            answer = client.post("/do", content=body)
            assert answer.status_code == 400 and both(answer.json()["error"])
        large = client.post("/do", content=b"x" * (MAX_BODY + 1))
        assert large.status_code == 413 and both(large.json()["error"])
        assert client.get("/other").status_code == 404
