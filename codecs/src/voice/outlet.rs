//! What one peer is sent over RTP: numbering, packets of 20 to 60 ms, keys in place of audio. The payload itself is the
//! share's, or the voice's own while a cue plays.

use std::collections::VecDeque;

use crate::audio::dtmf::DtmfWriter;
use crate::audio::format::{AudioCodec, Format};
use crate::audio::FRAME_MS;

/// Keys that wait to be sent.
const MAX_KEYS: usize = 32;
/// Twenty milliseconds between two keys, as RFC 4733 §2.5.1.4 wants a gap.
const GAP_TICKS: u32 = 2;
/// In silence a comfort noise packet each 400 ms.
const NOISE_TICKS: u32 = 20;

/// What was agreed for sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutletConfig {
    pub format: Format,
    pub pt: u8,
    /// Payload type and clock of telephone-event.
    pub event: Option<(u8, u32)>,
    pub comfort_noise_pt: Option<u8>,
    pub ssrc: u32,
    pub ptime_ms: u32,
    pub mid_ext: u8,
    pub mid: String,
}

/// Where numbering begins: chance handed in, or what an earlier voice of the same source left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    pub index: u64,
    pub ts: u32,
}

/// A packet that leaves: header here, payload where it stands.
pub struct Leaving<'a> {
    pub header: &'a [u8],
    pub payload: &'a [u8],
    pub ssrc: u32,
    /// Roll-over counter and sequence number.
    pub index: u64,
}

pub struct Outlet {
    pub config: OutletConfig,
    header: [u8; 40],
    header_len: usize,
    index: u64,
    ts: u32,
    /// Of the packet that is being gathered.
    packet_ts: u32,
    gathered: Vec<u8>,
    gathered_frames: u32,
    marker: bool,
    keys: VecDeque<(&'static str, u32)>,
    writer: Option<DtmfWriter>,
    gap: u32,
    silent_ticks: u32,
    pub packets: u32,
    pub octets: u32,
}

impl Outlet {
    pub fn new(config: OutletConfig, start: Start) -> Self {
        let mut header = [0u8; 40];
        header[0] = 0x80;
        header[8..12].copy_from_slice(&config.ssrc.to_be_bytes());
        let mid = &config.mid.as_bytes()[..config.mid.len().min(16)];
        let mut header_len = 12;
        // RFC 8285 §4.2: one element, padded to words.
        if config.mid_ext != 0 && !mid.is_empty() {
            header[0] = 0x90;
            header[16] = config.mid_ext << 4 | (mid.len() - 1) as u8;
            header[17..17 + mid.len()].copy_from_slice(mid);
            header_len = (17 + mid.len()).next_multiple_of(4);
            header[12..16].copy_from_slice(&[0xbe, 0xde, 0, ((header_len - 16) / 4) as u8]);
        }
        Self {
            config,
            header,
            header_len,
            index: start.index,
            ts: start.ts,
            packet_ts: start.ts,
            gathered: Vec::with_capacity(1024),
            gathered_frames: 0,
            marker: true,
            keys: VecDeque::with_capacity(MAX_KEYS),
            writer: None,
            gap: 0,
            silent_ticks: 0,
            packets: 0,
            octets: 0,
        }
    }

    /// What a later voice of the same source goes on with.
    pub fn end(&self) -> Start {
        Start { index: self.index, ts: self.ts }
    }

    /// Under other keys the roll-over counter begins at 0 again (RFC 4568 §6.4).
    pub fn rekeyed(&mut self) {
        self.index &= 0xffff;
    }

    /// RTP time of now, for sender reports.
    pub fn ts(&self) -> u32 {
        self.ts
    }

    pub fn frames_per_packet(&self) -> u32 {
        (self.config.ptime_ms / FRAME_MS).max(1)
    }

    /// Opus makes 40 or 60 ms at once: it is not gathered from frames.
    pub fn gathers(&self) -> bool {
        self.frames_per_packet() > 1 && self.config.format.codec() != AudioCodec::Opus
    }

    pub fn press(&mut self, digit: &'static str, duration_ms: u32) -> bool {
        if self.config.event.is_none() || self.keys.len() >= MAX_KEYS {
            return false;
        }
        self.keys.push_back((digit, duration_ms));
        true
    }

    pub fn is_pressing(&self) -> bool {
        self.writer.is_some() || !self.keys.is_empty()
    }

