"""PDUs of the network's side (3GPP TS 23.040), written apart from the gateway's own codec."""

from __future__ import annotations

from dataclasses import dataclass

GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
MORE = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}


def _digits(number: str) -> bytes:
    padded = number + "F" * (len(number) % 2)
    return bytes.fromhex("".join(padded[i + 1] + padded[i] for i in range(0, len(padded), 2)))


def _septets(text: str) -> list[int]:
    back = {char: code for code, char in MORE.items()}
    out: list[int] = []
    for char in text:
        out += [GSM.index(char)] if char in GSM else [0x1B, back[char]]
    return out


def _pack(codes: list[int], skip: int = 0) -> bytes:
    whole = sum(code << (7 * at) for at, code in enumerate(codes)) << skip
    return whole.to_bytes((7 * len(codes) + skip + 7) // 8, "little")


def _unpack(data: bytes, count: int, skip: int) -> str:
    whole = int.from_bytes(data, "little") >> skip
    codes = [(whole >> (7 * at)) & 0x7F for at in range(count)]
    out, escaped = "", False
    for code in codes:
        if escaped:
            out += MORE.get(code, " ")
            escaped = False
        elif code == 0x1B:
            escaped = True
        else:
            out += GSM[code]
    return out


def deliver(
    sender: str,
    text: str,
    *,
    part: tuple[int, int, int] | None = None,
    wide: bool = False,
    stamp: str = "26113006153000",
) -> str:
    """The line behind +CMGR: a service centre's address and an SMS-DELIVER. `part`: (reference, parts, number);
    `wide`: the reference has 16 bits. `stamp`: YYMMDDhhmmss and two digits of a zone (quarters of an hour)."""
    plain = all((char in GSM and char != "\x1b") or char in MORE.values() for char in text)
    head = b""
    if part is not None:
        reference, parts, number = part
        head = (
            bytes([6, 8, 4, reference >> 8, reference & 255, parts, number])
            if wide
            else bytes([5, 0, 3, reference & 255, parts, number])
        )
    if plain:
        skip = -(8 * len(head)) % 7
        codes = _septets(text)
        length, body = (8 * len(head) + skip) // 7 + len(codes), head + _pack(codes, skip)
    else:
        body = head + text.encode("utf-16-be")
        length = len(body)
    if sender.lstrip("+").isdigit():
        bare = sender.lstrip("+")
        address = bytes([len(bare), 0x91 if sender.startswith("+") else 0x81]) + _digits(bare)
    else:
        packed = _pack(_septets(sender))
        address = bytes([len(packed) * 2, 0xD0]) + packed
    first = (0x40 if head else 0) | 0x04
    pdu = bytes([first]) + address + bytes([0, 0 if plain else 8]) + _digits(stamp) + bytes([length]) + body
    return (b"\x08\x91" + _digits("8613800210500") + pdu).hex().upper()


def report(reference: int, recipient: str, status: int = 0, stamp: str = "26113006153000") -> str:
    """An SMS-STATUS-REPORT."""
    bare = recipient.lstrip("+")
    address = bytes([len(bare), 0x91 if recipient.startswith("+") else 0x81]) + _digits(bare)
    pdu = bytes([6, reference]) + address + _digits(stamp) * 2 + bytes([status])
    return (b"\x08\x91" + _digits("8613800210500") + pdu).hex().upper()


def relayed(pdu: bytes, sender: str, stamp: str) -> str:
    """An SMS-SUBMIT as the far side gets it: an SMS-DELIVER with the same header and text."""
    at = 1 + pdu[0]
    first = pdu[at]
    at += 4 + (pdu[at + 2] + 1) // 2  # the recipient's address
    coded = pdu[at : at + 2]
    body = pdu[at + 2 + {0: 0, 2: 1, 1: 7, 3: 7}[(first >> 3) & 3] :]
    bare = sender.lstrip("+")
    address = bytes([len(bare), 0x91 if sender.startswith("+") else 0x81]) + _digits(bare)
    told = bytes([0x04 | first & 0x40]) + address + coded + _digits(stamp) + body
    return (b"\x08\x91" + _digits("8613800210500") + told).hex().upper()


@dataclass
class Submitted:
    to: str
    text: str
    part: tuple[int, int, int] | None
    report: bool


def submitted(pdu: bytes) -> Submitted:
    """What an SMS-SUBMIT, service centre's address included, asks for."""
    at = 1 + pdu[0]
    first = pdu[at]
    assert first & 3 == 1, "an SMS-SUBMIT"
    digits = pdu[at + 2]
    raw = pdu[at + 4 : at + 4 + (digits + 1) // 2].hex()
    number = "".join(raw[i + 1] + raw[i] for i in range(0, len(raw), 2))[:digits]
    to = ("+" if pdu[at + 3] == 0x91 else "") + number
    at += 4 + (digits + 1) // 2
    coding = pdu[at + 1]
    at += 2 + {0: 0, 2: 1, 1: 7, 3: 7}[(first >> 3) & 3]
    length, body = pdu[at], pdu[at + 1 :]
    part, head = None, 0
    if first & 0x40:
        head = 1 + body[0]
        if body[1] == 0:
            part = (body[3], body[4], body[5])
        elif body[1] == 8:
            part = (body[3] << 8 | body[4], body[5], body[6])
    if coding & 0x0C == 8:
        assert length == len(body) <= 140
        text = body[head:].decode("utf-16-be")
    else:
        assert length <= 160 and len(body) == (length * 7 + 7) // 8
        skip = -(8 * head) % 7
        text = _unpack(body[head:], length - (8 * head + skip) // 7, skip)
    return Submitted(to, text, part, bool(first & 0x20))
