"""Orders on the WebSocket of events: the same orders as `POST /api/v1/commands`, answered on the socket.

    → {"type": "command", "id": "01J…", "action": "ptz.move", "target": "ball-1", "args": {"pan": 0.5}}
    ← {"type": "result", "id": "01J…", "data": {…CommandResult…}}
    ← {"type": "result", "id": "01J…", "problem": {…RFC 9457…}}      refused or failed

Who asks is looked up for every order, so that a session that ended gives none. Several are carried out at a time,
results come as they are ready; more than `AT_A_TIME` of one connection are refused (`too-many`), not queued.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from fastapi import WebSocket
from pydantic import ValidationError
from pydantic_core import to_json

from gateway.api.auth import services_of
from gateway.api.authenticator import Authenticator
from gateway.api.orders import Order, execute, problem_of
from gateway.api.problems import Problem, problem
from gateway.base.errors import Denied
from gateway.model.command import Outcome

log = logging.getLogger(__name__)

AT_A_TIME = 16
SEND_PATIENCE_S = 20.0


class SocketOrders:
    """The orders of one connection. One that was begun is carried out also when the connection ends: `running` holds
    the tasks of all connections."""

    def __init__(self, socket: WebSocket, auth: Authenticator, running: set[asyncio.Task[None]]) -> None:
        self._socket = socket
        self._auth = auth
        self._running = running
        self._mine = 0

    async def take(self, message: dict[str, Any]) -> None:
        id_ = message.get("id", "")
        id_ = id_ if isinstance(id_, str) and len(id_) <= 64 else ""
        try:
            order = Order.model_validate_json(json.dumps({k: v for k, v in message.items() if k != "type"}))
        except ValidationError as error:
            # Only place and rule: the value itself may be a password.
            told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:8])
            await self._answer(id_, problem("bad-request", told))
            return
        if self._mine >= AT_A_TIME:
            await self._answer(id_, problem("too-many", f"{AT_A_TIME} orders of this connection are under way"))
            return
        task = asyncio.create_task(self._carry_out(order), name="socket-order")
        self._running.add(task)
        self._mine += 1
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._mine -= 1
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.error("an order failed by a mistake of ours", exc_info=exc)

    async def _carry_out(self, order: Order) -> None:
        try:
            who = self._auth.principal(self._socket, touch=True)
        except Denied as error:
            await self._answer(order.id, problem(error.code, str(error)))
            return
        result = await execute(services_of(self._socket), who, order)
        if result.outcome is Outcome.DONE:
            await self._send({"type": "result", "id": result.id, "data": result})
        else:
            await self._send({"type": "result", "id": result.id, "problem": problem_of(result)})

    async def _answer(self, id_: str, told: Problem) -> None:
        await self._send({"type": "result", "id": id_, "problem": told.model_dump()})

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(SEND_PATIENCE_S):
                await self._socket.send_text(to_json(message, inf_nan_mode="null").decode())
        except (RuntimeError, TimeoutError, OSError):
            return  # the client is gone; `listen` and `send` of the connection see it as well
