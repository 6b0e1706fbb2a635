"""Messages of JT/T 808 and JT/T 1078: what terminals say, read; what we say, written."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from gateway.base.errors import RemoteProtocolError
from gateway.wire.plain import plain


class Said(IntEnum):
    """Terminal → platform (JT/T 808-2019 §8; JT/T 1078-2016 §5)."""

    ACK = 0x0001
    HEARTBEAT = 0x0002
    SIGN_OFF = 0x0003
    TIME_QUERY = 0x0004  # 2019
    REGISTER = 0x0100
    AUTHENTICATE = 0x0102
    ATTRIBUTES = 0x0107
    LOCATION = 0x0200
    LOCATION_ANSWER = 0x0201
    LOCATION_BATCH = 0x0704
    AV_ATTRIBUTES = 0x1003


class Order(IntEnum):
    """Platform → terminal."""

    ACK = 0x8001
    TIME_ANSWER = 0x8004
    REGISTER_ACK = 0x8100
    LOCATION_QUERY = 0x8201
    AV_ATTRIBUTES_QUERY = 0x9003
    LIVE = 0x9101
    LIVE_CONTROL = 0x9102
    PTZ = 0x9301
    FOCUS = 0x9302
    IRIS = 0x9303
    ZOOM = 0x9306


class Ack(IntEnum):
    """The word of a common answer (§8.1, §8.2)."""

    DONE = 0
    FAILED = 1
    WRONG = 2
    UNSUPPORTED = 3
    ALARM = 4  # platform only: the alarm was taken in hand


class Live(IntEnum):
    """What a live order asks for (JT/T 1078-2016 §5.5.1)."""

    BOTH = 0
    VIDEO = 1
    INTERCOM = 2
    LISTEN = 3
    BROADCAST = 4


@dataclass(frozen=True, slots=True)
class Registration:
    """§8.6. `generation` is 2011, 2013 or 2019: their fields differ in length alone."""

    manufacturer: str
    model: str
    terminal: str
    plate: str
    colour: int
    generation: int


@dataclass(frozen=True, slots=True)
class AvAttributes:
    """JT/T 1078-2016 §5.4.2: what the terminal's cameras and sound are."""

    audio_codec: int
    sample_rate_hz: int
    loudspeaker: bool
    video_codec: int
    video_channels: int


_WHOLE_2019 = 4 + 11 + 30 + 30 + 1
_RATES = {0: 8000, 1: 22050, 2: 44100, 3: 48000}


def _text(data: bytes, charset: str = "ascii", most: int = 64) -> str:
    return plain(data.strip(b"\x00 ").decode(charset, "replace"), most)


def read_registration(body: bytes, *, is_2019: bool) -> Registration:
    """Raises RemoteProtocolError when it is shorter than any generation's."""
    # A terminal of 2019 behind a header of 2013 shows itself by its length: no number plate is so long.
    if is_2019 or len(body) >= _WHOLE_2019:
        return _registration(body, 11, 30, 30, 2019)
    if len(body) >= 37 and _looks_padded(body[9:29]):
        return _registration(body, 5, 20, 7, 2013)
    return _registration(body, 5, 8, 7, 2011)


def _looks_padded(model: bytes) -> bool:
    """The 2013 model field is letters and then zeros or blanks; in one of 2011 the plate stands in its end."""
    words = model.rstrip(b"\x00 ")
    return all(0x20 <= byte < 0x7F for byte in words)


def _registration(body: bytes, maker: int, model: int, terminal: int, generation: int) -> Registration:
    ends = [4]
    for length in (maker, model, terminal):
        ends.append(ends[-1] + length)
    if len(body) < ends[3] + 1:
        raise RemoteProtocolError(f"a registration of {len(body)} bytes")
    return Registration(
        manufacturer=_text(body[ends[0] : ends[1]]),
        model=_text(body[ends[1] : ends[2]]),
        terminal=_text(body[ends[2] : ends[3]]),
        colour=body[ends[3]],
        plate=_text(body[ends[3] + 1 :][:64], "gb18030"),
        generation=generation,
    )


def read_codes(body: bytes) -> tuple[str, ...]:
    """The code of an authentication (§8.8): before 2019 the whole body, since then behind its length. Terminals are met
    that have the header of one and the body of the other: both readings are given."""
    if not body:
        raise RemoteProtocolError("an authentication without its code")
    return _text(body[:256], most=256), _text(body[1 : 1 + body[0]], most=256)


def read_ack(body: bytes) -> tuple[int, int, int]:
    """Serial and id of the order, and the word."""
    if len(body) < 5:
        raise RemoteProtocolError("a common answer of less than 5 bytes")
    serial, order, word = struct.unpack_from(">HHB", body)
    return serial, order, word


def read_av_attributes(body: bytes) -> AvAttributes:
    if len(body) < 10:
        raise RemoteProtocolError("audio and video attributes of less than 10 bytes")
    return AvAttributes(body[0], _RATES.get(body[2], 8000), bool(body[6]), body[7], body[9])


# ── ours ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def common_ack(serial: int, said: int, word: Ack) -> bytes:
    return struct.pack(">HHB", serial, said, word)


def register_ack(serial: int, word: int, code: str = "") -> bytes:
    """§8.7: 0 with the code to authenticate by; 4 there is no such terminal."""
    return struct.pack(">HB", serial, word) + code.encode("ascii")


def live(host: str, port: int, channel: int, what: Live, *, sub: bool = False) -> bytes:
    """JT/T 1078-2016 §5.5.1: bring it to `host`, over TCP."""
    address = host.encode("ascii")
    return bytes([len(address)]) + address + struct.pack(">HHBBB", port, 0, channel, what, int(sub))


def live_close(channel: int, *, intercom: bool = False) -> bytes:
    """§5.5.2: command 0 closes, 4 closes the intercom; all kinds of data, main stream."""
    return bytes([channel, 4 if intercom else 0, 0, 0])


def rotate(channel: int, direction: int, speed: int) -> bytes:
    """§5.8.1: 0 stop, 1 up, 2 down, 3 left, 4 right; speed 0 to 255."""
    return bytes([channel, direction, speed])


def lens(channel: int, step: int) -> bytes:
    """Focus, iris and zoom take the same two bytes (§5.8.2, §5.8.3, §5.8.6): 0 one way, 1 the other."""
    return bytes([channel, step])
