"""Where the modem's port is found: a pty behind a name that stays, TCP, ModemManager's abstract socket, or memory."""

from __future__ import annotations

import asyncio
import errno
import os
import pty
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.fakes.modem.device import FakeModem
from tests.fakes.modem.port import ModemPort

MAX_WAITING = 1 << 20


class PtyEnd:
    """`path` is a link, as /dev/serial/by-path/ has them; the pty that it leads to is another one after each restart.

    The other side is held open, so that the modem is heard from the first byte on; `opened` counts nothing: a pty does
    not tell who opens it.
    """

    def __init__(self, modem: FakeModem, path: Path, *, urcs: bool = True) -> None:
        self.modem = modem
        self.path = path
        self.port = ModemPort(modem, self._write)
        self.port.urcs = urcs
        modem.ports.append(self.port)
        modem.restarted = self._restarted
        self._master = self._slave = -1
        self._out: deque[bytes] = deque()
        self._waits = False

    def __enter__(self) -> PtyEnd:
        self.plug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()
        self.modem.ports.remove(self.port)

    @property
    def plugged(self) -> bool:
        return self._master >= 0

    def plug(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        name = os.ttyname(self._slave)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(name)
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def unplug(self) -> None:
        if self._master < 0:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        if self._waits:
            loop.remove_writer(self._master)
        self._waits = False
        self._out.clear()
        self.path.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1

    def power_cycle(self) -> None:
        """What switching its USB port off and on does."""
        self.modem.restart("power")

    def _restarted(self) -> None:
        self.unplug()
        asyncio.get_running_loop().call_later(self.modem.boot_s, self._back)

    def _back(self) -> None:
        if not self.plugged and self.modem.powered:
            self.plug()
            self.modem.urc("RDY")

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        except OSError as exc:
            if exc.errno != errno.EIO:
                raise
            return
        self.port.receive(data)

    def _write(self, data: bytes) -> None:
        if self._master < 0:
            return
        if not self._out:
            try:
                sent = os.write(self._master, data)
            except BlockingIOError:
                sent = 0
            data = data[sent:]
        if data and sum(map(len, self._out)) < MAX_WAITING:
            self._out.append(data)
            if not self._waits:
                self._waits = True
                asyncio.get_running_loop().add_writer(self._master, self._writable)

    def _writable(self) -> None:
        while self._out:
            data = self._out.popleft()
            try:
                sent = os.write(self._master, data)
            except BlockingIOError:
                self._out.appendleft(data)
                return
            if sent < len(data):
                self._out.appendleft(data[sent:])
        self._waits = False
        asyncio.get_running_loop().remove_writer(self._master)


def memory_end(modem: FakeModem, write: Callable[[bytes], None]) -> ModemPort:
    """A port whose bytes go straight to `write`; feed it by `receive`."""
    port = ModemPort(modem, write)
    modem.ports.append(port)
    return port


def _serve(modem: FakeModem) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]:
    """One port, whoever comes: it keeps its settings (echo, words of errors) as a tty does when it is opened anew."""
    port = ModemPort(modem, lambda data: None)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port.opened(writer.write)
        if port not in modem.ports:
            modem.ports.append(port)
        modem.port_opened()
        try:
            while data := await reader.read(65536):
                port.receive(data)
        except ConnectionError:
            pass
        finally:
            if port.writes_to(writer.write):
                modem.ports.remove(port)
            writer.close()

    return serve


async def tcp_end(modem: FakeModem, host: str = "127.0.0.1", port: int = 0) -> asyncio.Server:
    """`tcp://` to it; its port by `server.sockets[0].getsockname()[1]`. Close it by `close()`."""
    return await asyncio.start_server(_serve(modem), host, port)  # type: ignore[arg-type]


async def abstract_end(modem: FakeModem, name: str) -> asyncio.AbstractServer:
    """ModemManager's virtual ports: the abstract socket called `abstract:NAME`, prefix included."""
    return await asyncio.start_unix_server(_serve(modem), "\0" + name)  # type: ignore[arg-type]
