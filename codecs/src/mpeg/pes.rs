//! PES packet headers, MPEG-2 and MPEG-1 form (ISO/IEC 13818-1 §2.4.3.6, ISO/IEC 11172-1 §2.4.4.3).

/// What a look at the first bytes of something gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look<T> {
    /// So many bytes from its start are needed to tell.
    Need(usize),
    Found(T),
    /// It can't be one.
    Bad,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PesHeader {
    pub stream_id: u8,
    pub pts: Option<u64>,
    pub dts: Option<u64>,
    /// Start code up to the first payload byte.
    pub header_bytes: usize,
    /// Payload bytes; `None`: PES_packet_length is 0, it goes on until something else begins.
    pub body_bytes: Option<usize>,
}

/// Bytes of start code, stream id and length.
pub const FIXED_BYTES: usize = 6;
/// ISO/IEC 11172-1 allows 16 stuffing bytes.
const MAX_STUFFING: usize = 16;

impl PesHeader {
    /// `data` begins with 00 00 01 and a stream id of an audio, video or private-1 stream.
    pub fn look(data: &[u8]) -> Look<Self> {
        let [0, 0, 1, stream_id, l0, l1, flags, ..] = *data else {
            return if data.len() < 7 { Look::Need(7) } else { Look::Bad };
        };
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if flags & 0xc0 != 0x80 {
            return Self::look_mpeg1(data, stream_id, length);
        }
        if data.len() < 9 {
            return Look::Need(9);
        }
        let header_bytes = 9 + usize::from(data[8]);
        if data.len() < header_bytes {
            return Look::Need(header_bytes);
        }
        let optional = &data[9..header_bytes];
        let stamps = data[7] >> 6;
        let pts = if stamps & 2 != 0 { timestamp(optional) } else { None };
        let dts = if stamps == 3 { optional.get(5..).and_then(timestamp) } else { None };
        Look::Found(Self::found(stream_id, pts, dts, header_bytes, length))
    }

    fn look_mpeg1(data: &[u8], stream_id: u8, length: usize) -> Look<Self> {
        let mut at = FIXED_BYTES;
        while data.get(at) == Some(&0xff) {
            at += 1;
            if at > FIXED_BYTES + MAX_STUFFING {
                return Look::Bad;
            }
        }
        if data.get(at).is_some_and(|b| b & 0xc0 == 0x40) {
            at += 2; // STD buffer
        }
        let Some(&first) = data.get(at) else { return Look::Need(at + 1) };
        let stamps = match first >> 4 {
            2 => 1,
            3 => 2,
            _ if first == 0x0f => 0,
            _ => return Look::Bad,
        };
        let header_bytes = if stamps == 0 { at + 1 } else { at + 5 * stamps };
        if data.len() < header_bytes {
            return Look::Need(header_bytes);
        }
        let pts = if stamps > 0 { timestamp(&data[at..]) } else { None };
        let dts = if stamps > 1 { timestamp(&data[at + 5..]) } else { None };
        Look::Found(Self::found(stream_id, pts, dts, header_bytes, length))
    }

    fn found(stream_id: u8, pts: Option<u64>, dts: Option<u64>, header_bytes: usize, length: usize) -> Self {
        let body_bytes = (length != 0).then(|| (length + FIXED_BYTES).saturating_sub(header_bytes));
        Self { stream_id, pts, dts, header_bytes, body_bytes }
    }

    /// MPEG-2 form with optional PTS. `body` over 65 535 less the header: length 0 (§2.4.3.7 allows it for video).
    pub fn write(out: &mut Vec<u8>, stream_id: u8, pts: Option<u64>, dts: Option<u64>, body: usize) {
        let dts = dts.filter(|d| pts.is_some() && Some(*d) != pts);
        let optional: usize = if pts.is_some() { 5 } else { 0 } + if dts.is_some() { 5 } else { 0 };
        let length = u16::try_from(body + 3 + optional).unwrap_or(0);
        out.extend_from_slice(&[0, 0, 1, stream_id]);
        out.extend_from_slice(&length.to_be_bytes());
        let stamps = if dts.is_some() { 3 } else { u8::from(pts.is_some()) * 2 };
        out.extend_from_slice(&[0x80, stamps << 6, optional as u8]);
        if let Some(pts) = pts {
            write_timestamp(out, stamps, pts);
        }
        if let Some(dts) = dts {
            write_timestamp(out, 1, dts);
        }
    }
}

/// 33 bits in five bytes; marker bits are not insisted on.
fn timestamp(b: &[u8]) -> Option<u64> {
    let b = b.get(..5)?;
    let part = |hi: u8, lo: u8| u64::from(hi) << 7 | u64::from(lo >> 1);
    Some(u64::from(b[0] >> 1 & 7) << 30 | part(b[1], b[2]) << 15 | part(b[3], b[4]))
}

fn write_timestamp(out: &mut Vec<u8>, prefix: u8, t: u64) {
    out.push(prefix << 4 | ((t >> 30 & 7) as u8) << 1 | 1);
    out.push((t >> 22) as u8);
    out.push(((t >> 15 & 0x7f) as u8) << 1 | 1);
    out.push((t >> 7) as u8);
    out.push(((t & 0x7f) as u8) << 1 | 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (pts, dts) in [(None, None), (Some((1 << 33) - 1), None), (Some(0x1_2345_6789), Some(0x0_fedc_ba98))] {
            let mut out = Vec::new();
            PesHeader::write(&mut out, 0xe0, pts, dts, 100);
            let want = PesHeader { stream_id: 0xe0, pts, dts, header_bytes: out.len(), body_bytes: Some(100) };
            assert_eq!(PesHeader::look(&out), Look::Found(want));
            for cut in 0..out.len() {
                assert!(matches!(PesHeader::look(&out[..cut]), Look::Need(n) if n > cut));
            }
        }
    }

    #[test]
    fn mpeg1_form() {
        let data = [0, 0, 1, 0xe0, 0, 12, 0xff, 0x60, 0x20, 0x21, 0, 1, 0, 3, 9, 9];
        let Look::Found(h) = PesHeader::look(&data) else { panic!("not read") };
        assert_eq!((h.pts, h.header_bytes, h.body_bytes), (Some(1), 14, Some(4)));
        assert_eq!(PesHeader::look(&[0, 0, 1, 0xe0, 0, 9, 0]), Look::Bad);
    }
}
