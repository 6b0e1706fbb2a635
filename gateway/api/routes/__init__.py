"""The REST routes, one file per noun: `FIRST` say whether the gateway is there, `rest` are all others."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api.routes import field, system

FIRST = (system.router, field.router)


def rest() -> tuple[APIRouter, ...]:
    """Loaded by the first call, which takes a fifth of a second; from any thread."""
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
        talk,
        texts,
    )

    return (
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
