"""Who is paired with whom: what a kit keeps of its centers, and a center of its kits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.principal import Role

KEY_BYTES = 32
"""An X25519 public key."""


@dataclass(frozen=True, slots=True)
class PairedKit:
    """At a center: a kit that was admitted. `key` is its public key (X25519); `next_key` one that it announced over a
    standing session and has not used yet. Revoked ones are kept, so that they are refused in words."""

    gateway: str
    key: bytes
    name: str = ""
    next_key: bytes = b""
    admitted_at: float = 0.0
    admitted_by: str = ""
    revoked_at: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PairedCenter:
    """At a kit: a center that may hold it. `role` and `scope` are the most that anybody of the center may do here.

    `hosts` are tried in their order; UDP goes to `udp_port`, the fallback to the center's API at `tcp_port`, whose
    certificate has this SHA-256 `fingerprint` (hex; "" where it is one that browsers trust). `place`: by it they stand
    in the order in which they were paired, whatever the clock said; one that is paired anew keeps its own."""

    gateway: str
    key: bytes
    name: str = ""
    hosts: tuple[str, ...] = ()
    udp_port: int = 8444
    tcp_port: int = 8443
    fingerprint: str = ""
    role: Role = Role.OPERATOR
    scope: str = ""
    admitted_at: float = 0.0
    admitted_by: str = ""
    revoked_at: float | None = None
    detail: str = ""
    place: int = 0


class OfferState(StrEnum):
    WAITING = "waiting"
    PAIRED = "paired"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class PairingOffer:
    """At a kit: a code that was made for a center. `role` and `scope` are what the center may do here; `asked` is where
    its answer is fetched, "" when it is typed in; `code` says what keeps it from coming."""

    id: str
    role: Role
    scope: str
    made_at: float  # unix seconds
    expires_at: float
    made_by: str
    asked: str = ""
    state: OfferState = OfferState.WAITING
    code: str = ""
    detail: str = ""
    center: str = ""  # its gateway id, once paired
