//! Frames of vehicle terminals (JT/T 1078-2016 §5.5.3, table 19): fragments of up to 950 bytes behind "01cd", video and
//! sound of one channel of one terminal over a TCP connection of its own.
//!
//! Terminals differ from the text: the number of a 2019 terminal may stand in 10 bytes of BCD instead of 6, lengths go
//! over 950, G.711 comes with a HiSilicon header of four bytes, times stand still. The content decides.

use bytes::{BufMut, Bytes, BytesMut};

use super::tracks::{Stamp, Tracks};
use super::{Found, Reader};
use crate::error::ParseError;
use crate::hub::unit::Codec;
use crate::packet::aac;
use crate::packet::nalus::MAX_UNIT_BYTES;
use crate::time::Micros;

pub const MAGIC: [u8; 4] = *b"01cd";
/// Version 2, one CSRC: what the text has as V, P, X, CC.
const FLAGS: u8 = 0x81;
/// Of a fragment (table 19); we write no more.
pub const MAX_BODY_BYTES: usize = 950;
/// Length of the terminal's number: 2013 and 2019.
const ID_BYTES: [usize; 2] = [6, 10];
/// Without any frame in so much it is something else.
const MAX_STRAY_BYTES: usize = 256 * 1024;
const AUDIO: u8 = 3;
const TRANSPARENT: u8 = 4;

/// Payload types of table 12.
pub mod payload_type {
    pub const G711A: u8 = 6;
    pub const G711U: u8 = 7;
    pub const AAC: u8 = 19;
    pub const ADPCMA: u8 = 26;
    pub const H264: u8 = 98;
    pub const H265: u8 = 99;
}

/// What stands before the data of a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub marker: bool,
    pub payload_type: u8,
    pub seq: u16,
    pub channel: u8,
    /// 0 I, 1 P, 2 B, 3 sound, 4 transparent data.
    pub data_type: u8,
    /// 0 whole, 1 first, 2 last, 3 between.
    pub part: u8,
    pub time_ms: u64,
    pub header_bytes: usize,
    pub body_bytes: usize,
}

impl Header {
    /// `Ok(None)`: more bytes are needed. `data` begins with the magic.
    pub fn parse(data: &[u8], id_bytes: usize) -> Result<Option<Self>, ParseError> {
        let at = 8 + id_bytes;
        let Some(&[channel, kind]) = data.get(at..at + 2) else { return Ok(None) };
        let (data_type, part) = (kind >> 4, kind & 15);
        if data_type > TRANSPARENT || part > 3 {
            return Err(ParseError::new("JT/T 1078 data type", at + 1));
        }
        let after = at + 2;
        let length_at = match data_type {
            TRANSPARENT => after,
            AUDIO => after + 8,
            _ => after + 12,
        };
        let Some(&[hi, lo]) = data.get(length_at..length_at + 2) else { return Ok(None) };
        let time = data.get(after..after + 8).filter(|_| data_type != TRANSPARENT);
        Ok(Some(Self {
            marker: data[5] & 0x80 != 0,
            payload_type: data[5] & 0x7f,
            seq: u16::from_be_bytes([data[6], data[7]]),
            channel,
            data_type,
            part,
            time_ms: time.and_then(|t| t.try_into().ok()).map_or(0, u64::from_be_bytes),
            header_bytes: length_at + 2,
            body_bytes: usize::from(u16::from_be_bytes([hi, lo])),
        }))
    }

    fn bytes(&self) -> usize {
        self.header_bytes + self.body_bytes
    }
}

#[derive(Debug, Default)]
pub struct Jt1078Reader {
    data: BytesMut,
    /// 0: not known yet.
    id_bytes: usize,
    stray: usize,
    last_seq: Option<u16>,
    picture: Gathering,
    sound: Gathering,
    tracks: Tracks,
    /// To the terminal, once it has said who it is.
    back: Option<AudioWriter>,
}

/// Fragments of one frame.
#[derive(Debug, Default)]
struct Gathering {
    data: BytesMut,
    open: bool,
    payload_type: u8,
    time_ms: u64,
}

impl Jt1078Reader {
    pub fn new() -> Self {
        Self::default()
    }

    /// Up to the next magic; what may be the beginning of one stays.
    fn search(&mut self) {
        let at = self.data.windows(4).position(|w| w == MAGIC);
        let skip = at.unwrap_or(self.data.len().saturating_sub(3));
        drop(self.data.split_to(skip));
        self.stray += skip;
    }

