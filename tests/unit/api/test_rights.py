"""Nothing is open without a token but three paths, and each role gets exactly its routes."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.requests import Request

from gateway.api.app import OPEN_PATHS
from gateway.api.authenticator import Authenticator
from gateway.api.routes import routers
from gateway.base.errors import Denied
from gateway.core.services import Services
from gateway.model.mesh import MeshSnapshot
from gateway.model.principal import Principal, Role
from tests.unit.api.fakes import STREAM

V, P, T, A, U = Role.VIEWER, Role.OPERATOR, Role.TECHNICIAN, Role.ADMINISTRATOR, Role.AUDITOR
LADDER = (V, P, T, A)

# method, path, body, roles that may. Every route of the application stands here (test_the_table_is_whole).
TABLE: list[tuple[str, str, Any, tuple[Role, ...]]] = [
    ("GET", "/metrics", None, LADDER),
    ("GET", "/api/v1/auth/me", None, (*LADDER, U)),
    ("POST", "/api/v1/auth/logout", None, (*LADDER, U)),
    ("POST", "/api/v1/auth/password", {"old": "x", "new": "a new password"}, ()),  # judged in test_sign_in
    ("POST", "/api/v1/auth/codes", {}, (T, A)),
    ("GET", "/api/v1/directory", None, LADDER),
    ("GET", "/api/v1/devices", None, LADDER),
    ("GET", "/api/v1/devices/pending", None, (T, A)),
    ("POST", "/api/v1/devices", {"external_id": "34020000001110000009"}, (T, A)),
    ("GET", "/api/v1/devices/kit1/ball-1", None, LADDER),
    ("POST", "/api/v1/devices/kit1/ball-1/refresh", None, (T, A)),
    ("PATCH", "/api/v1/devices/kit1/ball-1", {"name": "Gate"}, (T, A)),
    ("DELETE", "/api/v1/devices/kit1/ball-1", None, (T, A)),
    ("GET", "/api/v1/streams", None, LADDER),
    ("GET", "/api/v1/sources", None, LADDER),
    ("POST", "/api/v1/sources", {"url": "rtsp://192.0.2.1/1"}, (T, A)),
    ("POST", "/api/v1/sources/test", {"url": "rtsp://192.0.2.1/1"}, (T, A)),
    ("DELETE", "/api/v1/sources/gate", None, (T, A)),
    ("GET", "/api/v1/discover", None, (T, A)),
    ("POST", "/api/v1/discover", {"seconds": 3}, (T, A)),
    ("DELETE", "/api/v1/discover", None, (T, A)),
    ("POST", "/api/v1/discover/adopt", {"key": "0a1b2c3d"}, (T, A)),
    ("GET", "/api/v1/pushes", None, LADDER),
    ("GET", "/api/v1/programs", None, (T, A)),
    ("POST", "/api/v1/programs/drone/secret", None, (A,)),
    ("GET", "/api/v1/viewings", None, LADDER),
    ("GET", f"/api/v1/streams/{STREAM}", None, LADDER),
    ("GET", f"/api/v1/streams/{STREAM}/ptz", None, LADDER),
    ("GET", f"/api/v1/streams/{STREAM}/picture", None, LADDER),
    ("GET", f"/api/v1/streams/{STREAM}/picture", None, LADDER),
    ("GET", f"/api/v1/streams/{STREAM}/snapshot.jpg", None, LADDER),
    ("POST", "/api/v1/commands", {"action": "ptz.stop", "target": STREAM}, (*LADDER, U)),  # the core decides
    ("GET", "/api/v1/alarms", None, LADDER),
    ("POST", "/api/v1/alarms/01A/acknowledge", None, (P, T, A)),
    ("GET", "/api/v1/positions", None, LADDER),
    ("GET", "/api/v1/positions/kit1/ball-1/trail", None, LADDER),
    ("GET", "/api/v1/links", None, LADDER),
    ("GET", "/api/v1/links/trails", None, LADDER),
    ("GET", "/api/v1/meshes", None, LADDER),
    ("GET", "/api/v1/meshes/ridge/marks", None, LADDER),
    ("GET", "/api/v1/meshes/ridge/at/4000000001", None, LADDER),
    ("GET", "/api/v1/kit", None, LADDER),
    ("GET", "/api/v1/kits", None, LADDER),
    ("GET", "/api/v1/kits/kit7", None, LADDER),
    ("GET", "/api/v1/kits/kit7/links", None, LADDER),
    ("GET", "/api/v1/kits/kit7/thumbnail.jpg", None, LADDER),
    ("GET", "/api/v1/kits/kit7/api/v1/devices", None, LADDER),
    ("POST", "/api/v1/kits/kit7/api/v1/devices", {}, LADDER),  # who may change what core.fleet and the kit decide
    ("PUT", "/api/v1/kits/kit7/api/v1/devices", {}, LADDER),
    ("PATCH", "/api/v1/kits/kit7/api/v1/devices/x", {}, LADDER),
    ("DELETE", "/api/v1/kits/kit7/api/v1/devices/x", None, LADDER),
    ("GET", "/api/v1/outbox", None, LADDER),
    ("GET", "/api/v1/outbox/files", None, (P, T, A)),
    ("POST", "/api/v1/outbox/files", {}, (P, T, A)),
    ("DELETE", "/api/v1/outbox/mqtt/center1", None, (A,)),
    ("GET", "/api/v1/kit-events", None, LADDER),
    ("GET", "/api/v1/texts/out", None, (P, T, A)),
    ("POST", "/api/v1/texts/out", {"to": "10086", "body": "x"}, (P, T, A)),
    ("DELETE", "/api/v1/texts/out/01T", None, (P, T, A)),
    ("GET", "/api/v1/texts/in", None, (P, T, A)),
    ("POST", "/api/v1/texts/in", {"sender": "10086", "body": "x"}, (T, A)),
    ("POST", "/api/v1/texts/in/01T/seen", None, (P, T, A)),
    ("GET", "/api/v1/texts/carriers", None, (P, T, A)),
    ("GET", "/api/v1/kits/kit7/records", None, LADDER),
    ("GET", "/api/v1/kit-files", None, LADDER),
    ("GET", "/api/v1/kit-files/kit7/01F/file", None, LADDER),
    ("DELETE", "/api/v1/kit-files/kit7/01F", None, (A,)),
    ("GET", "/api/v1/map", None, LADDER),
    ("GET", "/api/v1/map/tiles.pmtiles", None, ()),  # judged in test_basemap
    ("POST", "/api/v1/kits/kit7/revoke", {"reason": "stolen"}, (A,)),
    ("DELETE", "/api/v1/kits/kit7", None, (A,)),
    ("POST", "/api/v1/pairing/offers", {}, (T, A)),
    ("GET", "/api/v1/pairing/offers/ab12", None, (T, A)),
    ("POST", "/api/v1/pairing/accept", {"answer": "fga1:abcdefgh"}, (T, A)),
    ("POST", "/api/v1/pairing/admit", {"code": "fgp1:abcdefgh"}, (A,)),
    ("POST", "/api/v1/pairing/key", None, (A,)),
    ("GET", "/api/v1/pairing/centers", None, (T, A)),
    ("DELETE", "/api/v1/pairing/centers/county", None, (T, A)),
    ("GET", "/api/v1/invitations", None, (P, T, A)),
    ("POST", "/api/v1/invitations", {"label": "Wang"}, (P, T, A)),
    ("DELETE", "/api/v1/invitations/abc", None, (P, T, A)),
    ("GET", "/api/v1/reports", None, LADDER),
    ("GET", "/api/v1/reports/01J/file", None, LADDER),
    ("POST", "/api/v1/reports/01J/seen", None, (P, T, A)),
    ("DELETE", "/api/v1/reports/01J", None, (A,)),
    ("GET", "/api/v1/talk", None, LADDER),
    ("GET", "/api/v1/talk/endpoints", None, LADDER),
    ("GET", "/api/v1/talk/kit1/talk/ops", None, LADDER),
    ("GET", "/api/v1/talk/ops/spurts", None, LADDER),
    ("GET", "/api/v1/talk/ops/levels", None, LADDER),
    ("GET", "/api/v1/calls", None, (P, T, A)),
    ("GET", "/api/v1/accounts", None, (A,)),
    ("POST", "/api/v1/accounts", {"name": "li", "password": "a long password"}, (A,)),
    ("PATCH", "/api/v1/accounts/li", {"disabled": True}, (A,)),
    ("DELETE", "/api/v1/accounts/li", None, (A,)),
    ("GET", "/api/v1/tokens", None, (A,)),
    ("POST", "/api/v1/tokens", {"name": "center"}, (A,)),
    ("DELETE", "/api/v1/tokens/abc", None, (A,)),
    ("GET", "/api/v1/audit", None, (U,)),
    ("GET", "/api/v1/audit/verify", None, (U,)),
    ("GET", "/api/v1/audit/export", None, (U,)),
    ("GET", "/api/v1/system", None, (*LADDER, U)),
    ("GET", "/api/v1/system/ports", None, (T, A)),
    ("GET", "/api/v1/system/health", None, (T, A)),
    ("GET", "/api/v1/system/doctor", None, (T, A)),
    ("POST", "/whep/kit1/ball-1/ch1", None, ()),  # judged in test_away
    ("POST", "/whip/drone", None, ()),
    ("POST", "/talk/ops", None, ()),
    ("POST", "/api/v1/system/reload", None, (A,)),
    ("GET", "/api/v1/reasons", None, (*LADDER, U)),
    ("GET", "/api/v1/phrases", None, (*LADDER, U)),
    ("GET", "/api/v1/system/ca.crt", None, LADDER),
    ("GET", "/api/v1/openapi.json", None, (*LADDER, U)),
]


def test_the_table_is_whole() -> None:
    served = {
        (method, route.path_regex)
        for router in routers()
        for route in router.routes
        if isinstance(route, APIRoute) and route.path not in OPEN_PATHS
        for method in route.methods
    }
    missing = [
        (method, regex.pattern)
        for method, regex in served
        if not any(method == listed and regex.match(path) for listed, path, _, _ in TABLE)
    ]
    assert missing == []


@pytest.fixture(autouse=True)
def a_mesh(services: Any) -> Iterator[None]:
    with services.meshes.offer("ridge", "Ridge") as seat:
        seat.tell(MeshSnapshot("ridge", "Ridge", 4e9))
        yield


@pytest.mark.parametrize(("method", "path", "body", "_roles"), TABLE)
async def test_refused_without_a_token(
    client: httpx.AsyncClient, method: str, path: str, body: Any, _roles: tuple[Role, ...]
) -> None:
    for headers in ({}, {"Authorization": "Bearer made-up"}, {"Cookie": "__Host-fieldgate=made-up"}):
        answer = await client.request(method, path, json=body, headers=headers)
        assert answer.status_code == 401, path
        assert answer.json()["code"] == "unauthenticated"
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path", "body", "roles"), [row for row in TABLE if row[3]])
async def test_each_role_gets_its_routes(
    client: httpx.AsyncClient, bearer: Any, method: str, path: str, body: Any, roles: tuple[Role, ...]
) -> None:
    for role in Role:
        answer = await client.request(method, path, json=body, headers=bearer(role))
        if role in roles:
            assert answer.status_code < 300, (role, answer.text)
        else:
            assert answer.status_code == 403, (role, answer.text)
            assert answer.json()["code"] == "denied"


async def test_metrics_need_the_whole_scope(client: httpx.AsyncClient, bearer: Any) -> None:
    answer = await client.get("/metrics", headers=bearer(Role.TECHNICIAN, scope="kit1/ball-1"))
    assert answer.status_code == 403


async def test_what_is_open(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"ok": True}
    assert "console" in (await client.get("/")).text
    assert "player" in (await client.get("/play/kit1/ball-1/ch1")).text
    assert (await client.get("/assets/app-1a2b.js")).status_code == 200
    for path in (
        "/secret.key",
        "/../secret.key",
        "/assets/../secret.key",
        "/%2e%2e/etc/passwd",
        "/docs",
        "/openapi.json",
    ):
        assert (await client.get(path)).status_code == 404, path


def test_a_programs_key_is_tried_as_bearer_whatever_it_begins_with() -> None:
    tried: list[str] = []

    def by_bearer(key: str, address: str) -> Principal | None:
        tried.append(key)
        return Principal("program:truck", Role.VIEWER, "x", address=address) if key == "fg-key-of-its-own" else None

    accounts: Any = SimpleNamespace(verify=lambda *_args, **_more: None)
    ours = Authenticator(accounts, by_bearer=by_bearer)

    def asks(**headers: str) -> Request:
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "POST", "path": "/whip/x", "headers": lines, "client": ("192.0.2.7", 1)}
        return Request(scope)

    key = asks(authorization="Bearer fg-key-of-its-own")
    assert ours.principal(key, programs=True).name == "program:truck"
    for refused, programs in (
        (key, False),
        (asks(authorization="Bearer fg_ended"), True),
        (asks(cookie="__Host-fieldgate=x"), True),
    ):
        with pytest.raises(Denied) as no:
            ours.principal(refused, programs=programs)
        assert no.value.code == "unauthenticated"
    assert tried == ["fg-key-of-its-own", "fg_ended"]


@pytest.mark.parametrize("path", ["/api/v1/streams", f"/api/v1/streams/{STREAM}", "/api/v1/directory", "/metrics"])
async def test_who_looks_at_figures_has_those_of_now(
    client: httpx.AsyncClient, bearer: Any, services: Services, path: str
) -> None:
    answer = await client.get(path, headers=bearer(Role.ADMINISTRATOR))
    assert answer.status_code == 200
    assert services.figures.looked == 1  # type: ignore[attr-defined]
