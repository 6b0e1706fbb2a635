"""The server's side of a session (Adobe RTMP 1.0 §7.2), sans-IO: a sender publishes, or a player plays, once.

    begun ──connect──► connected ──publish──► asked ──accept──► publishing ─┐
                                 └──play────► asked ──accept──► playing ────┴─ deleteStream, FCUnpublish ──► over

What FMLE, OBS, FFmpeg, drones and cameras say besides (releaseStream, FCPublish, _checkbw, getStreamLength, …) is
answered as they expect it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from adapters.rtmp.protocol import messages as m
from adapters.rtmp.protocol.amf import Value
from gateway.base.errors import RemoteProtocolError

WINDOW = 2_500_000
CHUNK_SIZE = 4096
MAX_STREAMS = 8
ENHANCED = ("hvc1", "Opus", "avc1", "mp4a")
"""What we carry by Enhanced RTMP's names."""
_ANSWERED = (
    "releaseStream",
    "FCSubscribe",
    "_checkbw",
    "checkBandwidth",
    "getStreamLength",
    "getMovLength",
    "setPeerInfo",
)


@dataclass(frozen=True, slots=True)
class Connected:
    """`software` is what the peer calls itself; `takes`: its FourCCs (Enhanced RTMP), "*" for all."""

    app: str
    software: str
    takes: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Publish:
    name: str
    stream_id: int


@dataclass(frozen=True, slots=True)
class Play:
    name: str
    stream_id: int


@dataclass(frozen=True, slots=True)
class Metadata:
    """onMetaData: claims, of which nothing is believed but what the encoder calls itself."""

    values: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Over:
    """The peer has ended what it asked for."""


Event: TypeAlias = Connected | Publish | Play | Metadata | Over


