"""A mesh out of any JSON: where its nodes and links stand is written in the configuration.

    nodes = "data.nodes"                 the list of nodes; "" none
    node = { id = "mac", name = "name", battery_percent = "bat" }
    links = "data.nodes.*.neighbours"    `*`: of each one in that list
    link = { a = "^mac", b = "peer", snr_db = "snr*0.1" }    `^`: of the one that the list belongs to

A path is names with dots between; a number picks one of a list; `*0.1` behind it is a factor. Left out: not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from adapters.mesh.protocol.report import (
    MOST_LINKS,
    MOST_NODES,
    MOST_READINGS,
    Heard,
    Report,
    Told,
    clean,
    ident,
    number,
    place,
    scaled,
    wifi_quality,
)
from gateway.model.mesh import MeshReading

MOST_ROWS = 2 * MOST_LINKS
"""So many rows are looked at, whatever comes of them: half a megabyte has room for 250,000 empty ones."""
NODE_KEYS = ("id", "name", "longitude", "latitude", "altitude_m", "battery_percent", "age_s")
LINK_KEYS = ("a", "b", "snr_db", "rssi_dbm", "rate_bps", "rtt_ms", "cost", "quality", "age_s")
_PATH = re.compile(r"(\^?)((?:[^.*^\s]+)(?:\.(?:[^.*^\s]+))*)(?:\*(-?\d+(?:\.\d+)?(?:e-?\d+)?))?")
_LIST = re.compile(r"(?:[^.*^\s]+|\*)(?:\.(?:[^.*^\s]+|\*))*")


@dataclass(frozen=True, slots=True)
class Field:
    """Where a value stands, and what it is multiplied with."""

    path: tuple[str, ...]
    parent: bool = False
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Map:
    """`name` is the node that tells: links without `a` are its own."""

    name: str
    nodes: tuple[str, ...] = ()
    node: Mapping[str, Field] = ()  # type: ignore[assignment]
    links: tuple[str, ...] = ()
    link: Mapping[str, Field] = ()  # type: ignore[assignment]


def read_field(text: str) -> Field:
    """Raises ValueError."""
    found = _PATH.fullmatch(text.strip())
    if found is None or len(text) > 200:
        raise ValueError(f'{text[:60]!r} is no path: write names with dots between, as "radio.rssi" or "snr*0.1"')
    return Field(tuple(found[2].split(".")), bool(found[1]), float(found[3] or 1))


def read_list(text: str) -> tuple[str, ...]:
    """The path of a list. Raises ValueError."""
    if text and (_LIST.fullmatch(text.strip()) is None or len(text) > 200):
        raise ValueError(f'{text[:60]!r} is no path of a list: "data.nodes", or "nodes.*.neighbours"')
    return tuple(text.strip().split(".")) if text else ()


def read_fields(told: Any, how: Map) -> Report:
    """What `told`, JSON from outside, says by this map. What is not as the map has it is left out."""
    nodes = [Told((how.name,), read=True, heard_s=0.0)] if not how.nodes else []
    links = list[Heard]()
    for row, parent in islice(_rows(told, how.nodes), MOST_ROWS):
        if len(nodes) < MOST_NODES and (node := _node(row, parent, how)) is not None:
            nodes.append(node)
    for row, parent in islice(_rows(told, how.links), MOST_ROWS):
        if len(links) < MOST_LINKS and (link := _link(row, parent, how)) is not None:
            links.append(link)
    # Whoever tells of what it hears speaks for itself.
    known = {ident_ for node in nodes for ident_ in node.ids}
    named = dict.fromkeys(end for link in links for end in (link.a, link.b) if end not in known)
    nodes += [Told((end,)) for end in list(named)[: MOST_NODES - len(nodes)]]
    speaking = {link.a for link in links}
    return Report(tuple(_spoken(node) if speaking & set(node.ids) else node for node in nodes), tuple(links))


def _spoken(node: Told) -> Told:
    return node if node.read else replace(node, read=True)


def _node(row: Any, parent: Any, how: Map) -> Told | None:
    def of(key: str) -> Any:
        return _value(row, parent, how.node.get(key))

    if not (id_ := ident(of("id"))):
        return None
    where = place(of("longitude"), of("latitude"))
    readings = [
        MeshReading(key, value)
        for key in list(how.node)[: MOST_READINGS + len(NODE_KEYS)]
        if key not in NODE_KEYS and (value := number(of(key))) is not None
    ]
    return Told(
        (id_,),
        clean(of("name")),
        longitude=where[0] if where else None,
        latitude=where[1] if where else None,
        altitude_m=number(of("altitude_m"), -1000, 100_000),
        battery_percent=number(of("battery_percent"), 0, 100),
        heard_s=number(of("age_s"), 0, 1e9),
        readings=tuple(readings),
    )


def _link(row: Any, parent: Any, how: Map) -> Heard | None:
    def of(key: str) -> Any:
        return _value(row, parent, how.link.get(key))

    a, b = (ident(of("a")) if "a" in how.link else how.name), ident(of("b"))
    if not a or not b or a == b:
        return None
    snr, rssi = number(of("snr_db"), -60, 120), number(of("rssi_dbm"), -200, 40)
    told = scaled(number(of("quality"), 0, 1), 0, 1)
    return Heard(
        a,
        b,
        snr,
        rssi,
        number(of("rate_bps"), 0, 1e12),
        number(of("rtt_ms"), 0, 1e7),
        number(of("cost"), 0),
        told if told is not None else wifi_quality(snr, rssi),
        number(of("age_s"), 0, 1e9),
    )


def _value(row: Any, parent: Any, field: Field | None) -> Any:
    if field is None:
        return None
    value = parent if field.parent else row
    for step in field.path:
        value = _step(value, step)
    if field.factor != 1.0:
        made = number(value)
        return None if made is None else made * field.factor
    return value


def _step(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and step.isdecimal() and int(step[:6]) < len(value):
        return value[int(step[:6])]
    return None


def _rows(told: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """(row, the one that its list belongs to); the values of a mapping are a list as well."""
    if not path:
        return
    level = [(told, None)]
    for step in path:
        if step == "*":
            level = [(one, one) for value, _ in level for one in _listed(value)][:MOST_LINKS]
        else:
            level = [(_step(value, step), parent) for value, parent in level]
    for value, parent in level:
        for row in _listed(value):
            yield row, parent


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())[:MOST_LINKS]
    return value[:MOST_LINKS] if isinstance(value, list) else []
