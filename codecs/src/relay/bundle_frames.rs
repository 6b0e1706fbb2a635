//! A frame port's records as units of a link bundle, and back. Pure.
//!
//! A unit is one picture or frame of sound: its record, and before it the track records that whoever starts with it needs.
//! Each is a record of docs/frame-port.md in one fragment: the header says its length.

use bytes::{BufMut, Bytes, BytesMut};

use super::frame_port::*;
use super::frame_queue::FrameQueue;
use crate::bundle::fragment::MAX_UNIT_BYTES as MAX_BUNDLE_UNIT;
use crate::error::ParseError;
use crate::hub::unit::Kind;

/// A track record that is longer is not carried.
const MAX_TRACK_BYTES: usize = 64 << 10;
/// Of the group of pictures that was there before the reader came: more would hold up what is new on a thin link.
const MAX_CACHED_BYTES: usize = 256 << 10;
/// A sound without picture has its track told again after so many units.
const TRACK_EVERY: u32 = 50;

/// A unit for the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gathered {
    pub(super) bytes: Bytes,
    /// A decoder can begin with it.
    pub(super) key: bool,
}

#[derive(Debug, Default)]
struct Track {
    record: Bytes,
    /// Not told yet.
    fresh: bool,
}

/// Records of a frame port to units.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// Video, audio.
    tracks: [Track; 2],
    whole: BytesMut,
    /// Bytes of the whole under way; `usize::MAX`: it is left out.
    total: usize,
    cached_bytes: usize,
    /// Pictures are left out up to the next key picture.
    waits: bool,
    wants_key: bool,
    since_track: u32,
    left_out: u64,
}

fn place(header: &Header) -> usize {
    usize::from(header.codec.kind() == Kind::Audio)
}

impl Gather {
    /// Pictures were left out and the next key picture helps.
    pub(super) fn take_wish(&mut self) -> bool {
        std::mem::take(&mut self.wants_key)
    }

    /// Units that were left out: too large, or what was cached.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// One record. `None`: more is to come, or it is left out.
    pub(super) fn push(&mut self, record: &[u8]) -> Result<Option<Gathered>, ParseError> {
        self.put(&Header::parse(record)?, &record[HEADER_BYTES..])
    }

    /// One whose header is known already.
    pub(super) fn put(&mut self, header: &Header, data: &[u8]) -> Result<Option<Gathered>, ParseError> {
        let total = header.total as usize;
        if header.flags & FIRST != 0 {
            self.whole.clear();
            let track = self.tracks.iter().map(|t| t.record.len()).sum::<usize>();
            let fits = match header.kind {
                TRACK => total <= MAX_TRACK_BYTES,
                _ => track + HEADER_BYTES + total <= MAX_BUNDLE_UNIT,
            };
            self.total = if fits { total } else { usize::MAX };
            if !fits && header.kind == UNIT {
                self.leave_out(header);
            }
            if fits {
                self.begin(header);
            }
        }
        if self.total == usize::MAX {
            return Ok(None);
        }
        if total != self.total {
            self.total = usize::MAX;
            return Err(ParseError::new("frame fragment does not fit", 32));
        }
        self.whole.extend_from_slice(data);
        if header.flags & LAST == 0 {
            return Ok(None);
        }
        let whole = self.whole.split().freeze();
        match header.kind {
            TRACK => {
                let track = &mut self.tracks[place(header)];
                track.fresh |= track.record != whole;
                track.record = whole;
                Ok(None)
            }
            UNIT => Ok(self.unit(header, whole)),
            _ => Ok(None),
        }
    }

    fn is_key(&self, header: &Header) -> bool {
        let video = header.codec.kind() == Kind::Video;
        header.flags & KEY != 0 && (video || self.tracks[0].record.is_empty())
    }

    /// Room for the whole, with what is to stand before it.
    fn begin(&mut self, header: &Header) {
        let own = place(header);
        let mut before = [false; 2];
        if header.kind == UNIT {
            let all = self.is_key(header) && (own == 0 || self.since_track >= TRACK_EVERY);
            before = [0, 1].map(|n| self.tracks[n].fresh && n == own || all);
        }
        self.whole.reserve(HEADER_BYTES + header.total as usize);
        for (track, told) in self.tracks.iter_mut().zip(before) {
            if told && !track.record.is_empty() {
                self.whole.extend_from_slice(&track.record);
                track.fresh = false;
                self.since_track = 0;
            }
        }
        let flags = header.flags & !CACHED | FIRST | LAST;
        self.whole.put_slice(&Header { flags, offset: 0, ..*header }.to_bytes());
        self.since_track = self.since_track.saturating_add(u32::from(header.kind == UNIT));
    }

