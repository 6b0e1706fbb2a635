"""Kits and centers as an adapter: at a kit a bundle to each of its centers, at a center a door for its kits."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from adapters.uplink.center import Center
from adapters.uplink.config import UplinkConfig
from adapters.uplink.kit import CenterCall
from gateway.base.tasks import Nest
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade
from gateway.model.kit import LinkUse
from gateway.model.pairing import PairedCenter

log = logging.getLogger(__name__)

MOST_CENTERS = 16


class Uplink:
    """Implements contract.adapter.Adapter, Measured and Checked."""

    name: ClassVar[str] = "uplink"
    Config: ClassVar[type[BaseModel]] = UplinkConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, UplinkConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._calls: dict[str, tuple[PairedCenter, CenterCall, asyncio.Task[None]]] = {}
        self._nest = Nest("centers", MOST_CENTERS)
        self._changed = asyncio.Event()
        self._center: Center | None = None

    @property
    def center(self) -> Center | None:
        return self._center

    async def run(self) -> None:
        """Serve until cancelled. Raises ConfigError (`port-in-use`)."""
        context = self._context
        undo = context.fleet.pairings.on_change(self._changed.set)
        listening = asyncio.Event()
        door: asyncio.Task[None] | None = None
        try:
            if context.home.about.get("role") == "center":
                self._center = Center(context, self._config)
                door = asyncio.create_task(self._center.run(listening), name="door for kits")
                opened = asyncio.create_task(listening.wait(), name="door opens")
                await asyncio.wait((door, opened), return_when=asyncio.FIRST_COMPLETED)
                opened.cancel()
                if door.done():
                    door.result()
            calling = asyncio.create_task(self._call(), name="centers")
            context.ready()
            tasks = [calling, door] if door is not None else [calling]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            undo()
            if door is not None:
                door.cancel()
                await asyncio.gather(door, return_exceptions=True)
            self._center = None
            await self._nest.close()

    async def _call(self) -> None:
        """One call for each center that is paired and not revoked; a row that changed is called anew."""
        outbox = self._context.outbox
        while True:
            self._changed.clear()
            rows = {row.gateway: row for row in self._context.fleet.pairings.centers() if row.revoked_at is None}
            for gateway, (row, _, task) in list(self._calls.items()):
                if rows.get(gateway) != row:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    self._calls.pop(gateway, None)
            for gateway, row in rows.items():
                if gateway not in self._calls:
                    call = CenterCall(self._context, row, self._config)
                    task = self._nest.start(call.run(), f"center {gateway}")
                    self._calls[gateway] = (row, call, task)
            await outbox.leave_others("uplink", list(rows))
            await self._changed.wait()

    def figures(self) -> Mapping[str, float]:
        calls = [call for _, call, _ in self._calls.values()]
        found: dict[str, float] = {
            "uplink_links_in": float(sum(link.state is LinkUse.IN for call in calls for link in call.links)),
            "uplink_given": float(sum(call.pictures for call in calls)),
        }
        if self._center is not None:
            found.update(self._center.figures())
        return found

    def findings(self) -> Sequence[Finding]:
        found = []
        for gateway, (_, call, _) in self._calls.items():
            here = [link for link in call.links if link.state is LinkUse.IN]
            words = f"{len(here)} of {len(call.links)} links carry"
            grade = Grade.OK if here and len(here) == len(call.links) else Grade.WARN if here else Grade.FAIL
            code = "" if grade is Grade.OK else "kit-link-out" if here else call.code
            found.append(Finding(f"uplink {gateway}", grade, words, "all links carry", code))
        return found

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Is the UDP port for kits free? Asked of a kit too: it does no harm."""
        assert isinstance(config, UplinkConfig)  # noqa: S101
        host, port = config.listen_udp
        wanted = f"UDP {config.listen_udp} free (at a center)"
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((host, port))
            except OSError as exc:
                return [Finding("uplink.port", Grade.FAIL, str(exc.strerror), wanted, "port-in-use")]
        return [Finding("uplink.port", Grade.OK, "free", wanted)]
