//! One path: its address, what is under way on it, what came by it, and how good it is. Values and small steps; what they
//! mean for the session is decided there.

use aws_lc_rs::rand;

use crate::time::Micros;

use super::candidate::{Answer, Candidate, Step};
use super::figures::PathFigures;
use super::flow::Class;
use super::life::{Life, Times};
use super::measure::{Delay, RoundTrip};
use super::mtu::Mtu;
use super::rate::Rate;
use super::report::Received;
use super::sent::Sent;
use super::types::{PathId, PathKind, PathOptions, Remote};
use super::window::ReplayWindow;

/// Probes that wait for their answer: two and a half seconds of them.
const PINGS: usize = 32;
/// Answers that wait to go out; a peer that asks faster is answered less.
pub const MAX_PONGS: usize = 8;
/// How much more than came may be sent to an address that has not answered yet (RFC 9000 §8.1).
const AMPLIFY: u64 = 3;
/// Of the pacing: what may be sent at once, which is more than what a session's rest between two looks saves up; and how far
/// ahead of its rate something urgent may go.
const BURST_US: u64 = 8_000;
const URGENT_US: u64 = 30_000;
/// A path of less than this is not probed for its MTU.
const PROBE_BPS: f64 = 300_000.0;
const CALL_BPS: f64 = 64_000.0;
/// An address that the path was not led to is not asked again for so long.
const DENIED_US: u64 = 2_000_000;
/// Beyond the round trip, what an address is given to answer.
const ANSWER_US: u64 = 50_000;
/// Beyond rate and answer time this much may be under way.
const SLACK_US: u64 = 150_000;

pub struct Path {
    pub id: PathId,
    pub name: String,
    pub kind: PathKind,
    pub cost: u8,
    /// Bits of the classes that it does not take.
    pub barred: u8,
    /// Where to; `None` at a kit.
    pub remote: Option<Remote>,
    /// An address that it was seen to come from and that has to answer before it is used.
    pub candidate: Option<Candidate>,
    /// One that is not asked again until then.
    denied: Option<(Remote, Micros)>,
    /// It answered from `remote`: no limit on what is sent there. Always so at a kit.
    pub validated: bool,
    /// Bytes that may still go to an address that did not answer yet.
    credit: u64,
    pub window: ReplayWindow,
    pub received: Received,
    pub sent: Sent,
    pub rtt: RoundTrip,
    pub feedback: RoundTrip,
    /// When a report, of whatever path, came last.
    pub reported: Micros,
    /// The receiver's clock in its latest report of this path, and ours when it came: theirs wraps.
    pub told_arrived: Option<(u32, Micros)>,
    /// Bytes that were sent by it up to the last datagram that is known to have come.
    pub passed: u64,
    /// The longest that the peer waited with a report, fading.
    pub hold_us: u64,
    pub delay: Delay,
    /// Loss over some seconds: what parity is reckoned by.
    pub lossy: f64,
    noted: Micros,
    pub rate: Rate,
    pub mtu: Mtu,
    pub life: Life,
    pings: [Option<(u64, Micros)>; PINGS],
    next_ping: usize,
    pub ping_at: Micros,
    pub pongs: Vec<u64>,
    /// When the next datagram may go by the path's rate.
    next_free: Micros,
    /// Of sharing: what it was given, over the root of its rate. In between shares by rate, which starve the path that is
    /// thought slow and never find out, and even ones, which fill it.
    pub given: f64,
    pub figures: PathFigures,
    pub heard: Option<Micros>,
    pub out_since: Micros,
}

/// A number that nobody can guess.
pub fn nonce() -> u64 {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).expect("the system gives random bytes");
    u64::from_be_bytes(bytes)
}

