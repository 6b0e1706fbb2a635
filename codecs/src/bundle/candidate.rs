//! An address that a path was seen to come from and that is not the one it leads to: it is asked, and the one before is
//! asked at the same time.
//!
//! Who sends on what he overhears, and quicker, makes a path seem to come from him; and if he sends on what goes back as well,
//! he even answers. So the path stays where it leads as long as what is sent there arrives. It goes over only when the new
//! address answered and the one before had the time to, and did not.

use crate::time::Micros;

use super::path::nonce;
use super::types::Remote;

const TRIES: u8 = 5;
const AGAIN_US: u64 = 200_000;

#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub remote: Remote,
    nonce: u64,
    /// Where the path leads, if that address ever answered, and what it is asked with.
    before: Option<(Remote, u64)>,
    /// First, and last.
    asked: Option<(Micros, Micros)>,
    answered: bool,
    /// The question to the one before is still to be put.
    asks_before: bool,
    tries: u8,
    pub next: Micros,
    /// The path's numbers, of 24 bits, of the datagrams that went to the new address.
    numbers: [u32; TRIES as usize],
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Wait,
    Ask(u64, Remote),
    /// It answered, and the one before did not.
    Take,
    Forget,
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// To another question.
    Other,
    Wait,
    Take,
    /// What goes to the address before arrives.
    Stay,
}

impl Candidate {
    pub fn new(remote: Remote, before: Option<Remote>, now: Micros) -> Self {
        let before = before.filter(|before| *before != remote).map(|before| (before, nonce()));
        Self {
            remote,
            nonce: nonce(),
            before,
            asked: None,
            answered: false,
            asks_before: false,
            tries: 0,
            next: now,
            numbers: [u32::MAX; TRIES as usize],
        }
    }

    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// The time from its question to its answer, if it is clear which question that was.
    pub fn took(&self, now: Micros) -> Option<u64> {
        self.asked.filter(|_| self.tries == 1 && self.before.is_none()).map(|(_, asked)| now.since(asked))
    }

    pub fn step(&mut self, now: Micros) -> Step {
        if let Some((before, nonce)) = self.before.filter(|_| self.asks_before) {
            self.asks_before = false;
            return Step::Ask(nonce, before);
        }
        if now < self.next {
            return Step::Wait;
        }
        if self.answered {
            return Step::Take;
        }
        if self.tries >= TRIES {
            return Step::Forget;
        }
        self.tries += 1;
        self.asked = Some((self.asked.map_or(now, |(first, _)| first), now));
        self.next = Micros(now.0 + AGAIN_US * u64::from(self.tries));
        self.asks_before = true;
        Step::Ask(self.nonce, self.remote)
    }

    /// A question to the new address leaves under this number of the path.
    pub fn put(&mut self, number: u32) {
        self.numbers[usize::from(self.tries.clamp(1, TRIES)) - 1] = number;
    }

    /// An answer came. `patience_us`: what the address before is given from now.
    pub fn answer(&mut self, nonce: u64, from: Option<Remote>, patience_us: u64, now: Micros) -> Answer {
        // Whoever sends the kit's answer on sends it from elsewhere: it still was asked there.
        if self.before.is_some_and(|(_, asked)| asked == nonce) {
            return Answer::Stay;
        }
        if nonce != self.nonce {
            return Answer::Other;
        }
        // The answer must come from there: whoever only overhears does not have the path led to him.
        if from != Some(self.remote) || self.answered {
            return Answer::Wait;
        }
        if self.before.is_none() {
            return Answer::Take;
        }
        (self.answered, self.asks_before, self.next) = (true, true, Micros(now.0 + patience_us));
        Answer::Wait
    }

    /// A datagram of the path, sent at `at` under `number`, arrived. True: it went to the address before, after that was asked.
    pub fn shows_before(&self, number: u32, at: Micros) -> bool {
        let later = self.asked.is_some_and(|(first, _)| at > first);
        self.before.is_some() && later && !self.numbers.contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Remote {
        Remote::Udp(([10, 0, 0, 1], port).into())
    }

    fn asked(step: Step) -> (u64, Remote) {
        let Step::Ask(nonce, to) = step else { panic!("{step:?}") };
        (nonce, to)
    }

    #[test]
    fn the_first_address_of_all_needs_one_answer() {
        let mut first = Candidate::new(at(1), Some(at(1)), Micros(5));
        let (nonce, to) = asked(first.step(Micros(5)));
        assert_eq!((to, first.step(Micros(5))), (at(1), Step::Wait));
        assert_eq!(first.answer(nonce ^ 1, Some(at(1)), 9, Micros(9)), Answer::Other);
        assert_eq!(first.answer(nonce, Some(at(2)), 9, Micros(9)), Answer::Wait, "from elsewhere");
        assert_eq!(first.answer(nonce, Some(at(1)), 9, Micros(9)), Answer::Take);
    }

    #[test]
    fn it_goes_over_when_the_one_before_is_silent_and_stays_when_it_answers() {
        let mut new = Candidate::new(at(2), Some(at(1)), Micros(5));
        let (nonce, to) = asked(new.step(Micros(5)));
        let (before, old) = asked(new.step(Micros(5)));
        assert_eq!((to, old), (at(2), at(1)));
        assert_eq!(new.answer(nonce, Some(at(2)), 1000, Micros(100)), Answer::Wait);
        assert_eq!(asked(new.step(Micros(100))), (before, at(1)), "once more");
        assert_eq!((new.step(Micros(1099)), new.step(Micros(1100))), (Step::Wait, Step::Take));
        assert_eq!(new.answer(before, Some(at(2)), 1000, Micros(1050)), Answer::Stay, "sent on by somebody quicker");
    }

    #[test]
    fn what_arrives_of_the_path_itself_tells_as_well() {
        let mut new = Candidate::new(at(2), Some(at(1)), Micros(5));
        assert!(!new.shows_before(7, Micros(6)));
        asked(new.step(Micros(5)));
        new.put(7);
        assert!(!new.shows_before(7, Micros(6)) && !new.shows_before(8, Micros(5)) && new.shows_before(8, Micros(6)));
    }

    #[test]
    fn there_is_an_end_to_asking() {
        let mut new = Candidate::new(at(2), None, Micros(0));
        let steps: Vec<Step> = (0..40).map(|n| new.step(Micros(n * 100_000))).collect();
        assert_eq!(steps.iter().filter(|step| matches!(step, Step::Ask(..))).count(), 5);
        assert_eq!(steps.last(), Some(&Step::Forget));
    }
}
