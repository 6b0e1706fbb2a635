"""An Iridium short burst data unit that is none, over TCP: its AT set as far as the gateway asks for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass
class FakeIridium:
    bars: int = 4
    status: int = 0  # of what goes out
    waiting: list[bytes] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    number: int = 0
    held: bytes = b""
    fetched: bytes = b""
    lying: bool = False  # it was fetched, and is there until it is cleared or the next session
    next_number: int = 7  # of what goes out: it grows with each session that was whole
    lost_answers: int = 0  # so many sessions are whole, and the unit falls silent before it says so
    sessions: int = 0
    queue_lies: int = 0  # so many wait, it says, and none ever comes
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    rung: bool = False

    def ring(self) -> None:
        self.rung = True
        self._say(b"SBDRING")

    def _say(self, *lines: bytes) -> None:
        for writer in self.writers:
            writer.write(b"".join(b"\r\n%s\r\n" % line for line in lines))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            while line := await reader.readuntil(b"\r"):
                await self._do(line.strip(), reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _do(self, line: bytes, reader: asyncio.StreamReader) -> None:
        if line.startswith(b"AT+SBDWB="):
            self._say(b"READY")
            length = int(line.partition(b"=")[2])
            body = await reader.readexactly(length + 2)
            good = sum(body[:length]) & 0xFFFF == int.from_bytes(body[length:], "big")
            self.held = body[:length] if good else b""
            self._say(b"0" if good else b"2", b"OK")
        elif line == b"AT+SBDIX":
            self.sessions += 1
            if self.held and self.status <= 4:
                self.sent.append(self.held)
            self.next_number += self.status <= 4
            self.fetched = self.waiting.pop(0) if self.waiting and self.status <= 4 else b""
            self.number += bool(self.fetched)
            self.lying = bool(self.fetched)
            came = (1 if self.fetched else 0, self.number, len(self.fetched), len(self.waiting))
            if self.lost_answers:
                self.lost_answers -= 1
                for writer in list(self.writers):
                    writer.transport.abort()
                return
            self._say(b"+SBDIX: %d, 1, %d, %d, %d, %d" % (self.status if self.held else 0, *came), b"OK")
            self.rung = False
        elif line == b"AT+SBDSX":
            told = (bool(self.held), self.next_number, self.lying, self.number, self.rung, self.queue_lies)
            self._say(b"+SBDSX: %d, %d, %d, %d, %d, %d" % told, b"OK")
        elif line == b"AT+SBDRT":
            self._say(b"+SBDRT:\r\n" + self.fetched, b"OK")
        elif line == b"AT+CSQF":
            self._say(b"+CSQF:%d" % self.bars, b"OK")
        elif line == b"AT+SBDD1":
            self.lying, self.fetched = False, b""
            self._say(b"0", b"OK")
        elif line.startswith(b"AT+SBDD0"):
            self.held = b""
            self._say(b"0", b"OK")
        elif line.startswith(b"AT"):
            self._say(b"OK")
