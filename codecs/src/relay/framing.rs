//! RTP and RTCP packets out of a TCP byte stream: RFC 4571 (two bytes of length), RTSP's `$` framing (RFC 2326 §10.12)
//! taken as well, and back into step when a sender loses it (quirk 25).
//!
//! A frame is believed when what it holds begins as RTP or RTCP does, with an SSRC heard before; one with another SSRC
//! when the next frame stands where its length says. Else the stream is searched for the same SSRC twice, at the
//! distance that the length between them tells.

use bytes::{Buf, Bytes, BytesMut};

use crate::rtp::header::is_rtcp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framed {
    Rtp(Bytes),
    Rtcp(Bytes),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeframerStats {
    pub frames: u64,
    /// Bytes thrown away while searching for the next packet.
    pub skipped_bytes: u64,
    /// How often framing was lost and found again.
    pub resyncs: u64,
}

/// Some senders put this many bytes before the first packet (EHOME).
const PREAMBLE_BYTES: usize = 256;
/// While searching: three of the largest frames.
const MAX_SEARCH_BYTES: usize = 3 * 65_540;
/// A search over the whole buffer is done only when so much has come since the last.
const SEARCH_STEP: usize = 2048;
const MAX_SSRCS: usize = 4;
/// A longer frame of an SSRC never heard is not waited for: it is searched past.
const MAX_STRANGER_BYTES: usize = 8192;
/// Length, RTP header up to the end of the SSRC; four bytes before it with `$`.
const LOOK_BYTES: usize = 4 + 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    More,
    /// A frame of (prefix, body) bytes whose SSRC is known, or an RTCP packet.
    Sure(usize, usize),
    /// The same with an SSRC never heard.
    Maybe(usize, usize),
    No,
}

#[derive(Debug, Default)]
pub struct Deframer {
    buffer: BytesMut,
    ssrcs: Vec<u32>,
    started: bool,
    searching: bool,
    /// Buffer length at which the next search is worth while.
    search_at: usize,
    stats: DeframerStats,
}

