"""Messages of RTMP's command layer (Adobe RTMP 1.0 §7): what the media plane hands up, read; and what goes down."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from adapters.rtmp.protocol import amf
from adapters.rtmp.protocol.amf import Value
from gateway.base.errors import RemoteProtocolError

SET_CHUNK_SIZE = 1
USER_CONTROL = 4
WINDOW_ACK_SIZE = 5
SET_PEER_BANDWIDTH = 6
DATA_AMF3 = 15
COMMAND_AMF3 = 17
DATA = 18
COMMAND = 20

STREAM_BEGIN = 0
STREAM_EOF = 1
PING_REQUEST = 6
PING_RESPONSE = 7


@dataclass(frozen=True, slots=True)
class Outgoing:
    """For `Engine.rtmp_send`."""

    type_id: int
    data: bytes
    stream_id: int = 0
    chunk_stream: int = 3


@dataclass(frozen=True, slots=True)
class Command:
    """`args`: what stands behind the command object."""

    name: str
    transaction: int
    object: dict[str, Value]
    args: list[Value]
    stream_id: int = 0

    def text(self, at: int) -> str:
        """The argument at `at`, where it is text."""
        value = self.args[at] if at < len(self.args) else None
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Data:
    """onMetaData and its like: the name, and the values behind it."""

    name: str
    values: list[Value]


@dataclass(frozen=True, slots=True)
class Control:
    """A user control message (§6.2): `data` is what stands behind its type."""

    event: int
    data: bytes


def read(type_id: int, stream_id: int, data: bytes) -> Command | Data | Control | None:
    """None: nothing that means anything here. Raises RemoteProtocolError (`rtmp-amf`)."""
    if type_id == USER_CONTROL:
        if len(data) < 2:
            raise RemoteProtocolError("a user control message is cut short", code="rtmp-amf")
        return Control(int.from_bytes(data[:2]), data[2:])
    if type_id in (COMMAND_AMF3, DATA_AMF3) and data[:1] == b"\0":
        # §7.1.1: AMF0 behind a byte that says so.
        data = data[1:]
    if type_id in (COMMAND, COMMAND_AMF3):
        return _command(amf.decode(data), stream_id)
    if type_id in (DATA, DATA_AMF3):
        values = amf.decode(data)
        if values and values[0] == "@setDataFrame":
            values = values[1:]
        name = values[0] if values else None
        return Data(name, values[1:]) if isinstance(name, str) else None
    return None


def _command(values: list[Value], stream_id: int) -> Command:
    name = values[0] if values else None
    if not isinstance(name, str) or len(name) > 64:
        raise RemoteProtocolError("a command has no name", code="rtmp-amf")
    number = values[1] if len(values) > 1 else None
    transaction = int(number) if isinstance(number, float) and 0 <= number < 2**31 else 0
    # Some leave the object out where there is none.
    has_object = len(values) > 2 and (values[2] is None or isinstance(values[2], dict))
    found = values[2] if has_object else None
    return Command(
        name, transaction, found if isinstance(found, dict) else {}, values[3 if has_object else 2 :], stream_id
    )


def command(name: str, transaction: int, *values: Value, stream_id: int = 0) -> Outgoing:
    # Commands of a stream go on a chunk stream of their own, as FMS has it.
    chunks = 3 if stream_id == 0 else 8
    return Outgoing(COMMAND, amf.encode(name, transaction, *values), stream_id, chunks)


def data(*values: Value, stream_id: int) -> Outgoing:
    return Outgoing(DATA, amf.encode(*values), stream_id, 8)


def control(event: int, number: int) -> Outgoing:
    return Outgoing(USER_CONTROL, struct.pack(">HI", event, number), 0, 2)


def pong(request: Control) -> Outgoing:
    return Outgoing(USER_CONTROL, struct.pack(">H", PING_RESPONSE) + request.data[:4], 0, 2)


def window(size: int) -> Outgoing:
    return Outgoing(WINDOW_ACK_SIZE, struct.pack(">I", size), 0, 2)


def bandwidth(size: int) -> Outgoing:
    """2: dynamic (§5.4.5)."""
    return Outgoing(SET_PEER_BANDWIDTH, struct.pack(">IB", size, 2), 0, 2)


def chunk_size(size: int) -> Outgoing:
    return Outgoing(SET_CHUNK_SIZE, struct.pack(">I", size), 0, 2)


def status(level: str, code: str, description: str, *, stream_id: int, **more: Value) -> Outgoing:
    info: dict[str, Value] = {"level": level, "code": code, "description": description, **more}
    return command("onStatus", 0, None, info, stream_id=stream_id)
