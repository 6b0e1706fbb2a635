//! Comfort noise: a soft noise in place of dead silence, and its level on the wire (RFC 3389).

/// −dBov of a CN payload that came without or with a silly level.
const DEFAULT_DBOV: u8 = 60;
/// Louder noise is nobody's comfort: a hostile level byte must not shout.
const LOUDEST_DBOV: u8 = 30;

/// Level of a CN payload (RFC 3389 §3): its first byte, 0 … 127 below overload. Spectral coefficients are not used.
pub fn cn_level(payload: &[u8]) -> u8 {
    match payload.first() {
        Some(&level) if level & 0x80 == 0 => level.max(LOUDEST_DBOV),
        _ => DEFAULT_DBOV,
    }
}

/// CN payload for a noise of `rms_dbfs`.
pub fn cn_payload(rms_dbfs: f32) -> [u8; 1] {
    [(-rms_dbfs).clamp(f32::from(LOUDEST_DBOV), 127.0).round() as u8]
}

/// White noise through one pole, at a given level. The same seed gives the same noise.
#[derive(Debug, Clone)]
pub struct Noise {
    state: u32,
    low: i32,
}

impl Noise {
    pub fn new(seed: u32) -> Self {
        Self { state: seed | 1, low: 0 }
    }

    /// Append `samples` of noise at `-dbov` dBFS (127: zeros).
    pub fn append(&mut self, dbov: u8, samples: usize, out: &mut Vec<i16>) {
        if dbov >= 90 {
            out.resize(out.len() + samples, 0);
            return;
        }
        // Uniform ±a has RMS a/√3; the pole y += (x − y)/2 leaves a third of the power: 3a/… → a = 3 · rms.
        let amplitude = (3.0 * 32768.0 * 10f32.powf(-f32::from(dbov) / 20.0)) as i32;
        for _ in 0..samples {
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let x = (((self.state >> 16) as i32 - 32_768) * amplitude) >> 11;
            self.low += (x - self.low) / 2;
            out.push((self.low >> 4).clamp(-32_768, 32_767) as i16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::rms_db;

    #[test]
    fn has_the_level_it_was_asked_for() {
        for dbov in [30, 50, 60, 70] {
            let mut out = Vec::new();
            Noise::new(7).append(dbov, 8000, &mut out);
            assert!((rms_db(&out) + f32::from(dbov)).abs() < 1.5, "{dbov}: {}", rms_db(&out));
        }
        let mut out = vec![1];
        Noise::new(7).append(127, 3, &mut out);
        assert_eq!(out, [1, 0, 0, 0]);
    }

    #[test]
    fn levels_on_the_wire() {
        assert_eq!(cn_level(&cn_payload(-55.2)), 55);
        assert_eq!((cn_level(&[]), cn_level(&[0]), cn_level(&[0xff]), cn_level(&[70, 1, 2])), (60, 30, 60, 70));
        assert_eq!(cn_payload(-127.0), [127]);
    }
}
