"""HTTP routes that an adapter serves (WHEP, WHIP); the API does TLS, sign-in, limits and problem details."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.model.principal import Principal, Role

NOBODY = "nobody"
"""The name of a Principal on a route that is open to everybody; it may do nothing."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`path` holds the route's named parts. The body is at most `max_body` of the route. On a route open to everybody
    `who` is NOBODY with the asker's address: whoever it is must show it in what the request says."""

    method: str
    path: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    who: Principal
    base_url: str  # "https://host:8443", as the client sees us
    query: Mapping[str, str] = field(default_factory=dict)  # a name given twice: the last


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


HttpHandler = Callable[[HttpRequest], Awaitable[HttpResponse]]


UpgradeHandler = Callable[[socket.socket, bytes, str], None]
"""(plain end of the connection, what came behind the request already, the asker's address); it owns the socket."""


class Http(Protocol):
    def upgrade(self, path: str, protocol: str, handler: UpgradeHandler) -> Callable[[], None]:
        """A GET of `path` with `Upgrade: protocol` is answered 101, and the connection is the handler's from then on,
        until the returned function is called. Open to everybody: who it is the other protocol has to find out."""

    def route(
        self,
        method: str,
        path: str,
        handler: HttpHandler,
        *,
        role: Role | None = Role.VIEWER,
        also: Sequence[Role] = (),
        programs: bool = False,
        max_body: int = 65536,
    ) -> Callable[[], None]:
        """Serve `path` (`/whep/{stream:path}`) until the returned function is called.

        `role` is the least that is needed, `also` are roles beside the ladder that may as well (INFORMANT). None: open
        to everybody, for links whose secret the handler itself checks. `programs`: a program with its key as bearer
        may too; what of it, the handler asks of `PushPoints`.

        GatewayErrors that the handler raises become problem details with their code, cause and cure.
        """
