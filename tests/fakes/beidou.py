"""A BeiDou short message terminal that is none: 2.1, 4.0 and BD-3 over TCP, wrong on purpose as real ones are.

BD-3's sentences are as the gateway has them from makers' sheets: it shows that both agree, not that a terminal would.
Its sentences and frames are made by code of its own. `sent` is what went to the satellite.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


def xor(data: bytes) -> int:
    found = 0
    for one in data:
        found ^= one
    return found


@dataclass
class FakeBeidou:
    protocol: str = "2.1"
    card: int = 242286
    every: int = 60
    powers: tuple[int, ...] = (0, 3, 4, 0, 1, 0, 0, 0, 0, 0)
    noise: bytes = b""  # before each word
    cut: int = 0  # so many bytes at a time; 0: at once
    lost_answers: int = 0  # so many messages go, and it does not say so
    refuse: list[str] = field(default_factory=list)  # "limit", "beam", "inhibit", "cipher": what comes of the next ones
    deaf: bool = False
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self) -> asyncio.Server:
        """`tcp://` to it; close it by `close()`."""
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    def bring(self, sender: int, body: str, *, mode: str = "2") -> None:
        """A message comes from the satellite."""
        if self.protocol == "4.0":
            content = b"\xa4" + body.encode("gbk")
            told = b"\x46" + sender.to_bytes(3, "big") + b"\x08\x1e" + (len(content) * 8).to_bytes(2, "big")
            self.say(self.frame(b"$TXXX", told + content + b"\0"))
        elif self.protocol == "bd3":
            hexed = body.encode("gbk").hex().upper().encode()
            self.say(self.line(b"BDTCI,%08d,%07d,2,023242,3,0,A4" % (sender, self.card) + hexed))
        elif mode == "0":
            self.say(self.line(b"BDTXR,1,%07d,0,," % sender + body.encode("gbk")))
        else:
            self.say(self.line(b"BDTXR,1,%07d,2,,A4" % sender + body.encode("gbk").hex().upper().encode()))

    def say(self, data: bytes) -> None:
        data = self.noise + data
        for writer in self.writers:
            for at in range(0, len(data), self.cut or len(data)):
                writer.write(data[at : at + (self.cut or len(data))])

    @staticmethod
    def line(body: bytes) -> bytes:
        return b"$%s*%02X\r\n" % (body, xor(body))

    def frame(self, head: bytes, content: bytes) -> bytes:
        body = head + (len(content) + 11).to_bytes(2, "big") + self.card.to_bytes(3, "big") + content
        return body + bytes([xor(body)])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        held = b""
        try:
            while data := await reader.read(4096):
                held += data
                held = self._frames(held) if self.protocol == "4.0" else self._lines(held)
        except ConnectionError:
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    def _lines(self, held: bytes) -> bytes:
        while b"\r\n" in held:
            line, _, held = held.partition(b"\r\n")
            body, _, told = line[1:].partition(b"*")
            assert xor(body) == int(told, 16), line
            if self.deaf:
                continue
            if body.startswith(b"CCICA"):
                self.say(self.line(b"BDICI,%07d,%08d,0000011,6,%d,3,N,0" % (self.card, self.card, self.every)))
            elif body.startswith(b"CCRMO,BSI"):
                self.say(self.line(b"BDBSI,02,03," + b",".join(b"%d" % one for one in self.powers)))
            elif body.startswith(b"CCICR"):
                self.say(self.line(b"BDICP,%07d,%07d,12,%d,3" % (self.card, self.card, self.every)))
            elif body.startswith(b"CCRMO,PWI"):
                self.say(self.line(b"BDPWI,023242," + b",".join(b"%d" % one for one in self.powers)))
            elif body.startswith(b"CCTCQ"):
                _, to, kind, *_, content, _ = body.split(b",")
                assert kind == b"2" and content[:2] == b"A4"
                self._send(to.decode(), bytes.fromhex(content[2:].decode()))
            elif body.startswith(b"CCTXA"):
                _, to, _, mode, content = body.split(b",")
                assert mode == b"2" and content[:2] == b"A4"
                self._send(to.decode(), bytes.fromhex(content[2:].decode()))
        return held

    def _frames(self, held: bytes) -> bytes:
        while len(held) >= 11:
            length = int.from_bytes(held[5:7], "big")
            if len(held) < length:
                break
            frame, held = held[:length], held[length:]
            assert frame[0:1] == b"$" and xor(frame[:-1]) == frame[-1], frame
            if self.deaf:
                continue
            content = frame[10:-1]
            if frame[1:5] == b"ICJC":
                self.say(self.frame(b"$ICXX", b"\0\0\0\x0b\x06" + self.every.to_bytes(2, "big") + b"\x03\0\0\0"))
            elif frame[1:5] == b"XTZJ":
                self.say(self.frame(b"$ZJXX", b"\0\0\x64\x01" + bytes(self.powers[:6])))
            elif frame[1:5] == b"TXSQ":
                bits = int.from_bytes(content[4:6], "big")
                assert bits == (len(content) - 7) * 8 and content[7] == 0xA4
                self._send(str(int.from_bytes(content[1:4], "big")).zfill(7), content[8:])
        return held

    def _send(self, to: str, body: bytes) -> None:
        refused = self.refuse.pop(0) if self.refuse else ""
        if not refused:
            self.sent.append((to, body))
            self.changed.set()
        if self.lost_answers and not refused:
            self.lost_answers -= 1
            return
        if self.protocol == "4.0":
            code = {"": 0, "beam": 2, "limit": 4, "cipher": 5}.get(refused, 1)
            self.say(self.frame(b"$FKXX", bytes([code, 45 if refused == "limit" else 0, 0, 0, 0])))
            return
        if self.protocol == "bd3":
            code = {"": 0, "limit": 1, "beam": 2, "inhibit": 3}.get(refused, 9)
            wait = 45 if refused == "limit" else 0
            self.say(self.line(b"BDFKI,023242,TCQ,%s,%d,%d" % (b"N" if refused else b"Y", code, wait)))
            return
        word = b"Y" if not refused else b"N"
        inhibit, wait = (b"1" if refused == "inhibit" else b"0"), (b"0045" if refused == "limit" else b"0000")
        self.say(self.line(b"BDFKI,TXA,%s,Y,%s,%s" % (word, inhibit, wait)))
