"""What a kit and a center say to each other: requests, answers and notices on one reliable stream. Sans-IO.

    q  request  {t: "q", id, m, a}      asks the far side for `m` with the arguments `a`; both sides may
    r  answer   {t: "r", id, ok}        or {t: "r", id, err: {code, detail}}
    n  notice   {t: "n", m, a}          nobody answers

Each message is a msgpack map behind its length in four bytes (big-endian), at most 1 MiB. The first request of a kit is
`hello`, with the version of these messages; before it is answered a center takes nothing else. An answer to no question
is ignored: its asker has given up. Anything that is not as above ends the line (`rpc-damaged`).

Bounds: 512 requests of the far side may be unanswered, the next one is answered `busy`; 8 MiB may wait to be sent, a
request or notice beyond that raises Busy (`rpc-full`).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack

from gateway.base.errors import Busy, GatewayError, RemoteProtocolError
from gateway.wire.records import bounded

VERSION = 1
MOST_BYTES = 1 << 20
MOST_UNANSWERED = 512
MOST_WAITING = 8 << 20
MOST_NAME = 64
MOST_BLOB = 900_000
"""Pictures and bodies, the one kind of value that may be longer than a text of a record."""

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Request:
    """Of the far side: answer it with `Rpc.answer` or `Rpc.refuse`."""

    id: int
    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """To a request of ours. `code` "": it was done, and `value` is what came of it."""

    id: int
    value: Any = None
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


Event = Request | Answer | Notice


class Rpc:
    """One end. Bytes go in by `receive_data`, events come out of `next_event`, bytes to send of `data_to_send`."""

    def __init__(self) -> None:
        self._in = bytearray()
        self._out: deque[bytes] = deque()
        self._waiting = 0
        self._events: deque[Event] = deque()
        self._next_id = 1
        self._asked: set[int] = set()
        self._unanswered: set[int] = set()

    # — bytes —

    def receive_data(self, data: bytes) -> None:
        """Raises RemoteProtocolError (`rpc-damaged`): the line is of no use any more."""
        self._in += data
        while len(self._in) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._in)
            if length > MOST_BYTES:
                raise RemoteProtocolError(f"a message of {length} bytes", code="rpc-damaged")
            if len(self._in) < _LENGTH.size + length:
                return
            whole = bytes(self._in[_LENGTH.size : _LENGTH.size + length])
            del self._in[: _LENGTH.size + length]
            self._take(whole)

    def data_to_send(self) -> bytes:
        """All that waits."""
        data = b"".join(self._out)
        self._out.clear()
        self._waiting = 0
        return data

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    # — what is said —

    def ask(self, name: str, args: Mapping[str, Any] | None = None) -> int:
        """The number by which the answer is known. Raises Busy (`rpc-full`)."""
        number = self._next_id
        self._next_id = self._next_id % 0xFFFFFFFF + 1
        self._send({"t": "q", "id": number, "m": name, "a": dict(args or {})}, bound=True)
        self._asked.add(number)
        return number

    def forget(self, number: int) -> None:
        """Nobody waits for its answer any more."""
        self._asked.discard(number)

    def notice(self, name: str, args: Mapping[str, Any] | None = None) -> None:
        """Raises Busy (`rpc-full`)."""
        self._send({"t": "n", "m": name, "a": dict(args or {})}, bound=True)

    def answer(self, number: int, value: Any = None) -> None:
        """One that is answered already, or was never asked, is not answered (again)."""
        if number in self._unanswered:
            self._unanswered.discard(number)
            self._send({"t": "r", "id": number, "ok": value})

    def refuse(self, number: int, code: str, detail: str = "") -> None:
        if number in self._unanswered:
            self._unanswered.discard(number)
            self._send({"t": "r", "id": number, "err": {"code": code, "detail": detail[:500]}})

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent."""
        return self._waiting

    # — within —

    def _send(self, message: Mapping[str, Any], *, bound: bool = False) -> None:
        packed = msgpack.packb(message)
        if len(packed) > MOST_BYTES:
            raise GatewayError(f"a message of {len(packed)} bytes is too large", code="too-large")
        if bound and self._waiting + len(packed) > MOST_WAITING:
            raise Busy(f"{self._waiting} bytes wait for the far side already", code="rpc-full")
        self._out.append(_LENGTH.pack(len(packed)) + packed)
        self._waiting += _LENGTH.size + len(packed)

    def _take(self, whole: bytes) -> None:
        try:
            message = msgpack.unpackb(whole, max_str_len=MOST_BLOB, max_bin_len=MOST_BLOB, max_map_len=65_536)
        except Exception as exc:  # msgpack has a family of its own, ValueErrors and more
            raise RemoteProtocolError(f"no msgpack: {type(exc).__name__}", code="rpc-damaged") from exc
        match message:
            case {"t": "q", "id": int(number), "m": str(name), "a": dict(args)} if _fits(number, name):
                self._request(number, name, _args(args))
            case {"t": "r", "id": int(number), "ok": value} if _fits(number):
                _look(value)
                self._answer(Answer(number, value))
            case {"t": "r", "id": int(number), "err": {"code": str(code), "detail": str(detail)}} if _fits(number):
                self._answer(Answer(number, None, code[:MOST_NAME] or "internal", detail[:500]))
            case {"t": "n", "m": str(name), "a": dict(args)} if _fits(1, name):
                self._events.append(Notice(name, _args(args)))
            case _:
                raise RemoteProtocolError("a message that is none", code="rpc-damaged")

    def _request(self, number: int, name: str, args: Mapping[str, Any]) -> None:
        if number in self._unanswered:
            raise RemoteProtocolError(f"request {number} twice", code="rpc-damaged")
        self._unanswered.add(number)
        if len(self._unanswered) > MOST_UNANSWERED:
            self.refuse(number, "busy", f"{MOST_UNANSWERED} requests are unanswered")
            return
        self._events.append(Request(number, name, args))

    def _answer(self, answer: Answer) -> None:
        if answer.id in self._asked:
            self._asked.discard(answer.id)
            self._events.append(answer)


def _fits(number: int, name: str = "x") -> bool:
    return 0 < number <= 0xFFFFFFFF and 0 < len(name) <= MOST_NAME


def _args(args: dict[Any, Any]) -> Mapping[str, Any]:
    if not all(isinstance(key, str) for key in args):
        raise RemoteProtocolError("arguments without names", code="rpc-damaged")
    _look(args)
    return args


def _look(value: Any) -> None:
    """Blobs stand on the first level only; all else is bounded as records are."""
    if isinstance(value, dict):
        value = {key: inner for key, inner in value.items() if not isinstance(inner, bytes)}
    try:
        bounded(value)
    except RemoteProtocolError as exc:
        raise RemoteProtocolError(str(exc), code="rpc-damaged") from exc
