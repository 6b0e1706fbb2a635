"""The gateway itself: version, health, self-check, reasons, its certificate; and the two plain-text endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel

from gateway.api import first, machine
from gateway.api.auth import Administrator, Anyone, AppServices, Technician, Viewer, services_of
from gateway.api.failures import describe
from gateway.api.field.near import nobody_near
from gateway.api.problems import Words
from gateway.base.errors import Denied, NotFound
from gateway.config.ports import Center, PortUse, ports_of
from gateway.core.addresses import own_addresses
from gateway.core.facts import AdapterStatus, Health
from gateway.core.rights import require_whole
from gateway.model.doctor import Finding, Grade
from gateway.model.phrase import PHRASES
from gateway.model.reason import REASONS

router = APIRouter(tags=["system"])
QUIET = ("on-battery", "position-none", "position-old", "clock-unsynced", "disk-low", "disk-full")
"""Of a kit's own codes: no fault, or found by a check of the machine already."""
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Alive(BaseModel):
    ok: bool


class System(BaseModel):
    gateway: str
    name: str
    role: str
    version: str
    now: float
    uptime_s: float
    ready: bool


class Detail(BaseModel):
    """Every part of the daemon with its reason code ("" is well) and every adapter."""

    health: Health
    adapters: list[AdapterStatus]


class Reloaded(BaseModel):
    changed: list[str]


class ReasonWords(BaseModel):
    cause: Words
    cure: Words


@router.get("/healthz", response_model=Alive)
async def healthz(request: Request) -> Response:
    """Open to everybody, and says no more than whether the gateway works: 200 or 503."""
    return first.alive(services_of(request))


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(who: Viewer, services: AppServices) -> Response:
    """Prometheus text format. Needs a token whose scope is everything: the figures are not split by scope."""
    if who.scope:
        raise Denied(f"{who.name} sees only {who.scope}; the metrics speak of everything")
    await services.figures.fresh()
    return Response(services.metrics.render(), headers={"Content-Type": METRICS_TYPE, "Cache-Control": "no-store"})


@router.get("/api/v1/system")
async def system(who: Anyone, services: AppServices) -> System:
    return System(**first.system(services))


class PortsInUse(BaseModel):
    """What a firewall form asks for (`fieldgate doctor ports`), and where media may come to (`fieldgate capture`)."""

    rtp_ports: str
    open: list[PortUse]


@router.get("/api/v1/system/ports")
async def ports(who: Technician, services: AppServices) -> PortsInUse:
    require_whole(who, services.gateway, "see its ports")
    config = services.config()
    rows = [row for row in services.pairing.centers(who) if row.revoked_at is None]
    centers = [Center(row.hosts, row.udp_port, row.tcp_port) for row in rows]
    return PortsInUse(rtp_ports=str(config.media.rtp_ports), open=ports_of(config, centers))


@router.get("/api/v1/system/health")
async def health(who: Technician, services: AppServices) -> Detail:
    require_whole(who, services.gateway, "see how its parts are")
    return Detail(health=services.daemon.health(), adapters=list(services.daemon.adapters()))


def _team(services: AppServices) -> list[Finding]:
    """Whether anybody can see the page for the lid: not where the team's only network leads out as well."""
    config = services.config()
    if not config.team.page or config.team.networks or config.gateway.role == "center":
        return []
    out = nobody_near(own_addresses(), services.kit.outward())
    if not out:
        return []
    told = f"nobody sees /field: each network leads out too ({', '.join(out[:4])})"
    return [Finding("team page", Grade.WARN, told, "team.networks names it", "field-elsewhere")]


@router.get("/api/v1/system/doctor")
async def doctor(who: Technician, request: Request, services: AppServices, ask: bool = False) -> list[Finding]:
    """What the running daemon finds wrong with its machine and with itself. `ask`: sources that nobody watches are
    opened once, which takes up to eight seconds for every three of them."""
    require_whole(who, services.gateway, "see what is wrong with it")
    found = machine.checks(request.app.state.state_dir)
    for adapter in services.daemon.adapters():
        # One that runs with a reason beside it lacks something: a port that another program holds.
        well = adapter.state in ("running", "starting") and not adapter.code
        grade = Grade.OK if well else Grade.OFF if adapter.state == "stopped" else Grade.FAIL
        told = f"{adapter.state} {adapter.detail}".strip()
        found.append(Finding(f"adapter {adapter.name}", grade, told, "running", "" if well else adapter.code))
    asked = {one.check: one for one in await services.sources.ask()} if ask else {}
    found.extend(asked.get(one.check, one) for one in services.daemon.findings())
    found.extend(
        Finding(f"kit {code}", Grade.WARN, REASONS[code].cause_en, "", code)
        for code in services.kit.condition.codes
        if code in REASONS and code not in QUIET
    )
    found.extend(_team(services))
    for part, code in services.daemon.health().parts.items():
        if code:
            found.append(Finding(f"daemon {part}", Grade.FAIL, code, "", code))
    return found


@router.post("/api/v1/system/reload")
async def reload(who: Administrator, services: AppServices) -> Reloaded:
    """Read the configuration file again; only what changed restarts."""
    return Reloaded(changed=list(await services.daemon.reload(who)))


@router.get("/api/v1/reasons")
async def reasons(who: Anyone) -> Mapping[str, ReasonWords]:
    """Every reason code with cause and cure, Chinese and English."""
    return {
        code: ReasonWords(cause=Words(en=r.cause_en, zh=r.cause_zh), cure=Words(en=r.cure_en, zh=r.cure_zh))
        for code, r in REASONS.items()
    }


@router.get("/api/v1/phrases")
async def phrases(who: Anyone) -> Sequence[tuple[str, str]]:
    """What stands beside a reason's words (details, findings) by its English words, `{}` for what varies: its Chinese,
    in which what varies stands in the same order unless it is numbered."""
    return PHRASES


@router.get("/api/v1/openapi.json", include_in_schema=False)
async def openapi(who: Anyone, request: Request) -> JSONResponse:
    """The OpenAPI description of everything here."""
    return JSONResponse(describe(request.app.openapi()))


@router.get("/api/v1/system/ca.crt")
def certificate(who: Viewer, request: Request) -> Response:
    """The kit's certificate authority, for browsers and machines that should trust it."""
    file: Path | None = request.app.state.ca_file
    if file is None:
        raise NotFound("this gateway's certificate is not of its own making")
    disposition = {"Content-Disposition": 'attachment; filename="fieldgate-ca.crt"'}
    return Response(file.read_bytes(), media_type="application/x-x509-ca-cert", headers=disposition)
