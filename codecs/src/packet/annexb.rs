//! The byte stream format: NAL units between start codes (H.264 Annex B, H.265 Annex B).

use std::ops::Range;

/// Offset of the next 00 00 01 at or after `from`.
pub fn find_start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut i = from;
    // Looks at every third byte: only 0 or 1 there can belong to a start code.
    while let Some(&c) = data.get(i.checked_add(2)?) {
        if c > 1 {
            i += 3;
        } else if c == 0 {
            i += 1;
        } else if data[i] == 0 && data[i + 1] == 0 {
            return Some(i);
        } else {
            i += 3;
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
    fn splits() {
        assert_eq!(split(&[9, 0, 0, 1, 5, 6, 0, 0, 0, 1, 7, 0, 0]), [&[5u8, 6][..], &[7]]);
        assert_eq!(split(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 8]), [&[8u8][..]]);
        assert!(split(&[0, 0, 2, 1, 1]).is_empty());
        assert!(split(&[]).is_empty());
        assert_eq!(split(&[1, 0, 0, 1, 0x65, 1, 0, 1]), [&[0x65u8, 1, 0, 1][..]]);
    }
}
