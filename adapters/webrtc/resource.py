"""The HTTP face: WHEP, WHIP and talk, and the session resources they make. RFC 9725; draft-ietf-wish-whep.

POST   /whep/{stream}        offer in, answer out: 201, Location, ETag, Link to ICE servers; with ?quality=sub, low or
                             stills a smaller or slower picture is made
POST   /whip/{stream}        the same for publishers (operators; programs with their key as bearer; phones)
POST   /talk/{group}         the same for a seat in a talk group (its id, name or number), or in a conversation with a
                             channel; Fieldgate-Member tells the member's id. The same header in the request takes an
                             own earlier seat over (the page's network changed)
PATCH  /whep-session/{id}    trickle candidates; an ICE restart is refused in words (422)
GET    /whep-session/{id}    how it stands, as JSON: state, and code, cause and cure when there is no picture
DELETE /whep-session/{id}    end
       /whip-session/{id}, /talk-session/{id}: the same
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TypedDict

from adapters.webrtc.config import IceServer
from adapters.webrtc.offer import Plan, Way, make_plan
from adapters.webrtc.registry import Registry
from adapters.webrtc.sdp import parse_fragment, parse_offer
from adapters.webrtc.session import Ground, Session
from adapters.webrtc.talk import Talker, allow, new_member
from adapters.webrtc.whep import Viewer
from adapters.webrtc.whip import Publisher
from gateway.contract.http import Http, HttpRequest, HttpResponse
from gateway.model.principal import Role
from gateway.model.reason import reason

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
MEMBER = "Fieldgate-Member"


def problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """A problem document (RFC 9457) where the status is WHIP's own and not what the code alone would give."""
    words = reason(code)
    body = {
        "type": f"urn:fieldgate:{code}",
        "title": words.cause_en,
        "status": status,
        "detail": detail,
        "code": code,
        "cause": {"en": words.cause_en, "zh": words.cause_zh},
        "cure": {"en": words.cure_en, "zh": words.cure_zh},
    }
    text = json.dumps(body, ensure_ascii=False).encode()
    return HttpResponse(status, text, "application/problem+json", headers or {})


def _is(request: HttpRequest, wanted: str) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == wanted


def link_header(servers: tuple[IceServer, ...]) -> str:
    """RFC 9725 §4.6: the ICE servers that the client is to use."""
    links = []
    for one in servers:
        link = f'<{one.url}>; rel="ice-server"'
        if one.url.startswith("turn"):
            secret = one.credential.get_secret_value().replace("\\", "\\\\").replace('"', '\\"')
            link += f'; username="{one.username}"; credential="{secret}"; credential-type="password"'
        links.append(link)
    return ", ".join(links)


class _Who(TypedDict, total=False):
    """Of a route, beside those who may view."""

    also: tuple[Role, ...]
    programs: bool


