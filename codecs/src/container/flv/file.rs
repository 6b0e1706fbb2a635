//! The FLV file and what HTTP-FLV sends: a header, then tags with their lengths (annex E.2, E.3, E.4.1).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::tag_read::TagReader;
use super::tag_write::{Tag, TagWriter, AUDIO, VIDEO};
use crate::container::{shed, Found, Reader, Writer};
use crate::error::ParseError;
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::time::Micros;

const SCRIPT: u8 = 18;
/// A header may announce more than its nine bytes; none does by much.
const MAX_HEADER_BYTES: usize = 4096;
const TAG_HEADER: usize = 11;

#[derive(Debug, Default)]
pub struct FlvReader {
    buffer: BytesMut,
    begun: bool,
    tags: TagReader,
}

impl FlvReader {
    pub fn new() -> Self {
        Self::default()
    }

    fn header(&mut self) -> Result<bool, ParseError> {
        let Some(head) = self.buffer.get(..9) else {
            let sane = self.buffer.iter().zip(b"FLV").all(|(a, b)| a == b);
            return if sane { Ok(false) } else { Err(ParseError::new("not FLV", 0)) };
        };
        let size = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) as usize;
        if !head.starts_with(b"FLV") || !(9..=MAX_HEADER_BYTES).contains(&size) {
            return Err(ParseError::new("not FLV", 0));
        }
        // PreviousTagSize0
        if self.buffer.len() < size + 4 {
            return Ok(false);
        }
        self.buffer.advance(size + 4);
        self.begun = true;
        Ok(true)
    }
}

impl Reader for FlvReader {
    fn push(&mut self, bytes: &[u8], now: Micros, out: &mut Vec<Found>) -> Result<(), ParseError> {
        self.buffer.extend_from_slice(bytes);
        if !self.begun && !self.header()? {
            return Ok(());
        }
        while let Some(h) = self.buffer.get(..TAG_HEADER) {
            // Another file behind this one: a server that began anew.
            if h.starts_with(b"FLV\x01") {
                self.begun = false;
                if !self.header()? {
                    return Ok(());
                }
                continue;
            }
            let (filtered, kind) = (h[0] & 0xe0 != 0, h[0] & 0x1f);
            if filtered || !matches!(kind, AUDIO | VIDEO | SCRIPT) {
                return Err(ParseError::new("no FLV tag where one is due", 0));
            }
            let size = u32::from_be_bytes([0, h[1], h[2], h[3]]) as usize;
            let time = u32::from_be_bytes([h[7], h[4], h[5], h[6]]);
            if self.buffer.len() < TAG_HEADER + size + 4 {
                return Ok(());
            }
            self.buffer.advance(TAG_HEADER);
            let body = self.buffer.split_to(size).freeze();
            self.buffer.advance(4);
            shed(&mut self.buffer, size);
            match kind {
                AUDIO => self.tags.audio(time, &body, now, out),
                VIDEO => self.tags.video(time, &body, now, out),
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
pub struct FlvWriter {
    tags: TagWriter,
    begun: bool,
    list: Vec<Tag>,
}

impl FlvWriter {
    /// `enhanced` as in `TagWriter::new`.
    pub fn new(enhanced: bool) -> Self {
        Self { tags: TagWriter::new(enhanced), begun: false, list: Vec::new() }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        self.begun = true;
        let (video, audio) = (self.tags.params(Kind::Video), self.tags.params(Kind::Audio));
        let flags = u8::from(video.is_some()) | u8::from(audio.is_some()) << 2;
        out.put_slice(b"FLV\x01");
        out.put_slice(&[flags, 0, 0, 0, 9, 0, 0, 0, 0]);
        put_tag(&Tag { kind: SCRIPT, time: 0, body: metadata(video, audio) }, out);
    }
}

fn put_tag(tag: &Tag, out: &mut BytesMut) {
    out.reserve(tag.body.len() + 15);
    out.put_u8(tag.kind);
    out.put_uint(tag.body.len() as u64 & 0xff_ffff, 3);
    out.put_uint(u64::from(tag.time) & 0xff_ffff, 3);
    out.put_u8((tag.time >> 24) as u8);
    out.put_uint(0, 3);
    out.put_slice(&tag.body);
    out.put_u32(tag.body.len() as u32 + TAG_HEADER as u32);
}

/// onMetaData (annex E.5) in AMF0: what players size their window by.
fn metadata(video: Option<&TrackParams>, audio: Option<&TrackParams>) -> Bytes {
    let mut pairs: Vec<(&str, f64)> = Vec::new();
    if let Some(v) = video {
        let id = if v.codec == Codec::H264 { 7.0 } else { f64::from(u32::from_be_bytes(super::fourcc::HEVC)) };
        pairs.extend([("width", f64::from(v.width)), ("height", f64::from(v.height)), ("videocodecid", id)]);
    }
    if let Some(a) = audio {
        let id = match a.codec {
            Codec::Aac => 10.0,
            Codec::Pcma => 7.0,
            Codec::Pcmu => 8.0,
            _ => f64::from(u32::from_be_bytes(super::fourcc::OPUS)),
        };
        pairs.extend([("audiosamplerate", f64::from(a.sample_rate_hz)), ("audiocodecid", id)]);
    }
    let mut out = BytesMut::with_capacity(160);
    out.put_slice(b"\x02\x00\x0aonMetaData\x08");
    out.put_u32(pairs.len() as u32);
    for (name, value) in pairs {
        out.put_u16(name.len() as u16);
        out.put_slice(name.as_bytes());
        out.put_u8(0);
        out.put_f64(value);
    }
    out.put_slice(&[0, 0, 9]);
    out.freeze()
}

impl Writer for FlvWriter {
    fn carries(&self, codec: Codec) -> bool {
        self.tags.carries(codec)
    }

    fn track(&mut self, params: &TrackParams, _out: &mut BytesMut) {
        self.tags.track(params);
    }

    fn unit(&mut self, unit: &AccessUnit, out: &mut BytesMut) {
        if !self.begun {
            self.begin(out);
        }
        let mut list = std::mem::take(&mut self.list);
        self.tags.unit(unit, &mut list);
        list.drain(..).for_each(|tag| put_tag(&tag, out));
        self.list = list;
    }
}
