//! The boxes that CMAF is made of: init segment (ISO/IEC 14496-12 §8.2–§8.8) and fragment (§8.8.4 on).

use bytes::{BufMut, Bytes, BytesMut};

use super::cmaf::stays;
use super::records::{asc, avcc, hvcc};
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};

const VIDEO_ID: u32 = 1;
const AUDIO_ID: u32 = 2;

fn boxed(out: &mut BytesMut, kind: &[u8; 4], fill: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u32(0);
    out.put_slice(kind);
    fill(out);
    let size = (out.len() - at) as u32;
    out[at..at + 4].copy_from_slice(&size.to_be_bytes());
}

/// A box with version and flags.
fn full(out: &mut BytesMut, kind: &[u8; 4], version: u8, flags: u32, fill: impl FnOnce(&mut BytesMut)) {
    boxed(out, kind, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        fill(out);
    });
}

const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// What stands in stsd; `None` while the track can't be described, or its codec has no place here.
pub fn sample_entry(p: &TrackParams) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(256);
    match p.codec {
        Codec::H264 => {
            let config = avcc(p)?;
            visual(&mut out, b"avc1", p, b"avcC", &config);
        }
        Codec::H265 => {
            let config = hvcc(p)?;
            visual(&mut out, b"hvc1", p, b"hvcC", &config);
        }
        Codec::Aac => {
            let config = asc(p).filter(|c| c.len() < 64)?;
            sound(&mut out, b"mp4a", p, |out| full(out, b"esds", 0, 0, |out| es_descriptor(out, &config)));
        }
        Codec::Opus => sound(&mut out, b"Opus", p, |out| {
            boxed(out, b"dOps", |out| {
                out.put_slice(&[0, p.channels.clamp(1, 2)]);
                out.put_u16(0);
                out.put_u32(48_000);
                out.put_slice(&[0, 0, 0]);
            });
        }),
        _ => return None,
    }
    Some(out.freeze())
}

/// Whether one init segment serves both.
pub fn same_description(a: &TrackParams, b: &TrackParams) -> bool {
    a.codec == b.codec
        && (a.clock_hz, a.width, a.height, a.channels) == (b.clock_hz, b.width, b.height, b.channels)
        && a.parameter_sets == b.parameter_sets
}

fn visual(out: &mut BytesMut, kind: &[u8; 4], p: &TrackParams, config_kind: &[u8; 4], config: &[u8]) {
    boxed(out, kind, |out| {
        out.put_bytes(0, 6);
        out.put_u16(1);
        out.put_bytes(0, 16);
        out.put_u16(p.width.min(65_535) as u16);
        out.put_u16(p.height.min(65_535) as u16);
        out.put_u32(0x48_0000);
        out.put_u32(0x48_0000);
        out.put_u32(0);
        out.put_u16(1);
        out.put_bytes(0, 32);
        out.put_u16(24);
        out.put_u16(0xffff);
        boxed(out, config_kind, |out| out.put_slice(config));
    });
}

fn sound(out: &mut BytesMut, kind: &[u8; 4], p: &TrackParams, config: impl FnOnce(&mut BytesMut)) {
    boxed(out, kind, |out| {
        out.put_bytes(0, 6);
        out.put_u16(1);
        out.put_bytes(0, 8);
        out.put_u16(u16::from(p.channels.max(1)));
        out.put_u16(16);
        out.put_u32(0);
        // 16.16: a rate past 65 535 Hz is said by the configuration alone.
        out.put_u32(u32::from(u16::try_from(p.clock_hz).unwrap_or(0)) << 16);
        config(out);
    });
}

/// ISO/IEC 14496-1 §7.2.6.5; each length in one byte.
fn es_descriptor(out: &mut BytesMut, asc: &[u8]) {
    let specific = asc.len() as u8;
    out.put_slice(&[3, 23 + specific, 0, 0, 0]);
    out.put_slice(&[4, 15 + specific, 0x40, 0x15, 0, 0, 0]);
    out.put_bytes(0, 8);
    out.put_slice(&[5, specific]);
    out.put_slice(asc);
    out.put_slice(&[6, 1, 2]);
}

