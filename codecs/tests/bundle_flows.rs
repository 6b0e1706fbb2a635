//! Flows that are closed and opened again at once, over links that lose and over several of them: what is said of one opening
//! comes after the next has begun.

mod bundle_support;

use bundle_support::link::Shape;
use bundle_support::world::World;
use bytes::Bytes;
use codecs::bundle::flow::{Class, FlowOptions, Mode};
use codecs::bundle::types::Event;
use codecs::time::Micros;

/// What the center heard of flow 1, an opening a row: the first bytes of its units.
fn heard(world: &mut World) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    for (_, event) in &world.guest(0).events {
        match event {
            Event::FlowOpened { flow: 1, .. } => rows.push(Vec::new()),
            Event::Unit { flow: 1, bytes, .. } => rows.last_mut().expect("it is open").push(bytes[0]),
            _ => {}
        }
    }
    rows
}

#[test]
fn a_flow_that_is_opened_again_at_once_begins_anew() {
    for (seed, playout_ms) in [(1, 0), (2, 200), (3, 0), (4, 200)] {
        let mut world = World::new();
        let lossy = Shape { bursty: 0.1, ..Shape::lte(0.0) };
        world.kit("county-7", seed, &[("lte-1", lossy), ("sat", Shape::satellite())]);
        world.await_ms("the session", 5000, |world| world.is_up(0));
        world.run_ms(1000);
        let options = FlowOptions { class: Class::Voice, mode: Mode::Duplicate, playout_ms };
        for opening in 0..20u8 {
            let now = Micros(world.now);
            world.kits[0].session.close_flow(1, now);
            world.kits[0].session.open_flow(1, options, now);
            for _ in 0..10 {
                let now = Micros(world.now);
                assert!(world.kits[0].session.send_unit(1, Bytes::from(vec![opening; 100]), false, now));
                world.run_ms(20);
            }
            world.run_ms(800);
        }
        world.run_ms(2000);
        let rows = heard(&mut world);
        assert_eq!(rows.len(), 20, "seed {seed}");
        let mixed = rows.iter().enumerate().any(|(opening, row)| row.iter().any(|unit| usize::from(*unit) != opening));
        // Within 200 ms the links lose some for good: a burst takes up to 120.
        let units = rows.iter().map(Vec::len).sum::<usize>();
        assert!(!mixed && units >= 188 && rows.iter().all(|row| row.len() >= 5), "seed {seed}: {rows:?}");
        let closed = world.guest(0).events.iter().filter(|(_, e)| matches!(e, Event::FlowClosed { flow: 1 })).count();
        assert_eq!(closed, 19, "seed {seed}");
    }
}

/// The receiver stops it and the sender opens it again: the late word of the first does not end the second.
#[test]
fn a_flow_that_was_stopped_may_be_opened_again() {
    let mut world = World::new();
    world.kit("county-7", 5, &[("lte-1", Shape::lte(0.05)), ("sat", Shape::satellite())]);
    world.await_ms("the session", 5000, |world| world.is_up(0));
    let options = FlowOptions { class: Class::Voice, mode: Mode::Duplicate, playout_ms: 0 };
    for turn in 0..10 {
        let now = Micros(world.now);
        world.kits[0].session.open_flow(1, options, now);
        for _ in 0..20 {
            let now = Micros(world.now);
            world.kits[0].session.send_unit(1, Bytes::from(vec![1; 100]), false, now);
            world.run_ms(20);
        }
        world.run_ms(1000);
        assert!(!heard(&mut world)[turn].is_empty());
        let now = world.theirs();
        world.guest(0).session.stop_flow(1, now);
        world.await_ms("the word of it", 3000, |world| {
            let stopped = world.kits[0].events.iter().filter(|(_, e)| matches!(e, Event::FlowStopped { flow: 1 }));
            stopped.count() == turn + 1
        });
    }
}
