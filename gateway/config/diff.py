"""What differs between two configurations, and what has to be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.config.root import NAMED, SECTIONS, Config

# Sections that only a new daemon takes over, and those of parts that are restarted; the others take effect at once.
RESTART = frozenset({"gateway", "media"})
PARTS = frozenset({"api"})


@dataclass(frozen=True, slots=True)
class Change:
    key: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.key}: {self.old} → {self.new}"


@dataclass(frozen=True, slots=True)
class Diff:
    """`live` sections take effect at once, `parts` restart a part, `restart` needs a new daemon; adapters by name."""

    changes: tuple[Change, ...] = ()
    live: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()
    restart: frozenset[str] = frozenset()
    started: frozenset[str] = frozenset()
    stopped: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()


def flat(config: Config) -> dict[str, Any]:
    """Every key with its value as the file would have it."""
    keys: dict[str, Any] = {}
    for name in SECTIONS:
        for key, value in getattr(config, name).model_dump(mode="json").items():
            if isinstance(value, Mapping) and all(isinstance(inner, Mapping) for inner in value.values()):
                # Sections within: `[talk.group.ops]`.
                for entry, inner in value.items():
                    keys |= {f"{name}.{key}.{entry}.{inmost}": text for inmost, text in inner.items()}
            else:
                keys[f"{name}.{key}"] = value
    for kind in NAMED:
        for name, named in getattr(config, kind).items():
            keys |= {f"{kind}.{name}.{key}": value for key, value in named.model_dump(mode="json").items()}
    for section in config.adapters.values():
        keys[f"adapter.{section.name}.type"] = section.type
        for key, value in section.values.model_dump(mode="json").items():
            keys[f"adapter.{section.name}.{key}"] = value
    return keys


def diff(old: Config, new: Config) -> Diff:
    before, after = flat(old), flat(new)
    changes = [
        Change(key, _shown(before, key), _shown(after, key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    differ = {name for name in (*SECTIONS, *NAMED) if getattr(old, name) != getattr(new, name)}
    # What is never shown may differ as well: a password, or one within a URL.
    told = {change.key.partition(".")[0] for change in changes}
    changes += [Change(name, "(secret)", "(another secret)") for name in sorted(differ - told)]
    both = old.adapters.keys() & new.adapters.keys()
    return Diff(
        changes=tuple(changes),
        live=frozenset(differ - RESTART - PARTS),
        parts=frozenset(differ & PARTS),
        restart=frozenset(differ & RESTART),
        started=frozenset(new.adapters.keys() - both),
        stopped=frozenset(old.adapters.keys() - both),
        changed=frozenset(name for name in both if old.adapters[name] != new.adapters[name]),
    )


def _shown(keys: Mapping[str, Any], key: str) -> str:
    if key not in keys:
        return "(not set)"
    if any(word in key for word in ("password", "secret", "key")) and keys[key]:
        return "(secret)"
    return repr(keys[key])
