"""Numbers as messages carry them: semi-octets, or a name in the 7 bit alphabet (3GPP TS 23.040 §9.1.2.5)."""

from __future__ import annotations

import re

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.sms import gsm7

NUMBER = re.compile(r"\+?[0-9*#]{1,20}")
_DIGITS = "0123456789*#abc"
INTERNATIONAL, UNKNOWN, ALPHANUMERIC = 0x91, 0x81, 0xD0


def write_number(number: str) -> bytes:
    """Length in digits, type, semi-octets. Raises LocalProtocolError (`text-address`)."""
    if NUMBER.fullmatch(number) is None:
        raise LocalProtocolError("a number has 1 to 20 digits, with + before an international one", code="text-address")
    digits = number.removeprefix("+")
    codes = [_DIGITS.index(digit) for digit in digits] + [0xF] * (len(digits) % 2)
    semi = bytes(high << 4 | low for low, high in zip(codes[::2], codes[1::2], strict=True))
    return bytes([len(digits), INTERNATIONAL if number.startswith("+") else UNKNOWN]) + semi


def read_number(kind: int, data: bytes, digits: int) -> str:
    """`digits` semi-octets of `data`, or a name."""
    if kind & 0x70 == ALPHANUMERIC & 0x70:
        return gsm7.characters(gsm7.unpack(data, digits * 4 // 7)).rstrip("\0 ")
    codes = [code for octet in data for code in (octet & 0xF, octet >> 4)][:digits]
    text = "".join(_DIGITS[code] for code in codes if code < len(_DIGITS))
    return f"+{text}" if kind & 0x70 == 0x10 else text


def take_number(data: bytes, at: int) -> tuple[str, int]:
    """The address that begins at `at`, and where it ends. Raises RemoteProtocolError."""
    if at + 2 > len(data):
        raise RemoteProtocolError("a message ends within its address")
    digits = data[at]
    end = at + 2 + (digits + 1) // 2
    if digits > 20 or end > len(data):
        raise RemoteProtocolError("an address is longer than its message")
    return read_number(data[at + 1], data[at + 2 : end], digits), end
