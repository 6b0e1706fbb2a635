"""The door of the embedded broker: what a client has retained is counted over its connections."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from adapters.mqtt.broker import retained
from adapters.mqtt.connection import Connection, Who, connected
from adapters.mqtt.dial import Dialler
from adapters.mqtt.manner import Times, Versions
from gateway.base.errors import GatewayError
from tests.unit.mqtt.rig import TestBroker, until


async def test_who_comes_again_does_not_begin_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retained, "MOST", 3)
    async with TestBroker().running("kit7", "kit8") as broker:

        def come(name: str) -> AbstractAsyncContextManager[Connection]:
            who = Who(name, (f"fc/v1/{name}/state", b"{}"))
            return connected(broker.address(name), Dialler(), who, Times(10.0), Versions("3.1.1"), lambda *_: None)

        async def retain(connection: Connection, name: str, *numbers: int) -> None:
            for number in numbers:
                await connection.publish(f"fc/v1/{name}/dev/d{number}/state", b"{}", retain=True)

        async with come("kit7") as connection:
            await retain(connection, "kit7", 1, 2, 3)
        with pytest.raises(GatewayError):
            async with come("kit7") as connection:
                await retain(connection, "kit7", 3, 2, 1)
                await retain(connection, "kit7", 4)
                await asyncio.wait_for(connection.lost(), 20)
        async with come("kit8") as connection:
            await retain(connection, "kit8", 1, 2, 3)
        await until(lambda: len([topic for topic in broker.amqtt.retained_messages if "/dev/" in topic]) == 6)
