//! Media that a WebRTC session sends in (WHIP): decrypted packets to the leg's two pipelines, lost ones put back from RTX.

use std::os::fd::AsRawFd;

use super::event::*;
use super::frame_port;
use super::ingest::{Ingest, IngestConfig};
use super::leg::{payload_maps, Leg, Source};
use super::order::RtpMap;
use super::sys;
use super::worker::Worker;

impl Worker {
    pub fn open_session_in(&mut self, id: LegId, stream: StreamId, session: SessionId, v: &[RtpMap], a: &[RtpMap]) {
        if !self.streams.contains_key(&stream) {
            return;
        }
        let config = |maps: &[RtpMap]| IngestConfig { payloads: payload_maps(maps), ..IngestConfig::default() };
        let source = Source::Session {
            session,
            audio: Box::new(Ingest::new(config(a))),
            video_rtx: v.iter().filter(|m| m.rtx_pt != 0).map(|m| (m.rtx_pt, m.pt)).collect(),
            audio_pts: a.iter().map(|m| m.pt).collect(),
        };
        self.add_leg(Leg::new(id, stream, Ingest::new(config(v)), source, 3_000_000, self.now));
        self.session(session).leg = Some(id);
    }

    /// Media of an armed session, decrypted.
    pub fn leg_session_rtp(&mut self, id: LegId, packet: &mut [u8]) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        let now = self.now;
        let media_ssrc = leg.ingest.stats().ssrc;
        if let Source::Session { audio, video_rtx, audio_pts, .. } = &mut leg.source {
            let pt = packet[1] & 0x7f;
            if audio_pts.contains(&pt) {
                audio.push_rtp(packet, now);
            } else if let Some((_, original)) = video_rtx.iter().find(|(rtx, _)| *rtx == pt) {
                if let Some(restored) = undo_rtx(packet, *original, media_ssrc) {
                    leg.ingest.push_rtp(restored, now);
                }
            } else {
                leg.ingest.push_rtp(packet, now);
            }
        }
        leg.last_packet = now;
        self.leg_outputs(leg);
    }

    pub fn leg_session_rtcp(&mut self, id: LegId, compound: &[u8]) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.ingest.push_rtcp(compound, self.now);
        if let Source::Session { audio, .. } = &mut leg.source {
            audio.push_rtcp(compound, self.now);
        }
    }

    /// A key frame is wanted: a WebRTC source is asked by PLI.
    pub fn leg_wants_key(&mut self, id: LegId) {
        if let Some(Leg { source: Source::Frames { socket, reader, .. }, .. }) = self.legs.get(&id) {
            if reader.wants_wishes() {
                // Full: the writer has not read the last one yet.
                sys::write_record(socket.fd.as_raw_fd(), &frame_port::wish(false), &[]);
            }
            return;
        }
        let Some(Leg { source: Source::Session { session, .. }, ingest, .. }) = self.legs.get(&id) else { return };
        let ssrc = ingest.stats().ssrc;
        if ssrc != 0 {
            self.session_pli(*session, ssrc);
        }
    }
}

/// RFC 4588 §4: put the original sequence number, payload type and SSRC back, in place.
fn undo_rtx(packet: &mut [u8], pt: u8, ssrc: u32) -> Option<&[u8]> {
    let start = crate::rtp::header::RtpView::parse(packet).ok()?.payload_range().start;
    if ssrc == 0 || packet.len() < start + 2 {
        return None;
    }
    let original = [packet[start], packet[start + 1]];
    packet[1] = packet[1] & 0x80 | pt;
    packet[2..4].copy_from_slice(&original);
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    packet.copy_within(..start, 2);
    Some(&packet[2..])
}
