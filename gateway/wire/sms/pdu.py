"""Short messages as PDUs, both ways: SUBMIT, DELIVER, STATUS-REPORT (3GPP TS 23.040 §9.2.2, TS 27.005 §3.1).

What a modem hands over begins with the service centre's address; what it is given begins with none of its own (a zero),
which the length in AT+CMGS does not count.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sms.address import take_number, write_number
from gateway.wire.sms.body import Body, coding_of, read_body, write_body

MAX_PDU = 300
FOR_A_DAY = 167
"""TP-VP, relative: (167 - 166) days."""


@dataclass(frozen=True, slots=True)
class Submit:
    to: str = field(repr=False)
    body: Body = field(repr=False)
    report: bool = False  # the network shall tell what became of it
    reference: int = 0
    validity: int = FOR_A_DAY


@dataclass(frozen=True, slots=True)
class Deliver:
    """`stamp` is the service centre's, as it stands in the PDU: the same when a message comes twice. `sent_at` in unix
    seconds, None when it is no time."""

    sender: str = field(repr=False)
    body: Body = field(repr=False)
    stamp: str = ""
    sent_at: float | None = None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """`status` (§9.2.3.15): below 0x20 it is there, 0x20 … 0x3f it is still tried, else it failed."""

    reference: int
    recipient: str = field(repr=False)
    status: int
    stamp: str = ""
    done_at: float | None = None

    @property
    def delivered(self) -> bool:
        return self.status < 0x20

    @property
    def final(self) -> bool:
        return not 0x20 <= self.status < 0x40


def write_submit(message: Submit) -> tuple[bytes, int]:
    """The PDU, and the length for AT+CMGS. Raises LocalProtocolError (`text-address`, `text-too-long`)."""
    first = 0x01 | 0x10 | (0x20 if message.report else 0) | (0x40 if message.body.has_header else 0)
    pdu = bytes([first, message.reference & 0xFF]) + write_number(message.to)
    pdu += bytes([0, coding_of(message.body.alphabet), message.validity]) + write_body(message.body)
    return b"\0" + pdu, len(pdu)


def write_deliver(message: Deliver, *, centre: str = "") -> bytes:
    first = 0x04 | (0x40 if message.body.has_header else 0)
    pdu = bytes([first]) + write_number(message.sender) + bytes([0, coding_of(message.body.alphabet)])
    return _centre(centre) + pdu + bytes.fromhex(message.stamp or "00" * 7) + write_body(message.body)


def _centre(number: str) -> bytes:
    if not number:
        return b"\0"
    address = write_number(number)
    return bytes([len(address) - 1]) + address[1:]


def read_pdu(line: str) -> Deliver | StatusReport | Submit:
    """The line behind +CMGL, +CMGR, +CMT or +CDS. Raises RemoteProtocolError."""
    try:
        data = bytes.fromhex(line)
    except ValueError:
        raise RemoteProtocolError("a message that is not hexadecimal") from None
    if not 2 <= len(data) <= MAX_PDU or 1 + data[0] >= len(data):
        raise RemoteProtocolError(f"a message of {len(data)} octets")
    data = data[1 + data[0] :]
    kind, has_header = data[0] & 3, bool(data[0] & 0x40)
    if kind == 0:
        return _read_deliver(data, has_header)
    if kind == 2:
        return _read_report(data)
    if kind == 1:
        return _read_submit(data, has_header)
    raise RemoteProtocolError("a message of a kind that is reserved")


def _read_deliver(data: bytes, has_header: bool) -> Deliver:
    sender, at = take_number(data, 1)
    if at + 9 > len(data):
        raise RemoteProtocolError("a message ends within its head")
    stamp = data[at + 2 : at + 9]
    body = read_body(data[at + 9 :], data[at + 1], has_header=has_header)
    return Deliver(sender, body, stamp.hex(), read_stamp(stamp))


def _read_report(data: bytes) -> StatusReport:
    if len(data) < 2:
        raise RemoteProtocolError("a report ends within its head")
    recipient, at = take_number(data, 2)
    if at + 15 > len(data):
        raise RemoteProtocolError("a report ends within its head")
    stamp = data[at : at + 7]
    return StatusReport(data[1], recipient, data[at + 14], stamp.hex(), read_stamp(data[at + 7 : at + 14]))


def _read_submit(data: bytes, has_header: bool) -> Submit:
    if len(data) < 2:
        raise RemoteProtocolError("a message ends within its head")
    to, at = take_number(data, 2)
    size = {0: 0, 2: 1}.get(data[0] >> 3 & 3, 7)
    if at + 2 + size > len(data):
        raise RemoteProtocolError("a message ends within its head")
    body = read_body(data[at + 2 + size :], data[at + 1], has_header=has_header)
    validity = data[at + 2] if size == 1 else 255
    return Submit(to, body, bool(data[0] & 0x20), data[1], validity)


def read_stamp(data: bytes) -> float | None:
    """TP-SCTS (§9.2.3.11): semi-octets of year to second, then the zone in quarters of an hour; unix seconds."""
    digits = [(octet & 0xF) * 10 + (octet >> 4) for octet in data]
    year, month, day, hour, minute, second = digits[:6]
    if any((octet & 0xF) > 9 or octet >> 4 > 9 for octet in data[:6]):
        return None
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return None
    quarters = (data[6] & 0x7) * 10 + (data[6] >> 4)
    if quarters > 14 * 4:
        quarters = 0
    elif data[6] & 0x8:
        quarters = -quarters
    return calendar.timegm((2000 + year, month, day, hour, minute, second)) - quarters * 900.0
