//! All bundles and doors of the engine: a loop over their sockets, in a thread of their own or as a part of a media thread's
//! (`worker_bundles`). It has no tick: it sleeps until a socket, an order or a session's own timer wakes it. A bug in the
//! work for one bundle ends that one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use super::bundle_door::{DoorHeld, MAX_STREAMS_OF_ONE};
use super::bundle_ground::{Ground, Sock, OF_BUNDLES};
use super::bundle_held::{streams_of, Held};
use super::bundle_hub::BundleQueue;
use super::event::{BundleId, BundleKind, BundleTold, DoorId};
use super::queue::Events;
use super::sys::{self, Epoll, RecvBatch};
use super::OrderError;
use crate::bundle::door::DoorAnswer;
use crate::bundle::types::Remote;
use crate::time::Micros;

pub struct Thread {
    pub(super) bundles: HashMap<BundleId, Box<Held>>,
    pub(super) ground: Ground,
    /// Taken out while its datagrams are handled; made anew if a panic lost it.
    batch: Option<RecvBatch>,
    timers: BinaryHeap<Reverse<(Micros, BundleId)>>,
    touched: Vec<BundleId>,
    /// When a timer rings next, and that it may be another time since it was looked for.
    due: Option<Micros>,
    stirred: bool,
    pub(super) running: bool,
}

impl Thread {
    /// `epoll`: its own, or that of the media thread that it lives in.
    pub fn new(epoll: Epoll, queue: Arc<BundleQueue>, events: Arc<Events>) -> Result<Self, OrderError> {
        if !epoll.add(queue.wake_fd(), sys::READ, OF_BUNDLES) {
            return Err(OrderError::system("epoll_ctl"));
        }
        Ok(Self {
            bundles: HashMap::new(),
            ground: Ground::new(epoll, queue, events),
            batch: None,
            timers: BinaryHeap::new(),
            touched: Vec::new(),
            due: None,
            stirred: true,
            running: true,
        })
    }

    /// As a thread of its own.
    pub fn run(mut self) {
        sys::prefer_this_thread();
        let mut ready = Vec::with_capacity(64);
        while self.running {
            ready.clear();
            let wait = self.wait_us();
            self.ground.epoll.wait(&mut ready, wait);
            self.turn(&mut ready);
        }
        self.end();
    }

    /// How long it may be slept; `None`: until something comes.
    pub fn wait_us(&mut self) -> Option<u64> {
        if !self.touched.is_empty() {
            return Some(0);
        }
        if std::mem::take(&mut self.stirred) {
            self.due = self.next_timer();
        }
        self.due.map(|at| at.0.saturating_sub(sys::monotonic_us()))
    }

    /// Whether something of its own is to be done now: else a turn of the loop that it shares passes it by.
    pub fn is_due(&self, now: Micros) -> bool {
        !self.touched.is_empty() || self.due.is_some_and(|at| at <= now)
    }

    /// What is ready, whose time has come, and what follows from it.
    pub fn turn(&mut self, ready: &mut [u64]) {
        self.stirred = true;
        self.ground.now = Micros(sys::monotonic_us());
        // Orders first: an answer may be waiting for what an order has just asked.
        ready.sort_unstable();
        for token in ready {
            if let Some(sock) = self.ground.sock(*token) {
                self.on_ready(sock);
            }
        }
        self.ring();
        self.work();
    }

    /// Farewells are sent, descriptors closed.
    pub fn end(mut self) {
        self.on_ready(Sock::Wake);
        let all: Vec<u64> = self.bundles.keys().copied().collect();
        for id in all {
            self.close(id, "peer-closed");
        }
        self.work();
    }

    /// A bug outside the work for one bundle: all are over.
    pub fn broke(self) {
        for held in self.bundles.values() {
            let told = BundleTold::new(held.id, held.door, BundleKind::Down);
            held.tell(BundleTold { code: "internal", ..told }, &self.ground);
            self.ground.queue.closed(held.id);
        }
        // What it shares goes on.
        self.ground.epoll.remove(self.ground.queue.wake_fd());
    }

    fn next_timer(&mut self) -> Option<Micros> {
        // A timer that was moved is not worth waking up for.
        let bundle = loop {
            let Some(Reverse((at, id))) = self.timers.peek() else { break None };
            if self.bundles.get(id).is_some_and(|held| held.timer_at == Some(*at)) {
                break Some(*at);
            }
            self.timers.pop();
        };
        self.ground.doors.values().filter_map(DoorHeld::next_timer).chain(bundle).min()
    }

    pub(super) fn touch(&mut self, id: BundleId) {
        if let Some(held) = self.bundles.get_mut(&id).filter(|h| !h.touched) {
            held.touched = true;
            self.touched.push(id);
        }
    }

