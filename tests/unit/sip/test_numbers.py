"""The number plan: what a number means, and that nothing means nothing."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.sip.config import RouteRule
from adapters.sip.config_trunk import Rewrite
from adapters.sip.numbers import Habits, Meaning, NumberPlan, dialled, fits, rewritten
from gateway.base.errors import NotFound
from tests.unit.sip.house import FakeTalk


def plan(**given: Any) -> NumberPlan:
    given.setdefault("numbers", {"8100": "ball-1/ch1", "8101": "listen:ball-1/ch1", "0": "console", "9": "600"})
    given.setdefault("routes", [RouteRule(pattern="9XXX.", trunks=["center"], strip=1, prepend="0")])
    given.setdefault("emergency", ["110"])
    given.setdefault("users", {"8001": "anna"}.get)
    users = given.pop("users")
    return NumberPlan("kit1", users=lambda n: users(n) or "", resolve=FakeTalk().resolve, **given)


@pytest.mark.parametrize(
    ("number", "kind", "ref", "talk"),
    [
        ("8100", "channel", "kit1/ball-1/ch1", True),
        ("8101", "channel", "kit1/ball-1/ch1", False),
        ("0", "console", "", True),
        ("600", "group", "kit1/talk/ops", True),
        ("talk/ops", "group", "kit1/talk/ops", True),
        ("9", "group", "kit1/talk/ops", True),
        ("ball-1/ch1", "channel", "kit1/ball-1/ch1", True),
        ("kit1/ball-1/ch1", "channel", "kit1/ball-1/ch1", True),
        ("8-100", "channel", "kit1/ball-1/ch1", True),
        ("8001", "number", "8001", True),
    ],
)
def test_what_numbers_lead_to(number: str, kind: str, ref: str, talk: bool) -> None:
    found = plan().find(number)
    assert (found.target.kind, found.target.ref, found.target.may_talk) == (kind, ref, talk)


def test_numbers_that_lead_outside_carry_what_is_sent_there() -> None:
    found = plan().find("92345")
    assert (found.trunks, found.number, found.target.ref) == (("center",), "02345", "92345")


@pytest.mark.parametrize("number", ["", "7", "0086101234", "+4930123", "923", "../etc", "a" * 500, "%00", "9'; --xx"])
def test_everything_else_leads_nowhere(number: str) -> None:
    with pytest.raises(NotFound) as raised:
        plan().find(number)
    assert raised.value.code == "no-route" and len(str(raised.value)) < 200


def test_aliases_that_run_in_a_circle_end() -> None:
    with pytest.raises(NotFound):
        plan(numbers={"1": "2", "2": "1"}).find("1")


def test_emergency_numbers_are_known_as_such_and_need_a_way_all_the_same() -> None:
    with pytest.raises(NotFound):
        plan().find("110")
    found = plan(routes=[RouteRule(pattern="110", trunks=["center"])]).find("110")
    assert found.emergency and found.trunks == ("center",)


def test_targets_in_words() -> None:
    named = plan().of_text("user:anna")
    assert isinstance(named, Meaning) and named.user == "anna" and plan().of_text(" 600 ") == "600"


@pytest.mark.parametrize(
    ("pattern", "number", "yes"),
    [
        ("8XXX", "8123", True),
        ("8XXX", "81234", False),
        ("[2-4]0", "30", True),
        ("[2-4]0", "50", False),
        ("9.", "9", False),
        ("9.", "91", True),
        (".", "+86", True),
        ("*97", "*97", True),
        ("+86.", "+8610", True),
        ("8X", "8a", False),
    ],
)
def test_patterns(pattern: str, number: str, yes: bool) -> None:
    assert fits(pattern, number) is yes


def test_the_first_rewriting_rule_that_fits_counts() -> None:
    rules = [Rewrite(pattern="0XX.", strip=1, prepend="+86"), Rewrite(pattern="0.", strip=1)]
    assert [rewritten(rules, n) for n in ("01012", "01", "5")] == ["+861012", "1", "5"]


def test_how_numbers_are_written_on_a_trunk() -> None:
    china = Habits(country="86")
    assert [china.e164(n) for n in ("0086101234567", "01012345678", "+8610", "8001", "0123")] == [
        "+86101234567",
        "+861012345678",
        "+8610",
        "8001",
        "0123",
    ]
    assert [china.home(n) for n in ("+861012345678", "+4930", "8001")] == ["01012345678", "+4930", "8001"]
    assert Habits().e164("01012345678") == "01012345678"


def test_what_people_dial_is_read() -> None:
    assert [dialled(t) for t in ("+86 (10) 123-45", "8001;phone-context=x", "%2B86", "ball-1/ch1")] == [
        "+861012345",
        "8001",
        "+86",
        "ball-1/ch1",
    ]
