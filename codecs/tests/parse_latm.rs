//! MP4A-LATM over RTP (RFC 6416): elements of every form, in fragments and with losses.

mod parse_support;

use bytes::Bytes;
use codecs::hub::unit::Codec;
use codecs::packet::latm::Mux;
use codecs::packet::latm_rtp::{Depacketizer, MAX_ELEMENT_BYTES};
use codecs::relay::ingest::{Ingest, IngestConfig, PayloadMap};
use codecs::time::Micros;
use parse_support::*;

/// ISO/IEC 14496-3 §1.7.3, the writing side.
#[derive(Default)]
struct Written {
    bits: Vec<bool>,
}

impl Written {
    fn put(&mut self, count: u32, value: u32) -> &mut Self {
        self.bits.extend((0..count).rev().map(|at| value >> at & 1 == 1));
        self
    }

    /// StreamMuxConfig of AAC-LC at 48 kHz with two channels.
    fn mux(&mut self, subframes: u32) -> &mut Self {
        // version 0, same framing, programmes and layers; AudioSpecificConfig; variable length, no other data, no CRC
        self.put(2, 1).put(6, subframes - 1).put(7, 0);
        self.put(5, 2).put(4, 3).put(4, 2).put(3, 0);
        self.put(3, 0).put(8, 0xff).put(2, 0)
    }

    fn frames(&mut self, frames: &[Bytes]) -> &mut Self {
        for frame in frames {
            for _ in 0..frame.len() / 255 {
                self.put(8, 255);
            }
            self.put(8, (frame.len() % 255) as u32);
            for byte in frame {
                self.put(8, u32::from(*byte));
            }
        }
        self
    }

    fn bytes(&self) -> Vec<u8> {
        self.bits
            .chunks(8)
            .map(|c| c.iter().enumerate().fold(0, |all, (at, b)| all | u8::from(*b) << (7 - at)))
            .collect()
    }
}

fn config(subframes: u32) -> Mux {
    Mux::parse(&Written::default().mux(subframes).bytes()).unwrap()
}

fn some_frames(rng: &mut Rng, count: usize) -> Vec<Bytes> {
    (0..count)
        .map(|_| {
            let len = 1 + rng.below(900);
            Bytes::from(rng.bytes(len))
        })
        .collect()
}

fn in_packets(depacketizer: &mut Depacketizer, element: &[u8], size: usize) -> Vec<Bytes> {
    let count = element.len().div_ceil(size);
    let mut found = Vec::new();
    for (at, piece) in element.chunks(size).enumerate() {
        if let Some((config, frames)) = depacketizer.push(piece, at + 1 == count).unwrap() {
            assert_eq!((config.object_type, config.sample_rate_hz, config.channels), (2, 48_000, 2));
            found.extend(frames);
        }
    }
    found
}

#[test]
fn what_is_written_comes_back() {
    let mut rng = Rng(7);
    for round in 0..200 {
        let count = 1 + round % 4;
        let size = [80, 255, 1400][rng.below(3)];
        let mux = config(count as u32);
        let frames = some_frames(&mut rng, count);
        let bare = Written::default().frames(&frames).bytes();
        for said in [Some(false), None] {
            assert_eq!(in_packets(&mut Depacketizer::new(Some(mux), said), &bare, size), frames, "out of band");
        }
        let with = Written::default().put(1, 0).mux(count as u32).frames(&frames).bytes();
        for given in [None, Some(mux)] {
            let mut depacketizer = Depacketizer::new(given, given.is_none().then_some(true));
            assert_eq!(in_packets(&mut depacketizer, &with, size), frames, "in band");
            let again = some_frames(&mut rng, count);
            let as_before = Written::default().put(1, 1).frames(&again).bytes();
            assert_eq!(in_packets(&mut depacketizer, &as_before, size), again, "as before");
        }
    }
}

#[test]
fn before_the_configuration_nothing_comes() {
    let frames = [Bytes::from_static(b"sound")];
    let mut depacketizer = Depacketizer::new(None, None);
    assert_eq!(depacketizer.push(&Written::default().put(1, 1).frames(&frames).bytes(), true), Ok(None));
    let with = Written::default().put(1, 0).mux(1).frames(&frames).bytes();
    assert_eq!(in_packets(&mut depacketizer, &with, 100), frames);
}

