"""The link bundle over emulated links: short runs of bench-uplink's situations, judged by what came, not by when.

Play-out is two seconds here, so that a busy machine loses nothing by itself; how much is in time at which play-out is
`make bench-uplink`'s to say.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.uplink import weather
from tests.bench.uplink.judge import resumed_s
from tests.bench.uplink.run import Outcome, System, run
from tests.bench.uplink.traffic import Kind
from tests.bench.uplink.weather import Plan
from tests.emu.link import Shape
from tests.emu.program import skip_unless_able

PATIENT = {"playout_ms": 2000, "voice_playout_ms": 2000}


@pytest.fixture(autouse=True)
def _links() -> None:
    skip_unless_able()


def bundle(mode: str = "spread", paths: tuple[str, ...] = weather.PATHS) -> System:
    return System(mode, "bundle", paths, mode=mode, **PATIENT)


def came(outcome: Outcome, kind: Kind) -> tuple[list[int], list[int]]:
    """(numbers sent, numbers that came, in the order in which they came), whichever way this kind goes, since the
    links are as planned."""
    back = kind in (Kind.VOICE_BACK, Kind.CONTROL_BACK)
    sent, received = (
        (outcome.center_sent, outcome.kit_received) if back else (outcome.kit_sent, outcome.center_received)
    )
    first = next(one.number for one in sent if one.kind is kind and one.sent_ns >= outcome.begin_ns)
    return (
        [one.number for one in sent if one.kind is kind and one.number >= first],
        [one.number for one in received if one.kind is kind and one.number >= first],
    )


def whole(outcome: Outcome, *kinds: Kind) -> None:
    """Everything came, once, in order, and to the byte."""
    for kind in kinds:
        sent, received = came(outcome, kind)
        assert received == sent, (kind, len(sent), len(received), outcome.kit, outcome.links)
    assert outcome.kit["broken"] == outcome.center["broken"] == 0


@pytest.mark.parametrize("mode", ["duplicate", "spread"])
def test_a_path_is_cut_and_nothing_is_missing(mode: str) -> None:
    plans: dict[str, Plan] = {
        "lteA": [(2.0, {"cut": True}), (5.0, {"cut": False})],
        "lteB": [(0.0, weather.bursts(0.03))],
    }
    outcome = run(bundle(mode), plans, seed=1, seconds=8)
    assert outcome.links["lteA"]["up"]["dropped_cut"] > 0
    whole(outcome, Kind.PICTURE, Kind.VOICE, Kind.VOICE_BACK)


@pytest.mark.parametrize("mode", ["duplicate", "spread"])
def test_bursts_on_both_networks_take_nothing(mode: str) -> None:
    outcome = run(bundle(mode, ("lteA", "lteB")), weather.ten_percent(), seed=2, seconds=6)
    assert sum(link["up"]["lost_burst"] for link in outcome.links.values()) > 20
    whole(outcome, Kind.PICTURE, Kind.VOICE, Kind.VOICE_BACK)


def test_the_picture_comes_back_after_all_paths_were_cut() -> None:
    cut: Plan = [(2.0, {"cut": True}), (6.0, {"cut": False})]
    outcome = run(bundle(), dict.fromkeys(weather.PATHS, cut), seed=3, seconds=14)
    assert resumed_s(outcome.kit_sent, outcome.center_received, outcome.at(6)) is not None
    last = outcome.at(12)
    for kind in (Kind.PICTURE, Kind.VOICE):
        sent = {one.number for one in outcome.kit_sent if one.kind is kind and one.sent_ns > last}
        assert sent <= set(came(outcome, kind)[1]), kind


@pytest.mark.parametrize(
    ("trouble", "counted"),
    [
        pytest.param({"rebind": True}, "rebound", id="the carrier's NAT forgets"),
        pytest.param({"mtu": 900}, "too_big", id="a path bears less than it says"),
        pytest.param({"both": Shape(late=0.1, late_ms=3000).order()}, "", id="a path reorders by seconds"),
        pytest.param({"both": Shape(duplicate=0.5, jitter_ms=15, keep_order=False).order()}, "", id="disorder"),
    ],
)
def test_a_path_that_misbehaves_takes_nothing_away(trouble: dict[str, Any], counted: str) -> None:
    outcome = run(bundle(), {"lteA": [(2.0, trouble)]}, seed=5, seconds=7)
    if counted:
        assert outcome.links["lteA"][counted] > 0
    whole(outcome, Kind.PICTURE, Kind.VOICE, Kind.VOICE_BACK)


def test_one_path_alone_carries_everything() -> None:
    outcome = run(bundle("best", ("lteA",)), {}, seed=6, seconds=5, more={"control_hz": 5.0})
    whole(outcome, Kind.PICTURE, Kind.VOICE, Kind.VOICE_BACK, Kind.CONTROL, Kind.CONTROL_BACK)
