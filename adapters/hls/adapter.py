"""HLS as an adapter: the output's routes, the sources' schemes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from adapters.hls.config import HlsConfig
from adapters.hls.output import Outputs
from adapters.hls.serving import Serving
from adapters.hls.tickets import Tickets
from gateway.base.errors import ConfigError
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade


class Hls:
    """Implements contract.adapter.Adapter and Measured."""

    name: ClassVar[str] = "hls"
    Config: ClassVar[type[BaseModel]] = HlsConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, HlsConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._outputs: Outputs | None = None

    async def run(self) -> None:
        """Serve until cancelled. Raises ConfigError when the tickets' key can not be kept."""
        key = await asyncio.to_thread(ticket_key, self._context.state_dir)
        undo: list[Callable[[], None]] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                self._outputs = Outputs(tasks, self._config, self._context)
                undo += Serving(self._config, self._context, self._outputs, Tickets(key)).mount()
                self._context.ready()
                await asyncio.get_running_loop().create_future()
        finally:
            for one in undo:
                one()
            self._outputs = None

    def figures(self) -> Mapping[str, float]:
        outputs = self._outputs
        return {
            "hls_streams": len(outputs) if outputs is not None else 0,
            "hls_held_bytes": outputs.held_bytes if outputs is not None else 0,
        }

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        return [Finding("hls", Grade.OK, "HLS is served by the API's own port")]


def ticket_key(folder: Path) -> bytes:
    """The key of the tickets, made at the first start, 0600."""
    path = folder / "ticket.key"
    try:
        if not path.exists() or path.stat().st_size < 32:
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            fd = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(os.urandom(32))
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
        return path.read_bytes()
    except OSError as exc:
        raise ConfigError("gateway.state_dir", f"{path} can not be kept: {exc.strerror}") from exc
