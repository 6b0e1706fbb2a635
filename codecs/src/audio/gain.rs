//! Gain without clicks and without clipping.

/// Above this (−2.5 dBFS) the curve bends; below it nothing is changed.
const KNEE: i32 = 24_576;
const ROOM: i32 = 32_767 - KNEE;

/// Bring a sum into 16 bits: linear up to the knee, then bent so that full scale is reached only in the limit.
#[inline]
pub fn soft_limit(sample: i32) -> i16 {
    if (-KNEE..=KNEE).contains(&sample) {
        return sample as i16;
    }
    // room · x / (x + room): slope 1 at the knee, falling on.
    let over = i64::from(sample.unsigned_abs()) - i64::from(KNEE);
    let bent = KNEE + (i64::from(ROOM) * over / (over + i64::from(ROOM))) as i32;
    (if sample < 0 { -bent } else { bent }) as i16
}

/// A linear factor in Q11: −60 … +30 dB; the largest times a full sample just fits 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale(i32);

impl Scale {
    pub const UNITY: Scale = Scale(2048);
    pub const MUTE: Scale = Scale(0);

    /// Clamped to −60 … +30 dB; below −60 dB (and NaN) it mutes.
    pub fn from_db(db: f32) -> Self {
        if db.is_nan() || db < -60.0 {
            return Self::MUTE;
        }
        Self((2048.0 * 10f32.powf(db.min(30.0) / 20.0)).round() as i32)
    }

    #[inline]
    pub fn of(self, sample: i16) -> i32 {
        (i32::from(sample) * self.0) >> 11
    }
}

/// A gain that may be changed while sound goes through: each change is a ramp of one frame.
#[derive(Debug, Clone)]
pub struct Gain {
    now: Scale,
    wanted: Scale,
}

impl Gain {
    pub fn new(db: f32) -> Self {
        let scale = Scale::from_db(db);
        Self { now: scale, wanted: scale }
    }

    pub fn set_db(&mut self, db: f32) {
        self.wanted = Scale::from_db(db);
    }

    pub fn mute(&mut self) {
        self.wanted = Scale::MUTE;
    }

    pub fn is_unity(&self) -> bool {
        self.now == Scale::UNITY && self.wanted == Scale::UNITY
    }

    /// Costs nothing at unity.
    pub fn apply(&mut self, frame: &mut [i16]) {
        if self.is_unity() {
            return;
        }
        ramp(frame, self.now, self.wanted);
        self.now = self.wanted;
    }
}

/// Multiply, going from one factor to the other over the frame.
pub(super) fn ramp(frame: &mut [i16], from: Scale, to: Scale) {
    if from == to {
        frame.iter_mut().for_each(|s| *s = soft_limit(to.of(*s)));
        return;
    }
    let len = frame.len().max(1) as i64;
    let span = i64::from(to.0) - i64::from(from.0);
    for (i, sample) in frame.iter_mut().enumerate() {
        let factor = Scale((i64::from(from.0) + span * (i as i64 + 1) / len) as i32);
        *sample = soft_limit(factor.of(*sample));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_monotonic_and_bounded() {
        let mut last = i16::MIN;
        for x in (-2_000_000..2_000_000).step_by(37) {
            let y = soft_limit(x);
            assert!(y >= last);
            last = y;
        }
        assert_eq!((soft_limit(20_000), soft_limit(-24_576)), (20_000, -24_576));
        assert!(soft_limit(i32::MAX) > 32_700 && soft_limit(i32::MIN) < -32_700);
    }

    #[test]
    fn a_change_ramps() {
        let mut gain = Gain::new(0.0);
        gain.set_db(-20.0);
        let mut frame = [10_000i16; 160];
        gain.apply(&mut frame);
        assert!(frame.windows(2).all(|w| w[0] - w[1] < 100) && (frame[159] - 1000).abs() < 3);
        gain.mute();
        gain.apply(&mut frame);
        gain.apply(&mut frame);
        assert_eq!(frame, [0; 160]);
        assert_eq!((Scale::from_db(f32::NAN), Scale::from_db(-61.0)), (Scale::MUTE, Scale::MUTE));
        assert_eq!(Scale::from_db(1000.0), Scale::from_db(30.0));
    }
}
