//! A kit and a center of different releases: both say so in words, and neither shuts the other out for good.

mod bundle_support;

use std::net::SocketAddr;

use bundle_support::link::Shape;
use bundle_support::load::Load;
use bundle_support::world::World;
use codecs::bundle::codes;
use codecs::bundle::cookie::InitMac;
use codecs::bundle::door::{Door, DoorAnswer};
use codecs::bundle::flow::{Class, FlowOptions, Mode};
use codecs::bundle::handshake::{Answer, Answering, Asking, Greeting};
use codecs::bundle::suite::SUITES;
use codecs::bundle::types::{Event, Hello, Identity, PathKind, PathOptions, Remote};
use codecs::bundle::wire::{write_accept, write_init, Datagram, FORMAT, OLDEST};
use codecs::time::Micros;

const S: u64 = 1_000_000;
const NEXT: u8 = FORMAT + 1;

fn greeting() -> Greeting {
    let hello = Hello { gateway: "county-7".into(), boot: 1, suite: 1, clock_unix_ms: 0 };
    Greeting { hello, run: 5, attempt: 1 }
}

/// A door that knows `kit`, and what it says to that Init.
fn knock(kit: &Identity, center: &Identity, init: &mut [u8]) -> (DoorAnswer, Vec<u8>) {
    let mut door = Door::new(center, Micros(S));
    door.admit(&[(kit.public, "county-7".into())]);
    InitMac::of(&center.public).finish(init, &[0; 16]);
    let (from, mut reply) = (Remote::Udp(SocketAddr::from(([10, 0, 0, 1], 4000))), Vec::new());
    (door.receive(init, from, Micros(2 * S), &mut reply, |_| None), reply)
}

#[test]
fn a_kit_of_a_later_release_is_told_and_named() {
    let (kit, center) = (Identity::new(None), Identity::new(None));
    let (mut asking, noise) = Asking::greet_in(NEXT, SUITES[0], &kit, &center.public, 9, &greeting());
    let (answer, reply) = knock(&kit, &center, &mut write_init(1, 9, NEXT, &noise).expect("it fits"));
    let DoorAnswer::Refused { code, detail, peer_key, gateway } = answer else { panic!("not taken in") };
    assert_eq!((code, peer_key, gateway.as_str()), ("bundle-version", Some(kit.public), "county-7"));
    assert_eq!(detail, format!("it speaks format {NEXT}, we {OLDEST} to {FORMAT}"));
    let Ok(Datagram::Accept { receiver: 9, noise }) = Datagram::parse(&reply) else { panic!("signed") };
    let formats = Some((OLDEST, FORMAT));
    assert_eq!(asking.answer(noise), Ok(Answer::Refused { code: codes::number("bundle-version"), boot: 0, formats }));
    let (_, noise) = Asking::greet_in(NEXT, SUITES[0], &Identity::new(None), &center.public, 9, &greeting());
    let (answer, _) = knock(&kit, &center, &mut write_init(1, 9, NEXT, &noise).expect("it fits"));
    assert!(matches!(answer, DoorAnswer::Refused { code: "unknown-key", .. }), "a stranger is one first");
}

/// Its handshake may be another altogether; or somebody on the way wrote another number.
#[test]
fn what_can_not_be_read_of_another_format_is_told_without_a_signature() {
    let (kit, center) = (Identity::new(None), Identity::new(None));
    let (_, noise) = Asking::greet(SUITES[0], &kit, &center.public, 9, &greeting());
    let (answer, reply) = knock(&kit, &center, &mut write_init(1, 9, NEXT, &noise).expect("it fits"));
    assert!(matches!(answer, DoorAnswer::Refused { code: "bundle-version", peer_key: None, .. }));
    let (code, formats) = (codes::number("bundle-version"), Some((OLDEST, FORMAT)));
    assert_eq!(Datagram::parse(&reply), Ok(Datagram::Refuse { receiver: 9, code, formats }));
}

/// Before there were formats: version 1, and no format after the index.
#[test]
fn a_kit_of_the_first_release_reads_why_in_its_own_version() {
    let (kit, center) = (Identity::new(None), Identity::new(None));
    let mut init = vec![0; 1200];
    init[..9].copy_from_slice(&[0x14, 1, 0, 0, 0, 9, 0, 1, 7]);
    let (answer, reply) = knock(&kit, &center, &mut init);
    let DoorAnswer::Refused { code: "bundle-version", detail, .. } = answer else { panic!("told") };
    assert_eq!((detail.as_str(), &reply[..6]), ("it speaks version 1, we 2", &[0x34, 0, 0, 0, 9, 2][..]));
}

fn told(world: &World) -> Vec<(&'static str, &str)> {
    let told = world.kits[0].events.iter().filter_map(|(_, event)| match event {
        Event::Refused { code, detail } => Some((*code, detail.as_str())),
        _ => None,
    });
    told.collect()
}

