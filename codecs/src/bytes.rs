//! Bounds-checked reading: bytes and bits. Nothing here panics on any input.

use crate::error::ParseError;

/// A cursor over bytes; every read checks its length first.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    pub fn remaining(&self) -> usize {
        self.data.len() - self.at
    }

    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// What is left, without reading it.
    pub fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], ParseError> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.data.len());
        let end = end.ok_or(ParseError::new("truncated", self.at))?;
        let out = &self.data[self.at..end];
        self.at = end;
        Ok(out)
    }

    pub fn skip(&mut self, len: usize) -> Result<(), ParseError> {
        self.take(len).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let bytes = self.take(N)?;
        let mut out = [0; N];
        out.copy_from_slice(bytes);
        Ok(out)
    }

    pub fn u8(&mut self) -> Result<u8, ParseError> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, ParseError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, ParseError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, ParseError> {
        Ok(u64::from_be_bytes(self.array()?))
    }
}

/// Bits, most significant first. Made over a NAL unit it steps over emulation prevention bytes
/// (00 00 03, ITU-T H.264 §7.4.1, H.265 §7.4.2) without copying.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
    /// Bits of the byte at `at` that are used up: 0..=7.
    bit: u8,
    /// Zero bytes directly before `at`, counted only while `escaped`.
    zeros: u8,
    escaped: bool,
}

impl<'a> BitReader<'a> {
    /// Plain bits.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, bit: 0, zeros: 0, escaped: false }
    }

    /// Bits of a NAL unit's payload (after the NAL header): emulation prevention is removed.
    pub fn rbsp(data: &'a [u8]) -> Self {
        Self { escaped: true, ..Self::new(data) }
    }

    /// Bits read so far, emulation prevention counted.
    pub fn position(&self) -> usize {
        self.at * 8 + usize::from(self.bit)
    }

    pub fn bit(&mut self) -> Result<bool, ParseError> {
        if self.escaped && self.bit == 0 && self.zeros >= 2 && self.data.get(self.at) == Some(&3) {
            self.at += 1;
            self.zeros = 0;
        }
        let byte = *self.data.get(self.at).ok_or(ParseError::new("bits ran out", self.at))?;
        let out = byte >> (7 - self.bit) & 1 == 1;
        self.bit += 1;
        if self.bit == 8 {
            self.bit = 0;
            self.at += 1;
            self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        }
        Ok(out)
    }

    /// `count` bits, at most 32.
    pub fn bits(&mut self, count: u32) -> Result<u32, ParseError> {
        if count > 32 {
            return Err(ParseError::new("more than 32 bits asked", self.at));
        }
        let mut out = 0u32;
        for _ in 0..count {
            out = out << 1 | u32::from(self.bit()?);
        }
        Ok(out)
    }

    pub fn skip(&mut self, count: u32) -> Result<(), ParseError> {
        for _ in 0..count {
            self.bit()?;
        }
        Ok(())
    }

    /// ue(v), H.264 §9.1.
    pub fn ue(&mut self) -> Result<u32, ParseError> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return Err(ParseError::new("Exp-Golomb code too long", self.at));
            }
        }
        let tail = self.bits(zeros)?;
        Ok(((1u64 << zeros) - 1) as u32 + tail)
    }

    /// se(v), H.264 §9.1.1.
    pub fn se(&mut self) -> Result<i32, ParseError> {
        let k = i64::from(self.ue()?);
        let magnitude = (k + 1) / 2;
        Ok(if k % 2 == 1 { magnitude } else { -magnitude } as i32)
    }

    /// ue(v) that the format bounds.
    pub fn ue_max(&mut self, max: u32, what: &'static str) -> Result<u32, ParseError> {
        let v = self.ue()?;
        if v > max {
            return Err(ParseError::new(what, self.at));
        }
        Ok(v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses() {
        let mut r = Reader::new(&[1, 2, 3, 4, 5]);
        assert_eq!(r.u16(), Ok(0x0102));
        assert_eq!(r.u32().unwrap_err(), ParseError::new("truncated", 2));
        assert_eq!(r.take(usize::MAX).unwrap_err().what, "truncated");
        assert_eq!(r.rest(), &[3, 4, 5]);
        assert!(r.skip(3).is_ok() && r.is_empty());
    }

    #[test]
    fn exp_golomb() {
        // 1 | 010 | 011 | 00100 | 00101, then se of the same codes
        let bits = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut r = BitReader::new(&bits);
        assert_eq!((0..5).map(|_| r.ue().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        let mut r = BitReader::new(&bits);
        assert_eq!((0..5).map(|_| r.se().unwrap()).collect::<Vec<_>>(), [0, 1, -1, 2, -2]);
        assert!(BitReader::new(&[0; 8]).ue().is_err());
        // the longest code: 31 zeros, 1, 31 ones
        let long = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe];
        assert_eq!(BitReader::new(&long).ue(), Ok(u32::MAX - 1));
    }

    #[test]
    fn emulation_prevention_is_skipped() {
        let mut r = BitReader::rbsp(&[0, 0, 3, 1, 0, 0, 3]);
        assert_eq!(r.bits(24), Ok(1));
        assert_eq!(r.bits(16), Ok(0));
        assert!(r.bit().is_err());
        let mut plain = BitReader::new(&[0, 0, 3, 1]);
        assert_eq!(plain.bits(32), Ok(0x0301));
    }
}