class Resources:
    """Mounts the routes and answers them."""

    def __init__(self, ground: Ground, registry: Registry, seam: Callable[[], Awaitable[object]]) -> None:
        self._ground = ground
        self._registry = registry
        self._seam = seam  # awaited before the first session: aiortc takes a while to import

    def mount(self, http: Http) -> list[Callable[[], None]]:
        """Serve; each returned function takes one route away."""
        # Who may publish and read what, the names themselves decide (PushPoints): people, programs by their key;
        # invited phones publish.
        publishers, viewers = _Who(also=(Role.INFORMANT,), programs=True), _Who(programs=True)
        routes = [
            http.route("POST", "/whep/{stream:path}", self.watch, **viewers, max_body=65536),
            http.route("OPTIONS", "/whep/{stream:path}", self.options),
            http.route("POST", "/whip/{stream:path}", self.publish, **publishers, max_body=65536),
            http.route("OPTIONS", "/whip/{stream:path}", self.options),
            http.route("POST", "/talk/{stream:path}", self.talk, max_body=65536),
            http.route("OPTIONS", "/talk/{stream:path}", self.options),
        ]
        for base, who in (("/whep-session", viewers), ("/whip-session", publishers), ("/talk-session", _Who())):
            path = base + "/{session}"
            routes += [
                http.route("GET", path, self.status, **who),
                http.route("PATCH", path, self.trickle, **who, max_body=16384),
                http.route("DELETE", path, self.end, **who),
            ]
        return routes

    async def options(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(204, headers={"Accept-Post": SDP, "Allow": "OPTIONS, POST"})

    async def watch(self, request: HttpRequest) -> HttpResponse:
        return await self._open(request, "send")

    async def publish(self, request: HttpRequest) -> HttpResponse:
        return await self._open(request, "receive")

    async def talk(self, request: HttpRequest) -> HttpResponse:
        return await self._open(request, "talk")

    async def _open(self, request: HttpRequest, way: Way) -> HttpResponse:
        if not _is(request, SDP):
            return problem(415, "bad-request", f"the body must be {SDP}", {"Accept-Post": SDP})
        self._registry.admit(request.who)
        plan = make_plan(parse_offer(request.body), self._ground.config.codecs, way)
        await self._seam()
        ident, stream = self._registry.new_id(), request.path.get("stream", "").strip("/")
        session: Session
        if way == "send":
            stream = self._ground.context.push_points.reading(stream, request.who)
            session = Viewer(self._ground, ident, stream, request.who, plan, request.query.get("quality", ""))
        elif way == "talk":
            session = await self._talker(ident, stream, request, plan)
        else:
            session = await self._publisher(ident, stream, request, plan)
        self._registry.admit(request.who)  # again: others may have come during the waits above
        self._registry.start(session)
        answer = await session.answered()
        headers = {
            "Location": f"/{session.kind}-session/{ident}",
            "ETag": session.etag,
            "Accept-Patch": FRAGMENT,
        }
        if isinstance(session, Talker):
            headers[MEMBER] = session.member
        if self._ground.config.ice_servers:
            headers["Link"] = link_header(tuple(self._ground.config.ice_servers))
        return HttpResponse(201, answer.encode(), SDP, headers)

    async def _talker(self, ident: str, group: str, request: HttpRequest, plan: Plan) -> Talker:
        plan = allow(plan, request.who)
        told = request.headers.get(MEMBER.lower(), "")
        before = [one for one in self._registry.of(request.who) if isinstance(one, Talker) and one.member == told]
        for one in before:  # its network changed, and the old session may not have noticed yet
            one.end("session-replaced")
            await one.ended_fully()
        return Talker(self._ground, ident, group, request.who, plan, told if before else new_member())

    async def _publisher(self, ident: str, stream: str, request: HttpRequest, plan: Plan) -> Publisher:
        session = Publisher(self._ground, ident, stream, request.who, plan)
        session.published = published = self._ground.context.push_points.resolve(stream, request.who)
        session.stream = published
        session.software = request.headers.get("user-agent", "")
        for one in self._registry:
            if not isinstance(one, Publisher) or one.published != published or one.ended:
                continue
            if one.who.name == request.who.name:
                # The same account again: its network changed, and the old session has not noticed yet.
                one.end("session-replaced")
                await one.ended_fully()
        return session

    async def status(self, request: HttpRequest) -> HttpResponse:
        session = self._registry.get(request.path.get("session", ""), request.who)
        text = json.dumps(session.status(), ensure_ascii=False).encode()
        return HttpResponse(200, text, "application/json", {"ETag": session.etag, "Cache-Control": "no-store"})

    async def trickle(self, request: HttpRequest) -> HttpResponse:
        session = self._registry.get(request.path.get("session", ""), request.who, live=True)
        if not _is(request, FRAGMENT):
            return problem(415, "bad-request", f"the body must be {FRAGMENT}", {"Accept-Patch": FRAGMENT})
        tag = request.headers.get("if-match")
        if tag is None:
            return problem(428, "bad-request", "PATCH needs If-Match with the ETag of this session")
        fragment = parse_fragment(request.body)
        if tag == "*" or (fragment.ufrag and fragment.ufrag != session.remote.ufrag):
            return problem(422, "ice-restart", "post a new offer: that takes one round trip as well")
        if tag != session.etag:
            return problem(412, "bad-request", f"the ETag of this session is {session.etag}")
        for candidate in fragment.candidates:
            if session.peer is not None:
                await session.peer.add_candidate(candidate)
        return HttpResponse(204)

    async def end(self, request: HttpRequest) -> HttpResponse:
        session = self._registry.get(request.path.get("session", ""), request.who)
        session.end("viewer-left", "asked for")
        await session.ended_fully()
        return HttpResponse(200)