/// The greeting of the world's kit, with its index: the center is away.
fn greeted() -> (World, Vec<u8>, u32) {
    let mut world = World::new();
    world.kit("county-7", 1, &[("lte-1", Shape::lte(0.0))]);
    (world.center_is_off, world.tap) = (true, Some(Vec::new()));
    world.await_ms("a greeting", 2000, |world| world.tap.as_ref().is_some_and(|tap| !tap.is_empty()));
    let init = world.tap.take().expect("kept").swap_remove(0).1;
    let Ok(Datagram::Init(read)) = Datagram::parse(&init) else { panic!("an Init") };
    let index = read.sender;
    (world, init, index)
}

fn hear(world: &mut World, mut datagram: Vec<u8>) {
    let now = Micros(world.now);
    world.kits[0].session.receive(Some(0), None, &mut datagram, now);
    world.flush_kit(0);
}

#[test]
fn a_kit_says_what_the_center_speaks_and_comes_in_when_that_is_brought_up_to_date() {
    for (datagram, words) in [
        (vec![0x34, 2], "we speak format 3, the center an older one; not signed"),
        (vec![0x3c, 2, 4, 5], "we speak format 3, the center 4 to 5; not signed"),
        (vec![0x38, 2, 2, 2], "we speak format 3, the center 2 to 2; not signed"),
    ] {
        let (mut world, _, index) = greeted();
        let (head, rest) = datagram.split_at(1);
        hear(&mut world, [head, &index.to_be_bytes(), rest].concat());
        assert_eq!(told(&world), [("bundle-version", words)]);
        world.center_is_off = false;
        world.await_ms("it is in", 10_000, |world| world.is_up(0));
    }
}

#[test]
fn a_signed_refusal_makes_it_ask_seldomer_and_never_give_up() {
    let (mut world, init, index) = greeted();
    let Ok(Datagram::Init(read)) = Datagram::parse(&init) else { panic!("an Init") };
    let (answering, _) = Answering::read(SUITES[0], &world.center, index, FORMAT, read.noise).expect("for the center");
    let refused = Answer::Refused { code: codes::number("bundle-version"), boot: 0, formats: Some((NEXT, NEXT)) };
    hear(&mut world, write_accept(index, &answering.answer(&refused).0));
    assert_eq!(told(&world), [("bundle-version", "we speak format 3, the center 4 to 4")]);
    world.run_ms(200_000);
    world.center_is_off = false;
    world.await_ms("it is in", 61_000, |world| world.is_up(0));
}

/// A kit of the release before, at a center of ours, over bad links and through a cut: pictures, words, orders and what the
/// center sends; its paths by their names.
#[test]
fn a_kit_of_every_earlier_format_is_served_as_one_of_ours() {
    for format in OLDEST..=FORMAT {
        let mut world = World::new();
        let [lte, sat] = [("lte-1", Shape::lte(0.0)), ("sat", Shape::satellite())];
        world.kit_in(format, "county-7", 1, &[lte.clone(), ("lte-2", lte.1), sat]);
        let barred = Class::Still.bit();
        let options = PathOptions { id: 1, name: "lte-2".into(), kind: PathKind::Udp, mtu: 1350, cost: 0, barred };
        let now = Micros(world.now);
        world.kits[0].session.add_path(options, now);
        world.admit();
        world.await_ms("the session", 5000, |world| world.is_up(0));
        world.run_ms(1000);
        let mut loads = [Load::video(1, Mode::Spread, 400, 2_000_000), Load::voice(2, Mode::Duplicate, 400)];
        world.open(0, &mut loads);
        let stream = world.kits[0].session.stream_open("rpc").expect("it is up");
        assert_eq!(world.kits[0].session.stream_write(stream, b"an order"), 8);
        let now = world.theirs();
        let options = FlowOptions { class: Class::Voice, mode: Mode::Duplicate, playout_ms: 400 };
        world.guest(0).session.open_flow(9, options, now);
        let began = world.now;
        world.run_loads(0, &mut loads, began + 5 * S, |_, _| {});
        world.cut(0, 0, true);
        let now = world.theirs();
        assert!(world.guest(0).session.send_unit(9, vec![7; 60].into(), false, now));
        world.run_loads(0, &mut loads, began + 9 * S, |_, _| {});
        world.cut(0, 0, false);
        world.run_ms(3000);
        for load in &loads {
            let came = world.judge(0, load, began + 4 * S, began + 9 * S, 600);
            assert_eq!((came.missing, came.units > 100), (0, true), "format {format}: {came:?}");
        }
        let now = world.theirs();
        let named: Vec<String> =
            world.guest(0).session.figures(now).paths.iter().map(|path| path.name.clone()).collect();
        assert!(["lte-1", "lte-2", "sat"].iter().all(|name| named.iter().any(|known| known == name)), "{named:?}");
        let heard = |event: &Event| matches!(event, Event::StreamOpened { purpose, .. } if purpose == "rpc");
        assert!(world.guest(0).events.iter().any(|(_, event)| heard(event)), "format {format}: the order's stream");
        let back = |event: &Event| matches!(event, Event::Unit { flow: 9, bytes, .. } if bytes[..] == [7; 60]);
        assert!(world.kits[0].events.iter().any(|(_, event)| back(event)), "format {format}: the center's word");
    }
}
