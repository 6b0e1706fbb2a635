//! Program stream in, frames out; as tolerant as devices are careless (GB/T 28181-2022 annex C; quirks 26 to 32).
//!
//! - Hunts for a pack header at the start and after loss; skips system headers, private and padding packets by length.
//! - A video frame is all PES packets from one with PTS to the next with PTS: frames over 64 KiB are split so. Where
//!   an outer sign (RTP marker, timestamp change) has proved to end frames, it ends them at once.
//! - PES length 0, or one that is too short (16-bit overflow): runs to the next system start code. No video byte stream
//!   can contain one: its NAL headers begin with a 0 bit.
//! - PES length too long: a pack header at the start of a payload ends it.

use bytes::BytesMut;

use super::pes::{Look, PesHeader};
use super::ps_frames::Frames;
use super::ps_syntax::{find_pack, look, Header};
use super::psi::ProgramStreamMap;
use super::{is_video_id, EsChunk};
use crate::packet::annexb;

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

#[derive(Debug)]
pub struct PsDemux {
    state: State,
    /// Beginning of a header that is not complete yet.
    head: BytesMut,
    frames: Frames,
    video_id: Option<u8>,
    audio_id: Option<u8>,
    /// The last PES packet was video: what follows without a start code belongs to it.
    after_video: bool,
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
            frames: Frames::default(),
            video_id: None,
            audio_id: None,
            after_video: false,
            stats: PsStats::default(),
        }
    }

    pub fn stats(&self) -> PsStats {
        self.stats
    }

    pub fn poll(&mut self) -> Option<EsChunk> {
        self.frames.poll()
    }

    /// Stream bytes as they come, cut anywhere. A pack header at the very start of `data` is always believed.
    pub fn push(&mut self, data: &[u8]) {
        if data.starts_with(&PACK) && self.state != State::Head {
            if matches!(self.state, State::Body { .. } | State::Skip(_)) {
                self.stats.resyncs += 1;
                self.frames.end_audio();
            }
            self.state = State::Head;
            self.head.clear();
        }
        self.feed(data);
    }

    /// An outer sign that the frame ends with what was pushed so far.
    pub fn end_hint(&mut self) {
        let open = matches!(self.state, State::Body { .. }) || !self.head.is_empty();
        if self.frames.hint(open) {
            self.ended();
        }
    }

    /// Nothing came for a while after a hint: give out what is there. True if it did.
    pub fn flush_hinted(&mut self) -> bool {
        let waits = self.waits_hinted();
        if waits {
            self.frames.end_video();
            self.ended();
        }
        waits
    }

    fn ended(&mut self) {
        self.after_video = false;
        if self.state == State::Unbounded {
            self.state = State::Head;
        }
    }

    /// A frame waits only for a confirmation that it is complete.
    pub fn waits_hinted(&self) -> bool {
        self.frames.waits_hinted() && !matches!(self.state, State::Body { .. })
    }

    /// Bytes are missing between the last `push` and the next: drop what is unfinished, hunt.
    pub fn lost(&mut self) {
        self.frames.lost(matches!(self.state, State::Body { video: true, .. } | State::Unbounded));
        self.head.clear();
        self.state = State::Hunt;
        self.after_video = false;
    }

    /// The end of everything: what is unfinished comes out as it is.
    pub fn finish(&mut self) {
        self.frames.end_video();
        self.frames.end_audio();
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
                            self.frames.end_audio();
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
        self.frames.damage_video();
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
                    self.frames.set_map(map.streams);
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
        self.after_video = video;
        if video {
            self.frames.begin_video(pes.stream_id, pes.pts, pes.dts);
        } else {
            self.frames.begin_audio(pes.stream_id, pes.pts);
        }
        self.state = match pes.body_bytes {
            Some(0) => State::Head,
            Some(left) => State::Body { video, left },
            None if video => State::Unbounded,
            None => State::Hunt,
        };
    }

    fn body(&mut self, video: bool, bytes: &[u8]) {
        if !video {
            self.frames.audio_bytes(bytes);
        } else if !self.frames.video_bytes(bytes) {
            self.stats.oversized += 1;
            self.lost();
        }
    }

    fn unbounded<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        self.body(true, data);
        if self.state != State::Unbounded {
            return &[];
        }
        // The buffer ends with all of `data`, or with the end of it when a frame was given out meanwhile.
        let len = self.frames.video().len();
        let (kept, cut) = (len.saturating_sub(data.len()), data.len().saturating_sub(len));
        let mut from = kept.saturating_sub(3);
        while let Some(at) = annexb::find_start_code(self.frames.video(), from) {
            match self.frames.video().get(at + 3) {
                Some(code) if *code >= 0xba => {
                    self.frames.truncate_video(at);
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
}
