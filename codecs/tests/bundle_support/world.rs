//! Kits, their links, and a center; and what happened to each.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use codecs::bundle::door::{Door, DoorAnswer};
use codecs::bundle::session::{Session, MAX_DATAGRAM_BYTES};
use codecs::bundle::types::{Event, Hello, Identity, PathId, PathKind, PathOptions, Remote};
use codecs::bundle::wire::FORMAT;
use codecs::time::Micros;

use super::link::{Link, Shape};

/// The center's clock is a year ahead of the kit's, and nobody minds.
pub const YEAR_US: i64 = 365 * 86_400 * 1_000_000;

pub struct Wire {
    pub up: Link,
    pub down: Link,
    /// The kit's address as the center sees it (NAT).
    pub address: SocketAddr,
    /// It is a connection, which the center knows by this number.
    pub stream: Option<u64>,
}

pub struct Kit {
    pub session: Session,
    pub identity: Identity,
    pub name: String,
    pub boot: u64,
    pub wires: BTreeMap<PathId, Wire>,
    pub events: Vec<(u64, Event)>,
}

pub struct Guest {
    pub session: Session,
    pub events: Vec<(u64, Event)>,
}

pub struct World {
    /// Microseconds of the kits' clocks.
    pub now: u64,
    /// By which the center's clock is ahead of them.
    pub(super) ahead: i64,
    /// What the kits take for the time of day.
    pub unix_ms: u64,
    pub center: Identity,
    pub door: Door,
    pub guests: HashMap<u32, Guest>,
    pub kits: Vec<Kit>,
    /// The center's session of a kit by its key, the latest that came up.
    pub up: HashMap<[u8; 32], u32>,
    /// What the door refused: (time, code).
    pub refused: Vec<(u64, &'static str)>,
    /// Whatever came to the center's socket, when it is to be kept for later.
    pub tap: Option<Vec<(SocketAddr, Vec<u8>)>>,
    /// And whatever the center sent.
    pub tap_down: Option<Vec<(SocketAddr, Vec<u8>)>>,
    /// Bytes that the center sent to addresses that are no kit's.
    pub astray: usize,
    pub center_is_off: bool,
    /// The first kit's program, and the center's, stand still until then.
    pub kit_stalls: u64,
    pub center_stalls: u64,
    /// The center reads all that is there before it answers.
    pub(super) gathers: bool,
    buf: Vec<u8>,
    reply: Vec<u8>,
}

impl World {
    pub fn new() -> Self {
        Self::with_clocks(1_000_000, YEAR_US)
    }

    pub fn with_clocks(now: u64, ahead: i64) -> Self {
        let center = Identity::new(None);
        Self {
            now,
            ahead,
            unix_ms: 0,
            door: Door::new(&center, Micros(now.saturating_add_signed(ahead))),
            center,
            guests: HashMap::new(),
            kits: Vec::new(),
            up: HashMap::new(),
            refused: Vec::new(),
            tap: None,
            tap_down: None,
            astray: 0,
            center_is_off: false,
            kit_stalls: 0,
            center_stalls: 0,
            gathers: false,
            buf: vec![0; MAX_DATAGRAM_BYTES],
            reply: Vec::new(),
        }
    }

    fn hello(&self, name: &str, boot: u64) -> Hello {
        Hello { gateway: name.to_owned(), boot, suite: 1, clock_unix_ms: self.unix_ms }
    }

    /// A kit with these links, admitted. Its number.
    pub fn kit(&mut self, name: &str, seed: u64, shapes: &[(&str, Shape)]) -> usize {
        let number = self.kit_unadmitted(name, seed, shapes);
        self.admit();
        number
    }

    pub fn kit_unadmitted(&mut self, name: &str, seed: u64, shapes: &[(&str, Shape)]) -> usize {
        self.kit_in(FORMAT, name, seed, shapes)
    }

    /// A kit of an earlier release.
    pub fn kit_in(&mut self, format: u8, name: &str, seed: u64, shapes: &[(&str, Shape)]) -> usize {
        let identity = Identity::new(None);
        let session = Session::new_initiator(&identity, self.center.public, self.hello(name, 1), Micros(self.now))
            .in_format(format);
        let number = self.kits.len();
        self.kits.push(Kit {
            session,
            identity,
            name: name.into(),
            boot: 1,
            wires: BTreeMap::new(),
            events: Vec::new(),
        });
        for (path, (link, shape)) in shapes.iter().enumerate() {
            self.wire(number, path as PathId, link, shape, seed.wrapping_mul(1000) + 2 * path as u64);
        }
        number
    }

