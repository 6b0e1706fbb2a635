"""Lines, sessions, and secrets that never print."""

from __future__ import annotations

import io
import json
import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest

from gateway.base.clock import Clock, JumpWatch
from gateway.base.log import LogSetup, Secret, session_log
from gateway.base.metrics import Metrics
from gateway.base.throttle import Throttle


@contextmanager
def logging_to(form: Literal["text", "json"]) -> Iterator[io.StringIO]:
    out, root = io.StringIO(), logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    setup = LogSetup("info", form, out)
    try:
        yield out
    finally:
        setup.stop()
        root.setLevel(level)
        assert root.handlers == handlers


def test_a_secret_never_prints() -> None:
    secret = Secret("hunter2")
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>20}", "{}".format(secret), repr({"a": secret})]  # noqa: UP032
    assert not any("hunter2" in text for text in shown)
    assert secret.reveal() == "hunter2" and secret == Secret("hunter2") != Secret("x") and secret and not Secret("")
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_text_lines_carry_the_session_and_can_not_be_forged() -> None:
    log = session_log(logging.getLogger("t"), adapter="gb28181", device="kit1/ball-1", call="a%sb")
    with logging_to("text") as out:
        log.info("said %s", "one\nERROR forged\x1b[31m")
        log.debug("not at this level")
    (line,) = out.getvalue().splitlines()
    assert "gb28181 kit1/ball-1 a?sb: said one" in line and "\x1b" not in line and "\\x0aERROR" in line


def test_json_lines_are_json_with_fields() -> None:
    with logging_to("json") as out:
        session_log(logging.getLogger("t"), adapter="gb28181").warning("现场 %d", 5)
        try:
            raise ValueError("x")
        except ValueError:
            logging.getLogger("t").exception("bad")
    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first["text"], first["adapter"], first["level"]) == ("gb28181: 现场 5", "gb28181", "warning")
    assert "ValueError: x" in second["trace"]


class Hand:
    mono = 100.0
    wall = 5000.0

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.mono, lambda: self.wall)


def test_a_clock_jump_is_found_and_drift_is_not() -> None:
    hand = Hand()
    watch = JumpWatch(hand.clock)
    for _ in range(100):
        hand.mono, hand.wall = hand.mono + 1, hand.wall + 1.05
        assert watch.jump() is None, "5 s of drift in all is no jump"
    hand.wall += 3600
    assert watch.jump() == pytest.approx(3600)
    assert watch.jump() is None
    hand.wall -= 7200
    assert watch.jump() == pytest.approx(-7200)


def test_trouble_is_said_once_and_then_counted() -> None:
    hand, said = Hand(), list[str]()
    throttle = Throttle(said.append, clock=hand.clock)
    for number in range(50):
        throttle("late packet on ball-1", f"seq {number}")
        hand.mono += 0.125
    assert said[0] == "seq 0" and len(said) == 7
    assert said[1].startswith("8 × late packet on ball-1 in 1.0 s, last: seq 8")
    for number in range(3000):
        throttle(f"key {number}", "x")
    assert len(throttle._seen) <= 1024


def test_metrics_are_read_when_somebody_asks_and_go_when_they_are_removed() -> None:
    metrics, sent = Metrics(), [1.0]
    metrics.read("sip_messages_total", "Messages", lambda: [(("REGISTER",), sent[0])], ["method"])
    remove = metrics.read("core_devices", "Devices", lambda: [(("online",), 3.0)], ["state"])
    sent[0] = 2.0
    text = metrics.render().decode()
    assert 'gateway_sip_messages_total{method="REGISTER"} 2.0' in text
    assert "# TYPE gateway_sip_messages_total counter" in text and "# TYPE gateway_core_devices gauge" in text
    assert 'gateway_core_devices{state="online"} 3.0' in text
    remove()
    assert "core_devices" not in metrics.render().decode()
