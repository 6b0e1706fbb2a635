"""`[talk]`: groups, their numbers, their members' words."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from gateway.config.load import Listed, from_tree
from gateway.config.root import Config


def read(text: str) -> tuple[Config | None, list[str]]:
    config, problems = from_tree(tomllib.loads(text), Listed({}))
    return config, [str(problem) for problem in problems]


def test_by_default_there_is_one_group_that_hears_all_radios() -> None:
    config, problems = read("")
    assert config is not None and not problems
    (ops,) = config.talk.group.values()
    assert (ops.number, ops.mode, ops.members, ops.talk_timer) == ("600", "half", ["kind:radio"], 60.0)
    config, _ = read("[talk]\ngroup = {}")
    assert config is not None and not config.talk.group


def test_groups_of_ones_own() -> None:
    config, problems = read(
        "[talk.group.fire]\nname = '消防'\nnumber = '601'\nmode = 'full'\ntalk_timer = '0s'\n"
        "members = ['ball-1/ch1', 'kit1/ball-2/ch1', 'sip:8001', 'kind:radio']\ntalks = ['ball-1/ch1']\n"
    )
    assert config is not None and not problems
    assert config.talk.group["fire"].members[2] == "sip:8001"


@pytest.mark.parametrize(
    ("text", "key", "word"),
    [
        ("[talk.group.fire]\nmembers = ['kind:balloon']", "talk.group.fire.members", "kinds are"),
        ("[talk.group.fire]\nmembers = ['ball']", "talk.group.fire.members", "ball-1/ch1"),
        ("[talk.group.fire]\nmembers = ['sip:a b']", "talk.group.fire.members", "sip:8001"),
        ("[talk.group.fire]\ntalks = ['sip:1']", "talk.group.fire.talks", "channel"),
        ("[talk.group.fire]\nnumber = 'six'", "talk.group.fire.number", "digits"),
        ("[talk.group.fire]\nmode = 'both'", "talk.group.fire.mode", "half"),
        ("[talk.group.fire]\ntalk_timer = 5", "talk.group.fire.talk_timer", "duration"),
        ("[talk.group.fire]\nmax_member = 5", "talk.group.fire.max_member", "max_member"),
        ("[talk.group.'Fire 1']\n", "talk", "good name"),
        ("[talk.group.a]\nnumber = '1'\n[talk.group.b]\nnumber = '1'", "talk", "number of group a"),
        ("[talk]\npress_timeout = '1s'", "talk.press_timeout", "greater"),
    ],
)
def test_what_is_wrong_is_said(text: str, key: str, word: Any) -> None:
    config, problems = read(text)
    assert config is None
    assert any(problem.startswith(key) and word in problem for problem in problems), problems
