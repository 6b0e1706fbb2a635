"""Local capture as an adapter: the schemes v4l2 and alsa. One worker process a source, while it is wanted."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import ClassVar

from pydantic import BaseModel

from adapters.local.config import LocalConfig
from adapters.local.process import Worker
from adapters.local.recipe import Recipe, recipe_of
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown
from gateway.base.url import SourceUrl
from gateway.contract.adapter import Context
from gateway.contract.media import IngestLeg, Publication
from gateway.model.doctor import Finding, Grade
from gateway.net.plugged import Places, cameras, listed, node_of, there

log = logging.getLogger(__name__)

WORDS_S = 5.0


class Local:
    """Implements contract.adapter.Adapter. `places` is another tree in tests."""

    name: ClassVar[str] = "local"
    Config: ClassVar[type[BaseModel]] = LocalConfig

    def __init__(self, config: BaseModel, context: Context, places: Places | None = None) -> None:
        assert isinstance(config, LocalConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._places = places or Places()
        self._open = 0

    async def run(self) -> None:
        """Serve until cancelled."""
        undo: list[Callable[[], None]] = []
        try:
            for scheme in ("v4l2", "alsa"):
                undo.append(self._context.sources.scheme(scheme, self.open))
            self._context.ready()
            await asyncio.get_running_loop().create_future()
        finally:
            for one in undo:
                one()

    async def open(self, url: SourceUrl, publication: Publication) -> None:
        """Capture until the device is gone or nobody watches. Waits for a device that is not plugged in."""
        if not url.trusted:
            raise Denied("devices of this machine are opened for the configuration only", code="url-refused")
        await self._plugged(url, publication)
        if self._open >= self._config.workers:
            raise Busy(f"{self._open} devices are captured already", code="local-workers")
        self._open += 1
        try:
            await self._capture(self._recipe(url), publication)
        finally:
            self._open -= 1

    async def _plugged(self, url: SourceUrl, publication: Publication) -> None:
        said = False
        while not await asyncio.to_thread(there, url.scheme, url.path, self._places):
            if not said:
                said = True
                publication.say("local-unplugged", url.path)
                log.info("%s waits for %s to be plugged in", publication.stream, url.path)
            await asyncio.sleep(self._config.look_every)
        if said:
            publication.say("opening")

    def _recipe(self, url: SourceUrl) -> Recipe:
        """Raises RemoteProtocolError (`bad-url`), Denied for a path that is no camera of this machine."""
        if url.scheme == "alsa":
            return recipe_of(url, "", ())
        node = node_of(url.path, self._places)
        if node is None:
            raise Denied(f"{url.path[:100]} is no video device", code="url-refused")
        formats = next((one.formats for one in cameras(self._places) if node_of(one.path, self._places) == node), ())
        return recipe_of(url, str(node), formats)

    async def _capture(self, recipe: Recipe, publication: Publication) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        engine, worker = self._context.media.engine, Worker()
        leg = publication.leg(engine.open_frames_in(publication.handle, ours.detach()))

        async def ask() -> None:
            worker.want_key_frame()

        try:
            await worker.start(recipe, theirs)
            publication.on_key_frame_wanted(ask)
            async with asyncio.TaskGroup() as tasks:
                heard = tasks.create_task(worker.ended())
                tasks.create_task(_ends(leg, heard))
        except* GatewayError as group:
            raise group.exceptions[0] from None
        finally:
            leg.close()
            await worker.end()

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """What is plugged in now."""
        found = await asyncio.to_thread(listed)
        words = ", ".join(f"{one.name} ({one.url})" for one in found) or "no camera and no microphone is plugged in"
        return [Finding("local", Grade.OK if found else Grade.OFF, words)]


async def _ends(leg: IngestLeg, heard: asyncio.Task[None]) -> None:
    """The leg ends when the worker does, whose words are better; one that only stalls has the core's patience."""
    code = await leg.ended()
    await asyncio.wait({heard}, timeout=WORDS_S)
    if not heard.done():
        raise LinkDown("the device gives no pictures", code=code or "media-stopped")
