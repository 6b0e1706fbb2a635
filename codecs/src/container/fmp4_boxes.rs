//! The boxes of fragmented MP4 that a reader needs (ISO/IEC 14496-12 §8.3, §8.4, §8.5, §8.8; sample entries of 14496-15
//! §5.4.2 and §8.4.1, 14496-14 §6.7 and "Opus in ISOBMFF").

use bytes::Bytes;

use super::records::{parse_asc, parse_avcc, parse_hvcc, VideoConfig};
use super::tracks::Stamp;
use crate::bytes::Reader;
use crate::error::ParseError;
use crate::hub::unit::Kind;
use crate::packet::aac;

const MAX_TRACKS: usize = 8;
/// Boxes within one box.
const MAX_CHILDREN: usize = 512;
/// Samples of one fragment, all tracks together.
const MAX_SAMPLES: usize = 32_768;
/// Samples that a few bytes may claim, all of one size and duration.
const MAX_UNIFORM: usize = 2048;

/// The beginning of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub kind: [u8; 4],
    /// Of the whole box; 0: up to the end of the file.
    pub size: u64,
    /// Of this head.
    pub bytes: usize,
}

/// `None`: more bytes are needed.
pub fn head(data: &[u8]) -> Result<Option<Head>, ParseError> {
    let Some(first) = data.first_chunk::<8>() else { return Ok(None) };
    let small = u32::from_be_bytes([first[0], first[1], first[2], first[3]]);
    let kind = [first[4], first[5], first[6], first[7]];
    let (size, bytes) = match small {
        1 => match data.first_chunk::<16>() {
            Some(b) => (u64::from_be_bytes([8, 9, 10, 11, 12, 13, 14, 15].map(|i| b[i])), 16),
            None => return Ok(None),
        },
        size => (u64::from(size), 8),
    };
    if size != 0 && size < bytes as u64 {
        return Err(ParseError::new("MP4 box smaller than its head", 0));
    }
    Ok(Some(Head { kind, size, bytes }))
}

/// The boxes that stand in `data`, in their order.
fn children(data: &Bytes) -> Result<Vec<([u8; 4], Bytes)>, ParseError> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < data.len() {
        // QuickTime ends some lists by four zero bytes.
        let Some(head) = head(&data[at..])? else { break };
        let size = if head.size == 0 { (data.len() - at) as u64 } else { head.size };
        if size > (data.len() - at) as u64 || out.len() == MAX_CHILDREN {
            return Err(ParseError::new("MP4 box does not fit into its parent", at));
        }
        let end = at + size as usize;
        out.push((head.kind, data.slice(at + head.bytes..end)));
        at = end;
    }
    Ok(out)
}

fn child(data: &Bytes, path: &[&[u8; 4]]) -> Result<Bytes, ParseError> {
    let mut at = data.clone();
    for kind in path {
        let found = children(&at)?.into_iter().find(|(k, _)| k == *kind);
        at = found.ok_or(ParseError::new("an MP4 box is missing", 0))?.1;
    }
    Ok(at)
}

/// What is done with a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Took {
    Video(VideoConfig),
    Aac(aac::Config),
    Opus,
    Not { kind: Kind, name: String },
}

#[derive(Debug, Clone)]
pub struct Track {
    id: u32,
    timescale: u32,
    pub took: Took,
    /// Of trex.
    duration: u32,
    size: u32,
    /// Where a fragment begins that does not say it.
    next: u64,
}

/// moov.
#[derive(Debug, Clone)]
pub struct Init {
    pub tracks: Vec<Track>,
    pub fragmented: bool,
}

impl Init {
    pub fn parse(moov: &Bytes) -> Result<Self, ParseError> {
        let mut init = Init { tracks: Vec::new(), fragmented: false };
        let mut defaults = Vec::new();
        for (kind, body) in children(moov)? {
            match &kind {
                b"trak" if init.tracks.len() < MAX_TRACKS => init.tracks.extend(track(&body)?),
                b"mvex" => {
                    init.fragmented = true;
                    for (_, trex) in children(&body)?.into_iter().filter(|(k, _)| k == b"trex").take(MAX_TRACKS) {
                        let mut r = Reader::new(&trex);
                        r.skip(4)?;
                        let id = r.u32()?;
                        r.skip(4)?;
                        defaults.push((id, r.u32()?, r.u32()?));
                    }
                }
                _ => {}
            }
        }
        for (id, duration, size) in defaults {
            for track in init.tracks.iter_mut().filter(|t| t.id == id) {
                (track.duration, track.size) = (duration, size);
            }
        }
        // One of each kind.
        for k in [Kind::Video, Kind::Audio] {
            let mut taken = false;
            init.tracks.retain(|t| !(t.took.kind() == Some(k) && std::mem::replace(&mut taken, true)));
        }
        Ok(init)
    }
}

