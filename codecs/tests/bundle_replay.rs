//! What an attacker on the way can do with what he overhears: play it again, at once or years later, and forge what looks
//! like it. It changes nothing, it draws no traffic, and the session's own traffic does not suffer.

mod bundle_support;

use std::net::SocketAddr;

use bundle_support::link::Shape;
use bundle_support::load::Load;
use bundle_support::world::World;
use bundle_support::Random;
use codecs::bundle::cookie::{InitMac, ResetTokens};
use codecs::bundle::flow::Mode;
use codecs::bundle::types::Event;
use codecs::bundle::wire::{write_accept, write_refuse, write_reset, write_retry, DataHeader, Datagram, VERSION};
use codecs::time::Micros;

const S: u64 = 1_000_000;
/// Kinds of datagrams, as they stand in the first byte.
const INIT: u8 = 1;
const ACCEPT: u8 = 2;
const DATA: u8 = 4;

fn stranger() -> SocketAddr {
    "192.0.2.66:6666".parse().expect("an address")
}

fn kind(datagram: &[u8]) -> u8 {
    datagram[0] >> 4
}

/// A kit of two good links that is up; everything that went over them was overheard from the beginning.
fn overheard(boot: u64) -> World {
    let mut world = World::new();
    (world.tap, world.tap_down) = (Some(Vec::new()), Some(Vec::new()));
    world.kit("county-7", 3, &[("lte-1", Shape::lte(0.0)), ("lte-2", Shape::lte(0.0))]);
    world.restart_kit(0, boot);
    world.await_ms("the session", 5000, |world| world.is_up(0));
    world.run_ms(500);
    world
}

fn tapped(world: &World, of: u8) -> Vec<(SocketAddr, Vec<u8>)> {
    let all = world.tap.iter().flatten().chain(world.tap_down.iter().flatten());
    all.filter(|(_, datagram)| kind(datagram) == of).cloned().collect()
}

fn center_index(world: &World) -> u32 {
    world.up[&world.kits[0].identity.public]
}

fn refused_at_center(world: &mut World) -> u64 {
    let now = world.theirs();
    world.guest(0).session.figures(now).refused_packets
}

/// Neither end said that a session ended or began, and no path went out, since it had `seen` so many events.
fn undisturbed(world: &mut World, seen: (usize, usize)) {
    let disturbs = |event: &Event| matches!(event, Event::Down { .. } | Event::Up { .. } | Event::PathDown { .. });
    let kit = world.kits[0].events[seen.0..].iter().find(|(_, event)| disturbs(event)).cloned();
    let center = world.guest(0).events[seen.1..].iter().find(|(_, event)| disturbs(event)).cloned();
    assert_eq!((kit, center), (None, None));
}

fn seen(world: &mut World) -> (usize, usize) {
    (world.kits[0].events.len(), world.guest(0).events.len())
}

fn numbers(world: &mut World, flow: u16) -> Vec<u64> {
    let events = &world.guest(0).events;
    let units = events.iter().filter_map(|(_, event)| match event {
        Event::Unit { flow: of, bytes, .. } if *of == flow => Some(bytes),
        _ => None,
    });
    units.map(|bytes| u64::from_be_bytes(bytes[..8].try_into().expect("8 bytes"))).collect()
}

