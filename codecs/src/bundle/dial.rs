//! A kit finds its center: greets over every path until one brings the answer.
//!
//! One greeting (one ephemeral key) is repeated for a few seconds, then a new one is made. Whoever comes first, over
//! whatever path, ends the dialling. What is not authenticated (a Refuse, a Retry) only ever changes when and how we ask
//! again, never whether.

use crate::time::Micros;

use super::codes;
use super::cookie::{InitMac, Mac};
use super::handshake::{Answer, Asking, Greeting};
use super::item::Control;
use super::keys::Keys;
use super::session::{Session, Stage};
use super::suite;
use super::types::{Event, Hello, PathId, Transmit};
use super::wire::write_init;

/// Between two sendings of a greeting: at first, doubled up to the last.
const FIRST_US: u64 = 250_000;
const LAST_US: u64 = 4_000_000;
/// Between two greetings over a path that a Retry brought about: anyone on the way could send many, each with a new cookie.
const RETRY_US: u64 = 1_000_000;
/// A greeting's ephemeral key is used that long.
const GREETING_US: u64 = 10_000_000;
/// After a refusal: at first, doubled up to the last.
const REFUSED_US: u64 = 2_000_000;
const REFUSED_LAST_US: u64 = 60_000_000;
/// Words of a refusal that nobody signed are told this often.
const HINT_US: u64 = 10_000_000;

/// How long a center that is there has to refute a Reset, beyond two round trips; and for how long none is heeded after that.
const RESET_US: u64 = 400_000;
const REFUTED_US: u64 = 1_000_000;

pub struct Dial {
    asking: Option<(Asking, Vec<u8>, Micros)>,
    /// When to greet again over all paths, and the pause after that.
    next: Micros,
    pause: u64,
    refused_pause: u64,
    hinted: Option<Micros>,
    /// Paths that the greeting is still to go over.
    to_greet: Vec<PathId>,
    /// Of each path, and when it came.
    cookies: Vec<(PathId, Mac, Micros)>,
    /// When the greeting went out first, for a first round trip.
    greeted: Option<Micros>,
    repeats: u32,
}

impl Dial {
    pub fn new(now: Micros) -> Self {
        Self::after(now, REFUSED_US)
    }

    fn after(next: Micros, refused_pause: u64) -> Self {
        Self {
            asking: None,
            next,
            pause: FIRST_US,
            refused_pause,
            hinted: None,
            to_greet: Vec::new(),
            cookies: Vec::new(),
            greeted: None,
            repeats: 0,
        }
    }

    /// A path is new: greet over it at once.
    pub fn greet_over(&mut self, path: PathId) {
        if !self.to_greet.contains(&path) {
            self.to_greet.push(path);
        }
    }

    pub fn next_timer(&self) -> Micros {
        self.next
    }

    fn rest(&mut self, us: u64, now: Micros) {
        self.asking = None;
        self.to_greet.clear();
        self.next = Micros(now.0 + us);
        self.pause = FIRST_US;
    }
}

/// How long to wait before dialling after a session ended like that. A little of it is chance: when a center comes back, its
/// kits need not all come in the same moment.
pub(super) fn rest_after(code: &str) -> u64 {
    let chance = super::path::nonce() % 200_000;
    chance
        + match code {
            "center-restarted" | "peer-silent" => 0,
            "replaced" | "revoked" | "unpaired" => 5_000_000,
            _ => 1_000_000,
        }
}

/// Of two that do not understand each other. A center that does not say what it speaks is of before there were formats.
fn differs(ours: u8, theirs: Option<(u8, u8)>) -> String {
    match theirs {
        Some((oldest, newest)) => format!("we speak format {ours}, the center {oldest} to {newest}"),
        None => format!("we speak format {ours}, the center an older one"),
    }
}

impl Session {
    /// Begin to dial anew.
    pub(super) fn redial(&mut self, at: Micros) {
        self.keys = None;
        self.rekey = None;
        self.index = super::path::nonce() as u32;
        self.stage = Stage::Dialling(Box::new(Dial::after(at, REFUSED_US)));
    }

    /// It is time to greet (again).
    pub(super) fn dial_timer(&mut self, now: Micros) {
        let Stage::Dialling(dial) = &mut self.stage else { return };
        if now < dial.next || self.paths.list.is_empty() {
            return;
        }
        if dial.asking.as_ref().is_none_or(|(_, _, made)| now.since(*made) >= GREETING_US) {
            self.attempt += 1;
            let suite = suite::find(self.hello.suite).unwrap_or(suite::SUITES[0]);
            let greeting = Greeting { hello: self.hello.clone(), run: self.run, attempt: self.attempt };
            let (asking, message) =
                Asking::greet_in(self.format, suite, &self.identity, &self.peer, self.index, &greeting);
            let init = write_init(suite.id, self.index, self.format, &message).unwrap_or_default();
            dial.asking = Some((asking, init, now));
            (dial.greeted, dial.repeats) = (Some(now), 0);
        }
        dial.repeats += 1;
        dial.to_greet = self.paths.list.iter().map(|path| path.id).collect();
        dial.next = Micros(now.0 + dial.pause);
        dial.pause = (2 * dial.pause).min(LAST_US);
    }

