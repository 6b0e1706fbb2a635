"""The adapter: at a kit a session that tells and obeys, at a center one that hears, keeps and orders, and there a
broker of its own where the configuration names none. The sessions and the library under them are loaded when there is
somebody to talk to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from adapters.mqtt.address import Broker
from adapters.mqtt.broker.process import EmbeddedBroker
from adapters.mqtt.broker.setting import BrokerSetting
from adapters.mqtt.config import EMBEDDED, MqttConfig
from adapters.mqtt.dial import ClientTls, Dialler
from adapters.mqtt.manner import Times, Versions
from adapters.mqtt.protocol.messages import Birth
from adapters.mqtt.protocol.topics import may_be_gateway
from gateway.base import server_tls
from gateway.base.authority import ClientFiles, client_files
from gateway.base.clock import Clock
from gateway.base.errors import ConfigError
from gateway.base.moment import kernel_quality
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade
from gateway.model.principal import Role

if TYPE_CHECKING:
    from adapters.mqtt.center import CenterSession
    from adapters.mqtt.kit import KitSession
    from adapters.mqtt.session import Setting, Standing

log = logging.getLogger(__name__)

PORT = 8883
TWINS_SHOWN_S = 600.0


class Mqtt:
    """Implements contract.adapter.Adapter, Measured and Checked."""

    name: ClassVar[str] = "mqtt"
    Config: ClassVar[type[BaseModel]] = MqttConfig

    def __init__(self, config: BaseModel, context: Context, clock: Clock | None = None) -> None:
        assert isinstance(config, MqttConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._clock = clock or Clock()
        # Of this adapter's section, so that two of them do not share what waits.
        self._name = context.state_dir.name
        self._state_dir = context.state_dir.parent.parent
        self._versions = Versions(config.protocol)
        self.kit: KitSession | None = None
        self.center: CenterSession | None = None
        self.broker: EmbeddedBroker | None = None

    async def run(self) -> None:
        gateway = self._context.gateway
        if not may_be_gateway(gateway):
            raise ConfigError("gateway.id", f"{gateway} has a dot: brokers of a cluster take it for a level of a topic")
        if self._context.home.about.get("role") == "center":
            await self._run_center()
        else:
            await self._run_kit()

    # — a kit —

    async def _run_kit(self) -> None:
        """One session after another: paired with other centers, it is another one."""
        if EMBEDDED in self._config.brokers:
            raise ConfigError("brokers", '"embedded" is for a center: name the brokers of yours')
        changed = asyncio.Event()
        unheard = self._context.fleet.pairings.on_change(changed.set)
        # Links come when they come: the daemon is ready before any of them.
        self._context.ready()
        try:
            while True:
                changed.clear()
                async with asyncio.TaskGroup() as tasks:
                    running = tasks.create_task(self._session_of_kit())
                    await changed.wait()
                    running.cancel()
        finally:
            unheard()

    async def _session_of_kit(self) -> None:
        config = self._config
        paired = [one for one in self._context.fleet.pairings.centers() if one.revoked_at is None]
        brokers = config.parsed() or [Broker("tls", host, PORT) for center in paired for host in center.hosts]
        centers = list(dict.fromkeys([*(one.gateway for one in paired), *config.centers])) or [""]
        uplinks = {center: f"{self._name}/{center or 'any'}" for center in centers}
        outbox = self._context.outbox
        self.kit = None
        if not brokers:
            # Nothing is kept for nobody: what happens before the first pairing is this kit's own.
            await outbox.leave_others(self._name, [])
            await asyncio.Event().wait()
        sides = {center: await outbox.join(name, self._name) for center, name in uplinks.items()}
        await outbox.leave_others(self._name, list(uplinks.values()))
        await self._context.started()
        await asyncio.to_thread(import_module, "adapters.mqtt.kit")
        from adapters.mqtt.kit import KitSession, KitSetting
        from adapters.mqtt.kit_facts import DaemonFacts

        trusted = dict.fromkeys(config.centers, Role(config.center_role))
        facts = DaemonFacts(self._context, self._clock, trusted, uplinks)
        files = next((found for one in paired if (found := client_files(self._state_dir, one.gateway)).whole()), None)
        setting = KitSetting(self._setting(brokers, files), config.telemetry, config.window, config.piece)
        self.kit = KitSession(facts, sides, setting, self._clock)
        await self.kit.run()

    # — a center —

    async def _run_center(self) -> None:
        await asyncio.to_thread(import_module, "adapters.mqtt.center")
        from adapters.mqtt.center import CenterSession, CenterSetting

        config = self._config
        brokers = config.parsed()
        async with asyncio.TaskGroup() as tasks:
            if not brokers:
                local = self._context.state_dir / "broker.sock"
                came_up = asyncio.Event()
                self.broker = EmbeddedBroker(self._broker_setting(local), came_up.set)
                tasks.create_task(self.broker.run(), name="embedded broker")
                await came_up.wait()
                brokers = [Broker("unix", str(local))]
                self._versions.known[brokers[0]] = False  # amqtt has 3.1.1
            setting = CenterSetting(self._setting(brokers, None), config.telemetry, config.max_kits)
            self.center = CenterSession(
                self._context.gateway,
                self._birth,
                self._context.fleet,
                self._context.inbox,
                setting,
                self._clock,
            )
            self._context.ready()
            await self.center.run()

    def _birth(self) -> Birth:
        from adapters.mqtt.session import host_name

        about = self._context.home.about
        return Birth(
            online=True,
            boot=self._context.home.boot,
            session=0,
            instance="",
            name=about.get("name", ""),
            version=about.get("version", ""),
            adcode=about.get("adcode", ""),
            host=host_name(),
            addresses=tuple(self._context.addresses())[:8],
        )

    def _broker_setting(self, local: Path) -> BrokerSetting:
        from adapters.mqtt.session import host_name

        config = self._config
        folder = self._state_dir / "tls"
        names = [*self._context.addresses(), "127.0.0.1", "localhost", host_name(), *config.hostnames]
        made = server_tls.ensure(folder, self._context.gateway, names, stem="broker")
        return BrokerSetting(
            center=self._context.gateway,
            centers=tuple(config.centers),
            socket=str(local),
            host=config.listen.host,
            port=config.listen.port,
            tls=str(folder),
            certificate=str(made.certificate),
            key=str(made.key),
            limit=config.max_message,
            most=config.max_clients,
            check_time=kernel_quality().good,
        )

    # — both —

    def _setting(self, brokers: Sequence[Broker], files: ClientFiles | None) -> Setting:
        from adapters.mqtt.session import Setting

        config = self._config
        tls = ClientTls(config.ca, config.certificate, config.key)
        if config.certificate is None and config.ca is None and files is not None:
            tls = ClientTls(files.ca, files.certificate, files.key)
        dialler = Dialler(
            tls,
            config.interface,
            config.bind_address,
            dead_after_s=config.keep_alive,
            clock_good=lambda: kernel_quality().good,
        )
        return Setting(
            tuple(brokers),
            dialler,
            Times(config.answer, config.keep_alive),
            self._versions,
            config.spread,
            config.user,
            config.password,
        )

    @property
    def standing(self) -> Standing | None:
        session = self.kit or self.center
        return session.standing if session is not None else None

    def figures(self) -> Mapping[str, float]:
        """contract.adapter.Measured."""
        standing = self.standing
        found: dict[str, float] = {
            "connected": float(standing is not None and not standing.code),
            "connections": float(standing.connections if standing is not None else 0),
        }
        if self.kit is not None:
            told = self.kit.figures
            found |= {
                "events_sent": told.events_sent,
                "events_acknowledged": told.events_acknowledged,
                "events_refused": told.events_refused,
                "orders": told.orders,
                "twins": told.twins,
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
        standing = self.standing
        if standing is None:
            text = "no broker is named, and no center paired"
            return [Finding("mqtt broker", Grade.WARN, text, "a broker", "mqtt-unpaired")]
        if standing.code:
            found = [
                Finding("mqtt broker", Grade.FAIL, standing.detail or standing.code, "one holds us", standing.code)
            ]
        else:
            found = [Finding("mqtt broker", Grade.OK, standing.broker)]
        if self.center is not None:
            found += self._kits_found(self.center)
        return found

    def _kits_found(self, center: CenterSession) -> list[Finding]:
        from adapters.mqtt.center_kit import twins_text

        found = []
        now = self._clock.monotonic()
        for kit in center.kits.values():
            if kit.twins is not None and now - kit.twins_at < TWINS_SHOWN_S:
                text = twins_text(*kit.twins)
                found.append(Finding(f"mqtt {kit.gateway}", Grade.FAIL, text, "one machine", "duplicate-gateway"))
            elif kit.here and kit.refused:
                found.append(Finding(f"mqtt {kit.gateway}", Grade.WARN, "here, and not taken", "admitted", kit.refused))
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
