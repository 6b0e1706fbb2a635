"""What the kits of a run talk to, and how a node of it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from adapters.mqtt import mosquitto
from gateway.base.authority import Authority
from tests.bench.common import rss_kb, thread_cpu_ns
from tests.bench.fleet.plan import CENTER
from tests.paths.fleet_rig import free_port
from tests.peers.mosquitto import program

UP_S = 60.0


class Brokers(Protocol):
    """One kind of broker, one node or several."""

    name: str

    def addresses(self) -> list[str]: ...
    async def start(self) -> None: ...
    async def kill(self) -> str:
        """SIGKILL to the first node, and what takes its place; in words."""

    async def mend(self) -> None:
        """All nodes are there again."""

    async def stop(self) -> None: ...
    def cost(self) -> dict[str, float]:
        """Of all nodes: processor seconds until now, resident MB."""


class Node:
    """One process of a broker."""

    def __init__(
        self, command: list[str], log: Path, ports: list[int], environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._command = command
        self._environment = dict(environment)
        self._log = log
        self._ports = ports
        self._cpu_s = 0.0
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as words:
            self.process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env=os.environ | self._environment,
            )
        async with asyncio.timeout(UP_S):
            for port in self._ports:
                while not _open(port):
                    if self.process.returncode is not None:
                        raise RuntimeError(f"{self._command[0]}: {self._log.read_text()[-3000:]}")
                    await asyncio.sleep(0.02)

    async def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        self._cpu_s += thread_cpu_ns(self.process.pid) / 1e9
        self.process.send_signal(number)
        try:
            await asyncio.wait_for(self.process.wait(), 20)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    def cost(self) -> dict[str, float]:
        if self.process is None or self.process.returncode is not None:
            return {"cpu_s": self._cpu_s, "rss_mb": 0.0}
        pid = self.process.pid
        return {"cpu_s": self._cpu_s + thread_cpu_ns(pid) / 1e9, "rss_mb": rss_kb(pid) / 1024}


def _open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Mosquitto:
    """Debian's, with the files that `fieldgate mqtt broker-config mosquitto` writes. Killed, it is started again at
    once, as systemd would; what it retained is gone then, and kits tell it anew."""

    name = "mosquitto"

    def __init__(self, folder: Path, _signer: Authority, _names: list[str]) -> None:
        self._port = free_port()
        for name, text in mosquitto.files(folder, [CENTER], port=self._port, host="127.0.0.1").items():
            head = "user root\n" if name == mosquitto.CONF and os.geteuid() == 0 else ""
            (folder / name).write_text(head + text)
        command = [program(), "-c", str(folder / mosquitto.CONF)]
        self._node = Node(command, folder / "mosquitto.log", [self._port], mosquitto.environment(folder))

    def addresses(self) -> list[str]:
        return [f"mqtts://127.0.0.1:{self._port}"]

    async def start(self) -> None:
        await self._node.start()

    async def kill(self) -> str:
        await self._node.stop(signal.SIGKILL)
        await self._node.start()
        return "its one process, started again at once"

    async def mend(self) -> None: ...

    async def stop(self) -> None:
        await self._node.stop()

    def cost(self) -> dict[str, float]:
        return self._node.cost()
