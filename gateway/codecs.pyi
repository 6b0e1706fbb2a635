"""The media plane: sockets for media, parsing, the hub, fan-out and encryption, in threads of its own (Rust).

Python hands in file descriptors and orders; the plane hands back events. Nothing here is called once per packet.
Every method may be called from any thread, posts to the engine's queue and returns at once unless said otherwise;
none holds the GIL while it works. Handles are plain ints, never used again after their thing is closed. An order on
a handle that is gone is ignored. File descriptors handed in belong to the plane from then on (pass
`socket.detach()`); it closes them, also when the call raises.
"""

from collections.abc import Sequence
from typing import Final, Literal, Self, TypeAlias, final

Stream: TypeAlias = int
Leg: TypeAlias = int
Port: TypeAlias = int
Session: TypeAlias = int
Subscription: TypeAlias = int
Voice: TypeAlias = int
Room: TypeAlias = int
Wire: TypeAlias = int
Bundle: TypeAlias = int
Door: TypeAlias = int

CodecName: TypeAlias = Literal[
    "h264", "h265", "mjpeg", "mpeg2video", "aac", "pcma", "pcmu", "opus", "g722", "l16", "mp2", "ac3", "eac3"
]
SrtpProfile: TypeAlias = Literal[
    "AEAD_AES_128_GCM",
    "AEAD_AES_256_GCM",
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_80",
]

VERSION: Final[str]

class MediaError(Exception):
    """An order that can not be carried out: bad argument, unknown handle where one is needed, refused socket call."""

# Made by the engine; the keyword constructors are for fakes.
# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────

@final
class TrackEvent:
    """A track of `stream` is known, or its parameters changed (`generation` grew)."""

    stream: Stream
    kind: Literal["video", "audio"]
    codec: CodecName
    clock_hz: int
    generation: int
    width: int
    height: int
    profile: str
    b_frames: bool
    channels: int
    sprop: str
    """Video's parameter sets, (VPS,) SPS, PPS, in base64 with commas between: at most 512 characters; "" when not
    known, or longer."""
    def __new__(
        cls,
        *,
        stream: Stream,
        kind: Literal["video", "audio"],
        codec: CodecName,
        clock_hz: int,
        generation: int,
        width: int,
        height: int,
        profile: str,
        b_frames: bool,
        channels: int,
        sprop: str,
    ) -> Self: ...

@final
class LegEvent:
    """An ingest leg changed. `state`:

    `media`    first valid packet; `detail` is the payload found ("ps", "ts", "h264", …), `address` the sender
    `picture`  its first key frame, after the `TrackEvent` if what it sends is news
    `stalled`  no frame for `stall_ms`; `resumed`: frames again
    `closed`   TCP ended or a socket error; `code` is a reason code
    `problem`  something to tell a person, at most once a second and code (`private-stream`, `framing-lost`, …)
    `attached` a TCP connection was attached; `detached`: it ended, the leg stays
    """

    leg: Leg
    stream: Stream
    state: Literal["media", "picture", "stalled", "resumed", "closed", "problem", "attached", "detached"]
    code: str
    detail: str
    address: str
    def __new__(
        cls,
        *,
        leg: Leg,
        stream: Stream,
        state: Literal["media", "picture", "stalled", "resumed", "closed", "problem", "attached", "detached"],
        code: str,
        detail: str,
        address: str,
    ) -> Self: ...

@final
class KeyFrameWanted:
    """A subscriber, or the hub after loss, wants a key frame; at most one per stream in 500 ms."""

    stream: Stream
    cause: Literal["join", "pli", "fir", "loss"]
    def __new__(cls, *, stream: Stream, cause: Literal["join", "pli", "fir", "loss"]) -> Self: ...

@final
class Datagram:
    """STUN or DTLS that came to a session (or, with `session` 0, STUN whose ufrag nobody has: dropped, counted)."""

    session: Session
    port: Port
    data: bytes
    host: str
    host_port: int
    def __new__(cls, *, session: Session, port: Port, data: bytes, host: str, host_port: int) -> Self: ...

@final
class SubscriptionEvent:
    """`first-frame` sent; `refused` (code: codec-unsupported, b-frames, audio-unsupported; link-down when the reader of
    a frame port closed it); `congested` and `recovered` (frames left out up to a key frame); `key-frame-wait`:
    media flows, waits for its first key frame."""

    subscription: Subscription
    stream: Stream
    state: Literal["first-frame", "refused", "congested", "recovered", "key-frame-wait"]
    code: str
    detail: str
    def __new__(
        cls,
        *,
        subscription: Subscription,
        stream: Stream,
        state: Literal["first-frame", "refused", "congested", "recovered", "key-frame-wait"],
        code: str,
        detail: str,
    ) -> Self: ...

@final
class SessionEvent:
    """`bye`: RTCP BYE for every source, or a DTLS-independent end; `silent`: no valid packet from the peer for 15 s;
    `address`: authenticated media came from another address than armed (`host`, `host_port`)."""

    session: Session
    state: Literal["bye", "silent", "address"]
    host: str
    host_port: int
    def __new__(
        cls,
        *,
        session: Session,
        state: Literal["bye", "silent", "address"],
        host: str,
        host_port: int,
    ) -> Self: ...

@final
class StreamPanic:
    """A stream's work failed by a bug; the stream and its legs and subscriptions are gone, others go on."""

    stream: Stream
    detail: str
    def __new__(cls, *, stream: Stream, detail: str) -> Self: ...

@final
class EventsLost:
    """The event queue was full: `count` events since the last drain are missing. Ask the states again."""

    count: int
    def __new__(cls, *, count: int) -> Self: ...

