//! One ingest leg as a pure pipeline: packets and time in, tracks and access units out. No clock, no sockets.
//!
//! ```text
//! push_rtp ─► lane (SSRC, reorder) ─► source (probe, PS/TS/raw, frame ends) ─► tracks (pictures, parameters, time) ─► poll
//! ```
//! A leg has two lanes: what the device calls the stream, and voice that comes beside it under its own payload type.

mod audio;
mod jpeg;
mod lane;
mod mpeg2;
mod nal_order;
mod raw_video;
mod sdp;
mod source;
pub(crate) mod timeline;
pub(crate) mod tracks;
mod video;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::hub::unit::{AccessUnit, Codec, TrackParams};
use crate::packet::probe::Payload;
use crate::rtp::header::RtpView;
use crate::rtp::reception::{sender_reports, ReportBlock};
use crate::time::Micros;
use lane::Lane;
use timeline::Mapping;
use tracks::Tracks;

/// Outputs waiting for `poll`; beyond that units are dropped and counted.
const MAX_OUTPUTS: usize = 2048;
/// A problem is told at most once in so long, by its code.
const PROBLEM_INTERVAL_US: u64 = 1_000_000;

/// One payload type as SDP named it. A hint only: the content decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadMap {
    pub pt: u8,
    pub codec: Codec,
    pub clock_hz: u32,
    /// Of AAC: as MP4A-LATM (RFC 6416), not as mpeg4-generic.
    pub latm: bool,
    /// As the SDP said it ("config=1588", "sprop-parameter-sets=…"); may be empty.
    pub fmtp: String,
}

#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// The SSRC that signalling named. It is preferred; others are latched when it does not come.
    pub ssrc: Option<u32>,
    /// Drop every other SSRC.
    pub strict_ssrc: bool,
    pub payloads: Vec<PayloadMap>,
    /// "ps", "ts", "h264", "h265", … or empty.
    pub hint: String,
    pub jitter_packets: usize,
    pub jitter_ms: u64,
    /// The programme of a transport stream; 0: the first with a picture.
    pub program: u16,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            ssrc: None,
            strict_ssrc: false,
            payloads: Vec::new(),
            hint: String::new(),
            jitter_packets: 150,
            jitter_ms: 200,
            program: 0,
        }
    }
}

