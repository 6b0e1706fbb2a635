//! What may be asked of the engine: one queue of commands per worker, and the values they carry.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::SyncSender;
use std::sync::Arc;

use super::bundle_hub::BundleQueue;
use super::event::{LegId, PortId, RoomId, SessionId, StreamId, SubId, VoiceId};
pub use super::order_rtsp::*;
pub use super::order_voice::*;
use super::wires::LineCommand;
use super::OrderError;
use crate::hub::unit::Codec;
use crate::rtp::srtp::SrtpKey;
use crate::voice::member::Levels;
use crate::voice::{Route, Settings};

/// One payload type a peer takes or sends. `codec` is lower case; names that are no codec of ours ("ps") are hints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpMap {
    pub pt: u8,
    pub codec: String,
    pub clock_hz: u32,
    /// 0: no retransmission payload type.
    pub rtx_pt: u8,
    pub fmtp: String,
    /// Of L16: 1 or 2.
    pub channels: u8,
}

impl RtpMap {
    pub fn known_codec(&self) -> Option<Codec> {
        Some(match self.codec.as_str() {
            "h264" => Codec::H264,
            "h265" | "hevc" => Codec::H265,
            "jpeg" | "mjpeg" => Codec::Mjpeg,
            "aac" | "mpeg4-generic" | "mp4a-latm" => Codec::Aac,
            "pcma" => Codec::Pcma,
            "pcmu" => Codec::Pcmu,
            "opus" => Codec::Opus,
            "g722" => Codec::G722,
            "l16" => Codec::L16,
            "mpeg2video" => Codec::Mpeg2,
            "mp2" => Codec::Mp2,
            _ => return None,
        })
    }
}

#[derive(Debug)]
pub struct OpenRtp {
    pub stream: StreamId,
    pub udp: Option<OwnedFd>,
    pub rtcp: Option<OwnedFd>,
    pub ssrc: Option<u32>,
    pub strict_ssrc: bool,
    pub payloads: Vec<RtpMap>,
    pub hint: String,
    pub stall_ms: u64,
    pub jitter_packets: usize,
    pub jitter_ms: u64,
}

/// Header extension ids (RFC 8285); 0: not negotiated.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    pub mid: u8,
    pub video_mid: String,
    pub audio_mid: String,
    pub abs_send_time: u8,
    pub transport_cc: u8,
}

#[derive(Debug)]
pub struct Subscribe {
    pub stream: StreamId,
    pub video: Vec<RtpMap>,
    pub audio: Vec<RtpMap>,
    pub video_ssrc: u32,
    pub video_rtx_ssrc: u32,
    pub audio_ssrc: u32,
    pub cname: String,
    pub extensions: Extensions,
    pub queue_bytes: usize,
    pub pace: bool,
}

/// A counter or a word of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    Int(i64),
    Float(f64),
    Text(String),
}

