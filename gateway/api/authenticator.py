"""Who asks: a bearer token for programs, a cookie session for the console, the kit's own socket for its CLI.

The cookie is HttpOnly, Secure and SameSite=Strict, and its session still does nothing but read unless the request
also carries `X-CSRF-Token`, which only a page of ours can have read. A bearer token needs no such proof: no browser
adds it by itself. Rights over things are the core's business; here a route asks for a least role.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from gateway.base.errors import Denied
from gateway.core.faces_people import AccountsFace
from gateway.core.rights import at_least as has_role
from gateway.model.principal import Principal, Role

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL_SCOPE_KEY = "fieldgate.local"  # set by the server of the unix socket; a client can not set scope keys
INNER_SCOPE_KEY = "fieldgate.inner"  # the principal of a request that came from within (api.inner)
BACKGROUND_HEADER = "x-fieldgate-background"  # the console's own polling does not count as somebody being there

LOCAL = Principal("local", Role.ADMINISTRATOR, "local", address="unix")


def csrf_token(token: str) -> str:
    """What a page proves itself with: bound to the session, of no use without its cookie."""
    return hmac.new(token.encode(), b"fieldgate csrf 1", hashlib.sha256).hexdigest()[:40]


def client_address(connection: HTTPConnection) -> str:
    if connection.scope.get(LOCAL_SCOPE_KEY):
        return "unix"
    return connection.client.host if connection.client else ""


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Finds the principal of a request or WebSocket. `secure` is False only where TLS is switched off."""

    accounts: AccountsFace
    secure: bool = True
    by_bearer: Callable[[str, str], Principal | None] | None = None
    """A program by its key and the asker's address. None: it was no guess but a token of ours that has ended."""

    @property
    def cookie(self) -> str:
        # The prefix makes browsers refuse the cookie from any other host or without TLS.
        return "__Host-fieldgate" if self.secure else "fieldgate"

    def token(self, connection: HTTPConnection) -> tuple[str, bool]:
        """The token a request carries and whether it came by cookie. Raises Denied (`unauthenticated`)."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip(), False
        if cookie := connection.cookies.get(self.cookie):
            return cookie, True
        raise Denied("no bearer token and no session came with the request", code="unauthenticated")

    def principal(
        self, connection: HTTPConnection, *, touch: bool | None = None, informants: bool = False, programs: bool = False
    ) -> Principal:
        """Who asks. Raises Denied: `unauthenticated`, or `csrf` for a cookie used by another site's page.

        Invited phones are nobody but where a route says that it is for them (`informants`), and so are programs with
        their key as bearer (`programs`; Denied `program-password`, Busy `locked`).

        `touch` says whether somebody is there, where the connection itself does not: an open WebSocket is nobody, an
        order on it is.
        """
        if connection.scope.get(LOCAL_SCOPE_KEY):
            return LOCAL
        inner = connection.scope.get(INNER_SCOPE_KEY)
        if isinstance(inner, Principal):
            return inner
        token, by_cookie = self.token(connection)
        if touch is None:
            touch = BACKGROUND_HEADER not in connection.headers and connection.scope["type"] != "websocket"
        who = self.accounts.verify(token, client_address(connection), touch=touch)
        if who is None and programs and self.by_bearer is not None and not by_cookie:
            who = self.by_bearer(token, client_address(connection))
        if who is None:
            raise Denied("the token is unknown, ended or revoked", code="unauthenticated")
        if who.role is Role.INFORMANT and not informants:
            raise Denied(f"{who.name} is an invited phone: it may report, and no more")
        if by_cookie:
            self._own_page(connection, token)
        return who

    def _own_page(self, connection: HTTPConnection, token: str) -> None:
        if connection.scope["type"] == "websocket":
            same_origin(connection, required=True)  # a WebSocket can not carry headers of ours
        elif connection.scope["method"] not in SAFE_METHODS:
            same_origin(connection)
            told = connection.headers.get("x-csrf-token", "")
            if not hmac.compare_digest(told.encode(), csrf_token(token).encode()):
                raise Denied("the request lacks the page's X-CSRF-Token", code="csrf")

    @staticmethod
    def demand(who: Principal, role: Role) -> None:
        """Raises Denied unless `who` has at least `role` (AUDITOR: is the auditor)."""
        if not has_role(who.role, role):
            raise Denied(f"{who.name} is {who.role}; this needs {role}")


def same_origin(connection: HTTPConnection, *, required: bool = False) -> None:
    """Raises Denied (`csrf`) when a browser says that another site's page asks."""
    origin = connection.headers.get("origin")
    if origin is None and not required:
        return
    host = connection.headers.get("host", "")
    if origin is None or not host or origin.partition("://")[2] != host:
        raise Denied("the request comes from another site's page", code="csrf")
