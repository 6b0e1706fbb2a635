"""The rules of one stream, told by hand."""

from __future__ import annotations

import random

import pytest

from gateway.core.on_demand import OnDemand, Patience
from gateway.model.media import StreamState

S = StreamState


def rules(*, on_demand: bool = True, offline: str | None = None) -> OnDemand:
    return OnDemand(Patience(), on_demand=on_demand, offline=offline, jitter=lambda: 1.0)


def live(now: float = 0.0) -> OnDemand:
    r = rules()
    r.joined(now)
    r.frames(now)
    r.poll()
    return r


def test_first_viewer_opens_and_second_shares() -> None:
    r = rules()
    r.joined(0)
    assert r.state is S.OPENING and r.poll().run
    r.joined(0.1)
    assert not r.poll().run
    r.frames(0.5)
    assert (r.state, r.code) == (S.LIVE, "")
    r.joined(1)
    assert not r.poll().run and r.viewers == 3


def test_last_viewer_leaves_and_the_source_goes_after_idle_close() -> None:
    r = live()
    r.left(10)
    assert r.state is S.LIVE and not r.poll().cancel
    assert r.next_timer() == 20
    r.handle_timer(20)
    assert r.state is S.IDLE and r.poll().cancel


def test_a_viewer_who_comes_back_in_time_finds_it_open() -> None:
    r = live()
    r.left(10)
    r.joined(19.9)
    assert r.next_timer() is None and r.state is S.LIVE
    assert not r.poll().run


def test_failure_on_start_is_tried_again_with_growing_waits() -> None:
    r = rules()
    r.joined(0)
    waits, now = [], 0.0
    for _ in range(7):
        assert r.poll().run
        r.ended(now, "invite-refused", "486")
        assert (r.state, r.code, r.detail) == (S.WAITING, "invite-refused", "486")
        at = r.next_timer()
        assert at is not None
        waits.append(at - now)
        now = at
        r.handle_timer(now)
    assert waits == [0.5, 1, 2, 4, 8, 15, 15]


def test_jitter_stays_within_a_fifth() -> None:
    r = OnDemand(Patience(), jitter=lambda: random.uniform(0.8, 1.2))
    r.joined(0)
    r.ended(0, "no-media")
    at = r.next_timer()
    assert at is not None and 0.4 <= at <= 0.6


def test_a_healthy_time_forgets_the_failures() -> None:
    r = rules()
    r.joined(0)
    for now in (0.0, 1.0, 3.0):
        r.ended(now, "no-media")
        r.handle_timer(r.next_timer() or 0)
    r.frames(10)
    r.ended(25, "source-ended")
    assert r.next_timer() == 25.5


def test_viewers_stay_through_an_outage() -> None:
    r = live()
    r.stalled(5)
    assert (r.state, r.code) == (S.STALLED, "media-stopped")
    r.ended(15, "media-stopped")
    assert r.state is S.WAITING and r.viewers == 1
    r.handle_timer(15.5)
    assert r.poll().run and r.state is S.OPENING
    r.frames(16)
    assert r.state is S.LIVE and r.viewers == 1


def test_frames_again_end_the_stall() -> None:
    r = live()
    r.stalled(5)
    r.frames(6)
    assert (r.state, r.code) == (S.LIVE, "")


def test_device_gone_while_waiting_says_so_and_coming_back_opens_at_once() -> None:
    r = live()
    r.stalled(5)
    r.device(False, 6, "keepalive-lost")
    assert (r.state, r.code) == (S.OFFLINE, "keepalive-lost") and r.poll().cancel
    r.ended(6.1, "")
    assert r.next_timer() is None
    r.device(False, 7, "kit-stopped")
    assert (r.state, r.code) == (S.OFFLINE, "kit-stopped"), "why is known better now"
    r.device(True, 30)
    assert r.poll().run and r.state is S.OPENING