#[test]
fn a_loss_takes_its_own_element_only() {
    let mut rng = Rng(11);
    let (a, b) = (Bytes::from(rng.bytes(500)), Bytes::from(rng.bytes(300)));
    let element = Written::default().frames(std::slice::from_ref(&a)).bytes();
    let next = Written::default().frames(std::slice::from_ref(&b)).bytes();
    for missing in 0..3 {
        let mut depacketizer = Depacketizer::new(Some(config(1)), Some(false));
        for (at, piece) in element.chunks(element.len().div_ceil(3)).enumerate() {
            if at == missing {
                depacketizer.lost();
            } else {
                assert_eq!(depacketizer.push(piece, at == 2), Ok(None), "{missing} {at}");
            }
        }
        // Without its marker the first element can't be told from the second: both are given up.
        let first = depacketizer.push(&next, true).unwrap().map(|(_, frames)| frames);
        assert_eq!(first, (missing < 2).then(|| vec![b.clone()]), "{missing}");
        let second = depacketizer.push(&next, true).unwrap().map(|(_, frames)| frames);
        assert_eq!(second, Some(vec![b.clone()]), "{missing}");
    }
}

#[test]
fn random_and_cut_input_never_panics_and_holds_little() {
    let mut rng = Rng(3);
    for round in 0..3000 {
        let mut depacketizer = Depacketizer::new((round % 2 == 0).then(|| config(1 + round % 5)), None);
        for _ in 0..20 {
            let mut data = if rng.below(2) == 0 {
                let frames = some_frames(&mut rng, 2);
                Written::default().put(1, 0).mux(2).frames(&frames).bytes()
            } else {
                let len = rng.below(200);
                rng.bytes(len)
            };
            data.truncate(rng.below(data.len() + 1));
            if rng.below(5) == 0 {
                depacketizer.lost();
            }
            let _ = depacketizer.push(&data, rng.below(3) > 0);
            assert!(depacketizer.held_bytes() <= MAX_ELEMENT_BYTES);
        }
        let _ = Mux::parse(&rng.bytes(12));
    }
    let mut depacketizer = Depacketizer::default();
    for _ in 0..1000 {
        assert_eq!(depacketizer.push(&[1; 1400], false), Ok(None));
        assert!(depacketizer.held_bytes() <= MAX_ELEMENT_BYTES);
    }
}

#[test]
fn configurations_of_others() {
    let read = |data: &[u8]| {
        Mux::parse(data).map(|mux| (mux.config.object_type, mux.config.sample_rate_hz, mux.config.channels))
    };
    assert_eq!(read(&[0x40, 0x00, 0x24, 0x10, 0x3f, 0xc0]), Ok((2, 44_100, 1)));
    assert_eq!(
        read(&[0x40, 0x00, 0x24, 0x10, 0xad, 0xca, 0x00]),
        Ok((2, 44_100, 1)),
        "GStreamer's, of FFmpeg's encoder"
    );
    assert!(read(&[0x40, 0x00, 0x0e, 0x10, 0x3f, 0xc0]).is_err(), "CELP");
}

#[test]
fn a_track_of_it_by_its_sdp() {
    // FFmpeg's own (`-rtpflags latm`): 48 kHz, two channels
    let fmtp = "profile-level-id=1;cpresent=0;config=400023203fc0".to_owned();
    let map = PayloadMap { pt: 97, codec: Codec::Aac, clock_hz: 48_000, latm: true, fmtp };
    let mut ingest = Ingest::new(IngestConfig { payloads: vec![map], ..IngestConfig::default() });
    let mut out = Outputs::default();
    let mut sender = Sender::new(7);
    sender.pt = 97;
    for i in 0..20u32 {
        let element = Written::default().frames(&[Bytes::from(vec![i as u8 + 1; 700])]).bytes();
        for packet in sender.pieces(i * 1024, &element, 400, true) {
            ingest.push_rtp(&packet, Micros(5_000_000 + u64::from(i) * 21_333));
            out.take(&mut ingest);
        }
    }
    assert_eq!(ingest.stats().payload, "latm");
    assert_eq!((out.tracks[0].sample_rate_hz, out.tracks[0].channels), (48_000, 2));
    assert_eq!(out.audio.len(), 20);
    assert!(out.audio.windows(2).all(|pair| pair[1].pts - pair[0].pts == 1024));
}
