"""A real mosquitto with the files that `fieldgate mqtt broker-config` writes, on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from adapters.mqtt import mosquitto
from adapters.mqtt.address import Broker
from adapters.mqtt.dial import ClientTls, Dialler
from gateway.base import server_tls
from gateway.base.authority import Authority, ClientFiles, new_request

CENTER = "center1"


def program() -> str:
    """Debian keeps it where only root's path looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/sbin") or ""


@dataclass
class Mosquitto:
    folder: Path
    port: int
    authority: Authority
    process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> Broker:
        return Broker("tls", "127.0.0.1", self.port)

    def files(self, name: str) -> ClientFiles:
        """Certificate and key of `name`, made when they are first asked for."""
        found = ClientFiles(self.folder / "clients" / name)
        if not found.whole():
            key, request = new_request(name)
            shown = self.authority.issue_client(name, request)
            found.keep(ca=self.authority.certificate.read_bytes(), certificate=shown, key=key)
        return found

    def tls(self, name: str) -> ClientTls:
        files = self.files(name)
        return ClientTls(files.ca, files.certificate, files.key)

    def dialler(self, name: str) -> Dialler:
        return Dialler(self.tls(name))

    async def start(self) -> None:
        # `-c` alone: its own user when it is started by root, who would not be able to read the files.
        conf = self.folder / mosquitto.CONF
        with (self.folder / "mosquitto.log").open("ab") as words:
            self.process = await asyncio.create_subprocess_exec(
                program(),
                "-c",
                str(conf),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=words,
                env=os.environ | mosquitto.environment(self.folder),
            )
        async with asyncio.timeout(20):
            while True:
                if self.process.returncode is not None:
                    raise AssertionError((self.folder / "mosquitto.log").read_text()[-2000:])
                with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                    return
                await asyncio.sleep(0.05)

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    async def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()


@asynccontextmanager
async def a_mosquitto(folder: Path, centers: tuple[str, ...] = (CENTER,)) -> AsyncIterator[Mosquitto]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    authority = Authority(folder / "tls", CENTER)
    shown = server_tls.ensure(folder / "tls", CENTER, ["127.0.0.1", "localhost"], stem="mosquitto")
    for name, text in mosquitto.files(folder, centers, port=port, host="127.0.0.1").items():
        (folder / name).write_text(text)
    shutil.copyfile(authority.certificate, folder / "ca.crt")
    shutil.copyfile(authority.revocations, folder / "ca.crl")
    shutil.copyfile(shown.certificate, folder / "broker.crt")
    shutil.copyfile(shown.key, folder / "broker.key")
    if os.geteuid() == 0:
        (folder / mosquitto.CONF).write_text(f"user root\n{(folder / mosquitto.CONF).read_text()}")
    made = Mosquitto(folder, port, authority)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
