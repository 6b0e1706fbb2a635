//! Fuzz targets of a bundle's ends: a center's door with what anyone may send, and a session whose peer holds the keys and
//! means ill. codecs/tests/bundle_peer_fuzz.rs includes this file and runs it over seeds and mutations on stable Rust.

use std::collections::HashSet;

use bytes::Bytes;
use codecs::bundle::cookie::InitMac;
use codecs::bundle::door::{Door, DoorAnswer};
use codecs::bundle::flow::{Class, FlowOptions, Mode};
use codecs::bundle::frame::{next_frame, Frame};
use codecs::bundle::frame_write::Writer;
use codecs::bundle::handshake::{Answer, Asking, Greeting};
use codecs::bundle::keys::Keys;
use codecs::bundle::session::{Session, MAX_DATAGRAM_BYTES};
use codecs::bundle::suite::SUITES;
use codecs::bundle::types::{Event, Hello, Identity, Remote};
use codecs::bundle::wire::{write_init, Datagram, DATA_HEADER_BYTES, DATA_PREFIX_BYTES, FORMAT};
use codecs::bytes::Reader;
use codecs::time::Micros;

pub type Case = fn(&[u8]);

pub const ALL: &[(&str, Case)] = &[("bundle_door", bundle_door), ("bundle_session", bundle_session)];

const FRAMES_AT: usize = DATA_HEADER_BYTES + DATA_PREFIX_BYTES;
/// Sealing adds it.
const TAG: usize = 16;

fn identity(fill: u8) -> Identity {
    Identity::new(Some([fill; 32]))
}

/// An address; from 200 on a connection.
pub fn remote(last: u8) -> Remote {
    if last >= 200 {
        return Remote::Stream(last.into());
    }
    Remote::Udp(([10, 0, 0, last], 5000).into())
}

fn greet(kit: &Identity, center: &Identity, gateway: &str, boot: u64, attempt: u32) -> (Asking, Vec<u8>) {
    let hello = Hello { gateway: gateway.to_owned(), boot, suite: 1, clock_unix_ms: 0 };
    let (asking, noise) = Asking::greet(SUITES[0], kit, &center.public, 9, &Greeting { hello, run: 7, attempt });
    (asking, sealed(center, &noise, [0; 16]).unwrap_or_default())
}

fn sealed(center: &Identity, noise: &[u8], cookie: [u8; 16]) -> Option<Vec<u8>> {
    let mut init = write_init(1, 9, FORMAT, noise)?;
    InitMac::of(&center.public).finish(&mut init, &cookie);
    Some(init)
}

