"""Requests that come from within: answered as any other, by the rights of whoever is said to ask."""

from __future__ import annotations

import json

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.inner import MOST_BODY, Inner
from gateway.contract.home import ApiRequest
from gateway.core.services import Services
from gateway.model.principal import Principal, Role

OTTO = Principal("otto@county", Role.OPERATOR, "s@county", "kit1", "10.0.0.5")
VERA = Principal("vera@county", Role.VIEWER, "s@county")


async def test_whoever_asks_has_their_own_rights(app: ASGIApp, services: Services) -> None:
    inner = Inner(app)
    me = await inner(ApiRequest("GET", "/api/v1/auth/me"), OTTO)
    assert me.status == 200 and json.loads(me.body)["name"] == "otto@county"
    assert me.headers["content-type"] == "application/json"
    order = json.dumps({"action": "ptz.move", "target": "ball-1/ch1", "args": {"pan": 0.5}}).encode()
    done = await inner(
        ApiRequest("POST", "/api/v1/commands", headers={"content-type": "application/json"}, body=order), OTTO
    )
    assert done.status == 200
    assert services.commands.given[-1].actor == OTTO  # type: ignore[attr-defined]
    assert (await inner(ApiRequest("GET", "/api/v1/devices/pending"), VERA)).status == 403
    assert (await inner(ApiRequest("GET", "/api/v1/nothing"), VERA)).status == 404
    named = await inner(ApiRequest("GET", "/api/v1/streams", "q=front"), VERA)
    assert json.loads(named.body)[0]["id"] == "kit1/ball-1/ch1"


async def test_a_token_that_comes_along_counts_for_nothing(app: ASGIApp, services: Services) -> None:
    token = services.accounts.give(Role.ADMINISTRATOR)  # type: ignore[attr-defined]
    headers = {"authorization": f"Bearer {token}", "cookie": "__Host-fieldgate=x", "host": "evil"}
    answer = await Inner(app)(ApiRequest("GET", "/api/v1/accounts", headers=headers), VERA)
    assert answer.status == 403


async def test_too_much_and_what_fails_are_answers() -> None:
    async def much(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(MOST_BODY + 1)})

    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("a mistake of ours")

    assert (await Inner(much)(ApiRequest("GET", "/x"), VERA)).status == 413
    assert (await Inner(fails)(ApiRequest("GET", "/x"), VERA)).status == 500
