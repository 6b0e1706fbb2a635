//! A center's door: who may come in, and to which session a datagram belongs.
//!
//! What nobody authenticated is answered with less than it took, seldom, or not at all. A greeting is judged by the list of
//! keys, by the gateway id under which a key was admitted, and by what is known of the kit's runs: a higher boot counter, or
//! a later attempt of the same run, may take the place of a session that lives; anything else only once that one is quiet.
//! And it takes the place only when the kit shows that it holds the new keys, so a greeting that is played again does nothing.
//! Greetings that wait for that are few for each kit, and a later one takes the place of the earliest: old ones that are
//! played again never keep the kit out.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::budget::Budget;
use super::codes;
use super::cookie::{same, Cookies, InitMac, ResetTokens};
use super::guest::Guest;
use super::handshake::{Answer, Answering, Greeting, HandshakeError};
use super::keys::Keys;
use super::session::{Session, Stage};
use super::sources::Sources;
use super::suite;
use super::types::{Identity, Remote};
use super::wire::{self, Datagram, Init};
use crate::time::Micros;

/// Greetings that were answered and not followed up, of one kit and in all.
const MAX_GREETED_OF_ONE: usize = 4;
const MAX_GREETED: usize = 4096;
const MAX_REVOKED: usize = 4096;
/// A session from which nothing came for so long may be replaced by a run that shows no higher boot counter.
const QUIET_US: u64 = 5_000_000;
/// Handshakes a second that are done for anyone; above, an address must prove itself; and the most there are.
const FREE_HANDSHAKES: u32 = 100;
const MOST_HANDSHAKES: u32 = 500;

/// What to do about a datagram.
pub enum DoorAnswer {
    /// Send what is in `reply` back.
    Reply,
    /// A new session, not yet up. Keep it under `index` and let it transmit. `instead`: one that nobody followed up and that
    /// gives way to it; drop it.
    New { index: u32, session: Box<Session>, instead: Option<u32> },
    /// Give the datagram to this session.
    Session(u32),
    /// Somebody was not taken in, for `code`; `gateway` is whom it claims to be, if that could be read. Send `reply`, if it is not empty.
    Refused { code: &'static str, detail: String, peer_key: Option<[u8; 32]>, gateway: String },
    /// Nothing to say to that.
    Drop,
}

struct Known {
    gateway: String,
    live: Option<u32>,
}

struct Held {
    peer: [u8; 32],
    greeting: Greeting,
    /// Of message 1: a repeated one is known by it.
    ephemeral: [u8; 32],
    up: bool,
}

impl Held {
    /// Of one kit's greetings, which is the later. Attempts of different runs can not be compared; boots can.
    fn order(&self) -> (u64, u32) {
        (self.greeting.hello.boot, self.greeting.attempt)
    }
}

/// Admits kits by their keys. It holds no session: the engine does, under the index that the door gave.
pub struct Door {
    identity: Arc<Identity>,
    mac: InitMac,
    tokens: ResetTokens,
    cookies: Cookies,
    peers: HashMap<[u8; 32], Known>,
    revoked: VecDeque<[u8; 32]>,
    held: HashMap<u32, Held>,
    by_ephemeral: HashMap<[u8; 32], u32>,
    greeted: usize,
    free: Budget,
    most: Budget,
    sources: Sources,
    unsigned: Budget,
    resets: Budget,
}

impl Door {
    pub fn new(identity: &Identity, now: Micros) -> Self {
        Self {
            identity: Arc::new(identity.clone()),
            mac: InitMac::of(&identity.public),
            tokens: ResetTokens::of(identity),
            cookies: Cookies::new(now),
            peers: HashMap::new(),
            revoked: VecDeque::new(),
            held: HashMap::new(),
            by_ephemeral: HashMap::new(),
            greeted: 0,
            free: Budget::new(FREE_HANDSHAKES, now),
            most: Budget::new(MOST_HANDSHAKES, now),
            sources: Sources::new(now),
            unsigned: Budget::new(20, now),
            resets: Budget::new(5000, now),
        }
    }

    /// The whole list of who may come in: (key, gateway id). Sessions of those who are no longer in it, or under another
    /// id, are returned, to be closed with `revoked`.
    pub fn admit(&mut self, peers: &[([u8; 32], String)]) -> Vec<u32> {
        let before = std::mem::take(&mut self.peers);
        for (key, gateway) in peers {
            let live = before.get(key).filter(|known| known.gateway == *gateway).and_then(|known| known.live);
            self.peers.insert(*key, Known { gateway: gateway.clone(), live });
        }
        for key in before.keys().filter(|key| !self.peers.contains_key(*key)) {
            if self.revoked.len() >= MAX_REVOKED {
                self.revoked.pop_front();
            }
            self.revoked.push_back(*key);
        }
        self.revoked.retain(|key| !self.peers.contains_key(key));
        let stays = |held: &Held| {
            let known = self.peers.get(&held.peer);
            known.is_some_and(|known| known.gateway == held.greeting.hello.gateway)
        };
        self.held.iter().filter(|(_, held)| !stays(held)).map(|(index, _)| *index).collect()
    }

