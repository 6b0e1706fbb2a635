"""The text of a message and its header: alphabets, parts of a long one (3GPP TS 23.040 §9.2.3.24, TS 23.038 §4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.sms import gsm7

MAX_OCTETS = 140
MAX_SEPTETS = 160
MAX_PARTS = 20
"""What we send; the standard has room for 255."""
AGAIN = 0x9F
"""An element for two parties that know each other (TS 23.040 §9.2.3.24: 80 … 9F), which others pass over. Ours: this
message, of one part, is sent again, so many seconds (16 bits) after an attempt of which it is not known whether it
went."""


class Alphabet(IntEnum):
    GSM7 = 0
    OCTETS = 1
    UCS2 = 2


@dataclass(frozen=True, slots=True)
class Part:
    """This message is number `part` (from 1) of `parts` that have one `reference` (8 or 16 bits)."""

    reference: int
    parts: int
    part: int
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """`data` only where the alphabet is OCTETS."""

    text: str = ""
    part: Part | None = None
    alphabet: Alphabet = Alphabet.GSM7
    data: bytes = b""
    again_s: int = 0

    @property
    def has_header(self) -> bool:
        return self.part is not None or self.again_s > 0

    def __repr__(self) -> str:
        return f"Body({self.alphabet.name}, {self.part})"


def alphabet_of(coding: int) -> Alphabet:
    """TP-DCS. What is reserved is read as the default alphabet (TS 23.038 §4)."""
    if coding & 0x80 == 0:
        if coding & 0x20:  # compressed: nobody does
            return Alphabet.OCTETS
        return {1: Alphabet.OCTETS, 2: Alphabet.UCS2}.get(coding >> 2 & 3, Alphabet.GSM7)
    if coding & 0xF0 == 0xE0:
        return Alphabet.UCS2
    if coding & 0xF0 == 0xF0 and coding & 4:
        return Alphabet.OCTETS
    return Alphabet.GSM7


def coding_of(alphabet: Alphabet) -> int:
    return {Alphabet.GSM7: 0, Alphabet.OCTETS: 4, Alphabet.UCS2: 8}[alphabet]


def split(text: str, *, reference: int = 0, again_s: float = 0.0) -> list[Body]:
    """A text as the messages that it takes; neither an escape nor a pair of surrogates is cut in two. `again_s`: see
    `AGAIN`; parts of a long one are known by their reference, and one that just fits has no room for it.

    Raises LocalProtocolError (`text-too-long`).
    """
    codes = gsm7.septets(text)
    if codes is not None:
        alphabet, sizes, one, each = Alphabet.GSM7, [len(code) for code in codes], 160, 152
    else:
        sizes = [2 if ord(char) > 0xFFFF else 1 for char in text]
        alphabet, one, each = Alphabet.UCS2, 70, 66
    if sum(sizes) <= one:
        head = 6 if alphabet is Alphabet.GSM7 else 3
        told = min(max(round(again_s), 1), 0xFFFF) if again_s > 0 and sum(sizes) + head <= one else 0
        return [Body(text, None, alphabet, again_s=told)]
    pieces, begin, used = [], 0, 0
    for at, size in enumerate(sizes):
        if used + size > each:
            pieces.append(text[begin:at])
            begin, used = at, 0
        used += size
    pieces.append(text[begin:])
    if len(pieces) > MAX_PARTS:
        raise LocalProtocolError(f"{len(pieces)} messages, {MAX_PARTS} are sent at most", code="text-too-long")
    # §9.2.3.24.8: by 16 bits, so that no two long messages of a day have the same.
    return [
        Body(piece, Part(reference & 0xFFFF, len(pieces), at, True), alphabet) for at, piece in enumerate(pieces, 1)
    ]


def write_body(body: Body) -> bytes:
    """TP-UDL and TP-UD. Raises LocalProtocolError when it is too long for one message."""
    head = b""
    if body.part is not None:
        part = body.part
        number = part.reference.to_bytes(2 if part.wide else 1, "big")
        told = bytes([8 if part.wide else 0, len(number) + 2]) + number + bytes([part.parts, part.part])
        head = bytes([len(told)]) + told
    elif body.again_s:
        head = bytes([4, AGAIN, 2]) + body.again_s.to_bytes(2, "big")
    if body.alphabet is Alphabet.GSM7:
        found = gsm7.septets(body.text)
        if found is None:
            raise LocalProtocolError("not in the 7 bit alphabet")
        codes = [code for one in found for code in one]
        fill = -8 * len(head) % 7
        length = (8 * len(head) + fill) // 7 + len(codes)
        data = head + gsm7.pack(codes, fill)
        too_long = length > MAX_SEPTETS
    else:
        octets = body.data if body.alphabet is Alphabet.OCTETS else body.text.encode("utf-16-be", "replace")
        data = head + octets
        length, too_long = len(data), len(data) > MAX_OCTETS
    if too_long:
        raise LocalProtocolError("too long for one message", code="text-too-long")
    return bytes([length]) + data


def read_body(data: bytes, coding: int, *, has_header: bool) -> Body:
    """From TP-UDL on. A text that is shorter than it says is read as far as it goes."""
    alphabet = alphabet_of(coding)
    if not data:
        return Body(alphabet=alphabet)
    length, rest = data[0], data[1:]
    head = again_s = 0
    part = None
    if has_header:
        if not rest or 1 + rest[0] > len(rest):
            raise RemoteProtocolError("a header is longer than its message")
        head = 1 + rest[0]
        part = _read_part(rest[1:head])
        again_s = _read_again(rest[1:head]) if part is None else 0
    if alphabet is Alphabet.GSM7:
        fill = -8 * head % 7
        count = max(0, min(length, MAX_SEPTETS) - (8 * head + fill) // 7)
        return Body(gsm7.characters(gsm7.unpack(rest[head:], count, fill)), part, again_s=again_s)
    octets = rest[head : min(length, MAX_OCTETS)]
    if alphabet is Alphabet.OCTETS:
        return Body("", part, alphabet, octets)
    return Body(octets[: len(octets) // 2 * 2].decode("utf-16-be", "replace"), part, alphabet, again_s=again_s)


def _read_part(header: bytes) -> Part | None:
    """Elements that we do not know are passed over; one that is wrong makes it a message of its own."""
    for kind, value in _elements(header):
        if kind in (0, 8) and len(value) == (3 if kind == 0 else 4):
            reference, parts, part = int.from_bytes(value[:-2], "big"), value[-2], value[-1]
            if 1 <= part <= parts:  # otherwise the element is to be ignored (§9.2.3.24.1)
                return Part(reference, parts, part, kind == 8) if parts > 1 else None
    return None


def _read_again(header: bytes) -> int:
    for kind, value in _elements(header):
        if kind == AGAIN and len(value) == 2:
            return int.from_bytes(value, "big")
    return 0


def _elements(header: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(header):
        kind, size = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + size]
        if len(value) == size:
            yield kind, value
        at += 2 + size
