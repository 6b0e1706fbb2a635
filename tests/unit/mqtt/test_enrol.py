"""A kit asks its center for a certificate: sealed both ways, in words where it is refused."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgpack
import pytest

from adapters.mqtt.address import Broker
from adapters.mqtt.enrol import ASK, TELL, Applicant, Registrar, Where, ends_soon, told_brokers
from adapters.mqtt.protocol.seal import Seal
from gateway.base import server_tls
from gateway.base.authority import Authority, ClientFiles, client_files, new_request
from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, PeerError, RemoteProtocolError
from gateway.contract.http import HttpRequest
from gateway.model.pairing import PairedCenter, PairedKit
from gateway.model.principal import SYSTEM
from tests.unit.mqtt.rig import until

KEY = b"k" * 32
KIT, CENTER = Seal("kit7", [KEY]), Seal("county", [KEY])


class Scene:
    def __init__(self, folder: Path, where: Where) -> None:
        self.now = 100.0
        self.authority = Authority(folder / "tls", "county")
        clock = Clock(monotonic=lambda: self.now)
        seals = {"kit7": CENTER}.get
        self.registrar = Registrar(self.authority, None, seals, lambda: where, clock)  # type: ignore[arg-type]
        self.files = client_files(folder / "kit", "county")

    async def asked(self, body: bytes) -> bytes:
        return (await self.registrar.answer(HttpRequest("POST", {}, {}, body, SYSTEM, ""))).body


@asynccontextmanager
async def api(folder: Path, answer: Callable[[bytes], Awaitable[tuple[int, bytes]]]) -> AsyncIterator[int]:
    """As much of HTTPS as it takes."""
    made = server_tls.ensure(folder / "api", "county", ["127.0.0.1"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r")[0])
        status, body = await answer(await reader.readexactly(length))
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    context: ssl.SSLContext = made.context()
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def applicant(files: ClientFiles, port: int, seal: Seal = KIT, host: str = "127.0.0.1") -> Applicant:
    return Applicant("kit7", PairedCenter("county", b"c" * 32, hosts=(host,), tcp_port=port), seal, files)


async def test_a_certificate_and_the_brokers_with_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Where((), 8899))
    assert ends_soon(scene.files) and told_brokers(scene.files) == []

    async def answer(body: bytes) -> tuple[int, bytes]:
        return 200, await scene.asked(body)

    got = asyncio.Event()
    async with api(tmp_path, answer) as port:
        running = asyncio.create_task(applicant(scene.files, port).run(got.set))
        await asyncio.wait_for(got.wait(), 20)
        running.cancel()
    assert scene.files.whole() and not ends_soon(scene.files)
    assert told_brokers(scene.files) == [Broker("tls", "127.0.0.1", 8899)]
    assert [row.name for row in scene.authority.issued()] == ["kit7"]
    assert ends_soon(scene.files, datetime.now(UTC) + timedelta(days=1095 - 30)), "renewed in time"


async def test_a_cluster_is_told_by_its_names(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Where(("mqtts://mq1.example:8883", "mqtts://mq2.example:8883")))

    async def answer(body: bytes) -> tuple[int, bytes]:
        return 200, await scene.asked(body)

    async with api(tmp_path, answer) as port:
        await applicant(scene.files, port).ask()
    assert [str(one) for one in told_brokers(scene.files)] == ["mqtts://mq1.example:8883", "mqtts://mq2.example:8883"]


async def test_who_is_not_paired_gets_nothing_and_nobody_too_often(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Where((), 1))
    _, request = new_request("kit7")
    good = KIT.close(ASK, request)
    refused: list[tuple[bytes, str]] = [
        (request, "kit-unknown"),
        (b"", "kit-unknown"),
        (Seal("kit8", [KEY]).close(ASK, request), "kit-unknown"),
        (Seal("kit7", [b"x" * 32]).close(ASK, request), "mqtt-forged"),
        (KIT.close(TELL, request), "mqtt-forged"),
        (KIT.close(ASK, b"no request"), "certificate-damaged"),
    ]
    for body, code in refused:
        with pytest.raises(GatewayError) as wrong:
            await scene.asked(body)
        assert wrong.value.code == code
        scene.now += 60
    assert (await scene.asked(good)).startswith(b"\xc1")
    with pytest.raises(Busy):
        await scene.asked(good)
    assert isinstance(wrong.value, Denied | RemoteProtocolError)


async def test_a_center_that_is_not_ours_is_not_believed(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Where((), 8899))

    async def forged(body: bytes) -> tuple[int, bytes]:
        return 200, Seal("county", [b"x" * 32]).close(TELL, body)

    async def nonsense(body: bytes) -> tuple[int, bytes]:
        return 200, CENTER.close(TELL, b"\x80")

    async def refusing(body: bytes) -> tuple[int, bytes]:
        return 403, b"no"

    wrongs = ((forged, "mqtt-forged"), (nonsense, "certificate-damaged"), (refusing, "mqtt-refused"))
    for answer, code in wrongs:
        async with api(tmp_path, answer) as port:
            with pytest.raises((RemoteProtocolError, PeerError)) as wrong:
                await applicant(scene.files, port).ask()
            assert wrong.value.code == code
    with pytest.raises(LinkDown):
        await applicant(scene.files, 1).ask()
    assert not scene.files.whole()


class Paired:
    """As much of `contract.fleet.Pairings` as a registrar follows."""

    def __init__(self) -> None:
        self.rows: dict[str, PairedKit] = {}
        self.told: list[Callable[[], None]] = []

    def kits(self) -> list[PairedKit]:
        return list(self.rows.values())

    def on_change(self, called: Callable[[], None]) -> Callable[[], None]:
        self.told.append(called)
        return lambda: self.told.remove(called)

    def put(self, row: PairedKit) -> None:
        self.rows[row.gateway] = row
        self.changed()

    def changed(self) -> None:
        for called in self.told:
            called()


async def test_certificates_follow_their_pairing(tmp_path: Path) -> None:
    pairings, clock = Paired(), Clock()
    authority = Authority(tmp_path / "tls", "county")

    def registrar() -> Registrar:
        return Registrar(authority, pairings, {"kit7": CENTER}.get, lambda: Where((), 1), clock)  # type: ignore[arg-type]

    async def given() -> None:
        asked = HttpRequest("POST", {}, {}, KIT.close(ASK, new_request("kit7")[1]), SYSTEM, "")
        await registrar().answer(asked)

    def good() -> list[str]:
        return [row.name for row in authority.issued() if row.revoked_at is None]

    authority.issue_client("kit8", new_request("kit8")[1])
    authority.issue_client("county", new_request("county")[1])
    first = PairedKit("kit7", b"7" * 32, admitted_at=clock.wall() - 10)
    pairings.put(first)
    await given()
    following = registrar()
    task = asyncio.create_task(following.follow())
    await until(lambda: pairings.told)
    pairings.changed()
    assert good() == ["kit8", "county", "kit7"], "nobody else's, and it is good while it is paired"
    pairings.put(replace(first, key=b"8" * 32, admitted_at=clock.wall() + 0.001))
    await until(lambda: clock.wall() > pairings.rows["kit7"].admitted_at)
    pairings.changed()
    await until(lambda: good() == ["kit8", "county"], "the one from before is taken back")
    await given()
    assert good() == ["kit8", "county", "kit7"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    del pairings.rows["kit7"]
    task = asyncio.create_task(registrar().follow())
    await until(lambda: good() == ["kit8", "county"], "forgotten while nobody looked; what was signed by hand stays")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_another_pairing_or_a_refusal_asks_anew(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Where((), 8899))

    async def answer(body: bytes) -> tuple[int, bytes]:
        scene.now += 60
        return 200, await scene.asked(body)

    def issued() -> int:
        return len(scene.authority.issued())

    async with api(tmp_path, answer) as port:
        for admitted_at, number in ((1.0, 1), (1.0, 1), (2.0, 2)):
            row = PairedCenter("county", b"c" * 32, hosts=("127.0.0.1",), tcp_port=port, admitted_at=admitted_at)
            made = Applicant("kit7", row, KIT, scene.files)
            task = asyncio.create_task(made.run(lambda: None))
            await until(lambda: issued() == number)  # noqa: B023
            await until(lambda: not made._wanted())  # noqa: B023
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        task = asyncio.create_task(made.run(lambda: None))
        await until(lambda: not made._wanted())
        made.refused()
        await until(lambda: not made._refused.is_set())
        assert issued() == 2, "it is of this hour"
        hours_ago = scene.files.certificate.stat().st_mtime - 4000
        os.utime(scene.files.certificate, (hours_ago, hours_ago))
        made.refused()
        await until(lambda: issued() == 3, "a new one")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    "told",
    [
        {"brokers": [1]},
        {"brokers": [b"x"]},
        {"brokers": {}},
        {"brokers": ["mqtt+unix:///run/secret.sock"]},
        {"brokers": ["uplink:other/mqtt"]},
        {"port": 70_000},
        {"port": "1"},
        {"certificate": None},
        {"ca": "text"},
    ],
)
async def test_nonsense_of_one_center_stays_its_own(tmp_path: Path, told: dict[str, object]) -> None:
    good = {"certificate": b"x", "ca": b"y", "brokers": [], "port": 8883}

    async def answer(_body: bytes) -> tuple[int, bytes]:
        return 200, CENTER.close(TELL, msgpack.packb(good | told))

    async with api(tmp_path, answer) as port:
        with pytest.raises(RemoteProtocolError) as wrong:
            await applicant(client_files(tmp_path, "county"), port).ask()
        assert wrong.value.code == "certificate-damaged"


async def test_a_mistake_in_one_applicant_ends_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def mistaken(_self: Applicant) -> None:
        asked.set()
        raise AttributeError("a mistake of ours")

    monkeypatch.setattr(Applicant, "ask", mistaken)
    task = asyncio.create_task(applicant(client_files(tmp_path, "county"), 1).run(lambda: None))
    await asyncio.wait_for(asked.wait(), 20)
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