def test_a_picture_that_flows_is_not_cut_for_a_lost_registration() -> None:
    r = live()
    r.device(False, 5, "keepalive-lost")
    assert r.state is S.LIVE and not r.poll().cancel
    r.stalled(8)
    assert r.state is S.OFFLINE and r.poll().cancel


def test_a_restarted_device_is_asked_at_once_when_its_picture_stops() -> None:
    r = live()
    r.device(True, 5)
    r.stalled(8)
    assert r.poll().cancel and r.state is S.OPENING
    r.ended(8.1, "")
    assert r.poll().run


def test_a_stalled_stream_is_asked_anew_when_its_device_registers() -> None:
    r = live()
    r.stalled(5)
    r.device(True, 6)
    assert r.poll().cancel
    r.ended(6.2, "")
    assert r.poll().run and r.state is S.OPENING


def test_viewer_of_an_offline_device_waits_without_attempts() -> None:
    r = rules(offline="device-offline")
    r.joined(0)
    assert (r.state, r.code) == (S.OFFLINE, "device-offline")
    assert not r.poll().run and r.next_timer() is None
    r.left(1)
    assert r.state is S.IDLE


def test_never_two_attempts() -> None:
    r = live()
    r.left(0)
    r.handle_timer(10)
    assert r.poll().cancel
    r.joined(10.1)
    assert r.state is S.OPENING and not r.poll().run
    r.ended(11, "")
    assert r.poll().run


def test_an_attempt_without_media_is_given_up_with_the_reason_it_told() -> None:
    r = rules()
    r.joined(0)
    r.poll()
    r.said("invite-timeout", "no answer", 5)
    r.handle_timer(60)
    assert r.poll().cancel and (r.state, r.code) == (S.WAITING, "invite-timeout")
    r.ended(60.2, "")
    r.handle_timer(60.5)
    assert r.poll().run


@pytest.mark.parametrize("said", ["opening", "waiting-media"])
def test_given_up_while_waiting_for_media_is_no_media(said: str) -> None:
    r = rules()
    r.joined(0)
    r.said(said, "", 1)
    r.handle_timer(60)
    assert r.code == "no-media"


def test_not_on_demand_is_kept_open_without_viewers() -> None:
    r = rules(on_demand=False)
    r.start(0)
    assert r.poll().run
    r.ended(1, "source-ended")
    assert r.state is S.WAITING
    r.joined(1.1)
    r.left(1.2)
    r.handle_timer(1.5)
    assert r.poll().run


def test_removed_never_opens_again() -> None:
    r = live()
    r.remove()
    assert r.poll().cancel and r.state is S.REMOVED
    r.ended(1, "")
    r.device(True, 2)
    assert not r.poll().run and r.state is S.REMOVED


def test_source_that_ends_after_the_last_viewer_left_is_let_rest() -> None:
    r = live()
    r.left(1)
    r.ended(2, "source-ended")
    assert r.state is S.IDLE and r.next_timer() is None


def test_panic_begins_anew() -> None:
    r = live()
    r.panic(5)
    assert r.poll().cancel and (r.state, r.code) == (S.WAITING, "stream-panic")
    r.ended(5.1, "")
    r.handle_timer(5.5)
    assert r.poll().run


def test_random_histories_never_run_two_attempts_nor_lose_a_wish() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        r = OnDemand(Patience(), jitter=lambda: 1.0)
        now, running, cancelled = 0.0, False, False
        for _ in range(120):
            now += rng.random() * 3
            timer = r.next_timer()
            if timer is not None and timer <= now:
                r.handle_timer(now)
            else:
                match rng.randrange(8):
                    case 0:
                        r.joined(now)
                    case 1 if r.viewers:
                        r.left(now)
                    case 2:
                        r.device(rng.random() < 0.5, now)
                    case 3 if running:
                        running = False
                        r.ended(now, "no-media")
                    case 4 if running and not cancelled:
                        r.frames(now)
                    case 5 if running:
                        r.stalled(now)
                    case 6 if running:
                        r.said("waiting-media", "", now)
            orders = r.poll()
            if orders.cancel:
                assert running
                cancelled = True
            if orders.run:
                assert not running, f"two attempts, seed {seed}"
                running, cancelled = True, False
            if r.viewers and not running:
                assert r.state in (S.OFFLINE, S.WAITING), f"{r.state} with a viewer and no attempt, seed {seed}"
                assert r.state is S.OFFLINE or r.next_timer() is not None


