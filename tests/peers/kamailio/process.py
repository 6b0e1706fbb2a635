"""The process: started on free ports, ended with its children, its log kept."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.kamailio import script

UP_S = 15.0


@dataclass
class Kamailio:
    ports: script.Ports
    certificate: Path
    process: asyncio.subprocess.Process
    log: Path
    host: str = "127.0.0.1"

    async def kill(self) -> None:
        """It and all of its children, as a power cut would."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


def free_ports(host: str = "127.0.0.1") -> script.Ports:
    """Ports that are free now: one for UDP and TCP, one for TLS."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp, socket.socket() as tls:
        udp.bind((host, 0))
        tcp.bind((host, udp.getsockname()[1]))
        tls.bind((host, 0))
        return script.Ports(int(udp.getsockname()[1]), int(tls.getsockname()[1]))


def certificate(folder: Path, name: str = script.DOMAIN) -> tuple[Path, Path]:
    """A self-signed certificate for the center's domain."""
    key, made = folder / "center.key", folder / "center.crt"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


@asynccontextmanager
async def kamailio(folder: Path, ports: script.Ports | None = None, **given: Any) -> AsyncIterator[Kamailio]:
    """Running and answering."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = ports or free_ports()
    made, key = certificate(folder)
    config = script.write(folder, ports, made, key, **given)
    log = folder / "log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *("kamailio", "-DD", "-E", "-m", "32", "-M", "4", "-f", str(config)),
            *("-Y", str(folder), "-P", str(folder / "pid"), "-w", str(folder)),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    peer = Kamailio(ports, made, process, log, given.get("host", "127.0.0.1"))
    try:
        await _answers(peer)
        yield peer
    finally:
        await peer.kill()


async def _answers(peer: Kamailio) -> None:
    """It takes connections on TLS, the last listener that comes up."""
    async with asyncio.timeout(UP_S):
        while True:
            assert peer.process.returncode is None, peer.log.read_text()[-3000:]
            try:
                _, writer = await asyncio.open_connection(peer.host, peer.ports.tls)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
