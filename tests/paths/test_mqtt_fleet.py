"""A kit and a center by the embedded broker, whole daemons and real certificates: what a center gets for nothing."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import ssl
from pathlib import Path

import pytest

from adapters.mqtt.address import Broker
from adapters.mqtt.connection import Who, connected
from adapters.mqtt.dial import ClientTls, Dialler
from adapters.mqtt.manner import Times, Versions
from adapters.mqtt.protocol.messages import Birth, birth_bytes
from gateway.base.authority import Authority, client_files
from gateway.base.errors import GatewayError
from gateway.model.command import Action, Command, CommandResult, Outcome
from gateway.model.forward import ForwardFile
from gateway.model.kit import KitState
from gateway.model.principal import SYSTEM, Principal, Role
from tests.paths.fleet_rig import CENTER, Running, certified, free_port, gateway, joined, paired, toml
from tests.unit.mqtt.rig import until

OTTO = Principal("otto", Role.OPERATOR, "s1")
TINA = Principal("tina", Role.TECHNICIAN, "s2")


async def rename(center: Running, id_: str, who: Principal, name: str) -> CommandResult:
    deadline = center.core.clock.wall() + 20
    return await center.core.commands.execute(
        Command(id_, who, Action.DEVICE_RENAME, "kit7/ball-1", deadline, {"name": name})
    )


def center_toml(port: int) -> str:
    return toml(CENTER, "center", f'listen = "127.0.0.1:{port}"\n')


def kit_toml(name: str, port: int) -> str:
    return toml(name, "edge", f'brokers = ["mqtts://127.0.0.1:{port}"]\n')


async def test_directory_alarms_orders_and_files_by_the_embedded_broker(tmp_path: Path) -> None:
    port = free_port()
    async with gateway(tmp_path / "center", center_toml(port)) as center:
        async with gateway(tmp_path / "kit", kit_toml("kit7", port)) as kit:
            # Before it is paired it has no certificate: nobody is let in without.
            await kit.core.devices.admit("gb28181", "34020000001320000001", name="Ball", slug="ball-1", by="test")
            certified(center.state_dir, kit.state_dir, "kit7")
            await paired(center, kit)
            await until(lambda: center.core.fleet.kit(SYSTEM, "kit7").state is KitState.ONLINE, "the kit is online")
            assert "mqtt" in center.core.fleet.kit(SYSTEM, "kit7").ways
            await until(
                lambda: [d.id for d in center.core.directory.devices(SYSTEM) if d.id.startswith("kit7/")],
                "the flat directory",
            )
            await kit.alarm("one")
            for _ in range(500):
                if await center.alarms() == ["one"]:
                    break
                await asyncio.sleep(0.02)
            assert await center.alarms() == ["one"]
            (kept,) = await center.core.inbox.recent(SYSTEM)
            assert kept.gateway == "kit7" and abs(kept.at - kept.received_at) < 60
            await until(lambda: kit.core.outbox.standing()[0].name == "mqtt/center1")

            order = Command(
                "o1", OTTO, Action.DEVICE_RENAME, "kit7/ball-1", center.core.clock.wall() + 20, {"name": "X"}
            )
            refused = await center.core.commands.execute(order)
            assert (refused.outcome, refused.code) == (Outcome.REFUSED, "denied"), "an operator may not"
            tina = Principal("tina", Role.TECHNICIAN, "s2")
            order = Command(
                "o2", tina, Action.DEVICE_RENAME, "kit7/ball-1", center.core.clock.wall() + 20, {"name": "X"}
            )
            told = await center.core.commands.execute(order)
            assert told.code == "denied" and "tina@center1" in told.detail, (
                "the kit gave its center an operator's rights"
            )
            await joined(center, kit, Role.TECHNICIAN)
            await until(lambda: center.core.fleet.kit(SYSTEM, "kit7").state is KitState.OFFLINE, "it begins anew")
            await until(lambda: center.core.fleet.kit(SYSTEM, "kit7").state is KitState.ONLINE)
            order = Command(
                "o3", tina, Action.DEVICE_RENAME, "kit7/ball-1", center.core.clock.wall() + 20, {"name": "Gate"}
            )
            assert (await center.core.commands.execute(order)).outcome is Outcome.DONE
            await until(lambda: any(d.name == "Gate" for d in center.core.directory.devices(SYSTEM)), "its new name")

            data = os.urandom(200_000)
            (tmp_path / "clip.mp4").write_bytes(data)
            file = ForwardFile("", "clip.mp4", "video/mp4", 0, "", device="kit7/ball-1")
            id_ = await kit.core.outbox.add_file(str(tmp_path / "clip.mp4"), file)
            for _ in range(1000):
                if any(one.complete_at for one in await center.core.inbox.files(SYSTEM)):
                    break
                await asyncio.sleep(0.02)
            kept_file, path = await center.core.inbox.file(SYSTEM, "kit7", id_)
            assert hashlib.sha256(path.read_bytes()).hexdigest() == kept_file.file.sha256 and path.read_bytes() == data
        await until(lambda: center.core.fleet.kit(SYSTEM, "kit7").state is KitState.OFFLINE, "it was stopped")
        assert center.core.fleet.kit(SYSTEM, "kit7").code == "kit-stopped"


async def test_a_paired_kit_gets_certificate_and_brokers_by_itself_and_loses_them_with_its_pairing(
    tmp_path: Path,
) -> None:
    port, api = free_port(), free_port()
    async with (
        gateway(tmp_path / "center", toml(CENTER, "center", f'listen = "127.0.0.1:{port}"\n', api_port=api)) as center,
        gateway(tmp_path / "kit", toml("kit7", "edge", "")) as kit,
    ):
        assert kit.mqtt.findings()[0].code == "mqtt-unpaired"
        await paired(center, kit)
        await until(lambda: center.core.fleet.kit(SYSTEM, "kit7").state is KitState.ONLINE, "it is online")
        files = client_files(kit.state_dir, CENTER)
        assert files.whole() and kit.mqtt.kits[0].broker == f"mqtts://127.0.0.1:{port}"
        await kit.alarm("one")
        for _ in range(500):
            if await center.alarms() == ["one"]:
                break
            await asyncio.sleep(0.02)
        assert await center.alarms() == ["one"]
        await center.core.pairings.revoke_kit("kit7", "stolen")
        await until(lambda: center.core.fleet.kit(SYSTEM, "kit7").code == "kit-revoked", "it is not taken any more")
        authority = Authority(center.state_dir / "tls", CENTER)
        await until(lambda: authority.issued()[0].revoked_at is not None, "nor is its certificate")
        (session,) = kit.mqtt.kits
        await until(lambda: session.standing.code != "", "and the broker lets it go")


async def test_what_happened_while_the_center_was_away_is_there_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    async with (
        gateway(tmp_path / "center", center_toml(port)) as center,
        gateway(tmp_path / "kit", toml("kit7", "edge", 'brokers = ["mqtts://127.0.0.1:1"]\n')) as kit,
    ):
        await paired(center, kit)
    async with gateway(tmp_path / "kit", kit_toml("kit7", port)) as kit:
        await until(lambda: kit.mqtt.findings()[0].code == "mqtt-no-certificate", "a stranger of a broker is not tried")
        await until(lambda: CENTER in kit.mqtt.findings()[0].measured, "why it does not come")
        certified(center.state_dir, kit.state_dir, "kit7")
        await until(lambda: kit.mqtt.kits and kit.mqtt.kits[0].standing.failures > 0, "nobody answers")
        assert kit.mqtt.findings()[0].code == "connect-refused"
        for number in range(20):
            await kit.alarm(f"a{number:02}")
    # A kit that was restarted meanwhile, too.
    async with (
        gateway(tmp_path / "kit", kit_toml("kit7", port)) as kit,
        gateway(tmp_path / "center", center_toml(port)) as center,
    ):
        for _ in range(1500):
            if len(await center.alarms()) == 20:
                break
            await asyncio.sleep(0.02)
        assert await center.alarms() == [f"a{number:02}" for number in range(20)]
        side = await kit.core.outbox.join("mqtt/center1", "mqtt")
        for _ in range(500):
            if not await side.waiting(1):
                break
            await asyncio.sleep(0.02)
        assert list(await side.waiting(1)) == [], "acknowledged, and gone from the outbox"


async def test_the_brokers_death_is_no_outage_and_nothing_is_lost(tmp_path: Path) -> None:
    port = free_port()
    async with (
        gateway(tmp_path / "center", center_toml(port)) as center,
        gateway(tmp_path / "kit", kit_toml("kit7", port)) as kit,
    ):
        certified(center.state_dir, kit.state_dir, "kit7")
        await paired(center, kit)
        await until(lambda: center.core.fleet.kit(SYSTEM, "kit7").state is KitState.ONLINE)
        broker = center.mqtt.broker
        assert broker is not None
        os.kill(broker.pid, signal.SIGKILL)
        await kit.alarm("in between")
        await until(lambda: broker.restarts == 1 and broker.pid, "the broker is back")
        for _ in range(1500):
            if await center.alarms() == ["in between"]:
                break
            await asyncio.sleep(0.02)
        assert await center.alarms() == ["in between"]
        await until(lambda: center.core.fleet.kit(SYSTEM, "kit7").state is KitState.ONLINE)


async def why(port: int, tls: ClientTls, who: Who, times: Times | None = None) -> str:
    """How the broker answers somebody; "" where it lets them in."""
    broker = Broker("tls", "127.0.0.1", port)
    try:
        async with connected(
            broker, Dialler(tls), who, times or Times(5.0), Versions("3.1.1"), lambda *_: None
        ) as connection:
            await connection.subscribe([f"fc/v1/{who.id}/cmd/+"])
    except GatewayError as exc:
        return exc.code
    return ""


SHUT = ("mqtt-silent", "mqtt-lost")


def named(name: str, will: str = "") -> Who:
    return Who(name, (will or f"fc/v1/{name}/state", birth_bytes(Birth(False, 1, 1, "i"))))


async def test_nobody_comes_in_under_another_name_or_without_one(tmp_path: Path) -> None:
    port = free_port()
    async with gateway(tmp_path / "center", center_toml(port)) as center:
        seven = certified(center.state_dir, tmp_path / "seven", "kit7")
        stranger = certified(tmp_path / "elsewhere", tmp_path / "stranger", "kit7", "center9")
        mine = ClientTls(seven.ca, seven.certificate, seven.key)
        assert await why(port, mine, named("kit7")) == ""
        assert await why(port, mine, named("kit8")) == "mqtt-denied", "another identifier than the certificate's"
        assert await why(port, mine, named("kit7", "fc/v1/kit8/state")) == "mqtt-denied", "a will for somebody else"
        without = await why(port, ClientTls(seven.ca), named("kit7"))
        foreign = await why(port, ClientTls(seven.ca, stranger.certificate, stranger.key), named("kit7"))
        # TLS 1.3: the refusal comes with the first words after the handshake.
        assert {without, foreign} <= {"tls-refused", "mqtt-silent", "mqtt-lost"}
        assert await why(port, ClientTls(stranger.ca, seven.certificate, seven.key), named("kit7")) == "tls-untrusted"
        own = certified(center.state_dir, tmp_path / "own", CENTER)
        assert await why(port, ClientTls(own.ca, own.certificate, own.key), named(CENTER)) in (
            "mqtt-silent",
            "mqtt-lost",
        )


async def test_a_revoked_kit_is_let_go_and_stays_out(tmp_path: Path) -> None:
    port = free_port()
    async with gateway(tmp_path / "center", center_toml(port)) as center:
        seven = certified(center.state_dir, tmp_path / "seven", "kit7")
        tls, who = ClientTls(seven.ca, seven.certificate, seven.key), named("kit7")
        with pytest.raises(GatewayError) as lost:
            async with connected(
                Broker("tls", "127.0.0.1", port), Dialler(tls), who, Times(5.0), Versions("3.1.1"), lambda *_: None
            ) as connection:
                Authority(center.state_dir / "tls", CENTER).revoke("kit7")
                await asyncio.wait_for(connection.lost(), 20)
        assert lost.value.code == "mqtt-lost"
        assert await why(port, tls, who) in ("mqtt-silent", "mqtt-lost")


async def test_a_kit_whose_clock_is_not_set_still_trusts_its_own_center_only(tmp_path: Path) -> None:
    """A server certificate of the future is what a clock of the past sees."""
    from datetime import UTC, datetime, timedelta

    from gateway.base import server_tls

    made = server_tls.ensure(tmp_path / "tls", "center1", ["127.0.0.1"], now=datetime.now(UTC) + timedelta(days=400))
    server = made.context()
    other = server_tls.ensure(tmp_path / "other", "center1", ["127.0.0.1"])

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    broker = Broker("tls", "127.0.0.1", port)

    async def code(ca: Path, good: bool) -> str:
        try:
            sock = await Dialler(ClientTls(ca), clock_good=lambda: good).dial(broker, 5.0)
        except GatewayError as exc:
            return exc.code
        assert isinstance(sock, ssl.SSLSocket)
        sock.close()
        return ""

    assert await code(made.ca, True) == "tls-clock"
    assert await code(made.ca, False) == ""
    assert await code(other.ca, False) == "tls-untrusted"
    listening.close()
    await listening.wait_closed()


async def test_the_first_alarm_of_a_kit_that_says_it_is_ready_waits_for_the_center(tmp_path: Path) -> None:
    """Found by `make soak-events`: the daemon was ready before anything was kept for its center."""
    async with gateway(tmp_path / "kit", kit_toml("kit7", free_port())) as kit:
        await kit.alarm("one")
        (standing,) = kit.core.outbox.standing()
        side = await kit.core.outbox.join(standing.name, standing.adapter)
        assert len(await side.waiting(10)) == 1


async def test_by_the_link_bundle_to_the_broker_of_a_center(tmp_path: Path) -> None:
    """The bundle is another adapter's: here its stream is a connection to where the center's service would be."""
    port, loop = free_port(), asyncio.get_running_loop()

    async def carried(service: str) -> socket.socket:
        assert service == "mqtt"
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        await loop.sock_connect(made, ("127.0.0.1", port))
        return made

    text = toml("kit7", "edge", f'brokers = ["uplink:{CENTER}/mqtt"]\n')
    async with gateway(tmp_path / "center", center_toml(port)) as center, gateway(tmp_path / "kit", text) as kit:
        certified(center.state_dir, kit.state_dir, "kit7")
        await paired(center, kit)
        await until(lambda: [one.code for one in kit.mqtt.standings] == ["kit-unreachable"])
        kit.core.fleet.services.carried(CENTER, carried)
        await until(lambda: center.core.fleet.kit(SYSTEM, "kit7").state is KitState.ONLINE, "the kit is online")


async def test_each_of_two_centers_has_its_own_broker_and_gets_what_happens(tmp_path: Path) -> None:
    async with gateway(tmp_path / "kit", toml("kit7", "edge", "")) as kit, contextlib.AsyncExitStack() as stack:
        centers = []
        for name in (CENTER, "center2"):
            text = toml(name, "center", f'listen = "127.0.0.1:{free_port()}"\n', api_port=free_port())
            centers.append(await stack.enter_async_context(gateway(tmp_path / name, text)))
            await paired(centers[-1], kit)
        fleets = [center.core.fleet for center in centers]
        await until(lambda: [one.kit(SYSTEM, "kit7").state for one in fleets] == [KitState.ONLINE] * 2, "both see it")
        await kit.alarm("one")
        for _ in range(500):
            if [await center.alarms() for center in centers] == [["one"], ["one"]]:
                break
            await asyncio.sleep(0.02)
        assert [await center.alarms() for center in centers] == [["one"], ["one"]]
        assert [one.code for one in kit.mqtt.standings] == ["", ""]