    /// Judge a datagram. `heard`: when a session, by its index, heard its kit last; what is not authentic does not count.
    pub fn receive(
        &mut self,
        datagram: &[u8],
        from: Remote,
        now: Micros,
        reply: &mut Vec<u8>,
        heard: impl Fn(u32) -> Option<Micros>,
    ) -> DoorAnswer {
        reply.clear();
        match Datagram::parse(datagram) {
            Ok(Datagram::Data(header)) if self.held.contains_key(&header.receiver) => {
                DoorAnswer::Session(header.receiver)
            }
            Ok(Datagram::Data(header)) if self.resets.take(now) => {
                *reply = wire::write_reset(header.receiver, &self.tokens.token(header.receiver));
                DoorAnswer::Reply
            }
            Ok(Datagram::Init(init)) => self.greeted(&init, from, now, reply, heard),
            Ok(_) => DoorAnswer::Drop,
            Err(_) => self.unreadable(datagram, now, reply),
        }
    }

    /// Something of another version, perhaps: one that greets is told so, in its own.
    fn unreadable(&mut self, datagram: &[u8], now: Micros, reply: &mut Vec<u8>) -> DoorAnswer {
        let other = wire::version_of(datagram).filter(|version| *version != wire::VERSION);
        let index = datagram.get(2..6).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        match (index, other) {
            (Some(index), Some(version)) if datagram[0] >> 4 == 1 && datagram.len() >= wire::INIT_BYTES => {
                let detail = format!("it speaks version {version}, we {}", wire::VERSION);
                self.refuse_in(version, "bundle-version", detail, index, now, reply)
            }
            _ => DoorAnswer::Drop,
        }
    }

    fn refuse_unsigned(&mut self, code: &'static str, to: u32, now: Micros, reply: &mut Vec<u8>) -> DoorAnswer {
        self.refuse_in(wire::VERSION, code, String::new(), to, now, reply)
    }

    fn refuse_in(
        &mut self,
        version: u8,
        code: &'static str,
        detail: String,
        to: u32,
        now: Micros,
        reply: &mut Vec<u8>,
    ) -> DoorAnswer {
        if !self.unsigned.take(now) {
            return DoorAnswer::Drop;
        }
        *reply = wire::write_refuse(version, to, codes::number(code));
        DoorAnswer::Refused { code, detail, peer_key: None, gateway: String::new() }
    }

    fn greeted(
        &mut self,
        init: &Init<'_>,
        from: Remote,
        now: Micros,
        reply: &mut Vec<u8>,
        heard: impl Fn(u32) -> Option<Micros>,
    ) -> DoorAnswer {
        if !same(&init.mac, &self.mac.of_covered(init.covered)) {
            return self.refuse_unsigned("wrong-center-key", init.sender, now, reply);
        }
        let ephemeral = init.noise.get(..32).and_then(|key| <[u8; 32]>::try_from(key).ok());
        let Some(ephemeral) = ephemeral else { return DoorAnswer::Drop };
        if let Some(index) = self.by_ephemeral.get(&ephemeral) {
            return DoorAnswer::Session(*index);
        }
        let Some(suite) = suite::find(init.suite) else {
            return self.refuse_unsigned("bundle-suite", init.sender, now, reply);
        };
        if !self.free.take(now) {
            if !self.cookies.is_good(&init.cookie, &from, now) {
                *reply = wire::write_retry(init.sender, &self.cookies.give(&from, now));
                return DoorAnswer::Reply;
            }
            // An address that proved itself is still only one: it does not use up what there is for all.
            if !self.sources.take(&from, now) || !self.most.take(now) {
                return self.refuse_unsigned("center-busy", init.sender, now, reply);
            }
        }
        let (answering, greeting) = match Answering::read(suite, &self.identity, init.sender, init.format, init.noise) {
            Ok(read) => read,
            // Of another format, the handshake itself may be another.
            Err(HandshakeError::Unauthentic) if wire::speaks(init.format) => return DoorAnswer::Drop,
            Err(_) => {
                return self.refuse_in(wire::VERSION, "bundle-version", formats(init), init.sender, now, reply);
            }
        };
        match self.judge(&answering.peer, init, &greeting, now, heard) {
            Judged::Welcome => match self.room_for(&answering.peer, &greeting) {
                Some(instead) => {
                    let (index, session) = self.welcome(answering, greeting, init.sender, ephemeral, from, now);
                    DoorAnswer::New { index, session, instead }
                }
                None => DoorAnswer::Drop,
            },
            Judged::Ignored => DoorAnswer::Drop,
            Judged::Refused { code, detail, boot } => {
                let (peer_key, gateway) = (Some(answering.peer), greeting.hello.gateway);
                let (message, _) = answering.answer(&Answer::refused(codes::number(code), boot));
                *reply = wire::write_accept(init.sender, &message);
                DoorAnswer::Refused { code, detail, peer_key, gateway }
            }
        }
    }