impl Took {
    fn kind(&self) -> Option<Kind> {
        match self {
            Took::Video(_) => Some(Kind::Video),
            Took::Aac(_) | Took::Opus => Some(Kind::Audio),
            Took::Not { .. } => None,
        }
    }
}

/// `None`: neither picture nor sound.
fn track(trak: &Bytes) -> Result<Option<Track>, ParseError> {
    let tkhd = child(trak, &[b"tkhd"])?;
    let mut r = Reader::new(&tkhd);
    let version = r.u32()? >> 24;
    r.skip(if version == 1 { 16 } else { 8 })?;
    let id = r.u32()?;
    let mdia = child(trak, &[b"mdia"])?;
    let mdhd = child(&mdia, &[b"mdhd"])?;
    let mut r = Reader::new(&mdhd);
    let version = r.u32()? >> 24;
    r.skip(if version == 1 { 16 } else { 8 })?;
    let timescale = r.u32()?;
    if timescale == 0 {
        return Err(ParseError::new("an MP4 track without timescale", 0));
    }
    let hdlr = child(&mdia, &[b"hdlr"])?;
    let kind = match hdlr.get(8..12) {
        Some(b"vide") => Kind::Video,
        Some(b"soun") => Kind::Audio,
        _ => return Ok(None),
    };
    let stsd = child(&mdia, &[b"minf", b"stbl", b"stsd"])?;
    let entries = children(&stsd.slice(stsd.len().min(8)..))?;
    let Some((name, entry)) = entries.into_iter().next() else { return Ok(None) };
    let took = sample_entry(kind, name, &entry)?;
    Ok(Some(Track { id, timescale, took, duration: 0, size: 0, next: 0 }))
}

fn sample_entry(kind: Kind, name: [u8; 4], entry: &Bytes) -> Result<Took, ParseError> {
    // SampleEntry, then VisualSampleEntry or AudioSampleEntry; QuickTime's sound of version 1 is longer.
    let fixed = match (kind, entry.get(8..10)) {
        (Kind::Video, _) => 78,
        (Kind::Audio, Some([0, 1])) => 44,
        (Kind::Audio, _) => 28,
    };
    let inner = entry.slice(entry.len().min(fixed)..);
    Ok(match &name {
        b"avc1" | b"avc3" => Took::Video(parse_avcc(&child(&inner, &[b"avcC"])?)?),
        b"hvc1" | b"hev1" => Took::Video(parse_hvcc(&child(&inner, &[b"hvcC"])?)?),
        b"mp4a" => match esds(&child(&inner, &[b"esds"])?)? {
            Some(config) => Took::Aac(config),
            None => Took::Not { kind, name: "MP3".into() },
        },
        b"Opus" => Took::Opus,
        other => Took::Not { kind, name: String::from_utf8_lossy(other).trim().to_owned() },
    })
}

/// Descriptors of ISO/IEC 14496-1 §7.2.6: (tag, content).
fn descriptor<'a>(r: &mut Reader<'a>) -> Result<(u8, Reader<'a>), ParseError> {
    let tag = r.u8()?;
    let mut len = 0usize;
    for _ in 0..4 {
        let b = r.u8()?;
        len = len << 7 | usize::from(b & 0x7f);
        if b & 0x80 == 0 {
            break;
        }
    }
    Ok((tag, Reader::new(r.take(len)?)))
}