    /// Time passes: to be called once a tick, after what the tick sends. `ticks`: also those that were left out.
    pub fn advance(&mut self, ticks: u32) {
        self.ts = self.ts.wrapping_add(self.config.format.frame_ticks().wrapping_mul(ticks));
        if ticks > 1 {
            self.gathered.clear();
            self.gathered_frames = 0;
        }
    }

    fn leave<'a>(&'a mut self, pt: u8, marker: bool, ts: u32, payload: &'a [u8]) -> Leaving<'a> {
        self.header[1] = u8::from(marker) << 7 | pt & 0x7f;
        self.header[2..4].copy_from_slice(&(self.index as u16).to_be_bytes());
        self.header[4..8].copy_from_slice(&ts.to_be_bytes());
        let index = self.index;
        self.index += 1;
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        Leaving { header: &self.header[..self.header_len], payload, ssrc: self.config.ssrc, index }
    }

    /// The keys of this tick. True when they take the place of audio.
    pub fn tick_keys(&mut self, mut send: impl FnMut(Leaving<'_>)) -> bool {
        let Some((pt, clock)) = self.config.event else { return false };
        if self.gap > 0 {
            self.gap -= 1;
            return true;
        }
        if self.writer.is_none() {
            let Some((digit, ms)) = self.keys.pop_front() else { return false };
            self.writer = DtmfWriter::new(digit, self.ts, clock, ms);
            self.gathered.clear();
            self.gathered_frames = 0;
        }
        let Some(next) = self.writer.as_mut().map(DtmfWriter::next_packet) else { return false };
        match next {
            Some((packet, copies)) => {
                for copy in 0..copies {
                    let marker = packet.marker && copy == 0;
                    send(self.leave(pt, marker, packet.ts, &packet.payload));
                }
                true
            }
            None => {
                self.writer = None;
                self.marker = true;
                self.gap = if self.keys.is_empty() { 0 } else { GAP_TICKS };
                self.gap > 0
            }
        }
    }

    /// One frame's payload. A packet leaves when enough of them are gathered.
    pub fn audio(&mut self, payload: &[u8], mut send: impl FnMut(Leaving<'_>)) {
        self.silent_ticks = 0;
        if payload.is_empty() {
            // The codec's DTX: time goes on without a packet.
            self.marker = true;
            return;
        }
        let pt = self.config.pt;
        if !self.gathers() {
            let marker = std::mem::take(&mut self.marker);
            let ts = self.ts;
            send(self.leave(pt, marker, ts, payload));
            return;
        }
        if self.gathered_frames == 0 {
            self.packet_ts = self.ts;
        }
        self.gathered.extend_from_slice(payload);
        self.gathered_frames += 1;
        if self.gathered_frames >= self.frames_per_packet() {
            let marker = std::mem::take(&mut self.marker);
            let (ts, whole) = (self.packet_ts, std::mem::take(&mut self.gathered));
            send(self.leave(pt, marker, ts, &whole));
            self.gathered = whole;
            self.gathered.clear();
            self.gathered_frames = 0;
        }
    }

    /// A packet of several frames whose first began `frames` ticks ago (Opus).
    pub fn audio_since(&mut self, payload: &[u8], frames: u32, mut send: impl FnMut(Leaving<'_>)) {
        self.silent_ticks = 0;
        if payload.is_empty() {
            self.marker = true;
            return;
        }
        let marker = std::mem::take(&mut self.marker);
        let back = self.config.format.frame_ticks() * frames.saturating_sub(1);
        let (pt, ts) = (self.config.pt, self.ts.wrapping_sub(back));
        send(self.leave(pt, marker, ts, payload));
    }

    /// Nothing is said in this tick.
    pub fn pause(&mut self) {
        self.marker = true;
        self.gathered.clear();
        self.gathered_frames = 0;
    }

    /// In place of silence where CN was agreed: at once, and now and then. False when it was not agreed.
    pub fn comfort_noise(&mut self, payload: &[u8], mut send: impl FnMut(Leaving<'_>)) -> bool {
        let Some(pt) = self.config.comfort_noise_pt else { return false };
        self.pause();
        if self.silent_ticks % NOISE_TICKS == 0 {
            let ts = self.ts;
            send(self.leave(pt, false, ts, payload));
        }
        self.silent_ticks = self.silent_ticks.wrapping_add(1);
        true
    }
}
