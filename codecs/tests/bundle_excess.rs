//! A kit that holds its keys and asks for too much: its session ends with a reason, and nothing piles up at the center. And
//! whoever sends on what a kit says: the path does not lead to him.

#[allow(dead_code)]
#[path = "../fuzz/src/bundle_peer_cases.rs"]
mod bundle_peer_cases;

use bundle_peer_cases::{remote, Peer};
use codecs::bundle::flow::{Class, FlowOptions, Mode};
use codecs::bundle::fragment::Head;
use codecs::bundle::frame::Frame;
use codecs::bundle::frame_write::Writer;
use codecs::bundle::types::Event;

fn packed(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut buf = vec![0; 1400];
    let mut writer = Writer::new(&mut buf, 0);
    assert!(frames.iter().all(|frame| writer.put(frame)));
    let end = writer.position();
    buf.truncate(end);
    buf
}

/// How many events came, and the reason of the end if it was one.
fn heard(peer: &mut Peer) -> (usize, Option<&'static str>) {
    let (mut count, mut ended) = (0, None);
    while let Some(event) = peer.session.next_event() {
        count += 1;
        if let Event::Down { code, .. } = event {
            ended = Some(code);
        }
    }
    (count, ended)
}

/// A datagram holds a hundred flows that open and close; all kits share one queue of events.
#[test]
fn flows_that_come_and_go_without_end_end_the_session() {
    let mut peer = Peer::meet().expect("it is admitted");
    let options = FlowOptions { class: Class::Bulk, mode: Mode::Best, playout_ms: 0 };
    let (mut events, mut ended) = (0, None);
    for first in 0..200 {
        let come_and_go = |flow| [Frame::Flow { flow, options, first }, Frame::FlowClose { flow, first }];
        peer.say(0, 1, &packed(&(0..60).flat_map(come_and_go).collect::<Vec<_>>()));
        let (count, code) = heard(&mut peer);
        events += count;
        ended = ended.or(code);
    }
    assert_eq!(ended, Some("bundle-protocol"));
    assert!(events < 2000, "{events}");
}

/// What an honest kit does when it comes: all the flows and streams there may be, each said twice.
#[test]
fn all_flows_and_streams_at_once_are_no_excess() {
    let mut peer = Peer::meet().expect("it is admitted");
    let options = FlowOptions { class: Class::Voice, mode: Mode::Duplicate, playout_ms: 200 };
    for _ in 0..2 {
        for at in 0..16u16 {
            let flows = (0..16).map(|flow| Frame::Flow { flow: at * 16 + flow, options, first: 0 });
            let streams = (0..16u32).map(|id| Frame::Open { id: 2 * (u32::from(at) * 16 + id), purpose: "api" });
            peer.say(0, 1, &packed(&flows.chain(streams).collect::<Vec<_>>()));
        }
    }
    let (events, ended) = heard(&mut peer);
    assert!(ended.is_none() && events >= 512, "{events} {ended:?}");
}

#[test]
fn bytes_beyond_a_streams_window_end_the_session() {
    let mut peer = Peer::meet().expect("it is admitted");
    peer.say(0, 1, &packed(&[Frame::Open { id: 0, purpose: "rpc" }]));
    assert_eq!(heard(&mut peer).1, None);
    peer.say(0, 1, &packed(&[Frame::Stream { id: 0, offset: 1 << 40, fin: false, body: b"x" }]));
    assert_eq!(heard(&mut peer).1, Some("bundle-protocol"));
}

/// Streams that our side gives up one after the other, and a peer that acknowledges none of it.
#[test]
fn resets_that_nobody_acknowledges_come_to_an_end() {
    let mut peer = Peer::meet().expect("it is admitted");
    let (mut id, mut ended) = (0, None);
    for _ in 0..400 {
        let frames: Vec<Frame<'_>> = (0..60).map(|at| Frame::Open { id: id + 2 * at, purpose: "x" }).collect();
        peer.say(0, 1, &packed(&frames));
        (0..60).for_each(|at| peer.session.stream_reset(id + 2 * at));
        id += 120;
        peer.now += 70_000;
        peer.session.handle_timer(codecs::time::Micros(peer.now));
        ended = ended.or(heard(&mut peer).1);
        if ended.is_some() {
            break;
        }
    }
    assert_eq!(ended, Some("bundle-protocol"));
}