impl Path {
    pub fn new(options: &PathOptions, remote: Option<Remote>, now: Micros) -> Self {
        let mtu = match options.kind {
            PathKind::Udp => Mtu::new(options.mtu, now),
            PathKind::Stream => Mtu::fixed(options.mtu),
        };
        Self {
            id: options.id,
            name: super::types::cut(&options.name, super::frame::MAX_NAME_BYTES).to_owned(),
            kind: options.kind,
            cost: options.cost,
            barred: options.barred,
            remote,
            candidate: None,
            denied: None,
            validated: remote.is_none() || matches!(remote, Some(Remote::Stream(_))),
            credit: 0,
            window: ReplayWindow::default(),
            received: Received::default(),
            sent: Sent::default(),
            rtt: RoundTrip::default(),
            feedback: RoundTrip::default(),
            reported: Micros(0),
            told_arrived: None,
            passed: 0,
            hold_us: 0,
            delay: Delay::default(),
            lossy: 0.0,
            noted: now,
            rate: Rate::default(),
            mtu,
            life: Life::default(),
            pings: [None; PINGS],
            next_ping: 0,
            ping_at: now,
            pongs: Vec::with_capacity(MAX_PONGS),
            next_free: Micros(0),
            given: 0.0,
            figures: PathFigures::default(),
            heard: None,
            out_since: now,
        }
    }

    pub fn takes(&self, class: Class) -> bool {
        self.barred & class.bit() == 0
    }

    pub fn times(&self) -> Times {
        Times {
            reported: self.reported,
            rtt: self.rtt.us(),
            feedback: self.feedback.us(),
            feedback_varies: self.feedback.varies_us(),
            hold: self.hold_us,
            thin: self.rate.is_thin(),
        }
    }

    /// The share of what we sent that was lost over the last second of which we know.
    pub fn loss(&self, now: Micros) -> f64 {
        self.sent.loss.share(self.times().told_after(), now)
    }

    /// Figures of now.
    pub fn figures(&self, now: Micros) -> PathFigures {
        PathFigures {
            id: self.id,
            name: self.name.clone(),
            state: self.life.name(),
            code: self.life.code(),
            rtt_ms: self.rtt.us().unwrap_or_default() as f32 / 1000.0,
            loss: self.loss(now) as f32,
            queue_ms: self.delay.queue_us() as f32 / 1000.0,
            usable_bps: self.rate.usable_bps() as u64,
            mtu: self.mtu.known(),
            cost: self.cost,
            ..self.figures.clone()
        }
    }

    /// A PING goes out now; its nonce.
    pub fn ping(&mut self, now: Micros) -> u64 {
        let nonce = nonce();
        self.pings[self.next_ping % PINGS] = Some((nonce, now));
        self.next_ping += 1;
        nonce
    }

    /// A PONG came: when its PING went out, if it was ours.
    pub fn pong(&mut self, nonce: u64) -> Option<Micros> {
        let slot = self.pings.iter_mut().find(|slot| slot.is_some_and(|(asked, _)| asked == nonce))?;
        slot.take().map(|(_, at)| at)
    }

    /// A PING was not answered although it had the time.
    pub fn ping_overdue(&mut self, now: Micros) -> bool {
        let after = 2 * self.rtt.us().unwrap_or(300_000) + 100_000;
        let overdue = |slot: &Option<(u64, Micros)>| slot.is_some_and(|(_, at)| now.since(at) > after);
        let missed = self.pings.iter().filter(|slot| overdue(slot)).count();
        for slot in &mut self.pings {
            if overdue(slot) {
                *slot = None;
            }
        }
        missed > 0
    }

    /// Whether something that came from there brings up a question: it is not where the path leads, nor being asked.
    pub fn is_strange(&self, from: Remote, now: Micros) -> bool {
        let known = self.remote == Some(from) && self.validated;
        let asked = self.candidate.is_some_and(|candidate| candidate.remote == from || candidate.is_answered());
        let denied = self.denied.is_some_and(|(denied, until)| denied == from && now < until);
        !known && !asked && !denied
    }

