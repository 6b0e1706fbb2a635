"""What every process of a run knows: who there is, where the brokers are, and where files lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from adapters.mqtt.address import Broker, parse_broker
from adapters.mqtt.dial import ClientTls
from adapters.mqtt.protocol.seal import Seal, shared

CENTER = "center1"
DEVICES = 8
FILE = "plan.json"


@dataclass(frozen=True)
class Plan:
    """`kits` are made up, `daemons` are processes of their own. `brokers`: as a kit's configuration names them."""

    root: str
    kits: int
    daemons: int
    brokers: tuple[str, ...]
    center_key: str
    telemetry_s: float = 10.0
    devices: int = DEVICES
    spread: bool = True

    @cached_property
    def folder(self) -> Path:
        return Path(self.root)

    @property
    def expected(self) -> tuple[int, int]:
        """Kits and their devices at the center when all is told."""
        return self.kits + self.daemons, self.kits * self.devices

    def addresses(self) -> tuple[Broker, ...]:
        return tuple(parse_broker(text) for text in self.brokers)

    def names(self) -> list[str]:
        return [name_of(number) for number in range(self.kits)]

    def daemon_names(self) -> list[str]:
        return [f"kit-{number + 1}" for number in range(self.daemons)]

    def files(self, name: str) -> ClientTls:
        """Whose certificate names `name`."""
        clients = self.folder / "clients"
        return ClientTls(self.folder / "ca.crt", clients / f"{name}.crt", clients / f"{name}.key")

    def seal(self, name: str) -> Seal:
        """A made-up kit's, for the center."""
        return Seal(name, [shared(private_key(name), bytes.fromhex(self.center_key))])

    def save(self) -> None:
        (self.folder / FILE).write_text(json.dumps(asdict(self)))


def load(folder: Path) -> Plan:
    told = json.loads((folder / FILE).read_text())
    return Plan(**(told | {"brokers": tuple(told["brokers"])}))


def name_of(number: int) -> str:
    return f"county-{number:04}"


def private_key(name: str) -> bytes:
    """Of a made-up kit: the same in every process."""
    return hashlib.sha256(f"bench of fleets {name}".encode()).digest()


def public_key(name: str) -> bytes:
    return X25519PrivateKey.from_private_bytes(private_key(name)).public_key().public_bytes_raw()


def split(names: Sequence[str], parts: int) -> list[list[str]]:
    """One after the other, so that each part has of everything."""
    return [list(names[part::parts]) for part in range(parts)]
