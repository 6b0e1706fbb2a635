//! The frame port: access units to and from worker processes over an AF_UNIX SOCK_SEQPACKET socket, one record a
//! fragment. The format stands in docs/frame-port.md and is the same both ways; all numbers are big-endian.
//!
//! ```text
//!  0 u8  0xF6            1 u8 version 1      2 u8 kind: 0 track, 1 unit, 2 wish   3 u8 codec
//!  4 u16 flags: 1 key, 2 after loss, 4 first fragment, 8 last fragment, 16 cached   6 u16 generation
//!  8 i64 pts            16 i64 dts          24 i64 capture, Unix µs, or i64::MIN
//! 32 u32 bytes of the whole   36 u32 offset of this fragment   40 data
//! ```

use std::os::fd::RawFd;

use bytes::{BufMut, Bytes, BytesMut};

use super::frame_queue::FrameQueue;
use super::ingest::IngestOutput;
use super::sys;
use crate::error::ParseError;
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::time::Micros;

pub const HEADER_BYTES: usize = 40;
/// Data of one record.
pub const FRAGMENT_BYTES: usize = 60_000;
/// A whole unit, fragments joined.
pub const MAX_UNIT_BYTES: usize = 8 << 20;
const MAX_NALUS: usize = 1024;

pub(super) const TRACK: u8 = 0;
pub(super) const UNIT: u8 = 1;
/// Written back by who reads: a key frame is wanted (`AFTER_LOSS`: because something was lost). Written by who writes: it
/// can ask for key frames, and wants to be told.
pub(super) const WISH: u8 = 2;

pub(super) const KEY: u16 = 1;
pub(super) const AFTER_LOSS: u16 = 2;
pub(super) const FIRST: u16 = 4;
pub(super) const LAST: u16 = 8;
/// Of the group of pictures that was there before the reader came.
pub(super) const CACHED: u16 = 16;
const CODECS: [Codec; 13] = [
    Codec::H264,
    Codec::H265,
    Codec::Aac,
    Codec::Pcma,
    Codec::Pcmu,
    Codec::Opus,
    Codec::G722,
    Codec::L16,
    Codec::Mjpeg,
    Codec::Mpeg2,
    Codec::Mp2,
    Codec::Ac3,
    Codec::Eac3,
];

#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) codec: Codec,
    pub(super) flags: u16,
    pub(super) generation: u16,
    pub(super) pts: i64,
    pub(super) dts: i64,
    pub(super) capture: i64,
    pub(super) total: u32,
    pub(super) offset: u32,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let codec = CODECS.iter().position(|c| *c == self.codec).unwrap_or(0) as u8;
        out[..4].copy_from_slice(&[0xf6, 1, self.kind, codec]);
        out[4..6].copy_from_slice(&self.flags.to_be_bytes());
        out[6..8].copy_from_slice(&self.generation.to_be_bytes());
        out[8..16].copy_from_slice(&self.pts.to_be_bytes());
        out[16..24].copy_from_slice(&self.dts.to_be_bytes());
        out[24..32].copy_from_slice(&self.capture.to_be_bytes());
        out[32..36].copy_from_slice(&self.total.to_be_bytes());
        out[36..40].copy_from_slice(&self.offset.to_be_bytes());
        out
    }

    pub(super) fn parse(b: &[u8]) -> Result<Self, ParseError> {
        let h: &[u8; HEADER_BYTES] = b.first_chunk().ok_or(ParseError::new("frame record truncated", b.len()))?;
        if h[0] != 0xf6 || h[1] != 1 {
            return Err(ParseError::new("not a frame record of version 1", 0));
        }
        let codec =
            CODECS.get(usize::from(h[3])).copied().ok_or(ParseError::new("frame record of unknown codec", 3))?;
        let long = |at: usize| i64::from_be_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| h[at + i]));
        let word = |at: usize| u32::from_be_bytes([h[at], h[at + 1], h[at + 2], h[at + 3]]);
        Ok(Self {
            kind: h[2],
            codec,
            flags: u16::from_be_bytes([h[4], h[5]]),
            generation: u16::from_be_bytes([h[6], h[7]]),
            pts: long(8),
            dts: long(16),
            capture: long(24),
            total: word(32),
            offset: word(36),
        })
    }
}

