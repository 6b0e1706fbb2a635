"""What kit and center have in common as parts of a daemon: how brokers are reached, and how this gateway is called."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from adapters.mqtt.address import Broker
from adapters.mqtt.config import MqttConfig
from adapters.mqtt.dial import ClientTls, Dialler
from adapters.mqtt.manner import Setting, Times, Versions
from adapters.mqtt.protocol.messages import Birth
from gateway.base.authority import ClientFiles
from gateway.base.clock import Clock
from gateway.contract.adapter import Context


class Part:
    def __init__(self, config: MqttConfig, context: Context, clock: Clock) -> None:
        self.config = config
        self.context = context
        self.clock = clock
        # Of this adapter's section, so that two of them do not share what waits.
        self.name = context.state_dir.name
        self.versions = Versions(config.protocol)

    @property
    def root(self) -> Path:
        """The gateway's state directory."""
        return self.context.state_dir.parent.parent

    def birth(self) -> Birth:
        """`session` and `instance` are the session's to fill in."""
        about = self.context.home.about
        return Birth(
            online=True,
            boot=self.context.home.boot,
            session=0,
            instance="",
            name=about.get("name", ""),
            version=about.get("version", ""),
            adcode=about.get("adcode", ""),
            host=host_name(),
            addresses=tuple(self.context.addresses())[:8],
        )

    def setting(self, brokers: Sequence[Broker], files: ClientFiles | None) -> Setting:
        """`files`: what pairing brought; the configuration's own go before."""
        config, context = self.config, self.context
        tls = ClientTls(config.ca, config.certificate, config.key)
        if config.certificate is None and config.ca is None and files is not None:
            tls = ClientTls(files.ca, files.certificate, files.key)
        dialler = Dialler(
            tls,
            config.interface,
            config.bind_address,
            dead_after_s=config.keep_alive,
            clock_good=lambda: context.kit.quality().good,
            clock_past=lambda: context.kit.condition.clock.code == "clock-past",
            uplink=self.context.fleet.services.connect,
        )
        times = Times(config.answer, config.keep_alive)
        return Setting(tuple(brokers), dialler, times, self.versions, config.spread, config.user, config.password)


def host_name() -> str:
    return socket.gethostname()[:64]
