"""Searching the network: one search at a time, its finds kept until the next, and adopting what was found.

A find is text of strangers. It becomes a device or a source only by a technician's order, with the password that the
technician gives; nothing is connected to before but for what a search itself asks.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote, urlsplit

from gateway.base.clock import Clock
from gateway.base.errors import Busy, GatewayError, NotFound, RemoteProtocolError, Unsupported
from gateway.base.url import parse_url
from gateway.contract.source import Reach
from gateway.core.act_args import Done, number, text
from gateway.core.devices import Devices
from gateway.core.rights import require
from gateway.core.source_book import SourceBook
from gateway.model.command import Action, Command
from gateway.model.discovery import Find, FindKind, FindWay, SearchStatus
from gateway.model.principal import Principal
from gateway.net.discovery.search import ACTIVE, Search
from gateway.net.discovery.table import Finds

log = logging.getLogger(__name__)

DEFAULT_S = 8.0
MOST_S = 600.0


class Discovery:
    """The API's `discovery`, and its orders."""

    def __init__(self, devices: Devices, book: SourceBook, reach: Reach, clock: Clock) -> None:
        self._devices = devices
        self._book = book
        self._reach = reach
        self._clock = clock
        self._finds = Finds()
        self._before = Finds()  # of the search before: somebody may be about to take one in
        self._search: Search | None = None
        self._task: asyncio.Task[None] | None = None
        self._status = SearchStatus()

    # — to read —

    def status(self, who: Principal) -> SearchStatus:
        require(who, Action.DISCOVER_START)
        notes = tuple(self._search.notes) if self._search is not None else ()
        return replace(
            self._status,
            running=self._task is not None and not self._task.done(),
            finds=len(self._finds),
            left_out=self._finds.left_out,
            notes=notes,
        )

    def finds(self, who: Principal) -> Sequence[Find]:
        require(who, Action.DISCOVER_START)
        there = self._there()
        return [replace(find, adopted=_adopted(find, there)) for find in self._finds.all()]

    # — orders —

    def table(self) -> Mapping[Action, Callable[[Command], Awaitable[Done]]]:
        return {
            Action.DISCOVER_START: self._start,
            Action.DISCOVER_STOP: self._stop,
            Action.DISCOVER_ADOPT: self._adopt,
        }

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _start(self, command: Command) -> Done:
        args = command.args
        seconds = number(args, "seconds", DEFAULT_S)
        if not 0 < seconds <= MOST_S:
            raise GatewayError(f"seconds: more than 0 and at most {MOST_S:g}", code="bad-request")
        ways = _ways(text(args, "ways"))
        interface = text(args, "interface", most=15)
        if interface and interface not in [name for _, name in socket.if_nameindex()]:
            raise GatewayError(f"interface: there is no {interface!r}", code="bad-request")
        if self._task is not None and not self._task.done():
            raise Busy("a search is under way already", code="discovery-running")
        self._before, self._finds = self._finds, Finds()
        self._search = Search(self._finds, self._clock.wall, self._connect)
        now = self._clock.wall()
        self._status = SearchStatus(True, now, now + seconds, command.actor.name, ways)
        work = self._search.run(ways, seconds, interface=interface)
        self._task = asyncio.create_task(work, name="searching the network")
        self._task.add_done_callback(_told)
        return Done({"until": now + seconds})

    async def _stop(self, command: Command) -> Done:
        await self.close()
        return Done({"finds": len(self._finds)})

    async def _adopt(self, command: Command) -> Done:
        args = command.args
        key = text(args, "key", most=64)
        find = self._finds.get(key) or self._before.get(key)
        if find is None:
            raise NotFound(f"nothing with the key {key[:64]!r} was found; search again")
        name = text(args, "name", most=100) or find.name
        user, password = text(args, "user", most=64), text(args, "password", most=128)
        if find.adopt == "onvif":
            device = await self._devices.admit(
                "onvif",
                find.external_id,
                name=name,
                user=user,
                password=password,
                slug=command.target.rpartition("/")[2],
                by=command.actor.name,
            )
            return Done({"device": device, "as": "onvif"})
        if find.adopt == "source" and find.urls:
            url = with_user(find.urls[0], user, password)
            title = name if find.kind is not FindKind.STREAM else text(args, "name", most=100)
            device = await self._book.add(
                {"main": url}, name=command.target.rpartition("/")[2], title=title, by=command.actor.name
            )
            return Done({"device": device, "stream": f"{device}/main", "as": "source"})
        raise Unsupported(f"{find.name or find.address} can not be taken in by a key", code="not-adoptable")

    # — within —

    async def _connect(self, host: str, port: int) -> socket.socket:
        # A neighbour that answered from this address; asked for its description only.
        return await self._reach.connect(host, port, timeout_s=2.0, trusted=True)

    def _there(self) -> Mapping[str, str]:
        """What the gateway has, by what a find of it would be: the camera's number, the URL's place and path."""
        found: dict[str, str] = {}
        for known in self._devices.all():
            if known.row.scheme == "onvif":
                for at in (known.row.external_id, known.row.address):
                    if at:
                        found.setdefault(f"onvif {at}", known.id)
        for wanted in self._book.wanted():
            for url in wanted.urls.values():
                with suppress(RemoteProtocolError):
                    found.setdefault(_place(url), wanted.name)
        return found


def _adopted(find: Find, there: Mapping[str, str]) -> str:
    if find.external_id and (known := there.get(f"onvif {find.external_id}")):
        return known
    for url in find.urls:
        with suppress(RemoteProtocolError):
            if known := there.get(_place(url)):
                return known
    return ""


def _place(url: str) -> str:
    """Without user and options: what two URLs of one thing have in common. Raises RemoteProtocolError."""
    parsed = parse_url(url)
    return f"{parsed.scheme}://{parsed.host}:{parsed.port}{parsed.path}"


def with_user(url: str, user: str, password: str) -> str:
    """The same URL with credentials, quoted."""
    if not user and not password:
        return url
    parts = urlsplit(url)
    who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return parts._replace(netloc=f"{who}@{parts.netloc.rpartition('@')[2]}").geturl()


def _ways(said: str) -> tuple[FindWay, ...]:
    """Empty: all that ask; "all": listening as well. Raises GatewayError."""
    if not said:
        return ACTIVE
    if said == "all":
        return (*ACTIVE, FindWay.WIRE)
    try:
        asked = {FindWay(word.strip()) for word in said.split(",") if word.strip()}
    except ValueError as exc:
        raise GatewayError(f"ways: {', '.join(FindWay)} or all", code="bad-request") from exc
    return tuple(way for way in FindWay if way in asked)


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (exc := task.exception()) is not None:
        log.error("%s ended by a mistake of ours", task.get_name(), exc_info=exc)
