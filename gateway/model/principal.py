"""Who asks: roles and principals. Rights are checked in one place, gateway.core.rights."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    TECHNICIAN = "technician"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"  # reads the audit record; the administrator does not
    INFORMANT = "informant"  # an invited phone: reports and sends its own picture, reads nothing


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or program that acts. `session` ties its acts together in the audit record.

    `scope` limits what it may name: "" for everything, else an id or the beginning of one (`kit1/ball-1`).
    """

    name: str
    role: Role
    session: str
    scope: str = ""
    address: str = ""


SYSTEM = Principal("system", Role.ADMINISTRATOR, "system")
