"""Dataclasses of the model as maps of plain values, and back: what gateways tell each other, by whatever way.

What comes from outside is bounded before it is looked at: depth, number and length of texts. Fields that this build
does not know are left out; one that is missing or of the wrong kind is RemoteProtocolError (`record-damaged`).
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.base.errors import RemoteProtocolError

T = TypeVar("T")

MOST_TEXT = 4096
MOST_ENTRIES = 50_000
MOST_DEPTH = 8


def plain(value: Any, *, lean: bool = False) -> Any:
    """Maps, lists, texts, numbers: what msgpack and JSON have. Bytes become base64 text. `lean`: without fields that
    are as they are by themselves."""
    kind: type[Any] = type(value)
    return _adapter(kind).dump_python(value, mode="json", exclude_defaults=lean)


def whole_json(value: Any) -> bytes:
    """The JSON text of a dataclass, for people too: every field stands in it."""
    kind: type[Any] = type(value)
    return _adapter(kind).dump_json(value)


def lean_json(value: Any) -> bytes:
    """The JSON text of a dataclass, without fields that are as they are by themselves: `record_json` fills them in."""
    kind: type[Any] = type(value)
    return _adapter(kind).dump_json(value, exclude_defaults=True)


def record(kind: type[T], value: Any, *, most_text: int = MOST_TEXT, size: int | None = None) -> T:
    """The dataclass `kind` of a map as `plain` made it. `size`: the bytes of JSON or msgpack it came in, where that is
    known: few can hold neither a long text nor many values. Raises RemoteProtocolError (`record-damaged`)."""
    if size is None or size > most_text:
        bounded(value, most_text)
    try:
        made: T = _adapter(kind).validate_python(value)
    except ValidationError as exc:
        raise _damaged(kind, exc) from None
    return made


def record_json(kind: type[T], data: bytes) -> T:
    """The dataclass `kind` of the JSON text of such a map. A short one is read and judged at once, in half the time; a
    center that starts reads thirty thousand of them. Raises RemoteProtocolError."""
    if len(data) > MOST_TEXT:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as exc:
            raise RemoteProtocolError(f"no JSON: {str(exc)[:120]}", code="record-damaged") from exc
        return record(kind, value)
    try:
        made: T = _adapter(kind).validate_json(data)
    except ValidationError as exc:
        raise _damaged(kind, exc) from None
    return made


def _damaged(kind: type[Any], exc: ValidationError) -> RemoteProtocolError:
    first = exc.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:80]
    return RemoteProtocolError(f"no {kind.__name__}: {where}: {first['msg'][:120]}", code="record-damaged")


def bounded(value: Any, most_text: int = MOST_TEXT) -> None:
    """Raises RemoteProtocolError (`record-damaged`) for what is too deep, too long or too many."""
    _walk(value, MOST_DEPTH, [MOST_ENTRIES], most_text)


def _walk(value: Any, depth: int, left: list[int], most_text: int) -> None:
    left[0] -= 1
    if left[0] < 0:
        raise RemoteProtocolError(f"more than {MOST_ENTRIES} values in one record", code="record-damaged")
    if isinstance(value, str | bytes):
        if len(value) > most_text:
            raise RemoteProtocolError(f"a text of {len(value)} in a record", code="record-damaged")
    elif isinstance(value, dict | list | tuple):
        if depth == 0:
            raise RemoteProtocolError("a record that is too deep", code="record-damaged")
        for inner in value.items() if isinstance(value, dict) else value:
            if isinstance(value, dict):
                _walk(inner[0], depth, left, most_text)
                inner = inner[1]
            _walk(inner, depth - 1, left, most_text)


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    found: TypeAdapter[T] | None = _ADAPTERS.get(kind)
    if found is None:
        found = _ADAPTERS[kind] = TypeAdapter(kind)
    return found


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
"""Made once for each kind: building one takes a millisecond."""
