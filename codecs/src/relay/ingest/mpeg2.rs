//! MPEG-1 and MPEG-2 pictures (ISO/IEC 13818-2) as their container cut them, for a conversion: nothing of ours takes them
//! as they are. Only where a decoder can begin, and how large the picture is, is read.

use super::timeline::VideoClock;
use super::video::Origin;
use super::{IngestOutput, Sink};
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::packet::nalus::MAX_UNIT_BYTES;

const PICTURE: u8 = 0x00;
const SEQUENCE: u8 = 0xb3;
const CODED_B: u8 = 3;
const CODED_I: u8 = 1;

#[derive(Debug, Default)]
pub struct Mpeg2Track {
    params: Option<TrackParams>,
    generation: u32,
    clock: VideoClock,
    after_loss: bool,
    /// What follows refers to what is missing: up to the next key picture.
    broken: bool,
    pub dropped_units: u64,
}

/// What stands before the slices.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Heads {
    size: Option<(u32, u32)>,
    coded: Option<u8>,
}

impl Heads {
    fn read(data: &[u8]) -> Self {
        let mut heads = Self::default();
        let mut at = 0;
        while let Some(found) = data.get(at..).and_then(|d| d.windows(4).position(|w| w[..3] == [0, 0, 1])) {
            let body = &data[at + found + 3..];
            match (body[0], body) {
                // §6.2.2.1: 12 bits each
                (SEQUENCE, [_, a, b, c, ..]) => {
                    let (a, b, c) = (u32::from(*a), u32::from(*b), u32::from(*c));
                    heads.size = Some((a << 4 | b >> 4, (b & 15) << 8 | c));
                }
                // §6.2.3: temporal_reference 10, picture_coding_type 3
                (PICTURE, [_, _, b, ..]) => heads.coded = heads.coded.or(Some(b >> 3 & 7)),
                (1..=0xaf, _) => break,
                _ => {}
            }
            at += found + 4;
        }
        heads
    }
}

impl Mpeg2Track {
    /// Whether it is this, and not something else of which the map lies.
    pub fn recognises(&self, data: &[u8]) -> bool {
        self.params.is_some() || matches!(Heads::read(data).coded, Some(CODED_I..=CODED_B))
    }

    pub fn loss(&mut self) {
        (self.after_loss, self.broken) = (true, true);
    }

    /// The source's clock jumped.
    pub fn rebase(&mut self) {
        self.clock.rebase();
    }

    /// What one PES packet, or RTP packets of one time, held: a picture, with what stands before it.
    pub fn push(&mut self, data: bytes::Bytes, origin: Origin, out: &mut Sink) {
        let heads = Heads::read(&data);
        let key = heads.size.is_some_and(|(w, h)| w > 0 && h > 0) && heads.coded == Some(CODED_I);
        if origin.damaged || heads.coded.is_none() || data.len() > MAX_UNIT_BYTES {
            self.dropped_units += 1;
            return self.loss();
        }
        if let (Some((width, height)), true) = (heads.size, key) {
            self.announce(width, height, false, out);
        }
        if (self.broken || self.params.is_none()) && !key {
            self.dropped_units += 1;
            return;
        }
        self.broken = false;
        if heads.coded == Some(CODED_B) {
            if let Some((width, height)) = self.params.as_ref().map(|p| (p.width, p.height)) {
                self.announce(width, height, true, out);
            }
        }
        // RTP tells when a picture is shown, and nothing of when it is decoded.
        let reorders = self.params.as_ref().is_some_and(|p| p.b_frames);
        let (pts, dts) = self.clock.map(origin.time, reorders, origin.now, &mut out.mapping);
        out.push(IngestOutput::Unit(AccessUnit {
            kind: Kind::Video,
            nalus: vec![data],
            pts,
            dts,
            key,
            after_loss: std::mem::take(&mut self.after_loss),
            arrival: origin.now,
            capture_unix_us: origin.capture_unix_us,
        }));
    }

    /// `b_frames` stays once it was so.
    fn announce(&mut self, width: u32, height: u32, b_frames: bool, out: &mut Sink) {
        let b_frames = b_frames || self.params.as_ref().is_some_and(|p| p.b_frames);
        if let Some(p) = &self.params {
            if (p.width, p.height, p.b_frames) == (width, height, b_frames) {
                return;
            }
            self.generation += 1;
        }
        let params = TrackParams {
            codec: Codec::Mpeg2,
            clock_hz: 90_000,
            generation: self.generation,
            width,
            height,
            profile: String::new(),
            profile_level_id: 0,
            b_frames,
            channels: 0,
            sample_rate_hz: 0,
            parameter_sets: Vec::new(),
        };
        self.params = Some(params.clone());
        out.push(IngestOutput::Track(params));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_up_to_the_first_slice() {
        let key = [0, 0, 1, 0xb3, 0x2d, 0x02, 0x40, 0x33, 0, 0, 1, 0xb8, 9, 9, 9, 9, 0, 0, 1, 0, 0, 0x0f, 9, 9];
        assert_eq!(Heads::read(&key), Heads { size: Some((720, 576)), coded: Some(1) });
        let b = [0, 0, 1, 0, 0, 0x5f, 0xff, 0, 0, 1, 1, 0, 0, 1, 0xb3, 1, 1, 1];
        assert_eq!(Heads::read(&b), Heads { size: None, coded: Some(3) });
        for cut in 0..key.len() {
            let _ = Heads::read(&key[..cut]);
        }
        assert_eq!(Heads::read(&[0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68]), Heads::default());
    }
}
