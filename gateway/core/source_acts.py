"""Orders about sources: added, changed, removed by a person. Role and audit are `core.commands`' matter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from gateway.base.errors import GatewayError
from gateway.core.act_args import Done, flag, text
from gateway.core.push_points import PushPoints
from gateway.core.rights import require
from gateway.core.source_book import SourceBook
from gateway.model.command import Action, Command
from gateway.model.ids import DeviceId, device_id


class SourceActs:
    def __init__(self, gateway: str, book: SourceBook, points: PushPoints) -> None:
        self._gateway = gateway
        self._book = book
        self._points = points

    def table(self) -> Mapping[Action, Callable[[Command], Awaitable[Done]]]:
        return {Action.SOURCE_ADD: self._add, Action.SOURCE_REMOVE: self._remove}

    async def forget(self, device: DeviceId) -> bool:
        """Forgetting a device that is a source, or a published name, ends that; False when it is neither."""
        return await self._book.forget(device) or self._points.forget(device)

    async def _add(self, command: Command) -> Done:
        args = command.args
        url = text(args, "url", most=2048)
        if not url:
            raise GatewayError("url: where the picture is", code="bad-request")
        urls = {"main": url}
        if sub := text(args, "sub_url", most=2048):
            urls["sub"] = sub
        device = await self._book.add(
            urls,
            name=command.target.rpartition("/")[2],
            title=text(args, "name", most=100),
            on_demand=flag(args, "on_demand", True),
            by=command.actor.name,
        )
        return Done({"device": device, "stream": f"{device}/main"})

    async def _remove(self, command: Command) -> Done:
        name = command.target.rpartition("/")[2]
        require(command.actor, command.action, device_id(self._gateway, name))
        await self._book.remove(name)
        return Done({"device": device_id(self._gateway, name)})
