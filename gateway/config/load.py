"""From a TOML file to a `Config`, with errors that name the key, say what is wrong and what to write instead.

This package knows no adapter: whoever loads hands in a `Resolver` that turns an adapter's type into its model.
"""

from __future__ import annotations

import difflib
import logging
import tomllib
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel, ValidationError

from gateway.base.errors import ConfigError
from gateway.config.root import NAMED, SECTIONS, AdapterSection, Config
from gateway.config.units import is_slug

log = logging.getLogger(__name__)

DEFAULT_PATH = Path("/etc/fieldgate/fieldgate.toml")
MAX_BYTES = 1_000_000


class Resolver(Protocol):
    """The adapters of this build. `model` raises ConfigError (`not-installed`) when a part of one is missing."""

    @property
    def types(self) -> Sequence[str]: ...
    @property
    def idle(self) -> Container[str]:
        """Of these the model is loaded when somebody looks at their values, where nothing was written."""

    def model(self, type_: str) -> type[BaseModel]: ...


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, or (`warning`) merely old. `text` says what and how to cure it."""

    key: str
    text: str
    warning: bool = False
    code: str = "config"

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


def load_config(path: Path | None, resolver: Resolver) -> Config:
    """Read `path`; with None the default path if it exists, else the embedded defaults.

    Raises ConfigError for the first thing wrong, and counts the others; warnings are logged.
    """
    config, problems = check(path, resolver)
    for problem in problems:
        if problem.warning:
            log.warning("%s", problem)
    errors = [p for p in problems if not p.warning]
    if errors or config is None:
        others = f" (and {len(errors) - 1} more: see `fieldgate config check`)" if len(errors) > 1 else ""
        raise ConfigError(errors[0].key, errors[0].text + others, code=errors[0].code)
    return config


def check(path: Path | None, resolver: Resolver) -> tuple[Config | None, list[Problem]]:
    """The configuration (None if anything is wrong) and everything worth saying about it."""
    try:
        tree = _read(path)
    except ConfigError as exc:
        return None, [Problem(exc.key, str(exc).removeprefix(f"{exc.key}: "))]
    return from_tree(tree, resolver)


def _read(path: Path | None) -> dict[str, Any]:
    where = path or DEFAULT_PATH
    if path is None and not where.exists():
        return {}
    try:
        with where.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(str(where), f"is larger than {MAX_BYTES} bytes: this is not a configuration file")
        return tomllib.loads(data.decode())
    except OSError as exc:
        raise ConfigError(str(where), f"can not be read ({exc.strerror}): check the path and its permissions") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(str(where), f"is not UTF-8 (byte {exc.start}): save it as UTF-8") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(str(where), f"is not TOML: {exc}; text values need quotes") from exc


def from_tree(tree: Mapping[str, Any], resolver: Resolver) -> tuple[Config | None, list[Problem]]:
    """What `check` does, from what has been parsed."""
    problems: list[Problem] = []
    known = [*SECTIONS, *NAMED, "adapter"]
    for name in tree:
        if name not in known:
            problems.append(Problem(name, f"no such section{_did_you_mean(name, known)}"))
    made: dict[str, Any] = {}
    for name, model in SECTIONS.items():
        made[name] = _section(name, model, tree.get(name, {}), problems, proven=True)
    for name in NAMED:
        made[name] = _named(name, tree.get(name, {}), problems)
    made["adapters"] = _adapters(tree.get("adapter"), resolver, problems)
    _together(made, problems)
    if made["gateway"] is not None and made["gateway"].role == "center":
        _one_port(made["adapters"])
    if any(not p.warning for p in problems):
        return None, problems
    return Config(**made), problems


def _section(
    key: str, model: type[BaseModel], values: Any, problems: list[Problem], *, proven: bool = False
) -> BaseModel | None:
    """`proven`: its defaults are known to be valid (a test looks at those of all sections and adapters)."""
    if not isinstance(values, Mapping):
        problems.append(Problem(key, f"is a section: write [{key}] on a line of its own and its keys below"))
        return None
    if not values and proven:
        # Its validator takes a while to build, which whoever starts the kit waits for.
        return model.model_construct()
    values = dict(values)
    renamed: Mapping[str, str] = getattr(model, "RENAMED", {})
    for old, new in renamed.items():
        if old in values:
            problems.append(Problem(f"{key}.{old}", f"is now called {key}.{new}: rename it", warning=new not in values))
            values.setdefault(new, values.pop(old))
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        for error in exc.errors(include_url=False):
            problems.append(_problem(key, model, cast(Mapping[str, Any], error)))
        return None


def _problem(section: str, model: type[BaseModel], error: Mapping[str, Any]) -> Problem:
    key = ".".join([section, *(str(part) for part in error["loc"])])
    match error["type"]:
        case "extra_forbidden":
            name = str(error["loc"][-1])
            return Problem(key, f"no such key{_did_you_mean(name, list(model.model_fields))}")
        case "value_error":
            return Problem(key, str(error["msg"]).removeprefix("Value error, "))
        case "missing":
            return Problem(key, "has no default and must be set")
        case kind if kind.endswith(("_type", "_parsing")):
            return Problem(key, f"{error['msg']}, not {error['input']!r:.80}")
        case _:
            return Problem(key, f"{error['input']!r:.80} will not do: {error['msg']}")


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.6)
    return f"; did you mean {near[0]}?" if near else f"; known are: {', '.join(known)}"


def _named(kind: str, tree: Any, problems: list[Problem]) -> dict[str, BaseModel]:
    """Sections of one kind by their names."""
    section = NAMED[kind]
    if not isinstance(tree, Mapping) or not all(isinstance(values, Mapping) for values in tree.values()):
        problems.append(Problem(kind, f"is a section with a name: write [{kind}.{section.example[0]}]"))
        return {}
    if len(tree) > section.most:
        problems.append(Problem(kind, f"there are {len(tree)} of them, and {section.most} are taken at most"))
        return {}
    made: dict[str, BaseModel] = {}
    for name, values in tree.items():
        key = f"{kind}.{name}"
        if not is_slug(name) or name == "talk":
            problems.append(Problem(key, "is not a good name: use lower-case letters, digits and '-', and not talk"))
        elif (checked := _section(key, section.model, values, problems)) is not None:
            made[name] = checked
    return made


def _adapters(tree: Any, resolver: Resolver, problems: list[Problem]) -> dict[str, AdapterSection]:
    """The adapters that shall run: one of each type by default; one switched off by `enabled = false`."""
    if tree is None:
        tree = {}
    if not isinstance(tree, Mapping):
        problems.append(Problem("adapter", "is a section: write [adapter.gb28181] on a line of its own"))
        return {}
    wanted: dict[str, Any] = dict(tree)
    of_type = {v.get("type", k) for k, v in wanted.items() if isinstance(v, Mapping)}
    for type_ in resolver.types:
        if type_ not in of_type:
            wanted.setdefault(type_, {})
    made: dict[str, AdapterSection] = {}
    for name, values in wanted.items():
        key = f"adapter.{name}"
        if not is_slug(name):
            problems.append(Problem(key, "is not a good name: use lower-case letters, digits and '-'"))
            continue
        if not isinstance(values, Mapping):
            problems.append(Problem(key, f"is a section: write [{key}] on a line of its own"))
            continue
        values = dict(values)
        type_ = values.pop("type", name)
        enabled = values.pop("enabled", True)
        if not isinstance(enabled, bool):
            problems.append(Problem(f"{key}.enabled", "write true or false, without quotes"))
            continue
        if type_ not in resolver.types:
            hint = _did_you_mean(str(type_), list(resolver.types))
            problems.append(Problem(f"{key}.type", f"there is no adapter {type_!r}{hint}"))
            continue
        if not enabled:
            continue
        if not values and type_ in resolver.idle:
            made[name] = AdapterSection(name, type_, partial(_defaults, resolver, type_))
            continue
        try:
            model = resolver.model(type_)
        except ConfigError as exc:
            text = str(exc).removeprefix(f"{exc.key}: ")
            problems.append(Problem(key, text, warning=name not in tree, code=exc.code))
            continue
        if (checked := _section(key, model, values, problems, proven=True)) is not None:
            made[name] = AdapterSection(name, type_, checked)
    return made


def _one_port(adapters: dict[str, AdapterSection]) -> None:
    """At a center browsers come to the kits' UDP port, unless it is said otherwise: a firewall opens one."""
    kits = next((one for one in adapters.values() if one.type == "uplink"), None)
    browsers = next((one for one in adapters.values() if one.type == "webrtc"), None)
    if kits is None or browsers is None or (port := kits.values.listen_udp.port) == 0:  # type: ignore[attr-defined]
        return
    values = browsers.values
    if browsers.untouched or "port" not in values.model_fields_set:
        adapters[browsers.name] = AdapterSection(browsers.name, browsers.type, values.model_copy(update={"port": port}))


