"""What is said between a kit and a center, by name; and lists that are larger than a message, in parts.

On the stream `rpc` (both may ask, answers are awaited):
    hello     kit → center  {version, gateway, name, boot, software, adcode, now} → {gateway, name, version, now}
    open      → kit         {stream, given}; then notices `flow`, `at`, at last `over`
    close     → kit         {given}
    snapshot  → kit         {stream, height, quality, as} → {jpeg, width, height, age_s}
    command   → kit         {command, left_s} → CommandResult
    talk      → kit         {seat, target, wish, as, flow} → {member, full, flow}; then `word`, `hears`, `risen`
    rise      → kit         {seat}
    next-key  kit → center  {key}, once it is on the center's disk
  (`given` and `seat` are the center's own numbers), and the kit's notices
    flow      {given, flow, step, stall_ms}   the picture comes by this flow from its next key picture on
    at        {given, code, detail}           what the source waits for
    over      {given, code, detail}
    word      {seat, word}   hears {seat, on}   risen {seat, code, detail}
    links     {links}        gave-up {stream, code}
  and the center's: revoked {detail}, just before it ends the session
On the stream `tell`, where a long list holds up nobody:
    list      kit → center  {kind, items, first, last}    all there is of a kind, in parts
    item      {kind, value}   gone {kind, id}   position {…}   ptz {stream, holder}   condition {…}
    events    {batch} → {kept, refused}   file-begin {file} → {received}   file-append {file, offset, data} → {received}
    thumbnail center → kit  {stream, jpeg, age_s}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgpack

from gateway.base.errors import RemoteProtocolError
from gateway.model.device import Device
from gateway.wire.records import plain, record
from gateway.wire.weight import weight

T = TypeVar("T")

PART_BYTES = 128 * 1024
MOST_ITEMS, MOST_LISTS_BYTES = 50_000, 64 << 20
"""Of lists that are being put together, in memory; the bytes of all kinds together."""
DEVICE_BYTES, DEVICE_VALUES = 700_000, 40_000
"""Of one device: well within what a message and a record may hold at the far side."""


def shaped(value: Any) -> Any:
    """A value of the model as it is told; of a device as many channels as a message holds, and that it is not all."""
    if not isinstance(value, Device):
        return plain(value, lean=True)
    told = len(value.channels)
    while True:
        made = plain(value, lean=True)
        share = min(DEVICE_BYTES / len(msgpack.packb(made)), DEVICE_VALUES / _count(made))
        if share >= 1 or not value.channels:
            return made
        fit = int(len(value.channels) * share * 0.95)
        value = replace(value, channels=value.channels[:fit], detail=f"{fit} of its {told} channels are told here")


def parts(kind: str, values: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    """The arguments of the notices `list` that tell all of `values`; at least one, also for none."""
    items: list[Any] = []
    size, first = 0, True
    for value in values:
        made = shaped(value)
        length = len(msgpack.packb(made))
        if items and size + length > PART_BYTES:
            yield {"kind": kind, "items": items, "first": first, "last": False}
            items, size, first = [], 0, False
        items.append(made)
        size += length
    yield {"kind": kind, "items": items, "first": first, "last": True}


def _count(value: Any) -> int:
    """Values and names, as a record counts them."""
    if isinstance(value, dict):
        return 1 + sum(1 + _count(inner) for inner in value.values())
    return 1 + sum(_count(inner) for inner in value) if isinstance(value, list) else 1


class Lists:
    """Puts lists together again. `take` gives the whole one with its last part."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Any]] = {}
        self._weights: dict[str, int] = {}

    def take(self, args: Mapping[str, Any]) -> tuple[str, list[Any]] | None:
        """Raises RemoteProtocolError (`record-damaged`)."""
        match args:
            case {"kind": str(kind), "items": list(items), "first": bool(first), "last": bool(last)} if kind in KINDS:
                found = [] if first else self._parts.get(kind)
                if found is None or len(found) + len(items) > MOST_ITEMS:
                    raise RemoteProtocolError(f"a list of {kind} without its beginning, or end", code="record-damaged")
                self._weights[kind] = (0 if first else self._weights[kind]) + weight(items)
                if sum(self._weights.values()) > MOST_LISTS_BYTES:
                    raise RemoteProtocolError(f"lists of more than {MOST_LISTS_BYTES >> 20} MiB", code="kit-too-many")
                found += items
                if not last:
                    self._parts[kind] = found
                    return None
                self._parts.pop(kind, None)
                self._weights.pop(kind, None)
                return kind, found
        raise RemoteProtocolError("a list that is none", code="record-damaged")


KINDS = ("device", "stream", "group", "voice")


def text(args: Mapping[str, Any], name: str, most: int = 200) -> str:
    """A text of the far side; "" where there is none. Raises RemoteProtocolError (`record-damaged`)."""
    value = args.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise RemoteProtocolError(f"{name}: no text of at most {most} characters", code="record-damaged")
    return value


def number(args: Mapping[str, Any], name: str, low: float, high: float, default: float | None = None) -> float:
    """Raises RemoteProtocolError (`record-damaged`)."""
    value = args.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RemoteProtocolError(f"{name}: no number from {low:g} to {high:g}", code="record-damaged")
    return value


def whole(args: Mapping[str, Any], name: str, low: int = 1, high: int = 65_535) -> int:
    return int(number(args, name, low, high))


def one(kind: type[T], args: Mapping[str, Any], name: str) -> T:
    """A dataclass of the model. Raises RemoteProtocolError (`record-damaged`)."""
    return record(kind, args.get(name))
