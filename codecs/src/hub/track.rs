//! One track of a stream: packetised once, kept as the current group of pictures and as retransmission ring.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::packet::{h264, h265, jpeg, whole, Packetizer, Payloads};
use crate::time::Micros;

/// RTP payload bytes that leave room in 1200 for header, extensions (mid, abs-send-time, transport-cc), RTX and tag.
pub const MAX_PAYLOAD_BYTES: usize = 1136;
/// How long a packet can be sent again.
const RESEND_US: u64 = 1_000_000;
/// Frames kept at most, whatever their size.
const MAX_FRAMES: usize = 4096;

/// One access unit, cut into payloads. Immutable and shared.
#[derive(Debug)]
pub struct Frame {
    /// Counts frames of the track; no gaps.
    pub id: u64,
    /// Number of its first packet in the track; no gaps.
    pub first_packet: u64,
    /// In the track's clock, on the stream's time line.
    pub ts: i64,
    /// Decoding time less `ts`: not 0 only with B-frames whose source tells it.
    pub decode: i64,
    pub key: bool,
    pub bytes: usize,
    /// Bytes of the track before this frame: two frames' difference is what lies between them.
    pub offset: u64,
    pub arrival: Micros,
    pub payloads: Payloads,
}

impl Frame {
    pub fn end_packet(&self) -> u64 {
        self.first_packet + self.payloads.len() as u64
    }
}

/// Bits per second of what comes in, over the last second or so.
#[derive(Debug, Default)]
pub struct Rate {
    window_start: Micros,
    bytes: u64,
    frames: u32,
    pub bps: f64,
    pub fps: f64,
}

impl Rate {
    fn add(&mut self, bytes: usize, now: Micros) {
        let age = now.since(self.window_start);
        if self.frames == 0 && self.bps == 0.0 && self.bytes == 0 {
            self.window_start = now;
        } else if age >= 1_000_000 {
            let fresh = self.bytes as f64 * 8e6 / age as f64;
            // The first window is taken as it is; a long silence starts anew.
            let weight = if self.bps == 0.0 || age > 5_000_000 { 1.0 } else { 0.5 };
            self.bps += (fresh - self.bps) * weight;
            self.fps += (f64::from(self.frames) * 1e6 / age as f64 - self.fps) * weight;
            (self.window_start, self.bytes, self.frames) = (now, 0, 0);
        }
        self.bytes += bytes as u64;
        self.frames += 1;
    }

    /// What is known so far; 0 when nothing is.
    pub fn estimate_bps(&self, now: Micros) -> f64 {
        if self.bps > 0.0 {
            return self.bps;
        }
        let age = now.since(self.window_start);
        if age < 100_000 {
            0.0
        } else {
            self.bytes as f64 * 8e6 / age as f64
        }
    }
}

pub struct Track {
    pub params: TrackParams,
    packetizer: Packetizer,
    ring: VecDeque<Arc<Frame>>,
    ring_bytes: usize,
    max_bytes: usize,
    next_frame: u64,
    next_packet: u64,
    next_offset: u64,
    /// The newest key frame, while the ring still holds it.
    gop_start: Option<u64>,
    pub rate: Rate,
    pub frames: u64,
    pub key_frames: u64,
}

impl Track {
    /// `max_bytes` bounds the cache; past it the group of pictures is given up, not the newest second.
    pub fn new(params: TrackParams, max_bytes: usize) -> Self {
        Self {
            packetizer: Packetizer::new(&params, MAX_PAYLOAD_BYTES),
            params,
            ring: VecDeque::new(),
            ring_bytes: 0,
            max_bytes,
            next_frame: 0,
            next_packet: 0,
            next_offset: 0,
            gop_start: None,
            rate: Rate::default(),
            frames: 0,
            key_frames: 0,
        }
    }

    /// H.264 in packets of one NAL unit each, for peers of packetization-mode 0.
    pub fn in_single_nal_units(params: TrackParams, max_bytes: usize) -> Self {
        Self { packetizer: Packetizer::single_nal_units(&params), ..Self::new(params, max_bytes) }
    }

    /// A new generation; cached frames of another codec can not be played with it and go.
    pub fn set_params(&mut self, params: TrackParams) {
        if params.codec != self.params.codec {
            self.clear();
        }
        self.packetizer.set_params(&params);
        self.params = params;
    }

    /// Forget what is cached; numbering goes on.
    pub fn clear(&mut self) {
        self.ring.clear();
        self.ring_bytes = 0;
        self.gop_start = None;
    }

    pub fn kind(&self) -> Kind {
        self.params.codec.kind()
    }

    /// Cut a unit and keep it. `ts` is its time on the stream's time line. False when it holds nothing to send.
    pub fn push(&mut self, unit: &AccessUnit, ts: i64, now: Micros) -> bool {
        let payloads = self.packetizer.packetize(unit);
        if payloads.is_empty() {
            return false;
        }
        let bytes = payloads.data.len();
        self.rate.add(bytes, now);
        self.frames += 1;
        let frame = Frame {
            id: self.next_frame,
            first_packet: self.next_packet,
            ts,
            decode: unit.dts.saturating_sub(unit.pts),
            key: unit.key,
            bytes,
            offset: self.next_offset,
            arrival: unit.arrival,
            payloads,
        };
        self.next_frame += 1;
        self.next_packet = frame.end_packet();
        self.next_offset += bytes as u64;
        if unit.key && self.kind() == Kind::Video {
            self.gop_start = Some(frame.id);
            self.key_frames += 1;
        }
        self.ring_bytes += bytes;
        self.ring.push_back(Arc::new(frame));
        self.trim(now);
        true
    }