    /// Something authentic came from another address than the one the path leads to, or than was ever tried: it has to
    /// answer first. Until then the old one stays. `came`: bytes that count as come from there already.
    pub fn ask_address(&mut self, from: Remote, came: usize, now: Micros) {
        let before = self.remote.filter(|_| self.validated);
        self.candidate = Some(Candidate::new(from, before, now));
        if self.remote.is_none() {
            (self.remote, self.validated, self.credit) = (Some(from), false, 0);
        }
        if self.remote == Some(from) {
            self.credit = self.credit.saturating_add(AMPLIFY * came as u64);
        }
    }

    /// An address answers, perhaps. False: the answer is to another question.
    pub fn address_answer(&mut self, nonce: u64, from: Option<Remote>, now: Micros) -> bool {
        let patience_us = self.rtt.us().unwrap_or(300_000) * 3 / 2 + ANSWER_US;
        let Some(candidate) = &mut self.candidate else { return false };
        match candidate.answer(nonce, from, patience_us, now) {
            Answer::Other => return false,
            Answer::Wait => {}
            Answer::Take => self.take_address(now),
            Answer::Stay => self.keep_address(now),
        }
        true
    }

    /// What goes to the address that the path leads to arrives: it stays.
    pub fn keep_address(&mut self, now: Micros) {
        self.denied = self.candidate.take().map(|candidate| (candidate.remote, Micros(now.0 + DENIED_US)));
    }

    /// The path leads to its new address from now on.
    fn take_address(&mut self, now: Micros) {
        let Some(candidate) = self.candidate.take() else { return };
        if self.remote != Some(candidate.remote) {
            self.lead_to(candidate.remote, now);
        }
        if let Some(took) = candidate.took(now) {
            self.rtt.sample(took);
        }
        self.validated = true;
        self.life.answered(now, None, now);
    }

    /// Another way: what was measured of the one before says nothing of it.
    fn lead_to(&mut self, remote: Remote, now: Micros) {
        self.rate.restart();
        (self.rtt, self.feedback) = Default::default();
        let most = super::wire::MAX_DATAGRAM_BYTES as u16;
        match (remote, self.kind) {
            (Remote::Stream(_), _) => (self.kind, self.mtu) = (PathKind::Stream, Mtu::fixed(most)),
            (Remote::Udp(_), PathKind::Stream) => (self.kind, self.mtu) = (PathKind::Udp, Mtu::new(most, now)),
            (Remote::Udp(_), PathKind::Udp) => self.mtu.reset(now),
        }
        self.remote = Some(remote);
    }

    /// A connection came, and the path led nowhere: it was accepted by us, so it has the address it has.
    pub fn take_connection(&mut self, remote: Remote, now: Micros) {
        self.lead_to(remote, now);
        (self.validated, self.candidate) = (true, None);
    }

    /// A question to an address that is to be put now: its nonce and where to.
    pub fn address_question(&mut self, now: Micros) -> Option<(u64, Remote)> {
        let number = self.sent.next_number() as u32 & 0xff_ffff;
        let candidate = self.candidate.as_mut()?;
        match candidate.step(now) {
            Step::Wait => None,
            Step::Ask(nonce, to) => {
                if to == candidate.remote {
                    candidate.put(number);
                }
                Some((nonce, to))
            }
            Step::Take => {
                self.take_address(now);
                None
            }
            Step::Forget => {
                self.candidate = None;
                None
            }
        }
    }

    /// Something authentic came by it.
    pub fn heard(&mut self, bytes: usize, now: Micros) {
        self.heard = Some(now);
        self.figures.bytes_in += bytes as u64;
        self.figures.packets_in += 1;
        if !self.validated {
            self.credit = self.credit.saturating_add(AMPLIFY * bytes as u64);
        }
    }

    /// Whether a datagram of `bytes` may go to where the path leads now.
    pub fn may_send(&self, bytes: usize) -> bool {
        self.validated || self.credit >= bytes as u64
    }

