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
_KINDS = {str(kind): kind for kind in Kind}
_NAME = "([A-Za-z0-9_~-]{1,64})"
# Of a gateway: as `model.ids.is_slug`, without its dot.
_TOPIC = re.compile(
    rf"{ROOT}/([a-z0-9][a-z0-9_-]{{0,63}})/"
    rf"(?:({'|'.join(sorted(_ALONE))})|dev/{_NAME}(?:/state)?"
    rf"|({'|'.join(sorted(kind for kind in Kind if kind not in _ALONE and kind is not Kind.DEVICE))})/{_NAME})"
)


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
    found = _TOPIC.fullmatch(text) if len(text) <= MAX_TOPIC else None
    if found is None:
        raise RemoteProtocolError(f"{text[:80]!r} is no topic of ours")
    gateway, alone, device, kind, name = found.groups()
    if alone is not None:
        return Topic(gateway, _KINDS[alone])
    if device is not None:
        return Topic(gateway, Kind.DEVICE, device.replace("~", "."))
    return Topic(gateway, _KINDS[kind], name.replace("~", "."))


def filters_of_kit(gateway: str) -> tuple[str, ...]:
    """What a kit listens to: orders, acknowledgements, centers; and its own state, to know when it is not alone."""
    own = f"{ROOT}/{gateway}"
    return (f"{own}/cmd/+", f"{own}/ack/+", f"{own}/state", f"{ROOT}/+/center")


def filter_of_devices(gateway: str) -> str:
    """What is retained of a kit's devices: what of it is no longer true is cleared."""
    return f"{ROOT}/{gateway}/dev/+/state"


def filter_of_state(gateway: str) -> str:
    return f"{ROOT}/{gateway}/state"


def filters_of_center() -> tuple[str, ...]:
    """Of all kits: what nobody retains. All that a center listens to is of QoS 0, as with kits: events and files wait
    in the kit until the center itself says that it has them, what is missing of the directory is noticed (`tally`), and
    a cluster of NATS makes a queue with three copies for each subscription with QoS 1, which it refuses to while it
    elects."""
    return tuple(f"{ROOT}/+/{kind}" for kind in ("tlm", "pos", "rsp/+", "evt/+", "file/+"))


STATES = filter_of_state("+")
DEVICES = filter_of_devices("+")