    fn trim(&mut self, now: Micros) {
        while self.ring.len() > 1 {
            let Some(front) = self.ring.front() else { return };
            let over = self.ring_bytes > self.max_bytes || self.ring.len() > MAX_FRAMES;
            let in_gop = self.gop_start.is_some_and(|start| front.id >= start);
            if !over && (in_gop || now.since(front.arrival) < RESEND_US) {
                return;
            }
            self.ring_bytes -= front.bytes;
            if in_gop {
                self.gop_start = None;
            }
            self.ring.pop_front();
        }
    }

    /// Where a new subscriber begins: the key frame that the cached pictures start with.
    pub fn gop_start(&self) -> Option<u64> {
        self.gop_start
    }

    /// The next frame to come.
    pub fn next_frame(&self) -> u64 {
        self.next_frame
    }

    /// The number that the next packet will have.
    pub fn next_packet(&self) -> u64 {
        self.next_packet
    }

    pub fn frame(&self, id: u64) -> Option<&Arc<Frame>> {
        let first = self.ring.front()?.id;
        self.ring.get(usize::try_from(id.checked_sub(first)?).ok()?)
    }

    /// The frame that holds packet `number`, and the packet's place in it.
    pub fn packet(&self, number: u64) -> Option<(&Arc<Frame>, usize)> {
        let at = self.ring.partition_point(|f| f.end_packet() <= number);
        let frame = self.ring.get(at)?;
        Some((frame, usize::try_from(number.checked_sub(frame.first_packet)?).ok()?))
    }

    pub fn newest(&self) -> Option<&Arc<Frame>> {
        self.ring.back()
    }

    /// Frames and bytes from the newest key frame on.
    pub fn gop_size(&self) -> (usize, usize) {
        let Some(start) = self.gop_start else { return (0, 0) };
        let gop = self.ring.iter().rev().take_while(|f| f.id >= start);
        gop.fold((0, 0), |(n, bytes), f| (n + 1, bytes + f.bytes))
    }

    /// The cached group of pictures as the units that they came as, for those who take no packets; empty when there is
    /// none, or it can not be had back from its packets.
    pub fn cached_units(&self) -> impl Iterator<Item = AccessUnit> + '_ {
        let unpack: Option<fn(&Payloads) -> Vec<Bytes>> = match self.params.codec {
            Codec::H264 => Some(h264::unpack),
            Codec::H265 => Some(h265::unpack),
            Codec::Mjpeg => Some(jpeg::unpack),
            Codec::Mpeg2 => Some(whole::unpack),
            _ => None,
        };
        let cached = self.gop_start.filter(|_| unpack.is_some()).map(|start| start..self.next_frame);
        cached.into_iter().flatten().filter_map(move |id| {
            let frame = self.frame(id)?;
            Some(AccessUnit {
                kind: self.kind(),
                nalus: unpack?(&frame.payloads),
                pts: frame.ts,
                dts: frame.ts + frame.decode,
                key: frame.key,
                after_loss: false,
                arrival: frame.arrival,
                capture_unix_us: None,
            })
        })
    }

    /// Bytes from frame `id` on; everything, when it is no longer held.
    pub fn bytes_from(&self, id: u64) -> u64 {
        if id >= self.next_frame {
            return 0;
        }
        self.next_offset - self.frame(id).map_or(0, |f| f.offset)
    }

    /// The source ended: newcomers must not be shown its last pictures as if they were live.
    pub fn end_gop(&mut self) {
        self.gop_start = None;
    }
}

#[cfg(test)]
pub mod tests {
    use bytes::Bytes;

    use super::super::unit::Codec;
    use super::*;

    pub fn params(codec: Codec) -> TrackParams {
        TrackParams {
            codec,
            clock_hz: if codec.kind() == Kind::Video { 90_000 } else { 8_000 },
            generation: 1,
            width: 0,
            height: 0,
            profile: String::new(),
            profile_level_id: 0,
            b_frames: false,
            channels: 1,
            sample_rate_hz: 8_000,
            parameter_sets: Vec::new(),
        }
    }

    pub fn unit(codec: Codec, key: bool, pts: i64, len: usize, at_ms: u64) -> AccessUnit {
        let mut nalu = vec![0x55; len];
        nalu[0] = if key { 0x65 } else { 0x41 };
        AccessUnit {
            kind: codec.kind(),
            nalus: vec![Bytes::from(nalu)],
            pts,
            dts: pts,
            key,
            after_loss: false,
            arrival: Micros(at_ms * 1000),
            capture_unix_us: None,
        }
    }

    #[test]
    fn the_group_of_pictures_stays_until_the_next_one_and_within_its_bound() {
        let mut track = Track::new(params(Codec::H264), 50_000);
        for i in 0..300u64 {
            let pts = i as i64 * 3000;
            assert!(track.push(&unit(Codec::H264, i % 100 == 0, pts, 400, i * 33), pts, Micros(i * 33_000)));
        }
        assert_eq!(track.gop_start(), Some(200));
        assert_eq!(track.gop_size().0, 100);
        // Older frames than the group are kept for a second only.
        assert!(track.frame(150).is_none() && track.frame(200).is_some());
        let newest = track.newest().expect("pushed").clone();
        assert_eq!(track.packet(newest.first_packet).map(|(f, i)| (f.id, i)), Some((299, 0)));
        assert!(track.packet(newest.end_packet()).is_none());
        // A group past the bound is given up; the ring stays bounded.
        for i in 300..600u64 {
            track.push(&unit(Codec::H264, false, 0, 1000, i * 33), 0, Micros(i * 33_000));
        }
        assert_eq!(track.gop_start(), None);
        assert!(track.bytes_from(0) > 50_000 && track.bytes_from(track.next_frame()) == 0);
    }
}
