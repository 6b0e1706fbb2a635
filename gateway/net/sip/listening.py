"""The sockets that an endpoint listens on."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace

from gateway.base.errors import ConfigError, LinkDown
from gateway.base.udp import UdpSocket, bind_error
from gateway.net.sip.flows import Flows
from gateway.net.sip.limits import Listen
from gateway.wire.sip import Address, Hop


class Listening:
    def __init__(self, flows: Flows, tls: ssl.SSLContext | None) -> None:
        self._flows = flows
        self._tls = tls
        self.udp: list[UdpSocket] = []
        self._servers: list[asyncio.Server] = []

    async def open(self, listen: Listen) -> Listen:
        """Bind one; gives it with its port. Raises ConfigError."""
        if listen.transport == "udp":
            socket = UdpSocket(listen.host, listen.port)
            self.udp.append(socket)
            return replace(listen, port=socket.port)
        if listen.transport == "tls" and self._tls is None:
            raise ConfigError("listen", "tls needs a certificate")
        port = listen.port

        def accept() -> asyncio.Protocol:
            return self._flows.new(listen.transport)

        try:
            server = await asyncio.get_running_loop().create_server(
                accept, listen.host, port, ssl=self._tls if listen.transport == "tls" else None, reuse_address=True
            )
        except OSError as exc:
            raise bind_error(listen.transport, listen.host, port, exc) from exc
        self._servers.append(server)
        return replace(listen, port=int(server.sockets[0].getsockname()[1]))

    def udp_to(self, remote: Address) -> Hop:
        """The way to `remote` from the address of ours that routes there now. Raises LinkDown."""
        for socket in self.udp:
            if (":" in socket.host) == (":" in remote[0]):
                try:
                    return Hop("udp", (socket.source_for(remote), socket.port), remote)
                except OSError as exc:
                    raise LinkDown(f"udp to {remote[0]}: {exc.strerror or exc}") from exc
        raise LinkDown(f"udp to {remote[0]}: no UDP socket of that family is open")

    def socket_for(self, hop: Hop) -> UdpSocket | None:
        same = [s for s in self.udp if s.port == hop.local[1] and (":" in s.host) == (":" in hop.remote[0])]
        exact = [s for s in same if s.host == hop.local[0]]
        return next(iter(exact or same), None)

    def stop(self) -> None:
        """Take no more connections."""
        for server in self._servers:
            server.close()

    async def close(self) -> None:
        for server in self._servers:
            await server.wait_closed()
