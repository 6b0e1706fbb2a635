"""adapters/mesh: the adapter and its readers against sockets of ours; each failure is its own, named, and ends."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.mesh import Mesh
from adapters.mesh.adapter import MOST_PLACED
from adapters.mesh.config import MeshConfig
from adapters.mesh.protocol.meshtastic import Placed
from adapters.mesh.sources import babel, source
from gateway.base.errors import LinkDown
from gateway.model.link import BearerFacts
from gateway.model.mesh import MeshSnapshot
from gateway.model.position import Position
from tests.unit.mesh.test_babel import HELLO, TABLE
from tests.unit.mesh.test_radios import INFO, SIGNAL, STATIONS


class Context:
    """As much of one as the adapter asks for."""

    gateway = "kit1"

    def __init__(self) -> None:
        self.snapshots: dict[str, MeshSnapshot] = {}
        self.facts: dict[str, BearerFacts] = {}
        self.news = asyncio.Event()
        self.count = 0
        self.places: list[Position] = []
        self.links = self.meshes = self.reach = self.messages = self

    def ready(self) -> None:
        pass

    @contextmanager
    def offer(self, name: str, _what: Any, **_more: Any) -> Iterator[Any]:
        outer = self

        class Seat:
            def tell(self, told: Any) -> None:
                (outer.facts if isinstance(told, BearerFacts) else outer.snapshots)[name] = told  # type: ignore[index]
                outer.news.set()
                outer.count += 1

        yield Seat()

    def position(self, position: Position) -> None:
        self.places.append(position)

    async def connect(self, host: str, port: int, **_how: Any) -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, (host, port))
        except BaseException:  # the adapter ended meanwhile
            made.close()
            raise
        return made

    async def until(self, seen: Callable[[MeshSnapshot], bool], mesh: str = "mesh") -> MeshSnapshot:
        async with asyncio.timeout(60):
            while mesh not in self.snapshots or not seen(self.snapshots[mesh]):
                self.news.clear()
                await self.news.wait()
        return self.snapshots[mesh]


@contextmanager
def free_udp() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    yield port


@asynccontextmanager
async def running(**sources: dict[str, Any]) -> AsyncIterator[Context]:
    context = Context()
    adapter = Mesh(MeshConfig.model_validate({"sources": sources, "stale": "1s"}), context)  # type: ignore[arg-type]
    task = asyncio.create_task(adapter.run())
    try:
        yield context
        assert adapter.figures()["mesh_nodes"] >= 0 and len(adapter.findings()) == len(sources)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_babeld_is_followed_and_followed_again(tmp_path: Path) -> None:
    path, writers = tmp_path / "b.sock", list[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(HELLO)
        assert await reader.readline() == b"monitor\n"
        writer.write(TABLE)

    server = await asyncio.start_unix_server(serve, path)
    async with server, running(a={"kind": "babel", "socket": str(path), "own": True, "interface": "mab"}) as context:
        whole = await context.until(lambda one: len(one.edges) == 2)
        assert len(whole.nodes) == 4 and whole.nodes[0].own
        assert context.facts["mesh-a"].interface == "mab"
        writers[0].write(b"change interface mab up false\n")
        await context.until(lambda one: len(one.edges) == 1)
        writers[0].close()
        gone = await context.until(lambda one: one.sources[0].code != "")
        assert gone.sources[0].code == "mesh-silent"
        await context.until(lambda one: one.sources[0].code == "" and len(one.edges) == 2)
        assert len(writers) >= 2
        for writer in writers:
            writer.close()


async def test_babeld_that_hangs_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It greets, tells its table, and says nothing for ever: stopped, or its machine is gone."""
    monkeypatch.setattr(babel, "PING_S", 0.05)
    monkeypatch.setattr(babel, "PATIENCE_S", 0.3)
    path, asked = tmp_path / "b.sock", list[bytes]()
    deaf = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        while line := await reader.readline():
            asked.append(line)
            if not deaf.is_set():
                writer.write(TABLE if line == b"monitor\n" else b"ok\n")
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    async with server, running(a={"kind": "babel", "socket": str(path)}) as context:
        await context.until(lambda one: len(one.edges) == 2)
        async with asyncio.timeout(10):
            while asked.count(b"#\n") < 10:  # at rest: it is asked, and that is enough
                context.news.clear()
                await context.news.wait()
        assert context.snapshots["mesh"].sources[0].code == "" and asked.count(b"monitor\n") == 1
        deaf.set()
        gone = await context.until(lambda one: one.sources[0].code != "")
        assert gone.sources[0].code == "mesh-silent"


