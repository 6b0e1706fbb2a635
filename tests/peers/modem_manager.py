"""The real ModemManager on a system bus of its own, with polkit's answers by python-dbusmock (or the real polkitd), and
modems that are the fake one. Nothing of the machine's own bus, udev or modems is touched.

Not `--test-session`: with it ModemManager 1.20 asks polkit for nothing that concerns a modem.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.modem import manager_words as mm
from adapters.modem.manager_bus import Bus
from gateway.base.errors import GatewayError
from tests.fakes.modem import FakeModem, abstract_end

POLKIT = "org.freedesktop.PolicyKit1"
MOCK = "org.freedesktop.DBus.Mock"
_numbers = itertools.count()

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow send_type="method_call"/><allow send_type="signal"/>
    <allow send_type="method_return"/><allow send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="signal"/>
    <allow receive_type="method_return"/><allow receive_type="error"/>
  </policy>
</busconfig>
"""


def program(name: str, *places: str) -> str:
    """Debian keeps daemons where only root's path looks."""
    return shutil.which(name) or shutil.which(name, path=":".join(("/usr/sbin", "/sbin", *places))) or ""


def missing() -> list[str]:
    return [
        name
        for name, found in (
            ("ModemManager", program("ModemManager")),
            ("dbus-daemon", program("dbus-daemon")),
            ("python3-dbusmock", Path("/usr/lib/python3/dist-packages/dbusmock").exists()),
        )
        if not found
    ]


@dataclass
class Stage:
    folder: Path
    bus: Bus
    address: str
    _running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _ends: list[asyncio.AbstractServer] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "DBUS_SYSTEM_BUS_ADDRESS": self.address,
            "DBUS_SESSION_BUS_ADDRESS": self.address,
            "LC_ALL": "C.UTF-8",
        }

    async def start(self, name: str, *words: str) -> asyncio.subprocess.Process:
        with (self.folder / f"{name}.log").open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *words, env=self.environment, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out
            )
        self._running[name] = process
        return process

    async def stop(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    async def named(self, service: str) -> None:
        """Until somebody has that name on the bus."""
        async with asyncio.timeout(20):
            while True:
                if await self.bus.owner(service):
                    return
                await asyncio.sleep(0.05)

    async def polkit(self, *, allows: bool = True) -> None:
        """Polkit's answers by dbusmock: to everybody, and to root too, yes or no."""
        if "polkit" not in self._running:
            await self.start("polkit", "/usr/bin/python3", "-m", "dbusmock", "--system", "--template", "polkitd")
            await self.named(POLKIT)
        await self.bus.call(
            POLKIT, f"/{POLKIT.replace('.', '/')}/Authority", MOCK, "AllowUnknown", "b", [allows], limit_s=10
        )

    async def manager(self, *words: str) -> None:
        await self.start(
            "ModemManager",
            program("ModemManager"),
            "--test-enable",
            "--no-auto-scan",
            "--test-no-udev",
            "--test-no-suspend-resume",
            *words,
        )
        await self.named(mm.SERVICE)

    async def plug(self, modem: FakeModem, name: str = "kit0", *, plugin: str = "generic", ports: int = 1) -> None:
        """The modem is plugged in; ModemManager looks at its ports for some seconds."""
        sockets = [f"abstract:fc{os.getpid()}n{next(_numbers)}" for _ in range(ports)]
        for socket in sockets:
            self._ends.append(await abstract_end(modem, socket))
        await self.bus.call(
            mm.SERVICE, mm.ROOT, f"{mm.SERVICE}.Test", "SetProfile", "ssas", [name, plugin, sockets], limit_s=10
        )

    async def close(self) -> None:
        await self.bus.close()
        for name in reversed(list(self._running)):
            await self.stop(name)
        for end in self._ends:
            end.close()


@asynccontextmanager
async def a_bus(folder: Path) -> AsyncIterator[Stage]:
    """A bus, and nobody on it yet."""
    folder.mkdir(exist_ok=True)
    socket = folder / "bus"
    (folder / "bus.conf").write_text(_BUS.format(socket=socket))
    stage = Stage(folder, Bus("", lambda signal: None), f"unix:path={socket}")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stage.close)
        await stage.start("bus", program("dbus-daemon"), "--nofork", f"--config-file={folder / 'bus.conf'}")
        async with asyncio.timeout(20):
            while True:
                stage.bus = Bus(stage.address, lambda signal: None)
                try:
                    await stage.bus.connect()
                    break
                except GatewayError:
                    await asyncio.sleep(0.05)
        yield stage


@asynccontextmanager
async def a_manager(folder: Path) -> AsyncIterator[Stage]:
    """A bus with ModemManager and a polkit that allows all."""
    async with a_bus(folder) as stage:
        await stage.polkit()
        await stage.manager()
        yield stage
