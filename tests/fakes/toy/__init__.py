"""An adapter for tests: binds one UDP port, says ready, stays."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

from pydantic import BaseModel

from gateway.base.errors import ConfigError
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade
from tests.fakes.toy.config import ToyConfig


class Toy:
    """`runs` lists every life of every toy: which were started, and which ended."""

    name: ClassVar[str] = "toy"
    Config: ClassVar[type[BaseModel]] = ToyConfig
    runs: ClassVar[list[Toy]] = []

    def __init__(self, config: BaseModel, context: Context) -> None:
        self.config = cast(ToyConfig, config)
        self.context = context
        self.ended = False

    async def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind(self.config.listen)
            except OSError as exc:
                text = f"{self.config.listen} can not be bound ({exc.strerror}): stop the other program"
                raise ConfigError("listen", text, code="port-in-use") from exc
            Toy.runs.append(self)
            self.context.ready()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.ended = True

    def findings(self) -> Sequence[Finding]:
        if self.config.word == "ill":
            raise ValueError("a mistake of ours")
        return [Finding(f"toy {self.config.word}", Grade.WARN, "it squeaks", "silence", "internal")]

    def figures(self) -> Mapping[str, float]:
        return {"toys": 1.0}

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        return []