/// What stands behind a track record's header.
pub(super) fn write_track(p: &TrackParams) -> Bytes {
    let mut out = BytesMut::with_capacity(256);
    out.put_u32(p.clock_hz);
    out.put_u32(p.width);
    out.put_u32(p.height);
    out.put_u32(p.sample_rate_hz);
    out.put_u32(p.profile_level_id);
    out.put_u8(p.channels);
    out.put_u8(u8::from(p.b_frames));
    let profile = &p.profile.as_bytes()[..p.profile.len().min(255)];
    out.put_u8(profile.len() as u8);
    out.put_slice(profile);
    let sets = || p.parameter_sets.iter().filter(|s| s.len() <= usize::from(u16::MAX)).take(255);
    out.put_u8(sets().count() as u8);
    for set in sets() {
        out.put_u16(set.len() as u16);
        out.put_slice(set);
    }
    out.freeze()
}

fn take<'a>(b: &mut &'a [u8], n: usize) -> Result<&'a [u8], ParseError> {
    let (head, tail) = b.split_at_checked(n).ok_or(ParseError::new("frame track record truncated", 0))?;
    *b = tail;
    Ok(head)
}

fn word(b: &mut &[u8]) -> Result<u32, ParseError> {
    take(b, 4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]]))
}

fn read_track(header: &Header, mut b: &[u8]) -> Result<TrackParams, ParseError> {
    let b = &mut b;
    let (clock_hz, width, height, sample_rate_hz, profile_level_id) =
        (word(b)?, word(b)?, word(b)?, word(b)?, word(b)?);
    if !(1_000..=1_000_000).contains(&clock_hz) {
        return Err(ParseError::new("frame track record with an impossible clock", HEADER_BYTES));
    }
    let (channels, b_frames, len) = (take(b, 1)?[0], take(b, 1)?[0] != 0, take(b, 1)?[0]);
    let profile = String::from_utf8_lossy(take(b, usize::from(len))?).into_owned();
    let mut parameter_sets = Vec::new();
    for _ in 0..take(b, 1)?[0] {
        let len = take(b, 2)?;
        let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
        parameter_sets.push(Bytes::copy_from_slice(take(b, len)?));
    }
    Ok(TrackParams {
        codec: header.codec,
        clock_hz,
        generation: u32::from(header.generation),
        width,
        height,
        profile,
        profile_level_id,
        b_frames,
        channels,
        sample_rate_hz,
        parameter_sets,
    })
}

/// NAL units, each behind its length in four bytes.
pub(super) fn write_unit(unit: &AccessUnit) -> Bytes {
    let mut out = BytesMut::with_capacity(unit.len() + 4 * unit.nalus.len());
    for nalu in &unit.nalus {
        out.put_u32(nalu.len() as u32);
        out.put_slice(nalu);
    }
    out.freeze()
}

fn read_unit(header: &Header, data: &Bytes, now: Micros) -> Result<AccessUnit, ParseError> {
    let mut nalus = Vec::new();
    let mut at = 0;
    while at < data.len() {
        let mut rest = &data[at..];
        let len = word(&mut rest)? as usize;
        if len > rest.len() || nalus.len() == MAX_NALUS {
            return Err(ParseError::new("frame unit's parts do not fit", at));
        }
        nalus.push(data.slice(at + 4..at + 4 + len));
        at += 4 + len;
    }
    let kind = header.codec.kind();
    Ok(AccessUnit {
        kind,
        nalus,
        pts: header.pts,
        dts: header.dts,
        key: kind == Kind::Audio || header.flags & KEY != 0,
        after_loss: header.flags & AFTER_LOSS != 0,
        arrival: now,
        capture_unix_us: (header.capture != i64::MIN).then_some(header.capture),
    })
}

