"""What one source tells: nodes, who hears whom, texts; in the same words whatever the radio.

Ids are the source's own. A node has several (a router id, the address of each interface): whoever puts reports together
takes two nodes with an id in common for one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.base.errors import RemoteProtocolError
from gateway.model.mesh import MeshReading

MOST_NODES, MOST_LINKS, MOST_IDS, MOST_READINGS = 512, 4096, 16, 24
MOST_ID, MOST_NAME, MOST_TEXT = 64, 64, 400
MOST_JSON = 512 * 1024
_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class Told:
    """A node as a source tells it. `read`: it speaks for itself. `heard_s`: seconds since its newest word."""

    ids: tuple[str, ...]
    name: str = ""
    read: bool = False
    own: bool = False
    longitude: float | None = None
    latitude: float | None = None
    altitude_m: float | None = None
    battery_percent: float | None = None
    heard_s: float | None = None
    readings: tuple[MeshReading, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """How node `a` hears `b`."""

    a: str
    b: str
    snr_db: float | None = None
    rssi_dbm: float | None = None
    rate_bps: float | None = None
    rtt_ms: float | None = None
    cost: float | None = None
    quality: float | None = None
    heard_s: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    nodes: tuple[Told, ...] = ()
    links: tuple[Heard, ...] = ()


EMPTY = Report()


def garbled(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(what, code="mesh-garbled")


def clean(text: object, most: int = MOST_NAME) -> str:
    """Text from outside as it may be shown: printable, short; "" for what is no text."""
    if not isinstance(text, str):
        return ""
    text = text[: most * 2]
    if not text.isprintable():  # as good as never
        text = "".join(c if c.isprintable() else " " for c in text)
    return text.strip()[:most]


def ident(text: object) -> str:
    """An id as it is compared: MACs and addresses in lower case; "" for what is none."""
    if isinstance(text, bool) or not isinstance(text, str | int):
        return ""
    made = clean(str(text), MOST_ID)
    low = made.lower()
    if _MAC.fullmatch(low):
        return low.replace("-", ":")
    return low if ":" in made else made


def number(value: object, low: float = -1e15, high: float = 1e15) -> float | None:
    """A finite number within the bounds, of JSON or of text; else None."""
    if isinstance(value, str):
        try:
            value = float(value[:32])
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        made = float(value)
    except OverflowError:
        return None
    return made if math.isfinite(made) and low <= made <= high else None


def place(longitude: object, latitude: object) -> tuple[float, float] | None:
    """Degrees; 0°, 0° is what receivers without a fix send."""
    east, north = number(longitude, -180, 180), number(latitude, -90, 90)
    if east is None or north is None or east == north == 0:
        return None
    return east, north


def scaled(value: float | None, worst: float, best: float) -> float | None:
    """0 … 1 between two ends."""
    return None if value is None else round(min(1.0, max(0.0, (value - worst) / (best - worst))), 3)


def wifi_quality(snr_db: float | None, rssi_dbm: float | None) -> float | None:
    """Of an OFDM link: 5 dB is the least that carries anything, from 30 dB on more is of no use."""
    return scaled(snr_db, 5, 30) if snr_db is not None else scaled(rssi_dbm, -92, -60)


def from_json(data: bytes | str) -> Any:
    """Raises RemoteProtocolError (`mesh-garbled`): too long, too deep, no JSON."""
    if len(data) > MOST_JSON:
        raise garbled(f"{len(data)} bytes of JSON")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise garbled(f"no JSON: {str(exc)[:80]}") from None


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
