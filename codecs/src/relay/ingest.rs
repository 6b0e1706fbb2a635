//! One ingest leg as a pure pipeline (being written).

use crate::hub::unit::{AccessUnit, Codec, TrackParams};
use crate::rtp::reception::ReportBlock;
use crate::time::Micros;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadMap {
    pub pt: u8,
    pub codec: Codec,
    pub clock_hz: u32,
    /// As the SDP said it ("config=1588", "sprop-parameter-sets=…"); may be empty.
    pub fmtp: String,
}

#[derive(Debug, Clone)]
pub struct IngestConfig {
    pub ssrc: Option<u32>,
    pub strict_ssrc: bool,
    pub payloads: Vec<PayloadMap>,
    /// "ps", "ts", "h264", "h265", … or empty.
    pub hint: String,
    pub jitter_packets: usize,
    pub jitter_ms: u64,
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
        }
    }
}

#[derive(Debug, Clone)]
pub enum IngestOutput {
    /// Comes before the first unit of that track, and again (generation + 1) when anything in it changed.
    Track(TrackParams),
    Unit(AccessUnit),
    NeedKeyFrame,
    /// At most once a second and code.
    Problem {
        code: &'static str,
        detail: String,
    },
    FirstMedia {
        payload: &'static str,
    },
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct IngestStats {
    pub packets: u64,
    pub bytes: u64,
    pub lost: u64,
    pub reordered: u64,
    pub duplicates: u64,
    /// Not RTP, or of a source this leg does not take.
    pub invalid: u64,
    pub late: u64,
    pub jitter_ms: f64,
    pub loss_ratio: f64,
    pub ssrc: u32,
    pub payload: &'static str,
    pub psm_bad: u64,
    pub resyncs: u64,
    pub dropped_units: u64,
}

#[derive(Debug)]
pub struct Ingest {
    config: IngestConfig,
}

impl Ingest {
    pub fn new(config: IngestConfig) -> Self {
        Self { config }
    }

    /// One RTP packet (header included). Whatever it holds: counted and dropped if it is no good. Poll afterwards.
    pub fn push_rtp(&mut self, packet: &[u8], now: Micros) {
        let _ = (packet, now, &self.config);
    }

    /// A compound RTCP packet: sender reports give capture times.
    pub fn push_rtcp(&mut self, packet: &[u8], now: Micros) {
        let _ = (packet, now);
    }

    /// An MPEG transport stream without RTP (a UDP datagram of 188-byte packets).
    pub fn push_ts(&mut self, data: &[u8], now: Micros) {
        let _ = (data, now);
    }

    pub fn handle_timer(&mut self, now: Micros) {
        let _ = now;
    }

    pub fn next_timer(&self) -> Option<Micros> {
        None
    }

    pub fn poll(&mut self) -> Option<IngestOutput> {
        None
    }

    pub fn stats(&self) -> IngestStats {
        IngestStats::default()
    }

    /// For a receiver report (RFC 3550 §6.4.2); starts a new interval of `fraction_lost`. One per source heard.
    pub fn report_blocks(&mut self, now: Micros) -> Vec<ReportBlock> {
        let _ = now;
        Vec::new()
    }

    /// Sequence numbers that are missing and still worth a NACK (at most `max`), with the SSRC they belong to.
    pub fn missing(&self, max: usize) -> Vec<(u32, u16)> {
        let _ = max;
        Vec::new()
    }
}