def _defaults(resolver: Resolver, type_: str) -> BaseModel:
    return resolver.model(type_).model_construct()


def _together(made: Mapping[str, Any], problems: list[Problem]) -> None:
    """What only two keys together can get wrong."""
    media, api, streams = made["media"], made["api"], made["streams"]
    networks: dict[str, str] = {}
    for name, program in made["program"].items():
        for network in program.without_password_from:
            if (other := networks.setdefault(network, name)) != name:
                key = f"program.{name}.without_password_from"
                problems.append(Problem(key, f"{network} stands for program {other} already: keep one"))
    if media is not None and media.rtp_ports.last - media.rtp_ports.first < 1:
        problems.append(Problem("media.rtp_ports", "holds no even port with the odd one above it: widen it"))
    if api is not None and (api.tls_cert is None) != (api.tls_key is None):
        missing = "tls_cert" if api.tls_cert is None else "tls_key"
        problems.append(Problem(f"api.{missing}", "certificate and key belong together: set both or neither"))
    if streams is not None and streams.retry_most < streams.retry_first:
        problems.append(Problem("streams.retry_most", "is shorter than streams.retry_first: make it longer"))


@dataclass(frozen=True, slots=True)
class Listed:
    """A resolver over a table of models, for those who have one at hand."""

    models: Mapping[str, Callable[[], type[BaseModel]]]
    idle: Container[str] = frozenset()

    @property
    def types(self) -> Sequence[str]:
        return list(self.models)

    def model(self, type_: str) -> type[BaseModel]:
        return self.models[type_]()
