"""The client's side of a session, sans-IO: play from a server, or publish to one.

    begun ─connect─► connecting ─_result─► creating ─_result─► ready ─go─► asked ─onStatus─► running ──► over

`ready` tells the owner to give the connection its place in the media plane before anything flows; then it calls `go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from adapters.rtmp.protocol import messages as m
from adapters.rtmp.protocol.amf import Value
from adapters.rtmp.protocol.server import CHUNK_SIZE, ENHANCED, WINDOW

SOFTWARE = "FMLE/3.0 (compatible; Fieldgate)"


@dataclass(frozen=True, slots=True)
class Ready:
    """The message stream that will carry the media."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class Running:
    """The server has agreed."""


@dataclass(frozen=True, slots=True)
class Refused:
    """`code` is RTMP's word; `redirect` another URL that the server names."""

    code: str
    description: str
    redirect: str = ""


@dataclass(frozen=True, slots=True)
class Over:
    """The server has ended the stream."""

    code: str


Event: TypeAlias = Ready | Running | Refused | Over


class State(StrEnum):
    BEGUN = "begun"
    CONNECTING = "connecting"
    CREATING = "creating"
    READY = "ready"
    ASKED = "asked"
    RUNNING = "running"
    OVER = "over"


TRANSITIONS: dict[State, tuple[State, ...]] = {
    State.BEGUN: (State.CONNECTING,),
    State.CONNECTING: (State.CREATING, State.OVER),
    State.CREATING: (State.READY, State.OVER),
    State.READY: (State.ASKED, State.OVER),
    State.ASKED: (State.RUNNING, State.OVER),
    State.RUNNING: (State.OVER,),
    State.OVER: (),
}

_CONNECT, _RELEASE, _FC_PUBLISH, _CREATE, _GO = 1, 2, 3, 4, 5


class ClientSession:
    def __init__(
        self, intent: Literal["play", "publish"], *, app: str, stream: str, tc_url: str, enhanced: bool = True
    ) -> None:
        self.state = State.BEGUN
        self._intent = intent
        self._app = app
        self._stream = stream
        self._tc_url = tc_url
        self._enhanced = enhanced
        self._stream_id = 0
        self._out: list[m.Outgoing] = []

    def data_to_send(self) -> list[m.Outgoing]:
        out, self._out = self._out, []
        return out

    def begin(self) -> None:
        values: dict[str, Value] = {"app": self._app, "flashVer": SOFTWARE, "tcUrl": self._tc_url}
        if self._intent == "publish":
            values["type"] = "nonprivate"
        else:
            values |= {"fpad": False, "capabilities": 15.0, "audioCodecs": 4071.0, "videoCodecs": 252.0}
            values["videoFunction"] = 1.0
        if self._enhanced:
            values["fourCcList"] = list(ENHANCED)
        self._out += [m.chunk_size(CHUNK_SIZE), m.command("connect", _CONNECT, values)]
        self._to(State.CONNECTING)

    def go(self, metadata: dict[str, Value] | None = None) -> None:
        """After `Ready`. `metadata`: what is published."""
        stream_id = self._stream_id
        if self._intent == "play":
            self._out.append(m.command("play", _GO, None, self._stream, -1.0, stream_id=stream_id))
            # §7.1.7: milliseconds that we buffer.
            self._out.append(
                m.Outgoing(m.USER_CONTROL, (3).to_bytes(2) + stream_id.to_bytes(4) + (500).to_bytes(4), 0, 2)
            )
        else:
            self._out.append(m.command("publish", _GO, None, self._stream, "live", stream_id=stream_id))
            if metadata is not None:
                self.metadata(metadata)
        self._to(State.ASKED)

    def metadata(self, values: dict[str, Value]) -> None:
        """Of what is published, from now on."""
        self._out.append(m.data("@setDataFrame", "onMetaData", values, stream_id=self._stream_id))

    def leave(self) -> None:
        """Say goodbye; the connection is closed afterwards."""
        if self._stream_id:
            if self._intent == "publish":
                self._out.append(m.command("FCUnpublish", 6, None, self._stream))
            self._out.append(m.command("deleteStream", 7, None, float(self._stream_id)))
        if self.state is not State.OVER and State.OVER in TRANSITIONS[self.state]:
            self._to(State.OVER)

    def receive(self, type_id: int, stream_id: int, data: bytes) -> Sequence[Event]:
        """Raises RemoteProtocolError."""
        if self.state is State.OVER:
            return []
        message = m.read(type_id, stream_id, data)
        match message:
            case m.Control(event=m.PING_REQUEST):
                self._out.append(m.pong(message))
            case m.Control(event=m.STREAM_EOF) if self.state is State.RUNNING:
                return self._over("NetStream.Play.Stop")
            case m.Command(name="_result") if message.transaction == _CONNECT and self.state is State.CONNECTING:
                self._connected()
            case m.Command(name="_result") if message.transaction == _CREATE and self.state is State.CREATING:
                number = message.args[0] if message.args else None
                if not isinstance(number, float) or not 0 < number < 2**31:
                    return self._refused("createStream", "the server gave no stream")
                self._stream_id = int(number)
                self._to(State.READY)
                return [Ready(self._stream_id)]
            case m.Command(name="_error") if message.transaction in (_CONNECT, _CREATE, _GO):
                return self._error(message)
            case m.Command(name="onStatus"):
                return self._status(message)
            case m.Command(name="close"):
                return self._over("NetConnection.Connect.Closed")
        return []

    def _connected(self) -> None:
        self._out.append(m.window(WINDOW))
        if self._intent == "publish":
            self._out.append(m.command("releaseStream", _RELEASE, None, self._stream))
            self._out.append(m.command("FCPublish", _FC_PUBLISH, None, self._stream))
        self._out.append(m.command("createStream", _CREATE, None))
        self._to(State.CREATING)

    def _status(self, message: m.Command) -> Sequence[Event]:
        info = message.args[0] if message.args else None
        if not isinstance(info, dict):
            return []
        code = info.get("code")
        code = code[:100] if isinstance(code, str) else ""
        wanted = "NetStream.Publish.Start" if self._intent == "publish" else "NetStream.Play.Start"
        if code == wanted and self.state is State.ASKED:
            self._to(State.RUNNING)
            return [Running()]
        if info.get("level") == "error" and self.state is not State.RUNNING:
            return self._error(message)
        ends = ("NetStream.Play.UnpublishNotify", "NetStream.Play.Stop", "NetStream.Play.Complete")
        if code in ends or code.startswith("NetStream.Unpublish") or info.get("level") == "error":
            return self._over(code)
        return []

    def _error(self, message: m.Command) -> Sequence[Event]:
        info = next((value for value in message.args if isinstance(value, dict)), {})
        code, description, more = info.get("code"), info.get("description"), info.get("ex")
        redirect = more.get("redirect") if isinstance(more, dict) else None
        return self._refused(
            code[:100] if isinstance(code, str) else "",
            description[:300] if isinstance(description, str) else "",
            redirect[:2048] if isinstance(redirect, str) else "",
        )

    def _refused(self, code: str, description: str, redirect: str = "") -> Sequence[Event]:
        self._to(State.OVER)
        return [Refused(code, description, redirect)]

    def _over(self, code: str) -> Sequence[Event]:
        self._to(State.OVER)
        return [Over(code)]

    def _to(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise AssertionError(f"{self.state} → {state}")
        self.state = state
