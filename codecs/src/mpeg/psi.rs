//! The program stream map (ISO/IEC 13818-1 §2.5.4), and the CRC of all MPEG tables.

use crate::bytes::Reader;
use crate::error::ParseError;

/// More entries than this are not believed.
pub const MAX_STREAMS: usize = 16;

/// CRC-32 of annex A, most significant bit first.
pub fn crc32(data: &[u8]) -> u32 {
    data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |c, _| if c >> 31 == 1 { c << 1 ^ 0x04c1_1db7 } else { c << 1 })
    })
}

/// One elementary stream; `id` is the stream id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    pub id: u16,
    pub stream_type: u8,
}

/// A program stream map as far as it could be read, and whether anything in it was wrong (CRC, lengths): devices send
/// such maps for years, so a wrong one is used as a hint like any other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProgramStreamMap {
    pub streams: Vec<Stream>,
    pub bad: bool,
}

impl ProgramStreamMap {
    /// `data`: the whole map from 00 00 01 BC to its CRC.
    pub fn parse(data: &[u8]) -> Self {
        let mut map = Self::default();
        map.bad = map.read(data).is_err() || crc32(data) != 0;
        map
    }

    fn read(&mut self, data: &[u8]) -> Result<(), ParseError> {
        let mut r = Reader::new(data);
        r.skip(8)?; // start code, length, version and marker
        let info = r.u16()?;
        r.skip(usize::from(info))?;
        let map_bytes = usize::from(r.u16()?);
        let available = r.remaining().saturating_sub(4);
        let mut entries = Reader::new(r.take(map_bytes.min(available))?);
        while !entries.is_empty() && self.streams.len() < MAX_STREAMS {
            let (stream_type, id) = (entries.u8()?, entries.u8()?);
            self.streams.push(Stream { id: u16::from(id), stream_type });
            let info = entries.u16()?;
            entries.skip(usize::from(info))?;
        }
        if map_bytes != available {
            return Err(ParseError::new("elementary stream map length does not fit", 0));
        }
        Ok(())
    }

    pub fn write(out: &mut Vec<u8>, streams: &[Stream]) {
        let start = out.len();
        let map_bytes = streams.len() * 4;
        out.extend_from_slice(&[0, 0, 1, 0xbc]);
        out.extend_from_slice(&(map_bytes as u16 + 10).to_be_bytes());
        out.extend_from_slice(&[0xe0, 0xff, 0, 0]); // current, version 0; no program info
        out.extend_from_slice(&(map_bytes as u16).to_be_bytes());
        for s in streams {
            out.extend_from_slice(&[s.stream_type, s.id as u8, 0, 0]);
        }
        let crc = crc32(&out[start..]);
        out.extend_from_slice(&crc.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psm_round_trip_and_lies() {
        let streams = [Stream { id: 0xe0, stream_type: 0x1b }, Stream { id: 0xc0, stream_type: 0x90 }];
        let mut out = Vec::new();
        ProgramStreamMap::write(&mut out, &streams);
        assert_eq!(ProgramStreamMap::parse(&out), ProgramStreamMap { streams: streams.to_vec(), bad: false });
        let mut wrong = out.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(ProgramStreamMap::parse(&wrong), ProgramStreamMap { streams: streams.to_vec(), bad: true });
        let mut long = out.clone();
        long[15] = 0xff; // ES info length of the first entry
        let map = ProgramStreamMap::parse(&long);
        assert!(map.bad && map.streams == streams[..1]);
        for cut in 0..out.len() {
            assert!(ProgramStreamMap::parse(&out[..cut]).bad);
        }
    }
}
