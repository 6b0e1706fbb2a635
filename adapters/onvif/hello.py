"""Cameras that announce themselves, and the search for one that is gone: WS-Discovery of this adapter.

A Hello of a known camera wakes it at once, also at a new address (DHCP). One of an unknown camera knocks: a technician
sees it as pending and admits it, or does not. Hellos are unsigned, and whoever is followed is signed in to (a password
goes out as a digest): one at another address is followed within the camera's subnet only (`camera.announced`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from gateway.base.errors import LinkDown, RemoteProtocolError
from gateway.net.multicast import Group
from gateway.wire import wsd
from gateway.wire.wsd import Endpoint, Service, Word

log = logging.getLogger(__name__)

REOPEN_S = 30.0
"""Interfaces come and go; the group is joined anew so often, and asked: a Hello may have been missed."""
ASK_EVERY_S = 5.0
"""However many cameras are gone: the network is asked at most this often."""
MAX_PER_S = 200
"""Announcements read a second; a flood is not."""

Told = Callable[[Endpoint, Service | None, str], None]
"""(what it says, where its device service is, the sender's address)."""


class Hello:
    def __init__(self, told: Told) -> None:
        self._told = told
        self._wanted = asyncio.Event()
        self._budget, self._second = MAX_PER_S, 0.0
        self.deaf = ""
        self.heard = 0

    def seek(self) -> None:
        """Ask the network soon; many wishes are one question."""
        self._wanted.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        asked_at = float("-inf")
        while True:
            try:
                group = Group(wsd.GROUP, wsd.PORT, self._heard)
            except LinkDown as exc:
                self.deaf = str(exc)
                await asyncio.sleep(REOPEN_S)
                continue
            self.deaf = group.deaf
            self._wanted.set()
            try:
                until = loop.time() + REOPEN_S
                while (left := until - loop.time()) > 0:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(left):
                            await self._wanted.wait()
                    if self._wanted.is_set() and loop.time() - asked_at >= ASK_EVERY_S:
                        asked_at = loop.time()
                        self._wanted.clear()
                        for type_ in wsd.TYPES:
                            group.ask(wsd.probe(type_))
                    elif self._wanted.is_set():
                        await asyncio.sleep(min(left, asked_at + ASK_EVERY_S - loop.time()))
            finally:
                group.close()

    def _heard(self, data: bytes, host: str, port: int, interface: str) -> None:
        now = time.monotonic()
        if now - self._second >= 1.0:
            self._budget, self._second = MAX_PER_S, now
        if self._budget <= 0:
            return
        self._budget -= 1
        try:
            told = wsd.read(data)
        except RemoteProtocolError as exc:
            log.debug("WS-Discovery of %s: %s", host, exc)
            return
        for endpoint in told:
            if endpoint.word is not Word.BYE and endpoint.is_camera:
                self.heard += 1
                self._told(endpoint, wsd.service_of(endpoint, host), host)