@final
class VoiceEvent:
    """One audio leg changed. `state`:

    `media`    first valid packet (or first after `stopped`); `detail` is its codec, `address` the sender
    `stopped`  no packet for `stop_ms`; `media` follows when they come again. Never an end by itself
    `talking`  `quiet`: voice activity of what the leg sends (level over `vox_db`, with its hang time)
    `key`      `unkey`: the peer keyed its transmitter (USRP header)
    `dtmf`     one finished telephone-event (RFC 4733); `detail` is the digit "0".."9", "*", "#", "A".."D" or "flash"
    `stranger` packets from an address that is not the peer's are ignored; at most once a second, `address` says whose
    `problem`  something to tell a person, at most once a second and code (`codec-unsupported`, `srtp-unauthentic`, …)
    `closed`   TCP, PCM or serial end, or a socket error; `code` is a reason code. The handle stays until `close_voice`
    """

    voice: Voice
    state: Literal["media", "stopped", "talking", "quiet", "key", "unkey", "dtmf", "stranger", "problem", "closed"]
    code: str
    detail: str
    address: str
    def __new__(
        cls,
        *,
        voice: Voice,
        state: Literal["media", "stopped", "talking", "quiet", "key", "unkey", "dtmf", "stranger", "problem", "closed"],
        code: str,
        detail: str,
        address: str,
    ) -> Self: ...

@final
class WireEvent:
    """A connection whose bytes the plane reads. `wire` is the wire, or the leg or subscription it was bound as.
    `state`:

    `connected` SRT: the handshake is done; `detail` is the stream id the peer gave, `address` who it is
    `incoming` SRT: a new wire of the listener `parent`, connected; decide and bind it, or close it
    `text`     RTSP: one whole message in `data` (at most 64 KiB)
    `message`  RTMP: one whole command, data or user control message in `data` (at most 64 KiB); `number` its type id,
               `stream_id` its message stream
    `closed`   over, `code` is a reason code (`source-ended`, `protocol`, `srt-refused`, `tls-failed`, …), `detail`
    words
    """

    wire: Wire
    parent: Wire
    state: Literal["connected", "incoming", "text", "message", "closed"]
    code: str
    detail: str
    data: bytes
    number: int
    stream_id: int
    address: str
    def __new__(
        cls,
        *,
        wire: Wire,
        parent: Wire,
        state: Literal["connected", "incoming", "text", "message", "closed"],
        code: str,
        detail: str,
        data: bytes,
        number: int,
        stream_id: int,
        address: str,
    ) -> Self: ...

@final
class DataEvent:
    """Timed data of a stream's own source. `klv`: one SMPTE ST 336 packet (MISB ST 0601), at most 8 KiB and 10 a
    second;
    `programs`: a transport stream with several programmes, as JSON of numbers and names, when they are known or
    change."""

    stream: Stream
    leg: Leg
    kind: Literal["klv", "programs"]
    data: bytes
    def __new__(cls, *, stream: Stream, leg: Leg, kind: Literal["klv", "programs"], data: bytes) -> Self: ...

@final
class BundleEvent:
    """A link bundle between a kit and a center. `bundle` is the bundle, 0 where there is none yet; `door` the door that
    it came in by, 0 for one that was dialled. `kind`:

    `up`            the handshake is done: `key` is the peer's public key, `name` its gateway id ("" where the peer is a
                    center), `number` its boot counter. At a center this is the first word of a new `bundle`. Nothing
                    of an earlier session is left: flows and streams are opened anew after each `up`
    `down`          the session is over, `code` is why (`peer-silent`, `peer-closed`, `revoked`, `center-restarted`,
                    `replaced`, `shutdown`, `bundle-protocol`, …). Every flow and stream of it is closed (no events of
                    their own). One that was dialled goes on dialling and tells `up` again; one of a door is gone
    `refused`       a handshake was refused, `code` is why (`unknown-key`, `duplicate-gateway`, `revoked`,
                    `boot-behind`, `bundle-suite`, …). At a kit `bundle` goes on trying; at a center `door` says whom
                    it refused: `key`, `name` and `host` as they were claimed, `number` how many since the last such
                    event (at most one a second)
    `path`          the path `name` (`number` its id) carries from now on (`code` ""), or does not, and why. `host` and
                    `host_port` are the peer's address on it
    `rate`          `usable_bps` of all paths together, `wanted_bps` what the flows and streams would send; at most
                    every 500 ms, when it changed by a tenth or units are given up
    `flow`          the peer opened the flow `number`; `name` is "class mode playout_ms". Take it with `bundle_flow`:
                    until then at most 4 MiB of it wait
    `flow-closed`   the flow `number` of the way `name` (`in`, `out`): the peer closed it (`code` ""), the other end of
                    its socket is gone (`link-down`), or it was closed before it was taken (`not-found`)
    `stream`        the peer opened the stream `number` for the purpose `name`. Take it with `bundle_stream`: until then
                    at most its window waits
    `stream-closed` the stream `number` is over: `code` "" when both sides had finished, else why
    """

    bundle: Bundle
    door: Door
    kind: Literal["up", "down", "refused", "path", "rate", "flow", "flow-closed", "stream", "stream-closed"]
    code: str
    detail: str
    name: str
    key: bytes
    number: int
    usable_bps: int
    wanted_bps: int
    host: str
    host_port: int
    def __new__(
        cls,
        *,
        bundle: Bundle,
        door: Door = 0,
        kind: Literal["up", "down", "refused", "path", "rate", "flow", "flow-closed", "stream", "stream-closed"],
        code: str = "",
        detail: str = "",
        name: str = "",
        key: bytes | None = None,
        number: int = 0,
        usable_bps: int = 0,
        wanted_bps: int = 0,
        host: str = "",
        host_port: int = 0,
    ) -> Self: ...

Event: TypeAlias = (
    TrackEvent
    | LegEvent
    | KeyFrameWanted
    | Datagram
    | SubscriptionEvent
    | SessionEvent
    | StreamPanic
    | EventsLost
    | VoiceEvent
    | WireEvent
    | DataEvent
    | BundleEvent
)

# ── what is handed in ────────────────────────────────────────────────────────────────────────────────────────────