#[derive(Debug, Clone)]
pub enum IngestOutput {
    /// Comes before the first unit of that track, and again (generation + 1) when anything in it changed.
    Track(TrackParams),
    /// Video starts at a key frame; damaged units never come.
    Unit(AccessUnit),
    /// At most twice a second.
    NeedKeyFrame,
    /// At most once a second and code.
    Problem { code: &'static str, detail: String },
    /// One SMPTE ST 336 packet of a transport stream.
    Klv(Bytes),
    /// A transport stream's programmes, as `container::Found::Programs`.
    Programs(String),
    /// What the payload was found to be; again when that changed.
    FirstMedia { payload: &'static str },
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct IngestStats {
    pub packets: u64,
    pub bytes: u64,
    pub lost: u64,
    pub reordered: u64,
    pub duplicates: u64,
    /// Not RTP, of a source this leg does not take, or of a structure that can't be.
    pub invalid: u64,
    pub late: u64,
    pub jitter_ms: f64,
    pub loss_ratio: f64,
    pub ssrc: u32,
    pub payload: &'static str,
    pub psm_bad: u64,
    /// Sender restarts, SSRC changes, and start codes that were not where they should be.
    pub resyncs: u64,
    pub dropped_units: u64,
}

/// Where the stages put what they make.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    pub(crate) queue: VecDeque<IngestOutput>,
    mapping: Mapping,
    told: Vec<(&'static str, Micros)>,
    invalid: u64,
    ssrc_changes: u64,
    overflow: u64,
}

impl Sink {
    fn push(&mut self, output: IngestOutput) {
        let unit = matches!(output, IngestOutput::Unit(_) | IngestOutput::Klv(_));
        if unit && self.queue.len() >= MAX_OUTPUTS {
            self.overflow += 1;
            return;
        }
        self.queue.push_back(output);
    }

    pub(crate) fn problem(&mut self, code: &'static str, detail: String, now: Micros) {
        match self.told.iter_mut().find(|(told, _)| *told == code) {
            Some((_, at)) if now.since(*at) < PROBLEM_INTERVAL_US => return,
            Some((_, at)) => *at = now,
            None => self.told.push((code, now)),
        }
        self.queue.push_back(IngestOutput::Problem { code, detail });
    }
}

#[derive(Debug)]
pub struct Ingest {
    config: IngestConfig,
    main: Lane,
    voice: Lane,
    tracks: Tracks,
    out: Sink,
    packets: u64,
    bytes: u64,
}

impl Ingest {
    pub fn new(config: IngestConfig) -> Self {
        let (mut main, voice) = (Lane::new(&config), Lane::new(&config));
        main.source.program = config.program;
        Self { config, main, voice, tracks: Tracks::default(), out: Sink::default(), packets: 0, bytes: 0 }
    }

    /// One RTP packet (header included). Whatever it holds: counted and dropped if it is no good. Poll afterwards.
    pub fn push_rtp(&mut self, packet: &[u8], now: Micros) {
        self.packets += 1;
        self.bytes += packet.len() as u64;
        let strangers = self.config.ssrc.filter(|_| self.config.strict_ssrc);
        let view = match RtpView::parse(packet) {
            Ok(view) if strangers.is_none_or(|wanted| wanted == view.ssrc) => view,
            _ => {
                self.out.invalid += 1;
                return;
            }
        };
        let lane = if self.is_voice(view.pt) { &mut self.voice } else { &mut self.main };
        lane.push(&view, packet, now, &self.config, &mut self.tracks, &mut self.out);
    }

    fn is_voice(&self, pt: u8) -> bool {
        match self.config.payloads.iter().find(|m| m.pt == pt) {
            Some(map) => map.codec.kind() == crate::hub::unit::Kind::Audio,
            None => matches!(pt, 0 | 8 | 9),
        }
    }

    /// A compound RTCP packet: sender reports give capture times.
    pub fn push_rtcp(&mut self, packet: &[u8], now: Micros) {
        let Ok(reports) = sender_reports(packet) else {
            self.out.invalid += 1;
            return;
        };
        for report in reports {
            self.main.sender_report(report, now);
            self.voice.sender_report(report, now);
        }
    }

    /// An MPEG transport stream without RTP (a UDP datagram of 188-byte packets).
    pub fn push_ts(&mut self, data: &[u8], now: Micros) {
        self.packets += 1;
        self.bytes += data.len() as u64;
        self.main.source.push_ts(data, now, &mut self.tracks, &mut self.out);
    }

    pub fn handle_timer(&mut self, now: Micros) {
        for lane in [&mut self.main, &mut self.voice] {
            lane.handle_timer(now, &self.config, &mut self.tracks, &mut self.out);
        }
    }

    pub fn next_timer(&self) -> Option<Micros> {
        [self.main.next_timer(), self.voice.next_timer()].into_iter().flatten().min()
    }

    pub fn poll(&mut self) -> Option<IngestOutput> {
        self.out.queue.pop_front()
    }

    pub fn stats(&self) -> IngestStats {
        let (a, b) = (self.main.jitter().stats(), self.voice.jitter().stats());
        let leading = if self.main.ssrc().is_some() { &self.main } else { &self.voice };
        let payload = match self.main.source.payload() {
            Payload::Unknown => self.voice.source.payload(),
            known => known,
        };
        let reception = leading.reception();
        IngestStats {
            packets: self.packets,
            bytes: self.bytes,
            lost: a.lost + b.lost,
            reordered: a.reordered + b.reordered,
            duplicates: a.duplicates + b.duplicates,
            invalid: self.out.invalid,
            late: a.late + b.late,
            jitter_ms: reception.map_or(0.0, |r| r.jitter_ms()),
            loss_ratio: reception.map_or(0.0, |r| r.loss_ratio()),
            ssrc: leading.ssrc().unwrap_or_default(),
            payload: payload.name(),
            psm_bad: self.main.source.psm_bad(),
            resyncs: self.main.source.resyncs() + self.out.ssrc_changes + a.restarts + b.restarts,
            dropped_units: self.tracks.dropped_units() + self.out.overflow,
        }
    }

    /// For a receiver report (RFC 3550 §6.4.2); starts a new interval of `fraction_lost`. One per source heard.
    pub fn report_blocks(&mut self, now: Micros) -> Vec<ReportBlock> {
        [&mut self.main, &mut self.voice].into_iter().filter_map(|lane| lane.report(now)).collect()
    }

    /// Sequence numbers that are missing and still worth a NACK (at most `max`), with the SSRC they belong to.
    pub fn missing(&self, max: usize) -> Vec<(u32, u16)> {
        let of = |lane: &'_ Lane| {
            let ssrc = lane.ssrc().unwrap_or_default();
            lane.jitter().missing().map(|seq| (ssrc, seq)).take(max).collect::<Vec<_>>()
        };
        let mut all = of(&self.main);
        all.extend(of(&self.voice));
        all.truncate(max);
        all
    }
}
