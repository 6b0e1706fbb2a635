"""What a value that somebody told us costs in memory, roughly and never much too little: for budgets of far sides."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

_SMALL = 16
_TEXT, _HOLDER, _EACH = 56, 64, 16
"""Bytes of CPython 3.11 on 64 bits: a text beside its characters, a container, a place in one."""


def weight(value: Any) -> int:
    """Bytes. Dataclasses, maps, lists, texts, numbers."""
    kind = type(value)
    if kind is str:
        return _TEXT + len(value) * (1 if value.isascii() else 4)
    if value is None or kind in _PLAIN or isinstance(value, Enum):
        return _SMALL
    if (names := _names(kind)) is not None:
        return _HOLDER + sum([_EACH + weight(getattr(value, name)) for name in names])
    if isinstance(value, bytes):
        return _TEXT + len(value)
    if isinstance(value, dict):
        return _HOLDER + sum(2 * _EACH + weight(name) + weight(inner) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return _HOLDER + sum([_EACH + weight(inner) for inner in value])
    return _HOLDER


def _names(kind: type[Any]) -> tuple[str, ...] | None:
    found = _FIELDS.get(kind, ())
    if found == ():
        found = _FIELDS[kind] = tuple(one.name for one in fields(kind)) if is_dataclass(kind) else None
    return found


_PLAIN = frozenset({bool, int, float})
_FIELDS: dict[type[Any], tuple[str, ...] | None] = {}
"""Looked up once for each kind: a recorder has thousands of channels."""
