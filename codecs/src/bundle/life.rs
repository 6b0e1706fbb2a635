//! Whether a path is used: in, under suspicion, out.
//!
//! ```text
//! New ──an answer──► In ──nothing answered for `out_after`, or too much lost over 500 ms──► Out
//!  ▲                  ▲                                                                            │
//!  │                  └── 10 good seconds; 0.3 (1 if it was lossy) if one other is in, or all do not suffice; at once if none is
//!  └─ begin
//! ```
//!
//! *Suspect* is a shade of In: an answer is overdue, so what is under way is sent again elsewhere and new things go elsewhere
//! too, long before the path counts as out. A burst on a radio link makes a path suspect for a moment; it costs nothing.

use crate::time::Micros;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    New,
    In,
    Out,
}

const REPORT_US: u64 = 100_000;
const LEAST_REPORT_US: u64 = 40_000;
/// The longest wait of a receiver with a report that is reckoned with.
const MAX_HOLD_US: u64 = 250_000;
/// Grace beyond the measured time of an answer.
const GRACE_US: u64 = 8_000;
/// What is taken for a round trip before one was measured.
const UNKNOWN_RTT_US: u64 = 300_000;
const GOOD_US: u64 = 10_000_000;
/// Of one that was silent, and of one that lost too much.
const GOOD_ALMOST_ALONE_US: u64 = 300_000;
const GOOD_LOSSY_US: u64 = 1_000_000;

/// Measured times that decide, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Of PING and PONG over the path itself.
    pub rtt: Option<u64>,
    /// From sending to a report of it, whatever way that takes, and how it varies; without the receiver's waiting.
    pub feedback: Option<u64>,
    pub feedback_varies: u64,
    /// How long the receiver waits with its reports at most.
    pub hold: u64,
    /// When a report of any path came last: it would have told of this path too, had there been something to tell.
    pub reported: Micros,
    pub thin: bool,
}

impl Times {
    /// A report that comes this long after a datagram was sent tells of it, if it came.
    pub fn told_after(&self) -> u64 {
        let feedback = self.feedback.or(self.rtt).unwrap_or(UNKNOWN_RTT_US);
        feedback + 2 * self.feedback_varies.min(feedback / 4) + GRACE_US
    }

    /// What was sent before then and has no answer is overdue. Without any report it takes longer to say so: that may be
    /// the way back.
    pub fn overdue_before(&self, now: Micros) -> Micros {
        let told = self.reported.0.saturating_sub(self.told_after());
        Micros(told.max(now.0.saturating_sub(self.suspect_after())))
    }

    /// An answer that takes longer is overdue, whatever reports come.
    pub fn suspect_after(&self) -> u64 {
        // On a thin link reports wait for each other, and what goes again for nothing is what fills it.
        let next = if self.thin { REPORT_US } else { self.hold.clamp(LEAST_REPORT_US, REPORT_US) };
        self.told_after() + self.hold + next
    }

    /// Three reports and two round trips. On a thin link reports are seldomer.
    pub fn out_after(&self) -> u64 {
        3 * self.hold.clamp(REPORT_US, MAX_HOLD_US) + 2 * self.rtt.or(self.feedback).unwrap_or(UNKNOWN_RTT_US)
    }
}

/// What there is besides the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Others {
    /// Paths that are in, and nothing speaks against them.
    pub sound: usize,
    /// They carry all that is wanted.
    pub suffice: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    In,
    Out(&'static str),
}

#[derive(Debug, Clone)]
pub struct Life {
    standing: Standing,
    code: &'static str,
    suspect: bool,
    /// Send time of the first datagram that wants an answer and has none, nor has any later one.
    unanswered: Option<Micros>,
    good_since: Option<Micros>,
    went_out: Option<Micros>,
    came_in: Micros,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            standing: Standing::New,
            code: "path-new",
            suspect: false,
            unanswered: None,
            good_since: None,
            went_out: None,
            came_in: Micros(0),
        }
    }
}

impl Life {
    pub fn is_in(&self) -> bool {
        self.standing == Standing::In
    }

    /// In, and nothing speaks against it.
    pub fn is_sound(&self) -> bool {
        self.is_in() && !self.suspect
    }

