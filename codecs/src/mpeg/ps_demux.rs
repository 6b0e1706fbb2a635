//! Program stream in, frames out; as tolerant as devices are careless (GB/T 28181-2022 annex C; quirks 26 to 32).
//!
//! - Hunts for a pack header at the start and after loss; skips system headers, private and padding packets by length.
//! - A video frame is all PES packets from one with PTS to the next with PTS: frames over 64 KiB are split so. Where
//!   an outer sign (RTP marker, timestamp change) has proved to end frames, it ends them at once.
//! - PES length 0, or one that is too short (16-bit overflow): runs to the next system start code. No video byte stream
//!   can contain one: its NAL headers begin with a 0 bit.
//! - PES length too long: a pack header at the start of a payload ends it.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::pes::{Look, PesHeader, FIXED_BYTES};
use super::psi::{ProgramStreamMap, Stream};
use super::{is_audio_id, is_video_id, EsChunk, Trust};
use crate::packet::annexb;
use crate::packet::nalus::MAX_UNIT_BYTES;

/// An audio PES packet has at most this (16-bit length).
const MAX_AUDIO_BYTES: usize = 65_536;
/// Larger program stream maps are skipped.
const MAX_PSM_BYTES: usize = 1024;
/// Chunks waiting for `poll`; the oldest go when nobody polls.
const MAX_QUEUE: usize = 256;
const PACK: [u8; 4] = [0, 0, 1, 0xba];

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PsStats {
    /// Program stream maps with a wrong CRC or wrong lengths.
    pub psm_bad: u64,
    /// Start codes found missing where one was due.
    pub resyncs: u64,
    /// Private and unknown packets skipped by length.
    pub skipped_packets: u64,
    pub skipped_bytes: u64,
    /// Frames over the limit.
    pub oversized: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Looking for a pack header.
    Hunt,
    /// A start code is due.
    Head,
    /// So many bytes of the open PES packet are to come.
    Body {
        video: bool,
        left: usize,
    },
    /// Video up to the next system start code.
    Unbounded,
    Skip(usize),
}

#[derive(Debug, Default)]
struct Pending {
    data: BytesMut,
    id: u8,
    pts: Option<u64>,
    dts: Option<u64>,
    damaged: bool,
}

#[derive(Debug)]
pub struct PsDemux {
    state: State,
    /// Beginning of a header that is not complete yet.
    head: BytesMut,
    video: Pending,
    audio: Pending,
    video_id: Option<u8>,
    audio_id: Option<u8>,
    map: Vec<Stream>,
    trust: Trust,
    /// An outer sign said that the frame ends here; not yet confirmed.
    hinted: bool,
    /// PTS and DTS of the first frame that begins in the open PES packet (§2.4.3.7): it need not begin at its start.
    stamp: Option<(Option<u64>, Option<u64>)>,
    /// The last PES packet was video: what follows without a start code belongs to it.
    after_video: bool,
    queue: VecDeque<EsChunk>,
    stats: PsStats,
}

impl Default for PsDemux {
    fn default() -> Self {
        Self::new()
    }
}

impl PsDemux {
    pub fn new() -> Self {
        Self {
            state: State::Hunt,
            head: BytesMut::new(),
            video: Pending::default(),
            audio: Pending::default(),
            video_id: None,
            audio_id: None,
            map: Vec::new(),
            trust: Trust::default(),
            hinted: false,
            stamp: None,
            after_video: false,
            queue: VecDeque::new(),
            stats: PsStats::default(),
        }
    }

    pub fn stats(&self) -> PsStats {
        self.stats
    }

    pub fn poll(&mut self) -> Option<EsChunk> {
        self.queue.pop_front()
    }

    /// Stream bytes as they come, cut anywhere. A pack header at the very start of `data` is always believed.
    pub fn push(&mut self, data: &[u8]) {
        if data.starts_with(&PACK) && self.state != State::Head {
            if matches!(self.state, State::Body { .. } | State::Skip(_)) {
                self.stats.resyncs += 1;
                self.end_audio();
            }
            self.state = State::Head;
            self.head.clear();
        }
        self.feed(data);
    }

    /// An outer sign that the frame ends with what was pushed so far.
    pub fn end_hint(&mut self) {
        if self.video.data.is_empty() {
            return;
        }
        if matches!(self.state, State::Body { .. }) || !self.head.is_empty() {
            self.trust.deny();
            return;
        }
        if self.trust.trusted() {
            self.end_video();
            self.after_video = false;
            if self.state == State::Unbounded {
                self.state = State::Head;
            }
        }
        self.hinted = true;
    }