def test_why_it_failed_stays_told_while_it_is_asked_again() -> None:
    r = rules()
    r.joined(0)
    r.ended(0, "auth-failed", "401")
    r.handle_timer(0.5)
    shown = [(r.state, r.code, r.detail)]
    for said in ("opening", "waiting-media", ""):
        r.said(said, "TCP", 0.6)
        shown.append((r.state, r.code, r.detail))
    assert shown == [(S.OPENING, "auth-failed", "401")] * 4
    r.said("invite-timeout", "", 0.7)
    assert r.code == "invite-timeout", "this attempt knows better"
    r.ended(1, "auth-failed", "401")
    r.handle_timer(2)
    r.handle_timer(62)
    assert (r.state, r.code) == (S.WAITING, "no-media"), "and what it did not say itself is not why it was given up"
    r.handle_timer(62.5)
    assert (r.state, r.code) == (S.OPENING, "no-media"), "the one before is still being ended"
    r.ended(62.6, "")
    assert (r.state, r.code) == (S.OPENING, "no-media")
    r.media(63)
    assert r.code == "waiting-key-frame"
    r.frames(63)
    assert (r.state, r.code) == (S.LIVE, "")
    r.stalled(80)
    r.device(True, 81)
    assert (r.state, r.code) == (S.OPENING, "opening"), "the way is another one: what failed before is no news of it"
    r.ended(81, "")
    r.left(82)
    r.handle_timer(92)
    r.ended(92, "")
    r.joined(93)
    assert (r.state, r.code) == (S.OPENING, "opening")


def test_a_picture_in_a_codec_that_is_not_carried_is_told_as_long_as_the_attempt_lasts() -> None:
    r = rules()
    r.joined(0)
    assert r.problem("codec-unsupported", "MPEG-2 video", {})
    assert not r.problem("codec-unsupported", "MPEG-2 video", {}), "told once"
    r.media(0.1)
    assert (r.state, r.code, r.detail) == (S.OPENING, "source-codec", "MPEG-2 video")
    r.sound_only()
    assert r.code == "source-codec"
    r.handle_timer(60.1)
    assert (r.state, r.code, r.detail) == (S.WAITING, "source-codec", "MPEG-2 video")
    r.ended(60.2, "source-ended")
    r.handle_timer(60.7)
    assert (r.state, r.code) == (S.OPENING, "source-codec"), "why it failed stays told"
    r.problem("codec-unsupported", "MPEG-2 video", {})
    r.has("video")
    r.frames(61)
    assert (r.state, r.code) == (S.LIVE, "")


def test_sound_in_a_codec_that_is_not_carried_is_told_beside_the_picture_until_it_comes_in_another() -> None:
    r = rules()
    r.joined(0)
    assert r.problem("audio-unsupported", "AC-3", {})
    r.media(0.1)
    assert r.code == "waiting-key-frame"
    r.has("video")
    r.frames(0.5)
    assert (r.state, r.code, r.detail) == (S.LIVE, "source-sound", "AC-3")
    r.stalled(5)
    r.frames(6)
    assert (r.state, r.code) == (S.LIVE, "source-sound")
    r.has("audio")
    assert (r.state, r.code) == (S.LIVE, "")
    # What happens to a track that is there is worth telling, and passes.
    assert not r.problem("audio-unsupported", "LATM of a form that nobody sends", {"audio"})
    assert r.code == "audio-unsupported"
    r.stalled(7)
    r.frames(8)
    assert r.code == ""
    r = rules()
    r.joined(0)
    r.lasting("track-left-out", "video MPEG-2 video")
    r.sound_only()
    assert r.code == "audio-only", "what can be had of it is"
