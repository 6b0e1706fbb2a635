"""What routes ask for: the services, and a principal of at least a role. Who that is, `authenticator` finds out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from gateway.api.authenticator import Authenticator
from gateway.core.services import Services
from gateway.model.principal import Principal, Role


def services_of(connection: HTTPConnection) -> Services:
    return cast(Services, connection.app.state.services)


def authenticator_of(connection: HTTPConnection) -> Authenticator:
    return cast(Authenticator, connection.app.state.authenticator)


def signed_in(connection: HTTPConnection) -> Principal:
    """Any role. Leaves its name in the scope for the request log."""
    who = authenticator_of(connection).principal(connection)
    connection.scope["fieldgate.who"] = who.name
    return who


def at_least(role: Role) -> Callable[[HTTPConnection], Principal]:
    """A dependency that gives the principal, of `role` or above."""

    def check(connection: HTTPConnection) -> Principal:
        who = signed_in(connection)
        Authenticator.demand(who, role)
        return who

    return check


AppServices = Annotated[Services, Depends(services_of)]
Anyone = Annotated[Principal, Depends(signed_in)]
Viewer = Annotated[Principal, Depends(at_least(Role.VIEWER))]
Operator = Annotated[Principal, Depends(at_least(Role.OPERATOR))]
Technician = Annotated[Principal, Depends(at_least(Role.TECHNICIAN))]
Administrator = Annotated[Principal, Depends(at_least(Role.ADMINISTRATOR))]
Auditor = Annotated[Principal, Depends(at_least(Role.AUDITOR))]
