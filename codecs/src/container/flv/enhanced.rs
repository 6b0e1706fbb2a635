//! The outer form of enhanced tags (Enhanced RTMP v2): modifiers, and one packet or those of several tracks.

use bytes::Bytes;

use crate::bytes::Reader;
use crate::error::ParseError;

/// ModEx packets before one that means something.
const MAX_MODIFIERS: usize = 8;
/// Tracks in one packet; encoders send up to ten.
const MAX_TRACKS: usize = 16;

/// How packets of a kind are numbered.
pub struct Kind {
    pub multitrack: u8,
    pub mod_ex: u8,
}

fn four(r: &mut Reader) -> Result<[u8; 4], ParseError> {
    Ok(r.u32()?.to_be_bytes())
}

/// Steps over ModEx packets (nanoseconds and what is to come); the packet type behind them.
pub fn modifiers(r: &mut Reader, mut packet: u8, mod_ex: u8) -> Result<u8, ParseError> {
    for _ in 0..MAX_MODIFIERS {
        if packet != mod_ex {
            return Ok(packet);
        }
        let mut size = usize::from(r.u8()?) + 1;
        if size == 256 {
            size = usize::from(r.u16()?) + 1;
        }
        r.skip(size)?;
        packet = r.u8()? & 15;
    }
    Err(ParseError::new("too many modifiers", r.position()))
}

pub struct Part {
    /// None: the tag has one track, and no number for it.
    pub track: Option<u8>,
    pub codec: [u8; 4],
    pub packet: u8,
    pub data: Bytes,
}

/// What stands behind the modifiers, whose packet type is `packet`.
pub fn parts(r: &mut Reader, body: &Bytes, packet: u8, kind: &Kind) -> Result<Vec<Part>, ParseError> {
    if packet == kind.multitrack {
        return multitrack(r, body);
    }
    let codec = four(r)?;
    Ok(vec![Part { track: None, codec, packet, data: body.slice(r.position()..) }])
}

/// The tracks of a multitrack packet: one, many of one codec, or many of many.
fn multitrack(r: &mut Reader, body: &Bytes) -> Result<Vec<Part>, ParseError> {
    let head = r.u8()?;
    let (form, packet) = (head >> 4, head & 15);
    let common = if form < 2 { Some(four(r)?) } else { None };
    let mut parts = Vec::new();
    while !r.is_empty() {
        let codec = match common {
            Some(codec) => codec,
            None => four(r)?,
        };
        let track = r.u8()?;
        let len = if form == 0 {
            r.remaining()
        } else {
            let b = r.take(3)?;
            u32::from_be_bytes([0, b[0], b[1], b[2]]) as usize
        };
        let at = r.position();
        r.skip(len)?;
        if parts.len() == MAX_TRACKS {
            return Err(ParseError::new("too many tracks in one packet", at));
        }
        parts.push(Part { track: Some(track), codec, packet, data: body.slice(at..at + len) });
    }
    Ok(parts)
}
