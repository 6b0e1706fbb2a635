//! One RTP source of a leg: which SSRC it is, its packets in order, and what they hold.

use super::source::{Packet, Source};
use super::tracks::Tracks;
use super::{IngestConfig, Sink};
use crate::packet::probe::Payload;
use crate::rtp::header::RtpView;
use crate::rtp::jitter::{JitterBuffer, Offer};
use crate::rtp::reception::{Reception, ReportBlock, SenderClock};
use crate::time::{seq_delta, ts_delta, Micros};

/// Another SSRC takes over when the current one was silent for so long.
const SILENCE_US: u64 = 400_000;
/// The preferred SSRC gets more patience.
const PREFERRED_SILENCE_US: u64 = 2_000_000;
/// Packets of a rival kept until it is decided.
const MAX_RIVAL_PACKETS: usize = 128;
/// Two packets this far apart in sequence belong together.
const MAX_PROBATION_GAP: i32 = 16;

#[derive(Debug)]
pub struct Lane {
    jitter: JitterBuffer,
    reception: Option<Reception>,
    pub source: Source,
    clock_hz: u32,
    last_ts: Option<(u32, i64)>,
    last_packet: Micros,
    rival: Option<u32>,
    rival_packets: Vec<Vec<u8>>,
}

impl Lane {
    pub fn new(config: &IngestConfig) -> Self {
        Self {
            jitter: JitterBuffer::new(config.jitter_packets, config.jitter_ms),
            reception: None,
            source: Source::default(),
            clock_hz: 90_000,
            last_ts: None,
            last_packet: Micros::default(),
            rival: None,
            rival_packets: Vec::new(),
        }
    }

    pub fn ssrc(&self) -> Option<u32> {
        self.reception.as_ref().map(|r| r.ssrc)
    }

    pub fn jitter(&self) -> &JitterBuffer {
        &self.jitter
    }

    pub fn reception(&self) -> Option<&Reception> {
        self.reception.as_ref()
    }

    pub fn report(&mut self, now: Micros) -> Option<ReportBlock> {
        self.reception.as_mut().map(|r| r.report(now))
    }

    pub fn sender_report(&mut self, report: SenderClock, now: Micros) {
        if let Some(reception) = self.reception.as_mut().filter(|r| r.ssrc == report.ssrc) {
            reception.sender_report(report, now);
        }
    }

    pub fn push(
        &mut self,
        view: &RtpView,
        packet: &[u8],
        now: Micros,
        config: &IngestConfig,
        tracks: &mut Tracks,
        out: &mut Sink,
    ) {
        let wanted = config.ssrc == Some(view.ssrc);
        match self.ssrc() {
            Some(current) if current == view.ssrc => {}
            None => {
                if !wanted && !self.proven(view) {
                    return self.keep_rival(view.ssrc, packet);
                }
                self.latch(view, config);
                self.replay_rival(view.ssrc, now, config, tracks, out);
            }
            Some(current) => {
                let patience = if config.ssrc == Some(current) { PREFERRED_SILENCE_US } else { SILENCE_US };
                let silent = now.since(self.last_packet) >= patience;
                let takes_over = wanted || (silent && self.proven(view));
                if !takes_over {
                    out.invalid += 1;
                    return self.keep_rival(view.ssrc, packet);
                }
                // A restarted sender, or the one that signalling named after all.
                self.switch(view, now, config, tracks, out);
            }
        }
        if self.rival.is_some() && config.ssrc != Some(view.ssrc) && now.since(self.last_packet) < SILENCE_US {
            self.rival = None;
            self.rival_packets.clear();
        }
        self.last_packet = now;
        self.accept(view, packet, now, config, tracks, out);
    }

    fn latch(&mut self, view: &RtpView, config: &IngestConfig) {
        let mapped = config.payloads.iter().find(|m| m.pt == view.pt);
        self.clock_hz = match (mapped, view.pt) {
            (Some(m), _) if m.clock_hz > 0 => m.clock_hz,
            (_, 0 | 8 | 9) => 8000,
            _ => match Payload::from_hint(&config.hint) {
                Payload::Pcma | Payload::Pcmu | Payload::G722 => 8000,
                Payload::Opus => 48_000,
                _ => 90_000,
            },
        };
        self.reception = Some(Reception::new(view.ssrc, self.clock_hz, view.seq));
    }

