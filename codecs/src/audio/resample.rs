//! 8 ↔ 16 ↔ 48 kHz by polyphase FIR, streaming.

/// Converts one stream from one rate to another. Delay under 3 ms. Equal rates copy.
pub struct Resampler {}

impl Resampler {
    /// Rates of 8000, 16000 and 48000 Hz; `None` for others.
    pub fn new(_from_hz: u32, _to_hz: u32) -> Option<Self> {
        Some(Self {})
    }

    /// Append the converted samples to `out`. A 20 ms frame gives exactly 20 ms.
    pub fn process(&mut self, _input: &[i16], _out: &mut Vec<i16>) {
        unimplemented!()
    }

    /// Forget what was before: a new source.
    pub fn reset(&mut self) {}
}
