"""Levels on the WebSocket of events, five times a second, only while they are asked for.

    → {"type": "levels", "group": "ops", "on": true}
    ← {"type": "levels", "subject": "kit1/talk/ops", "data": {"sip:8001": -23.5, …}}
    ← {"type": "levels", "subject": "ops", "problem": {…}}        not to be had; nothing more follows

A connection has at most `AT_A_TIME` groups; a client that takes nothing gets fewer, not late ones.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import WebSocket
from pydantic_core import to_json

from gateway.api.auth import services_of
from gateway.api.problems import problem
from gateway.base.errors import GatewayError
from gateway.model.principal import Principal

AT_A_TIME = 4
EVERY_S = 0.2
SEND_PATIENCE_S = 20.0


class SocketLevels:
    """Those of one connection."""

    def __init__(self, socket: WebSocket, who: Principal) -> None:
        self._socket = socket
        self._who = who
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def take(self, message: dict[str, Any]) -> None:
        group = message.get("group")
        if not isinstance(group, str) or not 1 <= len(group) <= 200:
            await self._send({"type": "levels", "problem": problem("bad-request", "group: its id").model_dump()})
            return
        if message.get("on", True) is not True:
            if (task := self._tasks.pop(group, None)) is not None:
                task.cancel()
            return
        if group in self._tasks and not self._tasks[group].done():
            return
        self._tasks = {name: task for name, task in self._tasks.items() if not task.done()}
        if len(self._tasks) >= AT_A_TIME:
            told = problem("too-many", f"{AT_A_TIME} groups of this connection tell their levels already")
            await self._send({"type": "levels", "subject": group, "problem": told.model_dump()})
            return
        self._tasks[group] = asyncio.create_task(self._tell(group), name="socket-levels")

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _tell(self, group: str) -> None:
        talk = services_of(self._socket).talk
        while True:
            try:
                subject, levels = talk.group(self._who, group).id, talk.levels(self._who, group)
            except GatewayError as error:
                told = problem(error.code, str(error))
                await self._send({"type": "levels", "subject": group, "problem": told.model_dump()})
                return
            if not await self._send({"type": "levels", "subject": subject, "data": dict(levels)}):
                return
            await asyncio.sleep(EVERY_S)

    async def _send(self, message: dict[str, Any]) -> bool:
        try:
            async with asyncio.timeout(SEND_PATIENCE_S):
                await self._socket.send_text(to_json(message, inf_nan_mode="null").decode())
        except (RuntimeError, TimeoutError, OSError):
            return False  # the client is gone; `listen` and `send` of the connection see it as well
        return True