    /// Nothing came for a while after a hint: give out what is there. True if it did.
    pub fn flush_hinted(&mut self) -> bool {
        if !self.hinted || self.video.data.is_empty() || matches!(self.state, State::Body { .. }) {
            return false;
        }
        self.end_video();
        self.after_video = false;
        true
    }

    /// A frame waits only for a confirmation that it is complete.
    pub fn waits_hinted(&self) -> bool {
        self.hinted && !self.video.data.is_empty() && !matches!(self.state, State::Body { .. })
    }

    /// Bytes are missing between the last `push` and the next: drop what is unfinished, hunt.
    pub fn lost(&mut self) {
        if !self.video.data.is_empty() || matches!(self.state, State::Body { video: true, .. } | State::Unbounded) {
            // A frame that was said to be complete is believed to be.
            self.video.damaged = !self.hinted;
            self.end_video();
        }
        self.audio.data.clear();
        self.head.clear();
        self.state = State::Hunt;
        self.hinted = false;
        self.stamp = None;
        self.after_video = false;
    }

    /// The end of everything: what is unfinished comes out as it is.
    pub fn finish(&mut self) {
        self.end_video();
        self.end_audio();
        self.state = State::Hunt;
    }

    fn feed(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            match self.state {
                State::Hunt => data = self.hunt(data),
                State::Head => data = self.header(data),
                State::Skip(left) => {
                    let n = left.min(data.len());
                    data = &data[n..];
                    self.state = if n == left { State::Head } else { State::Skip(left - n) };
                }
                State::Body { video, left } => {
                    let n = left.min(data.len());
                    self.body(video, &data[..n]);
                    data = &data[n..];
                    if n == left {
                        self.state = State::Head;
                        if !video {
                            self.end_audio();
                        }
                    } else if matches!(self.state, State::Body { .. }) {
                        self.state = State::Body { video, left: left - n };
                    }
                }
                State::Unbounded => data = self.unbounded(data),
            }
        }
    }

    /// Drops bytes up to a pack header.
    fn hunt<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        // The start code may be cut by the end of the last push: at most three bytes are kept for that.
        if !self.head.is_empty() {
            let kept = self.head.len();
            self.head.extend_from_slice(&data[..data.len().min(3)]);
            if let Some(at) = find_pack(&self.head) {
                self.stats.skipped_bytes += at as u64;
                let used = at + 4 - kept;
                self.head.clear();
                self.head.extend_from_slice(&PACK);
                self.state = State::Head;
                return &data[used..];
            }
            if data.len() < 3 {
                let old = self.head.len().saturating_sub(3);
                drop(self.head.split_to(old));
                self.stats.skipped_bytes += old as u64;
                return &[];
            }
            self.stats.skipped_bytes += kept as u64;
            self.head.clear();
        }
        if let Some(at) = find_pack(data) {
            self.stats.skipped_bytes += at as u64;
            self.state = State::Head;
            return &data[at..];
        }
        let keep = data.len().min(3);
        self.stats.skipped_bytes += (data.len() - keep) as u64;
        self.head.extend_from_slice(&data[data.len() - keep..]);
        &[]
    }

    fn header<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        if self.head.is_empty() {
            return match look(data) {
                Look::Need(_) => {
                    self.head.extend_from_slice(data);
                    &[]
                }
                Look::Found(header) => {
                    let bytes = &data[..header.bytes()];
                    self.begin(header, bytes);
                    &data[header.bytes()..]
                }
                Look::Bad => self.no_start_code(data),
            };
        }
        let mut data = data;
        loop {
            match look(&self.head) {
                Look::Need(n) => {
                    let missing = n.saturating_sub(self.head.len()).max(1);
                    let (now, later) = data.split_at(missing.min(data.len()));
                    self.head.extend_from_slice(now);
                    data = later;
                    if now.len() < missing {
                        return data;
                    }
                }
                Look::Found(header) => {
                    let bytes = self.head.split_to(header.bytes());
                    self.begin(header, &bytes);
                    let carry = std::mem::take(&mut self.head);
                    self.feed(&carry);
                    return data;
                }
                Look::Bad => {
                    let carry = std::mem::take(&mut self.head);
                    let rest = self.no_start_code(&carry);
                    self.feed(rest);
                    return data;
                }
            }
        }
    }

    /// A start code is due at `data` and is not there. Makes progress: the state changes or bytes go.
    fn no_start_code<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        if data[0] == 0 && data.get(1) == Some(&0) && data.get(2) == Some(&0) {
            self.stats.skipped_bytes += 1;
            return &data[1..]; // stuffing, or a four-byte start code
        }
        self.stats.resyncs += 1;
        if self.after_video {
            self.state = State::Unbounded;
            return data;
        }
        self.video.damaged |= !self.video.data.is_empty();
        // Any system start code will do here; only after loss a pack header is insisted on.
        let mut from = 1;
        while let Some(at) = annexb::find_start_code(data, from) {
            if data.get(at + 3).is_none_or(|b| *b >= 0xba) {
                self.stats.skipped_bytes += at as u64;
                return &data[at..];
            }
            from = at + 3;
        }
        self.stats.skipped_bytes += data.len() as u64;
        self.state = State::Hunt;
        self.head.clear();
        let keep = data.len().min(3);
        self.head.extend_from_slice(&data[data.len() - keep..]);
        &[]
    }

    fn begin(&mut self, header: Header, bytes: &[u8]) {
        match header {
            Header::Pack(_) => self.state = State::Head,
            Header::Skip { body, private } => {
                self.stats.skipped_packets += u64::from(private);
                self.after_video = false;
                self.state = if body == 0 { State::Head } else { State::Skip(body) };
            }
            Header::Map(_) => {
                let map = ProgramStreamMap::parse(bytes);
                self.stats.psm_bad += u64::from(map.bad);
                if !map.streams.is_empty() {
                    self.map = map.streams;
                }
                self.after_video = false;
                self.state = State::Head;
            }
            Header::Pes(pes) => self.begin_pes(pes),
        }
    }

    fn begin_pes(&mut self, pes: PesHeader) {
        let video = is_video_id(pes.stream_id);
        let known = if video { &mut self.video_id } else { &mut self.audio_id };
        if *known.get_or_insert(pes.stream_id) != pes.stream_id {
            // A second camera or microphone in one program: the first one is the stream.
            self.stats.skipped_packets += 1;
            self.after_video = false;
            self.state = State::Skip(pes.body_bytes.unwrap_or(0));
            return;
        }
        if video {
            if pes.pts.is_some() {
                self.stamp = Some((pes.pts, pes.dts));
            }
            self.video.id = pes.stream_id;
            self.after_video = true;
        } else {
            self.end_audio();
            self.audio.id = pes.stream_id;
            self.audio.pts = pes.pts;
            self.after_video = false;
        }
        self.state = match pes.body_bytes {
            Some(0) => State::Head,
            Some(left) => State::Body { video, left },
            None if video => State::Unbounded,
            None => State::Hunt,
        };
    }

    fn body(&mut self, video: bool, bytes: &[u8]) {
        if video {
            self.video_bytes(bytes);
        } else if self.audio.data.len() + bytes.len() <= MAX_AUDIO_BYTES {
            self.audio.data.extend_from_slice(bytes);
        }
    }

    fn video_bytes(&mut self, bytes: &[u8]) {
        if self.hinted {
            // After the sign that a frame ended: another one by its start code, or the sign was wrong.
            self.hinted = false;
            let begins = annexb::has_start_code(bytes) || (bytes.len() < 4 && bytes.iter().all(|b| *b == 0));
            if begins {
                self.trust.confirm();
                self.end_video();
            } else {
                self.trust.deny();
            }
        }
        if self.video.data.len() + bytes.len() > MAX_UNIT_BYTES {
            self.stats.oversized += 1;
            self.lost();
            return;
        }
        let before = self.video.data.len();
        self.video.data.extend_from_slice(bytes);
        if self.stamp.is_some() {
            self.stamp_frame(before.saturating_sub(3));
        }
    }

    /// The first start code in a PES packet with PTS begins the frame that the PTS belongs to.
    fn stamp_frame(&mut self, from: usize) {
        let Some(at) = annexb::find_start_code(&self.video.data, from) else { return };
        let Some((pts, dts)) = self.stamp.take() else { return };
        let zeros = self.video.data[..at].iter().rev().take_while(|b| **b == 0).count();
        let at = at - zeros;
        let begun = self.video.data.split_off(at);
        self.end_video();
        self.video.data = begun;
        self.video.pts = pts;
        self.video.dts = dts;
    }

    fn unbounded<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        self.video_bytes(data);
        if self.state != State::Unbounded {
            return &[];
        }
        // The buffer ends with all of `data`, or with the end of it when a frame was given out meanwhile.
        let len = self.video.data.len();
        let (kept, cut) = (len.saturating_sub(data.len()), data.len().saturating_sub(len));
        let mut from = kept.saturating_sub(3);
        while let Some(at) = annexb::find_start_code(&self.video.data, from) {
            match self.video.data.get(at + 3) {
                Some(code) if *code >= 0xba => {
                    self.video.data.truncate(at);
                    // What of it came with earlier pushes is known: it is a prefix of 00 00 01.
                    let earlier = kept.saturating_sub(at).min(3);
                    self.head.clear();
                    self.head.extend_from_slice(&[0, 0, 1][..earlier]);
                    self.state = State::Head;
                    self.after_video = false;
                    return &data[(at + earlier + cut - kept)..];
                }
                Some(_) => from = at + 3,
                None => break,
            }
        }
        &[]
    }

    fn end_video(&mut self) {
        Self::end(&mut self.video, &self.map, &mut self.queue);
    }

    fn end_audio(&mut self) {
        Self::end(&mut self.audio, &self.map, &mut self.queue);
    }

    fn end(pending: &mut Pending, map: &[Stream], queue: &mut VecDeque<EsChunk>) {
        let damaged = std::mem::take(&mut pending.damaged);
        let (pts, dts) = (pending.pts.take(), pending.dts.take());
        if pending.data.is_empty() && !damaged {
            return;
        }
        if queue.len() >= MAX_QUEUE {
            queue.pop_front();
        }
        let known = map.iter().find(|s| s.id == u16::from(pending.id));
        let stream_type = known.map_or(0, |s| s.stream_type);
        let data = pending.data.split().freeze();
        queue.push_back(EsChunk { stream_id: pending.id, stream_type, pts, dts, data, damaged });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    Pack(usize),
    Map(usize),
    Skip { body: usize, private: bool },
    Pes(PesHeader),
}