/// `None`: the sound is not AAC.
fn esds(data: &Bytes) -> Result<Option<aac::Config>, ParseError> {
    let mut r = Reader::new(data);
    r.skip(4)?;
    let (tag, mut es) = descriptor(&mut r)?;
    if tag != 3 {
        return Err(ParseError::new("esds without ES descriptor", 0));
    }
    es.skip(2)?;
    let flags = es.u8()?;
    es.skip(if flags & 0x80 != 0 { 2 } else { 0 })?;
    if flags & 0x40 != 0 {
        let len = usize::from(es.u8()?);
        es.skip(len)?;
    }
    es.skip(if flags & 0x20 != 0 { 2 } else { 0 })?;
    let (_, mut config) = descriptor(&mut es)?;
    // objectTypeIndication: 0x40 MPEG-4 audio, 0x66..0x68 MPEG-2 AAC
    if !matches!(config.u8()?, 0x40 | 0x66..=0x68) {
        return Ok(None);
    }
    config.skip(12)?;
    let (_, specific) = descriptor(&mut config)?;
    parse_asc(specific.rest()).map(Some)
}

/// One sample of a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Place in `Init::tracks`.
    pub track: usize,
    /// In the whole stream.
    pub offset: u64,
    pub size: usize,
    pub dts_90k: i64,
    pub pts_90k: i64,
}

/// moof.
#[derive(Debug, Clone, Default)]
pub struct Moof {
    pub samples: Vec<Sample>,
}

impl Moof {
    /// `start`: where the moof box begins in the stream.
    pub fn parse(body: &Bytes, start: u64, init: &mut Init) -> Result<Self, ParseError> {
        let mut moof = Moof::default();
        for (_, traf) in children(body)?.into_iter().filter(|(k, _)| k == b"traf") {
            moof.traf(&traf, start, init)?;
        }
        Ok(moof)
    }

    fn traf(&mut self, traf: &Bytes, start: u64, init: &mut Init) -> Result<(), ParseError> {
        let tfhd = child(traf, &[b"tfhd"])?;
        let mut r = Reader::new(&tfhd);
        let flags = r.u32()?;
        let id = r.u32()?;
        let Some(index) = init.tracks.iter().position(|t| t.id == id) else { return Ok(()) };
        let track = &mut init.tracks[index];
        // Without a base of its own a fragment's data is counted from its moof: what all live packagers mean.
        let base = if flags & 1 != 0 { r.u64()? } else { start };
        r.skip(if flags & 2 != 0 { 4 } else { 0 })?;
        let duration = if flags & 8 != 0 { r.u32()? } else { track.duration };
        let size = if flags & 0x10 != 0 { r.u32()? } else { track.size };
        let (mut dts, mut next_offset) = (track.next, base);
        for (kind, body) in children(traf)? {
            let mut r = Reader::new(&body);
            if &kind == b"tfdt" {
                dts = if r.u32()? >> 24 == 1 { r.u64()? } else { u64::from(r.u32()?) };
            }
            if &kind != b"trun" {
                continue;
            }
            let head = r.u32()?;
            let (version, flags) = (head >> 24, head & 0xff_ffff);
            let count = r.u32()? as usize;
            let mut offset = next_offset;
            if flags & 1 != 0 {
                offset = base.wrapping_add_signed(i64::from(r.u32()? as i32));
            }
            r.skip(if flags & 4 != 0 { 4 } else { 0 })?;
            if self.samples.len().saturating_add(count) > MAX_SAMPLES {
                return Err(ParseError::new("too many samples in a fragment", 0));
            }
            if flags & 0xf00 == 0 && (count > MAX_UNIFORM || (size == 0 && count > 1)) {
                return Err(ParseError::new("too many samples without a word of their own", 0));
            }
            for _ in 0..count {
                let duration = if flags & 0x100 != 0 { r.u32()? } else { duration };
                let size = if flags & 0x200 != 0 { r.u32()? } else { size } as usize;
                r.skip(if flags & 0x400 != 0 { 4 } else { 0 })?;
                let shift = match (flags & 0x800 != 0, version) {
                    (false, _) => 0,
                    (true, 0) => i64::from(r.u32()?),
                    (true, _) => i64::from(r.u32()? as i32),
                };
                let ticks = i64::try_from(dts).map_err(|_| ParseError::new("decoding time out of range", 0))?;
                let dts_90k = Stamp::to_90k(ticks, track.timescale);
                let pts_90k = Stamp::to_90k(ticks.saturating_add(shift), track.timescale);
                self.samples.push(Sample { track: index, offset, size, dts_90k, pts_90k });
                offset = offset.wrapping_add(size as u64);
                dts = dts.saturating_add(u64::from(duration));
            }
            next_offset = offset;
        }
        track.next = dts;
        Ok(())
    }
}
