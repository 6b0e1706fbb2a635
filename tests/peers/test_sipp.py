"""SIPp, which we did not write, registers with us and calls us and is called, on UDP and TCP, with and without loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.net.sip import IncomingCall, IncomingRequest, Listen, SipEndpoint
from gateway.wire.digest import Authorization, DigestServer, Verdict
from gateway.wire.sdp import Sdp
from gateway.wire.sip import new_request, peer_uri
from tests.peers.programs import need

SCENARIOS = Path(__file__).parent / "sipp"
CALLS = 20
LOST = 25  # per cent of what SIPp receives where the scenario says so; both sides must repeat
MODE = {"udp": "u1", "tcp": "t1"}

pytestmark = pytest.mark.peer


@pytest.fixture(autouse=True)
def sipp_is_here() -> None:
    need("sipp")


def scenario(name: str, folder: Path, lost: int = 0) -> Path:
    """A copy of a scenario file in which SIPp loses `lost` per cent of what it waits for."""
    text = (SCENARIOS / f"{name}.xml").read_text()
    path = folder / f"{name}.xml"
    path.write_text(text.replace(" LOST", f' lost="{lost}"' if lost else ""))
    return path


@asynccontextmanager
async def sipp(folder: Path, transport: str, *args: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """SIPp without its screen; what it says lies in `folder`."""
    command = ["sipp", "-t", MODE[transport], "-i", "127.0.0.1", "-nostdin", "-m", str(CALLS), "-timeout", "60"]
    command += ["-timeout_error", "-trace_err", "-error_file", str(folder / "errors"), *map(str, args)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def finish(process: asyncio.subprocess.Process, folder: Path) -> None:
    code = await asyncio.wait_for(process.wait(), 90)
    errors = folder / "errors"
    assert code == 0, errors.read_text()[-3000:] if errors.exists() else code


def user_agent(transport: str) -> SipEndpoint:
    return SipEndpoint([Listen(transport, "127.0.0.1", 0)])  # type: ignore[arg-type]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_registers_with_digest(transport: str, tmp_path: Path) -> None:
    server = DigestServer("3402000000")
    clock = asyncio.get_running_loop().time
    registered = 0

    async def register(request: IncomingRequest) -> None:
        nonlocal registered
        value = request.request.headers.get("Authorization")
        auth = None if value is None else Authorization.parse(value)
        if auth is not None and server.check(auth, "REGISTER", clock(), password="kit-password") is Verdict.OK:
            registered += 1
            request.respond(200, headers=[("Expires", "3600")])
        else:
            request.respond(401, headers=[("WWW-Authenticate", str(c)) for c in server.challenges(clock())])

    async with user_agent(transport) as ua:
        ua.on_request("REGISTER", register)
        where = f"127.0.0.1:{ua.bound[0].port}"
        async with sipp(tmp_path, transport, "-sf", scenario("register", tmp_path), "-r", 20, where) as process:
            await finish(process, tmp_path)
    assert registered == CALLS


@pytest.mark.parametrize(("transport", "lost"), [("udp", 0), ("tcp", 0), ("udp", LOST)])
async def test_calls_us(transport: str, lost: int, tmp_path: Path) -> None:
    ended: list[str] = []

    async def take(call: IncomingCall) -> None:
        offer = Sdp.parse(call.request.body)
        assert offer.ssrc == 100000001
        call.ringing()
        call.accept(bytes(offer))
        await call.acked(40)
        ended.append((await call.ended()).by)

    async with user_agent(transport) as ua:
        ua.on_call(take)
        where = f"127.0.0.1:{ua.bound[0].port}"
        async with sipp(tmp_path, transport, "-sf", scenario("call", tmp_path, lost), "-r", 20, where) as process:
            await finish(process, tmp_path)
        assert ended == ["remote"] * CALLS
        assert ua.counters.get("bad", 0) == 0
        bare = 4 * CALLS  # 100, 180, 200, and the 200 of the BYE
        assert ua.counters["sent"] > bare if lost else ua.counters["sent"] == bare


@pytest.mark.parametrize(("transport", "lost"), [("udp", 0), ("tcp", 0), ("udp", LOST)])
async def test_is_called_by_us(transport: str, lost: int, tmp_path: Path, sipp_port: int) -> None:
    answer_xml = scenario("answer", tmp_path, lost)
    async with user_agent(transport) as ua, sipp(tmp_path, transport, "-sf", answer_xml, "-p", sipp_port) as process:
        if transport == "tcp":
            await listening(sipp_port)

        async def one(hop_port: int) -> str:
            hop = await ua.hop_to(transport, ("127.0.0.1", hop_port))  # type: ignore[arg-type]
            target = peer_uri("34020000001310000001", hop)
            call = await ua.invite(
                new_request(
                    "INVITE",
                    target,
                    from_="sip:gw@3402000000",
                    hop=hop,
                    contact_user="gw",
                    body=bytes(Sdp(name="Play", y="0100000001")),
                    content_type="application/sdp",
                ),
                hop,
            )
            answer = await call.answered(40)
            assert Sdp.parse(answer.body).media[0].direction == "sendonly"
            await call.ack()
            return (await asyncio.wait_for(call.ended(), 40)).by

        ended = await asyncio.gather(*(one(sipp_port) for _ in range(CALLS)))
        await finish(process, tmp_path)
        bare = 3 * CALLS  # INVITE, ACK, and the 200 of the BYE
        assert ua.counters["sent"] > bare if lost else ua.counters["sent"] >= bare
    assert ended == ["remote"] * CALLS


async def test_builtin_uac_calls_us(tmp_path: Path) -> None:
    """SIPp's own default scenario."""

    async def take(call: IncomingCall) -> None:
        call.ringing()
        call.accept(call.request.body)
        await call.acked(30)

    async with user_agent("udp") as ua:
        ua.on_call(take)
        where = f"127.0.0.1:{ua.bound[0].port}"
        async with sipp(tmp_path, "udp", "-sn", "uac", "-d", 10, "-r", 20, where) as process:
            await finish(process, tmp_path)


async def test_builtin_uas_is_called_by_us(tmp_path: Path, sipp_port: int) -> None:
    async with user_agent("udp") as ua, sipp(tmp_path, "udp", "-sn", "uas", "-p", sipp_port) as process:
        hop = await ua.hop_to("udp", ("127.0.0.1", sipp_port))

        async def one() -> None:
            request = new_request("INVITE", peer_uri("x", hop), from_="sip:gw@h", hop=hop, contact_user="gw")
            call = await ua.invite(request, hop)
            await call.answered(30)
            await call.ack()
            await call.bye()

        await asyncio.gather(*(one() for _ in range(CALLS)))
        await finish(process, tmp_path)


async def listening(port: int) -> None:
    """Wait until something listens there (SIPp says nothing when it is ready)."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
