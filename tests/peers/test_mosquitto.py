"""mosquitto as the broker of kits and centers, configured as we write it: MQTT 5, rights, revocation, death."""

from __future__ import annotations

import asyncio
import shutil
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.mqtt.address import Broker
from adapters.mqtt.center import CenterSession, CenterSetting
from adapters.mqtt.connection import Who, connected
from adapters.mqtt.dial import Dialler
from adapters.mqtt.kit import KitSession, KitSetting
from adapters.mqtt.manner import Setting, Times, Versions
from adapters.mqtt.protocol.messages import Birth, birth_bytes
from gateway.base.errors import GatewayError
from gateway.model.command import Action, Command, CommandResult, Outcome
from gateway.model.principal import Principal, Role
from tests.peers.mosquitto import CENTER, Mosquitto, a_mosquitto, program
from tests.peers.programs import need
from tests.unit.mqtt.rig import Facts, Fleet, Inbox, Side, device, event, until

pytestmark = pytest.mark.peer
WANG = Principal("wang", Role.OPERATOR, "s1")


@pytest.fixture(autouse=True)
def present() -> None:
    if not program():
        need("mosquitto")


def setting(dialler: Dialler, *brokers: Broker) -> Setting:
    return Setting(brokers, dialler, Times(5.0, 10.0), Versions(), spread=False)


@asynccontextmanager
async def running(*works: Any) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Scene:
    def __init__(self, broker: Mosquitto, *more: Broker) -> None:
        self.fleet, self.inbox, self.side = Fleet(), Inbox(), Side()
        self.facts = Facts("kit7", [device("kit7", "a"), device("kit7", "b")])
        brokers = (broker.address, *more)
        birth = Birth(True, 1, 0, "", "Center", host="center-host")
        told: Callable[[], Birth] = lambda: birth  # noqa: E731
        made = CenterSetting(setting(broker.dialler(CENTER), *brokers), 1.0)
        self.center = CenterSession(CENTER, told, self.fleet, self.inbox, made)  # type: ignore[arg-type]
        kit = KitSetting(setting(broker.dialler("kit7"), *brokers), 1.0, 32, 4096)
        self.kit = KitSession(self.facts, {CENTER: self.side}, kit)


async def test_directory_events_and_orders_by_mqtt_5(tmp_path: Path) -> None:
    async with a_mosquitto(tmp_path) as broker:
        scene = Scene(broker)
        scene.facts.answer = lambda order: CommandResult(order.id, Outcome.DONE, data={"did": order.action})
        async with running(scene.center.run(), scene.kit.run()):
            await until(lambda: scene.fleet.here("kit7") and len(scene.fleet.holds["kit7"].known) == 2)
            assert scene.center.connection is not None and scene.center.connection.five
            scene.side.put(*(event(f"e{n:03}") for n in range(200)))
            await until(lambda: not scene.side.rows)
            assert len(scene.inbox.events) == 200
            order = Command("c1", WANG, Action.PTZ_STOP, "kit7/a/ch1", 2e9)
            result = await scene.fleet.holds["kit7"].way.command(order, 10.0)
            assert result.data == {"did": "ptz.stop"}
        await until(lambda: scene.fleet.holds["kit7"].gone is not None)


async def test_nobody_is_sent_tickets_that_nobody_uses(tmp_path: Path) -> None:
    """They are a quarter of what a connection costs a broker, with OpenSSL's words for what mosquitto has none for."""
    async with a_mosquitto(tmp_path) as broker:
        who = Who("kit7", ("fc/v1/kit7/state", b"{}"))
        async with connected(
            broker.address, broker.dialler("kit7"), who, Times(), Versions(), lambda *_: None
        ) as connection:
            shaken = connection._client.socket._inner
            assert isinstance(shaken, ssl.SSLSocket) and shaken.version() == "TLSv1.3"
            assert shaken.session is None or not shaken.session.has_ticket


async def test_its_death_costs_nothing_but_time(tmp_path: Path) -> None:
    async with a_mosquitto(tmp_path) as broker:
        scene = Scene(broker)
        async with running(scene.center.run(), scene.kit.run()):
            await until(lambda: scene.fleet.here("kit7"))
            for round_ in range(3):
                scene.side.put(*(event(f"e{round_}-{n:03}") for n in range(50)))
                await broker.stop(signal.SIGKILL)
                await broker.start()
            await until(lambda: not scene.side.rows, "all of them")
            assert len(scene.inbox.events) == 150
            await until(lambda: scene.fleet.here("kit7") and len(scene.fleet.holds["kit7"].known) == 2)


