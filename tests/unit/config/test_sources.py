"""`[source.…]`, `[program.…]`, `[push.…]` and `[security]`: what is taken, what is refused in words, what is shown."""

from __future__ import annotations

import re
import tomllib

import pytest

from gateway.config.diff import diff
from gateway.config.example import render
from gateway.config.load import Listed, from_tree
from gateway.config.root import Config

GATE = '[source.gate]\nurl = "rtsp://user:s3cret@192.168.1.64/1?key=s3cret"\nsub = "rtsp://192.168.1.64/2"\n'
DRONE = '[program.drone]\npassword = "s3cret-s3cret"\npublish = ["drone-*"]\n'
CENTER = '[push.center]\nstream = "ball-1/ch1"\nurl = "rtmp://user:s3cret@center.example/live/s3cret"\n'


def read(text: str) -> tuple[Config | None, list[str]]:
    config, problems = from_tree(tomllib.loads(text), Listed({}))
    return config, [str(problem) for problem in problems]


def good(text: str) -> Config:
    config, problems = read(text)
    assert config is not None and problems == []
    return config


def test_what_is_taken() -> None:
    config = good(GATE + DRONE + CENTER + '[security]\npull_allow = ["127.0.0.1:8554", "10.0.0.0/8", "[::1]:554"]\n')
    assert config.source["gate"].urls == {
        "main": "rtsp://user:s3cret@192.168.1.64/1?key=s3cret",
        "sub": "rtsp://192.168.1.64/2",
    }
    assert config.program["drone"].publish == ["drone-*"] and config.push["center"].stream == "ball-1/ch1"
    config = good('[source.nvr]\nurl = "rtsp://h/1"\n[source.nvr.channel]\ngate = "rtsp://h/2"\n')
    assert list(config.source["nvr"].urls) == ["main", "gate"]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("[source]\nurl = 'rtsp://h/'", "source", "write [source.gate]"),
        ("[source.Gate]\nurl = 'rtsp://h/'", "source.Gate", "lower-case"),
        ("[source.talk]\nurl = 'rtsp://h/'", "source.talk", "not talk"),
        ("[source.gate]", "source.gate.url", "must be set"),
        ("[source.gate]\nurl = 'rtsp://u:s3cret@'", "source.gate.url", "no host"),
        ("[source.gate]\nurl = 'rtsp://u:s3cret@h:99999/'", "source.gate.url", "its port"),
        ("[source.gate]\nurl = 'rtsp://h/'\nurll = ''", "source.gate.urll", "did you mean url"),
        ("[source.gate]\nurl = 'rtsp://h/'\nchannel = {main = 'rtsp://h/'}", "source.gate.channel", "not a good name"),
        ("[program.x]\npublish = ['../x']", "program.x.publish.0", "names no stream"),
        ("[program.x]\npassword = 's3cret'", "program.x.password", "8 to 128"),
        ("[program.x]\nwithout_password_from = ['everywhere']", "program.x.without_password_from.0", "no network"),
        ("[push.x]\nstream = 'a/../b'\nurl = 'rtmp://h/a/b'", "push.x.stream", "names no stream"),
        ("[push.x]\nurl = 'rtmp://h/a/b'", "push.x.stream", "must be set"),
        ("[security]\npull_allow = ['localhost']", "security.pull_allow.0", "no network"),
        ("[security]\npush_policy = 'fight'", "security.push_policy", "'refuse' or 'replace'"),
        (
            "[program.a]\nwithout_password_from = ['10.0.0.0/8']\n[program.b]\nwithout_password_from = ['10.0.0.1/8']",
            "program.b.without_password_from",
            "program a",
        ),
    ],
)
def test_what_is_wrong_is_said_by_its_key_and_holds_no_secret(text: str, key: str, words: str) -> None:
    config, problems = read(text)
    assert config is None
    assert any(problem.startswith(f"{key}: ") and words in problem for problem in problems), problems
    assert "s3cret" not in "".join(problems)


def test_nothing_that_is_shown_holds_a_secret() -> None:
    config = good(GATE + DRONE + CENTER)
    assert "s3cret" not in render(Listed({}), config) and "s3cret" not in repr(config)
    assert 'url = "rtsp://192.168.1.64/1"' in render(Listed({}), config)
    changes = diff(Config(), config).changes
    assert {change.key.partition(".")[0] for change in changes} == {"source", "program", "push"}
    assert "s3cret" not in repr(changes)


def test_another_password_alone_is_a_change_that_is_told() -> None:
    before, after = good(GATE + DRONE), good((GATE + DRONE).replace("s3cret", "an0ther"))
    change = diff(before, after)
    assert change.live == {"source", "program"}
    assert {c.key for c in change.changes} == {"source", "program"} and "an0ther" not in repr(change)
    assert diff(before, before).live == frozenset()


def test_the_example_is_commented_and_may_be_uncommented() -> None:
    text = render(Listed({}))
    assert good(text).source == {}
    sections = re.findall(r"^# \[(?:source|program|push)\..*?(?=^$)", text, re.M | re.S)
    lines = [line.removeprefix("# ") for section in sections for line in section.splitlines()]
    config = good("\n".join(line for line in lines if not re.match(r"\w+ =  #", line)))
    assert list(config.source) == ["gate"] and list(config.program) == ["drone"] and list(config.push) == ["center"]
