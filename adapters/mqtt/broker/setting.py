"""What the broker's process is told. Apart from it: the daemon says it, and never loads a broker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BrokerSetting:
    """`listen` None: the local socket only. `tls`: the folder of the authority; `check_time` False while this machine's
    clock is not set."""

    center: str
    centers: tuple[str, ...]
    socket: str
    host: str
    port: int
    tls: str
    certificate: str
    key: str
    limit: int
    most: int
    check_time: bool = True