    fn unit(&mut self, header: &Header, bytes: Bytes) -> Option<Gathered> {
        let key = self.is_key(header);
        if header.codec.kind() == Kind::Video {
            if header.flags & CACHED != 0 {
                self.cached_bytes += bytes.len();
                self.waits |= self.cached_bytes > MAX_CACHED_BYTES;
            }
            if self.waits && !key {
                self.leave_out(header);
                return None;
            }
            self.waits = false;
        }
        Some(Gathered { bytes, key })
    }

    fn leave_out(&mut self, header: &Header) {
        self.left_out += 1;
        if header.codec.kind() == Kind::Video {
            self.waits = true;
            self.wants_key = true;
        }
    }
}

/// Units back to records.
#[derive(Debug, Default)]
pub(super) struct Scatter {
    /// As they were told last: the same again is left out.
    tracks: [Bytes; 2],
}

impl Scatter {
    /// Whether it holds a picture, for who keeps a queue.
    pub(super) fn push(&mut self, unit: &Bytes, after_loss: bool, queue: &mut FrameQueue) -> Result<(), ParseError> {
        let mut at = 0;
        while at < unit.len() {
            let header = Header::parse(&unit[at..])?;
            let body = at + HEADER_BYTES;
            let end = body + header.total as usize;
            if header.kind > UNIT || end > unit.len() {
                return Err(ParseError::new("frame record does not fit its unit", at));
            }
            let data = unit.slice(body..end);
            if header.kind == TRACK {
                let track = &mut self.tracks[place(&header)];
                let record = unit.slice(at..end);
                if *track != record {
                    // Not the unit's own memory, which is far larger.
                    *track = Bytes::copy_from_slice(&record);
                    queue.push(header, &data);
                }
            } else {
                let lost = if after_loss { AFTER_LOSS } else { 0 };
                queue.push(Header { flags: header.flags | lost, ..header }, &data);
            }
            at = end;
        }
        Ok(())
    }

    /// The reader is another one: it knows no track yet.
    pub(super) fn forget(&mut self) {
        self.tracks = Default::default();
    }
}

