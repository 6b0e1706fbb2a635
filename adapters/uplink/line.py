"""One end of the conversation of a kit and a center, on asyncio: questions that are awaited, handlers by name.

A question whose asker is cancelled, or whose time is up, is forgotten; one of the far side that is being answered when
the line ends is cancelled. A handler's GatewayError is the answer; any other exception is our mistake: `internal`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from adapters.uplink.protocol import Answer, Notice, Request, Rpc
from gateway.base.errors import Busy, GatewayError, LinkDown, PeerError, RemoteProtocolError
from gateway.base.tasks import Nest
from gateway.base.throttle import Throttle
from gateway.model.reason import far_code

log = logging.getLogger(__name__)

ANSWER_S = 15.0
READ = 65_536
SERVED = 256
"""Questions of the far side that are worked on at a time."""

Args = Mapping[str, Any]
Serve = Callable[[Args], Awaitable[Any]]
Hear = Callable[[Args], None]


class Line:
    """`run` until it ends. `serve` answers requests, `hear` takes notices; unknown ones are `unsupported`, or ignored:
    a newer build may say more."""

    def __init__(self, name: str, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._name = name
        self._sock = sock
        self._rpc = Rpc()
        self._served: dict[str, Serve] = {}
        self._heard: dict[str, Hear] = {}
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._more = asyncio.Event()
        self._nest = Nest(f"requests of {name}", SERVED)
        self._say = Throttle(log, interval_s=60.0)
        self._over = ""

    def serve(self, name: str, serve: Serve) -> None:
        self._served[name] = serve

    def hear(self, name: str, hear: Hear) -> None:
        self._heard[name] = hear

    async def run(self) -> None:
        """Until the far side or the link ends it: raises LinkDown, RemoteProtocolError (`rpc-damaged`)."""
        sending = asyncio.create_task(self._send(), name=f"uplink to {self._name}")
        reading = asyncio.create_task(self._read(), name=f"uplink of {self._name}")
        try:
            done, _ = await asyncio.wait((sending, reading), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            raise LinkDown(f"the conversation with {self._name} ended", code="kit-unreachable")
        finally:
            for task in (sending, reading):
                task.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)
            await self._nest.close()
            self.close()

    def close(self) -> None:
        """Also where it never ran. Safe to call twice."""
        self._over = f"the conversation with {self._name} is over"
        self._sock.close()
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(LinkDown(self._over, code="kit-unreachable"))
        self._asked.clear()

    async def ask(self, name: str, args: Args | None = None, *, within_s: float = ANSWER_S) -> Any:
        """What the far side answers. Raises LinkDown (`kit-unreachable`: no answer in time, or the line is over),
        PeerError with the code that the far side gave, Busy (`rpc-full`)."""
        if self._over:
            raise LinkDown(self._over, code="kit-unreachable")
        number = self._rpc.ask(name, args)
        waiting = self._asked[number] = asyncio.get_running_loop().create_future()
        self._more.set()
        try:
            async with asyncio.timeout(within_s):
                return await waiting
        except TimeoutError:
            text = f"{self._name} did not answer {name} within {within_s:g} s"
            raise LinkDown(text, code="kit-unreachable") from None
        finally:
            self._asked.pop(number, None)
            self._rpc.forget(number)

    def notice(self, name: str, args: Args | None = None) -> bool:
        """False: there was no room for it, it is larger than a message, or nobody is there."""
        if self._over:
            return False
        try:
            self._rpc.notice(name, args)
        except Busy:
            return False
        except GatewayError as exc:
            self._say(f"{self._name}: {name} {exc.code}", f"{self._name} is not told {name}: {exc}")
            return False
        self._more.set()
        return True

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent."""
        return self._rpc.waiting

    # — within —

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._more.wait()
            self._more.clear()
            while data := self._rpc.data_to_send():
                try:
                    await loop.sock_sendall(self._sock, data)
                except OSError as exc:
                    raise LinkDown(f"{self._name}: {exc}", code="kit-unreachable") from exc

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = await loop.sock_recv(self._sock, READ)
            except OSError as exc:
                raise LinkDown(f"{self._name}: {exc}", code="kit-unreachable") from exc
            if not data:
                return
            self._rpc.receive_data(data)
            while (event := self._rpc.next_event()) is not None:
                self._take(event)

    def _take(self, event: Request | Answer | Notice) -> None:
        match event:
            case Request():
                try:
                    self._nest.start(self._serve(event), f"{self._name} {event.name}")
                except Busy as exc:
                    self._rpc.refuse(event.id, exc.code, str(exc))
                    self._more.set()
            case Answer():
                waiting = self._asked.get(event.id)
                if waiting is not None and not waiting.done():
                    if event.code:
                        code = far_code(event.code)
                        told = event.detail or event.code
                        waiting.set_exception(
                            PeerError(told if code == event.code else f"{event.code}: {told}", code=code)
                        )
                    else:
                        waiting.set_result(event.value)
            case Notice():
                self._hear(event)

    def _hear(self, event: Notice) -> None:
        hear = self._heard.get(event.name)
        if hear is None:
            return
        try:
            hear(event.args)
        except RemoteProtocolError:
            raise
        except GatewayError as exc:
            log.info("%s: %s: %s (%s)", self._name, event.name, exc, exc.code)
        except Exception:
            log.exception("%s: taking %s failed by a mistake of ours", self._name, event.name)

    async def _serve(self, request: Request) -> None:
        serve = self._served.get(request.name)
        try:
            if serve is None:
                self._rpc.refuse(request.id, "unsupported", f"{request.name} is not known here")
                return
            self._rpc.answer(request.id, await serve(request.args))
        except GatewayError as exc:
            self._rpc.refuse(request.id, exc.code, str(exc))
        except asyncio.CancelledError:
            self._rpc.refuse(request.id, "kit-unreachable", "the line ends")
            raise
        except Exception as exc:
            log.exception("%s: answering %s failed by a mistake of ours", self._name, request.name)
            self._rpc.refuse(request.id, "internal", type(exc).__name__)
        finally:
            self._more.set()
