"""The WebSocket of events: hello, replay from a cursor, missed, and who gets none."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import ASGIApp, Message

from gateway.api import live, live_orders
from gateway.core.facts import Missed
from gateway.core.services import Services
from gateway.model.command import Command, CommandResult, Outcome
from gateway.model.principal import Role
from tests.unit.api.fakes import STREAM, FakeDirectory


class Peer:
    """A WebSocket client that speaks ASGI to the application."""

    def __init__(self, app: ASGIApp, path: str, headers: dict[str, str]) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.outgoing: asyncio.Queue[Message] = asyncio.Queue()
        path, _, query = path.partition("?")
        pairs = {"host": "kit1:8443", **headers}
        scope = {
            "type": "websocket", "path": path, "raw_path": path.encode(), "root_path": "", "scheme": "wss",
            "query_string": query.encode(), "headers": [(k.lower().encode(), v.encode()) for k, v in pairs.items()],
            "client": ("10.0.0.2", 1), "server": ("kit1", 8443), "subprotocols": [], "asgi": {"version": "3.0"},
        }  # fmt: skip
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.taking = asyncio.Event()  # cleared: this client's socket is full
        self.taking.set()
        self.task = asyncio.create_task(app(scope, self.incoming.get, self._send))

    async def _send(self, message: Message) -> None:
        await self.taking.wait()
        self.outgoing.put_nowait(message)

    async def next(self) -> Message:
        async with asyncio.timeout(5):
            return await self.outgoing.get()

    async def event(self) -> dict[str, Any]:
        message = await self.next()
        assert message["type"] == "websocket.send", message
        told: dict[str, Any] = json.loads(message["text"])
        return told

    def say(self, text: str) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": text})


@asynccontextmanager
async def peer(app: ASGIApp, query: str = "", **headers: str) -> Any:
    made = Peer(app, f"/api/v1/events{query}", headers)
    try:
        assert (await made.next())["type"] == "websocket.accept"
        yield made
    finally:
        made.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        async with asyncio.timeout(5):
            await made.task


async def test_hello_then_events_as_they_come(app: ASGIApp, services: Services, bearer: Any) -> None:
    async with peer(app, **bearer(Role.VIEWER)) as client:
        hello = await client.event()
        assert (hello["type"], hello["cursor"], hello["data"]["name"]) == ("hello", 0, "viewer")
        services.bus.publish("stream", STREAM, FakeDirectory().status)
        event = await client.event()
        assert (event["type"], event["cursor"], event["subject"]) == ("stream", 1, STREAM)
        assert event["data"]["state"] == "live"
        assert event["data"]["tracks"][0]["width"] == 1280
        assert "gone" not in event
        services.bus.publish("device", "kit1/ball-1", None, gone=True)
        assert (await client.event())["gone"] is True


async def test_a_figure_that_is_no_number_is_null(app: ASGIApp, services: Services, bearer: Any) -> None:
    async with peer(app, **bearer(Role.VIEWER)) as client:
        await client.event()
        services.bus.publish("stream", STREAM, {"fps": float("nan"), "bitrate_bps": float("inf")})
        assert (await client.event())["data"] == {"fps": None, "bitrate_bps": None}


async def test_replay_from_a_cursor_in_order(app: ASGIApp, services: Services, bearer: Any) -> None:
    for number in range(1, 6):
        services.bus.publish("notice", "", {"n": number})
    async with peer(app, "?cursor=2", **bearer(Role.VIEWER)) as client:
        assert (await client.event())["cursor"] == 5
        services.bus.publish("notice", "", {"n": 6})
        assert [(await client.event())["cursor"] for _ in range(4)] == [3, 4, 5, 6]


async def test_only_the_types_asked_for(app: ASGIApp, services: Services, bearer: Any) -> None:
    async with peer(app, "?types=ptz,alarm", **bearer(Role.VIEWER)) as client:
        await client.event()
        services.bus.publish("stream", STREAM, {})
        services.bus.publish("ptz", STREAM, {"name": "wang"})
        assert (await client.event())["type"] == "ptz"


async def test_a_slow_client_is_told_and_goes_on(app: ASGIApp, services: Services, bearer: Any) -> None:
    async with peer(app, **bearer(Role.VIEWER)) as client:
        await client.event()
        services.bus.queues[0].put_nowait(Missed(17))  # type: ignore[attr-defined]
        services.bus.publish("notice", "", {})
        assert await client.event() == {"type": "missed", "data": {"events": 17}}
        assert (await client.event())["type"] == "notice"


async def test_a_client_that_takes_nothing_is_let_go(
    app: ASGIApp, services: Services, bearer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SEND_PATIENCE_S", 0.01)
    monkeypatch.setattr(live, "CLOSE_PATIENCE_S", 0.01)
    async with peer(app, **bearer(Role.VIEWER)) as client:
        await client.event()
        client.taking.clear()
        services.bus.publish("notice", "", {})
        async with asyncio.timeout(5):
            await client.task
    assert services.bus.queues == []  # type: ignore[attr-defined]
    assert app._app._api.state.live.clients == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("role", "headers", "code"),
    [
        (None, {}, 4401),
        (None, {"Authorization": "Bearer made-up"}, 4401),
        (Role.AUDITOR, {}, 4403),
    ],
)
async def test_who_gets_none(
    app: ASGIApp, services: Services, bearer: Any, role: Role | None, headers: dict[str, str], code: int
) -> None:
    given = bearer(role) if role else headers
    async with peer(app, **given) as client:
        assert (await client.next())["code"] == code
    assert services.bus.queues == []  # type: ignore[attr-defined]


async def test_a_cookie_only_from_our_own_page(app: ASGIApp, services: Services) -> None:
    token = services.accounts.give(Role.VIEWER)  # type: ignore[attr-defined]
    cookie = f"__Host-fieldgate={token}"
    for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": "https://kit1.evil.example:8443"}):
        async with peer(app, Cookie=cookie, **origin) as client:
            assert (await client.next())["code"] == 4403
    async with peer(app, Cookie=cookie, Origin="https://kit1:8443") as client:
        assert (await client.event())["type"] == "hello"
    assert services.accounts.touched[-1] is False  # type: ignore[attr-defined]  # an open page is not a person


@pytest.mark.parametrize(
    ("said", "code"), [("{", 1003), ('{"type":"order"}', 1003), ("[]", 1003), ('"' + "x" * 70_000 + '"', 1009)]
)
async def test_a_client_may_only_ping_and_order(app: ASGIApp, bearer: Any, said: str, code: int) -> None:
    async with peer(app, **bearer(Role.VIEWER)) as client:
        await client.event()
        client.say('{"type":"ping"}')
        assert await client.event() == {"type": "pong"}
        client.say(said)
        assert (await client.next())["code"] == code


async def test_an_order_is_answered_on_the_socket_with_its_id(app: ASGIApp, services: Services, bearer: Any) -> None:
    commands = services.commands
    async with peer(app, **bearer(Role.OPERATOR, name="wang")) as client:
        await client.event()
        order = {"type": "command", "id": "o-1", "action": "ptz.move", "target": "ball-1", "args": {"pan": 0.5}}
        client.say(json.dumps(order))
        answer = await client.event()
        assert (answer["type"], answer["id"], answer["data"]["outcome"]) == ("result", "o-1", "done")
        (given,) = commands.given  # type: ignore[attr-defined]
        assert (given.action, given.target, given.args, given.actor.name) == (
            "ptz.move",
            "ball-1",
            {"pan": 0.5},
            "wang",
        )
        assert services.accounts.touched[-1] is True, "somebody is there"  # type: ignore[attr-defined]
        commands.answer = CommandResult("", Outcome.REFUSED, "ptz-held", "li moves it")  # type: ignore[attr-defined]
        client.say(json.dumps(order | {"id": "o-2"}))
        refused = await client.event()
        assert (refused["id"], refused["problem"]["code"], refused["problem"]["status"]) == ("o-2", "ptz-held", 409)
        assert refused["problem"]["cause"]["zh"] and refused["problem"]["outcome"] == "refused"


async def test_an_order_that_is_none_is_told_and_the_events_go_on(
    app: ASGIApp, services: Services, bearer: Any
) -> None:
    async with peer(app, **bearer(Role.OPERATOR)) as client:
        await client.event()
        for wrong in ({"action": "fly"}, {"action": "ptz.stop", "more": 1}, {"action": "ptz.stop", "id": "x" * 65}, {}):
            client.say(json.dumps({"type": "command", "args": {"password": "very-secret"}, **wrong}))
            told = await client.event()
            assert (told["type"], told["problem"]["code"]) == ("result", "bad-request")
            assert "very-secret" not in json.dumps(told)
        client.say('{"type":"ping"}')
        assert await client.event() == {"type": "pong"}
    assert services.commands.given == []  # type: ignore[attr-defined]


async def test_orders_under_way_are_bounded_and_outlive_the_connection(
    app: ASGIApp, services: Services, bearer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, done = asyncio.Event(), []

    async def slow(command: Command) -> CommandResult:
        await go.wait()
        done.append(command.id)
        return CommandResult(command.id, Outcome.DONE)

    monkeypatch.setattr(services.commands, "execute", slow)
    async with peer(app, **bearer(Role.OPERATOR)) as client:
        await client.event()
        for number in range(live_orders.AT_A_TIME + 1):
            client.say(json.dumps({"type": "command", "id": f"o-{number}", "action": "ptz.stop", "target": "ball-1"}))
        over = await client.event()
        assert (over["id"], over["problem"]["code"]) == (f"o-{live_orders.AT_A_TIME}", "too-many")
    running = list(app._app._api.state.live.orders)  # type: ignore[attr-defined]
    assert len(running) == live_orders.AT_A_TIME
    go.set()
    async with asyncio.timeout(5):
        await asyncio.gather(*running)
    assert len(done) == live_orders.AT_A_TIME


async def test_a_session_that_ended_gives_no_order(app: ASGIApp, services: Services, bearer: Any) -> None:
    async with peer(app, **bearer(Role.OPERATOR)) as client:
        await client.event()
        services.accounts.tokens_.clear()  # type: ignore[attr-defined]
        client.say('{"type":"command","id":"late","action":"ptz.stop","target":"ball-1"}')
        told = await client.event()
        assert (told["id"], told["problem"]["code"]) == ("late", "unauthenticated")
    assert services.commands.given == []  # type: ignore[attr-defined]


async def test_a_revoked_session_loses_its_events(
    app: ASGIApp, services: Services, bearer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RECHECK_S", 0.01)
    async with peer(app, **bearer(Role.VIEWER)) as client:
        await client.event()
        services.accounts.tokens_.clear()  # type: ignore[attr-defined]
        assert (await client.next())["code"] == 4401


async def test_the_number_of_clients_is_bounded(
    app: ASGIApp, services: Services, bearer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = bearer(Role.VIEWER)
    async with peer(app, **headers) as first:
        await first.event()
        counter = app._app._api.state.live  # type: ignore[attr-defined]
        monkeypatch.setattr(counter, "limit", 1)
        async with peer(app, **headers) as second:
            assert (await second.next())["code"] == 4429
    async with peer(app, **headers) as third:
        assert (await third.event())["type"] == "hello"
