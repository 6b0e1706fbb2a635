//! ITU-T G.722 at 64 kbit/s: two sub-bands of ADPCM, 16 kHz, one byte for two samples.
//!
//! The fixed-point arithmetic is that of the Recommendation, so that both ends' predictors stay in step bit by bit.

use super::g722_tables::*;

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// Predictor and scale factor of one band: two poles, six zeros (§3.6, §6.2.1.4).
#[derive(Debug, Clone)]
struct Band {
    /// Signal estimate, and its part from the zeros.
    estimate: i32,
    zeros_part: i32,
    /// The last two reconstructed signals.
    reconstructed: [i32; 2],
    /// Poles a1, a2 and zeros b1 … b6.
    poles: [i32; 2],
    zeros: [i32; 6],
    /// The last two partially reconstructed signals: only their signs are used.
    partial: [i32; 2],
    /// The last six quantized differences.
    differences: [i32; 6],
    log_scale: i32,
    scale: i32,
}

impl Band {
    fn new(scale: i32) -> Self {
        Self {
            estimate: 0,
            zeros_part: 0,
            reconstructed: [0; 2],
            poles: [0; 2],
            zeros: [0; 6],
            partial: [0; 2],
            differences: [0; 6],
            log_scale: 0,
            scale,
        }
    }

    /// LOGSCL/LOGSCH and SCALEL/SCALEH: the quantizer's step follows the signal.
    fn rescale(&mut self, step: i32, ceiling: i32, shift: i32) {
        self.log_scale = (((self.log_scale * 127) >> 7) + step).clamp(0, ceiling);
        let mantissa = ANTILOG[((self.log_scale >> 6) & 31) as usize];
        let exponent = shift - (self.log_scale >> 11);
        self.scale = if exponent < 0 { mantissa << -exponent } else { mantissa >> exponent } << 2;
    }

    /// Take the quantized difference in and predict the next sample (blocks RECONS … PREDIC).
    fn adapt(&mut self, difference: i32) {
        let partial = saturate(self.zeros_part + difference);
        let reconstructed = saturate(self.estimate + difference);
        let same = |a: i32, b: i32| (a < 0) == (b < 0);

        let quarter = saturate(self.poles[0] << 2);
        let first = if same(partial, self.partial[0]) { (-quarter).min(32_767) } else { quarter };
        let second = if same(partial, self.partial[1]) { 128 } else { -128 };
        let pole2 = ((first >> 7) + second + ((self.poles[1] * 32_512) >> 15)).clamp(-12_288, 12_288);

        let towards = if same(partial, self.partial[0]) { 192 } else { -192 };
        let bound = saturate(15_360 - pole2);
        let pole1 = saturate(towards + ((self.poles[0] * 32_640) >> 15)).clamp(-bound, bound);

        let push = if difference == 0 { 0 } else { 128 };
        for (zero, &old) in self.zeros.iter_mut().zip(&self.differences) {
            let step = if same(difference, old) { push } else { -push };
            *zero = saturate(step + ((*zero * 32_640) >> 15));
        }

        self.differences.copy_within(0..5, 1);
        self.differences[0] = difference;
        self.partial = [partial, self.partial[0]];
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.poles = [pole1, pole2];

        let pole_part = saturate(
            ((pole1 * saturate(self.reconstructed[0] * 2)) >> 15)
                + ((pole2 * saturate(self.reconstructed[1] * 2)) >> 15),
        );
        let zeros_part: i32 =
            self.zeros.iter().zip(&self.differences).map(|(&b, &d)| (b * saturate(d * 2)) >> 15).sum();
        self.zeros_part = saturate(zeros_part);
        self.estimate = saturate(pole_part + self.zeros_part);
    }

    fn adapt_low(&mut self, code4: usize) {
        let difference = (self.scale * LOW_4[code4]) >> 15;
        self.rescale(LOW_STEP[code4], 18_432, 8);
        self.adapt(difference);
    }

    fn adapt_high(&mut self, difference: i32, code: usize) {
        self.rescale(HIGH_STEP[code], 22_528, 10);
        self.adapt(difference);
    }
}

