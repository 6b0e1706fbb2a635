"""Which of ModemManager's modems a configured address means. Sans-IO: whoever asks has resolved links before."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.modem import manager_words as mm
from adapters.modem.manager_tree import Thing


def ports(modem: Thing) -> list[str]:
    """Names of its ports, as the kernel has them now: "ttyUSB2", "cdc-wdm0", "wwan0"."""
    rows = modem.rows(mm.MODEM, "Ports")
    return [row[0] for row in rows if isinstance(row, list | tuple) and row and isinstance(row[0], str)]


def means(modem: Thing, address: str, resolved: str = "") -> bool:
    """Whether `address` is this modem.

    It may be its IMEI; the USB socket it is plugged into ("1-1.3", "usb:1-1.3:2", or a path below /sys);
    ModemManager's device identifier; the uid that udev gave it (ID_MM_PHYSDEV_UID); or one of its ports
    ("/dev/serial/by-path/…", whose link leads to `resolved`, "/dev/ttyUSB2").
    """
    if not address:
        return False
    if address in (modem.text(mm.MODEM, "EquipmentIdentifier"), modem.text(mm.MODEM, "DeviceIdentifier")):
        return True
    device = modem.text(mm.MODEM, "Device")
    if address.startswith("usb:"):
        address = address.split(":")[1]
    if device and (address == device or device.endswith(f"/{address}")):
        return True
    name = (resolved or address).removeprefix("/dev/")
    return name in ports(modem)


def find(modems: Sequence[Thing], address: str, resolved: str = "") -> Thing | None:
    """The modem that `address` means; "" means the only one there is."""
    if not address:
        return modems[0] if len(modems) == 1 else None
    return next((modem for modem in modems if means(modem, address, resolved)), None)