    pub fn wire(&mut self, kit: usize, path: PathId, name: &str, shape: &Shape, seed: u64) {
        let down = Shape { rate_bps: shape.rate_bps * 2.5, ..shape.clone() };
        let address = SocketAddr::from(([10, kit as u8, path, 1], 5000));
        let wire = Wire { up: Link::new(shape.clone(), seed), down: Link::new(down, seed + 1), address, stream: None };
        self.kits[kit].wires.insert(path, wire);
        let options = PathOptions { id: path, name: name.into(), kind: PathKind::Udp, mtu: 1350, cost: 0, barred: 0 };
        self.kits[kit].session.add_path(options, Micros(self.now));
    }

    /// The path is a connection from now on, or another one: the kit connected anew.
    pub fn connect(&mut self, kit: usize, path: PathId, name: &str, number: u64) {
        let Some(wire) = self.kits[kit].wires.get_mut(&path) else { return };
        let before = wire.stream.replace(number);
        wire.address.set_port(10_000 + number as u16);
        let options =
            PathOptions { id: path, name: name.into(), kind: PathKind::Stream, mtu: 1350, cost: 0, barred: 0 };
        let (now, theirs) = (Micros(self.now), self.theirs());
        self.kits[kit].session.add_path(options, now);
        for guest in self.guests.values_mut() {
            before.into_iter().for_each(|before| guest.session.lost(Remote::Stream(before), theirs));
        }
    }

    fn wires(&self) -> impl Iterator<Item = &Wire> {
        self.kits.iter().flat_map(|kit| kit.wires.values())
    }

    pub fn admit(&mut self) {
        let peers: Vec<_> = self.kits.iter().map(|kit| (kit.identity.public, kit.name.clone())).collect();
        self.admit_only(&peers);
    }

    pub fn admit_only(&mut self, peers: &[([u8; 32], String)]) {
        let now = self.theirs();
        for index in self.door.admit(peers) {
            if let Some(guest) = self.guests.get_mut(&index) {
                guest.session.close("revoked", now);
            }
        }
    }

    /// The center's clock jumps forward, the kit's does not.
    pub fn jump(&mut self, us: i64) {
        self.ahead += us;
    }

    /// The kit's daemon starts anew; `boot`: its counter.
    pub fn restart_kit(&mut self, kit: usize, boot: u64) {
        let hello = self.hello(&self.kits[kit].name, boot);
        let Kit { identity, wires, session, .. } = &mut self.kits[kit];
        *session = Session::new_initiator(identity, self.center.public, hello, Micros(self.now));
        for path in wires.keys() {
            let options = PathOptions {
                id: *path,
                name: format!("link-{path}"),
                kind: PathKind::Udp,
                mtu: 1350,
                cost: 0,
                barred: 0,
            };
            session.add_path(options, Micros(self.now));
        }
        self.kits[kit].boot = boot;
    }

    /// The center's daemon starts anew: it has its key and its list, and no session.
    pub fn restart_center(&mut self) {
        self.guests.clear();
        self.up.clear();
        self.door = Door::new(&self.center, self.theirs());
        self.admit();
    }

    /// The center's end of a kit's session.
    pub fn guest(&mut self, kit: usize) -> &mut Guest {
        let index = self.up[&self.kits[kit].identity.public];
        self.guests.get_mut(&index).expect("it is up")
    }

    pub fn is_up(&self, kit: usize) -> bool {
        let index = self.up.get(&self.kits[kit].identity.public);
        let guest = index.and_then(|index| self.guests.get(index));
        self.kits[kit].session.is_up() && guest.is_some_and(|guest| guest.session.is_up())
    }

    pub fn theirs(&self) -> Micros {
        Micros(self.now.saturating_add_signed(self.ahead))
    }

    /// Something arrives at the center's socket.
    pub fn reach_center(&mut self, from: SocketAddr, mut datagram: Vec<u8>) {
        if let Some(tap) = &mut self.tap {
            tap.push((from, datagram.clone()));
        }
        if self.center_is_off {
            return;
        }
        let stream = self.wires().find(|wire| wire.address == from).and_then(|wire| wire.stream);
        let (now, remote) = (self.theirs(), stream.map_or(Remote::Udp(from), Remote::Stream));
        let guests = &self.guests;
        let heard = |index| guests.get(&index).map(|guest| guest.session.heard());
        match self.door.receive(&datagram, remote, now, &mut self.reply, heard) {
            DoorAnswer::Reply => {}
            DoorAnswer::New { index, session, instead } => {
                if let Some(instead) = instead {
                    self.guests.remove(&instead);
                }
                self.guests.insert(index, Guest { session: *session, events: Vec::new() });
                self.flush_guest(index);
            }
            DoorAnswer::Session(index) => {
                if let Some(guest) = self.guests.get_mut(&index) {
                    guest.session.receive(None, Some(remote), &mut datagram, now);
                    if !self.gathers {
                        self.flush_guest(index);
                    }
                }
            }
            DoorAnswer::Refused { code, .. } => self.refused.push((self.now, code)),
            DoorAnswer::Drop => {}
        }
        if !self.reply.is_empty() {
            let reply = std::mem::take(&mut self.reply);
            self.reach_kit(from, &reply);
        }
    }