    pub(super) fn next_greeting(&mut self, now: Micros, buf: &mut [u8]) -> Option<Transmit> {
        self.dial_timer(now);
        let Stage::Dialling(dial) = &mut self.stage else { return None };
        let (_, init, _) = dial.asking.as_ref().filter(|(_, init, _)| !init.is_empty())?;
        loop {
            let path = dial.to_greet.pop()?;
            if !self.paths.list.iter().any(|known| known.id == path) {
                continue;
            }
            let cookie = dial.cookies.iter().find(|(of, ..)| *of == path).map_or([0; 16], |(_, cookie, _)| *cookie);
            let out = buf.get_mut(..init.len())?;
            out.copy_from_slice(init);
            InitMac::of(&self.peer).finish(out, &cookie);
            return Some(Transmit { path, to: None, len: init.len() });
        }
    }

    /// Message 2 came by `path`.
    pub(super) fn on_accept(&mut self, path: Option<PathId>, receiver: u32, noise: &[u8], now: Micros) {
        let Stage::Dialling(dial) = &mut self.stage else { return };
        let Some((asking, _, _)) = dial.asking.as_mut().filter(|_| receiver == self.index) else { return };
        let Ok(answer) = asking.answer(noise) else {
            self.refused_packets += 1;
            return;
        };
        match answer {
            Answer::Refused { code, boot, formats } => {
                let code = codes::refusal(code);
                let detail = match code {
                    "bundle-version" => differs(self.format, formats),
                    _ if boot > 0 => format!("boot {boot} is known, ours is {}", self.hello.boot),
                    _ => String::new(),
                };
                let pause = dial.refused_pause;
                dial.refused_pause = (2 * pause).min(REFUSED_LAST_US);
                dial.rest(pause, now);
                self.event(Event::Refused { code, detail });
            }
            Answer::Welcome { index, token, clock_unix_ms } => {
                let Some((asking, _, _)) = dial.asking.take() else { return };
                let first_rtt = (dial.repeats == 1).then_some(dial.greeted).flatten().map(|at| now.since(at));
                self.keys = Some(Keys::new(&asking.split(), true, index, now));
                self.token = token;
                self.come_up(path, first_rtt, now);
                let hello = Hello { gateway: String::new(), boot: 0, suite: self.hello.suite, clock_unix_ms };
                self.event(Event::Up { peer_key: self.peer, hello });
            }
        }
    }

    /// A kit's session begins: everything anew but the paths' names.
    fn come_up(&mut self, path: Option<PathId>, first_rtt: Option<u64>, now: Micros) {
        self.stage = Stage::Up;
        self.begin(now);
        for index in 0..self.paths.list.len() {
            let id = self.paths.list[index].id;
            self.tell_peer(Control::Path(id));
            if Some(id) == path {
                self.paths.list[index].life.come_in(now);
                if let Some(rtt) = first_rtt {
                    self.paths.list[index].rtt.sample(rtt);
                }
                let name = self.paths.list[index].name.clone();
                self.event(Event::PathUp { path: id, name });
            }
        }
        self.paths.rank(now);
    }

    /// A Refuse, which nobody signed: say so now and then, and go on asking.
    pub(super) fn on_refuse(&mut self, receiver: u32, code: u8, formats: Option<(u8, u8)>, now: Micros) {
        let Stage::Dialling(dial) = &mut self.stage else { return };
        if receiver != self.index || dial.hinted.is_some_and(|at| now.since(at) < HINT_US) {
            return;
        }
        dial.hinted = Some(now);
        let code = codes::refusal(code);
        let detail = if code == "bundle-version" {
            differs(self.format, formats) + "; not signed"
        } else {
            "not signed".to_owned()
        };
        self.event(Event::Refused { code, detail });
    }

    /// The center is busy and wants to see that we have the address we write from.
    pub(super) fn on_retry(&mut self, path: Option<PathId>, receiver: u32, cookie: Mac, now: Micros) {
        let Stage::Dialling(dial) = &mut self.stage else { return };
        let Some(path) = path.filter(|_| receiver == self.index) else { return };
        // A cookie that did not help is not tried again at once: a loop of two would flood the center.
        let idle = |known: &(PathId, Mac, Micros)| known.1 == cookie || now.since(known.2) < RETRY_US;
        if dial.cookies.iter().any(|known| known.0 == path && idle(known)) {
            return;
        }
        dial.cookies.retain(|(of, ..)| *of != path);
        dial.cookies.push((path, cookie, now));
        dial.greet_over(path);
    }

    /// The center does not know our session (any more), it is said. The token hangs on the index alone, so that a center knows
    /// it after a restart: with patience anyone collects those of indexes that are not given yet. So it is asked whether it
    /// is there: what it says under our keys refutes it.
    pub(super) fn on_reset(&mut self, token: &Mac, now: Micros) {
        let refuted = self.refuted.is_some_and(|at| now.since(at) < REFUTED_US);
        if refuted || self.reset.is_some() || !self.is_up() || !self.is_kit() {
            return;
        }
        if super::cookie::same(token, &self.token) {
            self.reset = Some(now);
            self.paths.list.iter_mut().for_each(|path| path.ping_at = path.ping_at.min(now));
        }
    }

    /// Something came under our keys.
    pub(super) fn is_there(&mut self, now: Micros) {
        if self.reset.take().is_some() {
            self.refuted = Some(now);
        }
    }

    /// When a Reset is believed that nothing refutes.
    pub(super) fn reset_at(&self) -> Option<Micros> {
        let answer = self.paths.list.iter().filter_map(|path| path.rtt.us()).min().unwrap_or_default();
        self.reset.map(|at| Micros(at.0 + RESET_US + 2 * answer))
    }
}
