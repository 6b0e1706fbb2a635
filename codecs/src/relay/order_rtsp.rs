//! Orders of RTSP legs and readers.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::event::StreamId;
use super::order::{RtpMap, Subscribe};
use super::rtsp_origin::Origin;
use crate::hub::unit::Kind;

/// One m= line that a source sends over RTSP.
#[derive(Debug)]
pub struct RtspIn {
    pub payloads: Vec<RtpMap>,
    /// Interleaved: of its RTP; RTCP is the next one.
    pub channel: Option<u8>,
    pub rtp: Option<OwnedFd>,
    pub rtcp: Option<OwnedFd>,
    /// Whom its datagrams are taken from.
    pub origin: Origin,
    pub ssrc: Option<u32>,
}

#[derive(Debug)]
pub struct OpenRtsp {
    pub stream: StreamId,
    pub tracks: Vec<RtspIn>,
    pub fd: Option<OwnedFd>,
    pub initial: Vec<u8>,
    /// Receiver reports go back on the connection.
    pub reports: bool,
    pub stall_ms: u64,
    pub jitter_packets: usize,
    pub jitter_ms: u64,
}

/// One track that a reader has set up.
#[derive(Debug)]
pub struct RtspOut {
    pub kind: Kind,
    pub channel: Option<u8>,
    pub rtp: Option<OwnedFd>,
    pub rtcp: Option<OwnedFd>,
    pub to: Option<(SocketAddr, SocketAddr)>,
}

#[derive(Debug)]
pub struct SubscribeRtsp {
    pub tracks: Vec<RtspOut>,
    pub fd: Option<OwnedFd>,
    pub initial: Vec<u8>,
    /// Nothing is sent before it is let go.
    pub held: bool,
    pub order: Subscribe,
}

/// What is sent next of each track: sequence number and RTP time.
pub type RtpInfo = Vec<(&'static str, (u16, u32))>;
