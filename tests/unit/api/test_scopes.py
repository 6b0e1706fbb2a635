"""What whoever sees one device of a gateway is shown of the whole: nothing, by any view; over a core as it is."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from fastapi.routing import APIRoute

from gateway.api.app import OPEN_PATHS
from gateway.api.routes import routers
from gateway.api.routes.system import doctor, health, ports
from gateway.base.errors import Denied
from gateway.base.metrics import Metrics
from gateway.core.messages import Bus
from gateway.core.services import Services
from gateway.core.services_made import make_services
from gateway.model.link import BearerKind
from gateway.model.principal import Principal, Role
from gateway.model.texts import Arrived, CarrierKind
from tests.unit.api.fakes import FakeDaemon
from tests.unit.core.house import ADMIN, House, housed

Found = Sequence[Any] | Awaitable[Sequence[Any]]


async def nothing() -> AsyncIterator[bytes]:
    yield b""


# Lists of what is the whole gateway's: whoever sees a part of it finds them empty.
EMPTY: dict[str, Callable[[Services, Principal], Found]] = {
    "/api/v1/texts/out": lambda s, who: s.texts.out(who),
    "/api/v1/texts/in": lambda s, who: s.texts.came(who),
    "/api/v1/texts/carriers": lambda s, who: s.texts.carriers(who),
    "/api/v1/outbox": lambda s, who: s.forward.uplinks(who),
    "/api/v1/outbox/files": lambda s, who: s.forward.waiting_files(who),
    "/api/v1/devices/pending": lambda s, who: s.directory.pending(who),
    "/api/v1/programs": lambda s, who: s.sources.programs(who),
    "/api/v1/invitations": lambda s, who: s.informants.invitations.invitations(who),
    "/api/v1/pairing/centers": lambda s, who: s.pairing.centers(who),
    "/api/v1/meshes": lambda s, who: s.meshes.snapshots(who),
    "/api/v1/links": lambda s, who: s.links.links(who),
    "/api/v1/links/trails": lambda s, who: s.links.trails(who, 1.0, 10),
    "/api/v1/accounts": lambda s, who: s.accounts.accounts(who),
    "/api/v1/tokens": lambda s, who: s.accounts.tokens(who),
}
# What is refused: acts on the whole, and figures that can not be split.
REFUSED: dict[str, Callable[[Services, Principal], Any]] = {
    "POST /api/v1/texts/out": lambda s, who: s.texts.send(who, "10086", "x"),
    "DELETE /api/v1/texts/out/{text}": lambda s, who: s.texts.cancel(who, "x"),
    "POST /api/v1/texts/in/{text}/seen": lambda s, who: s.texts.seen(who, "x"),
    "POST /api/v1/texts/in": lambda s, who: s.texts.arrived(who, Arrived("10086", "x"), "provider"),
    "POST /api/v1/outbox/files": lambda s, who: s.forward.send(who, "x", "", nothing()),
    "DELETE /api/v1/outbox/{name:path}": lambda s, who: s.forward.leave(who, "mqtt/center1"),
    "POST /api/v1/programs/{name}/secret": lambda s, who: s.sources.renew_program(who, "drone"),
    "DELETE /api/v1/invitations/{invitation}": lambda s, who: s.informants.invitations.revoke(who, "x"),
    "GET /api/v1/pairing/offers/{offer}": lambda s, who: s.pairing.offered(who, "x"),
    "POST /api/v1/pairing/accept": lambda s, who: s.pairing.accept(who, "fga1:x"),
    "POST /api/v1/pairing/key": lambda s, who: s.pairing.renew_key(who),
    "GET /api/v1/discover": lambda s, who: s.discovery.finds(who),
    "GET /api/v1/system/ports": lambda s, who: ports(who, s),
    "GET /api/v1/system/health": lambda s, who: health(who, s),
    "GET /api/v1/system/doctor": lambda s, who: doctor(who, None, s),  # type: ignore[arg-type]
}
# Filtered by each thing's own id (their own tests), or said to everybody who may sign in, or judged by another gateway.
FILTERED = {
    "/api/v1/directory",
    "/api/v1/devices",
    "/api/v1/devices/{ref:path}",
    "/api/v1/streams",
    "/api/v1/streams/{ref:path}",
    "/api/v1/streams/{ref:path}/ptz",
    "/api/v1/streams/{ref:path}/picture",
    "/api/v1/streams/{ref:path}/snapshot.jpg",
    "/api/v1/viewings",
    "/api/v1/sources",
    "/api/v1/pushes",
    "/api/v1/alarms",
    "/api/v1/positions",
    "/api/v1/positions/{device:path}/trail",
    "/api/v1/meshes/{mesh}/marks",
    "/api/v1/meshes/{mesh}/at/{at}",
    "/api/v1/kits",
    "/api/v1/kits/{kit}",
    "/api/v1/kits/{kit}/links",
    "/api/v1/kits/{kit}/thumbnail.jpg",
    "/api/v1/kits/{gateway}/records",
    "/api/v1/kit-events",
    "/api/v1/kit-files",
    "/api/v1/kit-files/{gateway}/{file}/file",
    "/api/v1/reports",
    "/api/v1/reports/{report}/file",
    "/api/v1/talk",
    "/api/v1/talk/endpoints",
    "/api/v1/talk/{group:path}",
    "/api/v1/talk/{group:path}/spurts",
    "/api/v1/talk/{group:path}/levels",
    "/api/v1/calls",
}
EVERYBODY = {
    "/api/v1/auth/me",
    "/api/v1/kit",  # the team's word, as on /field; without the place
    "/api/v1/map",
    "/api/v1/map/tiles.pmtiles",
    "/api/v1/system",
    "/api/v1/reasons",
    "/api/v1/phrases",
    "/api/v1/openapi.json",
    "/api/v1/system/ca.crt",
}
ELSEWHERE = {
    "/metrics",
    "/api/v1/audit",
    "/api/v1/audit/verify",
    "/api/v1/audit/export",
    "/api/v1/kits/{kit}/api/{path:path}",
}


def test_every_view_has_its_verdict() -> None:
    served = {
        route.path
        for router in routers()
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in route.methods and route.path not in OPEN_PATHS
    }
    told = {path.removeprefix("GET ") for path in REFUSED if path.startswith("GET ")} | set(EMPTY)
    judged = told | FILTERED | EVERYBODY | ELSEWHERE
    assert served - judged == set(), "say what of it whoever sees a part of the gateway is shown"
    assert judged - served == set(), "these are no routes"


async def done(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def scoped(role: Role, house: House) -> Principal:
    return Principal("sid", role, "s-sid", scope=f"{house.config.gateway.id}/ball-1")


@housed
async def test_whoever_sees_a_part_sees_nothing_of_the_whole(house: House) -> None:
    core = house.core
    services = make_services(core, lambda: house.config, "1", Metrics(), FakeDaemon())
    me = house.config.gateway.id

    async def never(*_args: Any) -> Any:
        raise AssertionError

    await core.accounts.issue(ADMIN, name="center", role=Role.VIEWER)
    core.devices.knock("gb28181", "34020000001110000009", "192.0.2.9", "unknown-device")
    with (
        core.texts.carrier("lte", CarrierKind.SMS, never) as seat,
        core.meshes.offer("ridge", "Ridge"),
        core.links.offer("lte", BearerKind.LTE),
    ):
        await core.texts.send("10086", "where are you")
        await seat.take(Arrived("10086", "here"))
        whole = Principal("wanda", Role.ADMINISTRATOR, "s-wanda", scope=me)
        seen = {path: list(await done(view(services, whole))) for path, view in EMPTY.items()}
        for path in ("texts/out", "texts/in", "texts/carriers", "devices/pending", "meshes", "links"):
            assert seen[f"/api/v1/{path}"], f"{path}: whoever has the whole gateway sees it"
        assert await done(services.accounts.tokens(ADMIN))
        for role in (Role.OPERATOR, Role.TECHNICIAN, Role.ADMINISTRATOR):
            for path, view in EMPTY.items():
                try:
                    shown = list(await done(view(services, scoped(role, house))))
                except Denied:
                    continue  # by the role
                assert shown == [], (role, path)
            for path, act in REFUSED.items():
                with pytest.raises(Denied):
                    await done(act(services, scoped(role, house)))
                    raise AssertionError((role, path))


@housed
async def test_nor_is_told_of_it(house: House) -> None:
    me = house.config.gateway.id
    bus: Bus = house.core.bus
    who = scoped(Role.ADMINISTRATOR, house)
    async with (
        bus.subscribe(who, types=["pending", "text-in", "text-out", "text-carrier", "mesh", "link", "outbox"]) as part,
        bus.subscribe(Principal("wanda", Role.ADMINISTRATOR, "s", scope=me), types=["pending", "text-out"]) as whole,
    ):
        house.core.devices.knock("gb28181", "34020000001110000009", "192.0.2.9", "unknown-device")
        await house.core.texts.send("10086", "where are you")
        heard = aiter(whole)
        assert {(await anext(heard)).type, (await anext(heard)).type} == {"pending", "text-out"}  # type: ignore[union-attr]
        assert not part._waiting
