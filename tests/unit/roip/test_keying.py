"""When a radio may transmit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.roip.keying import Keying, KeyLimits

LIMITS = KeyLimits(transmit_timeout_s=60, transmit_rest_s=3, tail_s=0.4, settle_s=0.2)


def test_wanted_keys_at_once_and_the_tail_keeps_ptt() -> None:
    keying = Keying(LIMITS)
    keying.wanted(True, 10.0)
    assert keying.ptt
    keying.wanted(False, 12.0)
    assert keying.ptt
    assert keying.next_at == pytest.approx(12.4)
    keying.tick(12.39)
    assert keying.ptt
    keying.tick(12.4)
    assert not keying.ptt


def test_words_close_together_are_one_transmission() -> None:
    keying = Keying(LIMITS)
    keying.wanted(True, 0.0)
    keying.wanted(False, 1.0)
    keying.wanted(True, 1.3)
    keying.tick(1.5)
    assert keying.ptt
    assert keying.next_at == pytest.approx(60.0)


def test_open_squelch_inhibits_ptt_until_it_shuts() -> None:
    keying = Keying(LIMITS)
    keying.squelch(True, 0.0)
    keying.wanted(True, 1.0)
    assert not keying.ptt
    assert keying.inhibit == "channel-busy"
    keying.squelch(False, 2.0)
    assert keying.ptt
    assert keying.inhibit == ""


def test_squelch_inhibits_only_where_it_is_set() -> None:
    keying = Keying(KeyLimits(squelch_inhibits=False))
    keying.squelch(True, 0.0)
    keying.wanted(True, 1.0)
    assert keying.ptt


def test_our_own_signal_is_not_somebody_heard() -> None:
    keying = Keying(LIMITS)
    keying.wanted(True, 0.0)
    keying.squelch(True, 0.1)
    assert not keying.heard
    keying.wanted(False, 1.0)
    keying.tick(1.4)  # unkeyed; the channel's tail still opens the squelch
    assert not keying.ptt
    assert not keying.heard
    keying.tick(1.61)
    assert keying.heard


def test_a_transmission_that_runs_out_waits_for_the_talker_to_let_go_and_for_the_rest() -> None:
    keying = Keying(LIMITS)
    keying.wanted(True, 0.0)
    keying.tick(60.0)
    assert not keying.ptt
    assert keying.inhibit == "transmit-timeout"
    assert keying.timeouts == 1
    keying.tick(500.0)  # the button is stuck
    assert not keying.ptt
    keying.wanted(False, 500.0)
    keying.wanted(True, 501.0)
    assert keying.ptt


def test_the_rest_is_kept_after_a_time_out() -> None:
    keying = Keying(LIMITS)
    keying.wanted(True, 0.0)
    keying.tick(60.0)
    keying.wanted(False, 60.5)
    keying.wanted(True, 61.0)
    assert not keying.ptt
    keying.wanted(False, 62.0)
    assert keying.next_at == pytest.approx(63.0)
    keying.tick(63.0)
    keying.wanted(True, 64.0)
    assert keying.ptt


@given(
    st.lists(st.tuples(st.sampled_from(["want", "drop", "open", "shut", "tick"]), st.floats(0.0, 30.0)), max_size=60)
)
def test_never_longer_than_the_time_out_and_never_a_timer_in_the_past(steps: list[tuple[str, float]]) -> None:
    keying = Keying(LIMITS)
    now, keyed_since = 0.0, None
    for what, wait in steps:
        until = now + wait
        while (at := keying.next_at) is not None and at <= until:  # as the session does
            assert at >= now
            now = at
            keying.tick(now)
            keyed_since = _since(keying, keyed_since, now)
            assert keying.next_at is None or keying.next_at > now
        now = until
        match what:
            case "want" | "drop":
                keying.wanted(what == "want", now)
            case "open" | "shut":
                keying.squelch(what == "open", now)
            case _:
                keying.tick(now)
        keyed_since = _since(keying, keyed_since, now)
        assert not (keying.ptt and keying.heard)
        assert keyed_since is None or now - keyed_since <= LIMITS.transmit_timeout_s


def _since(keying: Keying, before: float | None, now: float) -> float | None:
    return None if not keying.ptt else now if before is None else before