@final
class RtpMap:
    """One payload type a peer takes, or sends: codec, clock and its RTX payload type (0: none)."""

    def __new__(
        cls, pt: int, codec: str, clock_hz: int, *, rtx_pt: int = 0, fmtp: str = "", channels: int = 1
    ) -> RtpMap:
        """`channels` counts for L16 only (RFC 3551 §4.5.11). Of `fmtp` what comes in uses the parameter sets
        (`sprop-*`) and AAC's `config`, what goes out H.264's `packetization-mode` and profile."""

@final
class RtspIn:
    """One m= line that a source sends us over RTSP (RFC 2326, RFC 7826)."""

    def __new__(
        cls,
        payloads: list[RtpMap],
        *,
        channel: int = -1,
        rtp_fd: int | None = None,
        rtcp_fd: int | None = None,
        hosts: Sequence[str] = (),
        ports: tuple[int, int] = (0, 0),
        ssrc: int | None = None,
    ) -> RtspIn:
        """TCP: `channel` of its RTP, RTCP is `channel` + 1. UDP: its two sockets, and whom datagrams are taken from:
        IP addresses (none: from anybody, the first is latched) and the two `server_port`s (0: any). Until the source
        is heard, what comes from elsewhere is told once as LegEvent `problem` `media-elsewhere`. `ssrc` from
        Transport, a hint."""

@final
class RtspOut:
    """One track that a reader has set up. At most one of video and one of audio; the codec is the `payload`'s."""

    def __new__(
        cls,
        payload: RtpMap,
        ssrc: int,
        *,
        channel: int = -1,
        rtp_fd: int | None = None,
        rtcp_fd: int | None = None,
        host: str = "",
        rtp_port: int = 0,
        rtcp_port: int = 0,
    ) -> RtspOut:
        """TCP: `channel`. UDP: our two sockets and where the reader wants it; multicast addresses are taken too."""

# ── the engine ───────────────────────────────────────────────────────────────────────────────────────────────────