/// Whether a unit holds a picture: what a queue that was dropped waits for.
pub(super) fn holds_picture(unit: &[u8]) -> bool {
    let mut at = 0;
    while let Ok(header) = Header::parse(unit.get(at..).unwrap_or_default()) {
        if header.kind == UNIT {
            return header.codec.kind() == Kind::Video;
        }
        at += HEADER_BYTES + header.total as usize;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::unit::Codec;

    fn record(kind: u8, codec: Codec, flags: u16, data: &[u8], offset: usize, total: usize) -> Vec<u8> {
        let head = Header {
            kind,
            codec,
            flags,
            generation: 3,
            pts: 9000,
            dts: -1,
            capture: 5,
            total: total as u32,
            offset: offset as u32,
        };
        [&head.to_bytes()[..], data].concat()
    }

    fn whole(kind: u8, codec: Codec, flags: u16, data: &[u8]) -> Vec<u8> {
        record(kind, codec, flags | FIRST | LAST, data, 0, data.len())
    }

    fn push(g: &mut Gather, record: &[u8]) -> Option<Gathered> {
        g.push(record).expect("a good record")
    }

    /// What a reader gets of a unit: kind, flags, data.
    fn read(unit: &Bytes, scatter: &mut Scatter, after_loss: bool) -> usize {
        let mut queue = FrameQueue::default();
        scatter.push(unit, after_loss, &mut queue).expect("a good unit");
        queue.bytes()
    }

    #[test]
    fn a_key_picture_carries_the_tracks_and_what_comes_out_is_what_went_in() {
        let mut g = Gather::default();
        assert_eq!(push(&mut g, &whole(TRACK, Codec::H264, 0, b"video track")), None);
        assert_eq!(push(&mut g, &whole(TRACK, Codec::Pcma, 0, b"audio track")), None);
        let data = vec![7u8; 100_000];
        assert_eq!(push(&mut g, &record(UNIT, Codec::H264, KEY | FIRST | CACHED, &data[..60_000], 0, 100_000)), None);
        let last = record(UNIT, Codec::H264, KEY | LAST | CACHED, &data[60_000..], 60_000, 100_000);
        let unit = push(&mut g, &last).expect("whole");
        assert!(unit.key && holds_picture(&unit.bytes));
        let mut scatter = Scatter::default();
        let all = 3 * HEADER_BYTES + 22 + 100_000;
        assert_eq!(unit.bytes.len(), all);
        // One more fragment; the second time the tracks are known.
        assert_eq!(read(&unit.bytes, &mut scatter, false), all + HEADER_BYTES);
        assert_eq!(read(&unit.bytes, &mut scatter, true), 100_000 + 2 * HEADER_BYTES);
        scatter.forget();
        assert_eq!(read(&unit.bytes, &mut scatter, true), all + HEADER_BYTES);
        let sound = push(&mut g, &whole(UNIT, Codec::Pcma, KEY, b"sound")).expect("whole");
        assert!(!sound.key && !holds_picture(&sound.bytes));
        assert_eq!(sound.bytes.len(), HEADER_BYTES + 5);
        // Other parameters of the sound are told with the next of it.
        push(&mut g, &whole(TRACK, Codec::Aac, 0, b"another"));
        assert_eq!(push(&mut g, &whole(UNIT, Codec::H264, 0, b"p")).map(|u| u.bytes.len()), Some(HEADER_BYTES + 1));
        let sound = push(&mut g, &whole(UNIT, Codec::Aac, KEY, b"sound")).expect("whole");
        assert_eq!(sound.bytes.len(), 2 * HEADER_BYTES + 12);
    }

    #[test]
    fn sound_alone_tells_its_track_now_and_then() {
        let mut g = Gather::default();
        push(&mut g, &whole(TRACK, Codec::Opus, 0, b"track"));
        let lens: Vec<usize> = (0..102)
            .map(|_| push(&mut g, &whole(UNIT, Codec::Opus, KEY, b"x")).filter(|u| u.key).map_or(0, |u| u.bytes.len()))
            .collect();
        let told: Vec<usize> = (0..102).filter(|n| lens[*n] > HEADER_BYTES + 1).collect();
        assert_eq!(told, [0, 50, 100]);
    }

    #[test]
    fn a_long_group_that_was_cached_and_what_is_too_large_are_left_out_up_to_a_key_picture() {
        let mut g = Gather::default();
        push(&mut g, &whole(TRACK, Codec::H264, 0, b"t"));
        let picture = vec![0u8; 50_000];
        let sent = (0..20)
            .filter(|n| push(&mut g, &whole(UNIT, Codec::H264, CACHED | u16::from(*n == 0), &picture)).is_some())
            .count();
        assert_eq!((sent, g.left_out(), g.take_wish(), g.take_wish()), (5, 15, true, false));
        assert_eq!(push(&mut g, &whole(UNIT, Codec::H264, 0, b"p")), None);
        assert!(push(&mut g, &whole(UNIT, Codec::H264, KEY, b"i")).is_some());
        assert_eq!(push(&mut g, &record(UNIT, Codec::H264, FIRST, b"", 0, 3 << 20)), None);
        assert_eq!(push(&mut g, &record(UNIT, Codec::H264, LAST, b"", 0, 3 << 20)), None);
        assert!(g.take_wish() && push(&mut g, &whole(UNIT, Codec::H264, 0, b"p")).is_none());
        assert!(push(&mut g, &whole(UNIT, Codec::H264, KEY, b"i")).is_some());
    }

    #[test]
    fn what_is_no_unit_of_records_is_refused() {
        let mut queue = FrameQueue::default();
        let mut scatter = Scatter::default();
        let good = whole(UNIT, Codec::H264, 0, b"data");
        for bad in [&good[..good.len() - 1], &good[..20], &whole(WISH, Codec::H264, 0, b""), b"x"] {
            assert!(scatter.push(&Bytes::copy_from_slice(bad), false, &mut queue).is_err());
        }
        let mut g = Gather::default();
        assert!(g.push(b"short").is_err());
        push(&mut g, &record(UNIT, Codec::H264, FIRST, b"ab", 0, 4));
        assert!(g.push(&record(UNIT, Codec::H264, LAST, b"ab", 2, 5)).is_err());
    }
}
