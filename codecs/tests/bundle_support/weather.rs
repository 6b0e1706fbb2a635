//! What happens to the links over minutes, by seed, as `tests/bench/uplink/weather.py` has it: each 10 s another share of
//! loss on both LTE paths, 2 to 10 %, and one path of the three cut for 2 to 6 s. And moments in which a program or the
//! network stands still: all that came meanwhile comes at once, and every timer is late.

use super::world::World;
use super::Random;

const S: f64 = 1e6;
const PATHS: u64 = 3;

#[derive(Debug, Clone, Copy)]
pub enum What {
    Bursty(u8, f64),
    Cut(u8, bool),
    KitStalls(u64),
    CenterStalls(u64),
    LinksStall(u64),
}

/// What is to happen, and when (microseconds after the beginning).
pub struct Weather {
    plan: Vec<(u64, What)>,
    next: usize,
    began: u64,
}

impl Weather {
    /// `stalls`: each 2 s on average something stands still for 50 to 150 ms.
    pub fn cuts(seed: u64, seconds: u64, stalls: bool, began: u64) -> Self {
        let mut dice = Random(seed);
        let mut plan = Vec::new();
        for begin in (0..seconds).step_by(10).map(|begin| begin as f64 * S) {
            for path in 0..2 {
                plan.push((begin as u64, What::Bursty(path, 0.02 + 0.08 * dice.unit())));
            }
            let (path, at) = (dice.below(PATHS) as u8, begin + (2.0 + 2.0 * dice.unit()) * S);
            let end = at + (2.0 + 4.0 * dice.unit()) * S;
            if end < seconds as f64 * S {
                plan.extend([(at as u64, What::Cut(path, true)), (end as u64, What::Cut(path, false))]);
            }
        }
        let mut at = dice.exponential(2.0 * S);
        while stalls && at < seconds as f64 * S {
            let us = 50_000 + dice.below(100_000);
            plan.push((
                at as u64,
                [What::KitStalls(us), What::CenterStalls(us), What::LinksStall(us)][dice.below(3) as usize],
            ));
            at += dice.exponential(2.0 * S);
        }
        plan.sort_by_key(|(at, _)| *at);
        Self { plan, next: 0, began }
    }

    /// Bring about what is due by now.
    pub fn pass(&mut self, world: &mut World) {
        while let Some((_, what)) = self.plan.get(self.next).filter(|(at, _)| self.began + at <= world.now) {
            self.next += 1;
            let now = world.now;
            match *what {
                What::Bursty(path, share) => {
                    if let Some(wire) = world.kits[0].wires.get_mut(&path) {
                        wire.up.set_bursty(share, now);
                        wire.down.set_bursty(share, now);
                    }
                }
                What::Cut(path, cut) => world.cut(0, path, cut),
                What::KitStalls(us) => world.kit_stalls = now + us,
                What::CenterStalls(us) => world.center_stalls = now + us,
                What::LinksStall(us) => {
                    for wire in world.kits[0].wires.values_mut() {
                        wire.up.hold(now + us);
                        wire.down.hold(now + us);
                    }
                }
            }
        }
    }
}
