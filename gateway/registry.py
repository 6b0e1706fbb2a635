"""The adapters of this build, found through `adapters.ADAPTERS` and imported only when one is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import cast

from pydantic import BaseModel

from gateway.base.errors import ConfigError
from gateway.contract.adapter import Adapter


class Installed:
    """Resolves an adapter's type to its config model and its class; fulfils `gateway.config.load.Resolver`."""

    def __init__(self, table: Mapping[str, str] | None = None, idle: Mapping[str, str] | None = None) -> None:
        """`idle`: those that serve nobody where nothing was written for them (`adapters.IDLE`)."""
        if table is None:
            from adapters import ADAPTERS, IDLE

            table, idle = ADAPTERS, IDLE
        self._table = table
        self.idle = idle or {}

    @property
    def types(self) -> Sequence[str]:
        return list(self._table)

    def model(self, type_: str) -> type[BaseModel]:
        """The model in `adapters.<type>.config` whose name ends in Config; the adapter is imported when it runs."""
        module = self._table[type_].partition(":")[0]
        try:
            found = import_module(f"{module}.config")
        except ImportError as exc:
            raise self._missing(type_, exc) from exc
        for name in ("Config", *sorted(vars(found))):
            model = getattr(found, name, None)
            if name.endswith("Config") and isinstance(model, type) and issubclass(model, BaseModel):
                return model
        raise ConfigError(f"adapter.{type_}", f"{module}.config holds no model of its configuration: a bug of ours")

    def adapter(self, type_: str) -> type[Adapter]:
        """The adapter's class. Raises ConfigError (`not-installed`)."""
        module, _, name = self._table[type_].partition(":")
        try:
            return cast(type[Adapter], getattr(import_module(module), name))
        except ImportError as exc:
            raise self._missing(type_, exc) from exc

    def _missing(self, type_: str, exc: ImportError) -> ConfigError:
        part = exc.name or str(exc)
        text = f"{part} is not installed: install fieldgate with what this adapter needs, or set enabled = false"
        return ConfigError(f"adapter.{type_}", text, code="not-installed")
