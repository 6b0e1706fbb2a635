//! Paths that come back: after minutes, by another connection. What was known of them must not mislead.

mod bundle_support;

use bundle_support::link::Shape;
use bundle_support::load::Load;
use bundle_support::world::World;
use bytes::Bytes;
use codecs::bundle::flow::{Class, FlowOptions, Mode};
use codecs::bundle::types::{Event, PathKind, PathOptions};
use codecs::time::Micros;

const S: u64 = 1_000_000;

fn up(shapes: &[(&str, Shape)]) -> World {
    let mut world = World::new();
    world.kit("county-7", 1, shapes);
    world.await_ms("the session", 5000, |world| world.is_up(0));
    world.run_ms(1000);
    world
}

fn usable_bps(world: &World, path: usize) -> u64 {
    world.kits[0].session.figures(Micros(world.now)).paths[path].usable_bps
}

/// The receiver's clock on the wire wraps after 18 minutes: in the second half of them it seems to have gone back.
#[test]
fn a_path_that_was_away_for_ten_minutes_is_judged_as_soon_as_it_is_back() {
    let mut world = up(&[("lte-1", Shape::lte(0.0)), ("lte-2", Shape::lte(0.0))]);
    world.cut(0, 1, true);
    world.run_ms(600_000);
    world.cut(0, 1, false);
    world.run_ms(12_000);
    let mut loads = [Load::video(1, Mode::Spread, 400, 12_000_000)];
    world.open(0, &mut loads);
    let until = world.now + 15 * S;
    world.run_loads(0, &mut loads, until, |_, _| {});
    let usable = usable_bps(&world, 1);
    assert!(usable > 4_000_000, "{usable}");
}

/// A kit by TCP counts what came anew with each connection; the center's estimate must not take that for a gigabit.
#[test]
fn a_connection_made_anew_is_found_out_anew() {
    let mut world = up(&[("lte-1", Shape { rate_bps: 1e6, ..Shape::lte(0.0) })]);
    world.connect(0, 0, "lte-1", 1);
    world.await_ms("the connection", 20_000, |world| world.is_up(0));
    world.run_ms(1000);
    let now = world.theirs();
    let options = FlowOptions { class: Class::Video, mode: Mode::Best, playout_ms: 400 };
    world.guest(0).session.open_flow(7, options, now);
    let mut most = 0;
    for turn in 0..400 {
        if turn == 200 {
            world.connect(0, 0, "lte-1", 2);
        }
        let now = world.theirs();
        world.guest(0).session.send_unit(7, Bytes::from(vec![1; 4000]), turn % 25 == 0, now);
        world.run_ms(40);
        let now = world.theirs();
        most = most.max(world.guest(0).session.figures(now).paths[0].usable_bps);
    }
    assert!(most < 20_000_000, "{most} on a link of 2.5 Mb/s down");
    let late = world.kits[0]
        .events
        .iter()
        .filter(|(at, event)| *at > world.now - 4 * S && matches!(event, Event::Unit { flow: 7, .. }));
    assert!(late.count() > 80, "units go by the new connection");
}

/// While no path is in a key picture waits as long as it is of use, and goes by the first that is back.
#[test]
fn a_key_picture_of_just_before_goes_by_the_path_that_is_back() {
    let mut world = up(&[("lte-1", Shape::lte(0.0)), ("lte-2", Shape::lte(0.0))]);
    let mut loads = [Load::video(1, Mode::Duplicate, 400, 4_000_000)];
    world.open(0, &mut loads);
    let until = world.now + 6 * S;
    world.run_loads(0, &mut loads, until, |_, _| {});
    (0..2).for_each(|path| world.cut(0, path, true));
    world.run_ms(5000);
    let picture = vec![0xee; 60_000];
    let now = Micros(world.now);
    assert!(world.kits[0].session.send_unit(1, Bytes::from(picture.clone()), true, now));
    world.flush_kit(0);
    (0..2).for_each(|path| world.cut(0, path, false));
    world.run_ms(1000);
    let came = |(_, event): &(u64, Event)| matches!(event, Event::Unit { bytes, .. } if bytes[..] == picture[..]);
    assert!(world.guest(0).events.iter().any(came));
}

/// Nothing is heard of a kit any more: its center knows soon, though it asks an idle link that costs but every ten seconds.
#[test]
fn that_all_links_are_cut_is_known_of_each_soon() {
    for after_ms in [0, 700, 1400, 2300, 5000, 9000] {
        let mut world = World::new();
        world.kit("county-7", 1, &[("lte-1", Shape::lte(0.0)), ("sat", Shape::satellite())]);
        let options = PathOptions { id: 1, name: "sat".into(), kind: PathKind::Udp, mtu: 1350, cost: 5, barred: 0 };
        let now = Micros(world.now);
        world.kits[0].session.add_path(options, now);
        world.await_ms("the session", 5000, |world| world.is_up(0));
        world.run_ms(12_000 + after_ms);
        (0..2).for_each(|path| world.cut(0, path, true));
        let cut = world.now;
        world.run_ms(20_000);
        let out = |(at, event): &(u64, Event)| {
            (*at > cut && matches!(event, Event::PathDown { .. })).then(|| (at - cut) / 1000)
        };
        let ms: Vec<u64> = world.guest(0).events.iter().filter_map(out).collect();
        println!("cut after {after_ms} ms: out after {ms:?} ms");
        assert!(ms.len() == 2 && ms.iter().all(|ms| *ms < 4000), "{ms:?}");
    }
}
