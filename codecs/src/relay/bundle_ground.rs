//! What all bundles of the thread stand on: epoll and its tokens, doors, buffers, the way to Python, and the time.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::Arc;

use super::bundle_door::DoorHeld;
use super::bundle_hub::{BundleQueue, Join};
use super::bundle_send::Lane;
use super::event::{BundleId, BundleTold, DoorId, Event};
use super::queue::Events;
use super::sys::{self, Epoll};
use crate::time::Micros;

/// What a stream socket or a frame port is read into.
const SCRATCH_BYTES: usize = 128 << 10;

/// Tokens of bundles, where a media thread's own stand beside them.
pub const OF_BUNDLES: u64 = 1 << 62;

/// What an epoll token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sock {
    Wake,
    DoorUdp(DoorId),
    DoorStream(DoorId, u64),
    Path(BundleId, u8),
    FlowOut(BundleId, u16),
    FlowIn(BundleId, u16),
    Stream(BundleId, u32),
}

pub struct Ground {
    pub epoll: Epoll,
    socks: Vec<Option<Sock>>,
    free: Vec<usize>,
    pub doors: HashMap<DoorId, DoorHeld>,
    pub queue: Arc<BundleQueue>,
    events: Arc<Events>,
    pub now: Micros,
    pub scratch: Vec<u8>,
    /// Flows that have something for a leg of this thread.
    pub arrived: Vec<(BundleId, u16)>,
    pub joins: Vec<Join>,
    /// Runs of datagrams under way.
    pub lanes: Vec<Lane>,
}

impl Ground {
    pub fn new(epoll: Epoll, queue: Arc<BundleQueue>, events: Arc<Events>) -> Self {
        Self {
            epoll,
            socks: vec![Some(Sock::Wake)],
            free: Vec::new(),
            doors: HashMap::new(),
            queue,
            events,
            now: Micros(sys::monotonic_us()),
            scratch: vec![0; SCRATCH_BYTES],
            arrived: Vec::new(),
            joins: Vec::new(),
            lanes: Vec::new(),
        }
    }

    pub fn sock(&self, token: u64) -> Option<Sock> {
        self.socks.get((token & !OF_BUNDLES) as usize).copied().flatten()
    }

    pub fn tell(&self, told: BundleTold) {
        self.events.push(Event::Bundle(told));
    }

    /// Watch a descriptor; nothing is waited for before `Watch::want`.
    pub fn watch(&mut self, fd: RawFd, sock: Sock) -> Watch {
        let place = self.free.pop().unwrap_or_else(|| {
            self.socks.push(None);
            self.socks.len() - 1
        });
        self.socks[place] = Some(sock);
        Watch { fd, token: place as u64 | OF_BUNDLES, wanted: 0 }
    }

    /// Before its descriptor is closed.
    pub fn unwatch(&mut self, mut watch: Watch) {
        watch.want(&self.epoll, 0);
        let place = (watch.token & !OF_BUNDLES) as usize;
        self.socks[place] = None;
        self.free.push(place);
    }
}

/// A descriptor under watch.
#[derive(Debug)]
pub struct Watch {
    pub fd: RawFd,
    token: u64,
    wanted: u32,
}

impl Watch {
    /// Nothing wanted: out of epoll, which would go on to signal a hang-up.
    pub fn want(&mut self, epoll: &Epoll, wanted: u32) {
        match (self.wanted, wanted) {
            (before, now) if before == now => {}
            (0, _) => drop(epoll.add(self.fd, wanted, self.token)),
            (_, 0) => epoll.remove(self.fd),
            _ => epoll.change(self.fd, wanted, self.token),
        }
        self.wanted = wanted;
    }
}
