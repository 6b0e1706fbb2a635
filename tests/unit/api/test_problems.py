"""Every error is a problem document (RFC 9457) with its code, cause and cure in both languages."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.api.problems import STATUS_BY_CODE, problem, respond_error, status_of
from gateway.base.errors import Busy, ConfigError, GatewayError, LinkDown, NotFound, PeerError, Unsupported
from gateway.core.services import Services
from gateway.model.command import CommandResult, Outcome
from gateway.model.principal import Role
from gateway.model.reason import REASONS
from tests.unit.api.fakes import NOW, STREAM


def test_every_code_with_a_status_has_words() -> None:
    assert set(STATUS_BY_CODE) <= set(REASONS)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("x"), 404),
        (Busy("x"), 409),
        (Busy("x", code="too-many-viewers"), 503),
        (Unsupported("x"), 422),
        (PeerError("x"), 502),
        (LinkDown("x"), 503),
        (ConfigError("a.b", "x"), 422),
        (GatewayError("x", code="disk-full"), 507),
        (GatewayError("x"), 500),
    ],
)
def test_status_by_who_failed(error: GatewayError, status: int) -> None:
    assert status_of(error) == status


@pytest.mark.parametrize("code", ["unauthenticated", "csrf", "ticket-ended", "locked-out", "of-tomorrow"])
def test_what_a_peer_says_signs_nobody_out(code: str) -> None:
    answer = respond_error(PeerError("no", code=code))
    told = json.loads(bytes(answer.body))
    assert (answer.status_code, told["code"]) == (502, "peer-refused") and code in told["detail"]
    assert "www-authenticate" not in answer.headers
    assert json.loads(bytes(respond_error(PeerError("no", code="ptz-held")).body))["code"] == "ptz-held"


async def test_the_document(client: httpx.AsyncClient, bearer: Any) -> None:
    answer = await client.get("/api/v1/devices/none", headers=bearer(Role.VIEWER))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["type"] == "urn:fieldgate:not-found"
    assert told["status"] == 404
    assert told["detail"] == "no device none"
    assert set(told["cause"]) == set(told["cure"]) == {"en", "zh"}


async def test_a_bad_body_names_the_field_and_not_its_value(client: httpx.AsyncClient) -> None:
    body = {"name": "wang", "password": "s3cret" * 100}
    answer = await client.post("/api/v1/auth/login", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "bad-request"
    assert "password" in answer.json()["detail"]
    assert "s3cret" not in answer.text


@pytest.mark.parametrize("body", [b"{", b"[1,2", b"\xff\xfe", b'{"code": NaN}', b"null", b'"x"', b"{}" * 3])
async def test_hostile_json_is_a_bad_request(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/api/v1/auth/code", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] == "bad-request"


async def test_a_mistake_of_ours_tells_nothing_of_the_inside(
    client: httpx.AsyncClient, services: Services, bearer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret path /var/lib/fieldgate/audit.key")

    services.directory.streams = broken  # type: ignore[method-assign]
    answer = await client.get("/api/v1/streams", headers=bearer(Role.VIEWER))
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "audit.key" not in answer.text
    assert "audit.key" in caplog.text


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (CommandResult("", Outcome.REFUSED, "ptz-held", "li moves it"), 409),
        (CommandResult("", Outcome.REFUSED, "denied"), 403),
        (CommandResult("", Outcome.REFUSED, "no-such-code"), 409),
        (CommandResult("", Outcome.FAILED, "peer-refused", "403"), 502),
        (CommandResult("", Outcome.FAILED, "media-stopped"), 502),
        (CommandResult("", Outcome.REFUSED, "expired"), 408),
    ],
)
async def test_an_order_not_done_is_a_problem(
    client: httpx.AsyncClient, services: Services, bearer: Any, result: CommandResult, status: int
) -> None:
    services.commands.answer = result  # type: ignore[attr-defined]
    order = {"id": "o-1", "action": "ptz.move", "target": STREAM}
    answer = await client.post("/api/v1/commands", json=order, headers=bearer(Role.OPERATOR))
    assert answer.status_code == status
    assert answer.json()["code"] == result.code
    assert answer.json()["instance"] == "urn:fieldgate:order:o-1"


async def test_an_orders_deadline_is_bounded(client: httpx.AsyncClient, services: Services, bearer: Any) -> None:
    headers = bearer(Role.OPERATOR)
    for deadline in (None, NOW + 1e9, NOW - 5):
        order = {"action": "ptz.stop", "target": STREAM, "deadline": deadline}
        await client.post("/api/v1/commands", json=order, headers=headers)
    told = [command.deadline - NOW for command in services.commands.given]  # type: ignore[attr-defined]
    assert told == [10.0, 60.0, -5.0]  # what is past stays past: the core refuses it
    assert replace(services.commands.given[0]).actor.name == "operator"  # type: ignore[attr-defined]


def test_an_unknown_code_keeps_its_name() -> None:
    told = problem("from-the-future", "x")
    assert told.code == "from-the-future"
    assert told.status == 500
