"""The center's part of a daemon: a session with its brokers or one of its own, and certificates for its kits."""

from __future__ import annotations

import asyncio
from pathlib import Path

from adapters.mqtt.address import Broker
from adapters.mqtt.broker.process import EmbeddedBroker
from adapters.mqtt.broker.setting import BrokerSetting
from adapters.mqtt.center import CenterSession, CenterSetting
from adapters.mqtt.config import MqttConfig
from adapters.mqtt.enrol import Registrar, Where
from adapters.mqtt.part import Part, host_name
from adapters.mqtt.seals import SealsOfKits, no_seal
from gateway.base import server_tls
from gateway.base.authority import Authority
from gateway.base.clock import Clock
from gateway.base.moment import kernel_quality
from gateway.contract.adapter import Context


class CenterPart(Part):
    def __init__(self, config: MqttConfig, context: Context, clock: Clock) -> None:
        super().__init__(config, context, clock)
        self.session: CenterSession | None = None
        self.broker: EmbeddedBroker | None = None

    async def run(self) -> None:
        context = self.context
        pairings = context.fleet.pairings
        seals = SealsOfKits(context.gateway, pairings)
        authority = Authority(self.root / "tls", context.gateway)
        registrar = Registrar(authority, pairings, seals, self._where, self.clock)
        unserved = registrar.serve(context.http)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(registrar.follow(), name="revocations")
                brokers = self.config.parsed() or [await self._own_broker(tasks)]
                setting = CenterSetting(self.setting(brokers, None), self.config.telemetry, self.config.max_kits)
                self.session = CenterSession(
                    context.gateway,
                    self.birth,
                    context.fleet,
                    context.inbox,
                    setting,
                    self.clock,
                    seals if self.config.sealed else no_seal,
                )
                context.ready()
                await self.session.run()
        finally:
            unserved()
            seals.close()

    async def _own_broker(self, tasks: asyncio.TaskGroup) -> Broker:
        local = self.context.state_dir / "broker.sock"
        came_up = asyncio.Event()
        self.broker = EmbeddedBroker(self._broker_setting(local), came_up.set)
        tasks.create_task(self.broker.run(), name="embedded broker")
        await came_up.wait()
        made = Broker("unix", str(local))
        self.versions.known[made] = False  # amqtt has 3.1.1
        return made

    def _where(self) -> Where:
        """What kits are told of our brokers."""
        told = tuple(str(broker) for broker in self.config.parsed() if broker.way in ("tls", "tcp"))
        return Where(told, self.broker.port if self.broker is not None and not told else 0)

    def _broker_setting(self, local: Path) -> BrokerSetting:
        config = self.config
        folder = self.root / "tls"
        names = [*self.context.addresses(), "127.0.0.1", "localhost", host_name(), *config.hostnames]
        made = server_tls.ensure(folder, self.context.gateway, names, stem="broker")
        return BrokerSetting(
            center=self.context.gateway,
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
