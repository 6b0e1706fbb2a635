"""Who may publish and read what: a kit its own topics, by the name in its certificate; a center those of all kits.

The one list from which the embedded broker judges and other brokers' configurations are written.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.mqtt.protocol.topics import ROOT, may_be_gateway

KIT_WRITES = ("state", "dev/+/state", "tlm", "pos", "evt/+", "file/+", "rsp/+")
CENTER_WRITES = ("cmd/+",)
"""Of every kit; and `ack/{its own name}`."""


def writes(name: str, center: bool) -> tuple[str, ...]:
    """Topic filters that `name` may publish to."""
    if center:
        own = (f"{ROOT}/+/ack/{name}", f"{ROOT}/{name}/center")
        return (*(f"{ROOT}/+/{kind}" for kind in CENTER_WRITES), *own)
    return tuple(f"{ROOT}/{name}/{kind}" for kind in KIT_WRITES)


def reads(name: str, center: bool) -> tuple[str, ...]:
    """Topic filters that `name` may subscribe to, or to parts of."""
    return (f"{ROOT}/#",) if center else (f"{ROOT}/{name}/#", f"{ROOT}/+/center")


def may_publish(name: str, center: bool, topic: str) -> bool:
    return may_be_gateway(name) and any(covers(one, topic) for one in writes(name, center))


def may_read(name: str, center: bool, topic: str) -> bool:
    """`topic` may be a filter: all that it can match must be allowed."""
    return may_be_gateway(name) and any(covers(one, topic) for one in reads(name, center))


def covers(allowed: str, asked: str) -> bool:
    """Whether every topic that `asked` matches is matched by `allowed`."""
    have, want = allowed.split("/"), asked.split("/")
    for number, level in enumerate(have):
        if level == "#":
            return True
        if number >= len(want) or want[number] == "#" or (want[number] == "+" and level != "+"):
            return False
        if level not in ("+", want[number]):
            return False
    return len(have) == len(want)


def mosquitto_acl(centers: Sequence[str]) -> str:
    """`acl_file` of mosquitto: `%u` is the certificate's common name (`use_identity_as_username`)."""
    lines = ["# Every kit: its own topics."]
    lines += [f"pattern write {ROOT}/%u/{kind}" for kind in KIT_WRITES]
    lines += [f"pattern read {ROOT}/%u/#", f"pattern read {ROOT}/+/center"]
    for center in centers:
        lines += ["", "# A center: all kits.", f"user {center}"]
        lines += [f"topic read {one}" for one in reads(center, True)]
        lines += [f"topic write {one}" for one in writes(center, True)]
    return "\n".join(lines) + "\n"
