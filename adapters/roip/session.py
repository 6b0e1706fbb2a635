"""Radio channels as an adapter: each a device of the directory and an endpoint of talk groups, kept open always."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from adapters.roip.channel import RadioChannel
from adapters.roip.config import RoipConfig, RtpChannel, SerialChannel, UsrpChannel
from adapters.roip.radios import bind_udp
from gateway.base.errors import ConfigError
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade


class Roip:
    """Implements contract.adapter.Adapter."""

    name: ClassVar[str] = "roip"
    Config: ClassVar[type[BaseModel]] = RoipConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, RoipConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._channels: list[RadioChannel] = []

    async def run(self) -> None:
        """Offer every channel until cancelled. Raises ConfigError when two of them want one address."""
        self._refuse_doubles()
        try:
            for name, channel in self._config.channels.items():
                self._channels.append(RadioChannel(name, channel, self._context))
            self._context.ready()
            await asyncio.get_running_loop().create_future()
        finally:
            for made in self._channels:
                made.close()
            self._channels.clear()

    def figures(self) -> Mapping[str, float]:
        """For /metrics."""
        return {
            "channels": len(self._channels),
            "channels_open": sum(c.is_open for c in self._channels),
            "transmitting": sum(c.transmitting for c in self._channels),
            "heard": sum(c.heard for c in self._channels),
            "transmit_timeouts": sum(c.timeouts for c in self._channels),
        }

    def _refuse_doubles(self) -> None:
        seen: dict[str, str] = {}
        for name, channel in self._config.channels.items():
            place = channel.port if isinstance(channel, SerialChannel) else str(channel.listen)
            if place in seen:
                raise ConfigError(
                    f"channels.{name}", f"{place} is taken by the channel {seen[place]}", code="port-in-use"
                )
            seen[place] = name

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Are the ports free, the serial ports and sound programs there?"""
        assert isinstance(config, RoipConfig)  # noqa: S101
        if not config.channels:
            return [Finding("roip.channels", Grade.OFF, "no radio channel is configured")]
        return [found for name, channel in config.channels.items() for found in _check(name, channel)]


def _check(name: str, channel: UsrpChannel | RtpChannel | SerialChannel) -> list[Finding]:
    if not isinstance(channel, SerialChannel):
        expected = f"UDP {channel.listen} free"
        try:
            bind_udp(channel.listen).close()
        except ConfigError as exc:
            return [Finding(f"roip.{name}.port", Grade.FAIL, str(exc), expected, exc.code)]
        return [Finding(f"roip.{name}.port", Grade.OK, "free", expected)]
    found = []
    there = channel.port.startswith("rfc2217:") or Path(channel.port).exists()
    grade, code = (Grade.OK, "") if there else (Grade.FAIL, "serial-lost")
    found.append(Finding(f"roip.{name}.serial", grade, "there" if there else "not there", channel.port, code))
    sound = shutil.which("arecord") is not None and shutil.which("aplay") is not None
    grade, code = (Grade.OK, "") if sound else (Grade.FAIL, "sound-card")
    found.append(Finding(f"roip.{name}.sound", grade, "installed" if sound else "missing", "alsa-utils", code))
    return found