class ServerSession:
    """`receive` for every message; then `data_to_send` and the events it returned. Raises RemoteProtocolError."""

    def __init__(self) -> None:
        self.connected: Connected | None = None
        self.asked: Publish | Play | None = None
        self._object_encoding = 0.0
        self._streams = 0
        self._out: list[m.Outgoing] = []

    def data_to_send(self) -> list[m.Outgoing]:
        out, self._out = self._out, []
        return out

    def receive(self, type_id: int, stream_id: int, data: bytes) -> Sequence[Event]:
        message = m.read(type_id, stream_id, data)
        match message:
            case m.Control(event=m.PING_REQUEST):
                self._out.append(m.pong(message))
            case m.Data(name="onMetaData", values=[dict() as values, *_]):
                return [Metadata(values)]
            case m.Command():
                return self._command(message)
        return []

    def _command(self, command: m.Command) -> Sequence[Event]:
        if command.name == "connect":
            return self._connect(command)
        if self.connected is None:
            raise RemoteProtocolError(f"{command.name} comes before connect", code="rtmp-order")
        match command.name:
            case "createStream":
                if self._streams >= MAX_STREAMS:
                    raise RemoteProtocolError(f"more than {MAX_STREAMS} streams of one connection", code="rtmp-order")
                self._streams += 1
                self._result(command, None, float(self._streams))
            case "publish":
                return self._ask(Publish(command.text(0), command.stream_id))
            case "play" | "play2":
                return self._ask(Play(command.text(0), command.stream_id))
            case "FCPublish":
                self._result(command, None, None)
                info: dict[str, Value] = {"code": "NetStream.Publish.Start", "description": command.text(0)}
                self._out.append(m.command("onFCPublish", 0, None, info))
            case "FCUnpublish" | "deleteStream" | "closeStream":
                self._result(command, None, None)
                return [Over()] if self.asked is not None else []
            case "pause" | "pauseRaw":
                # Nothing stops for one player; whoever pauses looks at the present afterwards.
                paused = bool(command.args and command.args[0])
                code = "NetStream.Pause.Notify" if paused else "NetStream.Unpause.Notify"
                self._out.append(m.status("status", code, "", stream_id=command.stream_id))
            case name if name in _ANSWERED or command.transaction > 0:
                # A length of nothing: it is live.
                self._result(command, None, 0.0 if name.startswith("get") else None)
        return []

    def _connect(self, command: m.Command) -> Sequence[Event]:
        if self.connected is not None:
            raise RemoteProtocolError("connect comes twice", code="rtmp-order")

        def text(name: str) -> str:
            value = command.object.get(name)
            return value.strip()[:1024] if isinstance(value, str) else ""

        encoding = command.object.get("objectEncoding")
        self._object_encoding = encoding if isinstance(encoding, float) and encoding in (0.0, 3.0) else 0.0
        takes = command.object.get("fourCcList")
        info = command.object.get("videoFourCcInfoMap")
        names = [v for v in takes if isinstance(v, str)] if isinstance(takes, list) else []
        names += list(info) if isinstance(info, dict) else []
        # Some say the application in tcUrl alone.
        app = text("app") or text("tcUrl").partition("://")[2].partition("/")[2]
        self.connected = Connected(app, text("flashVer")[:100], frozenset(name[:8] for name in names[:32]))
        self._out += [m.window(WINDOW), m.bandwidth(WINDOW), m.control(m.STREAM_BEGIN, 0), m.chunk_size(CHUNK_SIZE)]
        properties: dict[str, Value] = {"fmsVer": "FMS/3,5,7,7009", "capabilities": 31.0, "mode": 1.0}
        if names:
            properties["fourCcList"] = list(ENHANCED)
        info_out: dict[str, Value] = {
            "level": "status",
            "code": "NetConnection.Connect.Success",
            "description": "Connection succeeded.",
            "objectEncoding": self._object_encoding,
        }
        self._out.append(m.command("_result", command.transaction or 1, properties, info_out))
        return [self.connected]

    def _ask(self, event: Publish | Play) -> Sequence[Event]:
        if self.asked is not None:
            raise RemoteProtocolError("a connection publishes or plays one stream", code="rtmp-order")
        self.asked = event
        return [event]

    def _result(self, command: m.Command, *values: Value) -> None:
        if command.transaction > 0:
            self._out.append(m.command("_result", command.transaction, *values))

    # — what the owner decides —

    def accept(self, metadata: dict[str, Value] | None = None) -> None:
        """`metadata`: for a player, what its stream is."""
        match self.asked:
            case Publish(_, stream_id):
                self._out.append(m.control(m.STREAM_BEGIN, stream_id))
                self._say(stream_id, "NetStream.Publish.Start", "Publishing.")
            case Play(_, stream_id):
                self._out.append(m.control(m.STREAM_BEGIN, stream_id))
                self._say(stream_id, "NetStream.Play.Reset", "Playing and resetting.")
                self._say(stream_id, "NetStream.Play.Start", "Started playing.")
                self._out.append(m.data("|RtmpSampleAccess", True, True, stream_id=stream_id))
                if metadata is not None:
                    self._out.append(m.data("onMetaData", metadata, stream_id=stream_id))

    def metadata(self, values: dict[str, Value]) -> None:
        """Of a stream that a player has begun to play."""
        if isinstance(self.asked, Play):
            self._out.append(m.data("onMetaData", values, stream_id=self.asked.stream_id))

    def refuse(self, code: str, description: str) -> None:
        """`code`: a reason of ours; what programs look at is RTMP's own word."""
        match self.asked:
            case Publish(_, stream_id):
                self._say(stream_id, "NetStream.Publish.BadName", f"{description} ({code})", level="error")
            case Play(_, stream_id):
                word = "NetStream.Play.StreamNotFound" if code == "not-found" else "NetStream.Play.Failed"
                self._say(stream_id, word, f"{description} ({code})", level="error")

    def end(self, code: str, description: str) -> None:
        """What was accepted ends from our side."""
        match self.asked:
            case Publish(_, stream_id):
                self._say(stream_id, "NetStream.Unpublish.Success", f"{description} ({code})")
            case Play(_, stream_id):
                self._say(stream_id, "NetStream.Play.UnpublishNotify", f"{description} ({code})")
                self._out.append(m.control(m.STREAM_EOF, stream_id))

    def _say(self, stream_id: int, code: str, description: str, *, level: str = "status") -> None:
        self._out.append(m.status(level, code, description, stream_id=stream_id))
