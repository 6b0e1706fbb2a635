//! MPEG-1 and MPEG-2 pictures, and MPEG audio, over RTP (RFC 2250 §3.4, §3.5): a picture in several packets of one time,
//! the marker on its last.

use bytes::{Bytes, BytesMut};

use super::nalus::MAX_UNIT_BYTES;
use crate::error::ParseError;

/// Of the video-specific header; as much again behind it where it says so.
const HEADER_BYTES: usize = 4;
/// §3.4: "MPEG-2 (Two) specific header extension present".
const EXTENDED: u8 = 0x04;

/// What stands behind the header of one packet of a picture.
fn body(payload: &[u8]) -> Result<&[u8], ParseError> {
    let more = if payload.first().is_some_and(|b| b & EXTENDED != 0) { HEADER_BYTES } else { 0 };
    payload.get(HEADER_BYTES + more..).ok_or(ParseError::new("an MPEG packet without its header", 0))
}

/// What stands behind the header of one packet of sound: frames, or a piece of one. `None`: nothing.
pub fn sound(payload: &[u8]) -> Option<&[u8]> {
    payload.get(HEADER_BYTES..).filter(|data| !data.is_empty())
}

/// A picture begins here: what no other payload has at this place.
pub fn begins_picture(payload: &[u8]) -> bool {
    // §3.4: five bits are zero, and there are four kinds of picture.
    let fits = payload.len() > HEADER_BYTES && payload[0] & 0xf8 == 0 && matches!(payload[2] & 7, 1..=4);
    fits && body(payload).is_ok_and(|data| data.starts_with(&[0, 0, 1]) && matches!(data.get(3), Some(0 | 0xb3 | 0xb8)))
}

#[derive(Debug, Default)]
pub struct Depacketizer {
    partial: BytesMut,
    /// Something of the picture is missing: it is of no use.
    damaged: bool,
}

/// One picture with what stands before it.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    pub data: Bytes,
    pub damaged: bool,
}

impl Depacketizer {
    pub fn held_bytes(&self) -> usize {
        self.partial.len()
    }

    pub fn lost(&mut self) {
        self.damaged = true;
    }

    /// The picture that this packet ends.
    pub fn push(&mut self, payload: &[u8], marker: bool) -> Result<Option<Picture>, ParseError> {
        let data = body(payload).inspect_err(|_| self.damaged = true)?;
        if self.partial.len() + data.len() > MAX_UNIT_BYTES {
            self.damaged = true;
        } else {
            self.partial.extend_from_slice(data);
        }
        Ok(if marker { self.end() } else { None })
    }

    /// Another time begins, and the marker was on none: what is there is a picture, if anything is.
    pub fn end(&mut self) -> Option<Picture> {
        let damaged = std::mem::take(&mut self.damaged);
        let data = self.partial.split().freeze();
        (damaged || !data.is_empty()).then_some(Picture { data, damaged })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 12] = [0, 0, 0x21, 0, 0, 0, 1, 0xb3, 1, 2, 3, 4];

    #[test]
    fn a_picture_in_pieces() {
        let mut d = Depacketizer::default();
        assert_eq!(d.push(&KEY, false), Ok(None));
        // With the extension of MPEG-2.
        assert_eq!(d.push(&[4, 0, 1, 0, 9, 9, 9, 9, 5, 6], false), Ok(None));
        let data = Bytes::from_static(&[0, 0, 1, 0xb3, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(d.push(&[0, 0, 1, 0, 7], true), Ok(Some(Picture { data, damaged: false })));
        assert_eq!((d.end(), d.held_bytes()), (None, 0));
    }

    #[test]
    fn what_is_missing_is_known_until_the_picture_ends() {
        let mut d = Depacketizer::default();
        assert_eq!(d.push(&KEY, false), Ok(None));
        d.lost();
        assert!(d.push(&[0, 0, 1, 0, 7], true).unwrap().is_some_and(|p| p.damaged));
        assert!(d.push(&[0, 0], false).is_err());
        assert!(d.push(&KEY, true).unwrap().is_some_and(|p| p.damaged), "a packet of it could not be read");
        assert!(d.push(&KEY, true).unwrap().is_some_and(|p| !p.damaged));
        // The marker was lost: the next time ends it.
        assert_eq!(d.push(&KEY, false), Ok(None));
        assert!(d.end().is_some_and(|p| !p.damaged && p.data.len() == 8));
    }

    #[test]
    fn nothing_grows_for_ever() {
        let mut d = Depacketizer::default();
        let piece = [&[0u8, 0, 1, 0][..], &[7; 1400]].concat();
        for _ in 0..2 * MAX_UNIT_BYTES / 1400 {
            assert_eq!(d.push(&piece, false), Ok(None));
        }
        assert!(d.held_bytes() <= MAX_UNIT_BYTES && d.end().is_some_and(|p| p.damaged));
    }

    #[test]
    fn where_a_picture_begins() {
        assert!(begins_picture(&KEY));
        // A pack header, H.264 with a start code, a middle piece.
        for other in [&[0, 0, 1, 0xba, 0x44, 0, 4, 0][..], &[0, 0, 0, 1, 0x67, 0x42, 0], &[0, 0, 1, 0, 7, 7, 7], &[]] {
            assert!(!begins_picture(other), "{other:?}");
        }
        assert_eq!((sound(&[0, 0, 0, 0, 0xff]), sound(&[0, 0, 0, 0])), (Some(&[0xff][..]), None));
    }
}