    fn reach_kit(&mut self, to: SocketAddr, datagram: &[u8]) {
        let now = self.now;
        if let Some(tap) = &mut self.tap_down {
            tap.push((to, datagram.to_vec()));
        }
        let mut wires = self.kits.iter_mut().flat_map(|kit| kit.wires.values_mut());
        match wires.find(|wire| wire.address == to) {
            Some(wire) => wire.down.send(now, datagram),
            None => self.astray += datagram.len(),
        }
    }

    pub fn flush_guest(&mut self, index: u32) {
        let now = self.theirs();
        let mut out = Vec::new();
        let Some(guest) = self.guests.get_mut(&index) else { return };
        let mut ups = Vec::new();
        while let Some(event) = guest.session.next_event() {
            if let Event::Up { peer_key, .. } = &event {
                ups.push(*peer_key);
            }
            guest.events.push((self.now, event));
        }
        while let Some(transmit) = guest.session.transmit(now, &mut self.buf) {
            let to = match transmit.to {
                Some(Remote::Udp(to)) => Some(to),
                Some(Remote::Stream(number)) => {
                    let mut wires = self.kits.iter().flat_map(|kit| kit.wires.values());
                    wires.find(|wire| wire.stream == Some(number)).map(|wire| wire.address)
                }
                None => None,
            };
            out.extend(to.map(|to| (to, self.buf[..transmit.len].to_vec())));
        }
        let over = guest.session.is_over();
        for peer in ups {
            self.up.insert(peer, index);
            if let Some(old) = self.door.up(index) {
                if let Some(guest) = self.guests.get_mut(&old) {
                    guest.session.close("replaced", now);
                }
                self.flush_guest(old);
            }
        }
        if over {
            self.door.down(index);
            self.guests.remove(&index);
            self.up.retain(|_, known| *known != index);
        }
        if !self.center_is_off {
            for (to, datagram) in out {
                self.reach_kit(to, &datagram);
            }
        }
    }

    pub fn flush_kit(&mut self, number: usize) {
        let kit = &mut self.kits[number];
        while let Some(event) = kit.session.next_event() {
            kit.events.push((self.now, event));
        }
        while let Some(transmit) = kit.session.transmit(Micros(self.now), &mut self.buf) {
            if let Some(wire) = kit.wires.get_mut(&transmit.path) {
                wire.up.send(self.now, &self.buf[..transmit.len]);
            }
        }
    }

    pub fn flush(&mut self) {
        for number in 0..self.kits.len() {
            self.flush_kit(number);
        }
        for index in self.guests.keys().copied().collect::<Vec<_>>() {
            self.flush_guest(index);
        }
    }

    /// Let time pass until `until`, given in microseconds.
    pub fn run_until(&mut self, until: u64) {
        self.flush();
        let mut stuck = 0;
        while self.now < until {
            let before = self.now;
            self.step(until);
            stuck = if self.now == before { stuck + 1 } else { 0 };
            assert!(stuck < 10_000, "time stands still at {before}: {:?}", self.stuck());
        }
    }

    fn stuck(&self) -> Vec<Option<Micros>> {
        let guests = self.guests.values().map(|guest| guest.session.next_timer());
        self.kits.iter().map(|kit| kit.session.next_timer()).chain(guests).collect()
    }

    pub fn run_ms(&mut self, ms: u64) {
        self.run_until(self.now + ms * 1000);
    }

    /// Until it holds; panics after `ms`.
    pub fn await_ms(&mut self, what: &str, ms: u64, mut holds: impl FnMut(&mut World) -> bool) -> u64 {
        let began = self.now;
        self.flush();
        while !holds(self) {
            assert!(self.now < began + ms * 1000, "waited {ms} ms for: {what}");
            self.step(self.now + 1000);
        }
        (self.now - began) / 1000
    }

    /// Cut or mend both directions of a kit's path.
    pub fn cut(&mut self, kit: usize, path: PathId, cut: bool) {
        if let Some(wire) = self.kits[kit].wires.get_mut(&path) {
            wire.up.set_cut(cut, self.now);
            wire.down.set_cut(cut, self.now);
        }
    }
}