    /// Do something with a bundle; what follows from it is done by `work`.
    pub(super) fn with<R>(&mut self, id: BundleId, deed: impl FnOnce(&mut Held, &mut Ground) -> R) -> Option<R> {
        let held = self.bundles.get_mut(&id)?;
        let done = catch_unwind(AssertUnwindSafe(|| deed(held, &mut self.ground)));
        match done {
            Ok(result) => {
                self.touch(id);
                Some(result)
            }
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let detail = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                if let Some(held) = self.bundles.get(&id) {
                    let told = BundleTold::new(id, held.door, BundleKind::Down);
                    self.ground.tell(BundleTold { code: "internal", detail, ..told });
                }
                self.drop_bundle(id);
                None
            }
        }
    }

    fn ring(&mut self) {
        for _ in 0..self.timers.len() {
            match self.timers.peek() {
                Some(Reverse((at, _))) if *at <= self.ground.now => {}
                _ => break,
            }
            let Some(Reverse((at, id))) = self.timers.pop() else { break };
            if self.bundles.get(&id).is_some_and(|h| h.timer_at == Some(at)) {
                self.with(id, |held, ground| {
                    held.timer_at = None;
                    held.session.handle_timer(ground.now);
                });
            }
        }
        let now = self.ground.now;
        let doors: Vec<DoorId> =
            self.ground.doors.values().filter(|d| d.next_timer().is_some_and(|t| t <= now)).map(|d| d.id).collect();
        for id in doors {
            self.with_door(id, |door, thread| {
                for stranger in door.strangers(now) {
                    door.close_stream(stranger, &mut thread.ground);
                }
                door.tell_refusals(&thread.ground);
            });
        }
    }

    /// What was touched says what it has to, sends, and has its timer set.
    pub(super) fn work(&mut self) {
        for id in std::mem::take(&mut self.touched) {
            let Some(held) = self.bundles.get_mut(&id) else { continue };
            held.touched = false;
            let Some(more) = self.with(id, |held, ground| held.pump(ground)) else { continue };
            let Some(held) = self.bundles.get_mut(&id) else { continue };
            // `with` put it on the list again; only what has more to send stays there.
            if !more {
                held.touched = false;
                self.touched.retain(|t| *t != id);
            }
            if held.session.is_over() {
                self.drop_bundle(id);
                continue;
            }
            let next = held.session.next_timer();
            if next != held.timer_at {
                held.timer_at = next;
                if let Some(at) = next {
                    self.timers.push(Reverse((at, id)));
                }
            }
        }
    }

    pub(super) fn drop_bundle(&mut self, id: BundleId) {
        let Some(mut held) = self.bundles.remove(&id) else { return };
        held.end(&mut self.ground);
        self.ground.queue.closed(id);
        self.with_door(held.door, |door, thread| {
            door.door.down(held.index);
            door.sessions.remove(&held.index);
            for number in streams_of(door, held.index) {
                door.close_stream(number, &mut thread.ground);
            }
        });
    }

    pub(super) fn close(&mut self, id: BundleId, code: &'static str) {
        self.with(id, |held, ground| held.session.close(code, ground.now));
    }

    /// A door beside the rest of the thread.
    pub(super) fn with_door(&mut self, id: DoorId, deed: impl FnOnce(&mut DoorHeld, &mut Self)) {
        if let Some(mut door) = self.ground.doors.remove(&id) {
            deed(&mut door, self);
            self.ground.doors.insert(id, door);
        }
    }

    // ── sockets ──

    fn on_ready(&mut self, sock: Sock) {
        match sock {
            Sock::Wake => {
                for order in self.ground.queue.take() {
                    self.obey(order);
                }
            }
            Sock::DoorUdp(id) => self.door_udp(id),
            Sock::DoorStream(id, number) => self.door_stream(id, number),
            Sock::Path(id, path) => self.path_ready(id, path),
            Sock::FlowOut(id, flow) => drop(self.with(id, |held, ground| held.flow_readable(flow, ground))),
            Sock::FlowIn(id, flow) => drop(self.with(id, |held, ground| held.flow_ready(flow, ground))),
            Sock::Stream(id, stream) => drop(self.with(id, |held, ground| held.turn_stream(stream, ground))),
        }
    }

    fn path_ready(&mut self, id: BundleId, path: u8) {
        let mut batch = self.batch.take().unwrap_or_default();
        self.with(id, |held, ground| match held.udp(path) {
            Some(fd) => {
                let now = ground.now;
                batch.receive(fd, |got| held.path_datagram(path, got.from, got.data, now));
            }
            None => held.path_stream(path, ground),
        });
        self.batch = Some(batch);
    }

    fn door_udp(&mut self, id: DoorId) {
        let mut batch = self.batch.take().unwrap_or_default();
        self.with_door(id, |door, thread| {
            batch.receive(door.udp.fd(), |got| thread.knock(door, got.data, Remote::Udp(got.from)));
            door.tell_refusals(&thread.ground);
        });
        self.batch = Some(batch);
    }

    fn door_stream(&mut self, id: DoorId, number: u64) {
        self.with_door(id, |door, thread| {
            let Some(stream) = door.streams.get_mut(&number) else { return };
            let fine = stream.wire.flush() && stream.wire.read(&mut thread.ground.scratch);
            stream
                .watch
                .want(&thread.ground.epoll, if stream.wire.is_full() { sys::READ | sys::WRITE } else { sys::READ });
            thread.knock_by_stream(door, number);
            door.tell_refusals(&thread.ground);
            if !fine {
                let session = door.streams.get(&number).and_then(|s| s.session);
                door.close_stream(number, &mut thread.ground);
                if let Some(bundle) = session.and_then(|index| door.sessions.get(&index)) {
                    let remote = Remote::Stream(number);
                    thread.with(*bundle, |held, ground| held.session.lost(remote, ground.now));
                }
            }
        });
    }

    /// The datagrams that a connection brought.
    pub(super) fn knock_by_stream(&mut self, door: &mut DoorHeld, number: u64) {
        while let Some(mut datagram) = door.streams.get_mut(&number).and_then(|s| s.wire.next()) {
            self.knock(door, &mut datagram, Remote::Stream(number));
        }
    }

    /// A datagram came to a door.
    fn knock(&mut self, door: &mut DoorHeld, data: &mut [u8], from: Remote) {
        let now = self.ground.now;
        let mut reply = Vec::new();
        let (sessions, bundles) = (&door.sessions, &self.bundles);
        let heard = |index| Some(bundles.get(sessions.get(&index)?)?.session.heard());
        match door.door.receive(data, from, now, &mut reply, heard) {
            DoorAnswer::Session(index) => {
                let known = door.sessions.get(&index).copied();
                let Some(id) = known.filter(|id| self.bundles.contains_key(id)) else {
                    door.sessions.remove(&index);
                    door.door.down(index);
                    door.stray += 1;
                    return;
                };
                self.with(id, |held, _| {
                    held.session.receive(None, Some(from), data, now);
                    if let Remote::Udp(address) = from {
                        held.heard = held.session.leads_to(from).then_some(address).or(held.heard);
                    }
                });
                self.bind_stream(door, index, from);
                self.hear_of_up(door, id);
            }
            DoorAnswer::New { index, session, instead } => {
                // It was never up: nobody was told of it.
                if let Some(id) = instead.and_then(|index| door.sessions.remove(&index)) {
                    self.drop_bundle(id);
                }
                let id = self.ground.queue.incoming();
                let mut held = Held::new(id, door.id, index, session);
                if let Remote::Udp(address) = from {
                    held.heard = Some(address);
                }
                door.sessions.insert(index, id);
                self.ground.queue.opened(id);
                self.bundles.insert(id, Box::new(held));
                self.touch(id);
            }
            DoorAnswer::Reply => door.answer(&reply, &from, &self.ground),
            DoorAnswer::Refused { code, detail, peer_key, gateway } => {
                door.answer(&reply, &from, &self.ground);
                door.refuse(code, detail, peer_key, gateway, &from);
            }
            DoorAnswer::Drop => door.stray += 1,
        }
    }

    /// A connection belongs to a session once something authentic came by it: whoever only names its index stays a stranger.
    /// The ones that its paths have left are closed.
    fn bind_stream(&mut self, door: &mut DoorHeld, index: u32, from: Remote) {
        let Remote::Stream(number) = from else { return };
        let Some(held) = door.sessions.get(&index).and_then(|id| self.bundles.get(id)) else { return };
        let Some(stream) = door.streams.get_mut(&number) else { return };
        if stream.session == Some(index) || !held.session.leads_to(from) {
            return;
        }
        stream.session = Some(index);
        let id = held.id;
        let (mut own, left): (Vec<u64>, Vec<u64>) =
            streams_of(door, index).into_iter().partition(|own| held.session.leads_to(Remote::Stream(*own)));
        left.into_iter().for_each(|left| door.close_stream(left, &mut self.ground));
        own.sort_unstable();
        for oldest in &own[..own.len().saturating_sub(MAX_STREAMS_OF_ONE)] {
            door.close_stream(*oldest, &mut self.ground);
            let oldest = Remote::Stream(*oldest);
            self.with(id, |held, ground| held.session.lost(oldest, ground.now));
        }
    }

    /// A session that has just come up replaces an older one of the same kit.
    fn hear_of_up(&mut self, door: &mut DoorHeld, id: BundleId) {
        let Some(held) = self.bundles.get_mut(&id).filter(|h| !h.counted && h.session.is_up()) else { return };
        held.counted = true;
        let Some(old) = door.door.up(held.index) else { return };
        if let Some(old) = door.sessions.get(&old).copied() {
            self.close(old, "replaced");
        }
    }
}
