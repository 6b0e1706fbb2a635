"""Iridium short burst data: what +SBDIX says, and the messages both ways (9602/9603 AT set, as makers' sheets have it).

A message is at most 340 bytes out and 270 in. A session sends what lies in the unit and fetches what waits: its answer
`+SBDIX: <MO status>,<MOMSN>,<MT status>,<MTMSN>,<MT length>,<MT queued>`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.base.errors import RemoteProtocolError

MOST_OUT, MOST_IN = 340, 270
_ANSWER = re.compile(r"\+SBDIX:\s*(\d{1,3}),\s*(\d{1,5}),\s*(\d),\s*(\d{1,5}),\s*(\d{1,3}),\s*(\d{1,5})")

_NEVER = {12: "too large", 14: "segment too large"}
_WHY = {
    10: ("sbd-no-network", "the call did not end in time"),
    11: ("sbd-no-network", "the gateway's queue of this unit is full"),
    13: ("sbd-no-network", "the session did not end"),
    15: ("sbd-blocked", "the account has no right to it"),
    16: ("sbd-blocked", "the unit is locked"),
    17: ("sbd-no-network", "the gateway did not answer"),
    18: ("sbd-no-network", "the radio was lost"),
    19: ("sbd-no-network", "the link failed"),
    32: ("sbd-no-network", "no network service"),
    33: ("sbd-antenna", "antenna fault"),
    34: ("sbd-radio-off", "the radio is off"),
    35: ("sbd-busy", "the unit is busy"),
    36: ("sbd-wait", "3 minutes since the last registration"),
    37: ("sbd-blocked", "the service is suspended"),
    38: ("sbd-wait", "the network asks to come later"),
}
_HOLDS = {"sbd-blocked": 600.0, "sbd-antenna": 60.0, "sbd-radio-off": 60.0, "sbd-wait": 180.0}
"""So long nothing is tried after these: each session may cost, and others can carry meanwhile."""


@dataclass(frozen=True, slots=True)
class Session:
    out_status: int
    out_number: int
    in_status: int  # 0 nothing waited, 1 one came, 2 fetching failed
    in_number: int
    in_length: int
    queued: int

    @property
    def sent(self) -> bool:
        return self.out_status <= 4

    @property
    def came(self) -> bool:
        return self.in_status == 1

    def why_not(self) -> tuple[str, str]:
        """Reason and words of a session that sent nothing."""
        if self.out_status in _NEVER:
            return "text-refused", _NEVER[self.out_status]
        return _WHY.get(self.out_status, ("sbd-no-network", f"status {self.out_status}"))

    @property
    def holds_s(self) -> float:
        return 0.0 if self.sent else _HOLDS.get(self.why_not()[0], 0.0)


@dataclass(frozen=True, slots=True)
class Status:
    """+SBDSX: what lies in the unit. `out_number` is the next that goes: it grows with each session that was whole."""

    out_held: bool
    out_number: int
    in_held: bool
    in_number: int
    rung: bool
    waiting: int


def read_status(values: list[int | None]) -> Status | None:
    """None: that is no answer to +SBDSX."""
    if len(values) < 6 or None in values[:6]:
        return None
    out_held, out_number, in_held, in_number, rung, waiting = (one or 0 for one in values[:6])
    return Status(bool(out_held), out_number, bool(in_held), in_number, bool(rung), waiting)


def read_session(line: str) -> Session:
    """Raises RemoteProtocolError."""
    found = _ANSWER.fullmatch(line.strip())
    if found is None:
        raise RemoteProtocolError(f"{line[:60]!r} is no answer to +SBDIX")
    return Session(*(int(one) for one in found.groups()))


def parts(body: str) -> list[str]:
    """As many messages as it takes, none cut within a character."""
    pieces, piece, size = [], "", 0
    for sign in body:
        more = len(sign.encode())
        if size + more > MOST_OUT - 8:
            pieces.append(piece)
            piece, size = "", 0
        piece, size = piece + sign, size + more
    pieces.append(piece)
    if len(pieces) == 1:
        return pieces
    return [f"({at}/{len(pieces)}){one}" for at, one in enumerate(pieces, 1)]
