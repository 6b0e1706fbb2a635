"""The HTTP face for phones.

POST  /phone/join          a phone uses an invitation; again at any time. Answers who it is here
POST  /phone/hello         a sign of life; answers that the invitation still stands
PUT   /phone/reports/{id}  announce a report, or ask how far it is
PATCH /phone/reports/{id}  bytes of its file at `Upload-Offset`; on the disk before they are acknowledged

The bearer is `<invitation secret>.<key of the phone>`. Answers are `{"received": bytes, "complete": bool}`; whatever
offset was sent, `received` says where to go on. The picture goes by WHIP with the same bearer.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from pydantic import BaseModel

from adapters.phone.config import PhoneConfig
from adapters.phone.protocol import MAX_BODY, read_draft, read_name, read_offset
from gateway.base.errors import Busy, Denied
from gateway.contract.adapter import Context
from gateway.contract.http import HttpRequest, HttpResponse
from gateway.model.doctor import Finding, Grade
from gateway.model.informant import Phone, Progress
from gateway.model.principal import Role


def _answer(told: dict[str, Any]) -> HttpResponse:
    return HttpResponse(200, json.dumps(told, ensure_ascii=False).encode(), "application/json")


def _progress(told: Progress) -> HttpResponse:
    return _answer({"received": told.received, "complete": told.complete})


class PhoneDoor:
    """Implements contract.adapter.Adapter."""

    name: ClassVar[str] = "phone"
    Config: ClassVar[type[BaseModel]] = PhoneConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, PhoneConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._turns = asyncio.Semaphore(config.requests_at_once)

    async def run(self) -> None:
        """Serve until cancelled."""
        http, phones = self._context.http, Role.INFORMANT
        undo: list[Callable[[], None]] = [self._context.informants.serve()]
        undo += [
            # Open: the secret in the request is what it is about. Nothing else is.
            http.route("POST", "/phone/join", self._one(self.join), role=None, max_body=MAX_BODY),
            http.route("POST", "/phone/hello", self._one(self.hello), role=phones, max_body=MAX_BODY),
            http.route("PUT", "/phone/reports/{id}", self._one(self.begin), role=phones, max_body=MAX_BODY),
            http.route(
                "PATCH", "/phone/reports/{id}", self._one(self.append), role=phones, max_body=self._config.chunk
            ),
        ]
        try:
            self._context.ready()
            await asyncio.get_running_loop().create_future()
        finally:
            for one in undo:
                one()

    def _one(
        self, work: Callable[[HttpRequest], Awaitable[HttpResponse]]
    ) -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
        async def limited(request: HttpRequest) -> HttpResponse:
            async with self._turn():
                return await work(request)

        return limited

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._config.patience):
                await self._turns.acquire()
        except TimeoutError:
            raise Busy("too many phones send at this moment", code="too-many") from None
        try:
            yield
        finally:
            self._turns.release()

    async def join(self, request: HttpRequest) -> HttpResponse:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Denied("the invitation goes into Authorization", code="unauthenticated")
        name = read_name(request.body)
        return self._who(await self._context.informants.join(bearer.strip(), name, request.who.address))

    async def hello(self, request: HttpRequest) -> HttpResponse:
        self._context.informants.seen(request.who)
        return self._who(self._context.informants.phone(request.who))

    async def begin(self, request: HttpRequest) -> HttpResponse:
        draft = read_draft(request.path.get("id", ""), request.body, time.time())
        self._context.informants.seen(request.who)
        return _progress(await self._context.informants.begin(request.who, draft))

    async def append(self, request: HttpRequest) -> HttpResponse:
        offset = read_offset(request.headers.get("upload-offset", ""))
        self._context.informants.seen(request.who)
        id_ = request.path.get("id", "")
        return _progress(await self._context.informants.append(request.who, id_, offset, request.body))

    def _who(self, phone: Phone) -> HttpResponse:
        return _answer(
            {
                "device": phone.device,
                "stream": f"{phone.device}/ch1",
                "name": phone.name,
                "place": phone.place,
                "chunk": self._config.chunk,
                "now": time.time(),
            }
        )

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        return [Finding("phone", Grade.OK, "phones are served by the API's own port")]