impl Deframer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Out of step: what comes is searched, not understood.
    pub fn is_lost(&self) -> bool {
        self.searching
    }

    pub fn stats(&self) -> DeframerStats {
        self.stats
    }

    /// Take bytes as they came from the socket. Call `next` until `None` after each push.
    pub fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() > MAX_SEARCH_BYTES && self.searching {
            self.skip(self.buffer.len() - MAX_SEARCH_BYTES / 2);
        }
    }

    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Framed> {
        loop {
            if self.searching && !self.search() {
                return None;
            }
            if !self.started && !self.start() {
                return None;
            }
            let (prefix, body) = match self.look(0) {
                Look::More => return None,
                Look::Sure(prefix, body) if self.buffer.len() >= prefix + body => (prefix, body),
                Look::Sure(..) => return None,
                Look::Maybe(prefix, body) => {
                    let end = prefix + body;
                    if self.buffer.len() < end || (self.buffer.len() > end && self.look(end) == Look::More) {
                        return None;
                    }
                    if self.buffer.len() > end && self.look(end) == Look::No {
                        self.lose();
                        continue;
                    }
                    (prefix, body)
                }
                Look::No if self.empty_frame() => {
                    self.buffer.advance(2);
                    continue;
                }
                Look::No => {
                    self.lose();
                    continue;
                }
            };
            self.buffer.advance(prefix);
            let packet = self.buffer.split_to(body).freeze();
            self.stats.frames += 1;
            if is_rtcp(&packet) {
                return Some(Framed::Rtcp(packet));
            }
            self.learn(&packet);
            return Some(Framed::Rtp(packet));
        }
    }

    /// RFC 4571 §2: a frame of length 0 is allowed and means nothing.
    fn empty_frame(&self) -> bool {
        self.buffer.starts_with(&[0, 0])
    }

    fn learn(&mut self, packet: &[u8]) {
        let Some(ssrc) = ssrc_at(packet, 0) else { return };
        match self.ssrcs.iter().position(|s| *s == ssrc) {
            Some(0) => {}
            Some(at) => self.ssrcs.swap(0, at),
            None => {
                self.ssrcs.insert(0, ssrc);
                self.ssrcs.truncate(MAX_SSRCS);
            }
        }
    }

    /// The beginning: a preamble is dropped. False: more bytes are needed to tell.
    fn start(&mut self) -> bool {
        match self.look(0) {
            Look::More => return false,
            Look::No if !self.empty_frame() || self.buffer.len() > PREAMBLE_BYTES => match self.look(PREAMBLE_BYTES) {
                Look::More => return false,
                Look::No => {}
                Look::Sure(..) | Look::Maybe(..) => {
                    self.skip(PREAMBLE_BYTES);
                }
            },
            _ => {}
        }
        self.started = true;
        true
    }

    fn look(&self, at: usize) -> Look {
        let Some(d) = self.buffer.get(at..).filter(|d| d.len() >= 4) else { return Look::More };
        let plain = usize::from(u16::from_be_bytes([d[0], d[1]]));
        let inner = usize::from(u16::from_be_bytes([d[2], d[3]]));
        // `$`, channel 0..=7, length: as a plain length it would be over 9 KiB.
        let with_dollar = if d[0] == b'$' && d[1] < 8 { self.look_at(d, 4, inner) } else { Look::No };
        match with_dollar {
            Look::Sure(..) => with_dollar,
            Look::No => self.look_at(d, 2, plain),
            other => match self.look_at(d, 2, plain) {
                sure @ Look::Sure(..) => sure,
                _ => other,
            },
        }
    }

    fn look_at(&self, d: &[u8], prefix: usize, body: usize) -> Look {
        if body < 8 {
            return Look::No;
        }
        match d.get(prefix) {
            Some(first) if first >> 6 != 2 => return Look::No,
            Some(_) if d.len() >= LOOK_BYTES.min(prefix + body) => {}
            _ => return Look::More,
        }
        if is_rtcp(&d[prefix..]) {
            // RFC 3550 §6.1: the first packet of a compound is a report (or, reduced, any of 200..=206), whole words.
            let kind = d[prefix + 1];
            return if (200..=207).contains(&kind) && body % 4 == 0 { Look::Sure(prefix, body) } else { Look::No };
        }
        match ssrc_at(d, prefix) {
            Some(ssrc) if body >= 12 && self.ssrcs.contains(&ssrc) => Look::Sure(prefix, body),
            Some(_) if body >= 12 && (self.ssrcs.is_empty() || body <= MAX_STRANGER_BYTES) => Look::Maybe(prefix, body),
            _ => Look::No,
        }
    }

    fn lose(&mut self) {
        self.searching = true;
        self.search_at = 0;
    }

    /// True when the buffer begins with a frame again.
    fn search(&mut self) -> bool {
        if self.buffer.len() < self.search_at {
            return false;
        }
        for at in 1..self.buffer.len().saturating_sub(LOOK_BYTES) {
            // Cheap first: the version of what would be the packet.
            if self.buffer[at + 2] >> 6 != 2 && self.buffer[at + 4] >> 6 != 2 {
                continue;
            }
            if self.confirmed(at) {
                self.skip(at);
                self.searching = false;
                self.stats.resyncs += 1;
                return true;
            }
        }
        self.search_at = self.buffer.len() + SEARCH_STEP;
        false
    }

    /// A frame at `at` and another one of the same SSRC right behind it.
    fn confirmed(&self, at: usize) -> bool {
        let (prefix, body) = match self.look(at) {
            Look::Sure(prefix, body) => (prefix, body),
            Look::Maybe(prefix, body) => (prefix, body),
            _ => return false,
        };
        if is_rtcp(&self.buffer[at + prefix..]) {
            return false;
        }
        let next = at + prefix + body;
        let same = |p: usize| {
            let here = ssrc_at(&self.buffer, at + prefix);
            let version = self.buffer.get(next + p).is_some_and(|b| b >> 6 == 2);
            version && here.is_some() && here == ssrc_at(&self.buffer, next + p)
        };
        same(prefix)
    }

    fn skip(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        self.stats.skipped_bytes += bytes as u64;
        self.search_at = self.search_at.saturating_sub(bytes);
    }
}

fn ssrc_at(data: &[u8], packet: usize) -> Option<u32> {
    let s = data.get(packet + 8..packet + 12)?;
    Some(u32::from_be_bytes([s[0], s[1], s[2], s[3]]))
}

/// The other way: a packet with its length before it. `None` when it is too long for 16 bits.
pub fn frame(packet: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let len = u16::try_from(packet.len()).ok()?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(packet);
    Some(())
}
