"""What `fieldgate doctor` asks of ModemManager: does it run, may we drive modems by it, whose is each port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.modem import manager_words as mm
from adapters.modem.config import OneModem
from adapters.modem.manager_bus import DBUS, Bus, Variant
from adapters.modem.manager_find import find, ports
from adapters.modem.manager_tree import Thing, Tree
from adapters.modem.power import resolved
from gateway.base.errors import GatewayError
from gateway.base.serial import find_port
from gateway.model.doctor import Finding, Grade

LIMIT_S = 3.0
POLKIT = "org.freedesktop.PolicyKit1"
CONTROL = f"{mm.SERVICE}.Device.Control"
SERVICE_USER = "fieldgate"
RULES = tuple(
    Path(folder, "polkit-1/rules.d/50-fieldgate-modems.rules") for folder in ("/etc", "/usr/local/share", "/usr/share")
)
CHECK = "modem.manager"
IGNORED = 9
"""MMModemPortType, of ModemManager 1.16 and newer (8 is an audio port): ID_MM_PORT_IGNORE stands on it."""


async def checks(
    modems: Mapping[str, OneModem], *, make_bus: Callable[[], Any] | None = None, rules: Sequence[Path] = RULES
) -> list[Finding]:
    """For modems that it drives or may drive; of those by AT, whether it has their ports too."""
    by_it = [name for name, one in modems.items() if one.backend == "modemmanager"]
    may = [name for name, one in modems.items() if one.backend != "at"]
    worst = Grade.FAIL if by_it else Grade.OK  # "auto" goes on by our own engine, and "at" has nothing to fear
    bus = make_bus() if make_bus is not None else Bus("", lambda signal: None)
    try:
        await bus.connect()
        tree = await _tree(bus, start=bool(may))
    except GatewayError as exc:
        code = exc.code if worst is not Grade.OK else ""
        return [Finding(CHECK, worst, str(exc), "runs" if may else "", code)]
    else:
        if tree is None:
            return [Finding(CHECK, Grade.OK, "does not run: nobody takes the AT ports from us")]
        names = ", ".join(_shown(one) for one in tree.modems()) or "no modem"
        out = [Finding(CHECK, Grade.OK, f"runs, and shows {names}", "runs")]
        if may:
            out.append(await _rights(bus, rules))
        return out + [await _one(name, one, tree) for name, one in modems.items()]
    finally:
        await bus.close()


async def _tree(bus: Any, *, start: bool) -> Tree | None:
    """All it has; None when it does not run. `start`: asking may start it, as the daemon's asking does."""
    if not start and not await bus.owner(mm.SERVICE):
        return None
    managed = await bus.call(
        mm.SERVICE, mm.ROOT, f"{DBUS}.ObjectManager", "GetManagedObjects", limit_s=LIMIT_S
    )  # fmt: skip
    tree = Tree()
    tree.replace(managed[0])
    return tree


async def _rights(bus: Any, rules: Sequence[Path]) -> Finding:
    """Of whoever runs this. Root may all, so there the rules of the service's own user are looked for."""
    check = f"{CHECK}.rights"
    subject = ["system-bus-name", {"name": Variant("s", bus.name)}]
    try:
        [[allowed, *_]] = await bus.call(
            POLKIT,
            f"/{POLKIT.replace('.', '/')}/Authority",
            f"{POLKIT}.Authority",
            "CheckAuthorization",
            "(sa{sv})sa{ss}us",
            [subject, CONTROL, {}, 0, ""],
            limit_s=LIMIT_S,
        )
    except GatewayError as exc:
        return Finding(check, Grade.FAIL, f"polkit: {exc}", "polkit lets us drive modems", "mm-not-allowed")
    if not allowed:
        return Finding(check, Grade.FAIL, "polkit refuses this user", CONTROL, "mm-not-allowed")
    if os.geteuid() == 0 and not any(path.exists() for path in rules):
        told = f"allowed as root; no rules file for the service's user {SERVICE_USER}"
        return Finding(check, Grade.WARN, told, str(rules[0]), "mm-not-allowed")
    return Finding(check, Grade.OK, "allowed", CONTROL)


async def _one(name: str, one: OneModem, tree: Tree) -> Finding:
    check = f"modem.{name}.owner"
    if one.port.startswith("tcp://"):
        return Finding(check, Grade.OK, "our AT engine: by the network")
    where = await asyncio.to_thread(resolved, one.port)
    shown = find(tree.modems(), one.port, where)
    if one.backend == "at":
        if shown is None or not await asyncio.to_thread(_has, shown, one.port):
            return Finding(check, Grade.OK, "our AT engine alone")
        return Finding(check, Grade.FAIL, f"ModemManager drives it too: {_shown(shown)}", "one owner", "serial-held")
    if shown is not None:
        return Finding(check, Grade.OK, f"ModemManager: {_shown(shown)}")
    if one.backend == "auto":
        return Finding(check, Grade.OK, "our AT engine, as ModemManager does not show it")
    return Finding(
        check, Grade.FAIL, "ModemManager does not show it", one.port, "mm-not-shown" if where else "modem-absent"
    )


def _has(modem: Thing, address: str) -> bool:
    """That very port: one of its ports that a rule keeps from it is ours."""
    try:
        port = find_port(address).name
    except GatewayError:
        return False
    kept = {row[0] for row in modem.rows(mm.MODEM, "Ports") if isinstance(row, list | tuple) and row[1:] == [IGNORED]}
    return port in ports(modem) and port not in kept


def _shown(modem: Thing) -> str:
    words = (modem.text(mm.MODEM, "Manufacturer")[:40], modem.text(mm.MODEM, "Model")[:40], modem.path[-2:].strip("/"))
    return " ".join(filter(None, words))
