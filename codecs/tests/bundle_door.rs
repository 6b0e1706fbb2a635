//! A center's door under attack: floods of greetings, keys that are stolen, taken back, or held by two.

mod bundle_support;

use std::net::SocketAddr;

use bundle_support::link::Shape;
use bundle_support::load::Load;
use bundle_support::world::World;
use codecs::bundle::cookie::InitMac;
use codecs::bundle::door::{Door, DoorAnswer};
use codecs::bundle::flow::Mode;
use codecs::bundle::handshake::{Asking, Greeting};
use codecs::bundle::suite::SUITES;
use codecs::bundle::types::{Event, Hello, Identity, Remote};
use codecs::bundle::wire::{write_init, Datagram, FORMAT};
use codecs::time::Micros;

const S: u64 = 1_000_000;

fn greeting(gateway: &str, boot: u64, attempt: u32) -> Greeting {
    let hello = Hello { gateway: gateway.into(), boot, suite: 1, clock_unix_ms: 0 };
    Greeting { hello, run: 5, attempt }
}

/// A message 1 as a kit of that key would write it.
fn init(kit: &Identity, center: &[u8; 32], greeting: &Greeting, cookie: [u8; 16]) -> Vec<u8> {
    let (_, noise) = Asking::greet(SUITES[0], kit, center, 9, greeting);
    let mut out = write_init(1, 9, FORMAT, &noise).expect("it fits");
    InitMac::of(center).finish(&mut out, &cookie);
    out
}

/// The same with a cookie.
fn with_cookie(init: &[u8], center: &[u8; 32], cookie: [u8; 16]) -> Vec<u8> {
    let mut out = init.to_vec();
    InitMac::of(center).finish(&mut out, &cookie);
    out
}

fn udp(n: u64) -> SocketAddr {
    SocketAddr::from(([172, (n >> 16) as u8, (n >> 8) as u8, n as u8], 4000))
}

/// How a door answered a flood.
#[derive(Debug, Default)]
struct Answered {
    handshakes: usize,
    cookies: usize,
    sessions: usize,
    dropped: usize,
    bytes: usize,
    cookie: Option<[u8; 16]>,
}

impl Answered {
    fn knock(&mut self, door: &mut Door, datagram: &[u8], from: SocketAddr, now: Micros) {
        let mut reply = Vec::new();
        match door.receive(datagram, Remote::Udp(from), now, &mut reply, |_| None) {
            DoorAnswer::New { .. } => (self.handshakes, self.sessions) = (self.handshakes + 1, self.sessions + 1),
            DoorAnswer::Refused { peer_key: Some(_), .. } => self.handshakes += 1,
            DoorAnswer::Reply => {
                self.cookies += 1;
                if let Ok(Datagram::Retry { cookie, .. }) = Datagram::parse(&reply) {
                    self.cookie = Some(cookie);
                }
            }
            _ => self.dropped += 1,
        }
        assert!(reply.len() < datagram.len(), "no answer is larger than its question");
        self.bytes += reply.len();
    }
}

/// Curve arithmetic is bounded by the second, answers are short, nothing is kept; and a kit comes in all the while.
#[test]
fn a_flood_of_greetings_from_everywhere_costs_little_and_keeps_nobody_out() {
    let mut world = World::new();
    let number = world.kit("county-7", 1, &[("lte-1", Shape::lte(0.0))]);
    let center = world.center.public;
    // Each flooder's greeting is whole and well made, by a key that nobody admitted.
    let flood: Vec<_> = (0..200).map(|_| init(&Identity::new(None), &center, &greeting("x", 1, 1), [0; 16])).collect();
    let now = world.theirs();
    let mut first = Answered::default();
    for n in 0..20_000u64 {
        first.knock(&mut world.door, &flood[n as usize % flood.len()], udp(n), now);
    }
    assert!((90..=110).contains(&first.handshakes), "{first:?}");
    assert_eq!((first.sessions, first.handshakes + first.cookies), (0, 20_000), "all others are asked for a cookie");
    assert!(first.bytes < 20_000 * 40, "{first:?}");
    let (began, mut later, mut n) = (world.now, Answered::default(), 0u64);
    let waited = world.await_ms("the kit is in", 10_000, |world| {
        let now = world.theirs();
        for _ in 0..50 {
            n += 1;
            later.knock(&mut world.door, &flood[n as usize % flood.len()], udp(n), now);
        }
        world.is_up(number)
    });
    let seconds = (world.now - began) / S + 2;
    assert!(waited < 5000 && later.handshakes as u64 <= 100 * seconds, "{waited} ms, {later:?}");
}

