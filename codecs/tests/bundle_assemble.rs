//! Pieces into units: order, losses, copies, limits, whatever the way does to them.

use bytes::Bytes;
use codecs::bundle::assemble::{Assembler, Due, Figures, Limits, Taken, WHOLE};
use codecs::bundle::fragment::{cut, Head, Piece, Shape};
use codecs::time::Micros;

const MS: u64 = 1000;

fn unit(n: u32, len: usize) -> Bytes {
    (0..len).map(|i| (i as u32 * 17 + n * 5 + i as u32 / 97) as u8).collect()
}

fn pieces(n: u32, len: usize, parity: usize) -> Vec<Piece> {
    cut(n, &unit(n, len), n % 10 == 0, n * 40, 1000, parity)
}

/// Unit `n` is sent at 40·n ms and is 20 ms under way.
fn at(n: u32) -> Micros {
    Micros((u64::from(n) * 40 + 20) * MS)
}

fn take(a: &mut Assembler, piece: &Piece, when: Micros) -> Taken {
    a.take(&piece.head, &piece.body, when)
}

fn due(a: &mut Assembler, when: Micros) -> Vec<Due> {
    let mut out = Vec::new();
    a.due(when, &mut out);
    out
}

#[test]
fn units_leave_in_order_when_they_are_due() {
    let mut a = Assembler::new(100, Limits::default());
    for n in [1, 0, 2] {
        for piece in pieces(n, 2500, 0).iter().rev() {
            assert_eq!(take(&mut a, piece, at(n)), Taken::New);
            assert_eq!(take(&mut a, piece, at(n)), Taken::Duplicate);
        }
    }
    assert_eq!(a.next_timer(), Some(Micros(120 * MS)));
    assert!(due(&mut a, Micros(119 * MS)).is_empty());
    let out = due(&mut a, Micros(161 * MS));
    assert_eq!(out.iter().map(|d| d.unit).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((&out[1].bytes, out[0].key, out[1].key), (&unit(1, 2500), true, false));
    assert!(out.iter().all(|d| !d.late && !d.after_loss));
    assert_eq!(due(&mut a, Micros(200 * MS)).len(), 1);
    assert_eq!(take(&mut a, &pieces(1, 2500, 0)[0], at(9)), Taken::Duplicate);
    assert_eq!((a.pending_bytes(), a.next_timer()), (0, None));
    let expected = Figures { units: 3, bytes: 7500, duplicates: 10, ..Figures::default() };
    assert_eq!(a.figures(), expected);
}

#[test]
fn a_loss_is_made_good_or_asked_for_or_given_up() {
    let mut a = Assembler::new(100, Limits::default());
    let (first, second) = (pieces(0, 5000, 2), pieces(1, 5000, 1));
    for piece in first.iter().skip(2) {
        take(&mut a, piece, at(0));
    }
    assert_eq!(a.missing(at(0)).count(), 0);
    for piece in second.iter().skip(3) {
        take(&mut a, piece, at(1));
    }
    let third = pieces(3, 100, 0);
    take(&mut a, &third[0], at(3));
    let gaps: Vec<(u32, u16)> = a.missing(at(3)).map(|g| (g.unit, g.index)).collect();
    assert_eq!(gaps, [(1, 0), (1, 1), (2, WHOLE)]);
    let gap = a.missing(at(1)).next().expect("two pieces lack");
    assert_eq!((gap.since, gap.deadline), (at(1), Micros(160 * MS)));
    let out = due(&mut a, Micros(170 * MS));
    assert_eq!((out.len(), &out[0].bytes), (1, &unit(0, 5000)));
    // Nothing later is due: unit 1 may still come, late.
    take(&mut a, &second[0], Micros(171 * MS));
    assert!(due(&mut a, Micros(171 * MS)).is_empty());
    take(&mut a, &second[1], Micros(172 * MS));
    let out = due(&mut a, Micros(172 * MS));
    assert!(out[0].late && !out[0].after_loss && out[0].bytes == unit(1, 5000));
    assert!(!a.wants_key());
    let out = due(&mut a, Micros(240 * MS));
    assert!(out[0].after_loss && out[0].unit == 3 && a.wants_key());
    assert_eq!(take(&mut a, &pieces(2, 100, 0)[0], at(9)), Taken::Late);
    let f = a.figures();
    assert_eq!((f.units, f.units_late, f.units_lost, f.pieces_recovered, f.pieces_late), (2, 1, 1, 3, 1));
    for piece in pieces(10, 10, 0) {
        take(&mut a, &piece, at(10));
    }
    assert_eq!(due(&mut a, at(20)).len(), 1);
    assert!(!a.wants_key());
}

#[test]
fn without_delay_each_leaves_as_soon_as_it_is_whole() {
    let mut a = Assembler::new(0, Limits::default());
    let (first, second) = (pieces(0, 3000, 1), pieces(1, 10, 0));
    take(&mut a, &first[3], at(0));
    take(&mut a, &second[0], at(0));
    assert_eq!(due(&mut a, at(0)).iter().map(|d| d.unit).collect::<Vec<_>>(), [1]);
    take(&mut a, &first[0], at(1));
    take(&mut a, &first[1], at(1));
    assert_eq!(due(&mut a, at(1))[0].bytes, unit(0, 3000));
    assert_eq!(take(&mut a, &first[2], at(1)), Taken::Duplicate);
    take(&mut a, &pieces(2, 3000, 0)[0], at(2));
    let end = a.next_timer().expect("a unit waits");
    assert!(due(&mut a, end).is_empty());
    assert_eq!((a.figures().units_lost, a.pending_bytes(), a.next_timer()), (1, 0, None));
    assert_eq!(take(&mut a, &pieces(2, 3000, 0)[1], at(60)), Taken::Late);
}

#[test]
fn a_full_assembler_lets_the_oldest_go_before_its_time() {
    let limits = Limits { flow_bytes: 40_000, unit_bytes: 20_000, units: 8, ..Limits::default() };
    let mut a = Assembler::new(10_000, limits);
    assert_eq!(take(&mut a, &pieces(0, 20_001, 0)[0], at(0)), Taken::Refused);
    let mut out = Vec::new();
    for n in 0..50 {
        // Every third lacks a piece.
        for piece in pieces(n, 9000, 0).iter().skip(usize::from(n % 3 == 0)) {
            take(&mut a, piece, at(n));
            assert!(a.pending_bytes() <= limits.flow_bytes);
        }
        a.due(at(n), &mut out);
    }
    assert!(out.len() >= 30 && out.iter().all(|d| d.unit % 3 != 0), "{}", out.len());
    for n in 50..100 {
        take(&mut a, &pieces(n, 10, 0)[0], at(n));
        assert!(a.pending_units() <= limits.units);
    }
}

#[test]
fn a_jump_of_numbers_ends_what_was_before() {
    let mut a = Assembler::new(100, Limits::default());
    take(&mut a, &pieces(0, 10, 0)[0], at(0));
    take(&mut a, &pieces(1, 5000, 0)[0], at(0));
    take(&mut a, &pieces(100_000, 10, 0)[0], at(1));
    let out = due(&mut a, at(9));
    assert_eq!(out.iter().map(|d| d.unit).collect::<Vec<_>>(), [0, 100_000]);
    assert_eq!(a.figures().units_lost, 99_999);
    assert_eq!(take(&mut a, &pieces(5, 10, 0)[0], at(9)), Taken::Late);
}

#[test]
fn pieces_that_contradict_each_other_are_refused() {
    let mut a = Assembler::new(100, Limits::default());
    let good = pieces(0, 3000, 1);
    take(&mut a, &good[0], at(0));
    let head = Head { unit_len: 2999, ..good[1].head };
    assert_eq!(a.take(&head, &good[1].body, at(0)), Taken::Refused);
    assert_eq!(a.take(&good[1].head, &good[1].body[1..], at(0)), Taken::Refused);
    assert_eq!(a.take(&Head { key: false, ..good[1].head }, &good[1].body, at(0)), Taken::Refused);
    assert_eq!(a.figures().pieces_refused, 3);
}

/// Any order, any copies, any loss up to the parity, from a seed: every unit comes out, once, as it went in.
#[test]
fn what_the_parity_covers_arrives() {
    let mut seed = 7u64;
    let mut below = move |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % n.max(1)
    };
    for playout in [0, 400] {
        let mut a = Assembler::new(playout, Limits::default());
        let (mut way, mut lens) = (Vec::new(), Vec::new());
        for n in 0..300u32 {
            let (len, parity) = (below(if n % 50 == 0 { 600_000 } else { 20_000 }), below(6));
            lens.push(len);
            let mut all = pieces(n, len, parity);
            let words = Shape::of(&all[0].head).expect("ours").words;
            // One word may take all the loss: as many as it has parity.
            for _ in 0..below(if len == 0 { 1 } else { parity / words + 1 }) {
                all.swap_remove(below(all.len()));
            }
            for piece in all {
                for _ in 0..1 + below(2) {
                    way.push((u64::from(n) * 40 + 20 + below(150) as u64, piece.clone()));
                }
            }
        }
        way.sort_by_key(|(ms, _)| *ms);
        let mut out = Vec::new();
        for (ms, piece) in way {
            take(&mut a, &piece, Micros(ms * MS));
            a.due(Micros(ms * MS), &mut out);
        }
        a.due(Micros(60_000 * MS), &mut out);
        if playout == 0 {
            out.sort_by_key(|d| d.unit);
        }
        assert_eq!(out.len(), 300);
        for (n, (d, len)) in out.iter().zip(lens).enumerate() {
            assert_eq!((d.unit, &d.bytes), (n as u32, &unit(n as u32, len)));
            assert!(!d.late && !d.after_loss);
        }
        assert_eq!((a.figures().units_lost, a.pending_bytes()), (0, 0));
    }
}
