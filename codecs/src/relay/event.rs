//! What the engine tells its owner. One bounded queue; the face of each stands in gateway/codecs.pyi.

use std::net::SocketAddr;

use crate::hub::unit::TrackParams;

/// Handles: plain numbers, never used again after their thing is closed.
pub type StreamId = u64;
pub type LegId = u64;
pub type PortId = u64;
pub type SessionId = u64;
pub type SubId = u64;
pub type VoiceId = u64;
pub type RoomId = u64;
pub type WireId = u64;
pub type BundleId = u64;
pub type DoorId = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegState {
    Media,
    Picture,
    Stalled,
    Resumed,
    Closed,
    Problem,
    Attached,
    Detached,
}

impl LegState {
    pub fn name(self) -> &'static str {
        match self {
            LegState::Media => "media",
            LegState::Picture => "picture",
            LegState::Stalled => "stalled",
            LegState::Resumed => "resumed",
            LegState::Closed => "closed",
            LegState::Problem => "problem",
            LegState::Attached => "attached",
            LegState::Detached => "detached",
        }
    }
}

/// Why a key frame is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Join,
    Pli,
    Fir,
    Loss,
}

impl Cause {
    pub fn name(self) -> &'static str {
        match self {
            Cause::Join => "join",
            Cause::Pli => "pli",
            Cause::Fir => "fir",
            Cause::Loss => "loss",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubState {
    FirstFrame,
    Refused,
    Congested,
    Recovered,
    KeyFrameWait,
}

impl SubState {
    pub fn name(self) -> &'static str {
        match self {
            SubState::FirstFrame => "first-frame",
            SubState::Refused => "refused",
            SubState::Congested => "congested",
            SubState::Recovered => "recovered",
            SubState::KeyFrameWait => "key-frame-wait",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    Bye,
    Silent,
    Address,
}

impl SessionState {
    pub fn name(self) -> &'static str {
        match self {
            SessionState::Bye => "bye",
            SessionState::Silent => "silent",
            SessionState::Address => "address",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoiceState {
    Media,
    Stopped,
    Talking,
    Quiet,
    Key,
    Unkey,
    Dtmf,
    Stranger,
    Problem,
    Closed,
}

impl VoiceState {
    pub fn name(self) -> &'static str {
        match self {
            VoiceState::Media => "media",
            VoiceState::Stopped => "stopped",
            VoiceState::Talking => "talking",
            VoiceState::Quiet => "quiet",
            VoiceState::Key => "key",
            VoiceState::Unkey => "unkey",
            VoiceState::Dtmf => "dtmf",
            VoiceState::Stranger => "stranger",
            VoiceState::Problem => "problem",
            VoiceState::Closed => "closed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireState {
    Connected,
    Incoming,
    Text,
    Message,
    Closed,
}

impl WireState {
    pub fn name(self) -> &'static str {
        match self {
            WireState::Connected => "connected",
            WireState::Incoming => "incoming",
            WireState::Text => "text",
            WireState::Message => "message",
            WireState::Closed => "closed",
        }
    }
}

/// What a connection brought beside media. `wire` is the wire, or the leg or subscription that it was bound as.
#[derive(Debug, Clone, PartialEq)]
pub struct WireTold {
    pub wire: WireId,
    /// The listener that it came from, or 0.
    pub parent: WireId,
    pub state: WireState,
    pub code: &'static str,
    pub detail: String,
    pub data: Vec<u8>,
    /// Type and message stream of an RTMP message.
    pub number: u32,
    pub stream_id: u32,
    pub address: Option<SocketAddr>,
}

impl WireTold {
    pub fn new(wire: WireId, state: WireState) -> Self {
        let (code, detail, data) = ("", String::new(), Vec::new());
        Self { wire, parent: 0, state, code, detail, data, number: 0, stream_id: 0, address: None }
    }
}

/// Timed data of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    Klv,
    Programs,
}

impl DataKind {
    pub fn name(self) -> &'static str {
        match self {
            DataKind::Klv => "klv",
            DataKind::Programs => "programs",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleKind {
    Up,
    Down,
    Refused,
    Path,
    Rate,
    Flow,
    FlowClosed,
    Stream,
    StreamClosed,
}

impl BundleKind {
    pub fn name(self) -> &'static str {
        match self {
            BundleKind::Up => "up",
            BundleKind::Down => "down",
            BundleKind::Refused => "refused",
            BundleKind::Path => "path",
            BundleKind::Rate => "rate",
            BundleKind::Flow => "flow",
            BundleKind::FlowClosed => "flow-closed",
            BundleKind::Stream => "stream",
            BundleKind::StreamClosed => "stream-closed",
        }
    }
}

/// What happened to a link bundle; which field says what of which kind stands in gateway/codecs.pyi.
#[derive(Debug, Clone, PartialEq)]
pub struct BundleTold {
    pub bundle: BundleId,
    pub door: DoorId,
    pub kind: BundleKind,
    pub code: &'static str,
    pub detail: String,
    pub name: String,
    pub key: Vec<u8>,
    pub number: u64,
    pub usable_bps: u64,
    pub wanted_bps: u64,
    pub address: Option<SocketAddr>,
}

impl BundleTold {
    pub fn new(bundle: BundleId, door: DoorId, kind: BundleKind) -> Self {
        Self {
            bundle,
            door,
            kind,
            code: "",
            detail: String::new(),
            name: String::new(),
            key: Vec::new(),
            number: 0,
            usable_bps: 0,
            wanted_bps: 0,
            address: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Bundle(BundleTold),
    Data {
        stream: StreamId,
        leg: LegId,
        kind: DataKind,
        data: Vec<u8>,
    },
    Wire(WireTold),
    Voice {
        voice: VoiceId,
        state: VoiceState,
        code: &'static str,
        detail: String,
        address: Option<SocketAddr>,
    },
    Track {
        stream: StreamId,
        params: TrackParams,
    },
    Leg {
        leg: LegId,
        stream: StreamId,
        state: LegState,
        code: &'static str,
        detail: String,
        address: Option<SocketAddr>,
    },
    KeyFrameWanted {
        stream: StreamId,
        cause: Cause,
    },
    Datagram {
        session: SessionId,
        port: PortId,
        data: Vec<u8>,
        from: SocketAddr,
    },
    Subscription {
        subscription: SubId,
        stream: StreamId,
        state: SubState,
        code: &'static str,
        detail: String,
    },
    Session {
        session: SessionId,
        state: SessionState,
        address: Option<SocketAddr>,
    },
    StreamPanic {
        stream: StreamId,
        detail: String,
    },
    EventsLost {
        count: u64,
    },
}
