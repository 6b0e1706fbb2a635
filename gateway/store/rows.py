"""What the store hands out where the model has no word for it: accounts, tokens, rows of the audit record."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.principal import Role


@dataclass(frozen=True, slots=True)
class Account:
    """A named person. The password's hash never leaves the store's own repo and core.accounts."""

    name: str
    role: Role
    scope: str = ""
    created_at: float = 0.0
    changed_at: float = 0.0
    disabled: bool = False
    last_login_at: float | None = None


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A bearer token as it may be shown: never the token. `idle_s` 0: it ends at `expires_at` only."""

    id: str
    name: str  # who it acts as
    role: Role
    scope: str
    created_at: float
    expires_at: float
    idle_s: float = 0.0
    kind: str = "session"  # "session" (signed in), "code" (one-time link) or "program"
    note: str = ""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act. `digest` is the keyed hash over this row and the digest of the one before."""

    number: int
    at: float
    name: str
    role: str
    session: str
    address: str
    act: str  # an Action's value, or "sign-in", "view.start", "publish.start" …
    target: str
    outcome: str  # "done", "refused", "failed"
    code: str
    detail: str
    digest: str


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The end of the chain: how many rows there are, and the seal over the last one."""

    number: int
    seal: str


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """Outcome of checking the whole chain. `broken_at` is the number of the first row that does not fit."""

    sound: bool
    rows: int
    broken_at: int | None = None
    detail: str = ""
