//! What a media thread waits for.

use super::event::*;

/// What an epoll token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sock {
    Wake,
    LegRtp(LegId),
    LegRtcp(LegId),
    LegTcp(LegId),
    LegFrames(LegId),
    /// Of a wire, a leg or a subscription.
    Line(u64),
    Port(PortId),
    SubRtp(SubId),
    SubFrames(SubId),
    /// Socket of an RTSP leg: its connection, or RTP (even) and RTCP (odd) of a track.
    LegRtsp(LegId, u8),
    LegRtspTcp(LegId),
    /// RTCP of a track of an RTSP reader, or its connection.
    SubRtsp(SubId, u8),
    SubRtspTcp(SubId),
    SessionRtp(SessionId),
    SessionRtcp(SessionId),
    /// The voice clock.
    Tick,
    VoiceTcp(VoiceId),
    VoiceUsrp(VoiceId),
    VoicePcm(VoiceId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    Leg(LegId),
    Sub(SubId),
    Session(SessionId),
    Wish(StreamId),
    Wire(WireId),
    /// A subscription's line asked for it.
    Line(SubId),
}
