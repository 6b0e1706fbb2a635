"""The whole daemon in this process, with the media plane in memory and toys for adapters."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from gateway import codecs
from gateway.base.errors import ConfigError, Denied
from gateway.config.load import load_config
from gateway.contract.media import Publication, Viewing
from gateway.contract.source import SourceUrl
from gateway.contract.voice import SeatWish
from gateway.core.facts import BusEvent
from gateway.core.services import Services
from gateway.daemon import Daemon
from gateway.model.doctor import Grade
from gateway.model.principal import SYSTEM, Principal, Role
from gateway.model.voice import MemberKind
from gateway.registry import Installed
from gateway.supervise import Supervised
from tests.fakes.engine import FakeEngine
from tests.fakes.toy import Toy

TABLE = Installed({"toy": "tests.fakes.toy:Toy"})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Rig:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "fieldgate.toml"
        self.state_dir = folder / "state"
        self.port = free_port()
        self.engines: list[FakeEngine] = []
        Toy.runs.clear()

    def write(self, text: str, *, port: int | None = None) -> None:
        api = f'[api]\nlisten = "127.0.0.1"\nport = {port or self.port}\ntls = false\n'
        self.path.write_text(api + text)

    def daemon(self, monkeypatch: pytest.MonkeyPatch) -> Daemon:
        monkeypatch.setattr("gateway.daemon.Installed", lambda: TABLE)
        config = load_config(self.path, TABLE)
        gateway = config.gateway.model_copy(update={"state_dir": self.state_dir})
        config = dataclasses.replace(config, gateway=gateway)
        return Daemon(config, self.path, self.state_dir, registry=TABLE, engine=self.engine)

    def engine(self, threads: int) -> codecs.Engine:
        self.engines.append(FakeEngine(threads=threads))
        return cast(codecs.Engine, self.engines[-1])


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@asynccontextmanager
async def running(daemon: Daemon) -> AsyncIterator[Services]:
    """Everything that was begun has ended after it."""
    before = asyncio.all_tasks()
    async with daemon.started() as services:
        yield services
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert not left, f"tasks were left behind: {left}"


TWO = "[adapter.east]\ntype = 'toy'\n[adapter.west]\ntype = 'toy'\n"


async def test_a_life(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.write(TWO)
    async with running(rig.daemon(monkeypatch)) as services:
        assert {a.name: a.state for a in services.daemon.adapters()} == {"east": "running", "west": "running"}
        health = services.daemon.health()
        assert health.ok and health.ready
        figures = services.metrics.render().decode()
        assert 'gateway_adapter_running{adapter="west"} 1.0' in figures
        assert 'gateway_adapter_figure{adapter="west",figure="toys"} 1.0' in figures
        assert f"gateway_loop_tasks {len(asyncio.all_tasks())}.0" in figures
        assert (rig.state_dir / "adapters" / "east").stat().st_mode & 0o777 == 0o700
        _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.close()
    assert all(toy.ended for toy in Toy.runs) and rig.engines[0].closed


async def test_the_collector_begins_when_all_is_loaded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.write("")
    gc.disable()  # as `fieldgate run` does before it imports the rest
    try:
        daemon = rig.daemon(monkeypatch)
        async with running(daemon), asyncio.timeout(10):
            assert not gc.isenabled()
            await next(task for task in asyncio.all_tasks() if task.get_name() == "what follows")
            assert gc.isenabled() and gc.get_freeze_count() > 10_000
    finally:
        gc.enable()
        gc.unfreeze()


async def test_running_adapters_say_what_they_find_and_one_mistake_hides_no_other(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.write("[adapter.east]\ntype = 'toy'\nword = 'ill'\n[adapter.west]\ntype = 'toy'\nword = 'well'\n")
    async with running(rig.daemon(monkeypatch)) as services:
        found = {one.check: (one.grade, one.code) for one in services.daemon.findings()}
        assert found == {"adapter east": (Grade.FAIL, "internal"), "toy well": (Grade.WARN, "internal")}
        rig.write("[adapter.west]\ntype = 'toy'\nword = 'well'\n")
        await services.daemon.reload(SYSTEM)
        assert [one.check for one in services.daemon.findings()] == ["toy well"], "one that is gone has no say"


async def test_reload_touches_only_what_changed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.write(TWO)
    async with running(rig.daemon(monkeypatch)) as services:
        east, west = Toy.runs
        assert await services.daemon.reload(SYSTEM) == []
        rig.write(TWO.replace("[adapter.west]", "[adapter.west]\nword = 'new'") + "[streams]\nidle_close = '33s'\n")
        changes = await services.daemon.reload(SYSTEM)
        assert any("adapter.west.word" in change for change in changes)
        assert services.config().streams.idle_close == 33.0
        assert west.ended and not east.ended and len(Toy.runs) == 3
        assert Toy.runs[2].config.word == "new"


async def test_talk_groups_change_under_those_who_sit_in_them(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    fire = "[talk.group.fire]\nnumber = '601'\n"
    rig.write(TWO + fire)
    async with running(rig.daemon(monkeypatch)) as services:
        (toy, _) = Toy.runs
        assert [group.number for group in services.talk.groups(SYSTEM)] == ["601"], "what is named replaces the default"
        wish = SeatWish("sip:1", MemberKind.SIP, "one")
        async with toy.context.talk.seat(toy.context.talk.resolve("601"), wish) as seat:
            rig.write(TWO + fire.replace("601", "602") + "talk_timer = '5s'\n[talk.group.medical]\n")
            changes = await services.daemon.reload(SYSTEM)
            assert "talk.group.fire.number: '601' → '602'" in changes
            assert [group.id for group in services.talk.groups(SYSTEM)] == ["kit1/talk/fire", "kit1/talk/medical"]
            assert services.talk.group(SYSTEM, "602").members[0].id == seat.member == "sip:1"
        rig.write(TWO + "[talk.group.a]\nnumber = '1'\n[talk.group.b]\nnumber = '1'\n")
        with pytest.raises(ConfigError, match="number of group"):
            await services.daemon.reload(SYSTEM)


async def test_sources_programs_and_pushes_change_alone_and_viewers_stay(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = "[source.gate]\nurl = 'toy://192.168.1.64/1'\n"
    yard = "[source.yard]\nurl = 'toy://192.168.1.65/1'\n"
    rig.write(TWO + gate + yard)
    opened: asyncio.Queue[str] = asyncio.Queue()
    sent: asyncio.Queue[str] = asyncio.Queue()

    async def open_(url: SourceUrl, publication: Publication) -> None:
        opened.put_nowait(f"{url.host} {url.password}")
        await asyncio.get_running_loop().create_future()

    async def send(url: SourceUrl, viewing: Viewing) -> None:
        sent.put_nowait(f"{url.host} {viewing.stream}")
        await asyncio.get_running_loop().create_future()

    async with running(rig.daemon(monkeypatch)) as services:
        (toy, _) = Toy.runs
        context, streams = toy.context, toy.context.streams
        context.sources.scheme("toy", open_)
        context.sources.push_scheme("toy", send)
        one, other = streams.resolve("gate"), streams.resolve("yard")
        async with streams.view(one, SYSTEM, "test") as viewing, streams.view(other, SYSTEM, "test"):
            handle = viewing.handle
            assert {await _next(opened), await _next(opened)} == {"192.168.1.64 ", "192.168.1.65 "}
            rig.write(TWO + gate.replace("//", "//user:s3cret@") + yard + "[program.drone]\npublish = ['drone-1']\n")
            changes = await services.daemon.reload(SYSTEM)
            assert await _next(opened) == "192.168.1.64 s3cret"
            assert changes and "s3cret" not in str(changes)
            assert viewing.handle == handle and viewing.status.viewers == 1
            assert streams.resolve("drone-1") == "kit1/drone-1/main" and context.programs.secret("drone")
            push = "[push.out]\nstream = 'yard'\nurl = 'toy://10.0.0.9/1'\n"
            rig.write(TWO + gate.replace("//", "//user:s3cret@") + yard + push)
            await services.daemon.reload(SYSTEM)
            assert await _next(sent) == "10.0.0.9 kit1/yard/main"
            assert context.programs.secret("drone") is None
            with pytest.raises(Denied):
                await context.reach.addresses("127.0.0.1", 80)
            rig.write(TWO + gate.replace("//", "//user:s3cret@") + yard + "[security]\npull_allow = ['127.0.0.1']\n")
            await services.daemon.reload(SYSTEM)
            assert await context.reach.addresses("127.0.0.1", 80)
            assert opened.empty() and services.sources.pushes(SYSTEM) == []
        assert not any(toy.ended for toy in Toy.runs), "no adapter was restarted for it"


async def _next(queue: asyncio.Queue[str]) -> str:
    return await asyncio.wait_for(queue.get(), 5)


async def test_a_wrong_file_changes_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.write(TWO)
    async with running(rig.daemon(monkeypatch)) as services:
        before = services.config()
        rig.write(TWO + "[streams]\nidle_close = 5\n")
        with pytest.raises(ConfigError, match=r"streams\.idle_close"):
            await services.daemon.reload(SYSTEM)
        assert services.config() == before and not any(toy.ended for toy in Toy.runs)
        with pytest.raises(Denied):
            await services.daemon.reload(Principal("v", Role.VIEWER, "s"))


async def test_what_needs_a_new_daemon_is_said_and_left(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.write(TWO)
    async with running(rig.daemon(monkeypatch)) as services:
        rig.write(TWO + "[media]\nthreads = 2\n")
        changes = await services.daemon.reload(SYSTEM)
        assert "media: takes effect when the daemon is started anew" in changes
        assert services.config().media.threads == 1 and not any(toy.ended for toy in Toy.runs)


async def test_the_api_moves_and_comes_back_when_its_new_port_is_taken(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.write(TWO)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with running(rig.daemon(monkeypatch)) as services:
            rig.write(TWO, port=taken.getsockname()[1])
            with pytest.raises(ConfigError, match=r"api\.port"):
                await services.daemon.reload(SYSTEM)
            assert services.config().api.port == rig.port
            _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
            writer.close()


async def test_a_port_taken_holds_up_that_adapter_alone_names_key_and_cure_and_is_waited_for(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.supervise.FIRST_S", 0.01)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        rig.write(TWO.replace("[adapter.west]", f"[adapter.west]\nlisten = '127.0.0.1:{port}'"))
        async with running(rig.daemon(monkeypatch)) as services:
            states = {a.name: a for a in services.daemon.adapters()}
            assert states["east"].state == "running"
            assert (states["west"].state, states["west"].code) == ("waiting", "port-in-use")
            assert (
                states["west"].detail.startswith("adapter.west.listen: ") and "stop the other" in states["west"].detail
            )
            assert services.daemon.health().ok, "one adapter that can not run is no reason to be killed"
            async with asyncio.timeout(20), services.bus.subscribe(SYSTEM, types=["adapter"]) as events:
                taken.close()
                async for event in events:
                    if isinstance(event, BusEvent) and event.data.state == "running":
                        break
            west = services.daemon.adapters()[1]
            assert (west.name, west.code) == ("west", "") and west.restarts


async def test_the_api_port_taken_ends_the_start(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", rig.port))
        taken.listen()
        rig.write(TWO)
        with pytest.raises(ConfigError, match=r"api\.port") as refused:
            async with running(rig.daemon(monkeypatch)):
                pass
        assert refused.value.code == "port-in-use" and rig.engines[0].closed


@pytest.mark.parametrize("where", ["api", "adapters"])
async def test_told_to_stop_in_the_middle_of_the_start_it_ends_what_it_began(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    rig.write(TWO)
    daemon = rig.daemon(monkeypatch)
    here = asyncio.Event()

    async def never(_supervised: Supervised) -> None:
        if _supervised.name == ("api" if where == "api" else "west"):
            here.set()
            await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(Supervised, "settled", never)
    before = asyncio.all_tasks()
    run = asyncio.create_task(daemon.run())
    async with asyncio.timeout(30):
        await here.wait()
        reload = asyncio.create_task(daemon.reload(SYSTEM))
        os.kill(os.getpid(), signal.SIGTERM)
        assert await run == 0
    assert not reload.done(), "nothing is read anew before it is ready"
    reload.cancel()
    await asyncio.gather(reload, return_exceptions=True)
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()
    assert all(toy.ended for toy in Toy.runs) and rig.engines[0].closed
    monkeypatch.undo()
    async with running(rig.daemon(monkeypatch)):  # the folder and the port are free
        pass


async def test_two_gateways_do_not_share_a_folder(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.write(TWO)
    async with running(rig.daemon(monkeypatch)):
        with pytest.raises(ConfigError, match="another gateway runs"):
            async with running(rig.daemon(monkeypatch)):
                pass
    async with running(rig.daemon(monkeypatch)):
        pass


async def test_silent_media_threads_stop_the_watchdog(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.write(TWO)
    daemon = rig.daemon(monkeypatch)
    async with running(daemon) as services:
        rig.engines[0].answers = False
        await daemon.core.watch._ask()
        assert not services.daemon.health().ok and services.daemon.health().parts["media"] == "internal"
        rig.engines[0].answers = True
        await daemon.core.watch._ask()
        assert services.daemon.health().ok
