//! The byte stream format: NAL units between start codes (H.264 Annex B, H.265 Annex B).

use std::ops::Range;

/// Offset of the next 00 00 01 at or after `from`.
pub fn find_start_code(data: &[u8], from: usize) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let last = data.len().checked_sub(3)?;
    let mut i = from;
    while i <= last {
        // Eight bytes without a zero can't begin one.
        while let Some(eight) = data.get(i..i + 8) {
            let x = u64::from_le_bytes(eight.try_into().expect("eight bytes were taken"));
            if x.wrapping_sub(LOW) & !x & (LOW << 7) != 0 {
                break;
            }
            i += 8;
        }
        let end = (i + 8).min(last + 1);
        while i < end {
            if data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1 {
                return Some(i);
            }
            i += 1;
        }
    }
    None
}

/// Ranges of the NAL units, start codes and padding zeros left out. What stands before the first start code is skipped.
pub fn nalus(data: &[u8]) -> Nalus<'_> {
    Nalus { data, at: find_start_code(data, 0) }
}

#[derive(Debug, Clone)]
pub struct Nalus<'a> {
    data: &'a [u8],
    at: Option<usize>,
}

impl Iterator for Nalus<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let start = self.at? + 3;
            self.at = find_start_code(self.data, start);
            let mut end = self.at.unwrap_or(self.data.len());
            // trailing_zero_8bits, and the first byte of a four-byte start code
            while end > start && self.data[end - 1] == 0 {
                end -= 1;
            }
            if end > start {
                return Some(start..end);
            }
        }
    }
}

/// Does it begin with a three- or four-byte start code?
pub fn has_start_code(data: &[u8]) -> bool {
    data.starts_with(&[0, 0, 1]) || data.starts_with(&[0, 0, 0, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(data: &[u8]) -> Vec<&[u8]> {
        nalus(data).map(|r| &data[r]).collect()
    }

    #[test]
    fn found_at_every_offset() {
        for len in 3..40 {
            for at in 0..=len - 3 {
                for filler in [0xff, 1, 2] {
                    let mut data = vec![filler; len];
                    data[at..at + 3].copy_from_slice(&[0, 0, 1]);
                    assert_eq!(find_start_code(&data, 0), Some(at));
                    assert_eq!(find_start_code(&data, at), Some(at));
                    assert_eq!(find_start_code(&data, at + 1), None);
                }
            }
        }
        assert_eq!(find_start_code(&[0, 0, 1], usize::MAX), None);
    }

    #[test]
    fn splits() {
        assert_eq!(split(&[9, 0, 0, 1, 5, 6, 0, 0, 0, 1, 7, 0, 0]), [&[5u8, 6][..], &[7]]);
        assert_eq!(split(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 8]), [&[8u8][..]]);
        assert!(split(&[0, 0, 2, 1, 1]).is_empty());
        assert!(split(&[]).is_empty());
        assert_eq!(split(&[1, 0, 0, 1, 0x65, 1, 0, 1]), [&[0x65u8, 1, 0, 1][..]]);
    }
}