/// Somebody on the way sends a kit's datagrams on from an address of his, where he hears the question that follows; the kit's
/// own answer to it comes from the kit's address.
#[test]
fn a_path_is_not_led_to_whoever_sends_on_what_he_overhears() {
    let mut peer = Peer::meet().expect("it is admitted");
    peer.answers = true;
    let ask = packed(&[Frame::Ping(1)]);
    peer.say(0, 1, &ask);
    peer.hear();
    peer.answer(0, 1);
    peer.say(0, 2, &ask);
    peer.hear();
    assert!(!peer.pongs.is_empty());
    peer.answer(0, 1);
    peer.say(0, 1, &ask);
    peer.hear();
    assert_eq!(peer.led_to, Some(remote(1)));
}

/// Everything of the kit comes from `from` for a second, and what is sent to it is answered, also from there.
fn a_second_from(peer: &mut Peer, from: u8) {
    for _ in 0..50 {
        peer.now += 20_000;
        peer.say(0, from, &packed(&[Frame::Ping(1)]));
        peer.session.handle_timer(codecs::time::Micros(peer.now));
        peer.hear();
        peer.answer(0, from);
    }
    peer.say(0, from, &packed(&[Frame::Ping(1)]));
    peer.hear();
}

fn met() -> Peer {
    let mut peer = Peer::meet().expect("it is admitted");
    peer.answers = true;
    a_second_from(&mut peer, 1);
    assert_eq!(peer.led_to, Some(remote(1)));
    peer
}

/// Somebody nearer to the center sends everything on, both ways, and quicker than it comes from the kit itself.
#[test]
fn a_path_stays_where_what_is_sent_arrives() {
    let mut peer = met();
    a_second_from(&mut peer, 2);
    assert_eq!(peer.led_to, Some(remote(1)), "by another address");
    a_second_from(&mut peer, 200);
    assert_eq!(peer.led_to, Some(remote(1)), "by a connection");
}

#[test]
fn a_path_follows_a_kit_whose_address_changed() {
    for to in [2, 200] {
        let mut peer = met();
        peer.gone = Some(remote(1));
        a_second_from(&mut peer, to);
        assert_eq!(peer.led_to, Some(remote(to)));
    }
}

fn piece(flow: u16, unit: u32) -> Vec<u8> {
    let mut buf = vec![0; 100];
    let head = Head { unit, index: 0, data: 1, parity: 0, unit_len: 4, sent_ms: 0, key: false };
    let mut writer = Writer::new(&mut buf, 0);
    assert!(writer.piece(flow, &head, b"unit"));
    let end = writer.position();
    buf.truncate(end);
    buf
}

/// Flows of which nobody ever says what they are do not have the beginning of others lost.
#[test]
fn what_comes_before_its_flow_is_kept_for_it() {
    let mut peer = Peer::meet().expect("it is admitted");
    let options = FlowOptions { class: Class::Voice, mode: Mode::Best, playout_ms: 0 };
    (0..100).for_each(|unit| peer.say(0, 1, &piece(9, unit)));
    (0..5).for_each(|unit| peer.say(0, 1, &piece(1, unit)));
    (0..5).for_each(|unit| peer.say(0, 1, &piece(2, unit)));
    for flow in [1, 2] {
        peer.say(0, 1, &packed(&[Frame::Flow { flow, options, first: 0 }]));
    }
    let mut units = [0; 3];
    while let Some(event) = peer.session.next_event() {
        if let Event::Unit { flow, .. } = event {
            units[usize::from(flow)] += 1;
        }
    }
    assert_eq!(units, [0, 5, 5]);
}