@final
class Engine:
    def __new__(cls, *, threads: int = 1, event_capacity: int = 16384) -> Engine:
        """Start the media threads. Raises MediaError when the kernel refuses epoll, eventfd or threads."""

    @property
    def event_fd(self) -> int:
        """An eventfd, readable while events wait. It stays the engine's: never close it."""

    def drain(self, limit: int = 512) -> list[Event]:
        """Up to `limit` events, oldest first; clears `event_fd` when none is left."""

    def close(self) -> None:
        """Stop the threads and close every socket. Blocks until done (well under a second). Safe to call twice."""

    # streams

    def open_stream(
        self,
        name: str,
        *,
        gop_bytes: int = 8_000_000,
        near: Session | None = None,
        beside: Stream | None = None,
    ) -> Stream:
        """A new stream without source. `name` is for logs. `gop_bytes` bounds the group-of-pictures cache. `near`: on
        the thread of that session, so that one call's picture may go both ways. `beside`: on the thread of that stream,
        so that a session may be moved from one to the other (a rendition), and its time begins as that one's did."""

    def close_stream(self, stream: Stream) -> None:
        """End it with its legs and subscriptions."""

    # ingest: a leg writes into a stream; a newer leg of the same stream takes over at its first key frame

    def open_rtp(
        self,
        stream: Stream,
        *,
        udp_fd: int | None = None,
        rtcp_fd: int | None = None,
        ssrc: int | None = None,
        strict_ssrc: bool = False,
        payloads: list[RtpMap] | None = None,
        hint: str = "",
        stall_ms: int = 3000,
        jitter_packets: int = 150,
        jitter_ms: int = 200,
    ) -> Leg:
        """An RTP receiver (RFC 3550). `hint` ("ps", "ts", "h264", …) and `payloads` are hints: the content decides.

        With `ssrc` given and not `strict_ssrc`, packets with it are preferred and the first other one is latched when
        none come; strict drops the others. The source address is latched at the first valid packet.
        """

    def attach_tcp(self, leg: Leg, fd: int, framing: Literal["rfc4571"], *, initial: bytes | None = None) -> None:
        """A connected TCP socket that carries this leg's packets. RTSP `$` framing is recognised and taken as well.

        `initial` is what Python already read. Loss of framing is reported and searched past.
        """

    def open_frames_in(self, stream: Stream, fd: int, *, stall_ms: int = 3000, made_of: Stream | None = None) -> Leg:
        """A frame port: a connected AF_UNIX SOCK_SEQPACKET socket on which a worker writes access units.

        `made_of`: a stream of the same thread whose `open_frames_out` the worker reads. Its times are kept, so that a
        subscription that moves between the two goes on in time; else a unit's time is when the first one came.
        The record format stands in codecs/src/relay/frame_port.rs and docs/frame-port.md.
        """

    def open_session_in(
        self,
        stream: Stream,
        session: Session,
        *,
        video: list[RtpMap] | None = None,
        audio: list[RtpMap] | None = None,
    ) -> Leg:
        """WHIP: media that an armed session receives (SRTP) goes into `stream`; PLI and NACK go back to the peer."""

    def open_rtsp_in(
        self,
        stream: Stream,
        tracks: list[RtspIn],
        *,
        fd: int | None = None,
        initial: bytes | None = None,
        reports: bool = True,
        stall_ms: int = 3000,
        jitter_packets: int = 150,
        jitter_ms: int = 200,
    ) -> Leg:
        """A source whose tracks come apart: RTSP, pulled or recorded. `fd` is the connected TCP socket (or the
        plain end of `tls_client`) when interleaved (RFC 2326 §10.12), `initial` what Python already read from it;
        then RTSP messages among the frames come up as `WireEvent` `text` of this leg and `send_text` answers them.
        Tracks are kept together by their sender reports; until the first one, by arrival. Receiver reports are sent
        on both ways (over UDP to where the source's RTCP comes from, or to where `rtcp_fd` is connected); `reports`
        False: none, for a connection that takes nothing (the GET half of RTSP over HTTP). The end of the connection is
        told as LegEvent `closed` and WireEvent `closed`.
        """

    def open_bytes_in(
        self,
        stream: Stream,
        fd: int,
        container: Literal["ts", "flv", "fmp4", "mjpeg", "jt1078"],
        *,
        program: int = 0,
        initial: bytes | None = None,
        stall_ms: int = 3000,
    ) -> Leg:
        """A connected stream socket or pipe that carries a container: MPEG-TS, FLV (with enhanced codecs), fragmented
        MP4 (init segments may come again), multipart MJPEG (boundary found in the bytes) or JT/T 1078 frames. Paced by
        arrival: units go on as they are complete. `program` as in `open_ts_in`. The leg reads no faster than it can
        take, so that a writer of segments feels back-pressure; a unit whose time lies more than 30 s ahead is
        `problem`.
        """

    def open_ts_in(
        self, stream: Stream, udp_fd: int, *, program: int = 0, source: str = "", stall_ms: int = 3000
    ) -> Leg:
        """MPEG-TS in UDP, raw or in RTP (RFC 2250), told apart by content; the multicast group is joined already.
        `program` 0: the first with a picture, else that number. `source`: packets of that host only (SSM done by
        us)."""

    def send_text(self, handle: Leg | Subscription | Wire, data: bytes) -> None:
        """One RTSP message on an interleaved connection, between frames, never within one."""

    def close_leg(self, leg: Leg) -> None: ...

    # wires: connections whose handshake or framing the plane reads before it is known what they carry

    def open_rtmp(self, fd: int, *, initial: bytes | None = None, ack_window: int = 2_500_000) -> Wire:
        """An RTMP connection after its handshake (C2/S2 done), either side. Chunks are put together here (at most
        16 MiB a message, 64 chunk streams, 4 MiB of unfinished messages); Set Chunk Size, Abort, Acknowledgement and
        Window are seen to; commands, data and user control come up as `WireEvent` `message`; audio and video before
        `bind_in` are kept if they are sequence headers, else dropped."""

    def rtmp_send(self, wire: Wire, *, type_id: int, stream_id: int, data: bytes, chunk_stream: int = 3) -> None:
        """One message, on a wire or on what it was bound as. Set Chunk Size changes our own writer too."""

    def srt_version(self) -> str:
        """libsrt's version, "" where the system has none (package libsrt1.5-gnutls or -openssl). Loads it at need."""

    def srt_listen(
        self,
        host: str,
        port: int,
        *,
        latency_ms: int = 120,
        passphrases: list[tuple[str, str]] | None = None,
        backlog: int = 16,
    ) -> tuple[Wire, int]:
        """A listener; returns it with its port. `passphrases`: (selector, passphrase): a whole stream id as the peer
        sends it, else `u=user` or `r=name` of a stream id in the standard syntax (`r=` also of `publish:name`), else ""
        for all others; an empty passphrase asks for none; a peer without the right one is refused by SRT itself and
        told as `closed` of the listener's with `srt-refused`, at most once a second. Replace them by `srt_passphrases`.
        Raises MediaError (no libsrt, port)."""

    def srt_passphrases(self, listener: Wire, passphrases: list[tuple[str, str]]) -> None: ...
    def srt_latencies(self, listener: Wire, latencies: list[tuple[str, int]]) -> None:
        """(IP address, ms): the least latency of callers from there, from their next handshake on."""

    def srt_connect(
        self,
        host: str,
        port: int,
        *,
        stream_id: str = "",
        passphrase: str = "",
        latency_ms: int = 120,
        rendezvous: bool = False,
        local_host: str = "",
        local_port: int = 0,
        timeout_ms: int = 3000,
    ) -> Wire:
        """Caller, or rendezvous (both ports the same). `connected` or `closed` follows."""

    def srt_stats(self, wire: Wire) -> dict[str, int | float | str]:
        """rtt_ms, bandwidth_bps, latency_ms (negotiated), packets, lost, retransmitted, dropped, belated,
        send_queue_ms, receive_queue_ms, encrypted, peer_version. Of the wire, or of what it was bound as."""

    def bind_in(self, wire: Wire, stream: Stream, *, stall_ms: int = 3000, program: int = 0) -> Leg:
        """What a wire brings goes into `stream`: RTMP audio and video, or the transport stream of SRT. The wire's
        handle is gone, its events go on under the leg's. Raises MediaError on a listener or a wire that has ended."""

    def bind_out(
        self,
        wire: Wire,
        stream: Stream,
        *,
        message_stream: int = 1,
        enhanced: bool = True,
        queue_bytes: int = 4_000_000,
    ) -> Subscription:
        """`stream` goes out over the wire: FLV tags in RTMP messages (H.264 and AAC, with `enhanced` H.265 and Opus
        too), or MPEG-TS over SRT. Codecs that do not fit are `refused`. Full: on to the next key frame."""

    def close_wire(self, wire: Wire) -> None:
        """Also for wires that were refused: a wire that nobody binds is closed after 10 s by itself."""

    # TLS of a TCP connection, for RTSPS and RTMPS: Python and the plane see plain bytes

    def tls_server(self, fd: int, certificate: str, key: str) -> int:
        """TLS 1.2 and 1.3 in a thread of its own; `certificate` and `key` are PEM text. Returns a stream socket
        with the plain side at once: it ends when the handshake fails. Raises MediaError on a certificate that can't
        be read."""

    def tls_client(self, fd: int, server_name: str, ca: str = "", *, verify: bool = True) -> int:
        """`ca`: PEM text of authorities to trust besides the system's; `verify` False takes any certificate."""

    def tls_fault(self, fd: int) -> str:
        """Why the TLS behind a plain end failed, in words; "" while it has not. Kept for the last 64 that failed."""

    # link bundles between a kit and its centers: one session over many paths. The thread starts with the first of them

    def bundle_dial(self, *, private: bytes, peer: bytes, gateway: str, boot: int, suite: int = 1) -> Bundle:
        """A kit's bundle to one center. It goes on for ever, over outages and restarts of the center, until
        `bundle_close`; give it paths by `bundle_path`. `private` is our key and `peer` the center's public one (32
        bytes each), `gateway` our id (1 to 64 bytes of UTF-8), `boot` a counter that grows with each start of the
        kit, `suite` the cipher suite (1: Noise_IK_25519_AESGCM_SHA256 with AES-256-GCM). Raises MediaError on a key
        of another length or an unknown suite."""

    def bundle_listen(self, fd: int, *, private: bytes) -> Door:
        """A center's door on a bound UDP socket. Nobody is let in before `bundle_admit` names them. Bundles that come
        in are told as `up`."""

    def bundle_admit(self, door: Door, peers: list[tuple[bytes, str]]) -> None:
        """The whole list of who may come in: (public key, gateway id). A session whose key is no longer in it is ended
        at once (`revoked`); one key per gateway id and one id per key, else MediaError."""

    def bundle_accept_tcp(self, door: Door, fd: int, *, initial: bytes | None = None, host: str = "") -> None:
        """A kit came in by TCP where UDP is blocked: a connected stream socket with the plain bytes (TLS already off),
        each datagram behind its length in two bytes (RFC 4571). `initial`: what was read of it already. `host`: the IP
        address that it came from. It is closed when no session came by it in 10 s, and at once when 32 others of that
        address wait for theirs; a session has 8 at most, the oldest give way."""

    def bundle_path(
        self,
        bundle: Bundle,
        fd: int,
        host: str,
        port: int,
        *,
        path: int,
        name: str,
        kind: Literal["udp", "stream"],
        cost: int = 0,
        mtu: int = 1350,
        initial: bytes | None = None,
        barred: list[str] = ...,
    ) -> None:
        """A way to the center. `udp`: a UDP socket bound to its device already, and the center's address. `stream`: a
        connected stream socket with the plain bytes as in `bundle_accept_tcp`; `host` and `port` are for show. `path`
        is 0 to 15, one that is in use is replaced by the new socket (another network, another address) and measured
        anew; `name` is what events and figures call it (1 to 32 bytes); `cost` 0 to 255, the dearer is used when the
        cheaper do not do; `mtu` is the largest UDP payload (576 to 1500), probing may lower it. `barred`: classes
        (as `klass` of `bundle_flow`) whose units and streams never take it, neither way: the center is told; what the
        session itself has to say goes by all paths. A stream that ends is told as `path` with a code: give it a new
        one. Raises MediaError on a class that there is not."""

    def bundle_drop_path(self, bundle: Bundle, path: int) -> None:
        """Its socket is closed. The session stays, also without any path, for 60 s."""

    def bundle_flow(
        self,
        bundle: Bundle,
        flow: int,
        fd: int,
        *,
        carries: Literal["frames", "datagrams"],
        way: Literal["out", "in"],
        klass: Literal["control", "voice", "stream", "still", "video", "bulk"] = "video",
        mode: Literal["best", "duplicate", "spread"] = "best",
        playout_ms: int = 0,
    ) -> None:
        """Units over the bundle. `out`: a new flow under a number of ours (0 to 65535), told to the peer with `klass`,
        `mode` and `playout_ms` (0 to 10 000; 0: in order of arrival, as soon as whole). `in`: take one that the event
        `flow` told; the last three are the sender's then. Numbers of the two ways are apart.

        `frames`: `fd` is an end of an AF_UNIX SOCK_SEQPACKET pair (docs/frame-port.md), the other end goes to
        `open_frames_out` (way `out`) or `open_frames_in` (`in`): one unit is one picture or frame of sound, a key
        picture carries its track's parameters with it. What the receiver lost, or the sender gave up for want of rate,
        asks the source for a key frame by itself (`KeyFrameWanted` of the stream that feeds it, cause `loss`).
        `datagrams`: an end of an AF_UNIX SOCK_DGRAM or SOCK_SEQPACKET pair or a connected UDP socket: one datagram is
        one unit (at most 65 000 bytes).

        Full, out: what the class allows is given up first, whole units; the reader of a frame port is never held up.
        Full, in: whoever reads too slowly loses whole units up to the next key frame. The other end closed: the flow is
        closed too, and `flow-closed` told."""

    def bundle_join(self, bundle: Bundle, flow: int, handle: Subscription | Leg, *, way: Literal["out", "in"]) -> None:
        """The flow and what has the other end of its socket: a subscription of `open_frames_out` (`out`) or a leg of
        `open_frames_in` (`in`). Where one thread has both, their frames go from hand to hand from then on, and no
        longer by the socket, which stays for wishes and for the end of either. Else, and where one of them is gone,
        nothing changes."""

    def bundle_want_key(self, bundle: Bundle, flow: int) -> None:
        """Ask the peer's source for a key frame of the flow `flow` that comes in (a new viewer, a decoder that lost
        its way): `KeyFrameWanted` of the stream there, cause `join`."""

    def bundle_close_flow(self, bundle: Bundle, flow: int, *, way: Literal["out", "in"] = "out") -> None: ...
    def bundle_stream(self, bundle: Bundle, fd: int, *, purpose: str = "", stream: int = 0) -> int:
        """Bytes, reliable and in order. `fd`: an end of an AF_UNIX SOCK_STREAM pair, or any stream socket. `stream` 0:
        a new one, `purpose` (1 to 64 bytes) is told to the peer; else takes the one that the event `stream` told.
        Returns its number; waits for the thread, at most 200 ms. End of input either way is passed on as such, a reset
        closes the socket. Slow readers hold up the writer (window of a stream: 1 MiB). Raises MediaError when the
        bundle is not up, or has 256 streams open."""

    def bundle_stats(self, handle: Bundle | Door) -> dict[str, int | float | str]:
        """Waits for the thread, at most 200 ms. Of a bundle: `state` (`connecting`, `up`), `peer` (gateway id or ""),
        `usable_bps` (of the paths that take pictures), `wanted_bps`, `units_given_up`, `streams`, `refused_packets`
        (not authentic, or seen before); of each path under `path.<name>.`: `number`, `state` (`new`, `in`, `suspect`,
        `out`), `code` (why it is out), `host`, `rtt_ms`, `loss` (of what we sent over the last second, 0 to 1),
        `queue_ms` (above the quickest), `usable_bps`, `cost`, `mtu`, `bytes_out`, `bytes_in`, `packets_out`,
        `packets_in`, `packets_lost`; of each flow that goes out under `out.<flow>.`: `class`, `mode`, `units`, `bytes`
        (taken from its socket), `sent`, `sent_bytes` (units cut and sent), `units_given_up`, `left_out` (those too, and
        what was too large or cached), `unreadable`, `pieces_resent`, `parity_bytes`, `copy_bytes`, `joined` (1: by
        `bundle_join`); of each that comes in under `in.<flow>.`: `class`, `mode`, `units` (handed on in time),
        `units_late` (handed on after it), `units_lost`, `pieces_recovered`, `duplicates`, `held_bytes` (of units that
        are not whole or not due), `bytes`, `dropped` (whoever reads was too slow), `unreadable`, `joined`. Of a door:
        `sessions`, `streams` (connections), `refused`, `stray` (datagrams that say nothing to us), `unsent`. Raises
        MediaError when it is gone."""

    def bundle_close(self, handle: Bundle | Door) -> None:
        """The peer is told. A door: with all that came in by it."""

    # WebRTC: one UDP port for all

    def open_port(self, fd: int) -> Port:
        """A bound UDP socket shared by all sessions. STUN is told apart by ufrag, the rest by address."""

    def close_port(self, port: Port) -> None: ...
    def open_session(self, ufrag: str, *, pwd: str = "") -> Session:
        """A peer to be. STUN whose USERNAME starts with `ufrag:` comes up as Datagram, and so does DTLS from addresses
        that such a STUN request came from. Raises MediaError if `ufrag` is taken.

        With `pwd` (the local ICE password) an address counts only after a STUN request with a valid
        MESSAGE-INTEGRITY from it (RFC 8445 §7.3), so that nobody can steal or grow the address table."""

    def send_datagram(self, session: Session, port: Port, data: bytes, host: str, host_port: int) -> None:
        """Send STUN or DTLS. Drops (counted) when the socket is full, as UDP does."""

    def arm_session(
        self,
        session: Session,
        port: Port,
        host: str,
        host_port: int,
        *,
        profile: SrtpProfile,
        tx_key: bytes,
        tx_salt: bytes,
        rx_key: bytes,
        rx_salt: bytes,
    ) -> None:
        """Give the keys of the DTLS handshake (RFC 5764) and the nominated address. From now on the plane is the one
        writer and reader of this session's SRTP and SRTCP. Raises MediaError on key lengths that do not fit."""

    def move_session(self, session: Session, port: Port, host: str, host_port: int) -> None:
        """Another candidate pair was nominated."""

    def close_session(self, session: Session) -> None:
        """Send BYE, forget keys and addresses, end its subscriptions and legs. No packet leaves after it returns."""

    # egress

    def subscribe_session(
        self,
        stream: Stream,
        session: Session,
        *,
        video: list[RtpMap],
        audio: list[RtpMap],
        video_ssrc: int,
        video_rtx_ssrc: int,
        audio_ssrc: int,
        cname: str,
        mid_ext: int = 0,
        video_mid: str = "",
        audio_mid: str = "",
        abs_send_time_ext: int = 0,
        transport_cc_ext: int = 0,
        queue_bytes: int = 4_000_000,
    ) -> Subscription:
        """Send `stream` to a session: the payload type is chosen by the track's codec among those given. Before the
        session is armed it waits. New viewers begin with the cached group of pictures, or ask for a key frame.

        H.264 to a session of `open_rtp_session` whose map says packetization-mode 0 or none (RFC 6184 §8.1) goes in
        single NAL unit packets, which may be IP fragments; a slice over 64 kB is not sent and told as "refused" with
        "codec-unsupported", and "recovered" comes with the next key frame that fits. Browsers get mode 1 only."""

    def subscribe_rtp(
        self,
        stream: Stream,
        fd: int,
        host: str,
        host_port: int,
        *,
        video: list[RtpMap],
        audio: list[RtpMap],
        video_ssrc: int,
        audio_ssrc: int,
        cname: str,
        srtp: tuple[SrtpProfile, bytes, bytes] | None = None,
        queue_bytes: int = 4_000_000,
        pace: bool = True,
    ) -> Subscription:
        """Send `stream` as plain RTP, or SRTP with (profile, key, salt), from the UDP socket `fd`.

        Sender reports go to `host_port` + 1 (RFC 3550 §11); the peer's RTCP is read from `fd`, with SRTP not at all.
        H.264 as in `subscribe_session`, but that a map without any fmtp says nothing and gets mode 1."""

    def subscribe_rtsp(
        self,
        stream: Stream,
        tracks: list[RtspOut],
        *,
        fd: int | None = None,
        initial: bytes | None = None,
        cname: str = "fieldgate",
        queue_bytes: int = 4_000_000,
        pace: bool = True,
        held: bool = False,
    ) -> Subscription:
        """Send `stream` to an RTSP reader, or as recorder to a server: interleaved on `fd`, or over the tracks' own
        sockets. RTSP messages come up and go down as with `open_rtsp_in`. Begins with the cached group of pictures,
        and a sender report before it. `held`: nothing is sent before `hold_rtsp(…, False)`, so that the answer to PLAY
        can go first. A connection that ends is told as WireEvent `closed`; the subscription is gone then."""

    def hold_rtsp(self, subscription: Subscription, held: bool) -> None:
        """PAUSE, and PLAY again: it goes on with the newest group of pictures that it has not begun before."""

    def rtp_info(self, subscription: Subscription) -> dict[str, tuple[int, int]]:
        """ "video"/"audio" → (sequence, RTP time) of the next packet: for RTP-Info and for tests."""

    def subscribe_ts_udp(
        self,
        stream: Stream,
        fd: int,
        host: str,
        port: int,
        *,
        rtp: bool = False,
        bitrate_bps: int = 0,
        queue_bytes: int = 4_000_000,
    ) -> Subscription:
        """MPEG-TS, seven packets a datagram, unicast or multicast (TTL and interface are the socket's), raw or in RTP.
        PSI every 100 ms and before key frames, PCR every 40 ms at most. `bitrate_bps`: constant rate with null
        packets."""

    def open_container_out(
        self,
        stream: Stream,
        fd: int,
        container: Literal["ts", "flv", "cmaf"],
        *,
        part_ms: int = 200,
        segment_ms: int = 2000,
        queue_bytes: int = 8_000_000,
    ) -> Subscription:
        """The stream as bytes on a connected stream socket or pipe. "cmaf": records for LL-HLS, each u32 length of what
        follows, u8 kind (0 init, 1 part, 2 end of segment, 3 discontinuity), u8 flags (1 begins with a key frame),
        u16 0, i64 begin in 90 kHz, u32 length in 90 kHz, then its bytes (fragmented MP4, one moof with both tracks)."""

    def open_voice_rtsp(
        self, leg: Leg, channel: int, *, send: list[RtpMap], ssrc: int, cname: str, ptime_ms: int = 20
    ) -> Voice:
        """The back channel of an interleaved connection (ONVIF Streaming Specification §5.3): a voice that only
        listens; its packets leave on `channel`. Ends (`closed`) with the leg. Over UDP use `open_rtp_session`."""

    def open_voice_jt1078(self, leg: Leg, *, send: list[RtpMap]) -> Voice:
        """Talk-back to a vehicle terminal on the connection of a "jt1078" leg (JT/T 1078-2016 §5.5.3); as above."""

    def open_frames_out(self, stream: Stream, fd: int, *, key_frames_only: bool = False) -> Subscription:
        """A frame port outward: access units written to a connected AF_UNIX SOCK_SEQPACKET socket. Begins with the
        cached group of pictures, its units marked; with `key_frames_only` with its key frame."""

    def move_subscription(self, subscription: Subscription, stream: Stream) -> None:
        """It goes on with another stream of the same thread (`open_stream(beside=…)`), under the same handle: SSRCs,
        numbers and time go on, the picture from the first key frame that is newer than what was sent. For sessions, RTP
        and RTSP. Raises MediaError when `stream` is gone or lives on another thread."""

    def unsubscribe(self, subscription: Subscription) -> None: ...

    # peers without ICE: SIP calls, RTP radios, a ball's loudspeaker

    def open_rtp_session(self, rtp_fd: int, *, rtcp_fd: int | None = None, stream: Stream | None = None) -> Session:
        """A peer reached by its own UDP socket (symmetric RTP, RFC 4961); nothing leaves before it is armed.

        `rtcp_fd` None: RTCP on the same socket (RFC 5761). It lives on the thread of `stream`, or with None where
        voices live (that of a call's audio line). DTLS that comes to it comes up as `Datagram` with `port` 0 and is
        answered by `send_datagram` with `port` 0; other bytes before arming are dropped. STUN binding requests are
        answered with words to nobody: dropped, counted.
        """

    def arm_rtp_session(
        self,
        session: Session,
        host: str,
        host_port: int,
        *,
        rtcp_host: str = "",
        rtcp_port: int = 0,
        latch: Literal["strict", "host", "first"] = "first",
        keys: tuple[SrtpProfile, bytes, bytes, bytes, bytes] | None = None,
    ) -> None:
        """Where the peer is, and how it is ciphered: (profile, tx_key, tx_salt, rx_key, rx_salt), or None for plain.

        May be called again (re-INVITE): address, ports and keys change, SSRC, sequence and rollover counter of what we
        send go on unless the keys changed. `rtcp_port` 0: muxed where there is no `rtcp_fd`, else `host_port` + 1.
        `latch`: `strict` takes media from that address and port only; `host` from any port of that host, and sends
        back to it; `first` takes the first valid source (authentic, where ciphered) and stays with it, sending there,
        until 2 s of silence. What comes from others is ignored, counted and told as `stranger`.
        `host` "0.0.0.0" or port 0: hold or not known yet; nothing is sent until a source is latched.
        """

    # voice: audio legs, and rooms that mix them. All live on one thread of their own with a 20 ms clock.

    def open_voice_session(
        self,
        session: Session,
        *,
        send: list[RtpMap],
        receive: list[RtpMap],
        ssrc: int,
        cname: str,
        ptime_ms: int = 20,
        mid_ext: int = 0,
        mid: str = "",
    ) -> Voice:
        """Audio both ways over a session, a WebRTC one or one of `open_rtp_session`.

        `send`: what the peer takes, the preferred first: the first of opus, g722, pcma, pcmu, l16 is used;
        "telephone-event" and "cn" beside it by their names. `receive`: payload types the peer may send. `ptime_ms`
        20, 40 or 60. One voice a session; a second one replaces it (the codec changed in a re-INVITE): `set_voice`
        settings and rooms are then asked for again by the owner. A WebRTC session that carries a voice must not be
        bound to a stream.
        """

    def open_voice_tcp(
        self,
        fd: int,
        *,
        send: list[RtpMap],
        receive: list[RtpMap],
        ssrc: int,
        cname: str,
        ptime_ms: int = 20,
        initial: bytes | None = None,
    ) -> Voice:
        """Audio both ways as RTP over a connected TCP socket (RFC 4571). `initial` is what Python already read."""

    def open_voice_usrp(self, fd: int, host: str, host_port: int) -> Voice:
        """AllStarLink's USRP over UDP: 32-byte header, 160 samples of 8 kHz little-endian PCM, key-up in the header.

        Takes packets of that host only. While the voice is heard (`transmit`) packets leave with key-up set, and one
        without it ends the transmission."""

    def open_voice_pcm(self, fd: int, *, rate_hz: int, channels: int = 1) -> Voice:
        """Samples both ways over a connected AF_UNIX SOCK_SEQPACKET socket: records of 20 ms of signed 16-bit
        little-endian PCM at 8000, 16000 or 48000 Hz, each way. A reader that is slow loses the oldest."""

    def open_voice_tap(self, stream: Stream) -> Voice:
        """What a stream's audio track sounds like, as a voice that only talks (pcma, pcmu, g722, opus, l16; for others
        `problem` with `audio-unsupported`). Ends (`closed`) with the stream."""

    def close_voice(self, voice: Voice) -> None:
        """Leaves its rooms. A session stays; a TCP, USRP or PCM socket is closed."""

    def set_voice(
        self,
        voice: Voice,
        *,
        gain_in_db: float = 0.0,
        gain_out_db: float = 0.0,
        transmit: Literal["always", "heard", "never"] = "always",
        comfort_noise: bool = False,
        vox_db: float = -40.0,
        vox_hang_ms: int = 500,
        stop_ms: int = 400,
        jitter_min_ms: int = 20,
        jitter_max_ms: int = 400,
        mute_in: bool = False,
    ) -> None:
        """Everything anew: what is not given goes back to its default.

        `transmit`: `always` sends in every tick (silence where nobody speaks; CN or Opus DTX where negotiated and
        `comfort_noise`); `heard` only while a member of its rooms talks (the talker's own voice activity: its
        `vox_hang_ms` bridges pauses), or a cue plays, and 100 ms on; `never` (hold).
        `comfort_noise` fills what it hears with low noise while nobody speaks. Gains −60 … +30 dB.
        """

    def guard_echo(
        self, microphone: Voice, loudspeaker: Voice | None, *, duck_db: float = -40.0, hang_ms: int = 300
    ) -> None:
        """Half-duplex ducking: while `loudspeaker` plays speech, what `microphone` says is turned down. None: off."""

    def cue(self, voice: Voice, samples: bytes, *, rate_hz: int = 8000, over: bool = True) -> None:
        """Play signed 16-bit mono PCM (at most 10 s) into what this voice hears; `over` mixes, else it replaces.
        Further ones wait for it (4 deep; more are dropped)."""

    def send_dtmf(self, voice: Voice, digit: str, *, duration_ms: int = 160) -> None:
        """One RFC 4733 event in place of audio; ignored where the peer took no telephone-event."""

    def open_room(self, name: str) -> Room:
        """A mix. Each member hears the sum of the talking others, never itself."""

    def close_room(self, room: Room) -> None: ...
    def route(self, room: Room, voice: Voice, *, talk: bool, listen: bool, gain_db: float = 0.0) -> None:
        """Make a voice a member, or change what it may. A voice may be in 8 rooms. In force within a tick.

        `gain_db` is of what it says in this room. Who shares two rooms with another hears it once, the louder way."""

    def leave(self, room: Room, voice: Voice) -> None: ...
    def levels(self, voices: list[Voice]) -> dict[Voice, tuple[float, float]]:
        """dBFS (−127 … 0) of the last 100 ms: what it says, what it hears. Memory only, never waits."""

    def voice_stats(self, voice: Voice) -> dict[str, int | float | str]:
        """codec_in, codec_out, packets, bytes, lost, late, duplicates, reordered, concealed_ms, expanded_ms,
        accelerated_ms, jitter_ms, buffer_ms, drift_ppm, sent_packets, sent_bytes, level_in_db, level_out_db, rtt_ms,
        peer_loss_ratio, peer_jitter_ms, strangers, unauthentic, mos (1 … 4.5, ITU-T G.107 E-model, estimated from
        loss, codec and delay), address."""

    def voice_clock(self) -> dict[str, int | float]:
        """Of the 20 ms clock since the last call: ticks, late_p50_ms, late_p99_ms, late_max_ms, skipped, busy_p99_ms,
        voices, rooms."""

    # figures; each takes a snapshot (waits for the engine thread for at most 200 ms, then raises MediaError)

    def stream_stats(self, stream: Stream) -> dict[str, int | float | str]:
        """fps, bitrate_bps, frame_age_ms, key_age_ms (of the cached key frame; -1: none), frames, key_frames,
        gop_frames, gop_bytes, subscribers, units_dropped."""

    def all_stream_stats(self) -> dict[Stream, dict[str, int | float | str]]: ...
    def leg_stats(self, leg: Leg) -> dict[str, int | float | str]:
        """packets, bytes, lost, reordered, duplicates, invalid, late, jitter_ms, loss_ratio, ssrc, payload, address,
        transport ("udp", "tcp"), psm_bad, resyncs, dropped_units."""

    def subscription_stats(self, subscription: Subscription) -> dict[str, int | float | str]:
        """packets, bytes, frames, frames_dropped, nacks, retransmits, plis, firs, rtt_ms, peer_loss_ratio, remb_bps,
        twcc_bps, queue_bytes, congested."""

    def engine_stats(self) -> dict[str, int | float]:
        """Whole plane: threads, streams, legs, ports, sessions, subscriptions, packets_in, packets_out, bytes_in,
        bytes_out, gso_sends, plain_sends, send_errors, stun_unknown, unauthentic, events_lost, cpu_ns."""

    def all_stats(
        self,
    ) -> tuple[
        dict[str, int | float],
        dict[Stream, dict[str, int | float | str]],
        dict[Leg, dict[str, int | float | str]],
        dict[str, int | float],
    ]:
        """`engine_stats`, `all_stream_stats`, `leg_stats` of every leg, and `voice_clock`, for which each thread is
        woken once."""

# ── pure helpers, for tests, the doctor and capture ──────────────────────────────────────────────────────────────

def probe(payload: bytes) -> str:
    """What a first RTP payload holds: "ps", "ts", "h264", "h265", "aac", "private" or "unknown"."""

def probe_bytes(data: bytes) -> str:
    """What a stream of bytes or a datagram holds: "ts", "rtp-ts", "rtp-ps", "rtp-h264", "rtp-h265", "rtp" (with its
    payload type, "rtp/96"), "flv", "fmp4", "mjpeg", "jt1078" or "unknown"."""

def crypto_backend() -> str:
    """The SRTP library and the CPU features it uses, e.g. "aws-lc AES-NI VAES"."""

def bundle_keys(private: bytes | None = None) -> tuple[bytes, bytes]:
    """A key pair of X25519, (private, public), 32 bytes each: a new one, or that of `private`. Raises MediaError on
    another length."""