/// Records in, units out: joins fragments, refuses what is not as documented. Pure but for `read`.
#[derive(Debug, Default)]
pub struct FrameReader {
    whole: BytesMut,
    total: usize,
    problem: Option<&'static str>,
    record: Vec<u8>,
    /// Who writes can ask its source for key frames.
    wants_wishes: bool,
}

/// A record that says that a key frame is wanted.
pub(super) fn wish(after_loss: bool) -> [u8; HEADER_BYTES] {
    let flags = FIRST | LAST | if after_loss { AFTER_LOSS } else { 0 };
    Header {
        kind: WISH,
        codec: Codec::H264,
        flags,
        generation: 0,
        pts: 0,
        dts: 0,
        capture: i64::MIN,
        total: 0,
        offset: 0,
    }
    .to_bytes()
}

/// Whether a record that a reader wrote back is a wish, and whether because of a loss.
pub(super) fn read_wish(record: &[u8]) -> Option<bool> {
    Header::parse(record).ok().filter(|h| h.kind == WISH).map(|h| h.flags & AFTER_LOSS != 0)
}

impl FrameReader {
    /// One record. `Ok(None)`: more fragments are to come.
    pub fn push(&mut self, record: &[u8], now: Micros) -> Result<Option<IngestOutput>, ParseError> {
        self.put(&Header::parse(record)?, &record[HEADER_BYTES..], now)
    }

    /// One whose header is known already.
    fn put(&mut self, header: &Header, data: &[u8], now: Micros) -> Result<Option<IngestOutput>, ParseError> {
        if header.kind == WISH {
            self.wants_wishes = true;
            return Ok(None);
        }
        let total = header.total as usize;
        if header.flags & FIRST != 0 {
            self.whole.clear();
            self.total = total;
        }
        let fits = total == self.total && header.offset as usize == self.whole.len();
        if total > MAX_UNIT_BYTES || !fits || self.whole.len() + data.len() > total {
            self.whole.clear();
            self.total = usize::MAX;
            return Err(ParseError::new("frame fragment does not fit", 32));
        }
        self.whole.extend_from_slice(data);
        if header.flags & LAST == 0 {
            return Ok(None);
        }
        if self.whole.len() != total {
            return Err(ParseError::new("frame ends before its length", 32));
        }
        let data = self.whole.split().freeze();
        match header.kind {
            TRACK => read_track(header, &data).map(|p| Some(IngestOutput::Track(p))),
            UNIT => read_unit(header, &data, now).map(|u| Some(IngestOutput::Unit(u))),
            _ => Err(ParseError::new("frame record of unknown kind", 2)),
        }
    }

    /// Read what waits (bounded). False when the peer closed.
    pub fn read(&mut self, fd: RawFd, now: Micros, out: &mut Vec<IngestOutput>) -> bool {
        let mut record = std::mem::take(&mut self.record);
        record.resize(HEADER_BYTES + FRAGMENT_BYTES + 1, 0);
        let mut open = true;
        for _ in 0..64 {
            match sys::read(fd, &mut record) {
                Ok(0) => {
                    open = false;
                    break;
                }
                Ok(n) => match self.push(&record[..n], now) {
                    Ok(found) => out.extend(found),
                    Err(error) => self.problem = Some(error.what),
                },
                Err(e) => {
                    open = e.kind() == std::io::ErrorKind::WouldBlock;
                    break;
                }
            }
        }
        self.record = record;
        open
    }

    /// What a writer in the same thread has.
    pub(super) fn take(&mut self, queue: &mut FrameQueue, now: Micros, out: &mut Vec<IngestOutput>) {
        while let Some((header, data)) = queue.pop() {
            match Header::parse(&header).and_then(|header| self.put(&header, &data, now)) {
                Ok(found) => out.extend(found),
                Err(error) => self.problem = Some(error.what),
            }
        }
    }

    pub fn wants_wishes(&self) -> bool {
        self.wants_wishes
    }

    pub fn take_problem(&mut self) -> Option<&'static str> {
        self.problem.take()
    }
}