    /// It was in not longer than `us` ago.
    pub fn was_in(&self, now: Micros, us: u64) -> bool {
        self.went_out.is_some_and(|at| now.since(at) < us)
    }

    /// Out, and yet it answers: good for what has no other way.
    pub fn answers(&self) -> bool {
        self.standing == Standing::Out && self.good_since.is_some()
    }

    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Why it is not in; empty when it is.
    pub fn code(&self) -> &'static str {
        self.code
    }

    pub fn name(&self) -> &'static str {
        match self.standing {
            Standing::New => "new",
            Standing::In if self.suspect => "suspect",
            Standing::In => "in",
            Standing::Out => "out",
        }
    }

    /// Something that wants an answer goes out.
    pub fn asked(&mut self, now: Micros) {
        self.unanswered.get_or_insert(now);
    }

    /// Something sent at `sent` is known to have come; `open`: send time of the oldest that is still without an answer.
    pub fn answered(&mut self, sent: Micros, open: Option<Micros>, now: Micros) {
        if self.unanswered.is_some_and(|since| sent >= since) {
            self.unanswered = open.filter(|open| *open > sent);
            self.suspect = false;
        }
        self.good_since.get_or_insert(now);
    }

    /// A probe of a path that is out was not answered.
    pub fn missed(&mut self) {
        self.good_since = None;
    }

    /// The path proved itself otherwise: the handshake's answer came by it.
    pub fn come_in(&mut self, now: Micros) {
        (self.standing, self.code, self.suspect, self.came_in) = (Standing::In, "", false, now);
        self.unanswered = None;
    }

    pub fn go_out(&mut self, code: &'static str, now: Micros) {
        if self.is_in() {
            self.went_out = Some(now);
        }
        (self.standing, self.code, self.suspect) = (Standing::Out, code, false);
        (self.unanswered, self.good_since) = (None, None);
    }

    /// Judge the path. `lossy`: more is lost than comes (`Loss::is_bad`).
    pub fn look(&mut self, times: &Times, lossy: bool, others: Others, now: Micros) -> Option<Change> {
        let silent = self.unanswered.map_or(0, |since| now.since(since));
        match self.standing {
            Standing::In => {
                self.suspect = self.unanswered.is_some_and(|since| since < times.overdue_before(now));
                let code = if silent > times.out_after() {
                    "path-silent"
                } else if lossy && others.suffice && now.since(self.came_in) > 1_000_000 {
                    // Half of a path is better than none: it is let go only where it is not needed.
                    "path-lossy"
                } else {
                    return None;
                };
                self.go_out(code, now);
                Some(Change::Out(code))
            }
            Standing::New | Standing::Out => {
                if silent > times.out_after() {
                    self.good_since = None;
                    self.unanswered = None;
                }
                let good = now.since(self.good_since?);
                let almost = if self.code == "path-lossy" { GOOD_LOSSY_US } else { GOOD_ALMOST_ALONE_US };
                let wanted = match others.sound {
                    _ if self.standing == Standing::New => 0,
                    0 => 0,
                    1 => almost,
                    _ if !others.suffice => almost,
                    _ => GOOD_US,
                };
                if good < wanted {
                    return None;
                }
                self.come_in(now);
                Some(Change::In)
            }
        }
    }

    /// When `look` could come to another verdict by time alone.
    pub fn next_look(&self, times: &Times) -> Option<Micros> {
        let since = self.unanswered?;
        let after = if self.suspect || !self.is_in() { times.out_after() } else { times.suspect_after() };
        Some(Micros(since.0 + after + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Micros {
        Micros(ms * 1000)
    }

    fn lte() -> Times {
        let reported = Micros(0);
        Times { rtt: Some(70_000), feedback: Some(70_000), feedback_varies: 2_000, hold: 30_000, reported, thin: false }
    }

    fn beside(sound: usize) -> Others {
        Others { sound, suffice: sound > 0 }
    }

    fn path() -> Life {
        let mut life = Life::default();
        life.asked(ms(0));
        life.answered(ms(0), None, ms(70));
        assert_eq!(life.look(&lte(), false, beside(1), ms(70)), Some(Change::In));
        life
    }

    #[test]
    fn silence_is_suspect_first_and_out_within_half_a_second() {
        let mut life = path();
        for at in 0..10 {
            life.asked(ms(1000 + at * 10));
        }
        let reported = |at| Times { reported: ms(at), ..lte() };
        assert_eq!(life.look(&reported(1080), false, beside(1), ms(1100)), None);
        assert!(life.is_sound());
        assert_eq!(life.look(&reported(1095), false, beside(1), ms(1100)), None);
        assert!(life.is_in() && !life.is_sound() && life.name() == "suspect", "a report that would have told");
        life.answered(ms(1000), Some(ms(1010)), ms(1101));
        life.asked(ms(1000));
        assert_eq!(life.look(&lte(), false, beside(1), ms(1162)), None);
        assert!(life.is_sound());
        assert_eq!(life.look(&lte(), false, beside(1), ms(1163)), None);
        assert!(!life.is_sound(), "without any report, later");
        assert_eq!(life.next_look(&lte()), Some(Micros(1_450_001)));
        assert_eq!(life.look(&lte(), false, beside(1), ms(1451)), Some(Change::Out("path-silent")));
        assert_eq!((life.name(), life.code()), ("out", "path-silent"));
    }

    #[test]
    fn an_answer_clears_suspicion_an_old_one_does_not() {
        let mut life = path();
        life.asked(ms(1000));
        life.look(&lte(), false, beside(1), ms(1300));
        life.answered(ms(900), Some(ms(1000)), ms(1200));
        assert!(!life.is_sound());
        life.answered(ms(1050), None, ms(1210));
        assert!(life.is_sound());
        assert_eq!(life.look(&lte(), false, beside(1), ms(3000)), None, "nothing is asked, nothing is missed");
    }

    #[test]
    fn the_way_back_is_longer_the_more_others_there_are() {
        for (others, wait) in [(0, 0), (1, 300), (2, 10_000)] {
            let mut life = path();
            life.go_out("path-silent", ms(2000));
            life.asked(ms(3000));
            life.answered(ms(3000), None, ms(3070));
            if wait > 0 {
                assert_eq!(life.look(&lte(), false, beside(others), ms(3070 + wait - 1)), None);
            }
            assert_eq!(life.look(&lte(), false, beside(others), ms(3070 + wait)), Some(Change::In), "{others}");
        }
    }

    #[test]
    fn a_missed_probe_starts_the_count_anew() {
        let mut life = path();
        life.go_out("path-silent", ms(2000));
        life.answered(ms(3000), None, ms(3000));
        life.missed();
        assert_eq!(life.look(&lte(), false, beside(1), ms(4500)), None);
        life.answered(ms(4500), None, ms(4500));
        assert_eq!(life.look(&lte(), false, beside(1), ms(4799)), None);
        assert_eq!(life.look(&lte(), false, beside(1), ms(4800)), Some(Change::In));
    }

    #[test]
    fn more_than_half_lost_is_out() {
        let mut life = path();
        assert_eq!(life.look(&lte(), true, beside(1), ms(1000)), None, "that was before it came in");
        assert_eq!(life.look(&lte(), false, beside(1), ms(2000)), None);
        let short = Others { sound: 1, suffice: false };
        assert_eq!(life.look(&lte(), true, short, ms(2000)), None, "it is needed");
        assert_eq!(life.look(&lte(), true, beside(1), ms(2000)), Some(Change::Out("path-lossy")));
        life.answered(ms(3000), None, ms(3000));
        assert_eq!(life.look(&lte(), false, beside(2), ms(4500)), None);
        let short = Others { sound: 2, suffice: false };
        assert_eq!(life.look(&lte(), false, short, ms(4500)), Some(Change::In));
    }

    #[test]
    fn a_satellite_is_given_its_time() {
        let times = Times {
            rtt: Some(560_000),
            feedback: Some(350_000),
            feedback_varies: 10_000,
            hold: 100_000,
            ..Times::default()
        };
        assert_eq!((times.suspect_after(), times.out_after()), (578_000, 1_420_000));
        assert_eq!(Times::default().out_after(), 900_000);
    }
}
