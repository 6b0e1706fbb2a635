"""The situations, each with its figures. What they must reach stands in issue and docs/performance.md, not here."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from tests.bench.common import say
from tests.bench.uplink import weather
from tests.bench.uplink.judge import Seen, between, judge, resumed_s
from tests.bench.uplink.run import Outcome, System, run
from tests.bench.uplink.traffic import Kind

OURS = (System("duplicate", "bundle", mode="duplicate"), System("spread", "bundle", mode="spread"))
ONE = ("lteA",)
BESIDE = (
    System("srt-300", "srt", ONE, latency_ms=300),
    System("srt-400", "srt", ONE, latency_ms=400),
    System("rtp", "rtp", ONE),
    System("mptcp", "mptcp"),
)
IN_TIME_MS = 250


@dataclass(frozen=True)
class Row:
    """One system in one situation. `parity` and `overhead`: of what was sent over the links, against the picture and
    the call alone (overhead 0: not a byte more, IP and UDP included)."""

    system: str
    situation: str
    seed: int
    playout_ms: int
    picture: Seen
    voice: Seen
    voice_back: Seen | None
    overhead: float
    parity: float | None
    cpu_s: float
    load: float
    emulator_late_ms: float
    end_late_ms: float


def row(system: System, situation: str, seed: int, outcome: Outcome) -> Row:
    """SRT has one play-out for all, its latency; the others are judged by the flows'."""
    video = system.latency_ms if system.way == "srt" else system.playout_ms
    voice = system.latency_ms if system.way == "srt" else system.voice_playout_ms
    begin, end = outcome.begin_ns, outcome.at(outcome.seconds)
    up, down = between(outcome.kit_sent, begin, end), between(outcome.center_sent, begin, end)
    # Links count from the beginning of the weather to the end, as these do.
    useful = sum(item.length for item in outcome.kit_sent if item.sent_ns >= begin)
    carried = sum(link["up"]["bytes_in"] for link in outcome.links.values())
    parity = outcome.kit["figures"].get("out.1.parity_bytes")
    all_sent = sum(item.length for item in outcome.kit_sent)
    made = Row(
        system=system.name,
        situation=situation,
        seed=seed,
        playout_ms=video,
        picture=judge(Kind.PICTURE, between(outcome.kit_sent, 0, end), outcome.center_received, video, begin),
        voice=judge(Kind.VOICE, up, outcome.center_received, voice),
        voice_back=None if system.way == "srt" else judge(Kind.VOICE_BACK, down, outcome.kit_received, voice),
        overhead=round(carried / useful - 1, 3),
        parity=None if parity is None else round(parity / all_sent, 3),
        cpu_s=round(outcome.kit["cpu_s"] + outcome.center["cpu_s"], 2),
        load=outcome.load,
        emulator_late_ms=outcome.emulator_late_ms,
        end_late_ms=max(outcome.kit["late_max_ms"], outcome.center["late_max_ms"]),
    )
    say(words(made))
    return made


def words(one: Row) -> str:
    picture, voice = one.picture, one.voice
    back = "" if one.voice_back is None else f"/{one.voice_back.gap_ms}"
    parity = "none" if one.parity is None else f"{one.parity:.0%}"
    return (
        f"{one.situation}, {one.system}, seed {one.seed}: pictures lost {picture.lost}, late {picture.late} of "
        f"{picture.sent}, in time {picture.in_time:.2%} at {one.playout_ms} ms, freeze {picture.freeze_ms} ms; voice "
        f"lost {voice.lost}, late {voice.late} of {voice.sent}, gap {voice.gap_ms}{back} ms; overhead "
        f"{one.overhead:.0%}, parity {parity}; delays {picture.delay_ms} ms; "
        f"emulator late {one.emulator_late_ms:.0f}, ends late {one.end_late_ms:.0f} ms, load {one.load:.1f}"
    )


def cuts(systems: Iterable[System], seed: int, seconds: float, at_once: int = 1) -> list[Row]:
    """(a) 2 to 10 % in bursts on both LTE, one path cut each 10 s. `at_once` runs beside each other, each in
    namespaces of its own: how late their ends and emulators were stands in every row."""
    plans = weather.cuts(seed, seconds)

    def one(system: System) -> Row:
        return row(system, "cuts", seed, run(system, plans, seed=seed, seconds=seconds))

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, systems))