    /// The header at the start, and how long the terminal's number is.
    fn header(&mut self) -> Result<Option<Header>, ParseError> {
        if self.id_bytes != 0 {
            return Header::parse(&self.data, self.id_bytes);
        }
        // The right length is the one after whose frame another begins.
        let mut wait = false;
        for id_bytes in ID_BYTES {
            match Header::parse(&self.data, id_bytes) {
                Ok(Some(h)) if self.data.len() < h.bytes() + MAGIC.len() => wait = true,
                Ok(Some(h)) if self.data[h.bytes()..].starts_with(&MAGIC) => {
                    self.id_bytes = id_bytes;
                    return Ok(Some(h));
                }
                Ok(None) => wait = true,
                _ => {}
            }
        }
        if wait && self.data.len() <= usize::from(u16::MAX) {
            return Ok(None);
        }
        Err(ParseError::new("no JT/T 1078 frame behind this one", 0))
    }

    fn frame(&mut self, h: &Header, body: &[u8], now: Micros, out: &mut Vec<Found>) {
        let gap = self.last_seq.replace(h.seq).is_some_and(|last| h.seq != last.wrapping_add(1) && h.seq != last);
        if gap {
            // Sound has numbers of its own at some terminals: only what is being gathered is broken.
            for g in [&mut self.picture, &mut self.sound] {
                if g.open && matches!(h.part, 2 | 3) {
                    g.open = false;
                    g.data.clear();
                }
            }
        }
        match h.data_type {
            0..=2 => self.video(h, body, now, out),
            AUDIO => self.audio(h, body, now, out),
            _ => {}
        }
    }

    fn video(&mut self, h: &Header, body: &[u8], now: Micros, out: &mut Vec<Found>) {
        let codec = match h.payload_type {
            payload_type::H264 => Codec::H264,
            payload_type::H265 => Codec::H265,
            other => {
                let name = match other {
                    100 => "AVS",
                    101 => "SVAC",
                    _ => "?",
                };
                let detail = format!("{name} (PT {other})");
                return self.tracks.problem("codec-unsupported", detail, now, out);
            }
        };
        let Some(data) = self.picture.add(h, body) else { return self.missing(h, now, out) };
        let Some(data) = data else { return };
        let stamp = Stamp { pts: Some((self.picture.time_ms & 0xff_ffff_ffff) as i64 * 90), dts: None };
        self.tracks.annexb(codec, &data, stamp, false, now, out);
    }

    fn missing(&mut self, h: &Header, now: Micros, out: &mut Vec<Found>) {
        if h.data_type == AUDIO {
            self.tracks.lost_audio();
        } else {
            self.tracks.lost(now, out);
        }
    }

    fn audio(&mut self, h: &Header, body: &[u8], now: Micros, out: &mut Vec<Found>) {
        let Some(data) = self.sound.add(h, body) else { return self.missing(h, now, out) };
        let Some(data) = data else { return };
        let stamp = Stamp { pts: Some((self.sound.time_ms & 0xff_ffff_ffff) as i64 * 90), dts: None };
        let data = without_vendor_header(data);
        match h.payload_type {
            payload_type::G711A => self.tracks.audio(Codec::Pcma, data, stamp, now, out),
            payload_type::G711U => self.tracks.audio(Codec::Pcmu, data, stamp, now, out),
            other => {
                // AAC under any of its numbers, if it is ADTS.
                if let (Some(config), frames) = aac::split_adts(&data) {
                    let frames = frames.into_iter().map(|f| data.slice_ref(f)).collect::<Vec<_>>();
                    return self.tracks.aac(config, frames, stamp, now, out);
                }
                let detail = format!("{} (PT {other})", audio_name(other));
                self.tracks.problem("audio-unsupported", detail, now, out);
            }
        }
    }
}

fn audio_name(payload_type: u8) -> &'static str {
    match payload_type {
        1 => "G.721",
        2 => "G.722",
        3 => "G.723",
        4 => "G.728",
        5 | 9 => "G.729",
        8 => "G.726",
        10..=13 => "DVI4",
        17 | 25 => "MP3",
        16 | 18 | 22 | 23 => "PCM",
        payload_type::AAC | 21 | 24 | 27 => "AAC (raw)",
        payload_type::ADPCMA => "ADPCM",
        28 => "AMR",
        _ => "?",
    }
}

/// 00 01, half the length, 00: HiSilicon's encoder puts it before each frame of G.711 and ADPCM.
fn without_vendor_header(data: Bytes) -> Bytes {
    match data[..] {
        [0, 1, half, 0, ..] if usize::from(half) * 2 == data.len() - 4 => data.slice(4..),
        _ => data,
    }
}

