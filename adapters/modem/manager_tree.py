"""ModemManager's objects as they stand, from its answers and signals. Sans-IO; everything taken in is bounded.

Modems come by the ObjectManager (`replace`, `add`, `remove`) and change by PropertiesChanged (`change`). SIMs, bearers,
messages and calls are not told by the ObjectManager: `missing` names those that a modem points to and that are not
known yet; whoever does the asking hands the answer to `learn`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from adapters.modem import manager_words as mm

Value: TypeAlias = object
Properties: TypeAlias = Mapping[str, Value]

MODEMS = 16
LISTED = 256  # of one list of a modem: messages, calls, bearers
TEXT = 4096

_PARTS = (  # property of a modem's interface → the interface of the objects that it names
    (mm.MODEM, "Bearers", mm.BEARER),
    (mm.MESSAGING, "Messages", mm.SMS),
    (mm.VOICE, "Calls", mm.CALL),
)


@dataclass(slots=True)
class Thing:
    """One object's properties by interface."""

    path: str
    interfaces: dict[str, dict[str, Value]] = field(default_factory=dict)

    def has(self, interface: str) -> bool:
        return interface in self.interfaces

    def text(self, interface: str, name: str) -> str:
        value = self.interfaces.get(interface, {}).get(name)
        return value[:TEXT] if isinstance(value, str) else ""

    def number(self, interface: str, name: str, default: int = 0) -> int:
        value = self.interfaces.get(interface, {}).get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def flag(self, interface: str, name: str) -> bool:
        return self.interfaces.get(interface, {}).get(name) is True

    def table(self, interface: str, name: str) -> Mapping[object, Value]:
        value = self.interfaces.get(interface, {}).get(name)
        return value if isinstance(value, dict) else {}

    def rows(self, interface: str, name: str) -> Sequence[Value]:
        value = self.interfaces.get(interface, {}).get(name)
        return value[:LISTED] if isinstance(value, list) else ()

    def paths(self, interface: str, name: str) -> list[str]:
        return [value for value in self.rows(interface, name) if isinstance(value, str) and value != mm.NO_OBJECT]

    def merge(self, interface: str, values: Properties, gone: Sequence[str] = ()) -> bool:
        """Whether anything changed."""
        held = self.interfaces.setdefault(interface, {})
        changed = any(name not in held or held[name] != value for name, value in values.items())
        held.update(values)
        for name in gone:
            changed |= held.pop(name, None) is not None
        return changed


class Tree:
    """All of one ModemManager. A new owner of its name begins with a new tree."""

    def __init__(self) -> None:
        self._modems: dict[str, Thing] = {}
        self._parts: dict[str, Thing] = {}
        self.left_out = 0  # modems beyond the bound

    def replace(self, managed: Mapping[str, Mapping[str, Properties]]) -> None:
        self._modems.clear()
        self._parts.clear()
        for path, interfaces in managed.items():
            self.add(path, interfaces)

    def add(self, path: str, interfaces: Mapping[str, Properties]) -> None:
        """InterfacesAdded: a modem, or a modem's further interface (Messaging appears when the SIM is open)."""
        held = self._modems.get(path)
        if held is None:
            if mm.MODEM not in interfaces:
                return
            if len(self._modems) >= MODEMS:
                self.left_out += 1
                return
            held = self._modems[path] = Thing(path)
        for interface, values in interfaces.items():
            held.merge(interface, values)

    def remove(self, path: str, interfaces: Sequence[str]) -> None:
        held = self._modems.get(path)
        if held is None:
            return
        for interface in interfaces:
            held.interfaces.pop(interface, None)
        if not held.has(mm.MODEM):
            del self._modems[path]
        self._forget()

    def change(self, path: str, interface: str, values: Properties, gone: Sequence[str] = ()) -> bool:
        """PropertiesChanged; False when it is nobody's whom we follow, or changed nothing."""
        held = self._modems.get(path) or self._parts.get(path)
        if held is None:
            return False
        changed = held.merge(interface, values, gone)
        self._forget()
        return changed

    def missing(self) -> Iterator[tuple[str, str]]:
        """(path, interface) of parts that are pointed to and not known."""
        for path, interface in self._wanted():
            if path not in self._parts:
                yield path, interface

    def learn(self, path: str, interface: str, values: Properties) -> None:
        """What GetAll said of a part; {}: it is not there any more, and is not asked for again."""
        if any(path == wanted for wanted, _ in self._wanted()):
            part = self._parts.setdefault(path, Thing(path))
            part.merge(interface, values)

    def forget(self, path: str) -> None:
        """A part that is to be asked for anew."""
        self._parts.pop(path, None)

    def modems(self) -> list[Thing]:
        return list(self._modems.values())

    def modem(self, path: str) -> Thing | None:
        return self._modems.get(path)

    def part(self, path: str) -> Thing | None:
        return self._parts.get(path)

    def parts(self, modem: Thing, interface: str, name: str) -> list[Thing]:
        """The known objects that a modem's list names."""
        return [self._parts[path] for path in modem.paths(interface, name) if path in self._parts]

    def owner(self, path: str) -> Thing | None:
        """The modem that is `path` or points to it."""
        if path in self._modems:
            return self._modems[path]
        return next((modem for modem in self._modems.values() if path in dict(self._of(modem))), None)

    def _of(self, modem: Thing) -> Iterator[tuple[str, str]]:
        sim = modem.text(mm.MODEM, "Sim")
        if sim and sim != mm.NO_OBJECT:
            yield sim, mm.SIM
        for interface, name, kind in _PARTS:
            for path in modem.paths(interface, name):
                yield path, kind

    def _wanted(self) -> Iterator[tuple[str, str]]:
        for modem in self._modems.values():
            yield from self._of(modem)

    def _forget(self) -> None:
        wanted = {path for path, _ in self._wanted()}
        for path in [path for path in self._parts if path not in wanted]:
            del self._parts[path]