/// ftyp and moov of tracks without samples.
pub fn init_segment(tracks: &[&TrackParams]) -> Bytes {
    let mut out = BytesMut::with_capacity(1500);
    boxed(&mut out, b"ftyp", |out| out.put_slice(b"iso6\0\0\0\x01iso6cmfciso5mp41"));
    boxed(&mut out, b"moov", |out| {
        full(out, b"mvhd", 0, 0, |out| {
            [0, 0, 1000, 0, 0x1_0000].iter().for_each(|w| out.put_u32(*w));
            out.put_u16(0x100);
            out.put_bytes(0, 10);
            MATRIX.iter().for_each(|w| out.put_u32(*w));
            out.put_bytes(0, 24);
            out.put_u32(3);
        });
        tracks.iter().for_each(|p| trak(out, p));
        boxed(out, b"mvex", |out| {
            for p in tracks {
                full(out, b"trex", 0, 0, |out| [id(p.codec.kind()), 1, 0, 0, 0].iter().for_each(|w| out.put_u32(*w)));
            }
        });
    });
    out.freeze()
}

fn id(kind: Kind) -> u32 {
    if kind == Kind::Video {
        VIDEO_ID
    } else {
        AUDIO_ID
    }
}

fn trak(out: &mut BytesMut, p: &TrackParams) {
    let video = p.codec.kind() == Kind::Video;
    boxed(out, b"trak", |out| {
        full(out, b"tkhd", 0, 7, |out| {
            [0, 0, id(p.codec.kind()), 0, 0, 0, 0].iter().for_each(|w| out.put_u32(*w));
            out.put_u32(0);
            out.put_u16(if video { 0 } else { 0x100 });
            out.put_u16(0);
            MATRIX.iter().for_each(|w| out.put_u32(*w));
            out.put_u32(p.width.min(65_535) << 16);
            out.put_u32(p.height.min(65_535) << 16);
        });
        boxed(out, b"mdia", |out| {
            full(out, b"mdhd", 0, 0, |out| {
                [0, 0, p.clock_hz, 0].iter().for_each(|w| out.put_u32(*w));
                out.put_u32(0x55c4_0000); // "und"
            });
            full(out, b"hdlr", 0, 0, |out| {
                out.put_u32(0);
                out.put_slice(if video { b"vide" } else { b"soun" });
                out.put_bytes(0, 13);
            });
            boxed(out, b"minf", |out| {
                match video {
                    true => full(out, b"vmhd", 0, 1, |out| out.put_bytes(0, 8)),
                    false => full(out, b"smhd", 0, 0, |out| out.put_bytes(0, 4)),
                }
                boxed(out, b"dinf", |out| {
                    full(out, b"dref", 0, 0, |out| {
                        out.put_u32(1);
                        full(out, b"url ", 0, 1, |_| {});
                    });
                });
                boxed(out, b"stbl", |out| {
                    full(out, b"stsd", 0, 0, |out| {
                        out.put_u32(1);
                        out.put_slice(&sample_entry(p).unwrap_or_default());
                    });
                    full(out, b"stts", 0, 0, |out| out.put_u32(0));
                    full(out, b"stsc", 0, 0, |out| out.put_u32(0));
                    full(out, b"stsz", 0, 0, |out| out.put_u64(0));
                    full(out, b"stco", 0, 0, |out| out.put_u32(0));
                });
            });
        });
    });
}

#[derive(Debug, Clone)]
struct Sample {
    dts: i64,
    shift: i32,
    ticks: u32,
    key: bool,
    data: Bytes,
}

/// Samples of one track that wait for their part.
#[derive(Debug)]
pub struct Run {
    timescale: u32,
    samples: Vec<Sample>,
    bytes: usize,
    end: i64,
}