pub type Figures = Vec<(&'static str, Figure)>;

/// What one worker has to say of itself, its streams and its legs.
#[derive(Debug)]
pub struct Share {
    pub worker: Figures,
    pub streams: Vec<(StreamId, Figures)>,
    pub legs: Vec<(LegId, Figures)>,
}

/// Where the worker answers; the asker waits a bounded time and may be gone.
pub type Answer<T> = SyncSender<T>;

/// A bound UDP socket that sessions share.
#[derive(Debug)]
pub struct PortSocket {
    pub id: PortId,
    pub fd: Arc<OwnedFd>,
    pub v6: bool,
}

pub enum Command {
    OpenStream {
        id: StreamId,
        name: String,
        gop_bytes: usize,
        beside: Option<StreamId>,
    },
    CloseStream(StreamId),
    OpenRtp {
        id: LegId,
        order: OpenRtp,
    },
    AttachTcp {
        leg: LegId,
        fd: OwnedFd,
        initial: Vec<u8>,
    },
    OpenFramesIn {
        id: LegId,
        stream: StreamId,
        fd: OwnedFd,
        stall_ms: u64,
        of: Option<StreamId>,
    },
    OpenSessionIn {
        id: LegId,
        stream: StreamId,
        session: SessionId,
        video: Vec<RtpMap>,
        audio: Vec<RtpMap>,
    },
    OpenRtspIn {
        id: LegId,
        order: Box<OpenRtsp>,
    },
    SubscribeRtsp {
        id: SubId,
        order: Box<SubscribeRtsp>,
    },
    /// A reader pauses, or goes on.
    HoldRtsp {
        subscription: SubId,
        held: bool,
    },
    RtpInfo {
        subscription: SubId,
        answer: Answer<Option<RtpInfo>>,
    },
    /// One RTSP message between the frames of a leg or subscription.
    SendText {
        handle: u64,
        data: Vec<u8>,
    },
    CloseLeg(LegId),
    OpenPort {
        socket: Arc<PortSocket>,
    },
    ClosePort(PortId),
    OpenSession {
        id: SessionId,
        ufrag: String,
        pwd: String,
    },
    /// Worker 0 reads the ports: what belongs to a session of another worker.
    SessionPacket {
        session: SessionId,
        data: Vec<u8>,
        from: SocketAddr,
    },
    Arm {
        session: SessionId,
        socket: Arc<PortSocket>,
        to: SocketAddr,
        tx: Box<SrtpKey>,
        rx: Box<SrtpKey>,
    },
    Move {
        session: SessionId,
        socket: Arc<PortSocket>,
        to: SocketAddr,
    },
    /// Worker 0: STUN or DTLS out.
    SendDatagram {
        session: SessionId,
        port: PortId,
        data: Vec<u8>,
        to: SocketAddr,
    },
    /// DTLS over a session's own socket.
    SendOwnDatagram {
        session: SessionId,
        data: Vec<u8>,
        to: SocketAddr,
    },
    /// Worker 0: ICE nominated this address.
    Admit {
        session: SessionId,
        port: PortId,
        to: SocketAddr,
    },
    /// Worker 0: this session lives on that worker.
    Home {
        session: SessionId,
        worker: usize,
    },
    /// It was bound to another worker.
    ForgetSession(SessionId),
    OpenRtpSession {
        id: SessionId,
        order: OpenRtpSession,
    },
    ArmRtpSession {
        session: SessionId,
        order: ArmRtp,
    },
    OpenVoice {
        id: VoiceId,
        line: VoiceLine,
        levels: Arc<Levels>,
    },
    CloseVoice(VoiceId),
    SetVoice {
        voice: VoiceId,
        settings: Settings,
    },
    GuardEcho {
        microphone: VoiceId,
        loudspeaker: Option<VoiceId>,
        duck_db: f32,
        hang_ms: u32,
    },
    Cue {
        voice: VoiceId,
        samples: Vec<i16>,
        rate_hz: u32,
        over: bool,
    },
    SendDtmf {
        voice: VoiceId,
        event: u8,
        duration_ms: u32,
    },
    OpenRoom {
        id: RoomId,
        name: String,
    },
    CloseRoom(RoomId),
    Route {
        room: RoomId,
        voice: VoiceId,
        route: Route,
    },
    Leave {
        room: RoomId,
        voice: VoiceId,
    },
    /// A media worker: what the stream's audio track gets is wanted by a voice, from now on or no longer.
    Tap {
        stream: StreamId,
        voice: VoiceId,
        on: bool,
    },
    TapEnded(VoiceId),
    /// A media worker: the voice talks back over the leg's connection, from now on or no longer.
    TalkBack {
        leg: LegId,
        voice: VoiceId,
        on: bool,
    },
    /// A packet of such a voice.
    TalkBackPacket {
        leg: LegId,
        channel: u8,
        packet: Vec<u8>,
    },
    VoiceStats {
        voice: VoiceId,
        answer: Answer<Option<Figures>>,
    },
    VoiceClock {
        answer: Answer<Figures>,
    },
    PanicVoice(VoiceId),
    CloseSession {
        session: SessionId,
        done: Answer<()>,
    },
    SubscribeSession {
        id: SubId,
        session: SessionId,
        order: Subscribe,
    },
    SubscribeRtp {
        id: SubId,
        fd: OwnedFd,
        to: SocketAddr,
        key: Option<Box<SrtpKey>>,
        order: Subscribe,
    },
    OpenFramesOut {
        id: SubId,
        stream: StreamId,
        fd: OwnedFd,
        key_frames_only: bool,
    },
    /// Wires, and what containers go in or out.
    Line(LineCommand),
    Unsubscribe(SubId),
    MoveSubscription {
        id: SubId,
        stream: StreamId,
    },
    StreamStats {
        stream: Option<StreamId>,
        answer: Answer<Vec<(StreamId, Figures)>>,
    },
    LegStats {
        leg: LegId,
        answer: Answer<Option<Figures>>,
    },
    SubStats {
        subscription: SubId,
        answer: Answer<Option<Figures>>,
    },
    EngineStats {
        answer: Answer<Figures>,
    },
    AllStats {
        answer: Answer<Share>,
    },
    /// For tests of the isolation: the stream's next work panics.
    Panic(StreamId),
    /// Link bundles live in this thread from now on.
    Bundles {
        queue: Arc<BundleQueue>,
        answer: SyncSender<Result<(), OrderError>>,
    },
    Stop,
}
