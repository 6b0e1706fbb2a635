//! JPEG files as cameras make them (ITU-T T.81 annex B): where one ends, and what RTP needs to know of it.

use bytes::{BufMut, Bytes, BytesMut};

use crate::bytes::Reader;
use crate::error::ParseError;

/// A picture larger than this is not believed.
pub const MAX_BYTES: usize = 4 << 20;
pub const SOI: u8 = 0xd8;
pub const EOI: u8 = 0xd9;
const DHT: u8 = 0xc4;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;

/// The Huffman tables of annex K.3 as one DHT segment: what RFC 2435 takes for granted, and UVC cameras leave out.
pub const DEFAULT_DHT: [u8; 420] = [
    0xff, 0xc4, 0x01, 0xa2, 0x00, 0x00, 0x01, 0x05, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x01, 0x00, 0x03, 0x01, 0x01,
    0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
    0x07, 0x08, 0x09, 0x0a, 0x0b, 0x10, 0x00, 0x02, 0x01, 0x03, 0x03, 0x02, 0x04, 0x03, 0x05, 0x05, 0x04, 0x04, 0x00,
    0x00, 0x01, 0x7d, 0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62,
    0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a,
    0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85,
    0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6,
    0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
    0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7,
    0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0x11, 0x00, 0x02, 0x01, 0x02, 0x04,
    0x04, 0x03, 0x04, 0x07, 0x05, 0x04, 0x04, 0x00, 0x01, 0x02, 0x77, 0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21,
    0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1,
    0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19,
    0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74,
    0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95,
    0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6,
    0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7,
    0xd8, 0xd9, 0xda, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

/// What a look at the start of something gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Not to its end; look again from `Walk` when more is there.
    More,
    /// It ends here (behind EOI).
    Ends(usize),
    /// Another picture begins here, or it can't be one: this is as far as it made sense.
    Broken(usize),
}

/// Finds the end of a picture whose bytes come bit by bit, without looking at any byte twice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Walk {
    at: usize,
    in_scan: bool,
}

impl Walk {
    /// `data` begins with SOI and only grows between calls.
    pub fn look(&mut self, data: &[u8]) -> Extent {
        if self.at == 0 {
            if data.len() < 2 {
                return Extent::More;
            }
            self.at = 2;
        }
        loop {
            if self.in_scan {
                // Entropy-coded data: FF only before 00 and RSTn.
                let Some(skip) = data[self.at..].iter().position(|b| *b == 0xff) else {
                    self.at = data.len();
                    return Extent::More;
                };
                self.at += skip;
                match data.get(self.at + 1) {
                    None => return Extent::More,
                    Some(0 | 0xd0..=0xd7) => self.at += 2,
                    Some(0xff) => self.at += 1,
                    Some(_) => self.in_scan = false,
                }
                continue;
            }
            let Some(&[ff, marker]) = data.get(self.at..self.at + 2) else { return Extent::More };
            match (ff, marker) {
                (0xff, 0xff) => self.at += 1,
                (0xff, EOI) => return Extent::Ends(self.at + 2),
                (0xff, SOI | 0 | 1) | (0..=0xfe, _) => return Extent::Broken(self.at),
                (0xff, 0xd0..=0xd7) => self.at += 2,
                (0xff, _) => {
                    let Some(&[hi, lo]) = data.get(self.at + 2..self.at + 4) else { return Extent::More };
                    let len = usize::from(u16::from_be_bytes([hi, lo]));
                    if len < 2 {
                        return Extent::Broken(self.at);
                    }
                    if data.len() < self.at + 2 + len {
                        return Extent::More;
                    }
                    self.at += 2 + len;
                    self.in_scan = marker == SOS;
                }
            }
        }
    }
}

/// A baseline picture taken apart, as far as RFC 2435 carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    /// RFC 2435 §4.1: 0 is 4:2:2, 1 is 4:2:0.
    pub kind: u8,
    pub restart_interval: u16,
    /// Luma, then chroma, 64 bytes each in zigzag order.
    pub tables: [u8; 128],
    /// The entropy-coded data, EOI left out.
    pub scan: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: u16,
    pub height: u16,
    pub has_huffman: bool,
    /// `None`: RTP can't carry it (progressive, 4:4:4, tables of its own, a side over 2040).
    pub plain: Option<Plain>,
}

impl Picture {
    /// `data`: from SOI to EOI.
    pub fn parse(data: &Bytes) -> Result<Self, ParseError> {
        let mut r = Reader::new(data);
        if r.u16()? != 0xffd8 {
            return Err(ParseError::new("no JPEG", 0));
        }
        let mut tables: [Option<[u8; 64]>; 4] = [None; 4];
        let (mut frame, mut restart, mut default_huffman, mut has_huffman) = (None, 0, true, false);
        loop {
            let mut marker = r.u16()?;
            while marker == 0xffff {
                marker = 0xff00 | u16::from(r.u8()?);
            }
            if marker < 0xff02 || matches!(marker as u8, SOI | EOI) {
                return Err(ParseError::new("JPEG marker where none may be", r.position()));
            }
            let len = usize::from(r.u16()?);
            let body = r.take(len.checked_sub(2).ok_or(ParseError::new("JPEG segment length", r.position()))?)?;
            match marker as u8 {
                DQT => quantizers(body, &mut tables)?,
                DHT => {
                    has_huffman = true;
                    default_huffman &= is_default(body);
                }
                DRI => restart = Reader::new(body).u16()?,
                kind @ (0xc0..=0xc3 | 0xc5..=0xcf) if kind != 0xc8 && kind != 0xcc => {
                    frame = Some((kind, Frame::parse(body)?))
                }
                SOS => break,
                _ => {}
            }
        }
        let (kind, frame) = frame.ok_or(ParseError::new("JPEG without a frame header", 0))?;
        let Some(scan) = data.len().checked_sub(2).filter(|end| *end >= r.position() && data[*end..] == [0xff, EOI])
        else {
            return Err(ParseError::new("JPEG without end", data.len()));
        };
        let scan = data.slice(r.position()..scan);
        let plain = (kind == 0xc0 && default_huffman).then(|| frame.plain(&tables, restart, scan)).flatten();
        Ok(Self { width: frame.width, height: frame.height, has_huffman, plain })
    }
}

