//! New keys within a session: Noise IK once more, its messages carried as frames under the old keys.

use std::sync::Arc;

use crate::time::Micros;

use super::handshake::{Answering, Asking, Split};
use super::suite::Suite;
use super::types::Identity;

/// A handshake that is not answered this long is begun anew.
const AGAIN_US: u64 = 30_000_000;

/// A kit's, until the answer; a center's, to answer a repeated question alike.
pub struct Rekey {
    pub phase: u8,
    asking: Option<Asking>,
    /// The message that we have to say, and at a center the one that it answers.
    pub message: Vec<u8>,
    question: Vec<u8>,
    since: Micros,
}

impl Rekey {
    pub fn ask(suite: Suite, identity: &Arc<Identity>, center: &[u8; 32], phase: u8, now: Micros) -> Self {
        let (asking, message) = Asking::rekey(suite, identity, center, phase);
        Self { phase, asking: Some(asking), message, question: Vec::new(), since: now }
    }

    /// A kit's question came. `None`: not from that kit. The keys are new, unless it was answered before.
    pub fn answer(
        known: Option<&Rekey>,
        suite: Suite,
        identity: &Arc<Identity>,
        kit: &[u8; 32],
        (phase, question): (u8, &[u8]),
        now: Micros,
    ) -> Option<(Option<Split>, Self)> {
        if let Some(known) = known.filter(|known| known.phase == phase && known.question == question) {
            let (message, question) = (known.message.clone(), known.question.clone());
            return Some((None, Self { phase, asking: None, message, question, since: now }));
        }
        let (message, split) = Answering::rekey(suite, identity, kit, phase, question).ok()?;
        Some((Some(split), Self { phase, asking: None, message, question: question.to_vec(), since: now }))
    }

    /// Our question is not answered yet.
    pub fn is_open(&self) -> bool {
        self.asking.is_some()
    }

    pub fn is_stale(&self, now: Micros) -> bool {
        self.is_open() && now.since(self.since) > AGAIN_US
    }

    /// The center's answer: the keys, once.
    pub fn answered(&mut self, phase: u8, message: &[u8]) -> Option<Split> {
        let mut asking = self.asking.take_if(|_| phase == self.phase)?;
        if asking.rekeyed(message).is_err() {
            self.asking = Some(asking);
            return None;
        }
        Some(asking.split())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::suite::SUITES;

    #[test]
    fn a_question_is_answered_alike_when_it_is_repeated() {
        let (kit, center) = (Arc::new(Identity::new(None)), Arc::new(Identity::new(None)));
        let mut ask = Rekey::ask(SUITES[0], &kit, &center.public, 1, Micros(0));
        let question = (1, &ask.message[..]);
        let (keys, answer) =
            Rekey::answer(None, SUITES[0], &center, &kit.public, question, Micros(0)).expect("of the kit");
        let (again, same) =
            Rekey::answer(Some(&answer), SUITES[0], &center, &kit.public, question, Micros(0)).expect("of the kit");
        assert!(again.is_none() && same.message == answer.message && !answer.is_open());
        assert!(Rekey::answer(None, SUITES[0], &center, &center.public, question, Micros(0)).is_none());
        assert!(ask.is_open() && !ask.is_stale(Micros(AGAIN_US)) && ask.is_stale(Micros(AGAIN_US + 1)));
        assert!(ask.answered(2, &answer.message).is_none() && ask.answered(1, b"forged").is_none());
        let ours = ask.answered(1, &answer.message).expect("the answer");
        assert_eq!(ours.from_initiator, keys.expect("new keys").from_initiator);
        assert!(ask.answered(1, &answer.message).is_none() && !ask.is_open());
    }
}
