//! What a subscriber's peer says by RTCP: reports, wishes for key frames, missing packets, what its path carries.

use super::event::Cause;
use super::subscriber::{Ground, Subscriber};
use super::sys::Outcome;
use crate::hub::stream::Stream;
use crate::rtp::{reception::ReportBlock, rtcp};

/// What the peer reports.
#[derive(Debug, Default, Clone, Copy)]
pub struct Peer {
    pub plis: u64,
    pub firs: u64,
    pub rtt_ms: f64,
    pub loss_ratio: f64,
    pub remb_bps: f64,
    pub twcc_bps: f64,
}

impl Subscriber {
    fn owns(&self, ssrc: u32) -> bool {
        self.outlets.iter().flatten().any(|o| o.ssrc == ssrc || o.rtx_ssrc() == Some(ssrc))
    }

    /// One packet of the peer's compound.
    pub fn on_rtcp(&mut self, packet: &rtcp::Rtcp<'_>, hub: &Stream, ground: &mut Ground<'_>) {
        match *packet {
            rtcp::Rtcp::SenderReport { blocks, .. } | rtcp::Rtcp::ReceiverReport { blocks, .. } => {
                for block in rtcp::report_blocks(blocks) {
                    self.on_report(&block, ground);
                }
            }
            rtcp::Rtcp::Pli { media } if self.owns(media) => {
                self.peer.plis += 1;
                ground.wish = Some(Cause::Pli);
            }
            rtcp::Rtcp::Fir { entries } if rtcp::fir_ssrcs(entries).any(|s| self.owns(s)) => {
                self.peer.firs += 1;
                ground.wish = Some(Cause::Fir);
            }
            rtcp::Rtcp::Remb { bps, ssrcs } if rtcp::ssrcs(ssrcs).any(|s| self.owns(s)) => {
                self.peer.remb_bps = bps as f64;
                self.pacer.estimate_bps = bps as f64;
            }
            rtcp::Rtcp::TransportCc { feedback } => self.on_transport_cc(feedback),
            rtcp::Rtcp::Nack { media, items } => self.on_nack(media, items, hub, ground),
            _ => {}
        }
    }

    fn on_report(&mut self, block: &ReportBlock, ground: &Ground<'_>) {
        // Of picture and sound the picture's report is shown.
        let main = self.outlets.iter().flatten().next();
        if main.is_none_or(|o| o.ssrc != block.ssrc) {
            return;
        }
        self.peer.loss_ratio = f64::from(block.fraction_lost) / 256.0;
        if block.last_sr != 0 {
            // RFC 3550 §6.4.1: in 1/65536 s of the middle NTP bits.
            let now = (ground.outbox.ntp(ground.now.0) >> 16) as u32;
            let rtt = now.wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr) as i32;
            if (0..65_536 * 30).contains(&rtt) {
                self.peer.rtt_ms = f64::from(rtt) * 1000.0 / 65_536.0;
            }
        }
    }

    /// What arrived within the span of one feedback, as a rate: a floor for what the path carries.
    fn on_transport_cc(&mut self, feedback: &[u8]) {
        let (mut got, mut all, mut ticks) = (0u32, 0u32, 0i64);
        let read = rtcp::transport_cc(feedback, |_, delta| {
            all += 1;
            if let Some(delta) = delta {
                got += 1;
                ticks += if got > 1 { i64::from(delta) } else { 0 };
            }
        });
        let sent = self
            .outlets
            .iter()
            .flatten()
            .fold((0u64, 0u64), |(p, o), x| (p + u64::from(x.packets), o + u64::from(x.octets)));
        if read.is_err() || got < 8 || ticks < 20 || sent.0 == 0 {
            return;
        }
        let mean_bytes = sent.1 as f64 / sent.0 as f64 + 60.0;
        let bps = f64::from(got - 1) * mean_bytes * 8.0 / (ticks as f64 * 250e-6);
        self.peer.twcc_bps += (bps - self.peer.twcc_bps) * if self.peer.twcc_bps == 0.0 { 1.0 } else { 0.2 };
        // Only where packets are lost does what arrives say what can arrive.
        let lossy = got * 10 < all * 9;
        self.pacer.estimate_bps = if lossy { self.peer.twcc_bps } else { self.peer.remb_bps };
    }

    fn on_nack(&mut self, media: u32, items: &[u8], hub: &Stream, ground: &mut Ground<'_>) {
        let asked = self.outlets.iter().flatten().find(|o| o.ssrc == media).map(|o| o.kind);
        let Some(path) = asked.and_then(|kind| self.path_of(kind)).cloned() else { return };
        let Some(track) = asked.and_then(|kind| self.track(hub, kind)) else { return };
        let Some(outlet) = self.outlets.iter_mut().flatten().find(|o| o.ssrc == media) else { return };
        let mut moving = path.moving.get();
        moving.abs_send_time = ground.outbox.abs_send_time(ground.now.0);
        for seq in rtcp::nack_seqs(items) {
            outlet.nacks += 1;
            let buffer = &mut ground.outbox.buffer;
            let len = outlet.resend(track, seq, buffer, path.sealer.as_ref(), &mut moving, ground.now);
            if len > 0 && ground.outbox.send_one(&path, len) == Outcome::Full {
                break;
            }
        }
        path.moving.set(moving);
    }
}
