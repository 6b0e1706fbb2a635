"""ModemManager on a bus that is none: objects in a dictionary, refusals and silence as a test wants them.

fake = FakeManager()
monkeypatch.setattr(manager, "Bus", fake.bus)      # every connection that is made is one to it
path = fake.plug("usb1/1-1.3", State=8)
fake.silent.add("Connect")
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from adapters.modem import manager_words as mm
from adapters.modem.manager_bus import DBUS, Signal, failure
from gateway.base.errors import LinkDown

Answer = Callable[..., list[Any]]


class FakeManager:
    """`there`: it has its name. `calls`: all that it was asked, as "Interface.Member". `refuses`: member → D-Bus error
    name. `silent`: members that are never answered; "*" all."""

    def __init__(self) -> None:
        self.there = True
        self.bus_there = True
        self.allows = True  # polkit
        self.owner = ":1.7"
        self.objects: dict[str, dict[str, dict[str, Any]]] = {}
        self.parts: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.asked: list[tuple[str, str, Sequence[Any]]] = []
        self.refuses: dict[str, str] = {}
        self.silent: set[str] = set()
        self.answers: dict[str, Answer] = {}
        self._buses: list[FakeBus] = []
        self._plugged = 0

    def bus(self, address: str, on_signal: Callable[[Signal], None]) -> FakeBus:
        made = FakeBus(self, on_signal)
        self._buses.append(made)
        return made

    # ── what tests do ───────────────────────────────────────────────────────
    def plug(self, device: str = "pci0/usb1/1-1/1-1.3", **values: Any) -> str:
        path = f"{mm.ROOT}/Modem/{self._plugged}"
        self._plugged += 1
        modem = {
            "State": 8, "UnlockRequired": 1, "Sim": f"{path}/sim", "Device": f"/sys/devices/{device}",
            "Manufacturer": "Quectel", "Model": "EG25", "AccessTechnologies": 0x4000, "Bearers": [], **values,
        }  # fmt: skip
        self.parts[f"{path}/sim"] = {"SimIdentifier": "8986", "Imsi": "46000"}
        self.objects[path] = {mm.MODEM: modem, mm.GPP: {"RegistrationState": 1, "OperatorCode": "46000"}}
        self.say(mm.ROOT, f"{DBUS}.ObjectManager", "InterfacesAdded", [path, self.objects[path]])
        return path

    def unplug(self, path: str) -> None:
        gone = self.objects.pop(path)
        self.say(mm.ROOT, f"{DBUS}.ObjectManager", "InterfacesRemoved", [path, list(gone)])

    def change(self, path: str, interface: str, **values: Any) -> None:
        self.objects[path].setdefault(interface, {}).update(values)
        self.say(path, f"{DBUS}.Properties", "PropertiesChanged", [interface, values, []])

    def end(self) -> None:
        """It crashes; its objects are gone."""
        self.there = False
        self.objects.clear()
        self._named("")

    def begin(self, owner: str = ":1.8") -> None:
        self.there, self.owner = True, owner
        self._named(owner)

    def cut(self) -> None:
        """The bus goes away."""
        self.bus_there = False
        for bus in self._buses:
            bus.ends.set()

    def say(self, path: str, interface: str, member: str, body: list[Any], sender: str = "") -> None:
        for bus in self._buses:
            if bus.open:
                bus.on_signal(Signal(sender or self.owner, path, interface, member, body))

    def _named(self, owner: str) -> None:
        old = "" if owner else self.owner
        self.say("/org/freedesktop/DBus", DBUS, "NameOwnerChanged", [mm.SERVICE, old, owner], sender=DBUS)

    # ── what it answers ─────────────────────────────────────────────────────
    def answer(self, path: str, interface: str, member: str, body: Sequence[Any]) -> list[Any]:
        self.calls.append(f"{interface.rpartition('.')[2]}.{member}")
        self.asked.append((path, member, body))
        if member in self.refuses:
            raise failure(f"org.freedesktop.{self.refuses[member]}", "refused", member)
        if member in self.answers:
            return self.answers[member](path, *body)
        if member == "GetManagedObjects":
            return [{path: {name: dict(values) for name, values in one.items()} for path, one in self.objects.items()}]
        if member == "GetAll":
            if path not in self.parts:
                raise failure("org.freedesktop.DBus.Error.UnknownObject", "no such object", member)
            return [self.parts[path]]
        if member == "CheckAuthorization":
            return [[self.allows, False, {}]]
        if member == "Enable":
            self.change(path, mm.MODEM, State=8 if body[0] else 3)
        return []


class FakeBus:
    name = ":1.42"

    def __init__(self, fake: FakeManager, on_signal: Callable[[Signal], None]) -> None:
        self.fake, self.on_signal = fake, on_signal
        self.open = False
        self.ends = asyncio.Event()

    async def connect(self) -> None:
        if not self.fake.bus_there:
            raise LinkDown("no such socket", code="mm-no-bus")
        self.open = True

    async def close(self) -> None:
        self.open = False
        self.ends.set()

    async def ended(self) -> None:
        await self.ends.wait()

    async def match(self, rule: str) -> None:
        pass

    async def owner(self, name: str) -> str:
        return self.fake.owner if self.fake.there else ""

    async def call(
        self, service: str, path: str, interface: str, member: str, signature: str = "", body: Sequence[Any] = (),
        *, limit_s: float,
    ) -> list[Any]:  # fmt: skip
        await asyncio.sleep(0)
        if not self.open:
            raise LinkDown(f"{member}: no connection to the bus", code="mm-no-bus")
        if service == "org.freedesktop.PolicyKit1":
            return self.fake.answer(path, interface, member, body)
        if not self.fake.there or service not in (mm.SERVICE, self.fake.owner):
            raise failure("org.freedesktop.DBus.Error.ServiceUnknown", "not provided", member)
        if self.fake.silent & {member, "*"}:
            await asyncio.sleep(limit_s)
            raise LinkDown(f"{member}: no answer within {limit_s:g} s", code="modem-silent")
        return self.fake.answer(path, interface, member, body)