impl Header {
    fn bytes(self) -> usize {
        match self {
            Header::Pack(n) | Header::Map(n) => n,
            Header::Skip { .. } => FIXED_BYTES,
            Header::Pes(pes) => pes.header_bytes,
        }
    }
}

/// What begins at `data`.
fn look(data: &[u8]) -> Look<Header> {
    if data.len() < 4 {
        let maybe = data.iter().zip([0, 0, 1]).all(|(a, b)| *a == b);
        return if maybe { Look::Need(4) } else { Look::Bad };
    }
    if data[..3] != [0, 0, 1] {
        return Look::Bad;
    }
    let id = data[3];
    match id {
        0xb9 => Look::Found(Header::Pack(4)), // end code
        0xba => look_pack(data),
        0xbc if data.len() < FIXED_BYTES => Look::Need(FIXED_BYTES),
        0xbc => {
            let bytes = FIXED_BYTES + length(data);
            if bytes > MAX_PSM_BYTES {
                Look::Found(Header::Skip { body: bytes - FIXED_BYTES, private: false })
            } else if data.len() < bytes {
                Look::Need(bytes)
            } else {
                Look::Found(Header::Map(bytes))
            }
        }
        _ if is_video_id(id) || is_audio_id(id) => match PesHeader::look(data) {
            Look::Need(n) => Look::Need(n),
            Look::Found(pes) => Look::Found(Header::Pes(pes)),
            Look::Bad => Look::Bad,
        },
        0xbb | 0xbd..=0xbf | 0xf0..=0xff if data.len() < FIXED_BYTES => Look::Need(FIXED_BYTES),
        0xbb | 0xbd..=0xbf | 0xf0..=0xff => Look::Found(Header::Skip { body: length(data), private: id != 0xbb }),
        _ => Look::Bad,
    }
}

fn length(data: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([data[4], data[5]]))
}

/// Pack header (§2.5.3.3), MPEG-1 form too. `00 00 01 BA` with another start code directly behind it is an empty pack.
fn look_pack(data: &[u8]) -> Look<Header> {
    let Some(&first) = data.get(4) else { return Look::Need(5) };
    if first & 0xc0 == 0x40 {
        let Some(&last) = data.get(13) else { return Look::Need(14) };
        let bytes = 14 + usize::from(last & 7);
        return if data.len() < bytes { Look::Need(bytes) } else { Look::Found(Header::Pack(bytes)) };
    }
    if first & 0xf0 == 0x20 {
        return if data.len() < 12 { Look::Need(12) } else { Look::Found(Header::Pack(12)) };
    }
    Look::Found(Header::Pack(4))
}

fn find_pack(data: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = annexb::find_start_code(data, from) {
        if data.get(at + 3) == Some(&0xba) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