    /// RFC 3550 A.1: one packet may be anything; a second one of the same source near it in sequence is a source.
    fn proven(&self, view: &RtpView) -> bool {
        let last = self.rival_packets.last().filter(|_| self.rival == Some(view.ssrc));
        let last = last.and_then(|p| RtpView::parse(p).ok());
        last.is_some_and(|l| (1..=MAX_PROBATION_GAP).contains(&seq_delta(l.seq, view.seq).abs()))
    }

    fn keep_rival(&mut self, ssrc: u32, packet: &[u8]) {
        if self.rival != Some(ssrc) {
            self.rival = Some(ssrc);
            self.rival_packets.clear();
        }
        if self.rival_packets.len() >= MAX_RIVAL_PACKETS {
            self.rival_packets.remove(0);
        }
        self.rival_packets.push(packet.to_vec());
    }

    /// What was kept of a source that is now the lane's.
    fn replay_rival(&mut self, ssrc: u32, now: Micros, config: &IngestConfig, tracks: &mut Tracks, out: &mut Sink) {
        let kept = std::mem::take(&mut self.rival_packets);
        if self.rival.take() != Some(ssrc) {
            return;
        }
        for packet in &kept {
            if let Ok(earlier) = RtpView::parse(packet) {
                self.accept(&earlier, packet, now, config, tracks, out);
            }
        }
    }

    fn switch(&mut self, view: &RtpView, now: Micros, config: &IngestConfig, tracks: &mut Tracks, out: &mut Sink) {
        self.release(now, config, tracks, out);
        self.jitter.reset();
        self.last_ts = None;
        self.source.restart(tracks, now, out);
        out.ssrc_changes += 1;
        self.latch(view, config);
        self.replay_rival(view.ssrc, now, config, tracks, out);
    }

    fn accept(
        &mut self,
        view: &RtpView,
        packet: &[u8],
        now: Micros,
        config: &IngestConfig,
        tracks: &mut Tracks,
        out: &mut Sink,
    ) {
        if let Some(reception) = &mut self.reception {
            reception.received(view.seq, view.ts, now);
        }
        match self.jitter.offer(view.seq, packet, now) {
            Offer::InOrder { lost } => self.deliver(view, lost, now, config, tracks, out),
            Offer::Held => {}
            Offer::Duplicate | Offer::Late => return,
        }
        self.release(now, config, tracks, out);
    }

    /// What the reorder buffer has due.
    pub fn release(&mut self, now: Micros, config: &IngestConfig, tracks: &mut Tracks, out: &mut Sink) {
        while let Some(popped) = self.jitter.pop(now) {
            if let Ok(view) = RtpView::parse(&popped.packet) {
                if popped.restart {
                    self.last_ts = None;
                    self.source.restart(tracks, now, out);
                    if let Some(reception) = &mut self.reception {
                        reception.restart(view.seq);
                    }
                }
                self.deliver(&view, popped.lost, now, config, tracks, out);
            }
            self.jitter.recycle(popped.packet);
        }
    }

    fn deliver(
        &mut self,
        view: &RtpView,
        lost: u32,
        now: Micros,
        config: &IngestConfig,
        tracks: &mut Tracks,
        out: &mut Sink,
    ) {
        if lost > 0 {
            self.source.lost(tracks, now, out);
        }
        let ts = match self.last_ts {
            None => i64::from(view.ts),
            Some((last, at)) => at + ts_delta(last, view.ts),
        };
        self.last_ts = Some((view.ts, ts));
        let clock = self.reception.as_ref().and_then(Reception::sender_clock);
        let capture_unix_us = clock.and_then(|c| c.unix_us(view.ts, self.clock_hz));
        let packet = Packet {
            payload: view.payload(),
            pt: view.pt,
            marker: view.marker,
            ts,
            clock_hz: self.clock_hz,
            capture_unix_us,
            now,
        };
        self.source.push(packet, config, tracks, out);
    }

    pub fn next_timer(&self) -> Option<Micros> {
        [self.jitter.next_timer(), self.source.next_timer()].into_iter().flatten().min()
    }

    pub fn handle_timer(&mut self, now: Micros, config: &IngestConfig, tracks: &mut Tracks, out: &mut Sink) {
        self.release(now, config, tracks, out);
        self.source.handle_timer(tracks, now, out);
    }
}
