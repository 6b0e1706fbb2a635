//! A stream's H.264 picture in single NAL unit packets (RFC 6184 §6.2, packetization-mode 0), made once for all who take
//! no other, and only while somebody does.

use super::track::Track;
use super::unit::{AccessUnit, Codec, TrackParams};
use crate::packet::h264;
use crate::time::Micros;

pub struct Singles {
    pub track: Track,
    /// A picture was left out: what refers to it is of no use.
    waits_for_key: bool,
    /// Pictures that were left out because one of their slices fits no datagram.
    pub oversized: u64,
}

impl Singles {
    /// Beside `source`, beginning with the pictures that it has cached. `None`: not H.264.
    pub fn beside(source: &Track, max_bytes: usize) -> Option<Self> {
        if source.params.codec != Codec::H264 {
            return None;
        }
        let track = Track::in_single_nal_units(source.params.clone(), max_bytes);
        let mut singles = Self { track, waits_for_key: true, oversized: 0 };
        for unit in source.cached_units() {
            singles.push(&unit, unit.pts, unit.arrival);
        }
        Some(singles)
    }

    pub fn set_params(&mut self, params: TrackParams) {
        self.track.set_params(params);
    }

    pub fn push(&mut self, unit: &AccessUnit, ts: i64, now: Micros) {
        if unit.nalus.iter().any(|n| n.len() > h264::MAX_SINGLE_BYTES) {
            self.oversized += 1;
            self.waits_for_key = true;
            self.track.end_gop();
        } else if unit.key || !self.waits_for_key {
            self.waits_for_key = false;
            self.track.push(unit, ts, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::track::tests::{params, unit};
    use super::*;

    fn push(source: &mut Track, key: bool, len: usize, n: u64) -> AccessUnit {
        let unit = unit(Codec::H264, key, n as i64 * 3000, len, n * 33);
        source.push(&unit, unit.pts, unit.arrival);
        unit
    }

    #[test]
    fn the_cached_group_is_there_at_once_one_packet_for_each_nal_unit() {
        let mut source = Track::new(params(Codec::H264), 1_000_000);
        let sent: Vec<_> = (0..5).map(|n| push(&mut source, n == 0, if n == 0 { 60_000 } else { 900 }, n)).collect();
        let singles = Singles::beside(&source, 1_000_000).expect("H.264");
        assert_eq!(singles.track.gop_start(), Some(0));
        for (n, unit) in sent.iter().enumerate() {
            let frame = singles.track.frame(n as u64).expect("kept");
            assert_eq!((frame.payloads.len(), frame.ts, frame.key), (1, unit.pts, unit.key));
            assert_eq!(frame.payloads.part(0), &unit.nalus[0][..]);
        }
    }

    #[test]
    fn a_slice_over_a_datagram_costs_its_picture_and_what_refers_to_it() {
        let mut source = Track::new(params(Codec::H264), 1_000_000);
        push(&mut source, true, 500, 0);
        let mut singles = Singles::beside(&source, 1_000_000).expect("H.264");
        for (key, len) in [(true, h264::MAX_SINGLE_BYTES + 1), (false, 500), (true, h264::MAX_SINGLE_BYTES), (false, 9)]
        {
            singles.push(&unit(Codec::H264, key, 0, len, 0), 0, Micros(0));
        }
        assert_eq!((singles.oversized, singles.track.frames), (1, 3));
        let frame = singles.track.frame(1).expect("the key frame that fits");
        assert_eq!((frame.key, frame.bytes), (true, h264::MAX_SINGLE_BYTES));
    }
}
