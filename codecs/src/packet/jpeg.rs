//! JPEG over RTP (RFC 2435): baseline 4:2:0 and 4:2:2 with the default Huffman tables, sides up to 2040.
//!
//! A picture that this can't carry is kept in payloads of a type of ours, for those who take no packets (frame ports,
//! containers); `relay::choice` offers such a track to nobody as RTP.

use bytes::{BufMut, Bytes, BytesMut};

use super::jpeg_file::{self, Picture, Plain};
use super::payloads::PayloadsBuilder;
use super::Payloads;
use crate::bytes::Reader;
use crate::error::ParseError;

/// `TrackParams::profile` of pictures that RTP carries.
pub const PLAIN_PROFILE: &str = "baseline";
const HEADER_BYTES: usize = 8;
/// Of the whole file in pieces; never on the wire.
const OURS: u8 = 255;
/// RFC 2435 §3.1.4: tables in band, in every picture.
const Q_IN_BAND: u8 = 255;

/// RFC 2435 appendix A: annex K.1's tables in zigzag order.
const LUMA: [u8; 64] = [
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61,
    60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113,
    121, 112, 100, 120, 92, 101, 103, 99,
];
const CHROMA: [u8; 14] = [17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66];

fn tables_of(q: u8) -> [u8; 128] {
    let factor = u32::from(q.clamp(1, 99));
    let scale = if factor < 50 { 5000 / factor } else { 200 - 2 * factor };
    std::array::from_fn(|i| {
        let base = if i < 64 { LUMA[i] } else { CHROMA.get(i - 64).copied().unwrap_or(99) };
        ((u32::from(base) * scale + 50) / 100).clamp(1, 255) as u8
    })
}

/// Whole pictures out of RTP payloads in order.
#[derive(Debug, Default)]
pub struct Depacketizer {
    scan: BytesMut,
    /// Type, Q, width and height of the picture being gathered, in blocks of 8.
    head: Option<[u8; 4]>,
    restart_interval: u16,
    tables: Option<[u8; 128]>,
    /// Of earlier pictures with the same Q of 128..=254 (§3.1.8).
    kept: Option<(u8, [u8; 128])>,
}

impl Depacketizer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Packets are missing: so is this picture.
    pub fn lost(&mut self) {
        self.head = None;
        self.scan.clear();
    }

    /// A picture is being gathered.
    pub fn is_open(&self) -> bool {
        self.head.is_some()
    }

    /// The whole picture, at its last packet (`marker`).
    pub fn push(&mut self, payload: &[u8], marker: bool) -> Result<Option<Bytes>, ParseError> {
        let mut r = Reader::new(payload);
        let offset = (r.u32()? & 0x00ff_ffff) as usize;
        let (kind, q, width, height) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
        if !matches!(kind, 0 | 1 | 64 | 65) || q == 0 || width == 0 || height == 0 {
            self.lost();
            return Err(ParseError::new("RTP/JPEG of a kind that nobody sends", 4));
        }
        let mut restart_interval = 0;
        if kind >= 64 {
            restart_interval = r.u16()?;
            r.skip(2)?; // F, L, restart count: whole pictures are gathered
        }
        if offset == 0 {
            self.lost();
            if q >= 128 {
                r.skip(1)?;
                let (precision, len) = (r.u8()?, usize::from(r.u16()?));
                let data = r.take(len)?;
                self.tables = match len {
                    0 => self.kept.filter(|(kept, _)| *kept == q).map(|(_, t)| t),
                    64 if precision == 0 => data.repeat(2).try_into().ok(),
                    128 if precision & 3 == 0 => data.try_into().ok(),
                    _ => None,
                };
                if let Some(tables) = self.tables.filter(|_| q < 255) {
                    self.kept = Some((q, tables));
                }
            } else {
                self.tables = Some(tables_of(q));
            }
            if self.tables.is_none() {
                return Err(ParseError::new("RTP/JPEG without quantization tables", HEADER_BYTES));
            }
            self.head = Some([kind, q, width, height]);
            self.restart_interval = restart_interval;
        }
        if self.head != Some([kind, q, width, height]) || offset != self.scan.len() {
            let waits = self.head.is_some();
            self.lost();
            return if waits { Err(ParseError::new("RTP/JPEG fragment out of place", 1)) } else { Ok(None) };
        }
        if offset + r.remaining() > jpeg_file::MAX_BYTES {
            self.lost();
            return Err(ParseError::new("JPEG too large", 1));
        }
        self.scan.extend_from_slice(r.rest());
        let (Some(tables), true) = (self.tables, marker) else { return Ok(None) };
        self.head = None;
        let mut scan = self.scan.split().freeze();
        if scan.ends_with(&[0xff, jpeg_file::EOI]) {
            scan.truncate(scan.len() - 2);
        }
        let plain = Plain { kind: kind & 63, restart_interval: self.restart_interval, tables, scan };
        Ok(Some(jpeg_file::write(u16::from(width) * 8, u16::from(height) * 8, &plain)))
    }
}

/// One picture. Fragments carry the byte offset, so that they are no run of equal headers but of equal lengths.
pub(super) fn packetize(units: &[Bytes], max: usize) -> Payloads {
    let Some(file) = units.first() else { return Payloads::default() };
    let mut out = PayloadsBuilder::new(file.len(), max);
    let plain = Picture::parse(file).ok().and_then(|p| Some((p.plain?, p.width, p.height)));
    let (body, head, first): (&[u8], Vec<u8>, Vec<u8>) = match &plain {
        Some((plain, width, height)) => {
            let restart = plain.restart_interval > 0;
            let blocks = |side: u16| side.div_ceil(8) as u8;
            let mut head = vec![plain.kind | u8::from(restart) << 6, Q_IN_BAND, blocks(*width), blocks(*height)];
            if restart {
                head.put_u16(plain.restart_interval);
                head.put_u16(0xffff); // F, L and count: reassemble the whole
            }
            let mut first = vec![0, 0, 0, 128];
            first.extend_from_slice(&plain.tables);
            (&plain.scan, head, first)
        }
        None => (file, vec![OURS, 0, 0, 0], Vec::new()),
    };
    let (mut at, mut packet) = (0, Vec::with_capacity(max));
    while at < body.len() {
        packet.clear();
        packet.put_u32(at as u32);
        packet.extend_from_slice(&head);
        if at == 0 {
            // §3.1.8. Where the limit is too small for the tables this can't be sent, but is kept all the same.
            packet.extend_from_slice(&first);
        }
        let n = max.saturating_sub(packet.len()).max(1).min(body.len() - at);
        packet.extend_from_slice(&body[at..at + n]);
        out.single(&packet);
        at += n;
    }
    out.finish()
}

/// The picture back out of its own payloads.
pub fn unpack(payloads: &Payloads) -> Vec<Bytes> {
    if payloads.part(0).get(4) == Some(&OURS) {
        let whole = payloads.iter().flat_map(|(p, _)| p.get(HEADER_BYTES..).unwrap_or_default()).copied();
        return vec![whole.collect()];
    }
    let mut depacketizer = Depacketizer::new();
    payloads.iter().filter_map(|(p, part)| depacketizer.push(p, part.marker).ok().flatten()).collect()
}
