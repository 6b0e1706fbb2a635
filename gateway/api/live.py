"""The WebSocket of typed events: `/api/v1/events?cursor=N&types=stream,ptz`.

Each message is `{"cursor": n, "type": "stream", "subject": "kit1/ball-1/ch1", "data": {…}}` with the model's
dataclass as data. The first one is `hello` with the newest cursor, who is asking, and `epoch`, which is another one
after a restart of the gateway: cursors count anew then, and the lists are to be read anew. With `cursor` everything
newer that is still kept comes first; where something is missing, be it old or because this client is slow, comes
`{"type": "missed", "data": {"events": n}}`: read the lists anew, the events go on. Queues are bounded by the bus.
A client sends `{"type": "ping"}`, orders (`api.live_orders`) and wishes for levels (`api.live_levels`); anything else,
or anything larger than the body of a request may be, ends the connection.

Close codes: 4401 not signed in (any more), 4403 another site's page or a role that may not, 4429 too many, 1009 too
large, 1012 the gateway restarts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic_core import to_json

from gateway.api.auth import authenticator_of, services_of
from gateway.api.authenticator import Authenticator
from gateway.api.guard import API_BODY_BYTES
from gateway.api.live_levels import SocketLevels
from gateway.api.live_orders import SocketOrders
from gateway.base.errors import Denied
from gateway.core.facts import BusEvent, Missed
from gateway.core.services import SubscriptionFace
from gateway.model.principal import Principal, Role

log = logging.getLogger(__name__)
router = APIRouter()

CLIENTS = 256
SEND_PATIENCE_S = 20.0  # a client that takes nothing for so long is gone
CLOSE_PATIENCE_S = 2.0
RECHECK_S = 30.0  # how soon a revoked or idle session loses its events

UNAUTHENTICATED, FORBIDDEN, TOO_MANY, TOO_LARGE = 4401, 4403, 4429, 1009


def event_json(event: BusEvent | Missed) -> str:
    """One event as the WebSocket carries it."""
    if isinstance(event, Missed):
        message: dict[str, Any] = {"type": "missed", "data": {"events": event.events}}
    else:
        message = {"cursor": event.cursor, "type": event.type, "subject": event.subject, "data": event.data}
        if event.gone:
            message["gone"] = True
    # A figure that is not a number would be no JSON for a browser.
    return to_json(message, inf_nan_mode="null").decode()


class Live:
    """Counts the clients; one per application."""

    def __init__(self, limit: int = CLIENTS) -> None:
        self.limit = limit
        self.clients = 0
        self.orders: set[asyncio.Task[None]] = set()
        self.epoch = secrets.token_hex(8)


@router.websocket("/api/v1/events")
async def events(socket: WebSocket, cursor: int | None = None, types: str = "") -> None:
    """Sign-in is checked before the handshake is accepted, and again while the connection lasts."""
    live: Live = socket.app.state.live
    auth = authenticator_of(socket)
    try:
        who = auth.principal(socket)
        auth.demand(who, Role.VIEWER)
    except Denied as error:
        await _refuse(socket, UNAUTHENTICATED if error.code == "unauthenticated" else FORBIDDEN, error.code)
        return
    if live.clients >= live.limit:
        await _refuse(socket, TOO_MANY, "too-many")
        return
    live.clients += 1
    try:
        await socket.accept()
        await _serve(socket, auth, who, cursor, [name for name in types.split(",") if name][:16])
    finally:
        live.clients -= 1


async def _refuse(socket: WebSocket, close_code: int, reason: str) -> None:
    # Accepted first, because a browser hides from the page why a handshake failed.
    await socket.accept()
    await socket.close(close_code, reason)


async def _serve(socket: WebSocket, auth: Authenticator, who: Principal, cursor: int | None, types: list[str]) -> None:
    bus = services_of(socket).bus
    live: Live = socket.app.state.live
    about = {"name": who.name, "role": who.role, "scope": who.scope, "epoch": live.epoch}
    hello = {"cursor": bus.cursor, "type": "hello", "data": about}
    await socket.send_text(json.dumps(hello, ensure_ascii=False, separators=(",", ":")))
    orders = SocketOrders(socket, auth, live.orders)
    levels = SocketLevels(socket, who)
    async with bus.subscribe(who, cursor=cursor, types=types) as subscription:
        workers = {
            asyncio.create_task(_send(socket, subscription), name="events-send"),
            asyncio.create_task(_listen(socket, orders, levels), name="events-listen"),
            asyncio.create_task(_recheck(socket, auth), name="events-recheck"),
        }
        try:
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for worker in workers:
                worker.cancel()
            ended = await asyncio.gather(*workers, return_exceptions=True)
            await levels.close()
    close_code, why = next((task.result() for task in done if not task.exception()), (1011, "internal"))
    for error in ended:
        if isinstance(error, Exception) and not isinstance(error, WebSocketDisconnect | TimeoutError | RuntimeError):
            log.error("events to %s ended", who.name, exc_info=error)
    with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):  # the peer may be gone, or take nothing
        async with asyncio.timeout(CLOSE_PATIENCE_S):
            await socket.close(close_code, why)


async def _send(socket: WebSocket, subscription: SubscriptionFace) -> tuple[int, str]:
    async for event in subscription:
        async with asyncio.timeout(SEND_PATIENCE_S):
            await socket.send_text(event_json(event))
    return 1012, "restart"


async def _listen(socket: WebSocket, orders: SocketOrders, levels: SocketLevels) -> tuple[int, str]:
    while True:
        text = await socket.receive_text()
        if len(text) > API_BODY_BYTES:
            return TOO_LARGE, "too-large"
        try:
            message = json.loads(text)
        except ValueError:
            return 1003, "bad-request"
        match message:
            case {"type": "ping"}:
                await socket.send_text('{"type":"pong"}')
            case {"type": "command"}:
                await orders.take(message)
            case {"type": "levels"}:
                await levels.take(message)
            case _:
                return 1003, "bad-request"


async def _recheck(socket: WebSocket, auth: Authenticator) -> tuple[int, str]:
    while True:
        await asyncio.sleep(RECHECK_S)
        try:
            auth.principal(socket)
        except Denied as error:
            return UNAUTHENTICATED, error.code
