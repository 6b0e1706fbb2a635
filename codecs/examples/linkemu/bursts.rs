//! Loss in bursts: Gilbert-Elliott in time, not per packet, so that the same seed gives the same bad moments whatever
//! is sent, and two systems can be compared under the same weather.

/// SplitMix64: small, seeded, the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64, stream: u64) -> Random {
        let mut random = Random(seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to, but not, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Mean 0, deviation 1 (Box-Muller; the second value is not kept).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// Good and bad times by turns: a bad one lasts `mean_ns` on average and never more than `cap_ns`; the share of bad
/// time over all is `share`.
#[derive(Clone, Debug)]
pub struct Bursts {
    random: Random,
    share: f64,
    mean_ns: f64,
    cap_ns: f64,
    bad: bool,
    until: u64,
    pub count: u64,
    pub longest_ns: u64,
}

impl Bursts {
    /// `now`: nanoseconds of any clock that does not go back.
    pub fn new(random: Random, now: u64, share: f64, mean_ns: f64, cap_ns: f64) -> Bursts {
        let mut bursts = Bursts { random, share, mean_ns, cap_ns, bad: false, until: now, count: 0, longest_ns: 0 };
        bursts.until = bursts.good_until(now);
        bursts
    }

    /// From `now` on with another share or length; what is bad now stays bad to its end.
    pub fn change(&mut self, now: u64, share: f64, mean_ns: f64, cap_ns: f64) {
        self.bad_at(now);
        if (share, mean_ns, cap_ns) == (self.share, self.mean_ns, self.cap_ns) {
            return;
        }
        (self.share, self.mean_ns, self.cap_ns) = (share, mean_ns, cap_ns);
        if !self.bad {
            // Exponential times have no memory: beginning the good time anew changes nothing of the law.
            self.until = self.good_until(now);
        }
    }

    /// Whether `now` is a bad moment. `now` may not go back.
    pub fn bad_at(&mut self, now: u64) -> bool {
        while self.until <= now {
            let at = self.until;
            self.bad = !self.bad;
            if self.bad {
                let length = self.random.exponential(self.mean_ns).min(self.cap_ns) as u64;
                self.count += 1;
                self.longest_ns = self.longest_ns.max(length);
                self.until = at + length;
            } else {
                self.until = self.good_until(at);
            }
        }
        self.bad
    }

    fn good_until(&mut self, at: u64) -> u64 {
        if self.share <= 0.0 || self.mean_ns <= 0.0 {
            return u64::MAX;
        }
        // The cap shortens the mean of the bad times: the good ones have to follow, or the share would not be met.
        let bad_mean = self.mean_ns * (1.0 - (-self.cap_ns / self.mean_ns).exp());
        let good_mean = bad_mean * (1.0 - self.share) / self.share;
        at + self.random.exponential(good_mean) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn pattern(seed: u64, share: f64) -> Vec<bool> {
        let mut bursts = Bursts::new(Random::new(seed, 1), 0, share, 40e6, 120e6);
        (0..3_600_000).map(|ms| bursts.bad_at(ms * MS)).collect()
    }

    #[test]
    fn the_share_is_met_and_no_burst_is_longer_than_the_cap() {
        for share in [0.02, 0.1] {
            let pattern = pattern(7, share);
            let bad = pattern.iter().filter(|bad| **bad).count() as f64 / pattern.len() as f64;
            assert!((bad / share - 1.0).abs() < 0.06, "{bad} of {share}");
            let runs: Vec<usize> = pattern.split(|bad| !bad).map(<[bool]>::len).filter(|run| *run > 0).collect();
            assert!(*runs.iter().max().expect("runs") <= 121);
            let mean = runs.iter().sum::<usize>() as f64 / runs.len() as f64;
            assert!((35.0..43.0).contains(&mean), "{mean}");
        }
    }

    #[test]
    fn the_seed_decides_and_asking_more_often_changes_nothing() {
        assert_eq!(pattern(7, 0.1), pattern(7, 0.1));
        assert_ne!(pattern(7, 0.1), pattern(8, 0.1));
        let mut seldom = Bursts::new(Random::new(7, 1), 0, 0.1, 40e6, 120e6);
        let often = pattern(7, 0.1);
        for ms in (0..3_600_000).step_by(977) {
            assert_eq!(seldom.bad_at(ms as u64 * MS), often[ms]);
        }
    }

    #[test]
    fn a_changed_share_holds_from_then_on() {
        let mut bursts = Bursts::new(Random::new(3, 1), 0, 0.0, 40e6, 120e6);
        assert!(!(0..10_000).any(|ms| bursts.bad_at(ms * MS)));
        bursts.change(10_000 * MS, 0.1, 40e6, 120e6);
        let bad = (10_000..610_000).filter(|ms| bursts.bad_at(ms * MS)).count();
        assert!((48_000..72_000).contains(&bad), "{bad}");
        bursts.change(610_000 * MS, 0.0, 40e6, 120e6);
        assert!(!(610_121..700_000).any(|ms| bursts.bad_at(ms * MS)));
    }
}