/// Records: u8 kind, u8 time step, u16 length, bytes. 0: a datagram as it stands. 1: Noise of an Init with a good mac. 2: a
/// greeting of an admitted kit (its gateway id the bytes, the step its boot). 3: of a stranger. 4: the list of who may come
/// in changes. No answer is larger than its question, few sessions wait, and nobody who was not admitted has one.
pub fn bundle_door(mut data: &[u8]) {
    let (center, kits) = (identity(1), [identity(2), identity(3)]);
    let mut door = Door::new(&center, Micros(0));
    let mut admitted = 2;
    let admit = |door: &mut Door, count: usize| {
        let list: Vec<_> = kits.iter().take(count).map(|kit| (kit.public, "kit".to_owned())).collect();
        door.admit(&list)
    };
    admit(&mut door, admitted);
    let (mut now, mut waiting, mut reply) = (1_000_000u64, HashSet::new(), Vec::new());
    while let [kind, step, hi, lo, rest @ ..] = data {
        let len = usize::from(u16::from_be_bytes([*hi, *lo])).min(rest.len());
        let (body, tail) = rest.split_at(len);
        data = tail;
        now += u64::from(*step) * 5_000;
        let text = String::from_utf8_lossy(&body[..body.len().min(64)]).into_owned();
        let gateway = if step % 4 == 0 { text.as_str() } else { "kit" };
        let datagram = match kind % 5 {
            0 => body.to_vec(),
            1 => sealed(&center, body, [*step; 16]).unwrap_or_default(),
            2 => greet(&kits[usize::from(step % 2)], &center, gateway, u64::from(*step), len as u32).1,
            3 => greet(&identity(9), &center, gateway, 1, len as u32).1,
            _ => {
                admitted = usize::from(step % 3);
                for gone in admit(&mut door, admitted) {
                    door.down(gone);
                    waiting.remove(&gone);
                }
                continue;
            }
        };
        let heard = |_| (step % 3 > 0).then_some(Micros(now));
        match door.receive(&datagram, remote(*step), Micros(now), &mut reply, heard) {
            DoorAnswer::New { index, session, instead } => {
                assert!(admitted > 0 && !session.is_up());
                if let Some(instead) = instead {
                    assert!(waiting.remove(&instead));
                }
                assert!(waiting.insert(index));
                if step % 5 == 0 {
                    if let Some(old) = door.up(index) {
                        door.down(old);
                        waiting.remove(&old);
                    }
                }
            }
            DoorAnswer::Session(index) => assert!(waiting.contains(&index)),
            DoorAnswer::Refused { .. } | DoorAnswer::Reply | DoorAnswer::Drop => {}
        }
        assert!(reply.is_empty() || reply.len() < datagram.len());
        // Four that wait and one that is up, of each kit.
        assert!(waiting.len() <= 5 * kits.len(), "{}", waiting.len());
    }
}

/// A kit that holds its keys, and a center's session of it.
pub struct Peer {
    pub session: Session,
    keys: Keys,
    number: u32,
    pub now: u64,
    came: usize,
    left: usize,
    /// It answers probes, as an honest one does.
    pub answers: bool,
    pub pongs: Vec<u64>,
    /// Where the last datagram of the session went.
    pub led_to: Option<Remote>,
    /// What goes there does not arrive any more.
    pub gone: Option<Remote>,
    buf: Vec<u8>,
}

impl Peer {
    pub fn meet() -> Option<Self> {
        let (center, kit, now) = (identity(1), identity(2), Micros(1_000_000));
        let mut door = Door::new(&center, now);
        door.admit(&[(kit.public, "kit".to_owned())]);
        let (mut asking, init) = greet(&kit, &center, "kit", 1, 1);
        let answer = door.receive(&init, remote(1), now, &mut Vec::new(), |_| None);
        let DoorAnswer::New { session, .. } = answer else { return None };
        let (mut session, mut buf) = (*session, vec![0; MAX_DATAGRAM_BYTES]);
        let accept = session.transmit(now, &mut buf)?;
        let Ok(Datagram::Accept { noise, .. }) = Datagram::parse(&buf[..accept.len]) else { return None };
        let Ok(Answer::Welcome { index, .. }) = asking.answer(noise) else { return None };
        let keys = Keys::new(&asking.split(), true, index, now);
        let (came, left) = (init.len(), accept.len);
        Some(Self {
            session,
            keys,
            number: 0,
            now: now.0,
            came,
            left,
            answers: false,
            pongs: Vec::new(),
            led_to: None,
            gone: None,
            buf,
        })
    }

    pub fn say(&mut self, path: u8, from: u8, frames: &[u8]) {
        let frames = &frames[..frames.len().min(MAX_DATAGRAM_BYTES - FRAMES_AT - TAG)];
        let mut datagram = vec![0; FRAMES_AT + frames.len() + TAG];
        datagram[DATA_HEADER_BYTES..DATA_HEADER_BYTES + 3].copy_from_slice(&self.number.to_be_bytes()[1..]);
        let ticks = (self.now / 64) as u32;
        datagram[DATA_HEADER_BYTES + 3..FRAMES_AT].copy_from_slice(&ticks.to_be_bytes()[1..]);
        datagram[FRAMES_AT..FRAMES_AT + frames.len()].copy_from_slice(frames);
        self.number += 1;
        self.keys.seal(path, &mut datagram, FRAMES_AT + frames.len());
        self.came += datagram.len();
        self.session.receive(None, Some(remote(from)), &mut datagram, Micros(self.now));
    }

