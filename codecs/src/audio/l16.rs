//! L16 (RFC 3551 §4.5.11): samples as they are, in network order; stereo is averaged.

/// Append mono samples. Bytes of a cut sample at the end are left out.
pub fn decode(payload: &[u8], channels: u8, out: &mut Vec<i16>) {
    if channels == 2 {
        out.extend(payload.chunks_exact(4).map(|b| {
            let (left, right) = (i16::from_be_bytes([b[0], b[1]]), i16::from_be_bytes([b[2], b[3]]));
            ((i32::from(left) + i32::from(right)) >> 1) as i16
        }));
    } else {
        out.extend(payload.chunks_exact(2).map(|b| i16::from_be_bytes([b[0], b[1]])));
    }
}

/// Append the samples in network order, in each channel the same.
pub fn encode(frame: &[i16], channels: u8, out: &mut Vec<u8>) {
    out.reserve(frame.len() * 2 * usize::from(channels));
    for sample in frame {
        for _ in 0..channels {
            out.extend(sample.to_be_bytes());
        }
    }
}
