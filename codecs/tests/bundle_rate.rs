//! The estimate of what a path carries, on links of one number: found, kept, followed.

use codecs::bundle::rate::{Rate, Seen, Verdict, INITIAL_BPS};
use codecs::time::Micros;

/// A link of `capacity` that is offered `offered` (or all that is usable), judged every 100 ms.
struct Link {
    rate: Rate,
    capacity: f64,
    queue_bits: f64,
    bytes: f64,
    sent: f64,
    own_us: u64,
    now: u64,
}

impl Link {
    fn new(capacity: f64) -> Self {
        Self { rate: Rate::default(), capacity, queue_bits: 0.0, bytes: 0.0, sent: 0.0, own_us: 0, now: 1_000_000 }
    }

    fn step(&mut self, offered: f64, loss: f64) -> Verdict {
        self.lossy_step(offered, loss, loss)
    }

    fn lossy_step(&mut self, offered: f64, loss: f64, told: f64) -> Verdict {
        self.held_step(offered, loss, told, 1.0)
    }

    /// `passes`: the part of the step in which the link moves at all.
    fn held_step(&mut self, offered: f64, loss: f64, told: f64, passes: f64) -> Verdict {
        let sent = offered.min(self.rate.usable_bps());
        if offered >= self.rate.usable_bps() {
            self.rate.note_limited();
        }
        let bits = self.queue_bits + sent * 0.1;
        let out = bits.min(self.capacity * 0.1 * passes);
        self.queue_bits = bits - out;
        self.bytes += out / 8.0 * (1.0 - loss);
        self.sent += sent * 0.1 / 8.0;
        self.now += 100_000;
        let queue_us = (self.queue_bits / self.capacity * 1e6) as u64 + self.own_us;
        let arrived = (self.now / 64) as u32 & 0xff_ffff;
        let passed = (self.sent - self.queue_bits / 8.0) as u64;
        let seen = Seen { bytes: self.bytes as u32, arrived, sent: self.sent as u64, passed, queue_us, loss: told };
        self.rate.report(&seen, Micros(self.now))
    }

    fn run(&mut self, seconds: u64, offered: f64, loss: f64) -> f64 {
        let mut sum = 0.0;
        for _ in 0..seconds * 10 {
            self.step(offered, loss);
            sum += self.rate.usable_bps();
        }
        sum / (seconds * 10) as f64
    }
}

#[test]
fn it_finds_what_a_link_carries_and_keeps_the_queue_short() {
    for capacity in [64e3, 500e3, 2e6, 8e6, 50e6] {
        let mut link = Link::new(capacity);
        link.run(6, 1e9, 0.0);
        let mean = link.run(20, 1e9, 0.0);
        assert!(mean > 0.75 * capacity && mean < 1.25 * capacity, "{capacity}: {mean}");
        assert!(link.queue_bits / capacity < 0.15, "{capacity}: {}", link.queue_bits / capacity);
        let before = link.rate.usable_bps();
        link.rate.restart();
        assert_eq!(link.rate.usable_bps(), (before / 2.0).max(INITIAL_BPS / 2.0), "after an absence");
    }
}

#[test]
fn loss_by_chance_is_no_reason() {
    let mut link = Link::new(8e6);
    for step in 0..300 {
        // bursts: a tenth of the time everything is lost
        link.step(1e9, if step % 10 == 0 { 0.3 } else { 0.08 });
    }
    assert!(link.rate.usable_bps() > 5e6, "{}", link.rate.usable_bps());
}

#[test]
fn a_policer_is_felt_by_loss() {
    let mut link = Link::new(1e9);
    link.run(3, 4e6, 0.0);
    let mut loss = 0.0;
    for _ in 0..100 {
        let real = (1.0 - 1e6 / link.rate.usable_bps().min(4e6)).max(0.0);
        loss += (real - loss) / 5.0; // of the last second
        link.lossy_step(4e6, real, loss);
    }
    let usable = link.rate.usable_bps();
    assert!(usable > 0.5e6 && usable < 2.2e6, "{usable}");
}

