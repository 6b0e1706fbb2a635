"""What the API gets of the core about people: who may what, what they did, and whom they invited to send.

The rules of `core.services` hold.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

from gateway.core.facts import Issued
from gateway.model.command import Action
from gateway.model.informant import Invitation, Report
from gateway.model.principal import Principal, Role
from gateway.store.rows import Account, AuditHead, AuditRow, AuditVerdict, TokenInfo


class AccountsFace(Protocol):
    async def sign_in(self, name: str, password: str, address: str) -> Issued:
        """Raises Denied: `bad-credentials`, `locked-out`; Busy when too many are being checked."""

    def verify(self, token: str, address: str = "", *, touch: bool = True) -> Principal | None:
        """Whom a bearer token speaks for, or None. With `touch` the idle time of a session begins anew."""

    async def sign_out(self, token: str) -> None: ...

    async def issue(
        self, who: Principal, *, name: str, role: Role, scope: str = "", ttl_s: float = 90 * 86400.0, note: str = ""
    ) -> Issued:
        """A token for a program; never with more rights than `who` (administrator and up)."""

    async def revoke(self, who: Principal, token_id: str) -> None: ...
    def tokens(self, who: Principal) -> Sequence[TokenInfo]: ...
    def accounts(self, who: Principal) -> Sequence[Account]: ...

    def mint_code(
        self, who: Principal, *, role: Role = Role.VIEWER, scope: str = "", ttl_s: float = 600.0, name: str = "link"
    ) -> str:
        """A one-time code for a printed link; kept in memory only, at most 64 at a time."""

    async def redeem(self, code: str, address: str) -> Issued:
        """Raises Denied (`bad-credentials`) for a code that is unknown, used or too old."""


class AuditFace(Protocol):
    async def record(
        self,
        who: Principal,
        act: str,
        target: str = "",
        *,
        outcome: str = "done",
        code: str = "",
        detail: str = "",
    ) -> None:
        """Durable when it returns. Raises GatewayError `disk-full`."""

    async def read(self, who: Principal, *, after: int = 0, limit: int = 500) -> Sequence[AuditRow]:
        """Auditor only; the reading itself is recorded. Ascending by number."""

    def export(self, who: Principal) -> AsyncIterator[AuditRow | AuditHead]:
        """Auditor only: every row, then the head. Recorded by the order that comes before it."""

    async def verify(self, who: Principal) -> AuditVerdict:
        """Auditor only: check the whole chain."""


class RightsFace(Protocol):
    def allowed(self, who: Principal, action: Action, target: str = "") -> bool: ...


class InvitationsFace(Protocol):
    async def invite(
        self, who: Principal, *, label: str, place: str = "", ttl_s: float = 86400.0, phones: int = 5
    ) -> tuple[Invitation, str]:
        """A new one and its secret, which is shown this once (operator and up)."""

    def invitations(self, who: Principal) -> Sequence[Invitation]: ...
    async def revoke(self, who: Principal, id_: str) -> None: ...


class InformantsFace(Protocol):
    @property
    def invitations(self) -> InvitationsFace: ...
    async def recent(
        self,
        who: Principal,
        *,
        device: str = "",
        before: float | None = None,
        limit: int = 200,
        positions: bool = True,
    ) -> Sequence[Report]:
        """Newest first; `positions` False: those that are a position and no more are left out."""

    async def file(self, who: Principal, id_: str) -> tuple[Report, Path]:
        """Of a whole report; looking at it is audited. Raises NotFound."""

    async def mark_seen(self, who: Principal, id_: str) -> Report: ...
    async def remove(self, who: Principal, id_: str) -> None: ...
