//! The cached group of pictures with its sound, as access units again: what a reader that takes no packets begins with.

use bytes::Bytes;

use super::stream::Stream;
use super::timeline::to_us;
use super::track::{Frame, Track};
use super::unit::{AccessUnit, Codec, Kind};
use crate::packet::{aac, whole};

/// In decoding order of both tracks. Empty when no key frame is cached.
pub fn cached(stream: &Stream) -> Vec<AccessUnit> {
    let Some(video) = stream.track(Kind::Video) else { return Vec::new() };
    let clock = video.params.clock_hz;
    let mut all: Vec<_> = video.cached_units().map(|unit| (to_us(unit.dts, clock), unit)).collect();
    let (Some((_, first)), Some(audio)) = (all.first(), stream.track(Kind::Audio)) else {
        return all.into_iter().map(|(_, unit)| unit).collect();
    };
    let (begin_us, clock) = (to_us(first.pts, clock), audio.params.clock_hz);
    let frames = (0..audio.next_frame()).rev().map_while(|id| audio.frame(id));
    let sound = frames.map(|f| (to_us(f.ts, clock), f)).take_while(|(at, _)| *at >= begin_us);
    let mut sound: Vec<_> = sound.map(|(at, frame)| (at, heard(audio, frame))).collect();
    sound.reverse();
    all.extend(sound);
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, unit)| unit).collect()
}

fn heard(track: &Track, frame: &Frame) -> AccessUnit {
    let nalus = match track.params.codec {
        Codec::Aac => aac::unpack(&frame.payloads),
        Codec::Mp2 | Codec::Ac3 | Codec::Eac3 => whole::unpack(&frame.payloads),
        _ => frame.payloads.iter().map(|(part, _)| Bytes::copy_from_slice(part)).collect(),
    };
    let (pts, arrival) = (frame.ts, frame.arrival);
    AccessUnit { kind: Kind::Audio, nalus, pts, dts: pts, key: true, after_loss: false, arrival, capture_unix_us: None }
}
