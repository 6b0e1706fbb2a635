//! Properties of the link bundle's parts: what must hold whatever the network does.

use codecs::bundle::item::Item;
use codecs::bundle::report::Received;
use codecs::bundle::sent::Sent;
use codecs::time::Micros;

fn ms(ms: u64) -> Micros {
    Micros(ms * 1000)
}

/// A generator whose runs can be told again by their seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// Whatever is lost, doubled or late: every item has one first outcome, and only what was received is told as come.
#[test]
fn every_item_is_accounted_for() {
    for seed in 0..20u64 {
        let mut random = Random(seed + 1);
        let (mut sent, mut received, mut out) = (Sent::default(), Received::default(), Vec::new());
        let mut arrivals: Vec<(u64, u64)> = Vec::new();
        let count = 3000u16;
        for index in 0..count {
            let at = u64::from(index);
            sent.push(1000, &[Item::Piece { flow: 1, unit: 7, index, near: true }], true, ms(at), &mut out);
            if random.below(10) > 0 {
                arrivals.push((at + 35 + random.below(30), at));
            }
        }
        arrivals.sort_unstable();
        let mut told = vec![(false, false); usize::from(count)];
        let mut came = vec![false; usize::from(count)];
        for (step, (at, number)) in arrivals.iter().enumerate() {
            received.came(*number, *number as u32, 1000, true, ms(*at));
            came[*number as usize] = true;
            if step % 20 == 0 {
                sent.report(&received.report(0, ms(*at)).expect("something came"), ms(*at), &mut out);
            }
        }
        sent.report(&received.report(0, ms(5000)).expect("something came"), ms(5000), &mut out);
        sent.overdue(ms(9000), ms(9000), &mut out);
        for outcome in &out {
            let Item::Piece { index, .. } = outcome.item else { panic!("a piece") };
            let slot = &mut told[usize::from(index)];
            assert!(if outcome.came { !slot.1 } else { !slot.0 && !slot.1 }, "twice: {index}");
            *(if outcome.came { &mut slot.1 } else { &mut slot.0 }) = true;
        }
        for (index, (lost, arrived)) in told.iter().enumerate() {
            assert!(*lost || *arrived, "{index} has no outcome");
            // Reports reach 16 bursts down: what came may have been given up, never the other way round.
            assert!(came[index] || !arrived, "{index} did not come");
        }
        assert_eq!(sent.under_way_bytes(), 0);
    }
}