    /// A datagram of `bytes` left. An `urgent` one counts as on a link that carries a call at least: an estimate below that
    /// must not silence it, and if it is true the link will.
    pub fn left(&mut self, bytes: usize, urgent: bool, now: Micros) {
        self.credit = self.credit.saturating_sub(bytes as u64);
        self.figures.bytes_out += bytes as u64;
        self.figures.packets_out += 1;
        let takes = ((bytes + OVERHEAD_BYTES) as f64 * 8e6
            / self.rate.pace_bps(now).max(if urgent { CALL_BPS } else { 1.0 })) as u64;
        self.next_free = Micros(self.next_free.max(Micros(now.0.saturating_sub(BURST_US))).0 + takes);
    }

    /// Its MTU may be looked for: it is used, and such a probe does not hold a thin link up.
    pub fn may_probe(&self) -> bool {
        self.life.is_sound() && self.validated && self.rate.usable_bps() > PROBE_BPS
    }

    /// When a datagram may go by pacing: now if this is not later than `now`.
    pub fn free_at(&self, urgent: bool) -> Micros {
        Micros(self.next_free.0.saturating_sub(if urgent { URGENT_US } else { 0 }))
    }

    /// Carry the loss of the last second over into that of some seconds.
    pub fn note_loss(&mut self, now: Micros) {
        if now.since(self.noted) >= 100_000 {
            self.noted = now;
            self.lossy += (self.loss(now) - self.lossy) / 40.0;
        }
    }

    /// So much is under way that more would only queue: the path may be dead and we do not know yet.
    pub fn is_full(&self) -> bool {
        let answer = self.feedback.us().unwrap_or(SLACK_US) + self.hold_us + SLACK_US;
        let most = self.rate.usable_bps() / 8.0 * answer as f64 / 1e6;
        self.sent.under_way_bytes() as f64 > most.max(16_000.0)
    }

    /// Expected one-way delay in the session's relative microseconds; of a path that was never measured a long one.
    pub fn expected_us(&self) -> i64 {
        self.delay.expected().unwrap_or(400_000)
    }
}

/// IPv4 and UDP headers: the link carries them too.
pub const OVERHEAD_BYTES: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(remote: Option<Remote>) -> Path {
        let options = PathOptions { id: 1, name: "lte-1".into(), kind: PathKind::Udp, mtu: 1350, cost: 0, barred: 0 };
        Path::new(&options, remote, Micros(1_000_000))
    }

    #[test]
    fn an_address_that_did_not_answer_gets_three_times_what_came() {
        let mut path = path(Some(Remote::Udp("10.0.0.1:1".parse().expect("an address"))));
        assert!(!path.may_send(1));
        path.heard(100, Micros(1_000_000));
        assert!(path.may_send(300) && !path.may_send(301));
        path.left(250, false, Micros(1_000_000));
        assert!(path.may_send(50) && !path.may_send(51));
        path.validated = true;
        assert!(path.may_send(1400));
    }

    #[test]
    fn pacing_follows_the_rate_and_lets_urgent_things_ahead() {
        let mut path = path(None);
        let now = Micros(1_000_000);
        path.left(1847, false, now); // 1875 bytes with headers: 10 ms at 1.5 Mb/s
        path.left(1847, false, now);
        assert_eq!(path.free_at(false), Micros(now.0 - BURST_US + 20_000));
        assert!(path.free_at(true) <= now);
        path.left(1847, false, Micros(5_000_000));
        assert_eq!(path.free_at(false), Micros(5_000_000 - BURST_US + 10_000), "a pause is not saved up");
    }

    #[test]
    fn probes_are_told_by_their_nonce() {
        let mut path = path(None);
        let nonce = path.ping(Micros(7));
        assert_eq!((path.pong(nonce ^ 1), path.pong(nonce), path.pong(nonce)), (None, Some(Micros(7)), None));
        path.ping(Micros(10));
        assert!(!path.ping_overdue(Micros(500_000)) && path.ping_overdue(Micros(800_000)));
        assert!(!path.ping_overdue(Micros(900_000)), "told once");
    }
}
