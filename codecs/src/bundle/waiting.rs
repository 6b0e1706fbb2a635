//! Units of a flow that wait for their turn, and which of them are left out.
//!
//! Whole units are left out, never pieces: one that waited too long, one that the paths could not carry in its time even if
//! they carried nothing else, the oldest when there is no more room. Of pictures everything up to the next key unit goes with
//! it, since it means nothing without; a key unit is then asked of the source, seldomer the longer it does not help.

use std::collections::VecDeque;

use bytes::Bytes;

use super::flow::{Class, FlowOptions};
use super::fragment::MAX_UNIT_BYTES;
use crate::time::Micros;

const MAX_BYTES: usize = 8 << 20;
const MAX_UNITS: usize = 2048;
/// Between key units that the receiver wishes.
const WISH_PAUSE_US: u64 = 1_000_000;
/// Between those that we ask for because we leave out all others: at first, and at last.
const FIRST_PAUSE_US: u64 = 300_000;
const LAST_PAUSE_US: u64 = 5_000_000;
/// Of its time a unit may wait this part, or spend it on its way out: the rest is for what is lost.
const PART: f64 = 0.85;
/// A unit's time has at least so much, however slow the way.
const LEAST_US: i64 = 20_000;

#[derive(Debug)]
pub struct Unit {
    pub bytes: Bytes,
    pub key: bool,
    pub at: Micros,
}

#[derive(Debug)]
pub struct Waiting {
    units: VecDeque<Unit>,
    bytes: usize,
    pictures: bool,
    useful_us: i64,
    /// Everything up to the next key unit is left out.
    to_key: bool,
    /// When a key unit was asked of the source last, and given.
    asked: Option<Micros>,
    given: Option<Micros>,
    pause_us: u64,
    /// What that was before the latest key unit was begun.
    paused_us: u64,
    dropped: u64,
    told: u64,
    /// Bits per second that it would have taken for what was left out of late.
    lacked_bps: f64,
}

