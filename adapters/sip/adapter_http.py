"""What the technician's command and the console ask of SIP: `/sip/status`, `/sip/users` (role technician)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from adapters.sip.guard import Guard
from adapters.sip.registrar import Location
from adapters.sip.registrar_desk import RegistrarDesk
from adapters.sip.routing_desk import Desk
from adapters.sip.trunks import Trunks
from adapters.sip.users import Users
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, NotFound
from gateway.contract.http import Http, HttpRequest, HttpResponse
from gateway.model.principal import Role
from gateway.wire.sip.hop import format_address

log = logging.getLogger(__name__)


class NewUser(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=64)
    password: SecretStr = Field(min_length=1, max_length=256)
    number: str = Field("", max_length=64)
    display: str = Field("", max_length=80)


class Faces:
    """Serves until `close`."""

    def __init__(
        self,
        http: Http,
        users: Users,
        location: Location,
        registrar: RegistrarDesk,
        trunks: Trunks,
        guard: Guard,
        desk: Desk,
        clock: Clock,
    ) -> None:
        self._users = users
        self._location = location
        self._registrar = registrar
        self._trunks = trunks
        self._guard = guard
        self._desk = desk
        self._clock = clock
        self._unmount: list[Callable[[], None]] = [
            http.route("GET", "/sip/status", self._status, role=Role.TECHNICIAN),
            http.route("GET", "/sip/users", self._list, role=Role.TECHNICIAN),
            http.route("POST", "/sip/users", self._add, role=Role.TECHNICIAN),
            http.route("DELETE", "/sip/users/{name}", self._remove, role=Role.TECHNICIAN),
            http.route("DELETE", "/sip/bans/{source:path}", self._pardon, role=Role.TECHNICIAN),
        ]

    def close(self) -> None:
        for unmount in self._unmount:
            unmount()

    def status(self) -> dict[str, Any]:
        now, wall = self._clock.monotonic(), self._clock.wall()
        trunks = []
        for trunk in self._trunks:
            told = asdict(trunk.status)
            told["calls"] = self._desk.caps.held(f"trunk:{trunk.name}")
            trunks.append(told)
        phones = [
            {
                "user": one.user,
                "address": format_address(one.hop.remote),
                "transport": one.hop.transport,
                "agent": one.agent,
                "until": round(wall + one.until - now, 3),
            }
            for one in self._location.all(now)
        ]
        banned = [
            {"source": source, "seconds": round(left), "code": self._guard.why(source)}
            for source, left in self._guard.banned(now).items()
        ]
        return {
            "trunks": trunks,
            "phones": phones,
            "banned": banned,
            "users": len(self._users),
            "misfits": self._users.misfits(),
            "problem": self._users.problem,
            "calls": self._desk.caps.total,
        }

    async def _status(self, _: HttpRequest) -> HttpResponse:
        return _json(self.status())

    async def _list(self, _: HttpRequest) -> HttpResponse:
        now = self._clock.monotonic()
        misfits = set(self._users.misfits())
        told = [
            {
                "name": user.name,
                "number": user.number,
                "display": user.display,
                "configured": user.configured,
                "code": "sip-realm" if user.name in misfits else "",
                "phones": len(self._location.of(user.name, now)),
            }
            for user in sorted(self._users.all().values(), key=lambda one: one.name)
        ]
        return _json(told)

    async def _add(self, request: HttpRequest) -> HttpResponse:
        try:
            given = NewUser.model_validate_json(request.body)
        except ValidationError as exc:
            fields = ", ".join(".".join(map(str, error["loc"])) or "body" for error in exc.errors(include_input=False))
            raise GatewayError(f"not well formed: {fields}", code="bad-request") from None
        password = given.password.get_secret_value()
        # A disk may be slow: not on the loop.
        user = await asyncio.to_thread(
            self._users.add, given.name, password, number=given.number, display=given.display
        )
        self._registrar.forget(user.name)
        log.warning("SIP user %s was set by %s", user.name, request.who.name)
        return _json({"name": user.name, "number": user.number}, 201)

    async def _remove(self, request: HttpRequest) -> HttpResponse:
        name = request.path["name"]
        await asyncio.to_thread(self._users.remove, name)
        self._registrar.forget(name)
        log.warning("SIP user %s was removed by %s", name, request.who.name)
        return HttpResponse(204)

    async def _pardon(self, request: HttpRequest) -> HttpResponse:
        if not self._guard.pardon(request.path["source"].partition("/")[0]):
            raise NotFound(f"{request.path['source']} is not banned")
        return HttpResponse(204)


def _json(value: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(status, json.dumps(value, ensure_ascii=False).encode(), "application/json")