async def test_a_mistake_in_one_source_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wrong(_self: object, _show: object) -> None:
        raise ValueError("label empty or too long")

    monkeypatch.setattr(babel.BabelReader, "run", wrong)
    with free_udp() as port:
        silvus = {"kind": "silvus", "listen": f"127.0.0.1:{port}", "sender": "127.0.0.1"}
        async with running(bad={"kind": "babel"}, mast=silvus) as context:
            await context.until(lambda one: one.sources[0].code == "internal")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as radio:
                radio.sendto(SIGNAL, ("127.0.0.1", port))
            assert (await context.until(lambda one: len(one.nodes) == 1)).nodes[0].id == "1025"


async def test_a_flood_of_changes_is_told_now_and_then() -> None:
    """A radio (or whoever sends in its name) with another topology in each of thousands of datagrams."""
    map_ = {"nodes": "n", "node_fields": {"id": "id"}, "links": "", "link_fields": {}}
    with free_udp() as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as radio:
        source = {"kind": "udp", "listen": f"127.0.0.1:{port}", "sender": "127.0.0.1", **map_}
        async with running(mast=source) as context:
            await context.until(lambda one: True)
            before = context.count
            for n in range(3000):
                radio.sendto(json.dumps({"n": [{"id": str(n)}]}).encode(), ("127.0.0.1", port))
                if n % 50 == 49:
                    await asyncio.sleep(0)
            await context.until(lambda one: [node.id for node in one.nodes] == ["2999"])
            assert context.count - before < 60


async def test_places_of_made_up_radios_have_an_end() -> None:
    context = Context()
    adapter = Mesh(MeshConfig.model_validate({"sources": {}}), context)  # type: ignore[arg-type]
    for n in range(2000):
        adapter._placed(Placed(f"!{n:08x}", "", 104.0, 30.0, None, None, None, None, None))
    adapter._placed(Placed("!00000001", "", 104.1, 30.0, None, None, None, None, None))
    assert len({position.device for position in context.places}) == MOST_PLACED
    assert context.places[-1].longitude == 104.1, "those who were there stay"


async def test_an_agent_that_trickles_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "ASK_S", 0.05)
    with pytest.raises(LinkDown) as told:
        await source.each(1.0, asyncio.Event().wait)  # type: ignore[arg-type]
    assert told.value.code == "mesh-silent"


