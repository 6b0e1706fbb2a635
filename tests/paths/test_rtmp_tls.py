"""RTMPS: FFmpeg publishes and reads through the kit's certificate; a gateway pulls and pushes ciphered."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from gateway.contract.adapter import KitTls
from tests.paths.rtmp_rig import CONFIG, KEY, PATIENCE_S, Program, a_rig, frames, reader, sender
from tests.paths.test_rtmp_far import end, watching


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> KitTls:
    """A certificate as the kit makes its own."""
    folder = tmp_path_factory.mktemp("tls")
    made = KitTls(folder / "server.crt", folder / "server.key", None)
    line = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=kit "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {made.key} -out {made.certificate}"
    )
    subprocess.run(line.split(), check=True, capture_output=True, timeout=30)
    return made


async def test_ffmpeg_publishes_and_reads_ciphered(tmp_path: Path, kit: KitTls) -> None:
    async with a_rig(tmp_path, tls=kit) as rig:
        base = f"rtmps://127.0.0.1:{rig.adapter.ports['rtmps']}"
        publisher = await Program.start(*sender(f"{base}/live/drone-1?key={KEY}"))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        assert rig.status("drone-1/main").source.protocol == "rtmps"
        said = await (await Program.start(*reader(f"{base}/live/drone-1?user=wall&pass=look-at-it"))).said()
        assert frames(said).get(0, 0) >= 40, said
        await publisher.stop()


async def test_plain_rtmp_on_the_ciphered_port_ends(tmp_path: Path, kit: KitTls) -> None:
    async with a_rig(tmp_path, tls=kit) as rig:
        stream, writer = await asyncio.open_connection("127.0.0.1", rig.adapter.ports["rtmps"])
        writer.write(b"\x03" + bytes(1536))
        async with asyncio.timeout(PATIENCE_S):
            while await stream.read(4096):
                pass
        writer.close()
        await rig.until(lambda: rig.adapter.figures()["connections"] == 0)


async def test_a_gateway_pulls_ciphered_and_distrusts_what_it_does_not_know(tmp_path: Path, kit: KitTls) -> None:
    async with a_rig(tmp_path / "a", tls=kit) as center:
        base = f"rtmps://127.0.0.1:{center.adapter.ports['rtmps']}/live"
        publisher = await Program.start(*sender(center.url(f"live/drone-1?key={KEY}")))
        await center.until(lambda: center.state("drone-1/main") == "live")
        read = f"{base}/drone-1?user=wall&pass=look-at-it"
        config = CONFIG | {"source": {"trusting": {"url": f"{read}#verify=0"}, "careful": {"url": read}}}
        config |= {"push": {"out": {"stream": "trusting/main", "url": f"{base}/drone-9?key=of-another#verify=0"}}}
        async with a_rig(tmp_path / "b", **config) as far:
            seen: list[str] = []
            watch = asyncio.create_task(watching(far, "careful/main", seen))
            await far.until(lambda: far.state("trusting/main") == "live")
            await far.until(lambda: center.state("drone-9/main") == "live", "the ciphered push arrives")
            await far.until(lambda: any("tls-failed" in s for s in seen), f"distrusts, of {seen}")
            await end(watch)
        await publisher.stop()
