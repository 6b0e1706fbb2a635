//! Links and clocks out of order: a path that reorders by seconds, clocks that are wrong by a year at either end, and a peer
//! that holds the keys and means ill.

mod bundle_support;

use bundle_support::link::Shape;
use bundle_support::load::{Came, Load};
use bundle_support::world::{World, YEAR_US};
use codecs::bundle::flow::Mode;
use codecs::bundle::types::Event;
use codecs::time::Micros;

const S: u64 = 1_000_000;

/// A fifth of the datagrams comes up to `late_ms` later than the others.
fn strays(late_ms: f64) -> Shape {
    Shape { reorders: true, strayed: (0.2, late_ms), ..Shape::lte(0.0) }
}

/// What 30 s of a picture and a call over one such path came to.
struct Strayed {
    video: Came,
    voice: Came,
    /// The least usable rate that was told, and the most that waited at the receiver.
    usable_bps: f64,
    held_bytes: u64,
    path_outs: usize,
    held_after: u64,
}

fn over(shape: Shape, seed: u64) -> Strayed {
    let mut world = World::new();
    world.kit("county-7", seed, &[("lte-1", shape)]);
    world.await_ms("the session", 10_000, |world| world.is_up(0));
    world.run_ms(1000);
    let mut loads = [Load::video(1, Mode::Spread, 400, 2_000_000), Load::voice(2, Mode::Duplicate, 400)];
    world.open(0, &mut loads);
    let (began, mut usable_bps, mut held_bytes) = (world.now, f64::MAX, 0);
    let held = |world: &mut World| {
        let theirs = world.theirs();
        world.guest(0).session.figures(theirs).flows.iter().map(|flow| flow.held_bytes).sum::<u64>()
    };
    world.run_loads(0, &mut loads, began + 30 * S, |world, _| {
        if world.now > began + 5 * S {
            let now = Micros(world.now);
            usable_bps = usable_bps.min(world.kits[0].session.figures(now).usable_bps as f64);
        }
        held_bytes = held_bytes.max(held(world));
    });
    world.run_ms(4000);
    let [video, voice] = [0, 1].map(|load: usize| world.judge(0, &loads[load], began + 5 * S, began + 29 * S, 450));
    let path_out = |event: &Event| matches!(event, Event::PathDown { .. });
    let path_outs = world.kits[0].events.iter().filter(|(_, event)| path_out(event)).count();
    let held_after = held(&mut world);
    Strayed { video, voice, usable_bps, held_bytes, path_outs, held_after }
}

/// What strays by seconds is of no use to a picture, and is sent again in time as what is lost is; it is no reason to send
/// less, to leave the path, or to wait longer before something is sent again.
#[test]
fn a_path_that_reorders_by_seconds_is_no_worse_than_one_that_loses() {
    let (mut shares, seeds) = ([[0.0; 2]; 2], [3, 4, 5]);
    for seed in seeds {
        let (strays, loses) = (over(strays(3000.0), seed), over(strays(1e9), seed));
        for (of, one) in [&strays, &loses].into_iter().enumerate() {
            for (what, came) in [&one.video, &one.voice].into_iter().enumerate() {
                shares[of][what] += came.in_time as f64 / came.units as f64 / seeds.len() as f64;
            }
        }
        // It carries 8 Mb/s, of which a fifth comes too late.
        assert!(strays.usable_bps > 2.5e6, "usable fell to {}", strays.usable_bps);
        assert_eq!(strays.path_outs, 0);
        // What waits is a play-out of pictures, 400 ms of 2 Mb/s, and a key picture.
        assert!((10_000..600_000).contains(&strays.held_bytes), "{} bytes waited", strays.held_bytes);
        assert_eq!(strays.held_after, 0);
    }
    let [strays, loses] = shares;
    for what in [0, 1] {
        assert!(strays[what] >= (loses[what] - 0.015).max(0.97), "strays {strays:?}, loses {loses:?}");
    }
}

/// Beside a good path, everything on the other one strays: bytes in order stay in order, and the session stays.
#[test]
fn a_stream_over_a_path_on_which_everything_strays() {
    let mut world = World::new();
    let wild = Shape { reorders: true, strayed: (1.0, 4000.0), ..Shape::lte(0.02) };
    world.kit("county-7", 6, &[("lte-1", Shape::lte(0.02)), ("lte-2", wild)]);
    world.await_ms("the session", 10_000, |world| world.is_up(0));
    world.run_ms(2000);
    let stream = world.kits[0].session.stream_open("api").expect("it is up");
    let data: Vec<u8> = (0..600_000u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let (mut written, mut read) = (0, Vec::new());
    world.await_ms("all of it", 60_000, |world| {
        written += world.kits[0].session.stream_write(stream, &data[written..]);
        world.flush_kit(0);
        let index = world.up[&world.kits[0].identity.public];
        world.guest(0).session.stream_read(stream, &mut read, 1 << 20);
        world.flush_guest(index);
        read.len() >= data.len()
    });
    assert!(read == data);
    let ended = |event: &Event| matches!(event, Event::Down { .. });
    assert!(!world.kits[0].events.iter().any(|(_, event)| ended(event)));
}

/// Both ends' clocks mean nothing to each other: a year apart either way, and a time of day that is wrong by one.
#[test]
fn clocks_that_are_wrong_by_a_year_change_nothing() {
    let year = YEAR_US as u64;
    for (kit, ahead) in [(S, YEAR_US), (year + S, -YEAR_US), (20 * year, 0), (year, 20 * YEAR_US)] {
        for unix_ms in [0, 1_700_000_000_000, 1_700_000_000_000 + year / 1000, u64::MAX] {
            let mut world = World::with_clocks(kit, ahead);
            world.unix_ms = unix_ms;
            world.kit("county-7", 7, &[("lte-1", Shape::lte(0.0)), ("lte-2", Shape::lte(0.0))]);
            let took = world.await_ms("the session", 2000, |world| world.is_up(0));
            assert!(took < 500, "{took} ms");
            let mut loads = [Load::video(1, Mode::Spread, 250, 1_000_000), Load::voice(2, Mode::Duplicate, 200)];
            world.open(0, &mut loads);
            let began = world.now;
            world.run_loads(0, &mut loads, began + 3 * S, |_, _| {});
            world.run_ms(1000);
            for load in &loads {
                let came = world.judge(0, load, began, began + 3 * S, 300);
                assert_eq!(came.in_time, came.units, "{kit} {ahead} {unix_ms}: {came:?}");
            }
            let up = world.guest(0).events.iter().find_map(|(_, event)| match event {
                Event::Up { hello, .. } => Some(hello.clock_unix_ms),
                _ => None,
            });
            assert_eq!(up, Some(unix_ms), "a label, and told as it is");
        }
    }
}

/// One end's clock jumps by a year, as a virtual machine's does that was stopped: the session ends with its reason, and the
/// next one comes by itself.
#[test]
fn a_clock_that_jumps_ends_the_session_with_its_reason_and_the_next_one_comes() {
    let mut world = World::new();
    world.kit("county-7", 8, &[("lte-1", Shape::lte(0.0))]);
    world.await_ms("the session", 5000, |world| world.is_up(0));
    world.run_ms(1000);
    world.jump(YEAR_US);
    world.run_ms(10_000);
    let downs: Vec<_> = world.kits[0].events.iter().filter(|(_, event)| matches!(event, Event::Down { .. })).collect();
    assert!(downs
        .iter()
        .all(|(_, event)| matches!(event, Event::Down { code: "center-restarted" | "peer-silent", .. })));
    world.await_ms("the next session", 10_000, |world| world.is_up(0));
}
