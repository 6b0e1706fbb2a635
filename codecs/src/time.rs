//! Time as values: no clock here, the engine hands `now` in.

/// Microseconds of the engine's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Micros(pub u64);

impl Micros {
    pub fn since(self, earlier: Micros) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    pub fn plus_ms(self, ms: u64) -> Micros {
        Micros(self.0.saturating_add(ms.saturating_mul(1000)))
    }
}

/// Distance from `a` to `b` in a 16-bit sequence space: positive when `b` is later (RFC 1982).
pub fn seq_delta(a: u16, b: u16) -> i32 {
    i32::from(b.wrapping_sub(a) as i16)
}

/// Distance from `a` to `b` in the 32-bit RTP timestamp space.
pub fn ts_delta(a: u32, b: u32) -> i64 {
    i64::from(b.wrapping_sub(a) as i32)
}

/// Distance from `a` to `b` in the 33-bit PTS space of MPEG systems.
pub fn pts33_delta(a: u64, b: u64) -> i64 {
    const SPAN: i64 = 1 << 33;
    let d = (b as i64 - a as i64).rem_euclid(SPAN);
    if d >= SPAN / 2 {
        d - SPAN
    } else {
        d
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps() {
        assert_eq!(seq_delta(0xffff, 1), 2);
        assert_eq!(seq_delta(1, 0xffff), -2);
        assert_eq!(ts_delta(0xffff_fff0, 0x10), 0x20);
        assert_eq!(pts33_delta((1 << 33) - 1, 1), 2);
        assert_eq!(pts33_delta(1, (1 << 33) - 1), -2);
    }
}
