"""A modem's USB socket off and on, by the kernel (hub ports' `disable`, Linux 6.0), where its hub can switch them.

Without that the device is unbound and bound again (`authorized`), which restarts its drivers, not the modem.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from gateway.base.errors import LinkDown, Unsupported
from gateway.base.serial import usb_socket

USB = Path("/sys/bus/usb/devices")
OFF_S = 3.0


def switch_of(socket: str, *, usb: Path = USB) -> Path | None:
    """The file that switches this socket ("1-1.3"), None where there is none that we may write."""
    if not socket:
        return None
    head, dot, port = socket.rpartition(".")
    if dot:
        hub, folder = head, f"{head}:1.0"
    else:
        bus, _, port = socket.partition("-")
        hub, folder = f"usb{bus}", f"{bus}-0:1.0"
    for path in (usb / folder / f"{hub}-port{port}" / "disable", usb / socket / "authorized"):
        if path.exists() and os.access(path, os.W_OK):
            return path
    return None


def vendor_of(socket: str, *, usb: Path = USB) -> str:
    """The USB vendor of what is plugged in there now; "" when nothing is."""
    try:
        return (usb / socket / "idVendor").read_text(encoding="ascii", errors="replace").strip()[:8] if socket else ""
    except OSError:
        return ""


async def cycle(socket: str, vendor: str, *, usb: Path = USB, off_s: float = OFF_S) -> None:
    """`vendor`: of the modem that was seen there; what another one made is left alone, and so is anything where no
    modem was seen. Raises Unsupported where it can not or must not be switched, LinkDown when the kernel refuses."""
    path = switch_of(socket, usb=usb)
    if (there := vendor_of(socket, usb=usb)) and there != vendor:
        raise Unsupported(f"USB socket {socket} has another device ({there}) now", code="modem-unsupported")
    if path is None:
        raise Unsupported(f"USB socket {socket or '(none)'} can not be switched", code="modem-unsupported")
    off, on = ("1", "0") if path.name == "disable" else ("0", "1")
    loop = asyncio.get_running_loop()
    try:
        await loop.run_in_executor(None, path.write_text, off)
        try:
            await asyncio.sleep(off_s)
        finally:
            await loop.run_in_executor(None, path.write_text, on)
    except OSError as exc:
        raise LinkDown(f"USB socket {socket}: {exc}", code="modem-refused") from exc


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