fn quantizers(body: &[u8], tables: &mut [Option<[u8; 64]>; 4]) -> Result<(), ParseError> {
    let mut r = Reader::new(body);
    while !r.is_empty() {
        let head = r.u8()?;
        if head >> 4 != 0 {
            r.skip(128)?; // 16 bits: not of baseline
            continue;
        }
        let mut table = [0; 64];
        table.copy_from_slice(r.take(64)?);
        tables[usize::from(head & 3)] = Some(table);
    }
    Ok(())
}

/// Whether each table in the segment is the one of annex K.3.
fn is_default(mut body: &[u8]) -> bool {
    let table_bytes = |t: &[u8]| t.get(1..17).map(|counts| 17 + counts.iter().map(|c| usize::from(*c)).sum::<usize>());
    let default_of = |class: u8| {
        let mut rest = &DEFAULT_DHT[4..];
        while let Some(n) = table_bytes(rest).filter(|n| *n <= rest.len()) {
            if rest[0] == class {
                return Some(&rest[..n]);
            }
            rest = &rest[n..];
        }
        None
    };
    while let Some(&class) = body.first() {
        let Some(n) = table_bytes(body).filter(|n| *n <= body.len()) else { return false };
        if default_of(class) != Some(&body[..n]) {
            return false;
        }
        body = &body[n..];
    }
    true
}

struct Frame {
    width: u16,
    height: u16,
    /// Sampling factors and quantizer of each component.
    components: Vec<(u8, u8)>,
}

impl Frame {
    fn parse(body: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        r.skip(1)?;
        let (height, width, count) = (r.u16()?, r.u16()?, r.u8()?);
        if width == 0 || height == 0 {
            return Err(ParseError::new("JPEG without size", 0));
        }
        let mut components = Vec::new();
        for _ in 0..count.min(4) {
            r.skip(1)?;
            components.push((r.u8()?, r.u8()?));
        }
        Ok(Self { width, height, components })
    }

    fn plain(&self, tables: &[Option<[u8; 64]>; 4], restart_interval: u16, scan: Bytes) -> Option<Plain> {
        let [(y, yq), (0x11, cq), (0x11, cq2)] = *self.components.as_slice() else { return None };
        let kind = match y {
            0x21 => 0,
            0x22 => 1,
            _ => return None,
        };
        if cq != cq2 || self.width > 2040 || self.height > 2040 {
            return None;
        }
        let table = |q: u8| tables.get(usize::from(q)).copied().flatten();
        let mut both = [0; 128];
        both[..64].copy_from_slice(&table(yq)?);
        both[64..].copy_from_slice(&table(cq)?);
        Some(Plain { kind, restart_interval, tables: both, scan })
    }
}

/// The picture with Huffman tables, if it came without (as MJPEG of UVC and AVI does).
pub fn with_huffman(data: &Bytes, picture: &Picture) -> Bytes {
    if picture.has_huffman {
        return data.clone();
    }
    let mut out = BytesMut::with_capacity(data.len() + DEFAULT_DHT.len());
    out.put_slice(&[0xff, SOI]);
    out.put_slice(&DEFAULT_DHT);
    out.put_slice(&data[2..]);
    out.freeze()
}

/// A file out of what RFC 2435 leaves of it (appendix B).
pub fn write(width: u16, height: u16, plain: &Plain) -> Bytes {
    let mut out = BytesMut::with_capacity(plain.scan.len() + 640);
    out.put_slice(&[0xff, SOI]);
    for (id, table) in plain.tables.chunks(64).enumerate() {
        out.put_slice(&[0xff, DQT, 0, 67, id as u8]);
        out.put_slice(table);
    }
    if plain.restart_interval > 0 {
        out.put_slice(&[0xff, DRI, 0, 4]);
        out.put_u16(plain.restart_interval);
    }
    out.put_slice(&[0xff, 0xc0, 0, 17, 8]);
    out.put_u16(height);
    out.put_u16(width);
    let luma = if plain.kind == 0 { 0x21 } else { 0x22 };
    out.put_slice(&[3, 1, luma, 0, 2, 0x11, 1, 3, 0x11, 1]);
    out.put_slice(&DEFAULT_DHT);
    out.put_slice(&[0xff, SOS, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    out.put_slice(&plain.scan);
    out.put_slice(&[0xff, EOI]);
    out.freeze()
}
