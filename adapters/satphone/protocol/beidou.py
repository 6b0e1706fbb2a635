"""What a BeiDou short message terminal says and is told: its sentences of protocol 2.1 and of BD-3, and 4.0's frames.

    2.1   $CCICA,0,00*7B   $CCTXA,<to>,1,2,A4<hex>*hh         $BDICI $BDBSI $BDFKI $BDTXR
    BD-3  $CCICR,0,00*68   $CCTCQ,<to>,2,1,3,A4<hex>,0*hh     $BDICP $BDPWI $BDFKI $BDTCI
    4.0   $ICJC $XTZJ $TXSQ, a length, an address, an XOR     $ICXX  $ZJXX  $FKXX  $TXXX

2.1 as published for RDSS modules; 4.0 and BD-3 as makers' sheets have them: **no terminal was at hand** for any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from typing import Protocol

from gateway.base.errors import LocalProtocolError, RemoteProtocolError

MAX_LINE = 4096
MOST_WAIT_S = 3600.0
"""No card waits longer: what tells more is not believed."""
_HEAD = re.compile(rb"\$([A-Z]{2})([A-Z0-9]{3}),")
_END = re.compile(rb"\*([0-9A-Fa-f]{2})\s*$")
_STARTS = 16
"""A text may hold "$" and "*", noise too: so many places of one line are tried as its beginning."""
_NUMBER = re.compile(r"\d{1,10}")
_PIECE = re.compile(r"\((\d{1,2})/(\d{1,2})\)")
MOST_PIECES = 20


@dataclass(frozen=True, slots=True)
class Card:
    """`number` "" when none is in. `every_s` 0: it does not tell how often it may send."""

    number: str
    every_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Beams:
    """Power of each beam, 0 … 4."""

    powers: tuple[int, ...]

    @property
    def best(self) -> int:
        return max(self.powers, default=0)


@dataclass(frozen=True, slots=True)
class Feedback:
    """The terminal's word on what it was told to send: it went out, or why not (`code`) and how long to wait."""

    sent: bool
    code: str = ""
    wait_s: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    sender: str
    body: str
    mark: str = ""

    def __repr__(self) -> str:
        return "Message()"


Heard = Card | Beams | Feedback | Message


class Dialect(Protocol):
    def receive(self, data: bytes) -> list[Heard]:
        """What stands in the bytes; what can not be read is left out and counted in `damaged`."""

    @property
    def damaged(self) -> int: ...
    def ask_card(self) -> bytes: ...
    def ask_beams(self) -> bytes: ...
    def send(self, to: str, body: str) -> bytes: ...


def dialect(protocol: str) -> Dialect:
    if protocol == "4.0":
        return Frames40()
    return Sentences21() if protocol == "2.1" else SentencesBd3()


def check(data: bytes) -> int:
    return reduce(lambda a, b: a ^ b, data, 0)


def sentence(words: str) -> bytes:
    body = words.encode("ascii")
    return b"$%s*%02X\r\n" % (body, check(body))


def coded(body: str) -> bytes:
    """GBK, as all terminals have it; what it has no sign for becomes "?"."""
    return body.encode("gbk", "replace")


def piece(body: str) -> tuple[str, int, int]:
    """A part of a longer text as `cut` numbers them: its words, its number and how many there are; 1 of 1 is none."""
    found = _PIECE.match(body)
    part, parts = (int(found.group(1)), int(found.group(2))) if found is not None else (1, 1)
    if found is None or not 1 <= part <= parts <= MOST_PIECES or parts == 1:
        return body, 1, 1
    return body[found.end() :], part, parts


