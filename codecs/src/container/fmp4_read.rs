//! Fragmented MP4 in (ISO/IEC 14496-12 §8.8, CMAF ISO/IEC 23000-19): init segments may come again, fragments of one or of
//! both tracks. Edit lists are ignored. The first video and the first audio track that we know are taken.
//!
//! A fragment's units go out when its media data is whole, both tracks together in the order of their decoding times: a
//! segment of seconds is otherwise all picture first and all sound then.

use bytes::{Buf, Bytes, BytesMut};

use super::fmp4_boxes::{self as boxes, Init, Moof, Sample, Took};
use super::tracks::{Stamp, Tracks};
use super::{shed, Found, Reader};
use crate::error::ParseError;
use crate::hub::unit::{Codec, Kind};
use crate::packet::aac;
use crate::time::Micros;

/// moov or moof: hours of samples would fit.
const MAX_HEADER_BYTES: u64 = 2 << 20;
/// Media data of one fragment: a minute at 4 Mb/s.
pub const MAX_FRAGMENT_BYTES: u64 = 32 << 20;
/// NAL units of one fragment: four of each sample that it may have.
const MAX_FRAGMENT_NALUS: usize = 131_072;
/// Boxes that mean nothing here are stepped over, whatever their size.
const MAX_SKIP_BYTES: u64 = 64 << 20;

#[derive(Debug, Default)]
pub struct Fmp4Reader {
    buffer: BytesMut,
    /// Bytes of the stream before `buffer`.
    position: u64,
    skip: u64,
    init: Option<Init>,
    moof: Option<Moof>,
    tracks: Tracks,
    /// Some audio or video track had a codec that is not taken: said once for each init segment.
    said: bool,
}

impl Fmp4Reader {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn dropped_units(&self) -> u64 {
        self.tracks.dropped_units()
    }

    fn consume(&mut self, len: usize) -> Bytes {
        self.position += len as u64;
        let taken = self.buffer.split_to(len).freeze();
        shed(&mut self.buffer, len);
        taken
    }

    /// False: more bytes are needed.
    fn one(&mut self, now: Micros, out: &mut Vec<Found>) -> Result<bool, ParseError> {
        if self.skip > 0 {
            let n = self.skip.min(self.buffer.len() as u64);
            self.buffer.advance(n as usize);
            (self.position, self.skip) = (self.position + n, self.skip - n);
            return Ok(n > 0);
        }
        let Some(head) = boxes::head(&self.buffer)? else { return Ok(false) };
        let wanted = matches!(&head.kind, b"moov" | b"moof" | b"mdat");
        if !wanted {
            if head.size == 0 || head.size > MAX_SKIP_BYTES || !head.kind.iter().all(|b| (b' '..=b'~').contains(b)) {
                return Err(ParseError::new("no MP4 box where one is due", 0));
            }
            self.skip = head.size;
            return Ok(true);
        }
        let most = if &head.kind == b"mdat" { MAX_FRAGMENT_BYTES } else { MAX_HEADER_BYTES };
        if head.size == 0 || head.size > most {
            return Err(ParseError::new("MP4 box too large", 0));
        }
        if &head.kind == b"mdat" && self.moof.is_none() {
            self.skip = head.size;
            return Ok(true);
        }
        if (self.buffer.len() as u64) < head.size {
            return Ok(false);
        }
        let start = self.position;
        let whole = self.consume(head.size as usize);
        let body = whole.slice(head.bytes..);
        match &head.kind {
            b"moov" => self.init(&body, now, out)?,
            b"moof" => {
                let moof = self.init.as_mut().map(|init| Moof::parse(&body, start, init)).transpose();
                match moof {
                    Ok(moof) => self.moof = moof,
                    Err(error) => self.broken(error, now, out),
                }
            }
            _ => {
                if let Some(moof) = self.moof.take() {
                    self.fragment(&moof, &whole, start, now, out);
                }
            }
        }
        Ok(true)
    }