/// A flooder who has his address pays for it with cookies and then gets an address's share, not everyone's.
#[test]
fn one_address_that_proves_itself_does_not_use_up_what_is_for_all() {
    let mut world = World::new();
    let number = world.kit("county-7", 1, &[("lte-1", Shape::lte(0.0))]);
    let center = world.center.public;
    let flood: Vec<_> = (0..50).map(|_| init(&Identity::new(None), &center, &greeting("x", 1, 1), [0; 16])).collect();
    let (began, mut seen, mut n) = (world.now, Answered::default(), 0);
    let waited = world.await_ms("the kit is in", 20_000, |world| {
        let now = world.theirs();
        for _ in 0..20 {
            n += 1;
            let datagram = with_cookie(&flood[n % flood.len()], &center, seen.cookie.unwrap_or_default());
            seen.knock(&mut world.door, &datagram, udp(1), now);
        }
        // The kit is late to the feast.
        world.now > began + 2 * S && world.is_up(number)
    });
    assert!(seen.cookie.is_some() && waited < 8000, "{waited} ms, {seen:?}");
    let seconds = (world.now - began) as usize / S as usize + 2;
    assert!(seen.handshakes <= 125 * seconds, "{seen:?}");
}

/// A cookie is good for the address that it was given to, and for a while.
#[test]
fn a_cookie_that_is_stolen_or_old_is_none() {
    let (center, kit) = (Identity::new(None), Identity::new(None));
    let start = Micros(9 * S);
    let mut door = Door::new(&center, start);
    door.admit(&[(kit.public, "county-7".into())]);
    let flood = init(&Identity::new(None), &center.public, &greeting("x", 1, 1), [0; 16]);
    let load = |door: &mut Door, now: Micros| {
        let mut seen = Answered::default();
        (0..300).for_each(|n| seen.knock(door, &flood, udp(n), now));
        assert!(seen.cookies > 0, "{seen:?}");
    };
    load(&mut door, start);
    let plain = init(&kit, &center.public, &greeting("county-7", 1, 1), [0; 16]);
    let mut seen = Answered::default();
    seen.knock(&mut door, &plain, udp(7), start);
    let cookie = seen.cookie.expect("the door is under load");
    let good = with_cookie(&plain, &center.public, cookie);
    let mut thief = Answered::default();
    thief.knock(&mut door, &good, udp(8), start);
    assert_eq!((thief.sessions, thief.cookies), (0, 1), "not from another address");
    let later = Micros(start.0 + 130 * S);
    load(&mut door, later);
    let mut old = Answered::default();
    old.knock(&mut door, &good, udp(7), later);
    assert_eq!((old.sessions, old.cookies), (0, 1), "not minutes later");
    let fresh = with_cookie(&plain, &center.public, old.cookie.expect("a new one"));
    old.knock(&mut door, &fresh, udp(7), later);
    assert_eq!(old.sessions, 1);
}

/// With an admitted key, stolen, one makes a few sessions that wait, and no more.
#[test]
fn a_stolen_key_does_not_fill_the_door() {
    let (center, kit) = (Identity::new(None), Identity::new(None));
    let mut door = Door::new(&center, Micros(S));
    door.admit(&[(kit.public, "county-7".into())]);
    let (mut made, mut dropped) = (0usize, 0usize);
    for n in 0..300u32 {
        let now = Micros(S + u64::from(n) * 100_000);
        let datagram = init(&kit, &center.public, &greeting("county-7", 1, n), [0; 16]);
        let mut reply = Vec::new();
        let answer = door.receive(&datagram, Remote::Udp(udp(1)), now, &mut reply, |_| None);
        let DoorAnswer::New { instead, .. } = answer else { panic!("it is admitted") };
        made += 1;
        dropped += usize::from(instead.is_some());
        assert!(made - dropped <= 4);
    }
    let earlier = init(&kit, &center.public, &greeting("county-7", 1, 3), [0; 16]);
    let answer = door.receive(&earlier, Remote::Udp(udp(1)), Micros(40 * S), &mut Vec::new(), |_| None);
    assert!(matches!(answer, DoorAnswer::Drop), "an earlier one takes no place");
}

fn pair() -> World {
    let mut world = World::new();
    world.kit("county-7", 1, &[("lte-1", Shape::lte(0.0)), ("lte-2", Shape::lte(0.0))]);
    world.kit("county-8", 2, &[("lte-1", Shape::lte(0.0))]);
    world.await_ms("both", 5000, |world| world.is_up(0) && world.is_up(1));
    world.run_ms(500);
    world
}

fn codes(world: &World, kit: usize) -> Vec<&'static str> {
    let told = world.kits[kit].events.iter().filter_map(|(_, event)| match event {
        Event::Down { code, .. } | Event::Refused { code, .. } => Some(*code),
        _ => None,
    });
    told.collect()
}

