//! When more is lost than by chance: does sending less lose less? That is tried before it is believed.
//!
//! A policer drops what is over its rate: send less and as much arrives. A bad radio loses its share of whatever is sent:
//! send less and less arrives, and nothing is won. Both look alike until it is tried.

use crate::time::Micros;

/// How long sending less is tried before it is judged: loss is that of the last second.
const TRIAL_US: u64 = 1_300_000;
/// Two trials within this time are no chance.
const AGAIN_US: u64 = 6_000_000;
/// Bursts may come close together for a second; what goes on longer is something else.
const STEPS: u32 = 12;

/// What to do about the estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Act {
    Nothing,
    /// A trial is on: leave everything as it is.
    Hold,
    Lower(f64),
    /// It was no use, or may have been chance: back to that.
    Restore(f64),
    /// Less loses less: what arrived before is no measure any more.
    Keep,
}

#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// The share that is lost whatever is sent.
    chance: f64,
    /// Judgements in a row that found more than that.
    steps: u32,
    /// Since when, what was usable before, and what arrived then.
    running: Option<(Micros, f64, f64)>,
    ended: Option<Micros>,
}

impl Trial {
    /// A new one that knows the chance already.
    pub fn knowing(&self) -> Self {
        Self { chance: self.chance, ..Self::default() }
    }

    /// So much is lost that growth should stop.
    pub fn is_high(&self, loss: f64) -> bool {
        loss >= (self.chance + 0.15).max(0.2)
    }

    /// A queue explains what is lost.
    pub fn cancel(&mut self) {
        self.running = None;
    }

    /// Learn the chance from what is lost over time.
    pub fn learn(&mut self, loss: f64) {
        self.chance += (loss.min(0.5) - self.chance) / 50.0;
    }

    /// A judgement. `used`: the path carries what it is thought to; `arrives`: bits per second that arrived of late, and over
    /// some time.
    pub fn look(&mut self, loss: f64, used: bool, usable: f64, arrives: (f64, f64), now: Micros) -> Act {
        let (recent, mean) = arrives;
        let lossy = used && loss > (1.5 * self.chance + 0.2).max(0.3) && recent < 0.9 * usable;
        self.steps = if lossy { self.steps + 1 } else { 0 };
        match self.running {
            Some((since, ..)) if now.since(since) < TRIAL_US => Act::Hold,
            Some((_, before, arrived)) => {
                self.running = None;
                let again = self.ended.is_some_and(|at| now.since(at) < AGAIN_US);
                self.ended = Some(now);
                if lossy && mean < 0.8 * arrived {
                    self.chance = loss;
                    return Act::Restore(before);
                }
                if again {
                    Act::Keep
                } else {
                    Act::Restore(before)
                }
            }
            None if self.steps >= STEPS => {
                self.running = Some((now, usable, mean));
                Act::Lower((mean * 0.95).max(usable * 0.3))
            }
            None => Act::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Micros {
        Micros(60_000_000 + ms * 1000)
    }

    /// Judge with this loss until something is to be done.
    fn until(trial: &mut Trial, loss: f64, usable: f64, arrives: f64, from: u64) -> (Act, u64) {
        for step in 0..100 {
            let at = from + step * 100;
            let act = trial.look(loss, true, usable, (arrives, arrives), ms(at));
            if !matches!(act, Act::Nothing | Act::Hold) {
                return (act, at);
            }
        }
        (Act::Nothing, from)
    }

    #[test]
    fn a_bad_radio_gets_its_rate_back() {
        let mut trial = Trial::default();
        let (act, at) = until(&mut trial, 0.4, 4e6, 2.4e6, 0);
        assert_eq!((act, at), (Act::Lower(2.4e6 * 0.95), 1100));
        let (act, at) = until(&mut trial, 0.4, 2.28e6, 1.4e6, at + 100);
        assert_eq!((act, at), (Act::Restore(4e6), 2400));
        assert_eq!(until(&mut trial, 0.4, 4e6, 2.4e6, at).0, Act::Nothing, "and it is known from now on");
    }

    #[test]
    fn a_policer_is_believed_the_second_time() {
        let mut trial = Trial::default();
        let (_, at) = until(&mut trial, 0.5, 4e6, 2e6, 0);
        let (act, at) = until(&mut trial, 0.0, 1.9e6, 1.9e6, at + 100);
        assert_eq!(act, Act::Restore(4e6), "once may be chance");
        let (act, at) = until(&mut trial, 0.5, 4e6, 2e6, at + 100);
        assert!(matches!(act, Act::Lower(_)));
        assert_eq!(until(&mut trial, 0.0, 1.9e6, 1.9e6, at + 100).0, Act::Keep);
    }

    #[test]
    fn bursts_and_idle_paths_are_no_matter() {
        let mut trial = Trial::default();
        for step in 0..200u64 {
            let loss = if step % 12 < 10 { 0.5 } else { 0.1 };
            assert_eq!(trial.look(loss, true, 4e6, (2e6, 2e6), ms(step * 100)), Act::Nothing);
            assert_eq!(trial.look(0.9, false, 4e6, (2e6, 2e6), ms(step * 100)), Act::Nothing);
        }
        (0..500).for_each(|_| trial.learn(0.1));
        assert!(trial.is_high(0.26) && !trial.is_high(0.24));
    }
}
