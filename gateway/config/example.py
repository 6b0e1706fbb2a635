"""The whole configuration as commented TOML: every key, its default, one comment.

`python -m gateway.config.example > config/fieldgate.example.toml` writes the file that a test keeps true;
`fieldgate config print` shows the configuration in force the same way.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gateway.config.load import Resolver
from gateway.config.root import NAMED, SECTIONS, Config

_BARE = re.compile(r"[A-Za-z0-9_-]+")

HEAD = """\
# Fieldgate: every setting with its default. Nothing here must be set: an empty file, or none, will do.
# Durations are text with a unit ("5s", "200ms", "2m"), sizes too ("8MB").
# After a change: `fieldgate config check`, then `systemctl reload fieldgate`; only what changed restarts.
"""

ADAPTER_HEAD = """\
# One section an adapter: [adapter.<name>] with type = "<adapter>"; without type the name is the type.
# One of each runs by default; enabled = false switches it off. Two of a type need two names.
"""


def render(resolver: Resolver, config: Config | None = None) -> str:
    """TOML of `config`, of the defaults when None."""
    lines: list[str] = [HEAD]
    for name, section in SECTIONS.items():
        lines.append(f"[{name}]")
        lines.extend(_keys(section, getattr(config, name) if config else None, prefix=name))
        lines.append("")
    for kind, named in NAMED.items():
        made: Mapping[str, BaseModel] = getattr(config, kind) if config else {}
        lines.append(f"# {named.comment}")
        for name, entry in made.items():
            lines.append(f"[{kind}.{bare(name)}]")
            lines.extend([*_keys(named.model, entry, prefix=f"{kind}.{bare(name)}"), ""])
        if not made:
            name, keys = named.example
            given = {line.partition(" ")[0]: line for line in keys.splitlines()}
            lines.append(f"# [{kind}.{name}]")
            for line in _keys(named.model, None):
                key = line.removeprefix("# ").partition(" ")[0]
                comment = line.partition("  # ")[2]
                lines.append(f"# {given[key]}  # {comment}" if key in given else f"# {line.removeprefix('# ')}")
            lines.append("")
    lines.append(ADAPTER_HEAD)
    if config is None:
        adapters: list[tuple[str, str, type[BaseModel], BaseModel | None]]
        adapters = [(type_, type_, resolver.model(type_), None) for type_ in resolver.types]
    else:
        adapters = [(s.name, s.type, type(s.values), s.values) for s in config.adapters.values()]
    for name, type_, model, values in adapters:
        lines.append(f"[adapter.{name}]")
        lines.append(f"type = {toml(type_)}")
        lines.extend(_keys(model, values, prefix=f"adapter.{name}"))
        lines.append("")
    if config is not None:
        for type_ in resolver.types:
            if type_ not in {section.type for section in config.adapters.values()}:
                lines.extend([f"[adapter.{type_}]", "enabled = false", ""])
    return "\n".join(lines).rstrip() + "\n"


def _keys(model: type[BaseModel], values: BaseModel | None, prefix: str = "") -> Iterator[str]:
    tables: list[str] = []
    made = values or model.model_construct()
    shown = made.model_dump(mode="json")
    for name, info in model.model_fields.items():
        value = shown.get(name)
        comment = f"  # {info.description}" if info.description else ""
        entries = getattr(made, name, None)
        if isinstance(entries, Mapping) and entries and all(isinstance(entry, BaseModel) for entry in entries.values()):
            for key, entry in entries.items():
                tables.extend(["", f"[{prefix}.{name}.{bare(key)}]{comment}"])
                tables.extend(_keys(type(entry), entry, prefix=f"{prefix}.{name}.{bare(key)}"))
                comment = ""
        elif isinstance(value, Mapping) and prefix and value:
            tables.extend(["", f"[{prefix}.{name}]{comment}"])
            tables.extend(f"{bare(key)} = {toml(item)}" for key, item in value.items() if item is not None)
        elif value is None or (values is None and info.default is PydanticUndefined and info.default_factory is None):
            yield f"# {name} ={comment}"
        else:
            yield f"{name} = {toml(value)}{comment}"
    yield from tables


def bare(key: str) -> str:
    """A key as TOML takes it: bare where it may be, else quoted ("*97", "+8610…")."""
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def toml(value: Any) -> str:
    """One value as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            return "[" + ", ".join(toml(item) for item in value) + "]"
        case Mapping():
            return (
                "{" + ", ".join(f"{bare(key)} = {toml(item)}" for key, item in value.items() if item is not None) + "}"
            )
        case _:
            return json.dumps(str(value), ensure_ascii=False)


if __name__ == "__main__":
    # The list of adapters is known above this package only: it is named by text here, for this one tool.
    from importlib import import_module

    sys.stdout.write(render(import_module("gateway.registry").Installed()))
