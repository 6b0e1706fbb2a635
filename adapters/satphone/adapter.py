"""Satellite phones and terminals as an adapter: one task each, on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel

from adapters.satphone.beidou import BeidouTerminal
from adapters.satphone.config import PhoneConfig, SatphoneConfig
from adapters.satphone.phone import Phone
from adapters.satphone.protocol.profile import load
from adapters.satphone.sbd import SbdUnit
from adapters.satphone.terminal import Terminal
from gateway.base.errors import GatewayError
from gateway.base.serial import find_port
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade, of_bearer

KINDS: dict[str, type[Terminal]] = {"phone": Phone, "beidou": BeidouTerminal, "sbd": SbdUnit}


class Satphones:
    """Implements contract.adapter.Adapter and contract.adapter.Checked."""

    name: ClassVar[str] = "satphone"
    Config: ClassVar[type[BaseModel]] = SatphoneConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, SatphoneConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._terminals = [KINDS[one.kind](name, one, context) for name, one in config.phones.items()]

    async def run(self) -> None:
        for one in self._config.phones.values():
            if one.kind == "phone":
                await asyncio.to_thread(load, one.profile)  # a profile that is wrong is the configuration's fault
        self._context.ready()
        async with asyncio.TaskGroup() as tasks:
            for terminal in self._terminals:
                tasks.create_task(terminal.run(), name=f"satphone {terminal.name}")
            if not self._config.phones:
                await asyncio.get_running_loop().create_future()

    def findings(self) -> Sequence[Finding]:
        return [of_bearer(f"satphone {one.name}", one.facts) for one in self._terminals if one.facts is not None]

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Profiles that can be read, ports that are there."""
        assert isinstance(config, SatphoneConfig)  # noqa: S101
        return [await asyncio.to_thread(_checked, name, one) for name, one in config.phones.items()]


def _checked(name: str, one: PhoneConfig) -> Finding:
    try:
        words = f"BeiDou {one.protocol}" if one.kind == "beidou" else "Iridium SBD"
        if one.kind == "phone":
            profile = load(one.profile)
            words = profile.title if profile.verified else f"{profile.title}: its profile was tried on no phone"
        if not one.port.startswith("tcp://"):
            find_port(one.port)
    except GatewayError as exc:
        return Finding(f"satphone {name}", Grade.FAIL, str(exc), code=exc.code)
    return Finding(f"satphone {name}", Grade.OK, words)
