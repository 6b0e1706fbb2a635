"""A dataclass made late is the same in all that one can see of it as one made at once."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import pytest

from gateway.base.late_methods import Late, compile_late

HAS_IT = hasattr(dataclasses, "_create_fn")
pytestmark = pytest.mark.skipif(not HAS_IT, reason="this Python compiles a class's functions in one go by itself")


@pytest.fixture
def late() -> Iterator[None]:
    before = dataclasses._create_fn  # type: ignore[attr-defined]
    assert compile_late()
    yield
    dataclasses._create_fn = before  # type: ignore[attr-defined]


def make() -> dict[str, Any]:
    """The kinds of classes that we have; each call makes them anew."""

    @dataclasses.dataclass(frozen=True, slots=True)
    class Point:
        """With words of its own."""

        x: int
        y: int = 2
        of: list[int] = dataclasses.field(default_factory=list, compare=False)

    @dataclasses.dataclass(frozen=True, slots=True)
    class Named(Point):
        name: str = ""

    @dataclasses.dataclass(order=True)
    class Sized:
        size: int
        twice: int = dataclasses.field(init=False)
        inner: Any = None

        def __post_init__(self) -> None:
            self.twice = 2 * self.size

    @dataclasses.dataclass(slots=True, kw_only=True)
    class Plain:
        a: int = 1

    return {one.__name__: one for one in (Point, Named, Sized, Plain)}


def seen(classes: dict[str, Any]) -> list[object]:
    point, named, sized, plain = classes["Point"], classes["Named"], classes["Sized"], classes["Plain"]
    one, other = point(1), point(1, of=[3])
    circle = sized(1)
    circle.inner = circle
    told: list[object] = [
        repr(one), repr(named(1, 2, [], "n")), repr(circle), repr(plain(a=4)),
        one == other, one != other, hash(one) == hash(other), one == named(1), {one: 1}[other],
        sized(1) < sized(2), sized(2) <= sized(1), max(sized(3), sized(1)).twice,
        dataclasses.replace(one, x=9).x, dataclasses.asdict(one), copy.copy(one) == one, copy.deepcopy(other).of,
        plain.__hash__, plain(a=1) == plain(),
        *(cls.__doc__ for cls in classes.values()),
        *(str(inspect.signature(cls)) for cls in classes.values()),
        *(cls.__init__.__qualname__ for cls in classes.values()),
        *(cls.__eq__.__qualname__ for cls in classes.values()),
        *(cls.__match_args__ for cls in classes.values()),
    ]  # fmt: skip
    for act in (
        lambda: setattr(one, "x", 5),
        lambda: delattr(one, "x"),
        lambda: setattr(one, "none", 5),
        lambda: point(),
        lambda: point(1, nothing=2),
        lambda: plain(1),
        lambda: one < other,
    ):
        with pytest.raises(Exception) as raised:
            act()
        told.append((type(raised.value), str(raised.value)))
    return told


def test_nothing_can_be_told_apart(late: None) -> None:
    made = make()
    assert isinstance(vars(made["Point"])["__eq__"], Late)
    with pytest.MonkeyPatch.context() as patch:
        late_one = dataclasses._create_fn  # type: ignore[attr-defined]
        patch.setattr(dataclasses, "_create_fn", inspect.getclosurevars(late_one).nonlocals["create"])
        eager = make()
    assert not any(isinstance(value, Late) for cls in eager.values() for value in vars(cls).values())
    assert seen(made) == seen(eager)


def test_once_called_it_is_the_function_itself(late: None) -> None:
    point = make()["Point"]
    assert isinstance(vars(point)["__init__"], Late)
    point(1)
    assert isinstance(vars(point)["__init__"], FunctionType)
    assert isinstance(vars(point)["__hash__"], Late)


def test_by_way_of_a_subclass_the_one_who_has_it_gets_it(late: None) -> None:
    point = make()["Point"]

    class More(point):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__(7)

    assert More().x == 7
    assert isinstance(vars(point)["__init__"], FunctionType)
    assert More() == More()
    assert isinstance(vars(point)["__eq__"], FunctionType)
    assert "__eq__" not in vars(More)


def test_a_library_that_is_not_what_we_know_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(name: str, args: object) -> None: ...

    monkeypatch.setattr(dataclasses, "_create_fn", other)
    assert not compile_late()
    assert dataclasses._create_fn is other  # type: ignore[attr-defined]
    monkeypatch.delattr(dataclasses, "_create_fn")
    assert not compile_late()


def test_the_command_run_asks_for_it_before_the_daemon_is_loaded() -> None:
    code = (
        "from gateway.cli.run import load_lightly; load_lightly()\n"
        "from gateway.base.late_methods import Late\n"
        "from gateway.model.media import StreamStatus\n"
        "print(isinstance(vars(StreamStatus)['__eq__'], Late))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.strip() == "True"