    /// What the session has to say; how many datagrams.
    pub fn hear(&mut self) -> usize {
        let mut count = 0;
        while let Some(sent) = self.session.transmit(Micros(self.now), &mut self.buf) {
            assert!(sent.to.is_some() && sent.len <= MAX_DATAGRAM_BYTES);
            (count, self.left, self.led_to) = (count + 1, self.left + sent.len, sent.to);
            assert!(count < 5_000, "it never ends");
            if self.gone.is_some() && self.gone == sent.to {
                continue;
            }
            let datagram = &mut self.buf[..sent.len];
            let Ok(Datagram::Data(header)) = Datagram::parse(datagram) else { continue };
            let opened = self.keys.open(&header, datagram, Micros(self.now)).expect("under our keys");
            let mut reader = Reader::new(&opened[DATA_PREFIX_BYTES..]);
            while let Some(frame) = next_frame(&mut reader).expect("what it writes can be read") {
                if let Frame::Ping(nonce) = frame {
                    self.pongs.push(nonce);
                }
            }
        }
        count
    }

    pub fn answer(&mut self, path: u8, from: u8) {
        let mut frames = [0; 9 * 32];
        let mut writer = Writer::new(&mut frames, 0);
        for nonce in self.pongs.drain(..).rev().take(32) {
            writer.put(&Frame::Pong(nonce));
        }
        let end = writer.position();
        if self.answers && end > 0 {
            let said = frames[..end].to_vec();
            self.say(path, from, &said);
        }
    }
}

/// u8: 1 it answers probes. Then records: u8 path and address, u8 time step, u16 length, frames. The session is never the
/// worse for it: what it holds is bounded, an address that did not answer gets three times what came, and it ends with a
/// reason when the format is broken.
pub fn bundle_session(data: &[u8]) {
    let Some((flags, mut rest)) = data.split_first() else { return };
    let mut peer = Peer::meet().expect("it is admitted");
    peer.answers = flags & 1 != 0;
    let (mut ended, mut opened) = (None, false);
    while let [place, step, hi, lo, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*hi, *lo])).min(tail.len());
        let (frames, tail) = tail.split_at(len);
        rest = tail;
        peer.now += u64::from(*step) * u64::from(*step) * 100;
        let (path, from) = (place & 3, 1 + (place >> 6));
        peer.say(path, from, frames);
        let now = Micros(peer.now);
        if peer.session.next_timer().is_some_and(|at| at <= now) {
            peer.session.handle_timer(now);
        }
        while let Some(event) = peer.session.next_event() {
            match event {
                Event::Up { .. } => {
                    let options = FlowOptions { class: Class::Video, mode: Mode::Spread, playout_ms: 300 };
                    peer.session.open_flow(1, options, now);
                    opened = peer.session.stream_open("api").is_some();
                }
                Event::Down { code, .. } => ended = Some(code),
                Event::Unit { bytes, .. } => assert!(bytes.len() <= 2 << 20),
                _ => {}
            }
        }
        if opened {
            peer.session.send_unit(1, Bytes::from(vec![3; 3000]), step % 7 == 0, now);
            peer.session.stream_write(1, &[5; 500]);
        }
        let said = peer.hear();
        peer.answer(path, from);
        assert!(!peer.session.is_over() || said == 0, "the dead are silent");
        if !peer.answers {
            assert!(peer.left <= 3 * peer.came, "{} out, {} in", peer.left, peer.came);
        }
        let held: u64 = peer.session.figures(now).flows.iter().map(|flow| flow.held_bytes).sum();
        assert!(held <= (64 << 20) + 256 * (256 << 10) + (2 << 20), "{held}");
        if let Some(code) = ended {
            assert!(!code.is_empty() && peer.session.is_over());
            return;
        }
    }
}