/// The last 24 samples of a quadrature mirror filter, the even and the odd ones apart, twice over: a window of 12 is
/// always contiguous.
#[derive(Debug, Clone)]
struct Mirror {
    even: [i32; 24],
    odd: [i32; 24],
    at: usize,
}

impl Mirror {
    fn new() -> Self {
        Self { even: [0; 24], odd: [0; 24], at: 0 }
    }

    /// Take two samples in; the filter's two sums: even samples with coefficients forward, odd ones backward.
    fn push(&mut self, even: i32, odd: i32) -> (i32, i32) {
        for at in [self.at, self.at + 12] {
            self.even[at] = even;
            self.odd[at] = odd;
        }
        self.at = (self.at + 1) % 12;
        let window = self.at..self.at + 12;
        let evens = self.even[window.clone()].iter().zip(&QMF).map(|(x, c)| x * c).sum();
        let odds = self.odd[window].iter().zip(QMF.iter().rev()).map(|(x, c)| x * c).sum();
        (evens, odds)
    }
}

#[derive(Debug, Clone)]
pub struct G722Encoder {
    low: Band,
    high: Band,
    mirror: Mirror,
}

impl Default for G722Encoder {
    fn default() -> Self {
        Self { low: Band::new(32), high: Band::new(8), mirror: Mirror::new() }
    }
}

impl G722Encoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Append half as many bytes as there are samples (of 16 kHz). A last odd sample is left out.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        out.extend(samples.chunks_exact(2).map(|pair| self.byte(pair[0], pair[1])));
    }

    fn byte(&mut self, first: i16, second: i16) -> u8 {
        let (evens, odds) = self.mirror.push(i32::from(first), i32::from(second));
        let low = self.code_low((evens + odds) >> 14);
        let high = self.code_high((odds - evens) >> 14);
        (high << 6) | low
    }

    fn code_low(&mut self, signal: i32) -> u8 {
        let band = &mut self.low;
        let difference = saturate(signal - band.estimate);
        let magnitude = if difference < 0 { -(difference + 1) } else { difference };
        // Levels ascend: the first that is not reached ends the interval.
        let interval = 1 + LOW_LEVELS[1..].partition_point(|level| magnitude >= (level * band.scale) >> 12);
        let code = if difference < 0 { LOW_NEGATIVE[interval] } else { LOW_POSITIVE[interval] };
        band.adapt_low(usize::from(code >> 2));
        code
    }

    fn code_high(&mut self, signal: i32) -> u8 {
        let band = &mut self.high;
        let difference = saturate(signal - band.estimate);
        let magnitude = if difference < 0 { -(difference + 1) } else { difference };
        let far = magnitude >= (564 * band.scale) >> 12;
        let code = match (difference < 0, far) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        let difference = (band.scale * HIGH_2[usize::from(code)]) >> 15;
        band.adapt_high(difference, usize::from(code));
        code
    }
}

#[derive(Debug, Clone)]
pub struct G722Decoder {
    low: Band,
    high: Band,
    mirror: Mirror,
}

impl Default for G722Decoder {
    fn default() -> Self {
        Self { low: Band::new(32), high: Band::new(8), mirror: Mirror::new() }
    }
}

impl G722Decoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Append two samples of 16 kHz for each byte.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        out.reserve(payload.len() * 2);
        for &byte in payload {
            let low = self.low_signal(usize::from(byte & 0x3f));
            let high = self.high_signal(usize::from(byte >> 6));
            let (evens, odds) = self.mirror.push(low + high, low - high);
            out.push(saturate(odds >> 11) as i16);
            out.push(saturate(evens >> 11) as i16);
        }
    }

    fn low_signal(&mut self, code: usize) -> i32 {
        let band = &mut self.low;
        let signal = (band.estimate + ((band.scale * LOW_6[code]) >> 15)).clamp(-16_384, 16_383);
        band.adapt_low(code >> 2);
        signal
    }

    fn high_signal(&mut self, code: usize) -> i32 {
        let band = &mut self.high;
        let difference = (band.scale * HIGH_2[code]) >> 15;
        let signal = (band.estimate + difference).clamp(-16_384, 16_383);
        band.adapt_high(difference, code);
        signal
    }
}
