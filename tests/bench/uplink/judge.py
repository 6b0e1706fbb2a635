"""From what was sent and what came, when: what a person would have seen and heard.

A picture or a word is in time when it is there by its moment: sent + the fastest way + the play-out + a tolerance for a
busy machine. A picture can be shown when it, and every one before it back to its key picture, was in time: a decoder
that misses one has nothing to build on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench.uplink.traffic import FPS, VOICE_PPS, Item, Kind

FASTEST_MS = 35.0
TOLERANCE_MS = 40.0


@dataclass(frozen=True)
class Seen:
    """Of one kind over a run. `freeze_ms`: the longest time without a new picture that could be shown (40 without any
    trouble); `gap_ms`: the longest run of packets without sound at play-out. `delay_ms` from sending to the
    receiver's hands: median, 99 of 100, longest."""

    sent: int
    lost: int
    late: int
    in_time: float
    freeze_ms: int
    gap_ms: int
    delay_ms: tuple[float, float, float]
    twice: int = 0


def quantiles(delays: list[float]) -> tuple[float, float, float]:
    if not delays:
        return (0.0, 0.0, 0.0)
    ordered = sorted(delays)
    picked = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
    return (round(picked[0], 1), round(picked[1], 1), round(picked[2], 1))


def judge(kind: Kind, sent: Iterable[Item], received: Iterable[Item], playout_ms: float, begin_ns: int = 0) -> Seen:
    """`sent` in the order of numbers. What was sent in the last seconds must have had time to come: cut it before.
    Counted from `begin_ns` on; what was sent before it is what the first pictures are built on."""
    ours = [item for item in sent if item.kind is kind]
    came: dict[int, Item] = {}
    twice = 0
    for item in received:
        if item.kind is kind:
            twice += item.number in came
            came.setdefault(item.number, item)
    limit_ns = (FASTEST_MS + playout_ms + TOLERANCE_MS) * 1e6
    good = []
    for item in ours:
        there = came.get(item.number)
        good.append(there is not None and there.at_ns - item.sent_ns <= limit_ns)
    each_ms = 1000 // (FPS if kind is Kind.PICTURE else VOICE_PPS)
    shown = _decodable(ours, good) if kind is Kind.PICTURE else good
    first = next((place for place, item in enumerate(ours) if item.sent_ns >= begin_ns), len(ours))
    ours, good, shown = ours[first:], good[first:], shown[first:]
    lost = sum(item.number not in came for item in ours)
    late = len(ours) - sum(good) - lost
    run = _longest_false(shown) * each_ms
    numbers = {item.number for item in ours}
    delays = [(item.at_ns - item.sent_ns) / 1e6 for item in came.values() if item.number in numbers]
    return Seen(
        sent=len(ours),
        lost=lost,
        late=late,
        in_time=sum(good) / len(ours) if ours else 0.0,
        freeze_ms=run + each_ms,
        gap_ms=run,
        delay_ms=quantiles(delays),
        twice=twice,
    )


def _decodable(items: list[Item], good: list[bool]) -> list[bool]:
    shown, whole = [], False
    for item, on_time in zip(items, good, strict=True):
        whole = on_time and (item.key or whole)
        shown.append(whole)
    return shown


def _longest_false(flags: list[bool]) -> int:
    longest = run = 0
    for flag in flags:
        run = 0 if flag else run + 1
        longest = max(longest, run)
    return longest


def resumed_s(sent: Iterable[Item], received: Iterable[Item], since_ns: int) -> float | None:
    """Seconds from `since_ns` to the first picture that can be shown; None: none came."""
    pictures = [item for item in sent if item.kind is Kind.PICTURE]
    came = {item.number: item.at_ns for item in received if item.kind is Kind.PICTURE}
    shown = _decodable(pictures, [item.number in came for item in pictures])
    after = [
        came[item.number] for item, whole in zip(pictures, shown, strict=True) if whole and came[item.number] > since_ns
    ]
    return (min(after) - since_ns) / 1e9 if after else None


def between(items: Iterable[Item], begin_ns: int, end_ns: int) -> list[Item]:
    """Those sent in that time, in the order of their numbers."""
    return sorted((item for item in items if begin_ns <= item.sent_ns < end_ns), key=lambda item: item.number)
