"""The four words: by what, with which reason, and without flicker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.field_word import FieldFacts, FieldJudge, links_of
from gateway.model.kit import CenterState, KitState, LinkState, LinkUse
from gateway.model.kit_state import FieldLink, FieldState, FieldWord, KitCondition
from gateway.model.reason import REASONS

NOW = 1_800_000_000.0
WELL = KitCondition("kit1")
LTE = FieldLink("lte0", "lte", True, "up", bars=3)
SEARCHING = FieldLink("lte0", "lte", False, "searching", "field-no-link")
PHONE = FieldLink("sat0", "satphone", True, "up")


def center(state: KitState = KitState.ONLINE, code: str = "", *bps: float | None) -> CenterState:
    links = tuple(LinkState(f"l{at}", "lte", "", LinkUse.IN, usable_bps=rate) for at, rate in enumerate(bps or (2e6,)))
    return CenterState("county", state=state, code=code, links=links if state is not KitState.OFFLINE else ())


HELD = FieldFacts(WELL, [center()], 1, links=[LTE])
ALONE = FieldFacts(WELL, [center(KitState.OFFLINE, "center-silent")], 1, links=[LTE])


def said(facts: FieldFacts, *, after_s: float = 3.0, patience_s: float = 600.0) -> FieldState:
    """Soon after the start, or after so long."""
    judge = FieldJudge(patience_s)
    judge.look(facts, 0.0, NOW)
    at = 0.0
    while at < after_s:
        at += 1.0
        judge.look(facts, at, NOW + at)
    return judge.state


@pytest.mark.parametrize(
    ("facts", "word", "code"),
    [
        (HELD, "ready", ""),
        (replace(HELD, started=False), "connecting", "field-starting"),
        (ALONE, "connecting", "field-center-away"),
        (replace(ALONE, links=[SEARCHING]), "connecting", "field-no-link"),
        (replace(ALONE, links=[]), "connecting", "center-silent"),
        (replace(ALONE, centers=[], paired=0), "technician", "field-no-center"),
        (replace(ALONE, centers=[], paired=0, wanted=False, links=[]), "connecting", "field-no-link"),
        (replace(ALONE, centers=[], paired=0, wanted=False), "ready", ""),
        (replace(ALONE, centers=[center(KitState.OFFLINE, "kit-revoked")]), "technician", "kit-revoked"),
        (FieldFacts(WELL, wanted=False, is_center=True), "ready", ""),
        (FieldFacts(replace(WELL, codes=("disk-full",)), wanted=False, is_center=True), "ready", "disk-full"),
        (replace(ALONE, messages=True), "degraded", "field-messages-only"),
        (replace(ALONE, links=[SEARCHING, PHONE]), "degraded", "field-satphone-only"),
        (replace(ALONE, links=[], failed=["config"]), "technician", "config"),
        (replace(ALONE, broken=["store-fault"]), "technician", "store-fault"),
        (replace(HELD, centers=[center(KitState.ONLINE, "", 90e3)]), "degraded", "field-voice-only"),
        (replace(HELD, centers=[center(KitState.DEGRADED, "kit-link-out", 90e3, 400e3)]), "ready", ""),
        (replace(HELD, centers=[center(KitState.ONLINE, "", 90e3, None)]), "ready", ""),
        (replace(HELD, devices=3), "ready", "field-no-device"),
        (replace(HELD, devices=3, devices_online=1), "ready", ""),
        (replace(HELD, failed=["port-in-use"]), "ready", "field-adapter"),
        (replace(HELD, condition=replace(WELL, codes=("battery-low", "position-none"))), "ready", "battery-low"),
        (replace(HELD, condition=replace(WELL, codes=("position-none", "on-battery"))), "ready", ""),
    ],
)
def test_by_what(facts: FieldFacts, word: str, code: str) -> None:
    state = said(facts)
    assert (state.word.value, state.code) == (word, code)
    assert not code or code in REASONS


def test_only_where_all_links_are_stuck_is_that_the_reason() -> None:
    locked = FieldLink("lte0", "lte", False, "locked", "sim-pin")
    absent = FieldLink("lte1", "lte", False, "absent", "sim-absent")
    state = said(replace(ALONE, links=[locked, absent]))
    assert (state.word, state.code) == (FieldWord.TECHNICIAN, "sim-pin")
    state = said(replace(ALONE, links=[locked, replace(SEARCHING, code="modem-searching")]))
    assert (state.word, state.code) == (FieldWord.CONNECTING, "modem-searching"), "one may come yet"


@pytest.mark.parametrize("code", ["modem-starting", "link-untended", "modem-absent", "link-no-interface", "mm-absent"])
def test_no_technician_is_called_for_a_link_that_comes_back_by_itself(code: str) -> None:
    """A kit whose only modem is being set up is no case for anybody: that is how each start begins."""
    state = said(replace(ALONE, links=[FieldLink("lte0", "lte", False, "absent", code)]), after_s=30)
    assert (state.word, state.code) == (FieldWord.CONNECTING, code)


def test_a_start_calls_nobody_in_its_first_moments() -> None:
    judge = FieldJudge()
    assert judge.look(replace(ALONE, links=[], failed=["config"]), 0.0, NOW).word is FieldWord.CONNECTING
    assert judge.look(HELD, 1.0, NOW).word is FieldWord.READY, "the links were found"


def test_a_modem_that_changes_its_mind_each_second_does_not_keep_a_word_that_is_too_good() -> None:
    judge, codes = FieldJudge(), ("modem-searching", "modem-recovering")
    judge.look(HELD, 0.0, NOW)
    for second in range(1, 6):
        facts = replace(ALONE, links=[replace(SEARCHING, code=codes[second % 2])])
        state = judge.look(facts, float(second), NOW + second)
    assert state.word is FieldWord.CONNECTING and state.code in codes
    judge = FieldJudge()
    judge.look(HELD, 0.0, NOW)
    for second in range(1, 6):  # worse in two ways by turns
        state = judge.look(replace(ALONE, messages=bool(second % 2)), float(second), NOW + second)
    assert state.word in (FieldWord.DEGRADED, FieldWord.CONNECTING)


def test_a_terminal_for_short_messages_has_no_voice() -> None:
    state = said(replace(ALONE, links=[PHONE], voiceless=frozenset({"sat0"})))
    assert (state.word, state.code) == (FieldWord.DEGRADED, "field-texts-only")
    both = [PHONE, replace(PHONE, name="sat1")]
    assert said(replace(ALONE, links=both, voiceless=frozenset({"sat0"}))).code == "field-satphone-only"


def test_each_center_counts_its_own_links() -> None:
    """Both go by the same two bearers: 120 kb/s twice are no 240."""
    thin = [center(KitState.ONLINE, "", 120e3), replace(center(KitState.ONLINE, "", 120e3), gateway="city")]
    assert said(replace(HELD, centers=thin)).code == "field-voice-only"
    assert said(replace(HELD, centers=[thin[0], replace(center(), gateway="city")])).word is FieldWord.READY


def test_one_center_that_refuses_is_not_the_reason_while_another_may_come() -> None:
    revoked, away = center(KitState.OFFLINE, "kit-revoked"), center(KitState.OFFLINE, "center-silent")
    state = said(replace(ALONE, centers=[revoked, replace(away, gateway="city")]))
    assert (state.word, state.code) == (FieldWord.CONNECTING, "field-center-away")


def test_a_center_that_is_there_for_a_blink_does_not_keep_help_away() -> None:
    judge = FieldJudge(60.0)
    for second in range(80):
        judge.look(HELD if second % 20 == 5 else ALONE, float(second), NOW + second)
    assert judge.state.word is FieldWord.TECHNICIAN


def test_links_that_may_not_be_used_say_why() -> None:
    off = FieldLink("lte0", "lte", False, "off", "link-roaming")
    assert said(replace(ALONE, links=[off])).code == "link-roaming"
    alone = replace(ALONE, centers=[], paired=0, wanted=False, links=[off])
    state = said(replace(alone, links=[]), after_s=70, patience_s=60)
    assert (state.word, state.code) == (FieldWord.TECHNICIAN, "field-no-link"), "no center is missed here"


def test_ready_is_not_said_while_a_part_of_the_daemon_does_not_answer() -> None:
    state = said(replace(HELD, broken=["internal"]))
    assert (state.word, state.code) == (FieldWord.CONNECTING, "internal")
    assert said(replace(HELD, broken=["internal"]), after_s=70, patience_s=60).word is FieldWord.TECHNICIAN


def test_a_mistake_in_the_setting_of_what_calls_the_centers_does_not_mend_by_waiting() -> None:
    state = said(replace(ALONE, failed=["port-in-use", "config"], severed="config"))
    assert (state.word, state.code) == (FieldWord.TECHNICIAN, "config")
    assert said(replace(ALONE, failed=["port-in-use"])).word is FieldWord.CONNECTING


def test_without_a_center_for_long_help_is_called() -> None:
    assert said(ALONE, after_s=50, patience_s=60).word is FieldWord.CONNECTING
    state = said(ALONE, after_s=70, patience_s=60)
    assert (state.word, state.code) == (FieldWord.TECHNICIAN, "field-too-long")
    state = said(replace(ALONE, links=[replace(SEARCHING, code="no-service")]), after_s=70, patience_s=60)
    assert (state.word, state.code) == (FieldWord.TECHNICIAN, "no-service"), "the reason is the better word"


def test_it_does_not_flicker() -> None:
    judge, words = FieldJudge(), []
    for second in range(118):  # a link that comes and goes each two seconds
        facts = HELD if second % 4 < 2 else ALONE
        words.append(judge.look(facts, float(second), NOW + second).word)
    assert set(words) == {FieldWord.READY}
    words = [judge.look(ALONE, 120.0 + second, NOW).word for second in range(6)]
    assert words == [FieldWord.READY] * 3 + [FieldWord.CONNECTING] * 3, "sooner to the worse"
    words = [judge.look(HELD, 130.0 + second, NOW).word for second in range(9)]
    assert words == [FieldWord.CONNECTING] * 6 + [FieldWord.READY] * 3


def test_a_thin_link_at_its_edge_stays_thin() -> None:
    judge, words = FieldJudge(), []
    for second, rate in enumerate([500e3] * 5 + [190e3] * 5 + [250e3] * 20 + [310e3] * 10):
        facts = replace(HELD, centers=[center(KitState.ONLINE, "", rate)])
        words.append(judge.look(facts, float(second), NOW).word.value)
    changes = [word for at, word in enumerate(words) if at == 0 or words[at - 1] != word]
    assert changes == ["ready", "degraded", "ready"]


def test_since_is_of_the_word_and_the_rest_is_of_now() -> None:
    judge = FieldJudge()
    first = judge.look(HELD, 0.0, NOW)
    second = judge.look(replace(HELD, links=[replace(LTE, bars=1)]), 5.0, NOW + 5)
    assert first.since == second.since == NOW and second.links[0].bars == 1 and second.centers == 1
    judge.stepped(-86400.0)
    assert judge.look(HELD, 6.0, NOW - 86394).since == NOW - 86400, "it has stood for six seconds, not for a day"
    noted = replace(HELD, condition=replace(WELL, codes=("battery-low", "hot", "disk-low", "gnss-jump", "on-battery")))
    state = said(noted)
    assert (state.code, state.more) == ("battery-low", ("hot", "gnss-jump", "disk-low"))


def test_links_of_the_bundle_stand_in_for_bearers() -> None:
    out = LinkState("lte-1", "lte", "wwan0", LinkUse.OUT, "link-silent")
    both = [CenterState("a", links=(out,)), CenterState("b", links=(replace(out, state=LinkUse.IN, code=""),))]
    assert links_of(both) == [FieldLink("lte-1", "lte", True, "up")]
    assert links_of(both[:1]) == [FieldLink("lte-1", "lte", False, "degraded", "link-silent")]


def test_it_is_settled_when_time_alone_changes_nothing() -> None:
    judge = FieldJudge(600.0)
    assert not judge.settled
    judge.look(HELD, 0.0, NOW)
    assert judge.settled and judge.state.word is FieldWord.READY
    judge.look(ALONE, 1.0, NOW)
    assert not judge.settled, "worse waits to have lasted"
    judge.look(ALONE, 5.0, NOW)
    assert judge.state.word is FieldWord.CONNECTING and not judge.settled, "help is called after a while"
    judge.look(ALONE, 602.0, NOW)
    judge.look(ALONE, 606.0, NOW)
    assert judge.state.word is FieldWord.TECHNICIAN and judge.settled
    judge.look(HELD, 607.0, NOW)
    assert not judge.settled, "better waits to have lasted"
    for at in range(608, 620):
        judge.look(HELD, float(at), NOW)
    assert judge.state.word is FieldWord.READY and judge.settled


def test_settled_it_says_the_same_for_the_same_facts_for_ever() -> None:
    for facts in (HELD, ALONE, replace(ALONE, centers=[], paired=0), replace(ALONE, messages=True)):
        judge = FieldJudge(60.0)
        word: tuple[FieldWord, str] | None = None
        for at in range(200):
            state = judge.look(facts, float(at), NOW)
            if word is not None:
                assert (state.word, state.code) == word
            word = (state.word, state.code) if judge.settled else None
        assert word is not None, facts