async def test_a_second_broker_takes_over(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with a_mosquitto(tmp_path / "one") as one, a_mosquitto(tmp_path / "two") as two:
        # One authority for both, as a county has it.
        for name in ("ca.crt", "ca.crl"):
            shutil.copyfile(one.folder / name, two.folder / name)
        from gateway.base import server_tls

        shown = server_tls.ensure(tmp_path / "one" / "tls", CENTER, ["127.0.0.1"], stem="second")
        shutil.copyfile(shown.certificate, two.folder / "broker.crt")
        shutil.copyfile(shown.key, two.folder / "broker.key")
        await two.stop()
        await two.start()
        scene = Scene(one, two.address)
        async with running(scene.center.run(), scene.kit.run()):
            await until(lambda: scene.fleet.here("kit7"))
            scene.side.put(*(event(f"e{n:03}") for n in range(50)))
            await one.stop(signal.SIGKILL)
            await until(lambda: scene.kit.broker == str(two.address), "the kit is at the second")
            await until(lambda: not scene.side.rows)
            assert len(scene.inbox.events) == 50


def named(name: str) -> Who:
    will = f"fc/v1/{name}/center" if name == CENTER else f"fc/v1/{name}/state"
    return Who(name, (will, birth_bytes(Birth(False, 1, 1, "i"))))


async def test_rights_are_the_brokers_to_hold(tmp_path: Path) -> None:
    async with a_mosquitto(tmp_path) as broker:

        async def talk(name: str, subscribe: str, publish: str) -> list[str]:
            heard: list[str] = []
            who, last = named(name), f"fc/v1/{name}/cmd/last"
            async with connected(
                broker.address, broker.dialler(name), who, Times(5.0), Versions(), lambda topic, *_: heard.append(topic)
            ) as connection:
                await connection.subscribe([subscribe, last])
                await connection.publish(publish, b"x")
                await connection.publish(f"fc/v1/{name}/tlm", b"x")
                # Its center's word is the last that it hears: what the broker hands on was handed on before.
                async with connected(
                    broker.address, broker.dialler(CENTER), named(CENTER), Times(5.0), Versions(), lambda *_: None
                ) as center:
                    await center.publish(last, b"x")
                await until(lambda: last in heard, "its center's word")
            return [topic for topic in heard if topic != last]

        assert await talk("kit7", "fc/v1/kit7/#", "fc/v1/kit7/evt/major") == ["fc/v1/kit7/evt/major", "fc/v1/kit7/tlm"]
        # mosquitto lets anybody ask for anything, and judges each message.
        assert await talk("kit7", "fc/v1/#", "fc/v1/kit8/cmd/x") == ["fc/v1/kit7/tlm"], "nothing of others, nor to them"
        assert await talk("kit8", "fc/v1/kit7/#", "fc/v1/kit7/state") == []
        assert await talk("kit7", "fc/v1/kit7/#", "fc/v1/kit7/cmd/x") == ["fc/v1/kit7/tlm"], "no orders to itself"


async def test_a_revoked_kit_stays_out(tmp_path: Path) -> None:
    async with a_mosquitto(tmp_path) as broker:
        who = Who("kit7", ("fc/v1/kit7/state", b"{}"))

        async def code() -> str:
            try:
                async with connected(
                    broker.address, broker.dialler("kit7"), who, Times(5.0), Versions(), lambda *_: None
                ) as connection:
                    await connection.subscribe(["fc/v1/kit7/cmd/+"])
            except GatewayError as exc:
                return exc.code
            return ""

        assert await code() == ""
        broker.authority.revoke("kit7")
        shutil.copyfile(broker.authority.revocations, broker.folder / "ca.crl")
        broker.reload()
        for _ in range(100):
            if (told := await code()) != "":
                break
            await asyncio.sleep(0.05)
        assert told in ("mqtt-silent", "mqtt-lost", "tls-refused")


async def test_two_machines_with_one_id_name_each_other_at_once(tmp_path: Path) -> None:
    async with a_mosquitto(tmp_path) as broker:
        scene, other = Scene(broker), Scene(broker)
        async with running(scene.center.run(), scene.kit.run()):
            await until(lambda: scene.fleet.here("kit7"))
            async with running(other.kit.run()):
                codes = lambda: {scene.kit.standing.code, other.kit.standing.code}  # noqa: E731
                await until(lambda: "duplicate-gateway" in codes(), "DISCONNECT says that it was taken over")
