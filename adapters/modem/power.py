"""A modem's USB socket off and on, by the kernel (hub ports' `disable`, Linux 6.0), where its hub can switch them.

Without that the device is unbound and bound again (`authorized`), which restarts its drivers, not the modem.

That a socket is off stands on the disk before it is: who is killed meanwhile switches it on at his next start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from functools import partial
from pathlib import Path

from gateway.base.errors import LinkDown, Unsupported
from gateway.base.serial import usb_socket

log = logging.getLogger(__name__)

USB = Path("/sys/bus/usb/devices")
OFF_S = 3.0
MARK = ".power-off"
_SOCKET = re.compile(r"\d{1,3}-\d{1,3}(\.\d{1,3})*")


def switch_of(socket: str, *, usb: Path = USB) -> Path | None:
    """The file that switches this socket ("1-1.3"), None where there is none that we may write."""
    fit = (path for path in _switches(socket, usb) if path.exists() and os.access(path, os.W_OK))
    return next(fit, None)


def _switches(socket: str, usb: Path) -> tuple[Path, ...]:
    """The files that may switch a socket, the better first. Sockets are "1-1.3": anything else has none."""
    if _SOCKET.fullmatch(socket) is None:
        return ()
    head, dot, port = socket.rpartition(".")
    if dot:
        hub, folder = head, f"{head}:1.0"
    else:
        bus, _, port = socket.partition("-")
        hub, folder = f"usb{bus}", f"{bus}-0:1.0"
    return (usb / folder / f"{hub}-port{port}" / "disable", usb / socket / "authorized")


def vendor_of(socket: str, *, usb: Path = USB) -> str:
    """The USB vendor of what is plugged in there now; "" when nothing is."""
    try:
        return (usb / socket / "idVendor").read_text(encoding="ascii", errors="replace").strip()[:8] if socket else ""
    except OSError:
        return ""


async def cycle(
    socket: str,
    vendor: str,
    marks: Path | None = None,
    *,
    usb: Path = USB,
    off_s: float = OFF_S,
) -> None:
    """`vendor`: of the modem that was seen there; what another one made is left alone, and so is anything where no
    modem was seen. `marks`: the folder in which it is noted while it is off (`restore`). Raises Unsupported where it
    can not or must not be switched, LinkDown when the kernel refuses, or when it could not be noted (`disk-full`)."""
    path = switch_of(socket, usb=usb)
    if (there := vendor_of(socket, usb=usb)) and there != vendor:
        raise Unsupported(f"USB socket {socket} has another device ({there}) now", code="modem-unsupported")
    if path is None:
        raise Unsupported(f"USB socket {socket or '(none)'} can not be switched", code="modem-unsupported")
    off, on = ("1", "0") if path.name == "disable" else ("0", "1")
    loop = asyncio.get_running_loop()
    try:
        mark = await loop.run_in_executor(None, _note, marks, socket, path.name) if marks is not None else None
    except OSError as exc:
        raise LinkDown(
            f"USB socket {socket} stays on: that it is off can not be noted: {exc}", code="disk-full"
        ) from exc
    try:
        await loop.run_in_executor(None, path.write_text, off)
        try:
            await asyncio.sleep(off_s)
        finally:
            await loop.run_in_executor(None, path.write_text, on)
    except OSError as exc:
        raise LinkDown(f"USB socket {socket}: {exc}", code="modem-refused") from exc
    if mark is not None:
        await loop.run_in_executor(None, partial(mark.unlink, missing_ok=True))


def _note(marks: Path, socket: str, how: str) -> Path:
    """On the disk when it returns. Raises OSError."""
    mark = marks / f"{socket}{MARK}"
    with mark.open("w", encoding="ascii") as out:
        out.write(how)
        out.flush()
        os.fsync(out.fileno())
    folder = os.open(marks, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return mark


def restore(marks: Path, *, usb: Path = USB) -> list[str]:
    """On again what `cycle` left off when the process was killed, or the kernel refused; the sockets. Blocks. A switch
    that is not there any more has nothing to be switched on; one that can not be written is tried at the next start."""
    done = []
    for mark in sorted(marks.glob(f"*{MARK}")):
        socket = mark.name.removesuffix(MARK)
        try:
            how = mark.read_text(encoding="ascii", errors="replace").strip()
            path = next((one for one in _switches(socket, usb) if one.name == (how or "disable")), None)
            if path is not None and path.exists():
                path.write_text("0" if path.name == "disable" else "1")
                log.warning("USB socket %s was left without power, and has it again", socket)
                done.append(socket)
            mark.unlink()
        except OSError as exc:
            log.error("USB socket %s was left without power, and can not be switched on: %s", socket, exc)
    return done


def interface_of(socket: str, *, usb: Path = USB) -> str:
    """The network interface of the device in this socket; "" when it has none."""
    found = sorted(path.name for path in usb.glob(f"{socket}:*/net/*")) if socket else []
    return found[0] if found else ""


def resolved(address: str) -> str:
    """Where a name below /dev leads now, or the device that is plugged into a USB socket; "" when nothing is there."""
    if address.startswith("usb:"):
        device = USB / usb_socket(address)
        return str(device) if device.exists() else ""
    if not address.startswith("/dev/"):
        return ""
    path = Path(address)
    return str(path.resolve()) if path.exists() else ""
