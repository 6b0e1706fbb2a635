//! Minutes in which the links of a kit get worse and better and one of them is cut every ten seconds, as the bench has it
//! (`tests/bench/uplink/weather.py`): once as they are, once with ends and links that stand still for moments. One seed;
//! `BUNDLE_SEEDS=5` (`make test-links`) has five, for five minutes each. `--nocapture` shows the figures.

mod bundle_support;

use bundle_support::link::Shape;
use bundle_support::load::{Came, Load};
use bundle_support::weather::Weather;
use bundle_support::world::World;
use codecs::bundle::flow::Mode;

const S: u64 = 1_000_000;
const WARM_S: u64 = 6;
/// Way, play-out and a tolerance; whoever stands still takes so much more.
const ALLOWED_MS: u64 = 35 + 400 + 40;
const LONGEST_STALL_MS: u64 = 150;

/// Seeds and seconds. The third is the one in which a burst that takes most of a queue was taken for what the path carries.
fn asked() -> (Vec<u64>, u64) {
    let asked = std::env::var("BUNDLE_SEEDS").ok().and_then(|text| text.parse().ok());
    asked.map_or((vec![3], 60), |count: u64| ((1..=count).collect(), 300))
}

fn run(seed: u64, mode: Mode, seconds: u64, stalls: bool) -> (Came, Came) {
    let lte = Shape { jitter_ms: 0.0, ..Shape::lte(0.0) };
    let satellite = Shape { jitter_ms: 0.0, ..Shape::satellite() };
    let mut world = World::new();
    world.kit("county-7", seed, &[("lte-1", lte.clone()), ("lte-2", lte), ("sat", satellite)]);
    world.await_ms("the session", 5000, |world| world.is_up(0));
    world.run_ms(1000);
    let mut loads = [Load::video(1, mode, 400, 4_000_000), Load::voice(2, Mode::Duplicate, 400)];
    world.open(0, &mut loads);
    let began = world.now + WARM_S * S;
    world.run_loads(0, &mut loads, began, |_, _| {});
    let mut weather = Weather::cuts(seed, seconds, stalls, began);
    world.run_loads(0, &mut loads, began + seconds * S, |world, _| weather.pass(world));
    world.run_ms(2000);
    let (to, allowed) = (began + (seconds - 1) * S, ALLOWED_MS + if stalls { LONGEST_STALL_MS } else { 0 });
    let [video, voice] = [0, 1].map(|load| world.judge(0, &loads[load], began, to, allowed));
    println!(
        "cuts, {mode:?}, seed {seed}, stalls {stalls}: {} missing, {} late of {}, freeze {} ms; voice {} missing, {} late, \
         gap {} ms",
        video.missing,
        video.late,
        video.units,
        video.freeze_ms,
        voice.missing,
        voice.late,
        20 * voice.run
    );
    (video, voice)
}

/// The freeze that is allowed, and one picture of so many may be lost.
fn cuts(mode: Mode, stalls: bool, freeze_ms: u64, one_of: u64) {
    let (seeds, seconds) = asked();
    let (mut lost, mut units) = (0, 0);
    for seed in seeds {
        let (video, voice) = run(seed, mode, seconds, stalls);
        assert!(video.freeze_ms <= freeze_ms, "{video:?}");
        assert!(20 * voice.run <= 60, "no gap in the voice over 60 ms: {voice:?}");
        (lost, units) = (lost + video.missing + video.late, units + video.units);
    }
    assert!(lost * one_of <= units, "{lost} of {units}");
}

#[test]
fn every_picture_twice() {
    cuts(Mode::Duplicate, false, 200, 400);
}

#[test]
fn pictures_over_all_paths() {
    cuts(Mode::Spread, false, 200, 400);
}

#[test]
fn every_picture_twice_and_moments_in_which_all_stands_still() {
    cuts(Mode::Duplicate, true, 200 + LONGEST_STALL_MS, 200);
}

#[test]
fn pictures_over_all_paths_and_moments_in_which_all_stands_still() {
    cuts(Mode::Spread, true, 200 + LONGEST_STALL_MS, 200);
}
