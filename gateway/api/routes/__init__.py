"""The REST routes, one file per noun; `ALL` is what the application includes."""

from __future__ import annotations

from gateway.api.routes import (
    accounts,
    alarms,
    audit,
    auth,
    basemap,
    commands,
    devices,
    directory,
    discover,
    forward,
    informants,
    kits,
    pairing,
    positions,
    sources,
    streams,
    system,
    talk,
)

ALL = (
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
    kits.router,
    basemap.router,
    pairing.router,
    talk.router,
    accounts.router,
    audit.router,
    system.router,
)