impl Waiting {
    pub fn new(options: &FlowOptions) -> Self {
        Self {
            units: VecDeque::new(),
            bytes: 0,
            pictures: options.class == Class::Video,
            useful_us: options.useful_us() as i64,
            to_key: false,
            asked: None,
            given: None,
            pause_us: FIRST_PAUSE_US,
            paused_us: FIRST_PAUSE_US,
            dropped: 0,
            told: 0,
            lacked_bps: 0.0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Units that were left out in all.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Queue a unit. False: it is left out.
    pub fn give(&mut self, bytes: Bytes, key: bool, now: Micros) -> bool {
        if key {
            (self.given, self.to_key) = (Some(now), false);
        }
        let fits = bytes.len() <= MAX_UNIT_BYTES;
        while fits && !self.units.is_empty() && (self.bytes + bytes.len() > MAX_BYTES || self.units.len() >= MAX_UNITS)
        {
            self.leave_out();
        }
        self.to_key = self.pictures && (self.to_key && !key || !fits);
        if self.to_key || !fits {
            self.dropped += 1;
            return false;
        }
        self.bytes += bytes.len();
        self.units.push_back(Unit { bytes, key, at: now });
        true
    }

    fn pop(&mut self) -> Option<Unit> {
        let unit = self.units.pop_front()?;
        self.bytes -= unit.bytes.len();
        Some(unit)
    }

    /// A picture of so many bytes did not get through in its time.
    fn lacked(&mut self, bytes: usize) {
        if self.pictures {
            self.lacked_bps = self.lacked_bps.max(bytes as f64 * 8e6 / (PART * self.useful_us as f64));
        }
    }

    /// What it would have taken for that, since the last time.
    pub fn take_lacked_bps(&mut self) -> f64 {
        std::mem::take(&mut self.lacked_bps)
    }

    /// The first that waits goes unsent, and of pictures all that hang on it.
    fn leave_out(&mut self) {
        if let Some(unit) = self.pop() {
            self.lacked(unit.bytes.len());
            if unit.key {
                self.pause_us = (2 * self.pause_us).min(LAST_PAUSE_US);
            }
        }
        self.dropped += 1;
        self.skip_to_key();
    }

    /// One that was begun did not get out in its time, and what hangs on it goes unsent: it would take the place of pictures
    /// that mean something.
    pub fn broke(&mut self, bytes: usize, key: bool) {
        self.lacked(bytes);
        if key {
            self.pause_us = (2 * self.paused_us).min(LAST_PAUSE_US);
        }
        self.skip_to_key();
    }

    fn skip_to_key(&mut self) {
        self.to_key = self.pictures;
        while self.to_key && self.units.front().is_some_and(|unit| !unit.key) {
            self.pop();
            self.dropped += 1;
        }
        self.to_key &= self.units.is_empty();
    }

    /// Leave out what would come too late; the best way is `extra_us` longer than the quickest. True when something was left
    /// out since the last time.
    pub fn prune(&mut self, extra_us: i64, now: Micros) -> bool {
        let budget = (self.useful_us - extra_us).max(LEAST_US);
        while self.units.front().is_some_and(|unit| {
            // A key unit is worth more than its place: it may use all of the time there is.
            now.since(unit.at) as i64 > if unit.key { budget } else { (PART * budget as f64) as i64 }
        }) {
            self.leave_out();
        }
        std::mem::replace(&mut self.told, self.dropped) < self.dropped
    }

    /// The next to be sent. Pictures that `hoped_bps` can not carry in their time are left out. While nothing carries any
    /// they wait for as long as they are of use: the path that is back next may take them.
    pub fn take(&mut self, hoped_bps: f64, now: Micros) -> Option<Unit> {
        if self.pictures && hoped_bps <= 0.0 {
            return None;
        }
        while let Some(unit) = self.units.front().filter(|_| self.pictures) {
            let takes = unit.bytes.len() as f64 * 8e6 / hoped_bps.max(1.0);
            if takes <= (self.useful_us - now.since(unit.at) as i64).max(0) as f64 {
                break;
            }
            self.leave_out();
        }
        let unit = self.pop()?;
        if unit.key {
            (self.paused_us, self.pause_us) = (self.pause_us, FIRST_PAUSE_US);
        }
        Some(unit)
    }

    /// A key unit should be asked of the source: everything else is left out, and none is there.
    pub fn wants_key(&mut self, now: Micros) -> bool {
        self.to_key && self.units.is_empty() && self.asks(self.pause_us, now)
    }

    /// A path came back, or carries more: what did not help before may help now.
    pub fn hope(&mut self) {
        (self.pause_us, self.asked, self.given) = (FIRST_PAUSE_US, None, None);
    }

    /// The receiver would like a key unit. True: ask for one; not if one is under way, or was asked for just now: key units
    /// are large, and a link that loses has no use for more of them.
    pub fn asks_key(&mut self, now: Micros) -> bool {
        self.pictures && self.asks(WISH_PAUSE_US.max(self.pause_us), now)
    }

    fn asks(&mut self, pause: u64, now: Micros) -> bool {
        let recent = |at: Option<Micros>| at.is_some_and(|at| now.since(at) < pause);
        if recent(self.asked) || recent(self.given) {
            return false;
        }
        self.asked = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::flow::Mode;

    fn ms(ms: u64) -> Micros {
        Micros(1_000_000 + ms * 1000)
    }

    fn waiting(class: Class) -> Waiting {
        Waiting::new(&FlowOptions { class, mode: Mode::Best, playout_ms: 400 })
    }

    fn give(waiting: &mut Waiting, bytes: usize, key: bool, at: u64) -> bool {
        waiting.give(vec![0; bytes].into(), key, ms(at))
    }

    #[test]
    fn what_waited_too_long_goes_with_all_that_hangs_on_it() {
        let mut pictures = waiting(Class::Video);
        assert!(give(&mut pictures, 1000, false, 0) && give(&mut pictures, 1000, false, 300));
        assert!(!pictures.prune(0, ms(340)) && pictures.prune(0, ms(341)));
        assert_eq!((pictures.dropped(), pictures.is_empty()), (2, true));
        assert!(!give(&mut pictures, 1000, false, 345), "nothing before a key unit");
        assert!(give(&mut pictures, 1000, true, 350) && give(&mut pictures, 1000, false, 390));
        assert_eq!(pictures.take(1e6, ms(400)).map(|unit| unit.key), Some(true));
        let mut words = waiting(Class::Voice);
        assert!(give(&mut words, 60, false, 0) && give(&mut words, 60, false, 300));
        assert!(words.prune(0, ms(341)) && !words.prune(0, ms(342)));
        assert!(words.take(1e6, ms(341)).is_some_and(|unit| unit.at == ms(300)), "a word hangs on nothing");
    }

    #[test]
    fn a_key_unit_that_waits_saves_what_follows_it() {
        let mut pictures = waiting(Class::Video);
        [(false, 0), (false, 40), (true, 80), (false, 120)].into_iter().for_each(|(key, at)| {
            give(&mut pictures, 1000, key, at);
        });
        assert!(pictures.prune(0, ms(345)));
        assert_eq!(pictures.dropped(), 2);
        assert!(give(&mut pictures, 1000, false, 346), "the key unit is there");
    }

    #[test]
    fn what_the_paths_can_not_carry_is_not_begun() {
        let mut pictures = waiting(Class::Video);
        give(&mut pictures, 80_000, true, 0);
        give(&mut pictures, 10_000, false, 40);
        assert!(pictures.take(64e3, ms(50)).is_none());
        assert_eq!(pictures.dropped(), 2);
        give(&mut pictures, 80_000, true, 100);
        assert!(pictures.take(2e6, ms(110)).is_some(), "320 ms of 390");
        let lacked = pictures.take_lacked_bps();
        assert!((lacked - 80_000.0 * 8.0 / 0.34).abs() < 1.0 && pictures.take_lacked_bps() == 0.0, "{lacked}");
        assert!(give(&mut pictures, 80_000, true, 200) && pictures.take(0.0, ms(300)).is_none());
        assert!(pictures.take(4e6, ms(400)).is_some(), "it waited for a path");
        assert!(give(&mut pictures, 80_000, true, 500) && pictures.prune(0, ms(901)), "as long as it was of use");
        let mut stills = waiting(Class::Still);
        give(&mut stills, 80_000, true, 0);
        assert!(stills.take(64e3, ms(0)).is_some(), "a still may take its time");
    }

    #[test]
    fn key_units_are_asked_for_less_often_when_they_do_not_help() {
        let mut pictures = waiting(Class::Video);
        let mut asked = Vec::new();
        give(&mut pictures, 80_000, true, 0);
        for at in (0..12_000).step_by(20) {
            pictures.take(64e3, ms(at));
            if pictures.wants_key(ms(at)) {
                asked.push(at);
                give(&mut pictures, 80_000, true, at);
            }
        }
        assert_eq!(asked, [600, 1800, 4200, 9000], "0.6, 1.2, 2.4, 4.8 s, and 5 at most");
        assert!(!pictures.asks_key(ms(12_000)), "nor because the receiver wishes one");
        pictures.hope();
        assert!(pictures.wants_key(ms(12_000)), "but a path came back");
    }

    #[test]
    fn what_hangs_on_a_picture_that_was_begun_in_vain_is_not_sent() {
        let mut pictures = waiting(Class::Video);
        give(&mut pictures, 80_000, true, 0);
        give(&mut pictures, 1000, false, 40);
        assert!(pictures.take(4e6, ms(50)).is_some());
        pictures.broke(80_000, true);
        assert!(pictures.is_empty() && !give(&mut pictures, 1000, false, 420) && pictures.dropped() == 2);
        assert!(!pictures.wants_key(ms(590)) && pictures.wants_key(ms(600)), "seldomer: the last was no help");
        assert!(give(&mut pictures, 1000, true, 640) && give(&mut pictures, 1000, false, 680));
        let mut words = waiting(Class::Voice);
        give(&mut words, 60, false, 0);
        words.broke(60, false);
        assert!(!words.is_empty(), "a word hangs on nothing");
    }

    #[test]
    fn it_is_bounded_and_a_monster_is_refused() {
        let mut files = waiting(Class::Bulk);
        for at in 0..20 {
            assert!(give(&mut files, 1 << 20, false, at));
        }
        assert_eq!((files.units.len(), files.dropped()), (8, 12));
        assert!(!give(&mut files, MAX_UNIT_BYTES + 1, true, 30) && give(&mut files, 1, false, 31));
        let mut words = waiting(Class::Voice);
        (0..3000).for_each(|at| assert!(give(&mut words, 60, false, at)));
        assert_eq!(words.units.len(), MAX_UNITS);
    }
}
