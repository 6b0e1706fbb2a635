//! What a receiver knows of a source: loss and interarrival jitter for reports (RFC 3550 §6.4.1, A.1, A.3, A.8), and
//! the sender reports that tie its timestamps to the wall clock.

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::time::{ts_delta, Micros};

/// What a receiver report says of a source (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    pub ssrc: u32,
    /// Lost since the previous report, of 256.
    pub fraction_lost: u8,
    /// Since the beginning; duplicates make it negative. 24 bits on the wire.
    pub cumulative_lost: i32,
    pub extended_seq: u32,
    /// In the payload's timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0: none yet.
    pub last_sr: u32,
    /// Since that sender report came, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// NTP seconds at 1970-01-01.
const NTP_UNIX_SECONDS: i64 = 2_208_988_800;

/// One sender report (RFC 3550 §6.4.1), as far as it ties timestamps to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderClock {
    pub ssrc: u32,
    pub ntp: u64,
    pub rtp_ts: u32,
}

impl SenderClock {
    /// Unix microseconds at which the sample `rtp_ts` was taken; `None` when the sender's clock is not set: some
    /// devices send zeros or seconds since their start (anything before 2010 counts as not set).
    pub fn unix_us(&self, rtp_ts: u32, clock_hz: u32) -> Option<i64> {
        const YEAR_2010_S: i64 = 1_262_304_000;
        let seconds = (self.ntp >> 32) as i64 - NTP_UNIX_SECONDS;
        if seconds < YEAR_2010_S || clock_hz == 0 {
            return None;
        }
        let micros = ((self.ntp & 0xffff_ffff) * 1_000_000) >> 32;
        let ahead = ts_delta(self.rtp_ts, rtp_ts) * 1_000_000 / i64::from(clock_hz);
        Some(seconds * 1_000_000 + micros as i64 + ahead)
    }
}

/// The sender reports in a compound RTCP packet (RFC 3550 §6.1). Errors: a packet longer than what is left.
pub fn sender_reports(compound: &[u8]) -> Result<Vec<SenderClock>, ParseError> {
    const SR: u8 = 200;
    const MAX_REPORTS: usize = 8;
    let mut out = Vec::new();
    let mut r = Reader::new(compound);
    while !r.is_empty() {
        let (first, kind) = (r.u8()?, r.u8()?);
        if first >> 6 != 2 {
            return Err(ParseError::new("RTCP version is not 2", r.position() - 2));
        }
        let words = r.u16()?;
        let mut body = Reader::new(r.take(usize::from(words) * 4)?);
        if kind == SR && out.len() < MAX_REPORTS {
            out.push(SenderClock { ssrc: body.u32()?, ntp: body.u64()?, rtp_ts: body.u32()? });
        }
    }
    Ok(out)
}

#[derive(Debug, Clone)]
pub struct Reception {
    pub ssrc: u32,
    clock_hz: u32,
    base_seq: u32,
    max_seq: u16,
    cycles: u32,
    received: u64,
    /// Carried over sender restarts.
    lost_before: i64,
    expected_prior: u64,
    received_prior: u64,
    last: Option<(Micros, u32)>,
    /// RFC 3550 A.8: scaled by 16.
    jitter_q4: u32,
    sender: Option<(SenderClock, Micros)>,
}

impl Reception {
    pub fn new(ssrc: u32, clock_hz: u32, first_seq: u16) -> Self {
        Self {
            ssrc,
            clock_hz: clock_hz.max(1),
            base_seq: u32::from(first_seq),
            max_seq: first_seq.wrapping_sub(1),
            cycles: 0,
            received: 0,
            lost_before: 0,
            expected_prior: 0,
            received_prior: 0,
            last: None,
            jitter_q4: 0,
            sender: None,
        }
    }

    /// Count a packet (duplicates too, as RFC 3550 does).
    pub fn received(&mut self, seq: u16, ts: u32, now: Micros) {
        if self.received == 0 {
            self.max_seq = seq;
            self.base_seq = u32::from(seq);
        } else if seq.wrapping_sub(self.max_seq) < 0x8000 {
            if seq < self.max_seq {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.max_seq = seq;
        }
        self.received += 1;
        if let Some((then, last_ts)) = self.last {
            if last_ts != ts {
                let waited = now.since(then).min(10_000_000) * u64::from(self.clock_hz) / 1_000_000;
                let d = (waited as i64 - ts_delta(last_ts, ts)).unsigned_abs();
                // A jump of over ten seconds is a restart, not jitter.
                if d < u64::from(self.clock_hz) * 10 {
                    let change = d as i64 - i64::from((self.jitter_q4 + 8) >> 4);
                    self.jitter_q4 = (i64::from(self.jitter_q4) + change).max(0) as u32;
                }
                self.last = Some((now, ts));
            }
        } else {
            self.last = Some((now, ts));
        }
    }

    /// The sender began a new sequence: what was lost before stays counted.
    pub fn restart(&mut self, seq: u16) {
        self.lost_before += self.expected() as i64 - self.received as i64;
        self.base_seq = u32::from(seq);
        self.max_seq = seq;
        self.cycles = 0;
        self.received = 0;
        self.expected_prior = 0;
        self.received_prior = 0;
        self.last = None;
    }

    pub fn sender_report(&mut self, report: SenderClock, now: Micros) {
        self.sender = Some((report, now));
    }

    pub fn sender_clock(&self) -> Option<SenderClock> {
        self.sender.map(|(clock, _)| clock)
    }

    fn expected(&self) -> u64 {
        if self.received == 0 {
            return 0;
        }
        (u64::from(self.cycles) + u64::from(self.max_seq) + 1).saturating_sub(u64::from(self.base_seq))
    }

    /// Of all packets expected so far: 0.0..=1.0.
    pub fn loss_ratio(&self) -> f64 {
        let lost = self.expected().saturating_sub(self.received);
        if lost == 0 {
            0.0
        } else {
            lost as f64 / self.expected() as f64
        }
    }

    pub fn jitter_ms(&self) -> f64 {
        f64::from(self.jitter_q4 >> 4) * 1000.0 / f64::from(self.clock_hz)
    }

    /// Starts a new interval of `fraction_lost` (RFC 3550 A.3).
    pub fn report(&mut self, now: Micros) -> ReportBlock {
        let expected = self.expected();
        let lost = self.lost_before + expected as i64 - self.received as i64;
        let expected_now = expected.saturating_sub(self.expected_prior);
        let received_now = self.received.saturating_sub(self.received_prior);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = (lost_now << 8).checked_div(expected_now).unwrap_or(0).min(255);
        let (last_sr, delay) = match self.sender {
            Some((clock, at)) => ((clock.ntp >> 16) as u32, now.since(at).saturating_mul(65_536) / 1_000_000),
            None => (0, 0),
        };
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: fraction as u8,
            cumulative_lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            extended_seq: self.cycles | u32::from(self.max_seq),
            jitter: self.jitter_q4 >> 4,
            last_sr,
            delay_since_last_sr: delay.min(u64::from(u32::MAX)) as u32,
        }
    }
}
