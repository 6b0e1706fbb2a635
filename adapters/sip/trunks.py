"""All trunks of the adapter: their tasks, and which of them speaks on a hop."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Iterator

from adapters.sip.trunk import Trunk
from gateway.base.throttle import Throttle
from gateway.wire.sip import Hop

log = logging.getLogger(__name__)

RESTART_S = 5.0


class Trunks:
    """`speaks_for`: whether the peer of a TLS connection showed a verified certificate of that name."""

    def __init__(self, speaks_for: Callable[[Hop, str], bool] = lambda _hop, _name: False) -> None:
        self._speaks_for = speaks_for
        self._trunks: dict[str, Trunk] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._say = Throttle(log)

    def __iter__(self) -> Iterator[Trunk]:
        return iter(self._trunks.values())

    def __len__(self) -> int:
        return len(self._trunks)

    def get(self, name: str) -> Trunk | None:
        return self._trunks.get(name)

    def add(self, trunk: Trunk) -> None:
        self._trunks[trunk.name] = trunk

    def start(self) -> None:
        for trunk in self:
            self._tasks.append(asyncio.create_task(self._live(trunk), name=f"SIP trunk {trunk.name}"))

    async def close(self) -> None:
        """End all of them; each signs off, for a second and a half at most."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def readdress(self) -> None:
        for trunk in self:
            await trunk.readdress()

    async def check_routes(self) -> None:
        for trunk in self:
            await trunk.check_route()

    def flow_closed(self, hop: Hop, why: str) -> None:
        for trunk in self:
            trunk.flow_closed(hop, why)

    def trunk_of(self, hop: Hop) -> Trunk | None:
        """The trunk that speaks on this hop: by our own connection to it, else by its address, and by the name in its
        certificate where one is set. Over a transport that none of its servers has, nobody is believed."""
        for trunk in self:
            ours = trunk.hop
            if ours is not None and hop.flow and ours.flow == hop.flow:
                return trunk
        for trunk in self:
            if not any(server.transport == hop.transport for server in trunk.config.servers):
                continue
            if not self._comes_from(trunk, hop.remote[0]):
                continue
            wanted = trunk.config.peer_name
            if wanted and not self._speaks_for(hop, wanted):
                self._say(f"peer {trunk.name}", f"trunk {trunk.name}: {hop} shows no certificate of {wanted}")
                continue
            return trunk
        return None

    def is_trunk(self, host: str) -> bool:
        return any(self._comes_from(trunk, host) for trunk in self)

    def _comes_from(self, trunk: Trunk, host: str) -> bool:
        if host in trunk.addresses:
            return True
        if not trunk.networks:
            return False
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        return any(address.version == one.version and address in one for one in trunk.networks)

    async def _live(self, trunk: Trunk) -> None:
        """A bug in one trunk is not the others' end."""
        while True:
            try:
                await trunk.run()
            except Exception:
                log.exception("SIP trunk %s failed by a mistake of ours and is begun again", trunk.name)
            await asyncio.sleep(RESTART_S)
