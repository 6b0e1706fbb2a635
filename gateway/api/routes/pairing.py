"""Pairing a kit with a center: codes at the kit, admission at the center, and taking either back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from gateway.api.auth import Administrator, AppServices, Technician
from gateway.model.pairing import PairedCenter, PairedKit, PairingOffer
from gateway.model.principal import Role

router = APIRouter(prefix="/api/v1", tags=["pairing"])

CODE = Field(min_length=8, max_length=4096)


class NewOffer(BaseModel, extra="forbid"):
    role: Role = Field(Role.OPERATOR, description="The most that anybody of the center may do here")
    scope: str = Field("", max_length=256, description="What of this gateway the center may see; empty: everything")
    center: str = Field("", max_length=256, description="host:port of the center, asked for its answer by itself")


class OfferMade(BaseModel):
    """The only time that the code is seen. `qr` is an SVG picture of it."""

    offer: PairingOffer
    code: str
    qr: str


class AnswerCode(BaseModel, extra="forbid"):
    answer: str = CODE


class Admission(BaseModel, extra="forbid"):
    code: str = CODE
    name: str = Field("", max_length=64, description="What people call the kit; empty: as it calls itself")
    hosts: list[str] = Field(
        [], max_length=8, description="Where the kit reaches us; empty: our own names and addresses"
    )


class KitOut(BaseModel):
    """A kit as it is paired; its key by its first digits only, for people to compare."""

    gateway: str
    name: str
    key: str
    admitted_at: float
    admitted_by: str
    revoked_at: float | None
    detail: str


class CenterOut(BaseModel):
    gateway: str
    name: str
    key: str
    hosts: list[str]
    udp_port: int
    tcp_port: int
    role: Role
    scope: str
    admitted_at: float
    admitted_by: str
    revoked_at: float | None
    detail: str


class Admitted(BaseModel):
    """`answer` is for the kit, which also fetches it by itself where it was told our address."""

    kit: KitOut
    answer: str
    qr: str


class Revocation(BaseModel, extra="forbid"):
    reason: str = Field("", max_length=200)


@router.post("/pairing/offers", status_code=201)
async def offer(who: Technician, body: NewOffer, services: AppServices) -> OfferMade:
    """A code of this gateway for a center, good once and for a quarter of an hour."""
    made, code = await services.pairing.offer(who, role=body.role, scope=body.scope, center=body.center)
    return OfferMade(offer=made, code=code, qr=_qr(code))


@router.get("/pairing/offers/{offer}")
async def offered(who: Technician, offer: str, services: AppServices) -> PairingOffer:
    """Whether its answer has come, and what keeps it."""
    return services.pairing.offered(who, offer)


@router.post("/pairing/accept")
async def accept(who: Technician, body: AnswerCode, services: AppServices) -> CenterOut:
    """A center's answer to one of our codes."""
    return _center(await services.pairing.accept(who, body.answer))


@router.post("/pairing/admit", status_code=201)
async def admit(who: Administrator, body: Admission, services: AppServices) -> Admitted:
    """At a center: a kit by the code that it shows."""
    kit, answer = await services.pairing.admit(who, body.code, name=body.name, hosts=body.hosts)
    return Admitted(kit=_kit(kit), answer=answer, qr=_qr(answer))


@router.get("/pairing/answers/{answer}")
async def answer(answer: str, services: AppServices, response: Response) -> AnswerCode:
    """For a kit that waits: the answer to its code. Open to all: its id is told by the code's secret alone."""
    response.headers["Cache-Control"] = "no-store"
    return AnswerCode(answer=services.pairing.answer(answer))


@router.get("/pairing/centers")
async def centers(who: Technician, services: AppServices) -> list[CenterOut]:
    return [_center(one) for one in services.pairing.centers(who)]


@router.delete("/pairing/centers/{center}", status_code=204)
async def part(who: Technician, center: str, services: AppServices) -> None:
    """At a kit: the center is called no more and may do nothing here."""
    await services.pairing.forget_center(who, center)


@router.post("/pairing/key", status_code=204)
async def renew(who: Administrator, services: AppServices) -> None:
    """At a kit: a new key. Its centers hear of it over the sessions that stand; the old one ends when all know it."""
    await services.pairing.renew_key(who)


@router.post("/kits/{kit}/revoke")
async def revoke(who: Administrator, kit: str, body: Revocation, services: AppServices) -> KitOut:
    """Its session ends at once, and its key is refused from then on."""
    return _kit(await services.pairing.revoke_kit(who, kit, body.reason))


@router.delete("/kits/{kit}", status_code=204)
async def forget(who: Administrator, kit: str, services: AppServices) -> None:
    await services.pairing.forget_kit(who, kit)


def _kit(kit: PairedKit) -> KitOut:
    return KitOut(
        gateway=kit.gateway,
        name=kit.name,
        key=_shown(kit.key),
        admitted_at=kit.admitted_at,
        admitted_by=kit.admitted_by,
        revoked_at=kit.revoked_at,
        detail=kit.detail,
    )


def _center(center: PairedCenter) -> CenterOut:
    return CenterOut(
        gateway=center.gateway,
        name=center.name,
        key=_shown(center.key),
        hosts=list(center.hosts),
        udp_port=center.udp_port,
        tcp_port=center.tcp_port,
        role=center.role,
        scope=center.scope,
        admitted_at=center.admitted_at,
        admitted_by=center.admitted_by,
        revoked_at=center.revoked_at,
        detail=center.detail,
    )


def _shown(key: bytes) -> str:
    text = key[:8].hex().upper()
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def _qr(code: str) -> str:
    import segno

    made: Any = segno.make(code, error="l")
    return str(made.svg_inline(scale=3, border=4, light="#fff", dark="#000"))