def decoded(mode: str, content: bytes) -> str:
    """`mode` 0: Chinese characters as they are; 1: a code; 2, 3: mixed, hexadecimal behind A4."""
    if mode == "0":
        return content.decode("gbk", "replace")
    try:
        raw = bytes.fromhex(content.decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        return content.decode("gbk", "replace")
    if raw[:1] == b"\xa4":
        return raw[1:].rstrip(b"\0").decode("gbk", "replace")
    return content.decode("ascii").upper()


_FEEDBACK_40 = {
    1: "bd-failed",
    2: "bd-no-beam",
    3: "bd-low-power",
    4: "bd-card-limit",
    5: "bd-cipher",
    6: "bd-damaged",
}
_FEEDBACK_BD3 = {
    "1": "bd-card-limit",
    "2": "bd-no-beam",
    "3": "bd-inhibited",
    "4": "bd-low-power",
    "5": "bd-no-card",
}


class _Sentences:
    """Text lines; noise between them is passed over, a line that never ends is dropped."""

    def __init__(self) -> None:
        self._held = b""
        self.damaged = 0

    def receive(self, data: bytes) -> list[Heard]:
        *lines, self._held = (self._held + data).split(b"\n")
        heard: list[Heard] = []
        for line in lines:
            found = _whole(line[-MAX_LINE:])
            if found is None:
                self.damaged += bool(line.strip())
                continue
            try:
                told = self.read(*found)
            except (IndexError, ValueError, RemoteProtocolError):
                self.damaged += 1
                continue
            if told is not None:
                heard.append(told)
        if len(self._held) > MAX_LINE:
            self._held = b""
            self.damaged += 1
        return heard

    def read(self, name: str, fields: list[bytes]) -> Heard | None:
        raise NotImplementedError


def _whole(line: bytes) -> tuple[str, list[bytes]] | None:
    """Name and fields of the sentence that ends the line and fits its sum."""
    end = _END.search(line)
    if end is None:
        return None
    for head in islice(_HEAD.finditer(line, 0, end.start()), _STARTS):
        if check(line[head.start() + 1 : end.start()]) == int(end.group(1), 16):
            return head.group(2).decode(), line[head.end() : end.start()].split(b",")
    return None


class Sentences21(_Sentences):
    def ask_card(self) -> bytes:
        return sentence("CCICA,0,00")

    def ask_beams(self) -> bytes:
        return sentence("CCRMO,BSI,2,0")

    def send(self, to: str, body: str) -> bytes:
        return sentence(f"CCTXA,{to},1,2,A4{coded(body).hex().upper()}")

    def read(self, name: str, fields: list[bytes]) -> Heard | None:
        if name == "ICI":
            return _card(fields[0], _seconds(fields[4]))
        if name == "BSI":
            return _beams(fields[2:])
        if name == "FKI" and fields[0] == b"TXA":
            # instruction, carried out, frequency told, transmission inhibited, seconds to wait
            sent, inhibited, wait_s = fields[1] == b"Y", fields[3] not in (b"0", b"N", b""), _seconds(fields[4])
            return _feedback(sent, inhibited, wait_s)
        if name == "TXR":
            # kind, sender, mode, time, content
            return Message(_number(fields[1]), decoded(fields[2].decode(), b",".join(fields[4:])), fields[3].decode())
        return None


class SentencesBd3(_Sentences):
    def ask_card(self) -> bytes:
        return sentence("CCICR,0,00")

    def ask_beams(self) -> bytes:
        return sentence("CCRMO,PWI,2,0")

    def send(self, to: str, body: str) -> bytes:
        return sentence(f"CCTCQ,{to},2,1,3,A4{coded(body).hex().upper()},0")

    def read(self, name: str, fields: list[bytes]) -> Heard | None:
        if name == "ICP":
            return _card(fields[0], 0)
        if name == "PWI":
            return _beams(fields[1:])
        if name == "FKI" and fields[1] == b"TCQ":
            # time, instruction, carried out, why not, seconds to wait
            why = fields[3].decode("ascii", "replace")
            wait_s = _seconds(fields[4])
            if fields[2] == b"Y":
                return Feedback(True)
            code = "bd-card-limit" if wait_s else _FEEDBACK_BD3.get(why, "bd-failed")
            return Feedback(False, code, wait_s, f"reason {why[:8]}")
        if name == "TCI":
            # sender, recipient, band, time, mode, …, content
            mark, mode = fields[3].decode("ascii", "replace"), fields[4].decode("ascii", "replace")
            return Message(_number(fields[0]), decoded(mode, fields[-1]), mark)
        return None


class Frames40:
    """`$`, four letters, a length of all (2 bytes), an address (3), content, XOR of all before."""

    HEADS = (b"$ICXX", b"$ZJXX", b"$FKXX", b"$TXXX", b"$DWXX", b"$TXHZ", b"$BBXX", b"$SJXX")
    LEAST, MOST = 11, 512

    def __init__(self) -> None:
        self._held = b""
        self.damaged = 0
        self._own = 0

    def receive(self, data: bytes) -> list[Heard]:
        held, at, heard = self._held + data, 0, list[Heard]()
        while (at := held.find(b"$", at)) >= 0 and len(held) - at >= 7:
            length = int.from_bytes(held[at + 5 : at + 7], "big")
            if held[at : at + 5] not in self.HEADS or not self.LEAST <= length <= self.MOST:
                at += 1  # a $ within noise, or within another's content
                self.damaged += 1
                continue
            if len(held) - at < length:
                break
            frame = held[at : at + length]
            if check(frame[:-1]) != frame[-1]:
                at += 1
                self.damaged += 1
                continue
            at += length
            told = self._read(frame[1:5], frame[7:10], frame[10:-1])
            if told is not None:
                heard.append(told)
        self._held = held[at:] if at >= 0 else b""
        return heard

    def ask_card(self) -> bytes:
        return self._frame(b"$ICJC", b"\0\0\0", b"\0")

    def ask_beams(self) -> bytes:
        return self._frame(b"$XTZJ", self._own.to_bytes(3, "big"), b"\0\0")

    def send(self, to: str, body: str) -> bytes:
        if int(to) >= 1 << 24:
            raise LocalProtocolError("a card's number has 24 bits", code="text-address")
        content = b"\xa4" + coded(body)
        # An ordinary message, coded; its length in bits; no receipt.
        told = b"\x46" + int(to).to_bytes(3, "big") + (len(content) * 8).to_bytes(2, "big") + b"\0" + content
        return self._frame(b"$TXSQ", self._own.to_bytes(3, "big"), told)

    @staticmethod
    def _frame(head: bytes, address: bytes, content: bytes) -> bytes:
        body = head + (len(content) + 11).to_bytes(2, "big") + address + content
        return body + bytes([check(body)])

    def _read(self, name: bytes, address: bytes, content: bytes) -> Heard | None:
        if name == b"ICXX" and len(content) >= 7:
            # frame number, broadcast id (3), feature, frequency (2), level
            self._own = int.from_bytes(address, "big")
            return _card(str(self._own).encode(), int.from_bytes(content[5:7], "big"))
        if name == b"ZJXX" and len(content) >= 10:
            return Beams(tuple(min(power, 4) for power in content[-6:]))
        if name == b"FKXX" and content:
            if content[1:5].isalpha() and content[1:5] != b"TXSQ":
                return None  # of another order than to send
            if content[0] == 0:
                return Feedback(True)
            wait_s = float(content[1]) if content[0] == 4 and len(content) > 1 else 0.0
            return Feedback(False, _FEEDBACK_40.get(content[0], "bd-failed"), wait_s, f"FKXX {content[0]}")
        if name == b"TXXX" and len(content) >= 8:
            # kind, sender (3), hour, minute, length in bits (2), content, CRC
            bits = int.from_bytes(content[6:8], "big")
            raw = content[8 : 8 + (bits + 7) // 8]
            body = raw[1:].decode("gbk", "replace") if raw[:1] == b"\xa4" else raw.decode("gbk", "replace")
            return Message(f"bd:{int.from_bytes(content[1:4], 'big'):07}", body, f"{content[4]:02}{content[5]:02}")
        self.damaged += 1
        return None


def _card(number: bytes, every_s: float) -> Card:
    text = number.decode("ascii", "replace")
    if _NUMBER.fullmatch(text) is None:
        raise RemoteProtocolError("a card whose number is none")
    return Card("" if int(text) == 0 else text.zfill(7), every_s if every_s <= MOST_WAIT_S else 0.0)


def _beams(fields: list[bytes]) -> Beams:
    return Beams(tuple(min(int(one), 4) for one in fields[:24] if one.isdigit()))


def _feedback(sent: bool, inhibited: bool, wait_s: float) -> Feedback:
    if sent:
        return Feedback(True)
    if inhibited:
        return Feedback(False, "bd-inhibited")
    return Feedback(False, "bd-card-limit" if wait_s else "bd-failed", wait_s)


def _seconds(field: bytes) -> float:
    return min(float(field), MOST_WAIT_S) if field.isdigit() and len(field) <= 5 else 0.0


def _number(field: bytes) -> str:
    text = field.decode("ascii", "replace")
    if _NUMBER.fullmatch(text) is None:
        raise RemoteProtocolError("a sender whose number is none")
    return f"bd:{int(text):07}"  # BD-3 terminals tell eight digits of it
