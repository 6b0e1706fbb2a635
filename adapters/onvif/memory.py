"""What is kept of a camera over restarts: small JSON in `Admitted.remembered`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

MAX_KEPT_PROFILES = 32


@dataclass(frozen=True, slots=True)
class Memory:
    """`endpoint` and `serial` tell that it is the same camera at another address; `host` and `port` where it was last.

    `profiles`: token, title and rank of what it offered, so that its streams have names before it answers.
    """

    endpoint: str = ""
    serial: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False
    signing: str = ""
    stop: str = ""
    timeout: bool = True
    profiles: list[list[Any]] = field(default_factory=list)
    presets: dict[str, int] = field(default_factory=dict)
    bitrates: dict[str, int] = field(default_factory=dict)
    """Encoders by token that were told to send less, and what they sent before."""


def dumps(memory: Memory) -> str:
    told = {key: value for key, value in asdict(memory).items() if value not in ("", 0, [], {}, False)}
    told["timeout"] = memory.timeout
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > 4000:
        told.pop("presets", None)
        told["profiles"] = memory.profiles[:8]
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return text


def loads(text: str) -> Memory:
    """What can not be read is forgotten: it is learned again."""
    try:
        told = json.loads(text) if text else {}
    except ValueError:
        return Memory()
    if not isinstance(told, dict):
        return Memory()
    kinds = {f.name: type(getattr(Memory(), f.name)) for f in fields(Memory)}
    good = {name: value for name, value in told.items() if name in kinds and isinstance(value, kinds[name])}
    good["profiles"] = [
        p
        for p in good.get("profiles", [])[:MAX_KEPT_PROFILES]
        if isinstance(p, list) and len(p) == 3 and isinstance(p[0], str) and isinstance(p[1], str)
    ]
    presets = good.get("presets", {})
    good["presets"] = {k: v for k, v in presets.items() if isinstance(v, int)}
    good["bitrates"] = {k: v for k, v in good.get("bitrates", {}).items() if isinstance(v, int) and v > 0}
    return Memory(**good)