/// Every datagram of a session, both ways, is played again while it goes on: from where it came and from elsewhere.
#[test]
fn a_whole_session_played_again_while_it_runs_changes_nothing() {
    let mut world = overheard(1);
    let before = seen(&mut world);
    let stream = world.kits[0].session.stream_open("rpc").expect("it is up");
    world.kits[0].session.stream_write(stream, &[7; 50_000]);
    let mut loads = [Load::video(1, Mode::Spread, 400, 2_000_000), Load::voice(2, Mode::Duplicate, 200)];
    world.open(0, &mut loads);
    let (index, began) = (center_index(&world), world.now);
    let (mut up, mut down, mut replayed) = (0, 0, 0);
    world.run_loads(0, &mut loads, began + 6 * S, |world, _| {
        let (tap, tap_down) = (world.tap.take().expect("kept"), world.tap_down.take().expect("kept"));
        for (from, datagram) in &tap[up..] {
            for from in [*from, stranger()] {
                world.reach_center(from, datagram.clone());
                replayed += u64::from(kind(datagram) == DATA);
            }
        }
        for (to, datagram) in &tap_down[down..] {
            let path = world.kits[0].wires.iter().find(|(_, wire)| wire.address == *to).map(|(path, _)| *path);
            let now = Micros(world.now);
            world.kits[0].session.receive(path, None, &mut datagram.clone(), now);
        }
        (up, down) = (tap.len(), tap_down.len());
        (world.tap, world.tap_down) = (Some(tap), Some(tap_down));
    });
    world.run_ms(1000);
    assert!(replayed > 2000, "{replayed}");
    assert!(refused_at_center(&mut world) >= replayed);
    undisturbed(&mut world, before);
    assert_eq!((center_index(&world), world.guests.len()), (index, 1));
    for load in &loads {
        let came = numbers(&mut world, load.flow);
        let all: Vec<u64> = (0..load.given.len() as u64).collect();
        assert_eq!(came, all, "each unit of flow {} once and in order", load.flow);
    }
    let mut bytes = Vec::new();
    world.guest(0).session.stream_read(stream, &mut bytes, 100_000);
    assert_eq!(bytes, [7; 50_000]);
    // Only the greeting was answered to the stranger, with less than it took.
    assert!(world.astray < 2 * tapped(&world, INIT).len() * 1200, "{}", world.astray);
}

/// Message 1 of a session that the kit has long left behind: of an earlier boot, and of this one.
#[test]
fn a_greeting_of_an_earlier_boot_takes_no_place() {
    let mut world = overheard(1);
    world.restart_kit(0, 2);
    world.await_ms("the second boot", 5000, |world| world.is_up(0));
    world.run_ms(1000);
    let index = center_index(&world);
    let before = seen(&mut world);
    world.refused.clear();
    for (_, init) in tapped(&world, INIT) {
        world.reach_center(stranger(), init);
    }
    assert!(world.refused.iter().any(|(_, code)| *code == "boot-behind"), "{:?}", world.refused);
    world.run_ms(2000);
    assert_eq!((center_index(&world), world.guests.len()), (index, 1));
    // While the kit is in a tunnel anyone may take its place who shows the keys. A recording does not.
    (0..2).for_each(|path| world.cut(0, path, true));
    world.run_ms(8000);
    for (from, init) in tapped(&world, INIT) {
        world.reach_center(from, init);
    }
    assert!(world.guests.len() > 1, "it waits to be followed up");
    (0..2).for_each(|path| world.cut(0, path, false));
    world.run_ms(12_000);
    assert_eq!((center_index(&world), world.guests.len()), (index, 1));
    let ended = |event: &Event| matches!(event, Event::Down { .. });
    assert!(!world.kits[0].events[before.0..].iter().any(|(_, event)| ended(event)));
}

/// The center starts anew and somebody plays it all that the kit ever greeted with, over and over.
#[test]
fn greetings_played_again_do_not_keep_the_kit_out() {
    let mut world = World::new();
    world.tap = Some(Vec::new());
    world.kit("county-7", 3, &[("lte-1", Shape::lte(0.0))]);
    world.center_is_off = true;
    world.run_ms(120_000);
    let inits = tapped(&world, INIT);
    assert!(inits.len() > 20);
    world.center_is_off = false;
    world.restart_center();
    let waited = world.await_ms("the kit is in", 10_000, |world| {
        for (from, init) in inits.iter().step_by(3) {
            world.reach_center(*from, init.clone());
        }
        assert!(world.guests.len() <= 8);
        world.is_up(0)
    });
    assert!(waited < 10_000);
    let index = center_index(&world);
    for _ in 0..50 {
        world.run_ms(100);
        inits.iter().for_each(|(from, init)| world.reach_center(*from, init.clone()));
    }
    assert_eq!(center_index(&world), index);
    assert!(world.is_up(0));
}