/// Its session ends at once, both are told why, nothing that it sends after is heard, and it does not come back.
#[test]
fn a_key_that_is_taken_back_is_out_at_once_and_for_good() {
    let mut world = pair();
    let mut loads = [Load::video(1, Mode::Spread, 50, 2_000_000)];
    world.open(0, &mut loads);
    world.run_loads(0, &mut loads, world.now + S, |_, _| {});
    let others = vec![(world.kits[1].identity.public, "county-8".to_owned())];
    world.admit_only(&others);
    let revoked = world.now;
    let index = world.up[&world.kits[0].identity.public];
    let seen = world.guests[&index].events.len();
    // A thief would not heed the farewell: his packets go on, under keys that were good a moment ago.
    let mut units = 0;
    for _ in 0..10 {
        world.kits[0].session.send_unit(1, vec![0; 12].into(), true, Micros(world.now));
        world.flush_kit(0);
        world.run_ms(10);
        if let Some(guest) = world.guests.get(&index) {
            units += guest.events[seen..].iter().filter(|(_, e)| matches!(e, Event::Unit { .. })).count();
        }
    }
    assert_eq!(units, 0, "nothing is heard of it");
    world.await_ms("its session is gone", 1000, |world| !world.guests.contains_key(&index));
    world.run_ms(60_000);
    assert_eq!(codes(&world, 0)[0], "revoked");
    assert!(codes(&world, 0).len() >= 3 && codes(&world, 0).iter().all(|code| *code == "revoked"));
    assert!(!world.kits[0].session.is_up() && world.guests.len() == 1 && world.is_up(1));
    assert!(world.refused.iter().any(|(at, code)| *at > revoked && *code == "revoked"));
    // Nor does a restart help; admitted anew it comes by itself.
    world.restart_kit(0, 9);
    world.run_ms(10_000);
    assert!(!world.kits[0].session.is_up());
    world.admit();
    world.await_ms("admitted anew", 61_000, |world| world.is_up(0));
}

/// Taken back between its greeting and the first packet: it does not come up.
#[test]
fn a_key_taken_back_while_it_greets_does_not_come_up() {
    let mut world = World::new();
    world.kit("county-7", 1, &[("lte-1", Shape::lte(0.0))]);
    world.await_ms("the greeting", 1000, |world| !world.guests.is_empty());
    world.admit_only(&[]);
    world.run_ms(3000);
    assert!(world.guests.is_empty() && !world.kits[0].session.is_up(), "{:?}", codes(&world, 0));
    assert!(!codes(&world, 0).is_empty());
}

/// The second machine that has the key of a first: of the same boot it is told so and stays out while the first is there.
#[test]
fn two_holders_of_one_key_are_told_apart_by_run_and_boot() {
    let mut world = pair();
    let twin = world.kit_unadmitted("county-7", 3, &[("lte-1", Shape::lte(0.0))]);
    world.kits[twin].identity = world.kits[0].identity.clone();
    world.restart_kit(twin, 1);
    world.run_ms(10_000);
    assert!(world.kits[0].session.is_up() && !world.kits[twin].session.is_up());
    assert!(codes(&world, twin).contains(&"duplicate-gateway"), "{:?}", codes(&world, twin));
    assert_eq!(codes(&world, 0), [] as [&str; 0], "the first one is not disturbed");
    // A restored copy, whose counter is behind.
    world.restart_kit(twin, 0);
    world.kits[twin].events.clear();
    world.run_ms(10_000);
    assert!(codes(&world, twin).contains(&"boot-behind") && world.kits[0].session.is_up());
    // One that is ahead takes its place, and the first is told, stays out, and is told why.
    world.restart_kit(twin, 2);
    world.await_ms("the twin is in", 5000, |world| world.kits[twin].session.is_up());
    world.run_ms(15_000);
    assert_eq!(codes(&world, 0)[..2], ["replaced", "boot-behind"]);
    assert!(world.kits[twin].session.is_up() && !world.kits[0].session.is_up());
    // They do not take it from each other in turn.
    let ups = world.kits[twin].events.iter().filter(|(_, event)| matches!(event, Event::Up { .. })).count();
    assert_eq!(ups, 1);
}

/// A kit that calls itself by another's id: the key decides, and it is told.
#[test]
fn a_gateway_id_that_belongs_to_another_key_is_refused() {
    let mut world = pair();
    world.kits[0].name = "county-8".into();
    let admitted: Vec<_> =
        [(0, "county-7"), (1, "county-8")].map(|(kit, name)| (world.kits[kit].identity.public, name.to_owned())).into();
    world.restart_kit(0, 2);
    world.admit_only(&admitted);
    world.run_ms(5000);
    assert!(codes(&world, 0).contains(&"duplicate-gateway"), "{:?}", codes(&world, 0));
    assert!(world.is_up(1) && codes(&world, 1).is_empty());
    assert!(!world.kits[0].session.is_up());
}