impl Run {
    pub fn new(timescale: u32) -> Self {
        Self { timescale, samples: Vec::new(), bytes: 0, end: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    pub fn clear(&mut self) {
        self.samples.clear();
        self.bytes = 0;
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the newest sample begins, and where it ends, in the track's clock.
    pub fn last(&self) -> i64 {
        self.samples.last().map_or(self.end, |s| s.dts)
    }

    pub fn end(&self) -> i64 {
        self.end
    }

    /// False: there is nothing in the unit that a player would need.
    pub fn push(&mut self, unit: &AccessUnit, codec: Codec, ticks: i64) -> bool {
        let mut data = BytesMut::new();
        if unit.kind == Kind::Video {
            let nalus = || unit.nalus.iter().filter(|n| stays(codec, n));
            data.reserve(nalus().map(|n| n.len() + 4).sum());
            for nalu in nalus() {
                data.put_u32(nalu.len() as u32);
                data.put_slice(nalu);
            }
        } else {
            unit.nalus.iter().for_each(|n| data.put_slice(n));
        }
        self.end = unit.dts + ticks;
        if data.is_empty() {
            // Time goes on, so that the next sample stands where it should.
            if let Some(last) = self.samples.last_mut() {
                last.ticks = last.ticks.saturating_add(ticks as u32);
            }
            return false;
        }
        let shift = (unit.pts - unit.dts).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        let ticks = ticks.clamp(0, i64::from(u32::MAX)) as u32;
        self.bytes += data.len();
        self.samples.push(Sample { dts: unit.dts, shift, ticks, key: unit.key, data: data.freeze() });
        true
    }

    /// The samples that begin before `limit`, in the track's clock.
    pub fn take_before(&mut self, limit: i64) -> Run {
        let n = self.samples.partition_point(|s| s.dts < limit);
        let rest = self.samples.split_off(n);
        let samples = std::mem::replace(&mut self.samples, rest);
        let bytes = samples.iter().map(|s| s.data.len()).sum();
        self.bytes -= bytes;
        Run { timescale: self.timescale, samples, bytes, end: self.end }
    }
}

/// moof and mdat.
pub fn fragment(sequence: u32, runs: &[(Kind, Run)]) -> Bytes {
    let bytes: usize = runs.iter().flat_map(|(_, r)| &r.samples).map(|s| s.data.len()).sum();
    let samples: usize = runs.iter().map(|(_, r)| r.samples.len()).sum();
    let mut out = BytesMut::with_capacity(bytes + samples * 16 + 256);
    let mut offsets = Vec::new();
    boxed(&mut out, b"moof", |out| {
        full(out, b"mfhd", 0, 0, |out| out.put_u32(sequence));
        for (kind, run) in runs {
            boxed(out, b"traf", |out| {
                let video = *kind == Kind::Video;
                // default-base-is-moof, and flags of all samples: each of sound can be begun with.
                full(out, b"tfhd", 0, 0x2_0020, |out| {
                    out.put_u32(id(*kind));
                    out.put_u32(0x200_0000);
                });
                let begin = run.samples.first().map_or(0, |s| s.dts).max(0);
                full(out, b"tfdt", 1, 0, |out| out.put_u64(begin as u64));
                let flags = if video { 0xf01 } else { 0x301 };
                full(out, b"trun", 1, flags, |out| {
                    out.put_u32(run.samples.len() as u32);
                    offsets.push(out.len());
                    out.put_u32(0);
                    for s in &run.samples {
                        out.put_u32(s.ticks);
                        out.put_u32(s.data.len() as u32);
                        if video {
                            out.put_u32(if s.key { 0x200_0000 } else { 0x101_0000 });
                            out.put_i32(s.shift);
                        }
                    }
                });
            });
        }
    });
    let mut at = out.len() + 8;
    for ((_, run), place) in runs.iter().zip(offsets) {
        out[place..place + 4].copy_from_slice(&(at as u32).to_be_bytes());
        at += run.samples.iter().map(|s| s.data.len()).sum::<usize>();
    }
    boxed(&mut out, b"mdat", |out| runs.iter().flat_map(|(_, r)| &r.samples).for_each(|s| out.put_slice(&s.data)));
    out.freeze()
}
