//! Sum of frames, and for each member the sum without its own.

use super::gain::{soft_limit, Scale};

/// One tick's sum at one rate.
#[derive(Debug, Clone, Default)]
pub struct Mix {
    total: Vec<i32>,
    members: usize,
}

impl Mix {
    pub fn new() -> Self {
        Self::default()
    }

    /// Empty again, for frames of `samples`.
    pub fn clear(&mut self, samples: usize) {
        self.total.clear();
        self.total.resize(samples, 0);
        self.members = 0;
    }

    /// Frames added since `clear`: with none, what is heard is silence.
    pub fn members(&self) -> usize {
        self.members
    }

    /// Add one member's frame. A shorter one is padded by silence, a longer one cut.
    pub fn add(&mut self, frame: &[i16], scale: Scale) {
        self.members += 1;
        if scale == Scale::UNITY {
            self.total.iter_mut().zip(frame).for_each(|(t, &s)| *t += i32::from(s));
        } else {
            self.total.iter_mut().zip(frame).for_each(|(t, &s)| *t += scale.of(s));
        }
    }

    /// The whole sum, softly limited, in place of what was in `out`.
    pub fn all(&self, out: &mut Vec<i16>) {
        out.clear();
        out.extend(self.total.iter().map(|&t| soft_limit(t)));
    }

    /// The sum without `own`, which was added with the same scale. Exactly zero where nobody else was added.
    pub fn minus(&self, own: &[i16], scale: Scale, out: &mut Vec<i16>) {
        out.clear();
        if self.members <= 1 {
            out.resize(self.total.len(), 0);
            return;
        }
        let own_len = own.len().min(self.total.len());
        let (head, tail) = self.total.split_at(own_len);
        if scale == Scale::UNITY {
            out.extend(head.iter().zip(own).map(|(&t, &s)| soft_limit(t - i32::from(s))));
        } else {
            out.extend(head.iter().zip(own).map(|(&t, &s)| soft_limit(t - scale.of(s))));
        }
        out.extend(tail.iter().map(|&t| soft_limit(t)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hears_exactly_the_others() {
        let (a, b, c) = (vec![1000i16; 4], vec![-200i16; 4], vec![30i16; 4]);
        let mut mix = Mix::new();
        mix.clear(4);
        let half = Scale::from_db(-6.0206);
        mix.add(&a, Scale::UNITY);
        mix.add(&b, Scale::UNITY);
        mix.add(&c, half);
        let mut out = Vec::new();
        mix.minus(&a, Scale::UNITY, &mut out);
        assert_eq!(out, [-185; 4]);
        mix.minus(&c, half, &mut out);
        assert_eq!(out, [800; 4]);
        mix.all(&mut out);
        assert_eq!(out, [815; 4]);
    }

    #[test]
    fn loud_sums_bend_and_never_wrap() {
        let mut mix = Mix::new();
        mix.clear(2);
        for _ in 0..100 {
            mix.add(&[i16::MAX, i16::MIN], Scale::from_db(30.0));
        }
        let mut out = Vec::new();
        mix.all(&mut out);
        assert!(out[0] > 32_000 && out[1] < -32_000, "{out:?}");
    }

    #[test]
    fn alone_is_silence_and_lengths_may_differ() {
        let mut mix = Mix::new();
        mix.clear(3);
        mix.add(&[5], Scale::UNITY);
        let mut out = vec![9];
        mix.minus(&[5], Scale::UNITY, &mut out);
        assert_eq!(out, [0, 0, 0]);
        mix.add(&[1, 2, 3, 4], Scale::UNITY);
        mix.minus(&[5], Scale::UNITY, &mut out);
        assert_eq!(out, [1, 2, 3]);
    }
}
