"""Topics: `fc/v1/{gateway}/…`, flat, at most six levels, without what any kind of broker takes for something else.

```
fc/v1/{gateway}/state            retained: birth and death (the will is the same topic)
fc/v1/{gateway}/dev/{device}/state   retained: a device; empty: it is gone
fc/v1/{gateway}/tlm              telemetry, QoS 0
fc/v1/{gateway}/pos              positions of now, QoS 0
fc/v1/{gateway}/evt/{severity}   events of the outbox, QoS 1, until a center acknowledges
fc/v1/{gateway}/file/{id}        pieces of waiting files, QoS 1
fc/v1/{gateway}/rsp/{id}         answers to orders
fc/v1/{gateway}/cmd/{action}     orders, never retained
fc/v1/{gateway}/ack/{center}     what a center has for good
fc/v1/{center}/center            retained: that a center is there (its will is the same topic)
```

A gateway's id stands in its certificate and in its topics as it is, so it has no dot (NATS takes it for a level); the
dots of devices and actions are written as `~`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.base.errors import RemoteProtocolError
from gateway.model.ids import is_slug

ROOT = "fc/v1"
MAX_TOPIC = 256
_LEVEL = re.compile(r"[A-Za-z0-9_~-]{1,64}")


class Kind(StrEnum):
    STATE = "state"
    DEVICE = "dev"
    TELEMETRY = "tlm"
    POSITION = "pos"
    EVENT = "evt"
    FILE = "file"
    ANSWER = "rsp"
    ORDER = "cmd"
    ACK = "ack"
    CENTER = "center"


_ALONE = frozenset({Kind.STATE, Kind.TELEMETRY, Kind.POSITION, Kind.CENTER})


@dataclass(frozen=True, slots=True)
class Topic:
    """`name`: the device, severity, file, order or center; "" where the kind has none."""

    gateway: str
    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        if self.kind in _ALONE:
            return f"{ROOT}/{self.gateway}/{self.kind}"
        end = "/state" if self.kind is Kind.DEVICE else ""
        return f"{ROOT}/{self.gateway}/{self.kind}/{self.name.replace('.', '~')}{end}"


def may_be_gateway(text: str) -> bool:
    return is_slug(text) and "." not in text


def parse(text: str) -> Topic:
    """Raises RemoteProtocolError."""
    levels = text.split("/") if len(text) <= MAX_TOPIC else []
    if not 4 <= len(levels) <= 6 or levels[:2] != ROOT.split("/") or not may_be_gateway(levels[2]):
        raise RemoteProtocolError(f"{text[:80]!r} is no topic of ours")
    try:
        kind = Kind(levels[3])
    except ValueError:
        raise RemoteProtocolError(f"{text[:80]!r} is no topic of ours") from None
    rest = levels[4:]
    if kind is Kind.DEVICE and rest[-1:] == ["state"]:
        rest = rest[:-1]
    if len(rest) != (0 if kind in _ALONE else 1) or not all(_LEVEL.fullmatch(level) for level in rest):
        raise RemoteProtocolError(f"{text[:80]!r} is no topic of ours")
    return Topic(levels[2], kind, rest[0].replace("~", ".") if rest else "")


def filters_of_kit(gateway: str) -> tuple[str, ...]:
    """What a kit listens to: orders, acknowledgements, centers; and its own state, to know when it is not alone."""
    own = f"{ROOT}/{gateway}"
    return (f"{own}/cmd/+", f"{own}/ack/+", f"{own}/state", f"{ROOT}/+/center")


def filter_of_devices(gateway: str) -> str:
    """What is retained of a kit's devices: what of it is no longer true is cleared."""
    return f"{ROOT}/{gateway}/dev/+/state"


def filters_of_center() -> tuple[str, ...]:
    kinds = ("state", "dev/+/state", "tlm", "pos", "evt/+", "file/+", "rsp/+")
    return tuple(f"{ROOT}/+/{kind}" for kind in kinds)
