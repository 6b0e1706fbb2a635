//! Sounds played to one voice: tones of the floor, "you are monitored", ringing.

use std::collections::VecDeque;

use crate::audio::frame_samples;
use crate::audio::resample::Resampler;

/// One plays, the others wait.
const MAX_WAITING: usize = 4;

struct Cue {
    samples: Vec<i16>,
    rate_hz: u32,
    at: usize,
    over: bool,
    convert: Option<Resampler>,
}

/// Cues of one voice at its rate.
#[derive(Default)]
pub struct Cues {
    waiting: VecDeque<Cue>,
    frame: Vec<i16>,
}

impl Cues {
    /// False when too many wait already.
    pub fn push(&mut self, samples: Vec<i16>, rate_hz: u32, over: bool, out_rate_hz: u32) -> bool {
        if samples.is_empty() || self.waiting.len() > MAX_WAITING {
            return samples.is_empty();
        }
        let convert = (rate_hz != out_rate_hz).then(|| Resampler::new(rate_hz, out_rate_hz)).flatten();
        self.waiting.push_back(Cue { samples, rate_hz, at: 0, over, convert });
        true
    }

    pub fn is_playing(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next 20 ms, and whether they go over what is heard or in place of it.
    pub fn next_frame(&mut self) -> Option<(&[i16], bool)> {
        let cue = self.waiting.front_mut()?;
        let len = frame_samples(cue.rate_hz);
        let end = (cue.at + len).min(cue.samples.len());
        let piece = &cue.samples[cue.at..end];
        self.frame.clear();
        let over = cue.over;
        if let Some(convert) = &mut cue.convert {
            if piece.len() == len {
                convert.process(piece, &mut self.frame);
            } else {
                let mut last = piece.to_vec();
                last.resize(len, 0);
                convert.process(&last, &mut self.frame);
            }
        } else {
            self.frame.extend_from_slice(piece);
            self.frame.resize(len, 0);
        }
        cue.at = end;
        if end == cue.samples.len() {
            self.waiting.pop_front();
        }
        Some((&self.frame, over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_after_the_other_and_no_more_than_five() {
        let mut cues = Cues::default();
        for i in 0..5i16 {
            assert!(cues.push(vec![i; 200], 8000, true, 8000));
        }
        assert!(!cues.push(vec![9; 200], 8000, true, 8000));
        let mut heard = Vec::new();
        while let Some((frame, _)) = cues.next_frame() {
            assert_eq!(frame.len(), 160);
            heard.extend_from_slice(frame);
        }
        // 200 samples are a frame and a quarter: the rest of the second is silence.
        assert_eq!(heard.len(), 5 * 320);
        assert_eq!((heard[199], heard[200], heard[320 + 199]), (0, 0, 1));
        assert!(!cues.is_playing());
    }
}
