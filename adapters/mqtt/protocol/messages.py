"""What stands in the messages: birth and device as JSON (people look at them), the rest as msgpack.

Everything from outside is bounded before it is looked at and raises RemoteProtocolError when it is not as it should be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgpack

from gateway.base.errors import RemoteProtocolError
from gateway.base.moment import Moment, TimeQuality
from gateway.model.command import ArgValue, CommandResult
from gateway.model.device import Device
from gateway.model.forward import MAX_BODY_BYTES, Batch, ClockMark, Event, EventKind, ForwardFile, Rank
from gateway.model.kit import LinkState
from gateway.model.kit_state import KitCondition
from gateway.model.position import Position
from gateway.wire.records import lean_json, plain, record, record_json, whole_json

MAX_BYTES = 512 * 1024
"""Of one message. Larger ones are not sent, and not looked at."""
MOST_CHANNELS = 3000
"""Of one device in one message."""
VERSION = 1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Birth:
    """The state of a kit or a center. `boot` grows with every start, `session` with every connection of a boot;
    `instance` is random for each start: two that have the same id and differ in it are two machines."""

    online: bool
    boot: int
    session: int
    instance: str
    name: str = ""
    version: str = ""
    adcode: str = ""
    host: str = ""
    addresses: tuple[str, ...] = ()
    period_s: float = 10.0  # of telemetry
    at: float = 0.0  # the wall clock of whoever says it
    code: str = ""  # why it is going, where it says so itself
    devices: int = -1  # how many it tells; -1: it does not say
    kits: int = 0  # of a center: how many are paired with it

    def older(self, than: Birth) -> bool:
        return (self.boot, self.session) < (than.boot, than.session)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Signs of life with figures. `waiting`: events in the outbox; `dropped`: given up, as it was full."""

    boot: int
    session: int
    instance: str
    seq: int
    boot_id: str
    mono: float
    wall: float
    quality: TimeQuality
    waiting: int = 0
    dropped: int = 0
    full: bool = False
    figures: dict[str, float] = field(default_factory=dict)
    links: tuple[LinkState, ...] = ()
    devices: int = -1  # how many it has told (`tally.Tally`); -1: it does not say
    tally: int = -1  # the sum over them; -1: it does not say
    condition: KitCondition | None = None  # how the kit itself stands


