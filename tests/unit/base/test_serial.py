"""Serial ports: by where they are plugged in, one owner each, and gone when they are gone."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
import tty
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from gateway.base import serial
from gateway.base.errors import Busy, ConfigError, GatewayError, LinkDown
from gateway.base.serial import MAX_UNSENT, check_address, find_port, holder_of, open_serial, usb_socket

IN_S = 10


@pytest.fixture
def ends() -> Iterator[tuple[int, Path]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    path = Path(os.ttyname(slave))
    os.close(slave)
    yield master, path
    try:
        os.close(master)
    except OSError:
        pass


class Heard:
    def __init__(self) -> None:
        self.data = bytearray()
        self.changed = asyncio.Event()
        self.lost: asyncio.Future[GatewayError] = asyncio.get_running_loop().create_future()

    def on_data(self, data: bytes) -> None:
        self.data += data
        self.changed.set()

    async def until(self, size: int) -> bytes:
        async with asyncio.timeout(IN_S):
            while len(self.data) < size:
                self.changed.clear()
                await self.changed.wait()
        return bytes(self.data)


async def opened(address: str, heard: Heard, owner: str = "modem one") -> serial.SerialLine:
    return await open_serial(address, owner=owner, on_data=heard.on_data, on_lost=heard.lost.set_result)


async def test_a_port_is_read_written_and_gone(ends: tuple[int, Path]) -> None:
    master, path = ends
    heard = Heard()
    line = await opened(str(path), heard)
    line.write(b"AT\r")
    assert await asyncio.get_running_loop().run_in_executor(None, os.read, master, 100) == b"AT\r"
    os.write(master, b"\r\nOK\r\n")
    assert await heard.until(6) == b"\r\nOK\r\n"
    os.close(master)
    async with asyncio.timeout(IN_S):
        error = await heard.lost
    assert isinstance(error, LinkDown) and error.code == "serial-lost" and str(path) in str(error)
    await line.close()


async def test_one_owner_in_this_process(ends: tuple[int, Path], tmp_path: Path) -> None:
    """Another name of the same port is the same port; it is free again once it is closed."""
    _, path = ends
    other = tmp_path / "by-path"
    other.symlink_to(path)
    heard = Heard()
    line = await opened(str(path), heard)
    with pytest.raises(Busy, match="modem one") as told:
        await opened(str(other), Heard(), "satphone")
    assert told.value.code == "serial-held"
    await line.close()
    await (await opened(str(other), Heard(), "satphone")).close()
    assert not heard.lost.done()


async def test_another_program_is_named(ends: tuple[int, Path]) -> None:
    _, path = ends
    code = (
        f"import os, sys; os.open({str(path)!r}, os.O_RDWR | os.O_NOCTTY); print('open', flush=True); sys.stdin.read()"
    )
    with Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE) as program:  # noqa: ASYNC220
        assert program.stdout is not None and program.stdout.readline() == b"open\n"
        with pytest.raises(Busy, match=rf"python.*\(pid {program.pid}\)") as told:
            await opened(str(path), Heard())
        assert told.value.code == "serial-held"
        program.communicate()
    await (await opened(str(path), Heard())).close()


async def test_the_maker_of_a_pseudo_terminal_is_no_owner() -> None:
    code = (
        "import os, pty, sys; m, s = pty.openpty(); print(os.ttyname(s), flush=True); sys.stdin.readline(); os.close(s)"
    )
    with Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE) as program:  # noqa: ASYNC220
        assert program.stdout is not None
        path = program.stdout.readline().decode().strip()
        await (await opened(path, Heard())).close()
        program.communicate()


async def test_tcp() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"<" + await reader.readexactly(3) + b">")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        heard = Heard()
        line = await opened(address, heard)
        with pytest.raises(Busy):
            await opened(address, Heard())
        line.write(b"AT\r")
        assert await heard.until(5) == b"<AT\r>"
        async with asyncio.timeout(IN_S):
            assert (await heard.lost).code == "serial-lost"
    with pytest.raises(LinkDown) as told:
        await opened(address, Heard())
    assert told.value.code == "serial-unreached"


async def test_a_port_that_takes_nothing_is_given_up(ends: tuple[int, Path]) -> None:
    _, path = ends
    heard = Heard()
    line = await opened(str(path), heard)
    for _ in range(3):
        line.write(bytes(MAX_UNSENT))
    async with asyncio.timeout(IN_S):
        await heard.lost


@pytest.mark.parametrize(
    "address", ["/dev/ttyUSB2", "/dev/ttyACM0", "COM3", "tcp://a", "tcp://a:0", "/dev/../etc/x", ""]
)
async def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ValueError):
        check_address(address)
    with pytest.raises(ConfigError):
        await opened(address, Heard())


def test_ports_by_their_usb_socket(tmp_path: Path) -> None:
    """As sysfs has them: interface 2 of what is plugged into socket 1-1.3, renumbered since."""
    (tmp_path / "1-1.3").mkdir()
    folder = tmp_path / "1-1.3:1.2" / "ttyUSB7"
    folder.mkdir(parents=True)
    (tmp_path / "1-1.4:1.0" / "tty" / "ttyACM3").mkdir(parents=True)
    assert find_port("usb:1-1.3:2", usb_devices=tmp_path) == Path("/dev/ttyUSB7")
    assert find_port("usb:1-1.4:0", usb_devices=tmp_path) == Path("/dev/ttyACM3")
    for address, word in (("usb:1-1.3:5", "interface 5"), ("usb:2-1:0", "no device")):
        with pytest.raises(LinkDown, match=word):
            find_port(address, usb_devices=tmp_path)
    assert usb_socket("usb:1-1.3:2") == "1-1.3"
    class_tty = tmp_path / "class"
    (class_tty / "tty9x").mkdir(parents=True)
    (class_tty / "tty9x" / "device").symlink_to(folder)
    node = tmp_path / "tty9x"
    node.touch()
    assert usb_socket(str(node), sys_tty=class_tty) == "1-1.3" and usb_socket("/dev/null") == ""


def test_nobody_has_it(tmp_path: Path) -> None:
    assert holder_of(tmp_path / "none") == ""


async def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LinkDown) as told:
        await opened(str(tmp_path / "modem"), Heard())
    assert told.value.code == "serial-lost"


async def test_a_line_that_was_lost_frees_nobody_elses_port(ends: tuple[int, Path]) -> None:
    """Gone by itself, then closed by its owner, while another has opened the port in between."""
    from gateway.base.serial import _held, _Line, _take

    _take("key", "first", "address")
    line = _Line("address", "key", lambda data: None, lambda error: None)
    line.connection_lost(None)
    _take("key", "second", "address")
    try:
        await line.close()
        assert _held["key"] == "second"
    finally:
        _held.pop("key", None)
