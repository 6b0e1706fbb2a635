//! What can begin in a program stream: pack headers, maps, PES packets, and what is skipped (ISO/IEC 13818-1 §2.5.3).

use super::pes::{Look, PesHeader, FIXED_BYTES};
use super::{is_audio_id, is_video_id};
use crate::packet::annexb;

/// Larger program stream maps are skipped.
const MAX_PSM_BYTES: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    Pack(usize),
    Map(usize),
    Skip { body: usize, private: bool },
    Pes(PesHeader),
}

impl Header {
    pub fn bytes(self) -> usize {
        match self {
            Header::Pack(n) | Header::Map(n) => n,
            Header::Skip { .. } => FIXED_BYTES,
            Header::Pes(pes) => pes.header_bytes,
        }
    }
}

/// What begins at `data`.
pub(super) fn look(data: &[u8]) -> Look<Header> {
    if data.len() < 4 {
        let maybe = data.iter().zip([0, 0, 1]).all(|(a, b)| *a == b);
        return if maybe { Look::Need(4) } else { Look::Bad };
    }
    if data[..3] != [0, 0, 1] {
        return Look::Bad;
    }
    let id = data[3];
    match id {
        0xb9 => Look::Found(Header::Pack(4)), // end code
        0xba => look_pack(data),
        0xbc if data.len() < FIXED_BYTES => Look::Need(FIXED_BYTES),
        0xbc => {
            let bytes = FIXED_BYTES + length(data);
            if bytes > MAX_PSM_BYTES {
                Look::Found(Header::Skip { body: bytes - FIXED_BYTES, private: false })
            } else if data.len() < bytes {
                Look::Need(bytes)
            } else {
                Look::Found(Header::Map(bytes))
            }
        }
        _ if is_video_id(id) || is_audio_id(id) => match PesHeader::look(data) {
            Look::Need(n) => Look::Need(n),
            Look::Found(pes) => Look::Found(Header::Pes(pes)),
            Look::Bad => Look::Bad,
        },
        0xbb | 0xbd..=0xbf | 0xf0..=0xff if data.len() < FIXED_BYTES => Look::Need(FIXED_BYTES),
        0xbb | 0xbd..=0xbf | 0xf0..=0xff => Look::Found(Header::Skip { body: length(data), private: id != 0xbb }),
        _ => Look::Bad,
    }
}

fn length(data: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([data[4], data[5]]))
}

/// Pack header (§2.5.3.3), MPEG-1 form too. `00 00 01 BA` with another start code directly behind it is an empty pack.
fn look_pack(data: &[u8]) -> Look<Header> {
    let Some(&first) = data.get(4) else { return Look::Need(5) };
    if first & 0xc0 == 0x40 {
        let Some(&last) = data.get(13) else { return Look::Need(14) };
        let bytes = 14 + usize::from(last & 7);
        return if data.len() < bytes { Look::Need(bytes) } else { Look::Found(Header::Pack(bytes)) };
    }
    if first & 0xf0 == 0x20 {
        return if data.len() < 12 { Look::Need(12) } else { Look::Found(Header::Pack(12)) };
    }
    Look::Found(Header::Pack(4))
}

pub(super) fn find_pack(data: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = annexb::find_start_code(data, from) {
        if data.get(at + 3) == Some(&0xba) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
