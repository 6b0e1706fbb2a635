"""Routes that adapters serve (contract.http): WHEP, WHIP. The API does sign-in, limits and problem details.

Routes may come and go while the daemon runs: an adapter restarts, its old routes are gone with it. CORS is off
unless origins are configured; then only for these routes, which players on other pages use with a bearer token.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from gateway.api.authenticator import LOCAL_SCOPE_KEY, Authenticator, client_address
from gateway.api.body import read_body
from gateway.api.problems import respond, respond_error
from gateway.api.upgrades import Upgrades
from gateway.base.errors import GatewayError
from gateway.contract.http import NOBODY, HttpHandler, HttpRequest, UpgradeHandler
from gateway.model.principal import Principal, Role

log = logging.getLogger(__name__)

CORS_HEADERS = "Authorization, Content-Type, If-Match"
CORS_EXPOSED = "Location, Link, ETag, Accept-Patch, Accept-Post, Retry-After, Fieldgate-Member"


@dataclass(frozen=True, slots=True)
class Mounted:
    method: str
    path: str
    pattern: re.Pattern[str]
    handler: HttpHandler
    role: Role | None
    also: Sequence[Role]
    programs: bool
    max_body: int


class Mounts:
    """Implements contract.http.Http; `serve` is the ASGI end of it."""

    def __init__(self, cors_origins: Sequence[str] = ()) -> None:
        self._routes: list[Mounted] = []
        self._origins = frozenset(cors_origins)
        self.upgrades = Upgrades()
        self.own_url = ""
        """Where others find us: what links are made of for whoever asks over the local socket."""

    def allow_origins(self, origins: Sequence[str]) -> None:
        """The other sites whose pages may use these routes (api.cors_origins)."""
        self._origins = frozenset(origins)

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
        pattern = compile_path(path)[0]
        mounted = Mounted(method.upper(), path, pattern, handler, role, tuple(also), programs, max_body)
        self._routes.append(mounted)

        def unmount() -> None:
            if mounted in self._routes:
                self._routes.remove(mounted)

        return unmount

    def upgrade(self, path: str, protocol: str, handler: UpgradeHandler) -> Callable[[], None]:
        return self.upgrades.add(path, protocol, handler)

    def find(self, path: str) -> list[Mounted]:
        """Every method's route of `path`; the newest mount of a method comes first."""
        return [route for route in reversed(self._routes) if route.pattern.match(path)]

    async def serve(self, scope: Scope, receive: Receive, send: Send, auth: Authenticator) -> bool:
        """Answer the request if a mounted route has its path; False when none has."""
        found = self.find(scope["path"])
        if not found:
            return False
        request = Request(scope, receive)
        response = await self._answer(request, found, auth)
        self._cors(request, response)
        response.headers.setdefault("Cache-Control", "no-store")
        await response(scope, receive, send)
        return True

    async def _answer(self, request: Request, found: Sequence[Mounted], auth: Authenticator) -> Response:
        methods = sorted({route.method for route in found} | {"OPTIONS"})
        preflight = "access-control-request-method" in request.headers
        if request.method == "OPTIONS" and (preflight or "OPTIONS" not in {route.method for route in found}):
            return Response(status_code=204, headers={"Allow": ", ".join(methods)})
        route = next((route for route in found if route.method == request.method), None)
        if route is None:
            answer = respond("bad-request", f"{request.method} is not served here", status=405)
            answer.headers["Allow"] = ", ".join(methods)
            return answer
        try:
            who = self._who(request, route, auth)
            request.scope["fieldgate.who"] = who.name
            match = route.pattern.match(request.url.path)
            made = await route.handler(
                HttpRequest(
                    method=request.method,
                    path=match.groupdict() if match else {},
                    headers={name.lower(): value for name, value in request.headers.items()},
                    body=await read_body(request, route.max_body),
                    who=who,
                    base_url=self._base(request),
                    query=dict(request.query_params),
                )
            )
        except GatewayError as error:
            return respond_error(error)
        except Exception:
            log.exception("%s %s failed", request.method, route.path)
            return respond("internal", status=500)
        return Response(made.body, made.status, headers=dict(made.headers), media_type=made.content_type)

    def _base(self, request: Request) -> str:
        if self.own_url and request.scope.get(LOCAL_SCOPE_KEY):
            return self.own_url
        return f"{request.url.scheme}://{request.url.netloc}"

    @staticmethod
    def _who(request: Request, route: Mounted, auth: Authenticator) -> Principal:
        if route.role is None:
            request.scope["fieldgate.path"] = route.path  # for the request log: the path may hold a ticket
            return Principal(NOBODY, Role.INFORMANT, "", scope="-", address=client_address(request))
        informants = Role.INFORMANT in (route.role, *route.also)
        who = auth.principal(request, informants=informants, programs=route.programs)
        if who.role not in route.also:
            auth.demand(who, route.role)
        return who

    def _cors(self, request: Request, response: Response) -> None:
        origin = request.headers.get("origin")
        if origin is None or origin not in self._origins:
            return
        # Never with credentials: another site's page must carry a token of its own, cookies are not for it.
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = CORS_EXPOSED
        response.headers.add_vary_header("Origin")
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "")
            response.headers["Access-Control-Allow-Headers"] = CORS_HEADERS
            response.headers["Access-Control-Max-Age"] = "600"
