"""A reader of our media playlists that takes nothing for granted: the MUSTs of RFC 8216 and its second edition that
can be seen from outside, over every playlist of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_ATTRIBUTE = re.compile(r'([A-Z-]+)=("[^"]*"|[^,]*)')


@dataclass
class Segment:
    number: int
    duration: float = 0.0
    uri: str = ""
    map: str = ""
    date: str = ""
    parts: dict[str, float] = field(default_factory=dict)


@dataclass
class Playlist:
    target: int
    part_target: float
    hold_back: float
    segments: list[Segment]
    hint: str
    map: str

    @property
    def next_part(self) -> tuple[int, int]:
        last = self.segments[-1]
        return (last.number + 1, 0) if last.uri else (last.number, len(last.parts))


def attributes(line: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(line.partition(":")[2])}


class Rules:
    def __init__(self, url: str) -> None:
        self.url = url
        self.known: dict[int, tuple[float, str, str]] = {}
        self.known_parts: dict[str, float] = {}
        self.before: Playlist | None = None

    def check(self, text: str) -> Playlist:
        lines = text.splitlines()
        assert lines[0] == "#EXTM3U" and text.endswith("\n") and "#EXT-X-ENDLIST" not in text
        for once in ("VERSION", "TARGETDURATION", "SERVER-CONTROL", "PART-INF", "MEDIA-SEQUENCE", "PRELOAD-HINT"):
            assert sum(line.startswith(f"#EXT-X-{once}:") for line in lines) == 1, once
        values = {line.partition(":")[0]: line.partition(":")[2] for line in lines}
        control = attributes(next(line for line in lines if "SERVER-CONTROL" in line))
        made = Playlist(
            target=int(values["#EXT-X-TARGETDURATION"]),
            part_target=float(attributes(next(line for line in lines if "PART-INF" in line))["PART-TARGET"]),
            hold_back=float(control["PART-HOLD-BACK"]),
            segments=self._segments(lines, int(values["#EXT-X-MEDIA-SEQUENCE"])),
            hint=attributes(next(line for line in lines if "PRELOAD-HINT" in line))["URI"],
            map=attributes(next(line for line in reversed(lines) if "EXT-X-MAP" in line))["URI"],
        )
        assert control["CAN-BLOCK-RELOAD"] == "YES"
        assert made.hold_back >= 2 * made.part_target and float(control["HOLD-BACK"]) >= 3 * made.target
        self._durations(made)
        self._same_as_before(made)
        self.before = made
        return made

    def _segments(self, lines: list[str], first: int) -> list[Segment]:
        found = [Segment(first)]
        mapped = ""
        for line in lines:
            at = found[-1]
            if line.startswith("#EXT-X-MAP"):
                mapped = attributes(line)["URI"]
            elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
                at.date = line.partition(":")[2]
            elif line.startswith("#EXT-X-PART:"):
                told = attributes(line)
                at.parts[told["URI"]] = float(told["DURATION"])
                at.map = mapped
            elif line.startswith("#EXTINF:"):
                at.duration = float(line.removeprefix("#EXTINF:").rstrip(","))
            elif not line.startswith("#"):
                at.uri, at.map = line, mapped
                found.append(Segment(at.number + 1))
        return found if found[-1].parts else found[:-1]

    def _durations(self, made: Playlist) -> None:
        for one in made.segments:
            assert one.map, f"segment {one.number} has no initialization"
            if one.uri:
                assert round(one.duration) <= made.target, f"{one.duration} s is over the target of {made.target}"
                assert one.date
            durations = list(one.parts.values())
            assert all(part <= made.part_target + 1e-4 for part in durations)
            # All but the last of a segment are at least 85 % of the target.
            assert all(part >= 0.85 * made.part_target for part in durations[:-1]), durations
            if one.uri and durations:
                assert abs(sum(durations) - one.duration) < 0.01

    def _same_as_before(self, made: Playlist) -> None:
        """What was once listed never changes; nothing is skipped; nothing goes back."""
        for one in made.segments:
            if one.uri:
                told = (one.duration, one.uri, one.date)
                assert self.known.setdefault(one.number, told) == told
            for uri, duration in one.parts.items():
                assert self.known_parts.setdefault(uri, duration) == duration
        if self.before is not None:
            assert made.target == self.before.target and made.part_target == self.before.part_target
            assert made.segments[0].number >= self.before.segments[0].number
            assert made.next_part >= self.before.next_part
