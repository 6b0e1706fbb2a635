"""What modems and the networks behind them say, for the fuzzer: lines on an AT port, and short messages."""

from __future__ import annotations

import re

from adapters.modem import readings
from gateway.base.errors import RemoteProtocolError
from gateway.model.link import Signal
from gateway.wire.at import PDU, Answered, AtEngine, Command, Unsolicited, fields
from gateway.wire.at.engine import MAX_EVENTS, MAX_LINES
from gateway.wire.at.lines import MAX_LINE
from gateway.wire.sms import Deliver, Submit, read_pdu, write_deliver, write_submit

COMMANDS = (
    Command("AT+CSQ", ("+CSQ",)),
    Command("AT+CGSN", plain=re.compile(r"\d{14,17}")),
    Command("AT+CMGL=4", ("+CMGL",), body=PDU, empty_ok=True),
    Command("AT+CMGS=18", ("+CMGS",), payload=b"0011"),
    Command("ATD112;", dials=True),
)


def try_at(data: bytes) -> None:
    """As the line brings it while each kind of command waits; whole and byte by byte it means the same."""
    for command in COMMANDS:
        whole, pieces = AtEngine(), AtEngine()
        for engine in (whole, pieces):
            engine.submit(command, 0.0)
            engine.data_to_send(0.0)
        whole.receive_data(data, 0.1)
        for at in range(0, len(data), 3):
            pieces.receive_data(data[at : at + 3], 0.1)
        if whole.data_to_send(0.1) != pieces.data_to_send(0.1):
            raise AssertionError("what is sent hangs on where the bytes were cut")
        told = _told(whole)
        if told != _told(pieces):
            raise AssertionError("what is told hangs on where the bytes were cut")
        if whole._reader.holds > MAX_LINE + 8:
            raise AssertionError("more is held than a line has")
        for line in told:
            _read([line])
    lines = data.decode("utf-8", "replace").splitlines()
    _read(lines[:50])


def _told(engine: AtEngine) -> list[str]:
    out: list[str] = []
    count = 0
    while (event := engine.next_event()) is not None:
        count += 1
        if isinstance(event, Answered):
            if len(event.answer.lines) > MAX_LINES:
                raise AssertionError("an answer without end")
            out += [event.answer.outcome.value, *event.answer.lines]
        elif isinstance(event, Unsolicited):
            out += [event.line, event.body]
    if count > MAX_EVENTS + 1:
        raise AssertionError("more events are kept than may be")
    return out


def _read(lines: list[str]) -> None:
    for _, _, reader in readings.SIGNALS.values():
        for raw in (False, True):
            _sane(reader(lines, raw_sinr=raw))
    _sane(readings.cesq(lines))
    _sane(readings.csq(lines))
    readings.registration(lines, "", "", None)
    readings.operator(lines)
    readings.calls(lines)
    readings.tries(lines)
    for line in lines:
        if len(fields(line)) > 64:
            raise AssertionError("more fields than may be")
    for fix in (readings.qgpsloc(lines), readings.cgpsinfo(lines)):
        if fix is not None and not (-90 <= fix.latitude <= 90 and -180 <= fix.longitude <= 180):
            raise AssertionError("a place that is not on Earth")


def _sane(signal: Signal | None) -> None:
    if signal is None:
        return
    if signal.rsrp_dbm is not None and not -160 < signal.rsrp_dbm < 0:
        raise AssertionError("a reception that is none")
    if len(signal.band) > 12 or len(signal.cell) > 12:
        raise AssertionError("a cell that is none")


def try_sms(data: bytes) -> None:
    """As hexadecimal text, as it comes; and as octets behind a service centre's address."""
    for line in (data.decode("ascii", "replace").strip(), data[:280].hex(), "00" + data[:280].hex()):
        try:
            message = read_pdu(line)
        except RemoteProtocolError:
            continue
        if isinstance(message, Submit | Deliver):
            if len(message.body.text) > 160 or (message.body.part and not 1 <= message.body.part.part <= 255):
                raise AssertionError("more text than a message has")
            if re.fullmatch(r"\+?[0-9*#]{1,20}", message.to if isinstance(message, Submit) else message.sender) is None:
                continue
            again = write_submit(message)[0] if isinstance(message, Submit) else write_deliver(message)
            back = read_pdu(again.hex())
            if back != read_pdu(again.hex()) or getattr(back, "body", None) is None:
                raise AssertionError("what was written is not read the same")