@dataclass(frozen=True, slots=True)
class Events:
    """A batch for the center `to` ("": whoever listens). `damaged`: ids of those in it that can not be read."""

    to: str
    batch: Batch
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ack:
    """What a center has for good (`ids`), what it will never take (`refused`: id → reason code), and of files how many
    bytes it has and a reason code where something is wrong (`files`)."""

    ids: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a center. `left_s` were left when it was sent, at `mono` of the center's run `run`: the kit's clock
    has no part in it, and a message that lay in a broker for a minute is a minute older. `instance` is the kit's, by
    its birth: no other start of it obeys."""

    id: str
    action: str
    target: str
    center: str
    name: str
    role: str
    left_s: float
    mono: float
    run: str
    instance: str
    session: str = ""
    address: str = ""
    args: dict[str, ArgValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Piece:
    """Of a file: with `file` and no bytes it announces one and asks how much is there."""

    file: ForwardFile | None
    offset: int = 0
    data: bytes = b""


# — JSON —


def birth_bytes(birth: Birth) -> bytes:
    return whole_json(birth)


def read_birth(data: bytes) -> Birth:
    birth = _json(Birth, data)
    if not 1 <= len(birth.instance) <= 64 or not 0.5 <= birth.period_s <= 3600:
        raise RemoteProtocolError("a state without its instance, or with an absurd period")
    return replace(birth, addresses=birth.addresses[:16])


def device_bytes(device: Device) -> bytes:
    """What is as it is by itself is left out. A recorder with thousands of channels is told as far as it fits."""
    told = len(device.channels)
    while True:
        data = lean_json(device)
        if len(data) <= MAX_BYTES and len(device.channels) <= MOST_CHANNELS:
            return data
        fit = min(len(device.channels) * MAX_BYTES * 9 // (len(data) * 10), MOST_CHANNELS)
        device = replace(device, channels=device.channels[:fit], detail=f"{fit} of its {told} channels are told here")


def read_device(data: bytes) -> Device:
    return _json(Device, data)


# — msgpack —


def telemetry_bytes(told: Telemetry) -> bytes:
    value = plain(told)
    # Most of it is as it is by itself: told each time on a thin link.
    value["condition"] = None if told.condition is None else plain(told.condition, lean=True)
    return _pack(value)


def read_telemetry(data: bytes) -> Telemetry:
    return record(Telemetry, _unpack(data), size=len(data))


def position_bytes(position: Position) -> bytes:
    return _pack(plain(position))


def read_position(data: bytes) -> Position:
    return record(Position, _unpack(data), size=len(data))


def events_bytes(events: Events) -> bytes:
    batch = events.batch
    return _pack(
        {
            "v": VERSION,
            "to": events.to,
            "sent": _moment_out(batch.sent),
            "marks": [[mark.boot_id, mark.mono, mark.wall] for mark in batch.marks],
            "events": [
                [e.id, e.kind.value, int(e.rank), e.severity, e.body, e.boot, *_moment_out(e.moment)]
                for e in batch.events
            ],
        }
    )


def read_events(data: bytes) -> Events:
    told = _map(_unpack(data))
    with _careful("events"):
        marks = tuple(ClockMark(_text(b), float(m), float(w)) for b, m, w in told["marks"])
        events, damaged = list[Event](), list[str]()
        for row in told["events"]:
            try:
                events.append(_event_in(row))
            except (ValueError, TypeError):
                # One that a newer kit knows, or nobody: those behind it must not wait for it for ever.
                damaged.append(_text(row[0]))
        return Events(_text(told["to"]), Batch(tuple(events), _moment_in(told["sent"]), marks), tuple(damaged))


def ack_bytes(ack: Ack) -> bytes:
    return _pack({"ids": list(ack.ids), "refused": ack.refused, "files": {k: list(v) for k, v in ack.files.items()}})


def read_ack(data: bytes) -> Ack:
    told = _map(_unpack(data))
    with _careful("an acknowledgement"):
        files = {_text(key): (int(have), _text(code)) for key, (have, code) in told.get("files", {}).items()}
        refused = {_text(key): _text(code) for key, code in told.get("refused", {}).items()}
        return Ack(tuple(_text(one) for one in told.get("ids", ())), refused, files)


def order_bytes(order: Order) -> bytes:
    return _pack(plain(order))


def read_order(data: bytes) -> Order:
    return record(Order, _unpack(data), size=len(data))


def answer_bytes(result: CommandResult) -> bytes:
    return _pack(plain(result))


def read_answer(data: bytes) -> CommandResult:
    return record(CommandResult, _unpack(data), size=len(data))


def piece_bytes(piece: Piece) -> bytes:
    told: dict[str, Any] = {"offset": piece.offset, "data": piece.data}
    if piece.file is not None:
        told["file"] = plain(piece.file)
    return _pack(told)


def read_piece(data: bytes) -> Piece:
    told = _map(_unpack(data))
    with _careful("a piece of a file"):
        file = record(ForwardFile, told["file"]) if told.get("file") is not None else None
        offset, body = told["offset"], told["data"]
        if not isinstance(body, bytes) or isinstance(offset, bool) or not isinstance(offset, int) or offset < 0:
            raise ValueError("no bytes at an offset")
        return Piece(file, offset, body)


# — within —


class _careful:
    """Whatever is wrong with a value from outside is the sender's fault."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, exc: BaseException | None, _trace: object) -> None:
        if isinstance(exc, KeyError | IndexError | ValueError | TypeError | AttributeError | OverflowError):
            raise RemoteProtocolError(f"{self._what}: {type(exc).__name__} {str(exc)[:120]}") from exc


def _json(kind: type[T], data: bytes) -> T:
    if len(data) > MAX_BYTES:
        raise RemoteProtocolError(f"a message of {len(data)} bytes")
    return record_json(kind, data)


def _pack(value: Mapping[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _unpack(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise RemoteProtocolError(f"a message of {len(data)} bytes")
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=True)
    except Exception as exc:  # its exceptions have no base of their own, and texts may be no UTF-8
        raise RemoteProtocolError(f"no msgpack: {type(exc).__name__} {str(exc)[:120]}") from exc


def _map(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"a message that is no map but {type(value).__name__}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 128:
        raise ValueError("no short text")
    return value


def _moment_out(moment: Moment) -> list[Any]:
    return [moment.boot_id, moment.mono, moment.wall, moment.quality.value]


def _moment_in(row: Sequence[Any]) -> Moment:
    boot_id, mono, wall, quality = row
    return Moment(_text(boot_id), _number(mono), _number(wall), TimeQuality(quality))


def _event_in(row: Sequence[Any]) -> Event:
    id_, kind, rank, severity, body, boot, *moment = row
    if not isinstance(body, str) or len(body.encode("utf-8", "surrogatepass")) > MAX_BODY_BYTES or not _text(id_):
        raise ValueError("an event without id, or with a body that is too long")
    return Event(_text(id_), EventKind(kind), Rank(rank), _text(severity), body, _moment_in(moment), int(boot))


def _number(value: Any) -> float:
    number = float(value)
    if number != number or abs(number) > 1e12:
        raise ValueError("no time")
    return number
