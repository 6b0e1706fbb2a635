"""The fleet, and what of the core has to know of it."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.config.root import Config
from gateway.core.addresses import own_addresses
from gateway.core.context import kit_tls
from gateway.core.far_alarms import FarAlarms
from gateway.core.far_orders import FarOrders
from gateway.core.far_ptz import FarPtz
from gateway.core.fleet import Fleet
from gateway.core.fleet_items import Items
from gateway.core.pairing import Pairing, Self
from gateway.core.talk_far import FarTalk
from gateway.model.kit import Kit

if TYPE_CHECKING:
    from gateway.core.core import Core

_PEM_END = "-----END CERTIFICATE-----\n"


def make_fleet(core: Core, config: Callable[[], Config]) -> Fleet:
    """After all the rest of the core: its parts learn whose ids are kits', and who hands on what is theirs."""

    def own() -> Kit:
        told = about(config())
        return Kit(
            config().gateway.id,
            name=told["name"],
            boot=core.boot,
            version=told["version"],
            adcode=told["adcode"],
            condition=core.kit.condition,
        )

    items = Items(core.streams, core.bus, core.store.kits)
    fleet = Fleet(
        config().gateway.id, core.pairings, core.link_trails, core.reports, core.bus, core.clock, own, items, core.audit
    )
    for part in (core.streams, core.devices, core.positions, core.directory):
        part.kits = fleet.gateways
    core.directory.far = fleet
    core.presets.far = core.pictures.far = FarPtz(fleet)
    core.commands.far = FarOrders(fleet, core.talk.resolve)
    far_alarms = FarAlarms(fleet, core.store.alarms, core.clock, core.spawn)
    core.alarms.on_acknowledged = far_alarms.acknowledged
    fleet.on_came = far_alarms.came
    core.talk.far = FarTalk(fleet, core.talk.members, core.plane, core.bus, core.audit, core.clock, core.spawn)
    return fleet


def make_pairing(core: Core, config: Callable[[], Config]) -> Pairing:
    def own() -> Self:
        gateway, api = config().gateway, config().api
        tls = kit_tls(config())
        # A certificate of our own making is told by its fingerprint; any other is proved as browsers do it.
        shown = "" if tls is None or tls.ca is None else fingerprint(tls.certificate)
        hosts = (*api.hostnames, *own_addresses())
        return Self(gateway.id, gateway.name or gateway.id, gateway.role == "center", hosts, api.port, shown)

    return Pairing(core.pairings, core.audit, core.clock, own, core.spawn)


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a PEM file's first certificate, hex. The API says when it can not be read."""
    try:
        found = ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii").partition("-----END")[0] + _PEM_END)
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(found).hexdigest()


def about(config: Config) -> dict[str, str]:
    """What this gateway says of itself to others."""
    gateway = config.gateway
    return {
        "name": gateway.name or gateway.id,
        "role": gateway.role,
        "version": __version__,
        "adcode": gateway.adcode,
    }