#[test]
fn a_bad_radio_is_not_starved() {
    let mut link = Link::new(8e6);
    link.run(5, 1e9, 0.0);
    link.run(10, 1e9, 0.35);
    assert!(link.rate.usable_bps() > 3e6, "{}", link.rate.usable_bps());
}

#[test]
fn what_is_not_tried_is_not_claimed() {
    let mut link = Link::new(100e6);
    link.run(30, 800e3, 0.0);
    assert!(link.rate.usable_bps() <= INITIAL_BPS * 2.0, "{}", link.rate.usable_bps());
    // A source that takes four fifths climbs.
    for _ in 0..100 {
        let offered = link.rate.usable_bps() * 0.8;
        link.rate.note_limited();
        link.step(offered, 0.0);
    }
    assert!(link.rate.usable_bps() > 10e6, "{}", link.rate.usable_bps());
}

#[test]
fn a_sudden_drop_is_followed_at_once() {
    let mut link = Link::new(8e6);
    link.run(5, 1e9, 0.0);
    link.capacity = 64e3;
    link.queue_bits = 0.0;
    let steps = (0..100).take_while(|_| {
        link.step(1e9, 0.0);
        link.rate.usable_bps() > 100e3
    });
    assert!(steps.count() <= 5, "within half a second");
}

#[test]
fn a_longer_way_is_not_a_queue_for_ever() {
    let mut link = Link::new(8e6);
    link.run(5, 3e6, 0.0);
    link.own_us = 90_000; // handed over to a farther cell
    let mut rebased = false;
    for _ in 0..40 {
        if link.step(3e6, 0.0) == Verdict::Rebase {
            (link.own_us, rebased) = (0, true);
        }
    }
    assert!(rebased && link.rate.usable_bps() > 0.2e6);
    link.run(5, 3e6, 0.0);
    assert!(link.rate.usable_bps() > 2.5e6, "{}", link.rate.usable_bps());
}

#[test]
fn a_burst_that_takes_what_leaves_a_queue_is_not_what_the_link_carries() {
    let mut link = Link::new(8e6);
    link.run(5, 1e9, 0.0);
    for lost in [0.0, 0.9, 0.8] {
        link.queue_bits = 0.1 * link.capacity;
        link.step(1e9, lost);
    }
    assert!(link.rate.usable_bps() > 5e6, "{}", link.rate.usable_bps());
}

#[test]
fn a_moment_in_which_all_stood_still_is_no_queue() {
    let mut link = Link::new(8e6);
    link.run(5, 1e9, 0.0);
    link.queue_bits = 0.0;
    link.step(2e6, 0.0);
    let before = link.rate.usable_bps();
    // For a tenth of a second nothing came, and then all at once.
    link.own_us = 100_000;
    link.lossy_step(2e6, 0.6, 0.0);
    link.own_us = 0;
    link.step(2e6, 0.0);
    assert!(link.rate.usable_bps() >= before, "{} of {before}", link.rate.usable_bps());
}

#[test]
fn a_link_that_stands_still_with_a_queue_before_it_has_not_collapsed() {
    let mut link = Link::new(8e6);
    link.run(5, 1e9, 0.0);
    let before = link.rate.usable_bps();
    link.queue_bits = 0.12 * link.capacity;
    link.step(4e6, 0.0);
    link.held_step(4e6, 0.0, 0.0, 0.05);
    assert!(link.queue_bits < 0.15 * link.capacity, "not a queue that only a collapse leaves");
    assert!(link.rate.usable_bps() > 0.5 * before, "{} of {before}", link.rate.usable_bps());
    link.held_step(4e6, 0.0, 0.0, 0.05);
    assert!(link.rate.usable_bps() < 0.1 * before, "the second time it is: {}", link.rate.usable_bps());
}

#[test]
fn a_limit_that_was_felt_is_not_tried_again_at_once() {
    let mut link = Link::new(8e6);
    link.run(10, 1e9, 0.0);
    let mut longest = 0.0f64;
    for _ in 0..100 {
        link.step(1e9, 0.0);
        longest = longest.max(link.queue_bits / link.capacity);
    }
    assert!(longest < 0.06, "{longest}");
}
