"""How a trunk stands, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from adapters.sip.accounts import AccountStatus


class TrunkState(StrEnum):
    STARTING = "starting"
    CONNECTING = "connecting"  # a server is being asked
    UP = "up"  # calls go; `code` stands there when some account is not registered
    WAITING = "waiting"  # every server failed; the next attempt is timed
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """`server` is the one in use or being tried; times are unix seconds, `retry_at` 0 while nothing is timed."""

    name: str
    mode: str
    state: TrunkState
    code: str = ""
    detail: str = ""
    server: str = ""
    since: float = 0.0
    retry_at: float = 0.0
    rtt_ms: float | None = None
    accounts: tuple[AccountStatus, ...] = ()
    calls: int = 0