def ten_percent(systems: Iterable[System], seeds: Iterable[int], seconds: float, at_once: int = 1) -> list[Row]:
    """(b) 10 % in bursts on both LTE, play-out 250 ms (SRT's is its own latency); voice by LTE alone, 200 ms."""

    def one(asked: tuple[System, int]) -> Row:
        tight, seed = replace(asked[0], playout_ms=IN_TIME_MS, voice_playout_ms=200), asked[1]
        return row(tight, "10 percent", seed, run(tight, weather.ten_percent(), seed=seed, seconds=seconds))

    chosen = list(systems)
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, [(system, seed) for seed in seeds for system in chosen]))


def pooled(rows: Iterable[Row], system: str) -> tuple[float, float]:
    """(share of pictures in time over all seeds, the worst seed's)."""
    shares = [one.picture.in_time for one in rows if one.system == system]
    return (round(statistics.mean(shares), 5), round(min(shares), 5)) if shares else (0.0, 0.0)


def blackout(seed: int, outage_s: float = 30.0) -> dict[str, Any]:
    """(c) Every path cut; seconds from the first one's return to a picture that can be shown."""
    at, found = 10.0, {}
    for system in OURS:
        outcome = run(system, weather.blackout(at, outage_s), seed=seed, seconds=at + outage_s + 15)
        resumed = resumed_s(outcome.kit_sent, outcome.center_received, outcome.at(at + outage_s))
        found[system.name] = None if resumed is None else round(resumed, 3)
        say(f"blackout of {outage_s:g} s, {system.name}: picture {found[system.name]} s after the first path's return")
    known = [one for one in found.values() if one is not None]
    return {"resume_s": max(known) if len(known) == len(found) else None, "by_mode": found}


@dataclass(frozen=True)
class Thin:
    """(d) On 64 kb/s. Counted from 5 s after the change, when the rate is known, to 5 s before the end."""

    voice: Seen
    voice_back: Seen
    orders: int
    orders_answered: int
    order_ms: tuple[float, float, float]
    stills: int
    stills_arrived: int
    pictures: int
    pictures_arrived: int


def thin(seed: int, seconds: float = 90.0) -> Thin:
    at = 10.0
    more = {"control_hz": 1.0, "still_hz": 1 / 20}
    outcome = run(OURS[1], weather.thin(at), seed=seed, seconds=at + seconds, more=more)
    begin, end = outcome.at(at + 5), outcome.at(at + seconds - 5)
    up, down = between(outcome.kit_sent, begin, end), between(outcome.center_sent, begin, end)
    orders = {item.number: item.sent_ns for item in up if item.kind is Kind.CONTROL}
    answers = {item.number: item.at_ns for item in outcome.kit_received if item.kind is Kind.CONTROL_BACK}
    took = sorted((answers[number] - sent) / 1e6 for number, sent in orders.items() if number in answers)
    stills = [item.number for item in outcome.kit_sent if item.kind is Kind.STILL and item.sent_ns > outcome.at(at)]
    whole = {item.number for item in outcome.center_received if item.kind is Kind.STILL}
    pictures = judge(Kind.PICTURE, up, outcome.center_received, 400)
    # One path is left and it is slow: a packet alone takes 20 ms, so the voice has the satellite's play-out.
    found = Thin(
        voice=judge(Kind.VOICE, up, outcome.center_received, 400),
        voice_back=judge(Kind.VOICE_BACK, down, outcome.kit_received, 400),
        orders=len(orders),
        orders_answered=len(took),
        order_ms=(took[len(took) // 2], took[len(took) * 99 // 100], took[-1]) if took else (0.0, 0.0, 0.0),
        stills=len(stills),
        stills_arrived=len(whole & set(stills)),
        pictures=pictures.sent,
        pictures_arrived=pictures.sent - pictures.lost,
    )
    say(f"64 kb/s: {asdict(found)}")
    return found
