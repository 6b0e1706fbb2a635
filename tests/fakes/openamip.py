"""An antenna unit that is none: OpenAMIP over TCP, wrong on purpose. `heard` is what the modem's side told it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass
class FakeAntenna:
    heard: list[str] = field(default_factory=list)
    greeting: list[bytes] = field(default_factory=lambda: [b"i Acme Dish-1", b"a 5", b"s 1 1"])
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    def say(self, *lines: bytes) -> None:
        for writer in self.writers:
            writer.write(b"".join(line + b"\r\n" for line in lines))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        self.say(*self.greeting)
        try:
            while line := await reader.readline():
                self.heard.append(line.decode().strip())
        except ConnectionError:
            pass
        finally:
            self.writers.discard(writer)
            writer.close()
