//! A set of stream offsets as ranges: few, apart from each other, in order.

/// Half-open ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn first(&self) -> Option<(u64, u64)> {
        self.0.first().copied()
    }

    /// Add `from..to`.
    pub fn add(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let start = self.0.partition_point(|range| range.1 < from);
        let end = self.0.partition_point(|range| range.0 <= to);
        let joined = self.0[start..end].iter().fold((from, to), |sum, range| (sum.0.min(range.0), sum.1.max(range.1)));
        self.0.splice(start..end, [joined]);
    }

    /// Take `from..to` out.
    pub fn remove(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let start = self.0.partition_point(|range| range.1 <= from);
        let end = self.0.partition_point(|range| range.0 < to);
        let mut rest = [None, None];
        for range in self.0.get(start..end).unwrap_or_default() {
            if range.0 < from {
                rest[0] = Some((range.0, from));
            }
            if range.1 > to {
                rest[1] = Some((to, range.1));
            }
        }
        self.0.splice(start..end.max(start), rest.into_iter().flatten());
    }

    /// The parts of `from..to` that are not in it.
    pub fn missing(&self, from: u64, to: u64, mut each: impl FnMut(u64, u64)) {
        let mut at = from;
        for range in &self.0[self.0.partition_point(|range| range.1 <= from)..] {
            if range.0 >= to {
                break;
            }
            if range.0 > at {
                each(at, range.0);
            }
            at = at.max(range.1);
        }
        if at < to {
            each(at, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a plain set of numbers.
    #[test]
    fn like_a_set_of_numbers() {
        let mut state = 9u64;
        let mut random = move |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        for _ in 0..200 {
            let (mut ranges, mut set) = (Ranges::default(), [false; 64]);
            for _ in 0..40 {
                let from = random(64);
                let to = (from + random(12)).min(64);
                let add = random(3) > 0;
                if add {
                    ranges.add(from, to);
                } else {
                    ranges.remove(from, to);
                }
                set[from as usize..to as usize].fill(add);
                let mut missing = [false; 64];
                ranges.missing(0, 64, |from, to| missing[from as usize..to as usize].fill(true));
                assert!((0..64).all(|i| set[i] != missing[i]));
                assert!(ranges.0.windows(2).all(|pair| pair[0].1 < pair[1].0), "{ranges:?}");
                assert!(ranges.0.iter().all(|range| range.0 < range.1));
                assert_eq!(ranges.first().map(|range| range.0), set.iter().position(|in_it| *in_it).map(|i| i as u64));
            }
        }
    }
}
