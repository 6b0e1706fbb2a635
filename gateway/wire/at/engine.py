"""One AT line: commands in turn, each with its own answer, and what the modem says unasked (ITU-T V.250).

    IDLE ── a command waits ──► BUSY ── final ──► IDLE
                                  │ no final in time
                                  ▼
       ┌────────────────────── FLUSH ◄──────────── SETTLE (after the first of two)
       │ quiet for quiet_s       │ quiet              ▲ │ quiet after the second ──► IDLE
       │                         ▼                    │ │
       │                       PROBE ── OK ───────────┘ ▼
       └── probes used up ──► DEAD (Silent); `revive`, `reset`

A late OK would answer the next command. So after a time-out nothing is sent until the line is quiet; then a bare AT,
and again quiet, twice: whatever was still owed comes before the second OK or in the quiet after it, and is dropped.
While one may still be owed, an OK without the lines that its command must have is taken for that one.

The five verbs are `receive_data`, `data_to_send`, `next_timer`, `handle_timer`, `next_event`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from gateway.base.errors import Busy
from gateway.wire.at.command import Answer, Command, Outcome
from gateway.wire.at.echo import Echoes
from gateway.wire.at.events import URC_BODIES, Answered, AtEvent, Resynced, Silent, Unsolicited, is_unsolicited
from gateway.wire.at.finals import final_of
from gateway.wire.at.lines import LineReader, Token

MAX_WAITING = 64
MAX_LINES = 1024
MAX_EVENTS = 1024
ESC = b"\x1b"


class State(Enum):
    IDLE = auto()
    BUSY = auto()
    FLUSH = auto()
    PROBE = auto()
    SETTLE = auto()
    DEAD = auto()


@dataclass(slots=True)
class AtTimes:
    """Seconds. `owed_s`: so long may a late answer still come."""

    quiet_s: float = 0.25
    flush_s: float = 3.0
    probe_s: float = 1.0
    probes: int = 5
    gap_s: float = 0.0
    owed_s: float = 120.0


@dataclass(slots=True)
class AtCounts:
    commands: int = 0
    unsolicited: int = 0
    timeouts: int = 0
    stale: int = 0  # lines that belonged to a command that was given up
    unknown: int = 0  # lines that are nobody's
    lost_events: int = 0


@dataclass(slots=True)
class _Current:
    id: int
    command: Command
    due: float
    lines: list[str] = field(default_factory=list)
    body_due: bool = False
    prompted: bool = False
    held_ok: bool = False

    @property
    def begun(self) -> bool:
        return self.prompted or self.command.payload is None


class AtEngine:
    def __init__(self, *, times: AtTimes | None = None, urc_bodies: Mapping[str, re.Pattern[str]] = URC_BODIES) -> None:
        self.times = times or AtTimes()
        self.counts = AtCounts()
        self.state = State.IDLE
        self._urc_bodies = urc_bodies
        self._reader = LineReader()
        self._echoes = Echoes()
        self._waiting: deque[tuple[int, Command]] = deque()
        self._current: _Current | None = None
        self._late: Command | None = None
        self._owed_until = float("-inf")
        self._urc_head = ""
        self._events: deque[AtEvent] = deque()
        self._out = bytearray()
        self._ids = 0
        self._timer: float | None = None
        self._flush_end = 0.0
        self._probes = 0
        self._clean = 0
        self._dropped = 0
        self._free_at = float("-inf")

    @property
    def noise(self) -> int:
        """Bytes that were no text of a modem."""
        return self._reader.noise

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def submit(self, command: Command, now: float, *, urgent: bool = False) -> int:
        """Send it when its turn comes; the id that its `Answered` has. Raises Busy when too many wait."""
        if len(self._waiting) >= MAX_WAITING:
            raise Busy(f"{MAX_WAITING} commands wait for the modem")
        self._ids += 1
        if urgent:
            self._waiting.appendleft((self._ids, command))
        else:
            self._waiting.append((self._ids, command))
        self._start(now)
        return self._ids

    def withdraw(self, identity: int) -> bool:
        """Nobody wants this answer any more: True when the command had not been sent yet and now won't be."""
        before = len(self._waiting)
        self._waiting = deque(one for one in self._waiting if one[0] != identity)
        return len(self._waiting) < before

    def reset(self) -> None:
        """The line was opened anew, or the modem has started anew: whatever ran or waited is lost, all is forgotten."""
        if self._current is not None:
            held = self._current
            self._tell(Answered(held.id, Answer(held.command, Outcome.LOST, begun=held.begun)))
        for identity, command in self._waiting:
            self._tell(Answered(identity, Answer(command, Outcome.LOST, begun=False)))
        self._waiting.clear()
        self._current = self._late = self._timer = None
        self._owed_until, self._urc_head = float("-inf"), ""
        self._reader.clear()
        self._echoes.clear()
        self._out.clear()
        self.state = State.IDLE

    def revive(self, now: float) -> None:
        """Try again a line that was given up: quiet, a bare AT, and so on, as after a time-out."""
        if self.state is State.DEAD:
            self.state, self._probes, self._clean, self._dropped = State.FLUSH, 0, 0, 0
            self._flush_end = now + self.times.flush_s
            self._timer = now + self.times.quiet_s

    def receive_data(self, data: bytes, now: float) -> None:
        for at in range(0, len(data), 4096):
            self._reader.feed(data[at : at + 4096])
            while (token := self._reader.next(prompting=self._prompting())) is not None:
                if token is Token.PROMPT:
                    self._on_prompt()
                elif isinstance(token, str):
                    self._on_line(token, now)
        if self.state is State.FLUSH:
            self._timer = min(now + self.times.quiet_s, self._flush_end)
        elif self.state is State.SETTLE:
            self._timer = max(self._timer or now, min(now + self.times.quiet_s, self._flush_end))

    def data_to_send(self, now: float) -> bytes:
        self._start(now)
        out = bytes(self._out)
        self._out.clear()
        return out

    def next_timer(self) -> float | None:
        if self.state is State.BUSY and self._current is not None:
            return self._current.due
        if self.state is State.IDLE:
            return self._free_at if self._waiting else None
        return self._timer

    def handle_timer(self, now: float) -> None:
        due = self.next_timer()
        if due is None or now < due:
            return
        match self.state:
            case State.IDLE:
                self._start(now)
            case State.BUSY:
                self._time_out(now)
            case State.FLUSH:
                self._probe(now)
            case State.PROBE:
                self._clean = 0
                self._probe(now)
            case State.SETTLE if self._clean < 2:
                self._probe(now)
            case State.SETTLE:
                self._timer, self._late = None, None
                self.state = State.IDLE
                self._tell(Resynced(self._dropped))
                self._start(now)
            case _:
                pass

    def next_event(self) -> AtEvent | None:
        return self._events.popleft() if self._events else None

    # ── sending ─────────────────────────────────────────────────────────────
    def _start(self, now: float) -> None:
        if self.state is State.DEAD:
            self._give_up_all()
        if self.state is not State.IDLE or not self._waiting or now < self._free_at:
            return
        identity, command = self._waiting.popleft()
        self._current = _Current(identity, command, now + command.timeout_s)
        self.state = State.BUSY
        self.counts.commands += 1
        self._send(command.text)

    def _send(self, text: str) -> None:
        self._echoes.sent(text)
        self._out += text.encode("ascii") + b"\r"

    def _time_out(self, now: float) -> None:
        current = self._current
        if current is None:
            return
        if current.held_ok:  # the OK that seemed to be another's was its own
            self._finish(current, Answer(current.command, Outcome.OK, tuple(current.lines), "OK"), now)
            return
        self.counts.timeouts += 1
        self._late = current.command
        self._owed_until = now + self.times.owed_s
        if current.command.payload is not None:
            self._out += ESC  # it may sit there waiting for the rest of a text
        self._current = None
        answer = Answer(current.command, Outcome.TIMEOUT, tuple(current.lines), begun=current.begun)
        self._tell(Answered(current.id, answer))
        self.state, self._probes, self._clean, self._dropped = State.FLUSH, 0, 0, 0
        self._flush_end = now + self.times.flush_s
        self._timer = now + self.times.quiet_s

    def _give_up_all(self) -> None:
        while self._waiting:
            identity, command = self._waiting.popleft()
            self._tell(Answered(identity, Answer(command, Outcome.TIMEOUT, begun=False)))

    def _probe(self, now: float) -> None:
        if self._probes >= self.times.probes:
            self.state, self._timer = State.DEAD, None
            self._tell(Silent(self._probes))
            self._give_up_all()
            return
        self._probes += 1
        self.state, self._timer = State.PROBE, now + self.times.probe_s
        self._send("AT")

    # ── receiving ───────────────────────────────────────────────────────────
    def _prompting(self) -> bool:
        if self.state in (State.FLUSH, State.PROBE, State.SETTLE):
            return True
        current = self._current
        return current is not None and current.command.payload is not None and not current.prompted

    def _on_prompt(self) -> None:
        current = self._current
        if current is None:  # it waits for a text that nobody has any more
            self._out += ESC
        elif current.command.payload is not None and not current.prompted:
            current.prompted = True
            self._echoes.sent(current.command.payload.decode("ascii", "replace"))
            self._out += current.command.payload + current.command.payload_end

    def _on_line(self, line: str, now: float) -> None:
        if self._echoes.is_echo(line):
            return
        if self._urc_head:
            head, self._urc_head = self._urc_head, ""
            if self._urc_bodies[head.partition(":")[0]].fullmatch(line):
                self._unsolicited(head, line)
                return
            self.counts.unknown += 1
        if self.state is State.BUSY and self._current is not None:
            self._while_busy(self._current, line, now)
        elif self._late is not None and (_belongs(self._late, line) or _body_of(self._late, line)):
            self.counts.stale += 1
            self._dropped += 1
        elif final_of(line, dials=False) is not None:
            self._on_final_of_none(line, now)
        else:
            self._offer_unsolicited(line)

    def _while_busy(self, current: _Current, line: str, now: float) -> None:
        command = current.command
        if current.body_due and command.body is not None and command.body.fullmatch(line):
            current.body_due = False
            self._keep(current, line)
            return
        if not current.prompted and command.payload is not None and line == command.prompt:
            self._on_prompt()
            return
        final = final_of(line, dials=command.dials)
        if final is None and line in command.finals:
            final = (Outcome.OK, None)
        if final is not None:
            outcome, code = final
            if not current.lines and command.expects_lines and outcome is Outcome.OK and now < self._owed_until:
                self.counts.stale += 1
                self._owed_until, current.held_ok = float("-inf"), True
                return
            self._finish(current, Answer(command, outcome, tuple(current.lines), line, code), now)
        elif _belongs(command, line):
            current.body_due = command.body is not None
            self._keep(current, line)
        else:
            self._offer_unsolicited(line)

    def _keep(self, current: _Current, line: str) -> None:
        if len(current.lines) < MAX_LINES:
            current.lines.append(line)
        else:
            self.counts.unknown += 1

    def _finish(self, current: _Current, answer: Answer, now: float) -> None:
        self._tell(Answered(current.id, answer))
        self._current = None
        self.state = State.IDLE
        self._free_at = now + self.times.gap_s
        self._start(now)

    def _on_final_of_none(self, line: str, now: float) -> None:
        """Of a bare AT of ours, or of a command that was given up."""
        if self.state is State.PROBE:
            self._clean = self._clean + 1 if line == "OK" else 0
            self.state = State.SETTLE
            self._timer = now + self.times.quiet_s
            self._flush_end = now + self.times.flush_s
            return
        self.counts.stale += 1
        self._dropped += 1
        self._owed_until = float("-inf")

    def _offer_unsolicited(self, line: str) -> None:
        if not is_unsolicited(line):
            self.counts.unknown += 1
        elif line.partition(":")[0] in self._urc_bodies:
            self._urc_head = line
        else:
            self._unsolicited(line, "")

    def _unsolicited(self, line: str, body: str) -> None:
        self.counts.unsolicited += 1
        self._tell(Unsolicited(line, body))

    def _tell(self, event: AtEvent) -> None:
        """Answers are always told; of unsolicited lines that nobody fetches the oldest are lost, and counted."""
        if len(self._events) >= MAX_EVENTS:
            for at, old in enumerate(self._events):
                if isinstance(old, Unsolicited):
                    del self._events[at]
                    self.counts.lost_events += 1
                    break
        self._events.append(event)


def _belongs(command: Command, line: str) -> bool:
    for prefix in command.prefixes:
        if line.startswith(prefix) and line[len(prefix) : len(prefix) + 1] in ("", ":", "=", " "):
            return command.shape is None or command.shape.fullmatch(line) is not None
    return command.plain is not None and _is_plain(command.plain, line)


def _is_plain(shape: re.Pattern[str], line: str) -> bool:
    return not is_unsolicited(line) and shape.fullmatch(line) is not None


def _body_of(command: Command, line: str) -> bool:
    return command.body is not None and command.body.fullmatch(line) is not None