    /// Whether one more greeting of this kit may wait to be followed up; the one that gives way to it, if one must. It is
    /// forgotten then.
    #[allow(clippy::option_option)]
    fn room_for(&mut self, peer: &[u8; 32], greeting: &Greeting) -> Option<Option<u32>> {
        let waiting = || self.held.iter().filter(|(_, held)| held.peer == *peer && !held.up);
        if waiting().count() < MAX_GREETED_OF_ONE {
            return (self.greeted < MAX_GREETED).then_some(None);
        }
        let (index, earliest) = waiting().min_by_key(|(_, held)| held.order())?;
        if earliest.order() >= (greeting.hello.boot, greeting.attempt) {
            return None;
        }
        let index = *index;
        self.down(index);
        Some(Some(index))
    }

    fn judge(
        &self,
        peer: &[u8; 32],
        init: &Init<'_>,
        greeting: &Greeting,
        now: Micros,
        heard: impl Fn(u32) -> Option<Micros>,
    ) -> Judged {
        let gateway = &greeting.hello.gateway;
        let Some(known) = self.peers.get(peer) else {
            let code = if self.revoked.contains(peer) { "revoked" } else { "unknown-key" };
            return Judged::refused(code, String::new());
        };
        if known.gateway != *gateway {
            let taken = self.peers.values().any(|other| other.gateway == *gateway);
            let code = if taken { "duplicate-gateway" } else { "unknown-key" };
            return Judged::refused(code, format!("its key was admitted as {}", known.gateway));
        }
        if !wire::speaks(init.format) {
            return Judged::refused("bundle-version", formats(init));
        }
        let live = known.live.and_then(|index| Some((index, self.held.get(&index)?)));
        let Some((index, live)) = live else { return Judged::Welcome };
        let (ours, theirs) = (&live.greeting, greeting);
        if ours.run == theirs.run {
            let later = theirs.attempt > ours.attempt && theirs.hello.boot == ours.hello.boot;
            return if later { Judged::Welcome } else { Judged::Ignored };
        }
        let (known_boot, boot) = (ours.hello.boot, theirs.hello.boot);
        if boot > known_boot || heard(index).is_none_or(|at| now.since(at) >= QUIET_US) {
            return Judged::Welcome;
        }
        let detail = format!("boot {boot}, a session of boot {known_boot} is up");
        if boot == known_boot {
            Judged::Refused { code: "duplicate-gateway", detail, boot: known_boot }
        } else {
            Judged::Refused { code: "boot-behind", detail, boot: known_boot }
        }
    }

    fn welcome(
        &mut self,
        answering: Answering,
        greeting: Greeting,
        receiver: u32,
        ephemeral: [u8; 32],
        from: Remote,
        now: Micros,
    ) -> (u32, Box<Session>) {
        let index = loop {
            let index = super::path::nonce() as u32;
            if index != 0 && !self.held.contains_key(&index) {
                break index;
            }
        };
        let peer = answering.peer;
        let welcome = Answer::Welcome { index, token: self.tokens.token(index), clock_unix_ms: 0 };
        let (accept, split) = answering.answer(&welcome);
        let mut session = Session::new(self.identity.clone(), peer, greeting.hello.clone(), Stage::Greeted, now);
        session.index = index;
        session.keys = Some(Keys::new(&split, false, receiver, now));
        session.guest = Some(Guest::new(accept, from));
        self.held.insert(index, Held { peer, greeting, ephemeral, up: false });
        self.by_ephemeral.insert(ephemeral, index);
        self.greeted += 1;
        (index, Box::new(session))
    }

    /// A session told `Event::Up`. The one that it replaces, to be closed with `replaced`.
    pub fn up(&mut self, index: u32) -> Option<u32> {
        let held = self.held.get_mut(&index)?;
        if !std::mem::replace(&mut held.up, true) {
            self.greeted -= 1;
        }
        let known = self.peers.get_mut(&held.peer)?;
        known.live.replace(index).filter(|before| *before != index)
    }

    /// A session is over and dropped.
    pub fn down(&mut self, index: u32) {
        let Some(held) = self.held.remove(&index) else { return };
        self.greeted -= usize::from(!held.up);
        self.by_ephemeral.remove(&held.ephemeral);
        if let Some(known) = self.peers.get_mut(&held.peer) {
            known.live = known.live.filter(|live| *live != index);
        }
    }
}

/// Why two do not understand each other.
fn formats(init: &Init<'_>) -> String {
    if wire::speaks(init.format) {
        return format!("its greeting of format {} is none", init.format);
    }
    format!("it speaks format {}, we {} to {}", init.format, wire::OLDEST, wire::FORMAT)
}

enum Judged {
    Welcome,
    /// A repetition: no word of it.
    Ignored,
    Refused {
        code: &'static str,
        detail: String,
        boot: u64,
    },
}

impl Judged {
    fn refused(code: &'static str, detail: String) -> Self {
        Judged::Refused { code, detail, boot: 0 }
    }
}
