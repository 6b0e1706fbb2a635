"""The adapter: at a kit a session that tells and obeys, at a center one that hears, keeps and orders, and there a
broker of its own where the configuration names none. Sessions and the library under them are loaded when the daemon is
ready."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from adapters.mqtt.config import EMBEDDED, MqttConfig
from adapters.mqtt.dial import ClientTls
from adapters.mqtt.kit_part import KitPart
from adapters.mqtt.protocol.topics import may_be_gateway
from gateway.base.clock import Clock
from gateway.base.errors import ConfigError, GatewayError
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade

if TYPE_CHECKING:
    from adapters.mqtt.broker.process import EmbeddedBroker
    from adapters.mqtt.center import CenterSession
    from adapters.mqtt.center_part import CenterPart
    from adapters.mqtt.kit import KitSession
    from adapters.mqtt.session import Standing

SHOWN_S = 600.0
"""What is wrong with a kit stands among the findings for so long after it was last seen."""


class Mqtt:
    """Implements contract.adapter.Adapter, Measured and Checked."""

    name: ClassVar[str] = "mqtt"
    Config: ClassVar[type[BaseModel]] = MqttConfig

    def __init__(self, config: BaseModel, context: Context, clock: Clock | None = None) -> None:
        assert isinstance(config, MqttConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._clock = clock or Clock()
        self._kit: KitPart | None = None
        self._center: CenterPart | None = None

    async def run(self) -> None:
        gateway = self._context.gateway
        if not may_be_gateway(gateway):
            raise ConfigError("gateway.id", f"{gateway} has a dot: brokers of a cluster take it for a level of a topic")
        try:
            await (self._at_center() if self._context.home.about.get("role") == "center" else self._at_kit())
        except* GatewayError as group:
            from adapters.mqtt.session import first

            raise first(group) from None

    async def _at_kit(self) -> None:
        if EMBEDDED in self._config.brokers:
            raise ConfigError("brokers", '"embedded" is for a center: name the brokers of yours')
        self._kit = KitPart(self._config, self._context, self._clock)
        await self._kit.run()

    async def _at_center(self) -> None:
        await asyncio.to_thread(import_module, "adapters.mqtt.center_part")
        from adapters.mqtt.center_part import CenterPart

        self._center = CenterPart(self._config, self._context, self._clock)
        await self._center.run()

    @property
    def kits(self) -> Sequence[KitSession]:
        """At a kit: one for each group of centers that are met at the same brokers."""
        return self._kit.sessions if self._kit is not None else ()

    @property
    def center(self) -> CenterSession | None:
        return self._center.session if self._center is not None else None

    @property
    def broker(self) -> EmbeddedBroker | None:
        return self._center.broker if self._center is not None else None

    @property
    def standings(self) -> Sequence[Standing]:
        """Of each session."""
        found = [kit.standing for kit in self.kits]
        return [*found, self.center.standing] if self.center is not None else found

    def figures(self) -> Mapping[str, float]:
        """contract.adapter.Measured."""
        standings = self.standings
        found: dict[str, float] = {
            "connected": float(bool(standings) and not any(one.code for one in standings)),
            "connections": float(sum(one.connections for one in standings)),
        }
        if kits := self.kits:
            found |= {
                "events_sent": sum(kit.figures.events_sent for kit in kits),
                "events_acknowledged": sum(kit.figures.events_acknowledged for kit in kits),
                "events_refused": sum(kit.figures.events_refused for kit in kits),
                "orders": sum(kit.orders.figures.orders for kit in kits),
                "orders_stale": sum(kit.orders.figures.stale for kit in kits),
                "twins": sum(kit.figures.twins for kit in kits),
            }
        if self.center is not None:
            intake = self.center.intake.figures
            found |= {
                "kits": sum(kit.here for kit in self.center.kits.values()),
                "events_kept": intake.events,
                "events_refused": intake.refused,
                "left_out": intake.left_out,
                "pieces": intake.pieces,
                "broker_restarts": self.broker.restarts if self.broker is not None else 0,
            }
        return found

    def findings(self) -> Sequence[Finding]:
        """contract.adapter.Checked."""
        found = [
            Finding("mqtt broker", Grade.FAIL, standing.detail or standing.code, "one holds us", standing.code)
            if standing.code
            else Finding("mqtt broker", Grade.OK, standing.broker)
            for standing in self.standings
        ]
        if self._kit is not None:
            found += [
                Finding(
                    "mqtt certificate", Grade.WARN, one.trouble or "asked for", "it has come", "mqtt-no-certificate"
                )
                for one in self._kit.waiting
            ]
        if not found:
            text = "no broker is known: none is named, and no center paired"
            return [Finding("mqtt broker", Grade.WARN, text, "a broker", "mqtt-unpaired")]
        if self.center is not None:
            found += self._kits_found(self.center)
        return found

    def _kits_found(self, center: CenterSession) -> list[Finding]:
        from adapters.mqtt.center_kit import twins_text

        found = []
        now = self._clock.monotonic()
        for kit in center.kits.values():
            check = f"mqtt {kit.gateway}"
            if kit.twins is not None and now - kit.twins_at < SHOWN_S:
                text = twins_text(*kit.twins)
                found.append(Finding(check, Grade.FAIL, text, "one machine", "duplicate-gateway"))
            elif now - kit.forged_at < SHOWN_S:
                text = "its messages carry a wrong seal, or none"
                found.append(Finding(check, Grade.FAIL, text, "sealed by it", "mqtt-forged"))
            elif kit.here and kit.last is not None and kit.last.full:
                text = f"its outbox is full: {kit.last.waiting} wait, {kit.last.dropped} were given up"
                found.append(Finding(check, Grade.WARN, text, "room for all that waits", "outbox-full"))
            elif kit.here and kit.refused:
                found.append(Finding(check, Grade.WARN, "here, and not taken", "admitted", kit.refused))
        return found[:50]

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Is the library there, and can certificate and key be used?"""
        assert isinstance(config, MqttConfig)  # noqa: S101
        await asyncio.to_thread(import_module, "adapters.mqtt.kit")
        if config.certificate is None and config.ca is None:
            return ()
        try:
            ClientTls(config.ca, config.certificate, config.key).context()
        except ConfigError as exc:
            return [Finding("mqtt certificate", Grade.FAIL, str(exc), "can be used", exc.code)]
        return [Finding("mqtt certificate", Grade.OK, "can be used")]