/// Whoever changes a greeting on its way (its index; the mac over it anyone can make) does not keep the kit out with it.
#[test]
fn a_greeting_whose_index_was_changed_on_its_way_is_none() {
    let mut world = World::new();
    world.tap = Some(Vec::new());
    world.center_is_off = true;
    world.kit("county-7", 3, &[("lte-1", Shape::lte(0.0))]);
    world.run_ms(100);
    let (from, mut bent) = tapped(&world, INIT)[0].clone();
    bent[3] ^= 1;
    InitMac::of(&world.center.public).finish(&mut bent, &[0; 16]);
    world.center_is_off = false;
    world.reach_center(from, bent);
    assert!(world.guests.is_empty());
    world.await_ms("the kit is in", 1000, |world| world.is_up(0));
}

/// The tokens of Resets hang on the index alone: with patience one collects those of indexes that are not given yet.
#[test]
fn a_reset_of_a_center_that_is_there_ends_nothing() {
    for busy in [true, false] {
        let mut world = overheard(1);
        let mut loads = [Load::voice(2, Mode::Duplicate, 200)];
        if busy {
            world.open(0, &mut loads);
        }
        let (before, index) = (seen(&mut world), center_index(&world));
        let reset = write_reset(index, &ResetTokens::of(&world.center).token(index));
        let loads = if busy { &mut loads[..] } else { &mut [] };
        let (until, sent) = (world.now + 5 * S, world.kits[0].wires[&0].up.sent);
        world.run_loads(0, loads, until, |world, _| {
            let now = Micros(world.now);
            world.kits[0].session.receive(Some(0), None, &mut reset.clone(), now);
        });
        undisturbed(&mut world, before);
        assert!(busy || world.kits[0].wires[&0].up.sent < sent + 50, "asked for by the second");
    }
    let mut world = overheard(1);
    let before = world.kits[0].events.len();
    world.restart_center();
    world.run_ms(4000);
    let down =
        world.kits[0].events[before..].iter().any(|(_, e)| matches!(e, Event::Down { code: "center-restarted", .. }));
    assert!(down && world.is_up(0), "one that is gone is believed");
}

/// An answer to an earlier greeting says nothing to a later one.
#[test]
fn an_accept_of_an_earlier_session_is_not_believed() {
    let mut world = overheard(1);
    world.center_is_off = true;
    world.restart_kit(0, 2);
    world.run_ms(1000);
    let index = world.kits[0].session.index();
    let now = Micros(world.now);
    for (_, accept) in tapped(&world, ACCEPT) {
        let mut fitted = accept.clone();
        fitted[1..5].copy_from_slice(&index.to_be_bytes());
        for mut datagram in [accept, fitted] {
            world.kits[0].session.receive(Some(0), None, &mut datagram, now);
        }
    }
    assert!(!world.kits[0].session.is_up());
    assert!(world.kits[0].session.figures(now).refused_packets > 0, "one had the right index");
    world.center_is_off = false;
    world.await_ms("the true answer", 10_000, |world| world.is_up(0));
}

