"""A kit at one of its centers: the bundle that is dialled for ever, its paths, and a session for each time it is up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from adapters.uplink.bundle import Bundle
from adapters.uplink.config import UplinkConfig
from adapters.uplink.figures import LinkFigures, Look, by_either
from adapters.uplink.kit_session import KitSession
from adapters.uplink.paths import TCP, Paths
from gateway import codecs
from gateway.base.errors import GatewayError
from gateway.contract.adapter import Context
from gateway.model.kit import CenterState, KitState, LinkState, LinkUse
from gateway.model.pairing import PairedCenter

log = logging.getLogger(__name__)

LOOK_S = 1.0
AGAIN_S, LONGEST_S = 1.0, 30.0
"""Before a session is begun anew on a bundle that is still up; doubled each time while none holds for `HELD_S`."""
HELD_S = 60.0


class CenterCall:
    """`run` until cancelled. One for each center that is paired."""

    def __init__(self, context: Context, center: PairedCenter, config: UplinkConfig) -> None:
        self._context = context
        self._center = center
        self._config = config
        self._bundle: Bundle | None = None
        self._session: asyncio.Task[None] | None = None
        self._kit: KitSession | None = None
        self._state = KitState.OFFLINE
        self._code, self._detail = "center-silent", ""
        self._since = 0.0
        self._seen: float | None = None
        self._links: tuple[LinkState, ...] = ()
        self._address = ""
        self._farewell = ""
        self._revoked_in: KitSession | None = None
        self._key = b""

    async def run(self) -> None:
        """Until cancelled. The bundle is dialled anew where our key is another one now."""
        pairings = self._context.fleet.pairings
        self._key = pairings.private_key()
        self._become(KitState.OFFLINE, "center-silent")
        try:
            while True:
                try:
                    await self._dial(self._key)
                except Exception as exc:
                    # A mistake of ours, or the media plane's refusal: a kit without a call would never be seen again.
                    log.exception("the call to %s failed; it is made anew", self._center.gateway)
                    self._become(KitState.OFFLINE, "internal", type(exc).__name__)
                    await asyncio.sleep(LONGEST_S)
                    continue
                other = pairings.next_key()
                self._key = other if other and self._key != other else pairings.private_key()
        finally:
            self._context.fleet.center_gone(self._center.gateway)

    async def _dial(self, key: bytes) -> None:
        """Until the other key is to be tried."""
        context, center = self._context, self._center
        media = context.media
        handle = self._handle = media.engine.bundle_dial(
            private=key, peer=center.key, gateway=context.gateway, boot=context.home.boot
        )
        media.on_bundle(handle, self._event)
        self._paths = Paths(media, handle, center, self._config, context.links)
        self._paths.on_change = self._tell
        self._other_key = asyncio.Event()
        tasks = [
            asyncio.create_task(self._paths.run(), name=f"links to {center.gateway}"),
            asyncio.create_task(self._look(), name=f"figures of {center.gateway}"),
            asyncio.create_task(self._key_due(), name=f"key for {center.gateway}"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._end_session("stopping")
            media.forget_bundle(handle)
            media.engine.bundle_close(handle)  # while it still has paths by which to say so
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _key_due(self) -> None:
        await self._other_key.wait()
        await asyncio.sleep(AGAIN_S)

    # — what the bundle tells —

    def _event(self, event: codecs.BundleEvent) -> None:
        if event.kind == "up":
            self._up()
            return
        if event.kind == "refused":
            self._become(KitState.OFFLINE, event.code, event.detail or self._why(event.code))
            # Between two keys the center knows one, and calls the other unknown, or taken back.
            if event.code in ("unknown-key", "revoked") and self._context.fleet.pairings.next_key():
                self._other_key.set()
            return
        if event.kind == "path":
            self._paths.told(event.name, not event.code)
            if not event.code:
                self._address = event.host
        if self._bundle is not None:
            self._bundle.event(event)
        if event.kind == "path" and event.code:
            self._silent(event.name)
        if event.kind == "down":
            self._bundle = None
            self._become(KitState.OFFLINE, event.code or "center-silent", event.detail or self._why(event.code))

    def _up(self) -> None:
        before = self._bundle
        if before is not None:
            before.end("replaced")
        self._bundle = bundle = Bundle(self._context.media, self._handle, self._center.gateway)
        if before is not None:
            bundle.paths = before.paths
        bundle.on_rate = self._rate
        earlier, self._session = self._session, None
        self._session = asyncio.create_task(self._serve(bundle, earlier), name=f"session with {self._center.gateway}")

    async def _serve(self, bundle: Bundle, earlier: asyncio.Task[None] | None) -> None:
        """Sessions on one bundle, one after another, until it is over."""
        if earlier is not None:
            earlier.cancel()
            await asyncio.gather(earlier, return_exceptions=True)
        pause_s, loop = AGAIN_S, asyncio.get_running_loop()
        while not bundle.over.done():
            began = loop.time()
            session = self._kit = KitSession(self._context, bundle, self._center, self._config, self._key)
            session.on_key_told = self._other_key.set
            session.on_revoked = self._revoked
            try:
                await session.run(self._met)
            except GatewayError as exc:
                if not bundle.over.done():
                    log.info("the session with %s ended: %s (%s)", self._center.gateway, exc, exc.code)
                    self._become(KitState.OFFLINE, exc.code, str(exc))
            except Exception as exc:
                log.exception("the session with %s ended by a mistake of ours", self._center.gateway)
                self._become(KitState.OFFLINE, "internal", type(exc).__name__)
            finally:
                self._kit = None
            pause_s = AGAIN_S if loop.time() - began >= HELD_S else pause_s
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_S)

    def _met(self, answer: Mapping[str, Any]) -> None:
        """The center has let us in. One that revokes us at once may have told us so before this is heard."""
        if self._revoked_in is not self._kit:
            self._farewell = ""
        self._become(KitState.ONLINE, "")
        pairings = self._context.fleet.pairings
        if pairings.next_key() and self._key == pairings.next_key():
            pairings.key_taken(self._center.gateway)

    def _revoked(self, why: str) -> None:
        self._farewell, self._revoked_in = why, self._kit

    def _why(self, code: str) -> str:
        """In the words of whoever revoked us, as long as we remember them."""
        return self._farewell if code == "revoked" else ""

    async def _end_session(self, code: str) -> None:
        if self._bundle is not None:
            self._bundle.end(code)
        if self._session is not None:
            self._session.cancel()
            await asyncio.gather(self._session, return_exceptions=True)

    # — how it stands —

    def _silent(self, name: str) -> None:
        """A path carries no more: nor does its link, unless its other path (UDP, TCP) does."""
        other = name.removesuffix(TCP) if name.endswith(TCP) else name + TCP
        path = self._bundle.paths.get(other) if self._bundle is not None else None
        interface = self._paths.interface(name)
        if interface and (path is None or path.code):
            self._context.links.silent(interface)

    def _rate(self) -> None:
        if self._kit is not None and self._bundle is not None and self._bundle.usable_bps is not None:
            pressed = self._bundle.wanted_bps > self._bundle.usable_bps
            self._kit.giving.look(float(self._bundle.usable_bps), pressed)

    async def _look(self) -> None:
        """Once a second: figures of the links, for people, the trail and the ladder."""
        figures = LinkFigures()
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                stats = await asyncio.to_thread(self._context.media.engine.bundle_stats, self._handle)
            except codecs.MediaError as exc:
                log.debug("the bundle to %s has no figures: %s", self._center.gateway, exc)
                continue
            look = figures.look(stats, LOOK_S)
            before = {link.name: link.bytes_in for link in self._links}
            self._links = self._with_wishes(look)
            for link in self._links:
                if link.interface and link.state is LinkUse.IN and link.bytes_in != before.get(link.name):
                    rtt_s = link.rtt_ms / 1000 if link.rtt_ms is not None else None
                    self._context.links.passed(link.interface, rtt_s)
            if any(link.state is LinkUse.IN for link in self._links):
                self._seen = self._context.home.now()
            if self._kit is not None:
                await self._kit.looked(look, self._links)
            self._tell()

    def _with_wishes(self, look: Look) -> tuple[LinkState, ...]:
        """Figures by path, with what the link is; links without a path stand there with why."""
        links: list[LinkState] = []
        for wish in self._paths.wished:
            if (found := by_either(look.links.get(wish.name), look.links.get(wish.name + TCP))) is not None:
                links.append(found.state(wish.name, wish.bearer, wish.interface, wish.cost))
            else:
                code = wish.code or ("link-off" if wish.off else self._paths.problem(wish.name) or "center-unresolved")
                state = LinkUse.OFF if wish.off else LinkUse.TRYING
                links.append(LinkState(wish.name, wish.bearer, wish.interface, state, code, cost=wish.cost))
        return tuple(links)

    def _become(self, state: KitState, code: str, detail: str = "") -> None:
        if state is not self._state or not self._since:
            self._since = self._context.home.now()
        if (state, code) != (self._state, self._code):
            words = f"{code} {detail}".strip()
            log.info("center %s is %s%s", self._center.gateway, state, f": {words}" if words else "")
        self._state, self._code, self._detail = state, code, detail[:200]
        self._tell()

    def _tell(self) -> None:
        center, state, code = self._center, self._state, self._code
        if state is KitState.ONLINE and self._links and not any(link.state is LinkUse.IN for link in self._links):
            state, code = KitState.OFFLINE, "kit-unreachable"
        elif state is KitState.ONLINE and any(link.state in (LinkUse.OUT, LinkUse.OFF) for link in self._links):
            state, code = KitState.DEGRADED, "kit-link-out"
        with suppress(RuntimeError):  # the loop is closing
            self._context.fleet.center(
                CenterState(
                    center.gateway,
                    center.name or center.gateway,
                    state,
                    code,
                    self._detail,
                    self._since,
                    self._seen,
                    self._address,
                    center.role,
                    center.scope,
                    self._links,
                )
            )

    @property
    def code(self) -> str:
        """Why the center is not here; "" when it is."""
        return self._code

    @property
    def links(self) -> Sequence[LinkState]:
        return self._links

    @property
    def pictures(self) -> int:
        return self._kit.giving.count if self._kit is not None else 0
