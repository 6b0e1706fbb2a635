//! Sound whose frames tell their length themselves: MPEG audio (ISO/IEC 11172-3 §2.4.2.3, ISO/IEC 13818-3 §2.4.2.3) and
//! AC-3 and E-AC-3 (ATSC A/52 §5.4.1, §E2.3.1). Cut out of the bytes as they come.

use bytes::{Bytes, BytesMut};

use crate::hub::unit::Codec;

/// More than any frame: what is left of a packet is kept only up to here.
const MAX_REST_BYTES: usize = 8 * 1024;

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub bytes: usize,
    pub sample_rate_hz: u32,
    pub channels: u8,
    /// Of each channel. 0: it only adds to the frame before it.
    pub samples: u32,
}

/// The frame that begins here. `None`: none does, or its header is not whole.
pub fn frame(codec: Codec, data: &[u8]) -> Option<Frame> {
    match codec {
        Codec::Ac3 => ac3(data),
        // E-AC-3 may stand beside a core of AC-3 in one stream.
        Codec::Eac3 => ac3(data).or_else(|| eac3(data)),
        _ => mpeg_audio(data),
    }
}

fn mpeg_audio(data: &[u8]) -> Option<Frame> {
    /// kbit/s by layer, of MPEG-1 and of the lower sampling rates.
    const RATES: [[u32; 15]; 5] = [
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let &[0xff, b, c, d] = data.first_chunk::<4>()? else { return None };
    let (version, layer) = (b >> 3 & 3, 4 - usize::from(b >> 1 & 3));
    if b & 0xe0 != 0xe0 || version == 1 || layer == 4 {
        return None;
    }
    let low = version != 3;
    let table = match (low, layer) {
        (false, layer) => layer - 1,
        (true, 1) => 3,
        (true, _) => 4,
    };
    // Rate 0 is "free": its frames do not tell their length.
    let kbps = *RATES[table].get(usize::from(c >> 4))?;
    let rate = *[44_100u32, 48_000, 32_000].get(usize::from(c >> 2 & 3))?;
    let rate = rate >> [2, 0, 1, 0][usize::from(version)];
    let padding = u32::from(c >> 1 & 1);
    let (bytes, samples) = match layer {
        1 => ((12_000 * kbps / rate + padding) * 4, 384),
        3 if low => (72_000 * kbps / rate + padding, 576),
        _ => (144_000 * kbps / rate + padding, 1152),
    };
    let channels = if d >> 6 == 3 { 1 } else { 2 };
    (kbps > 0).then_some(Frame { bytes: bytes as usize, sample_rate_hz: rate, channels, samples })
}

fn ac3(data: &[u8]) -> Option<Frame> {
    const RATES: [usize; 19] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    let &[0x0b, 0x77, _, _, size, id, mode] = data.first_chunk::<7>()? else { return None };
    // Beyond 10 it is E-AC-3.
    if id >> 3 > 10 {
        return None;
    }
    let kbps = *RATES.get(usize::from(size & 63) / 2)?;
    let (bytes, rate) = match size >> 6 {
        0 => (4 * kbps, 48_000),
        1 => (2 * (320 * kbps / 147 + usize::from(size & 1)), 44_100),
        2 => (6 * kbps, 32_000),
        _ => return None,
    };
    let channels = [2, 1, 2, 3, 3, 4, 4, 5][usize::from(mode >> 5)];
    Some(Frame { bytes, sample_rate_hz: rate, channels, samples: 1536 })
}

fn eac3(data: &[u8]) -> Option<Frame> {
    let &[0x0b, 0x77, size_hi, size_lo, mode, id] = data.first_chunk::<6>()? else { return None };
    if !(11..=16).contains(&(id >> 3)) {
        return None;
    }
    let bytes = 2 * (usize::from(size_hi & 7) << 8 | usize::from(size_lo)) + 2;
    let rate = *[48_000u32, 44_100, 32_000].get(usize::from(mode >> 6)).unwrap_or(&0);
    let (rate, blocks) = match (rate, mode >> 4 & 3) {
        // Half of what the second code says, and always six blocks.
        (0, half) => (*[24_000, 22_050, 16_000].get(usize::from(half))?, 6),
        (rate, blocks) => (rate, [1, 2, 3, 6][usize::from(blocks)]),
    };
    let channels = [2, 1, 2, 3, 3, 4, 4, 5][usize::from(mode >> 1 & 7)];
    // Dependent substreams, and other programmes beside the first.
    let adds = size_hi >> 6 == 1 || size_hi >> 3 & 7 != 0;
    (bytes > 6).then_some(Frame { bytes, sample_rate_hz: rate, channels, samples: if adds { 0 } else { 256 * blocks } })
}

/// Frames that begin in one packet and end in another are whole again.
#[derive(Debug, Default)]
pub struct Splitter {
    rest: BytesMut,
}

impl Splitter {
    pub fn clear(&mut self) {
        self.rest.clear();
    }

    /// The frames that are whole now, and whether the first of them began in an earlier packet. What is no frame is
    /// left out, and so is what only adds channels to one.
    pub fn push(&mut self, codec: Codec, data: &[u8]) -> (Vec<(Frame, Bytes)>, bool) {
        let before = self.rest.len();
        self.rest.extend_from_slice(data);
        let mut data = self.rest.split().freeze();
        let (mut out, mut at, mut early) = (Vec::new(), 0, false);
        while at < data.len() {
            match frame(codec, &data[at..]) {
                Some(f) if at + f.bytes <= data.len() => {
                    if f.samples > 0 {
                        early |= out.is_empty() && at < before;
                        out.push((f, data.slice(at..at + f.bytes)));
                    }
                    at += f.bytes;
                }
                Some(_) => break,
                None if data.len() - at < 7 => break,
                None => at += 1,
            }
        }
        let rest = data.split_off(at.min(data.len()));
        if rest.len() <= MAX_REST_BYTES {
            self.rest.extend_from_slice(&rest);
        }
        (out, early)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_what_follows() {
        let of = |codec, data: &[u8]| frame(codec, data).map(|f| (f.bytes, f.sample_rate_hz, f.channels, f.samples));
        // Layer II, 48 kHz, 192 kbit/s, stereo; layer III, 44.1 kHz, 128 kbit/s with padding; layer II, 16 kHz, 64 kbit/s, mono.
        assert_eq!(of(Codec::Mp2, &[0xff, 0xfd, 0xa4, 0x00]), Some((576, 48_000, 2, 1152)));
        assert_eq!(of(Codec::Mp2, &[0xff, 0xfb, 0x92, 0x00]), Some((418, 44_100, 2, 1152)));
        assert_eq!(of(Codec::Mp2, &[0xff, 0xf5, 0x88, 0xc0]), Some((576, 16_000, 1, 1152)));
        // 48 kHz, 192 kbit/s, stereo; 44.1 kHz, 384 kbit/s, 3/2 with the longer frame.
        assert_eq!(of(Codec::Ac3, &[0x0b, 0x77, 0, 0, 0x14, 0x40, 0x40]), Some((768, 48_000, 2, 1536)));
        assert_eq!(of(Codec::Ac3, &[0x0b, 0x77, 0, 0, 0x5d, 0x40, 0xe0]), Some((1672, 44_100, 5, 1536)));
        // 48 kHz, six blocks, stereo, 192 kbit/s; 24 kHz; what adds channels to another; AC-3 as its core.
        assert_eq!(of(Codec::Eac3, &[0x0b, 0x77, 0x01, 0x7f, 0x34, 0x80, 0]), Some((768, 48_000, 2, 1536)));
        assert_eq!(of(Codec::Eac3, &[0x0b, 0x77, 0x00, 0xff, 0xc2, 0x80, 0]), Some((512, 24_000, 1, 1536)));
        assert_eq!(of(Codec::Eac3, &[0x0b, 0x77, 0x41, 0x7f, 0x34, 0x80, 0]), Some((768, 48_000, 2, 0)));
        assert_eq!(of(Codec::Eac3, &[0x0b, 0x77, 0, 0, 0x14, 0x40, 0x40]), Some((768, 48_000, 2, 1536)));
        assert_eq!(of(Codec::Eac3, &[0x0b, 0x77, 0x01, 0x7f, 0xf4, 0x80, 0]), None, "no such rate");
        assert_eq!(of(Codec::Eac3, &[0x0b, 0x77, 0x00, 0x00, 0x34, 0x80, 0]), None, "no longer than its header");
        for bad in [&[0xff, 0xe9, 0xa4, 0][..], &[0xff, 0xfd, 0xf4, 0], &[0xff, 0xfd, 0x04, 0], &[0xff, 0xfd], &[]] {
            assert_eq!(of(Codec::Mp2, bad), None, "{bad:?}");
        }
        for bad in
            [[0x0b, 0x77, 0, 0, 0xd4, 0x40, 0], [0x0b, 0x77, 0, 0, 0x26, 0x40, 0], [0x0b, 0x77, 0, 0, 0, 0x80, 0]]
        {
            assert_eq!(of(Codec::Ac3, &bad), None, "{bad:?}");
        }
    }

    #[test]
    fn cut_anywhere_the_frames_are_the_same() {
        let mut data = vec![1, 2, 3];
        for i in 0..6u8 {
            let mut one = vec![0x0b, 0x77, 0, 0, 0x00, 0x40, 0x40];
            one.resize(128, i);
            data.extend(one);
        }
        for cut in 1..data.len() {
            let (mut splitter, mut found) = (Splitter::default(), Vec::new());
            let (first, _) = splitter.push(Codec::Ac3, &data[..cut]);
            let (second, early) = splitter.push(Codec::Ac3, &data[cut..]);
            assert!(!early || cut > 3);
            found.extend(first.into_iter().chain(second).map(|(_, bytes)| bytes[127]));
            assert_eq!(found, [0, 1, 2, 3, 4, 5], "{cut}");
        }
    }

    #[test]
    fn what_only_adds_channels_is_left_out() {
        let data = [0x00u8, 0x40, 0x08, 0x00].map(|kind| {
            let mut one = vec![0x0b, 0x77, kind, 0x3f, 0x34, 0x80, 0];
            one.resize(128, kind);
            one
        });
        let (found, early) = Splitter::default().push(Codec::Eac3, &data.concat());
        assert_eq!((found.len(), early), (2, false));
        assert!(found.iter().all(|(f, bytes)| f.samples == 1536 && bytes[127] == 0));
    }
}
