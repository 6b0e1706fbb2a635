"""Where the requests of a dialog go: by its route set or remote target (RFC 3261 §12.2.1.1, §18.1.1)."""

from __future__ import annotations

import ipaddress
from typing import Literal

from gateway.base.errors import GatewayError
from gateway.net.sip.engine import Engine
from gateway.wire.sip import Hop, SipRequest, SipUri
from gateway.wire.sip.dialog import Dialog


class Steer:
    """One call's. With `follow` "source" requests go where the peer's packets come from, whatever its Contact says."""

    def __init__(self, engine: Engine, follow: Literal["contact", "source"]) -> None:
        self._engine = engine
        self.follows = follow == "contact"
        self._known: dict[tuple[str, str], str] = {}  # dialog's tags → next hop that its hop was made for

    def forget(self) -> None:
        self._known.clear()

    def met_behind_nat(self, request: SipRequest, hop: Hop) -> None:
        """A request that came straight from its sender, whose Via names an address that its packet did not come
        from: its Contact leads nowhere either."""
        try:
            via = request.vias
            ipaddress.ip_address(via[0].host)
        except (GatewayError, ValueError, IndexError):
            return
        if len(via) == 1 and via[0].host != hop.remote[0]:
            self.follows = False

    def known(self, dialog: Dialog) -> bool:
        """Whether the way of `dialog` is settled already, or needs no asking."""
        if not self.follows:
            return True
        return self._known.get(dialog.id[1:]) == dialog.next_hop and self._engine.alive(dialog.hop)

    async def go(self, dialog: Dialog, size: int) -> None:
        """Set `dialog.hop`. A way that is not found leaves it as it was, counted as `no_way`."""
        if self.known(dialog):
            if size:
                dialog.hop = await self._engine.fit(dialog.hop, size)
            return
        uri = dialog.next_hop
        try:
            dialog.hop = await self._engine.fit(await self._way(uri, dialog.hop), size)
            self._known[dialog.id[1:]] = uri
        except GatewayError:
            self._engine.core.counters["no_way"] += 1

    async def _way(self, uri: str, now: Hop) -> Hop:
        target = SipUri.parse(uri)
        transport = target.transport or ("tls" if target.scheme == "sips" else now.transport)
        if transport == now.transport and self._engine.alive(now):
            port = target.port or (5061 if transport == "tls" else 5060)
            # A connection is used again whatever port the peer listens on (RFC 5923 in spirit).
            if target.host == now.remote[0] and (port == now.remote[1] or transport != "udp"):
                return now
        return await self._engine.reach(uri, now)