impl Gathering {
    /// `None`: a fragment is missing before this one. `Some(Some(frame))`: it is whole.
    fn add(&mut self, h: &Header, body: &[u8]) -> Option<Option<Bytes>> {
        if matches!(h.part, 0 | 1) {
            let cut = self.open;
            self.data.clear();
            (self.open, self.payload_type, self.time_ms) = (true, h.payload_type, h.time_ms);
            if cut && h.part == 1 {
                // The one before never ended: it is lost, this one begins.
                self.data.extend_from_slice(body);
                return None;
            }
        } else if !self.open || self.payload_type != h.payload_type {
            self.open = false;
            return None;
        }
        if self.data.len() + body.len() > MAX_UNIT_BYTES {
            self.open = false;
            self.data.clear();
            return None;
        }
        self.data.extend_from_slice(body);
        if matches!(h.part, 0 | 2) {
            self.open = false;
            return Some(Some(self.data.split().freeze()));
        }
        Some(None)
    }
}

impl Reader for Jt1078Reader {
    fn push(&mut self, bytes: &[u8], now: Micros, out: &mut Vec<Found>) -> Result<(), ParseError> {
        self.data.extend_from_slice(bytes);
        loop {
            if self.data.len() >= 4 && !self.data.starts_with(&MAGIC) {
                let before = self.stray;
                self.search();
                if self.stray - before > 0 && (self.picture.open || self.last_seq.is_some()) {
                    let detail = format!("{} bytes between frames", self.stray - before);
                    self.tracks.problem("framing-lost", detail, now, out);
                    self.picture.open = false;
                    self.sound.open = false;
                    self.tracks.lost(now, out);
                }
                if self.stray > MAX_STRAY_BYTES {
                    return Err(ParseError::new("no JT/T 1078 frames in it", self.stray));
                }
            }
            if self.data.len() < 4 || !self.data.starts_with(&MAGIC) {
                return Ok(());
            }
            match self.header() {
                Ok(None) => return Ok(()),
                Ok(Some(h)) if self.data.len() < h.bytes() => {
                    // A length that lies shows itself by a frame within.
                    let inside = self.data.len() > h.header_bytes + MAX_BODY_BYTES
                        && self.data[h.header_bytes..].windows(4).any(|w| w == MAGIC);
                    if !inside {
                        return Ok(());
                    }
                    drop(self.data.split_to(4));
                    self.stray += 4;
                }
                Ok(Some(h)) => {
                    let whole = self.data.split_to(h.bytes()).freeze();
                    if self.back.is_none() {
                        self.back = whole.get(8..8 + self.id_bytes).map(|id| AudioWriter::new(id, h.channel));
                    }
                    self.stray = 0;
                    self.frame(&h, &whole[h.header_bytes..], now, out);
                }
                Err(_) => {
                    drop(self.data.split_to(4));
                    self.stray += 4;
                    self.id_bytes = 0;
                }
            }
        }
    }

    fn talk(&mut self, codec: Codec, time_ms: u64, data: &[u8], out: &mut BytesMut) {
        let payload_type = match codec {
            Codec::Pcma => payload_type::G711A,
            Codec::Pcmu => payload_type::G711U,
            _ => return,
        };
        if let Some(back) = &mut self.back {
            back.frame(payload_type, time_ms, data, out);
        }
    }
}

/// What we send to a terminal: sound of a talk-back, in fragments as it sends them itself.
#[derive(Debug, Clone)]
pub struct AudioWriter {
    /// BCD, as the terminal has it.
    pub id: Vec<u8>,
    pub channel: u8,
    seq: u16,
}

impl AudioWriter {
    pub fn new(id: &[u8], channel: u8) -> Self {
        Self { id: id.to_vec(), channel, seq: 0 }
    }

    /// One frame of at most `MAX_BODY_BYTES`; longer ones are cut off. `time_ms`: from any origin.
    pub fn frame(&mut self, payload_type: u8, time_ms: u64, data: &[u8], out: &mut BytesMut) {
        let data = &data[..data.len().min(MAX_BODY_BYTES)];
        out.put_slice(&MAGIC);
        out.put_slice(&[FLAGS, 0x80 | payload_type]);
        out.put_u16(self.seq);
        self.seq = self.seq.wrapping_add(1);
        out.put_slice(&self.id);
        out.put_slice(&[self.channel, AUDIO << 4]);
        out.put_u64(time_ms);
        out.put_u16(data.len() as u16);
        out.put_slice(data);
    }
}
