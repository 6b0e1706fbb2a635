//! How good a call sounds, estimated: the E-model of ITU-T G.107, reduced to codec, loss and delay.

use super::format::AudioCodec;

/// Equipment impairment and robustness to random loss with concealment (ITU-T G.113 App. I; Opus and L16 by analogy).
fn impairment(codec: AudioCodec) -> (f64, f64) {
    match codec {
        AudioCodec::Pcma | AudioCodec::Pcmu => (0.0, 25.1),
        AudioCodec::G722 => (0.0, 25.1),
        AudioCodec::Opus => (0.0, 34.0),
        AudioCodec::L16 => (0.0, 25.1),
    }
}

/// MOS 1.0 … 4.5. `loss`: 0 … 1, after the jitter buffer. `delay_ms`: mouth to ear, one way.
pub fn estimate(codec: AudioCodec, loss: f64, delay_ms: f64) -> f64 {
    let loss = if loss.is_finite() { loss.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
    let delay = if delay_ms.is_finite() { delay_ms.max(0.0) } else { 0.0 };
    let (ie, bpl) = impairment(codec);
    let ie_eff = ie + (95.0 - ie) * loss / (loss + bpl);
    // Id with a perfect echo loss, as the usual two-line fit of G.107 fig. for Ta.
    let id = 0.024 * delay + if delay > 177.3 { 0.11 * (delay - 177.3) } else { 0.0 };
    let r = (93.2 - id - ie_eff).clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7.0e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points_and_order() {
        let mos = |loss, delay| estimate(AudioCodec::Pcma, loss, delay);
        assert!((mos(0.0, 0.0) - 4.41).abs() < 0.02);
        assert!(mos(0.01, 50.0) > mos(0.05, 50.0) && mos(0.05, 50.0) > mos(0.05, 400.0));
        assert!(estimate(AudioCodec::Opus, 0.05, 50.0) > mos(0.05, 50.0));
        assert!(mos(1.0, 1e9) >= 1.0 && mos(f64::NAN, f64::NAN) <= 4.5);
    }
}
