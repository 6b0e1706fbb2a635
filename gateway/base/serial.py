"""Serial ports by where they are plugged in: ttys, pseudo-terminals, `tcp://`; one owner each.

    /dev/serial/by-path/pci-0000:00:14.0-usb-0:1.3:1.2-port0    udev's name of a USB socket and its interface
    usb:1-1.3:2                                                the same where no udev runs: socket 1-1.3, interface 2
    /dev/ttyS0, /dev/pts/4                                     ports that are not renumbered
    tcp://192.168.1.9:4001                                     a serial server, raw

`/dev/ttyUSB2` is refused: the number is another one after the next reset. A port that another program has open is not
opened: who it is, is said by pid and name.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import re
import socket
import stat
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gateway.base.errors import Busy, ConfigError, GatewayError, LinkDown

if TYPE_CHECKING:
    import serial

log = logging.getLogger(__name__)

OPEN_S = 10.0
MAX_UNSENT = 64 * 1024
"""Bytes that the port has not taken: it hangs, and is given up."""

_NUMBERED = re.compile(r"/dev/tty(?:USB|ACM|XRUSB)\d+")
_DEVICE = re.compile(r"/dev/[A-Za-z0-9_./:+@-]{1,240}|/[A-Za-z0-9_./:+@-]{1,240}")
_USB = re.compile(r"usb:(\d{1,3}-\d{1,3}(?:\.\d{1,3}){0,6}):(\d{1,2})(?:\.(\d{1,2}))?")
_TCP = re.compile(r"tcp://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253}):(\d{1,5})")
_USB_DEVICES = Path("/sys/bus/usb/devices")
_PROC = Path("/proc")


def check_address(address: str) -> None:
    """Raises ValueError in words for what can not be opened, or not for long."""
    if _NUMBERED.fullmatch(address):
        raise ValueError(
            f"{address} is another port after the next reset: use its name below /dev/serial/by-path/, or usb:1-1.3:2"
        )
    if ".." in address:
        raise ValueError("a path without '..'")
    found = _TCP.fullmatch(address)
    if found is not None and not 0 < int(found.group(2)) < 65536:
        raise ValueError("a port from 1 to 65535")
    if found is None and _USB.fullmatch(address) is None and _DEVICE.fullmatch(address) is None:
        raise ValueError("a path below /dev/serial/by-path/, usb:1-1.3:2 (socket, interface), or tcp://host:port")


class SerialLine(Protocol):
    """An open port. `write` never waits; the bytes that come go to `on_data`, its end to `on_lost`."""

    @property
    def address(self) -> str: ...
    @property
    def unsent(self) -> int:
        """Bytes that the port has not taken yet: what must not come late waits with its owner until there are none."""

    def write(self, data: bytes) -> None: ...
    async def close(self) -> None:
        """Returns when the port is free for others."""


OnData = Callable[[bytes], None]
OnLost = Callable[[GatewayError], None]


async def open_serial(
    address: str, *, owner: str, on_data: OnData, on_lost: OnLost, baud: int = 115_200, rtscts: bool = False
) -> SerialLine:
    """Open it for `owner`, of whom the next who asks is told.

    Raises LinkDown (`serial-lost`, `serial-unreached`) when it is not there, Busy (`serial-held`) when somebody has
    it, ConfigError for an address that is none. `on_lost(error)` comes once, when it is gone by itself.
    """
    try:
        check_address(address)
    except ValueError as exc:
        raise ConfigError("port", str(exc)) from exc
    found = _TCP.fullmatch(address)
    if found is not None:
        return await _open_tcp(address, found.group(1).strip("[]"), int(found.group(2)), owner, on_data, on_lost)
    path = await asyncio.get_running_loop().run_in_executor(None, find_port, address)
    return await _open_tty(address, path, owner, on_data, on_lost, baud, rtscts)


def find_port(address: str, *, usb_devices: Path = _USB_DEVICES) -> Path:
    """The device node that an address means now. Raises LinkDown (`serial-lost`)."""
    found = _USB.fullmatch(address)
    if found is None:
        try:
            return Path(address).resolve(strict=True)
        except OSError as exc:
            raise LinkDown(f"{address} is not there: {exc.strerror}", code="serial-lost") from exc
    where, interface, configuration = found.group(1), found.group(2), found.group(3) or "1"
    folder = usb_devices / f"{where}:{configuration}.{interface}"
    for entry in (*sorted(folder.glob("tty/tty*")), *sorted(folder.glob("tty*"))):
        if entry.name != "tty":
            return Path("/dev") / entry.name
    what = "no device" if not (usb_devices / where).exists() else f"a device, and no port at its interface {interface}"
    raise LinkDown(f"USB socket {where} has {what}", code="serial-lost")


def usb_socket(address: str, *, usb_devices: Path = _USB_DEVICES, sys_tty: Path = Path("/sys/class/tty")) -> str:
    """The USB socket ("1-1.3") in which the device of a port is plugged; "" when it is in none."""
    found = _USB.fullmatch(address)
    if found is not None:
        return found.group(1)
    with suppress(OSError, GatewayError):
        folder = (sys_tty / find_port(address, usb_devices=usb_devices).name / "device").resolve(strict=True)
        for part in reversed(folder.parts):
            if re.fullmatch(r"\d{1,3}-\d{1,3}(?:\.\d{1,3}){0,6}(?::\d+\.\d+)?", part):
                return part.partition(":")[0]
    return ""


def holder_of(path: Path, *, proc: Path = _PROC) -> str:
    """Who else has it open, "ModemManager (pid 612)"; "" when nobody is seen. Only root sees all."""
    try:
        wanted = path.stat()
    except OSError:
        return ""
    own = str(os.getpid())
    for process in proc.iterdir():
        if not process.name.isdigit() or process.name == own:
            continue
        try:
            for handle in (process / "fd").iterdir():
                with suppress(OSError):
                    if not str(handle.readlink()).startswith("/dev/"):
                        continue  # a file on a share that hangs would hold us too
                    seen = handle.stat()
                    if (
                        stat.S_ISCHR(seen.st_mode)
                        and seen.st_rdev == wanted.st_rdev
                        and not _is_other_end(process, path)
                    ):
                        name = (process / "comm").read_text(errors="replace").strip()
                        return f"{name or 'a program'} (pid {process.name})"
        except OSError:
            continue
    return ""


def _is_other_end(process: Path, path: Path) -> bool:
    """It made the pseudo-terminal `path`: not an owner, but the far side of the line."""
    if path.parent != Path("/dev/pts"):
        return False
    for handle in (process / "fdinfo").iterdir():
        with suppress(OSError):
            if re.search(rf"^tty-index:\s*{path.name}$", handle.read_text(errors="replace"), re.M):
                return True
    return False


# ── in this process ─────────────────────────────────────────────────────────────
_held: dict[str, str] = {}
"""Device node or address → owner."""


def _take(key: str, owner: str, address: str) -> None:
    if key in _held:
        raise Busy(f"{address} is in use by {_held[key]} of this gateway", code="serial-held")
    _held[key] = owner


class _Line(asyncio.Protocol):
    """One port, whatever carries it."""

    def __init__(self, address: str, key: str, on_data: OnData, on_lost: OnLost) -> None:
        self.address = address
        self._key = key
        self._on_data = on_data
        self._on_lost = on_lost
        self._transport: Any = None
        self._closing = self._freed = False
        self.made: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if not self.made.done():
            self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self._closing:
            self._on_data(data)

    def _free(self) -> None:
        """Once: by the second time it may be another's."""
        if not self._freed:
            self._freed = True
            _held.pop(self._key, None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._free()
        if not self._ended.done():
            self._ended.set_result(None)
        if not self._closing:
            self._closing = True
            self._on_lost(LinkDown(f"{self.address} is gone: {exc or 'closed by the other side'}", code="serial-lost"))

    @property
    def unsent(self) -> int:
        return 0 if self._transport is None else int(self._transport.get_write_buffer_size())

    def write(self, data: bytes) -> None:
        if self._transport is None or self._closing:
            return
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self._transport.abort()
            return
        self._transport.write(data)

    async def close(self) -> None:
        self._closing = True
        if self._transport is None or self._ended.done():  # gone by itself: the transport bears no second end
            self._free()
            return
        self._transport.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(OPEN_S):
                await asyncio.shield(self._ended)
        self._free()


async def _open_tty(
    address: str, path: Path, owner: str, on_data: OnData, on_lost: OnLost, baud: int, rtscts: bool
) -> SerialLine:
    import serial_asyncio_fast  # not before a port is wanted: the daemon's start waits for no package it can do without

    loop = asyncio.get_running_loop()
    _take(str(path), owner, address)
    line = _Line(address, str(path), on_data, on_lost)
    try:
        port = await loop.run_in_executor(None, _open_port, address, path, baud, rtscts)
        await serial_asyncio_fast.connection_for_serial(loop, lambda: line, port)
        # It returns before the transport is there.
        async with asyncio.timeout(OPEN_S):
            await line.made
    except BaseException:
        await line.close()
        raise
    return line


def _open_port(address: str, path: Path, baud: int, rtscts: bool) -> serial.Serial:
    import serial

    if holder := holder_of(path):
        raise Busy(f"{address} is in use by {holder}", code="serial-held")
    try:
        port = serial.Serial(str(path), baudrate=baud, rtscts=rtscts, exclusive=True, timeout=0, write_timeout=0)
    except (OSError, ValueError) as exc:  # SerialException is an OSError
        number = exc.errno if isinstance(exc, OSError) else None
        if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(exc):
            raise Busy(f"{address} is in use by another program; root sees which", code="serial-held") from exc
        if number in (errno.EACCES, errno.EPERM):
            raise LinkDown(f"{address}: no right to open it", code="serial-denied") from exc
        raise LinkDown(f"{address} can not be opened: {exc}", code="serial-lost") from exc
    with suppress(OSError, termios.error):
        fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
    return port


async def _open_tcp(address: str, host: str, port: int, owner: str, on_data: OnData, on_lost: OnLost) -> SerialLine:
    _take(address, owner, address)
    line = _Line(address, address, on_data, on_lost)
    try:
        async with asyncio.timeout(OPEN_S):
            transport, _ = await asyncio.get_running_loop().create_connection(lambda: line, host, port)
    except (OSError, TimeoutError) as exc:
        await line.close()
        raise LinkDown(f"{address} can not be reached: {exc or 'no answer'}", code="serial-unreached") from exc
    except BaseException:
        await line.close()
        raise
    connection = transport.get_extra_info("socket")
    with suppress(OSError):  # it may have gone already: that is told by `on_lost`
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3)):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
    return line
