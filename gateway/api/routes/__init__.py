"""The REST routes, one file per noun."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api import live
from gateway.api.routes import (
    accounts,
    alarms,
    audit,
    auth,
    away,
    basemap,
    commands,
    devices,
    directory,
    discover,
    field,
    forward,
    informants,
    kit,
    kits,
    links,
    meshes,
    pairing,
    positions,
    sources,
    streams,
    system,
    talk,
    texts,
)


def routers() -> tuple[APIRouter, ...]:
    return (
        system.router,
        field.router,
        auth.router,
        directory.router,
        devices.router,
        streams.router,
        sources.router,
        discover.router,
        commands.router,
        alarms.router,
        positions.router,
        informants.router,
        forward.router,
        kit.router,
        kits.router,
        links.router,
        meshes.router,
        basemap.router,
        pairing.router,
        talk.router,
        texts.router,
        accounts.router,
        audit.router,
        away.router,
        live.router,
    )
