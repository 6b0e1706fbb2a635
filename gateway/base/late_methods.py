"""A dataclass's methods, compiled when they are first asked for.

`@dataclass(frozen=True, slots=True)` writes six functions as text and compiles each, most of which nobody ever calls
(`__repr__`, `__delattr__`, the `__init__` of what has not happened yet): with our six hundred of them that was the
largest single part of the time to ready. After `compile_late()` a class holds a placeholder for each, which is the
function itself as soon as anybody, an inspection too, takes it from the class.

It stands on one private function of the standard library, which Python 3.11 and 3.12 have; 3.13 compiles a class's
functions in one go. Where that function is not what we know, everything stays as it is.
"""

from __future__ import annotations

import dataclasses
from types import FunctionType
from typing import Any

_CREATE = "_create_fn"
_KNOWN = ("name", "args", "body", "globals", "locals", "return_type")


class Late:
    """Stands in a class for a function that is made when it is taken from there, and takes its place."""

    __slots__ = ("__name__", "__qualname__", "_make")

    def __init__(self, make: Any, name: str, given: tuple[Any, ...]) -> None:
        self.__name__ = self.__qualname__ = name
        self._make = (make, name, given)

    def function(self) -> FunctionType:
        make, name, (args, body, globals_, locals_, kind) = self._make
        made: FunctionType = make(name, args, body, globals=globals_, locals=locals_, return_type=kind)
        return made

    def __get__(self, instance: object, owner: type) -> Any:
        made = self.function()
        for holder in owner.__mro__:
            if holder.__dict__.get(self.__name__) is self:
                made.__qualname__ = f"{holder.__qualname__}.{self.__name__}"
                # Two threads at once make two like ones; either may stay.
                setattr(holder, self.__name__, made)
                break
        return made if instance is None else made.__get__(instance, owner)

    def __call__(self, *args: Any) -> Any:
        """For what the standard library wraps a function in: the guard of `__repr__` against circles."""
        made = self.function()
        self._make = (lambda *_args, **_given: made, *self._make[1:])
        return made(*args)


def compile_late() -> bool:
    """From now on, in this process, for every dataclass made; whether it was possible."""
    create = getattr(dataclasses, _CREATE, None)
    if not isinstance(create, FunctionType) or create.__code__.co_varnames[: len(_KNOWN)] != _KNOWN:
        return False

    def late(
        name: str,
        args: Any,
        body: Any,
        *,
        globals: Any = None,
        locals: Any = None,
        return_type: Any = dataclasses.MISSING,
    ) -> Late:
        return Late(create, name, (args, body, globals, locals, return_type))

    setattr(dataclasses, _CREATE, late)
    return True
