"""Connections to services of gateways that we are joined with: one adapter carries them, another asks for them."""

from __future__ import annotations

import socket
from collections.abc import Callable

from gateway.base.errors import LinkDown
from gateway.contract.fleet import OpenService


class FarServices:
    """On the event loop only."""

    def __init__(self) -> None:
        self._carriers: dict[str, OpenService] = {}

    def carried(self, gateway: str, opened: OpenService) -> Callable[[], None]:
        self._carriers[gateway] = opened

        def gone() -> None:
            if self._carriers.get(gateway) is opened:
                del self._carriers[gateway]

        return gone

    async def connect(self, gateway: str, service: str) -> socket.socket:
        opened = self._carriers.get(gateway)
        if opened is None:
            raise LinkDown(f"nothing carries {service} to {gateway} at this moment", code="kit-unreachable")
        return await opened(service)
