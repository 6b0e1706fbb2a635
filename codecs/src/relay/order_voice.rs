//! Orders of voices and of sessions with their own sockets.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::event::{LegId, SessionId, StreamId};
use super::latch::LatchMode;
use super::order::RtpMap;
use crate::rtp::srtp::SrtpKey;

/// Which kind of thread a session lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    Media,
    Voice,
}

#[derive(Debug)]
pub struct OpenRtpSession {
    pub rtp: OwnedFd,
    pub rtcp: Option<OwnedFd>,
    pub v6: bool,
    pub home: Home,
}

/// Where the peer is and how it is ciphered: keys to send with, and to receive with.
#[derive(Debug)]
pub struct ArmRtp {
    pub to: Option<SocketAddr>,
    pub rtcp_to: Option<SocketAddr>,
    pub mode: LatchMode,
    pub keys: Option<Box<(SrtpKey, SrtpKey)>>,
}

/// Audio over RTP: what the peer takes and may send, and how we call ourselves.
#[derive(Debug, Clone)]
pub struct VoiceRtp {
    pub send: Vec<RtpMap>,
    pub receive: Vec<RtpMap>,
    pub ssrc: u32,
    pub cname: String,
    /// 20, 40 or 60.
    pub ptime_ms: u32,
    pub mid_ext: u8,
    pub mid: String,
}

/// How a voice reaches its far side.
#[derive(Debug)]
pub enum VoiceLine {
    Session {
        session: SessionId,
        rtp: VoiceRtp,
    },
    Tcp {
        fd: OwnedFd,
        rtp: VoiceRtp,
        initial: Vec<u8>,
    },
    Usrp {
        fd: OwnedFd,
        to: SocketAddr,
        v6: bool,
    },
    Pcm {
        fd: OwnedFd,
        rate_hz: u32,
        channels: u8,
    },
    Tap {
        stream: StreamId,
    },
    /// The back channel of a source: packets leave among what its leg writes.
    Leg {
        leg: LegId,
        channel: u8,
        rtp: VoiceRtp,
    },
}
