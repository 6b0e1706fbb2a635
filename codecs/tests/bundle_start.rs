//! Cameras that send from the first moment of a session, more than its paths carry or are thought to: some pictures of each
//! come. Pieces of all of them in turn would let none be whole in its time.

mod bundle_support;

use bundle_support::link::Shape;
use bundle_support::load::Load;
use bundle_support::world::World;
use codecs::bundle::flow::Mode;
use codecs::bundle::types::Event;

const CAMERAS: u16 = 4;

/// What the center saw of one camera in a minute.
#[derive(Debug)]
struct Tile {
    pictures: usize,
    /// The longest time in milliseconds without one, from the beginning and to the end.
    dark_ms: u64,
}

/// Four cameras of 4 Mb/s, with a key picture every so many.
fn watch(seed: u64, links: &[(&str, Shape)], mode: Mode, key_every: u64) -> Vec<Tile> {
    let mut world = World::new();
    world.kit("county-7", seed, links);
    world.await_ms("the session", 5000, |world| world.is_up(0));
    let mut loads: Vec<Load> = (1..=CAMERAS).map(|flow| Load::video(flow, mode, 400, 4_000_000)).collect();
    loads.iter_mut().for_each(|load| load.key_every = key_every);
    world.open(0, &mut loads);
    let (from, until) = (world.now, world.now + 60_000_000);
    world.run_loads(0, &mut loads, until, |_, _| {});
    let tile = |camera| {
        let came = world.guest(0).events.iter();
        let came = came.filter(|(_, event)| matches!(event, Event::Unit { flow, .. } if *flow == camera));
        let all: Vec<u64> = [from].into_iter().chain(came.map(|(at, _)| *at)).chain([until]).collect();
        let dark_ms = all.windows(2).map(|two| two[1].saturating_sub(two[0]) / 1000).max().unwrap_or(0);
        Tile { pictures: all.len() - 2, dark_ms }
    };
    (1..=CAMERAS).map(tile).collect()
}

#[test]
fn four_cameras_start_on_a_wide_path_within_two_seconds() {
    for (seed, key_every) in [(1, 25), (2, 50), (3, 100)] {
        let wide = Shape { rate_bps: 100e6, ..Shape::lte(0.0) };
        let tiles = watch(seed, &[("lte-1", wide)], Mode::Spread, key_every);
        let fine = tiles.iter().all(|tile| tile.dark_ms < 2000 && tile.pictures > 1400);
        assert!(fine, "seed {seed}, {key_every}: {tiles:?}");
    }
}

#[test]
fn a_path_for_one_of_four_cameras_shows_each_of_them_now_and_then() {
    for seed in [1, 2, 3] {
        let tiles = watch(seed, &[("lte-1", Shape::thin(4e6))], Mode::Spread, 50);
        let fine = tiles.iter().all(|tile| tile.dark_ms < 12_000 && tile.pictures > 150);
        assert!(fine, "seed {seed}: {tiles:?}");
    }
}

#[test]
fn half_of_what_is_sent_fits_and_much_of_that_half_comes() {
    for (seed, key_every) in [(1, 25), (2, 50), (3, 100)] {
        let tiles = watch(seed, &[("lte-1", Shape::lte(0.0))], Mode::Spread, key_every);
        let all: usize = tiles.iter().map(|tile| tile.pictures).sum();
        // Of 6004.
        assert!(all > 1500 && tiles.iter().all(|tile| tile.dark_ms < 12_000), "seed {seed}, {key_every}: {tiles:?}");
    }
}
