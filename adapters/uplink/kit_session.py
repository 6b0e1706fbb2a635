"""A kit's session with one center, from `hello` until the bundle or the conversation is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from adapters.uplink import asking
from adapters.uplink.bundle import Bundle
from adapters.uplink.config import UplinkConfig
from adapters.uplink.figures import Look
from adapters.uplink.forwarding import ALONE, SHARE, Forwarding
from adapters.uplink.giving import Giving
from adapters.uplink.line import Line
from adapters.uplink.protocol import MOST_BLOB, VERSION
from adapters.uplink.seats import Seats
from adapters.uplink.services import Services
from adapters.uplink.telling import Telling
from adapters.uplink.words import number, one, text, whole
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, RemoteProtocolError, first
from gateway.base.tasks import Nest
from gateway.contract.adapter import Context
from gateway.model.command import Command
from gateway.model.ids import StreamId
from gateway.model.kit import LinkState, Thumbnail
from gateway.model.pairing import PairedCenter
from gateway.model.principal import Principal, Role
from gateway.wire.records import plain

log = logging.getLogger(__name__)

HELLO_S = 15.0
KEY_AGAIN_S = 5.0
"""Before a next key is told once more; doubled each time."""
MOST_STREAMS = 64
"""Requests to our API and connections to services that a center may have open."""
LONGEST_S = 60.0
LINKS_EVERY = 2
"""Looks between two notices of the links."""


class KitSession:
    """`run` until it is over: raises GatewayError with why."""

    def __init__(
        self, context: Context, bundle: Bundle, center: PairedCenter, config: UplinkConfig, key: bytes
    ) -> None:
        """`key`: the private one that this bundle was dialled with."""
        self._context = context
        self._bundle = bundle
        self._center = center
        self._config = config
        self._center_itself = self._who({"name": "center", "role": Role.VIEWER.value, "session": "center"})
        self._key = key
        self.on_key_told: Callable[[], None] = lambda: None
        """The center knows our next key: it is to be called by that."""
        self.on_revoked: Callable[[str], None] = lambda _why: None
        """The center takes our admission back, and says why; the session ends at once."""
        self._rpc: Line | None = None
        self._looks = 0
        self._usable_bps = 0.0
        self._nest = Nest(f"requests of {center.gateway}", MOST_STREAMS)
        self._services = Services(context, config, bundle, center.gateway, center)
        self.giving = Giving(context, bundle, self._center_itself, config, self._say)
        self._seats = Seats(context, bundle, center.gateway, config, self._say)

    async def run(self, met: Callable[[Mapping[str, Any]], None]) -> None:
        """`met` is called when the center has let us in."""
        bundle, name = self._bundle, self._center.gateway
        bundle.on_stream = self._stream
        lines: list[Line] = []
        tasks: list[asyncio.Task[None]] = []
        try:
            for purpose in ("rpc", "tell"):
                lines.append(Line(name, await bundle.open_stream(purpose)))
            rpc, tell = lines
            self._rpc = rpc
            self._serve(rpc)
            tell.hear("thumbnail", self._thumbnail)
            tasks += [
                asyncio.create_task(rpc.run(), name=f"rpc with {name}"),
                asyncio.create_task(tell.run(), name=f"told to {name}"),
                asyncio.create_task(self._talk(rpc, tell, met), name=f"hello to {name}"),
                asyncio.create_task(self._over(), name=f"end of {name}"),
            ]
            await asyncio.gather(*tasks)
        finally:
            bundle.on_stream = lambda _number, _purpose: None
            for task in tasks:
                task.cancel()
            try:
                await asyncio.gather(*tasks, return_exceptions=True)
            finally:  # also where a gateway that stops does not let us wait
                for line in lines:
                    line.close()
            await self.giving.close_all()
            await self._seats.close()
            await self._nest.close()
            await self._services.close()

    async def looked(self, look: Look, links: Sequence[LinkState]) -> None:
        """Once a second: the ladder follows what passes, and the center hears of the links."""
        self._seats.links = links
        self._usable_bps = look.usable_bps
        await self.giving.measure(1.0)
        self.giving.look(max(0.0, look.usable_bps - look.beside_bps), look.pressed)
        self._looks += 1
        if self._looks % LINKS_EVERY == 0:
            self._say("links", {"links": [plain(link) for link in links]})

    # — within —

    async def _talk(self, rpc: Line, tell: Line, met: Callable[[Mapping[str, Any]], None]) -> None:
        home = self._context.home
        hello = {
            "version": VERSION,
            "gateway": self._context.gateway,
            "name": home.about.get("name", ""),
            "boot": home.boot,
            "software": home.about.get("version", ""),
            "adcode": home.about.get("adcode", ""),
            "now": home.now(),
        }
        answer = await rpc.ask("hello", hello, within_s=HELLO_S)
        if not isinstance(answer, dict):
            raise RemoteProtocolError("an answer to hello that is none", code="record-damaged")
        met(answer)
        self._services.listen()
        side = await self._context.outbox.join(self._center.gateway, "uplink")
        failed: GatewayError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                standing = self._context.kit
                telling = Telling(home, tell, self._center_itself, lambda: standing.condition)
                group.create_task(telling.run())
                group.create_task(Forwarding(side, tell, self._center.scope, self._room_for_files).run())
                group.create_task(self._next_key(rpc))
        except* GatewayError as several:
            failed = first(several)
        if failed is not None:
            raise failed

    async def _over(self) -> None:
        code, detail = await asyncio.shield(self._bundle.over)
        raise LinkDown(detail or f"the bundle with {self._center.gateway} is over", code=code or "kit-unreachable")

    async def _next_key(self, rpc: Line) -> None:
        """When our key is to be another, the center hears of it here, where it knows who speaks. One that it can not
        take now (its disk is full, the links are cut) it is told again; all else goes on."""
        pairings, changed = self._context.fleet.pairings, asyncio.Event()
        undo = pairings.on_change(changed.set)
        again_s = KEY_AGAIN_S
        try:
            while True:
                changed.clear()
                key, failed = pairings.next_key(), False
                if key and key != self._key:
                    try:
                        await rpc.ask("next-key", {"key": codecs.bundle_keys(key)[1]})
                        pairings.key_told(self._center.gateway)
                        self.on_key_told()
                    except GatewayError as exc:
                        failed = True
                        log.warning("%s does not have our next key yet: %s (%s)", self._center.gateway, exc, exc.code)
                with suppress(TimeoutError):
                    async with asyncio.timeout(again_s if failed else None):
                        await changed.wait()
                again_s = min(again_s * 2, KEY_AGAIN_S * 64) if failed else KEY_AGAIN_S
        finally:
            undo()

    def _room_for_files(self) -> float:
        """By the bundle's figures: of rates it tells only while pictures or voices go, and files may go alone."""
        return self._usable_bps * (SHARE if self.giving.count else ALONE)

    def _say(self, name: str, args: Mapping[str, Any]) -> None:
        if self._rpc is not None:
            self._rpc.notice(name, args)

    def _serve(self, rpc: Line) -> None:
        rpc.serve("open", self._open)
        rpc.serve("close", self._close)
        rpc.serve("snapshot", self._snapshot)
        rpc.serve("command", self._command)
        rpc.serve("talk", self._sit)
        rpc.serve("rise", self._rise)
        rpc.hear("revoked", lambda args: self.on_revoked(text(args, "detail")))
        rpc.hear("gone-over", lambda args: self.giving.gone_over(whole(args, "given", 1, 1 << 31), whole(args, "flow")))

    async def _open(self, args: Mapping[str, Any]) -> Any:
        self.giving.open(whole(args, "given", 1, 1 << 31), self._context.streams.resolve(text(args, "stream")))

    async def _close(self, args: Mapping[str, Any]) -> Any:
        await self.giving.close(whole(args, "given", 1, 1 << 31))

    async def _snapshot(self, args: Mapping[str, Any]) -> Any:
        stream = self._context.streams.resolve(text(args, "stream"))
        height, quality = int(number(args, "height", 0, 2160, 0)), int(number(args, "quality", 1, 100, 75))
        made = await self._context.home.snapshot(StreamId(stream), self._asker(args), height=height, quality=quality)
        if len(made.jpeg) > MOST_BLOB:
            raise GatewayError(f"a picture of {len(made.jpeg)} bytes: ask for a smaller one", code="too-large")
        age_s = made.age_s + max(0.0, self._context.home.now() - made.made_at)
        return {"jpeg": made.jpeg, "width": made.width, "height": made.height, "age_s": age_s}

    async def _command(self, args: Mapping[str, Any]) -> Any:
        command = one(Command, args, "command")
        left_s = number(args, "left_s", 0, LONGEST_S * 60)
        actor = command.actor
        who = self._context.fleet.may(
            self._center, actor.name, actor.role.value, actor.session, actor.address, actor.scope
        )
        # The center's clock may be another year's: what counts is how long is left.
        deadline = self._context.home.now() + min(left_s, LONGEST_S)
        order = replace(command, id=f"{self._center.gateway[:20]}/{command.id}"[:64], actor=who, deadline=deadline)
        result = await self._context.home.execute(order)
        return plain(replace(result, id=command.id))

    async def _sit(self, args: Mapping[str, Any]) -> Any:
        return await self._seats.sit(args, self._asker(args))

    async def _rise(self, args: Mapping[str, Any]) -> Any:
        await self._seats.rise(text(args, "seat"))

    def _asker(self, args: Mapping[str, Any]) -> Principal:
        who = args.get("as")
        return self._who(who if isinstance(who, dict) else {})

    def _who(self, named: Mapping[str, Any]) -> Principal:
        """Somebody of the center, as far as the center itself may go."""
        return self._context.fleet.may(
            self._center,
            text(named, "name", 64) or "center",
            text(named, "role", 32),
            text(named, "session", 64),
            text(named, "address", 64),
            text(named, "scope", 256),
        )

    def _stream(self, opened: int, purpose: str) -> None:
        """The center opened a stream: a request to our API, or a connection to a service of ours."""
        try:
            if purpose == "api":
                self._nest.start(self._api(opened), "request of a center")
            elif purpose.startswith("tcp:"):
                self._services.taken(opened, purpose.removeprefix("tcp:"))
        except GatewayError as exc:
            log.info("a stream of %s is not taken: %s", self._center.gateway, exc)

    async def _api(self, opened: int) -> None:
        await asking.serve(await self._bundle.take_stream(opened), self._context.home, self._who)

    def _thumbnail(self, args: Mapping[str, Any]) -> None:
        jpeg = args.get("jpeg")
        if isinstance(jpeg, bytes):
            age_s = number(args, "age_s", 0, 86_400)
            now = self._context.home.now()
            self._context.fleet.thumbnail(self._center.gateway, Thumbnail(text(args, "stream"), jpeg, now, age_s))