    fn broken(&mut self, error: ParseError, now: Micros, out: &mut Vec<Found>) {
        self.tracks.lost(now, out);
        self.tracks.lost_audio();
        self.tracks.problem("mp4-broken-fragment", error.what.into(), now, out);
    }

    fn init(&mut self, body: &Bytes, now: Micros, out: &mut Vec<Found>) -> Result<(), ParseError> {
        let init = Init::parse(body)?;
        for track in &init.tracks {
            if let Took::Video(config) = &track.took {
                self.tracks.parameter_sets(config.codec, config.sets.iter().cloned());
            }
        }
        if !std::mem::replace(&mut self.said, true) {
            for track in &init.tracks {
                if let Took::Not { kind, name } = &track.took {
                    let code = match (kind, name.as_str()) {
                        (_, "av01") => "av1",
                        (Kind::Video, _) => "codec-unsupported",
                        (Kind::Audio, _) => "audio-unsupported",
                    };
                    self.tracks.problem(code, name.clone(), now, out);
                }
            }
        }
        if !init.fragmented {
            return Err(ParseError::new("an MP4 file without fragments", 0));
        }
        self.moof = None;
        self.init = Some(init);
        Ok(())
    }

    /// `data`: the whole mdat box, which begins at `start` of the stream.
    fn fragment(&mut self, moof: &Moof, data: &Bytes, start: u64, now: Micros, out: &mut Vec<Found>) {
        let Some(init) = self.init.take() else { return };
        let mut samples = moof.samples.iter().collect::<Vec<_>>();
        samples.sort_by_key(|s| s.dts_90k);
        // Samples do not share bytes: what they make is no more than what came.
        let (mut left, mut nalus) = (data.len(), MAX_FRAGMENT_NALUS);
        let claimed = samples.iter().fold(0usize, |sum, s| sum.saturating_add(s.size));
        // Where most of the fragment belongs to no sample, a slice would keep it alive for nothing.
        let sparse = claimed < data.len() / 2;
        for sample in samples {
            let at = sample.offset.checked_sub(start).and_then(|at| usize::try_from(at).ok());
            let range =
                at.and_then(|at| at.checked_add(sample.size).map(|end| at..end)).filter(|r| r.end <= data.len());
            if left < sample.size || nalus == 0 {
                self.broken(ParseError::new("a fragment's samples are more than its bytes", 0), now, out);
                break;
            }
            left -= sample.size;
            let found = out.len();
            match range {
                Some(range) if sparse => {
                    self.sample(&init, sample, Bytes::copy_from_slice(&data[range]), now, out);
                }
                Some(range) => self.sample(&init, sample, data.slice(range), now, out),
                None => {
                    self.broken(ParseError::new("a sample lies outside its fragment", 0), now, out);
                    break;
                }
            }
            let units = out[found..].iter().map(|f| if let Found::Unit(u) = f { u.nalus.len() } else { 0 });
            nalus = nalus.saturating_sub(units.sum());
        }
        self.init = Some(init);
    }

    fn sample(&mut self, init: &Init, sample: &Sample, data: Bytes, now: Micros, out: &mut Vec<Found>) {
        let Some(track) = init.tracks.get(sample.track) else { return };
        let stamp = Stamp::new(sample.pts_90k, sample.dts_90k);
        match &track.took {
            Took::Video(config) => {
                let told = self.tracks.length_prefixed(config.codec, &data, config.length_bytes, stamp, now, out);
                if let Err(error) = told {
                    self.broken(error, now, out);
                }
            }
            Took::Aac(config) if data.len() <= aac::MAX_FRAME_BYTES => {
                self.tracks.aac(*config, [data], stamp, now, out);
            }
            Took::Opus if data.len() <= aac::MAX_FRAME_BYTES => self.tracks.audio(Codec::Opus, data, stamp, now, out),
            _ => {}
        }
    }
}

impl Reader for Fmp4Reader {
    fn push(&mut self, bytes: &[u8], now: Micros, out: &mut Vec<Found>) -> Result<(), ParseError> {
        self.buffer.extend_from_slice(bytes);
        while self.one(now, out)? {}
        Ok(())
    }
}