async def test_only_the_radio_is_heard_and_garbage_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listen = f"127.0.0.1:{port}"
    silvus = {"kind": "silvus", "listen": listen, "sender": "127.0.0.1", "peer": "1026"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as radio:
        radio.bind(("127.0.0.1", 0))
        async with running(mast=silvus) as context:
            await context.until(lambda one: True)
            radio.sendto(SIGNAL, ("127.0.0.1", port))
            assert (await context.until(lambda one: len(one.edges) == 1)).edges[0].a == "1025"
            for _ in range(20):
                radio.sendto(b"garbage", ("127.0.0.1", port))
            await context.until(lambda one: one.sources[0].code == "mesh-garbled")
        async with running(mast={**silvus, "sender": "192.0.2.1"}) as context:
            await context.until(lambda one: True)
            radio.sendto(SIGNAL, ("127.0.0.1", port))
            told = await context.until(lambda one: one.sources[0].code == "mesh-silent")
            assert told.nodes == ()


class Radio:
    """An OpenWrt radio's web server: a session that ends after some questions."""

    def __init__(self, password: str = "secret") -> None:
        self.password, self.session, self.logins, self.left = password, "", 0, 0

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        session, object_, method, arguments = call["params"]
        if (object_, method) == ("session", "login"):
            if arguments["password"] != self.password:
                return {"id": call["id"], "result": [6]}
            self.logins, self.left = self.logins + 1, 4
            self.session = f"{self.logins:032d}"
            return {"id": call["id"], "result": [0, {"ubus_rpc_session": self.session, "expires": 300}]}
        self.left -= 1
        if session != self.session or self.left < 0:
            return {"id": call["id"], "error": {"code": -32002, "message": "Access denied"}}
        data: dict[str, Any] = {"devices": ["wlan0"], "hostname": "radio-1"}
        data = {"info": INFO, "assoclist": STATIONS}.get(method, data)
        return {"id": call["id"], "result": [0, data]}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        asked = json.loads(await reader.readexactly(size)) if size else []
        told = {"n": [{"id": "x", "near": [{"to": "y", "rssi": -70}]}]}
        body = json.dumps([self.answer(call) for call in asked] if asked else told).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()


async def test_radios_by_http_and_a_session_that_ends() -> None:
    radio = Radio()
    server = await asyncio.start_server(radio.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ubus"
    ubus = {"kind": "ubus", "url": url, "password": "secret", "every": "500ms"}
    fields = {"nodes": "n", "node_fields": {"id": "id"}, "links": "n.*.near"}
    http = {
        "kind": "http",
        "url": url,
        **fields,
        "link_fields": {"a": "^id", "b": "to", "rssi_dbm": "rssi"},
        "mesh": "two",
    }
    wrong = {**ubus, "password": "wrong", "mesh": "three"}
    async with server, running(mast=ubus, json=http, locked=wrong) as context:
        told = await context.until(lambda one: len(one.edges) == 2)
        assert any(node.name == "radio-1" for node in told.nodes)
        assert (await context.until(lambda one: len(one.edges) == 1, "two")).edges[0].rssi_dbm == -70
        await context.until(lambda one: one.sources[0].code == "mesh-denied", "three")
        while radio.logins < 2:
            context.news.clear()
            await context.news.wait()
        assert context.snapshots["mesh"].sources[0].code == ""


async def test_a_radio_that_hides_its_stations_does_not_look_alone() -> None:
    radio = Radio()
    plain = radio.answer
    radio.answer = lambda call: {"id": call["id"], "result": [6]} if call["params"][2] == "assoclist" else plain(call)  # type: ignore[method-assign]
    server = await asyncio.start_server(radio.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ubus"
    ubus = {"kind": "ubus", "url": url, "password": "secret", "interface": "mesh0"}
    async with server, running(mast=ubus) as context:
        await context.until(lambda one: one.sources[0].code == "mesh-denied")
        assert context.facts["mesh-mast"].code == "mesh-denied"


async def test_batctl_that_is_missing_or_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with running(b={"kind": "batctl"}) as context:
        told = await context.until(lambda one: one.sources[0].code == "mesh-no-batctl")
        program = tmp_path / "batctl"
        program.write_text(
            '#!/bin/sh\n[ "$1 $2" = "meshif bat0" ] && echo \'[{"neigh_address":"02:00:00:00:00:02"}]\'\n'
        )
        program.chmod(0o755)
        told = await context.until(lambda one: one.sources[0].code == "")
        assert [node.id for node in told.nodes] == ["02:00:00:00:00:02", "b"]
    (finding,) = await Mesh.checks(MeshConfig.model_validate({"sources": {"b": {"kind": "batctl"}}}))
    assert finding.code == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "babel", "socket": "relative"},
        {"kind": "ubus", "url": "ftp://x/"},
        {"kind": "batctl", "batman": "bat0; reboot"},
        {"kind": "http", "url": "http://x/", "links": "a b"},
        {"kind": "http", "url": "http://x/", "link_fields": {"strange": "x"}},
        {"kind": "snmp", "agent": {"host": "x"}, "link_fields": {"b": "1.x"}},
        {"kind": "babel", "interface": "a/b"},
        {"kind": "babel", "mesh": "A B"},
        {"kind": "babel", "socket": "host:70000"},
        {"kind": "silvus", "sender": "radio.local"},
        {"kind": "nonsense"},
    ],
)
def test_what_can_not_be_is_said_when_it_is_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MeshConfig.model_validate({"sources": {"a": wrong}})
    with pytest.raises(ValidationError):
        MeshConfig.model_validate({"sources": {"A b": {"kind": "babel"}}})
    with pytest.raises(ValidationError):
        MeshConfig.model_validate({"sources": {f"s{n}": {"kind": "babel", "mesh": f"m{n}"} for n in range(17)}})
    silvus = MeshConfig.model_validate({"sources": {"a": {"kind": "silvus", "sender": "FE80:0::1"}}}).sources["a"]
    assert silvus.sender == "fe80::1"  # type: ignore[union-attr]
