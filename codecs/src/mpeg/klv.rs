//! SMPTE ST 336 packets (key, BER length, value) out of PES packets: private data (asynchronous) and metadata access unit
//! cells (synchronous, ISO/IEC 13818-1 §2.12.4), as MISB ST 1402 has both.

use bytes::{Bytes, BytesMut};

/// Every universal label begins so.
const LABEL: [u8; 4] = [0x06, 0x0e, 0x2b, 0x34];
const KEY_BYTES: usize = 16;
/// MISB ST 0601 packets have a few hundred bytes.
pub const MAX_PACKET_BYTES: usize = 16 * 1024;

pub fn begins(data: &[u8]) -> bool {
    data.starts_with(&LABEL)
}

/// Whole packets, one behind the other. What is none is searched past.
pub fn packets(data: &Bytes) -> Vec<Bytes> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(skip) = data.get(at..).and_then(|d| d.windows(LABEL.len()).position(|w| w == LABEL)) {
        at += skip;
        match length(&data[at..]) {
            Some(len) if len <= data.len() - at => {
                out.push(data.slice(at..at + len));
                at += len;
            }
            _ => at += LABEL.len(),
        }
    }
    out
}

/// Of the whole packet at the start of `data`.
fn length(data: &[u8]) -> Option<usize> {
    let first = *data.get(KEY_BYTES)?;
    if first < 0x80 {
        return Some(KEY_BYTES + 1 + usize::from(first));
    }
    let count = usize::from(first & 0x7f);
    let bytes = data.get(KEY_BYTES + 1..KEY_BYTES + 1 + count).filter(|_| (1..=4).contains(&count))?;
    let len = bytes.iter().fold(0usize, |len, b| len << 8 | usize::from(*b));
    Some(KEY_BYTES + 1 + count + len).filter(|n| *n <= MAX_PACKET_BYTES)
}

/// Metadata access units out of their cells.
#[derive(Debug, Default)]
pub struct Cells {
    partial: BytesMut,
}

impl Cells {
    pub fn lost(&mut self) {
        self.partial.clear();
    }

    /// The body of one PES packet with stream id 0xFC.
    pub fn push(&mut self, mut data: &[u8], out: &mut Vec<Bytes>) {
        // Senders that leave the cells out are met.
        if begins(data) {
            return out.extend(packets(&Bytes::copy_from_slice(data)));
        }
        while let [_service, _sequence, flags, hi, lo, rest @ ..] = data {
            let len = usize::from(u16::from_be_bytes([*hi, *lo])).min(rest.len());
            let fragment = flags >> 6;
            if fragment & 2 != 0 {
                self.partial.clear(); // complete, or the first
            }
            if self.partial.len() + len <= MAX_PACKET_BYTES {
                self.partial.extend_from_slice(&rest[..len]);
            }
            if fragment & 1 != 0 {
                out.extend(packets(&self.partial.split().freeze())); // complete, or the last
            }
            data = &rest[len..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(len: usize, long: bool) -> Vec<u8> {
        let mut out = LABEL.to_vec();
        out.resize(KEY_BYTES, 1);
        match long {
            true => out.extend_from_slice(&[0x82, (len >> 8) as u8, len as u8]),
            false => out.push(len as u8),
        }
        out.resize(out.len() + len, 7);
        out
    }

    #[test]
    fn split_and_bounded() {
        let (a, b) = (packet(20, false), packet(300, true));
        let both = Bytes::from([&[1, 2][..], &a, &[0; 9], &b].concat());
        assert_eq!(packets(&both), [a.clone(), b.clone()]);
        for cut in 0..both.len() {
            assert!(packets(&both.slice(..cut)).len() < 2);
        }
        let mut huge = packet(0, false);
        huge[KEY_BYTES] = 0x84;
        huge.extend_from_slice(&[0xff; 40]);
        assert!(packets(&huge.into()).is_empty());
    }

    #[test]
    fn cells_joined() {
        let whole = packet(100, false);
        let cell = |fragment: u8, d: &[u8]| [&[0, 1, fragment << 6 | 0x1f, 0, d.len() as u8][..], d].concat();
        let (mut cells, mut out) = (Cells::default(), Vec::new());
        cells.push(&cell(3, &whole), &mut out);
        cells.push(&[cell(2, &whole[..50]), cell(0, &whole[50..60]), cell(1, &whole[60..])].concat(), &mut out);
        cells.push(&cell(1, &whole[60..]), &mut out);
        cells.push(&whole, &mut out);
        assert_eq!(out, [&whole[..]; 3]);
    }
}