/// Data with the right index and a tag of chance: it neither is heard nor moves the window or the path.
#[test]
fn forged_data_with_the_right_index_is_as_if_it_had_not_come() {
    let mut world = overheard(1);
    let (before, mut random) = (seen(&mut world), Random(4));
    let mut loads = [Load::video(1, Mode::Spread, 400, 2_000_000)];
    world.open(0, &mut loads);
    let (index, began, refused) = (center_index(&world), world.now, refused_at_center(&mut world));
    let kit_index = world.kits[0].session.index();
    let own = world.kits[0].wires[&0].address;
    let mut forged = 0;
    world.run_loads(0, &mut loads, began + 4 * S, |world, _| {
        for number in [0, 500, 1 << 24, (1 << 47) + forged] {
            for (receiver, from) in [(index, own), (index, stranger()), (kit_index, own)] {
                let mut data: Vec<u8> = (0..60 + random.below(1000)).map(|_| random.next() as u8).collect();
                let header =
                    DataHeader { phase: (random.below(4)) as u8, receiver, path: random.below(3) as u8, number };
                header.write(&mut data);
                if receiver == index {
                    world.reach_center(from, data);
                    forged += 1;
                } else {
                    let now = Micros(world.now);
                    world.kits[0].session.receive(Some(header.path.min(1)), None, &mut data, now);
                }
            }
        }
    });
    world.run_ms(1000);
    assert!(refused_at_center(&mut world) - refused >= forged);
    assert_eq!(numbers(&mut world, 1), (0..loads[0].given.len() as u64).collect::<Vec<_>>());
    undisturbed(&mut world, before);
    assert_eq!((world.astray, center_index(&world)), (0, index));
    let now = world.theirs();
    assert_eq!(world.guest(0).session.figures(now).paths.len(), 2, "no third path");
}

/// A kit that is up hears only its center; one that dials goes on dialling, and no faster.
#[test]
fn what_nobody_signed_only_hurries_nothing() {
    let mut world = overheard(1);
    let before = seen(&mut world);
    let index = world.kits[0].session.index();
    for n in 0..=255u8 {
        for mut forged in [
            write_refuse(VERSION, index, n),
            write_retry(index, &[n; 16]),
            write_reset(index, &[n; 16]),
            write_accept(index, &[n; 80]),
        ] {
            let now = Micros(world.now);
            world.kits[0].session.receive(Some(0), None, &mut forged, now);
        }
    }
    world.run_ms(2000);
    undisturbed(&mut world, before);

    world.center_is_off = true;
    world.restart_kit(0, 2);
    world.run_ms(10);
    let (index, sent) = (world.kits[0].session.index(), tapped(&world, INIT).len());
    let began = world.now;
    while world.now < began + 5 * S {
        for n in 0..100u64 {
            let mut cookie = [0; 16];
            cookie[..8].copy_from_slice(&(world.now + n).to_be_bytes());
            let now = Micros(world.now);
            world.kits[0].session.receive(Some(0), None, &mut write_retry(index, &cookie), now);
            world.kits[0].session.receive(Some(0), None, &mut write_refuse(VERSION, index, 4), now);
        }
        world.run_ms(20);
    }
    // Without the forged ones: five rounds over two paths.
    let greetings = tapped(&world, INIT).len() - sent;
    assert!((6..=20).contains(&greetings), "{greetings}");
    let told = world.kits[0].events.iter().filter(|(_, event)| matches!(event, Event::Refused { .. })).count();
    assert!(told <= 2, "told {told} times");
    world.center_is_off = false;
    world.await_ms("the center", 10_000, |world| world.is_up(0));
}

/// A kit that lost its boot counter comes in when its session is quiet: forged packets under that session's index, and
/// recorded ones, do not keep it alive.
#[test]
fn forged_packets_do_not_keep_a_dead_session_alive() {
    let mut world = overheard(7);
    let index = center_index(&world);
    let recorded = tapped(&world, DATA);
    world.restart_kit(0, 1);
    let began = world.now;
    let waited = world.await_ms("the kit is in", 55_000, |world| {
        if (world.now - began) % 50_000 < 1000 {
            for (from, datagram) in &recorded {
                let to_center = matches!(Datagram::parse(datagram), Ok(Datagram::Data(data)) if data.receiver == index);
                if to_center {
                    world.reach_center(*from, datagram.clone());
                }
            }
        }
        world.is_up(0) && center_index(world) != index
    });
    assert!(world.refused.iter().any(|(_, code)| *code == "boot-behind"));
    assert!(waited >= 4000, "{waited}: not before it was quiet");
}
