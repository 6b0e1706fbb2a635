//! AllStarLink's USRP: a 32-byte header, big-endian, and 20 ms of 8 kHz little-endian PCM.
//!
//! "USRP", then words: sequence, memory (unused), keyup, talkgroup, type, mpxid, reserved.

use crate::bytes::Reader;
use crate::error::ParseError;

pub const HEADER_BYTES: usize = 32;
pub const SAMPLES: usize = 160;
pub const RATE_HZ: u32 = 8000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Voice,
    Dtmf,
    /// Text, ping, TLV and what else there may be: not for us.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    pub seq: u32,
    pub keyup: bool,
    pub kind: Kind,
    /// PCM of a voice packet: none in the one that ends a transmission.
    pub body: &'a [u8],
}

/// Errors: short, another magic, a voice packet with another length than none or 20 ms.
pub fn parse(data: &[u8]) -> Result<Packet<'_>, ParseError> {
    let mut r = Reader::new(data);
    if r.take(4)? != b"USRP" {
        return Err(ParseError::new("no USRP packet", 0));
    }
    let (seq, _memory, keyup, _talkgroup, kind) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?, r.u32()?);
    r.skip(8)?;
    let body = r.rest();
    let kind = match kind {
        0 => Kind::Voice,
        1 => Kind::Dtmf,
        _ => Kind::Other,
    };
    if kind == Kind::Voice && !body.is_empty() && body.len() != SAMPLES * 2 {
        return Err(ParseError::new("USRP voice is not 20 ms long", HEADER_BYTES));
    }
    Ok(Packet { seq, keyup: keyup != 0, kind, body })
}

pub fn header(seq: u32, keyup: bool) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    out[..4].copy_from_slice(b"USRP");
    out[4..8].copy_from_slice(&seq.to_be_bytes());
    out[12..16].copy_from_slice(&u32::from(keyup).to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut packet = header(7, true).to_vec();
        packet.extend([1; 320]);
        let read = parse(&packet).expect("ours");
        assert_eq!((read.seq, read.keyup, read.kind, read.body.len()), (7, true, Kind::Voice, 320));
        let end = header(8, false);
        assert!(matches!(parse(&end), Ok(Packet { keyup: false, body: [], .. })));
    }

    #[test]
    fn other_bytes_are_refused() {
        for end in 0..HEADER_BYTES {
            assert!(parse(&header(1, true)[..end]).is_err(), "{end}");
        }
        let mut odd = header(1, true).to_vec();
        odd.extend([0; 319]);
        assert!(parse(&odd).is_err());
        odd[0] = b'X';
        assert!(parse(&odd).is_err());
    }
}
