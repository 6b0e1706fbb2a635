//! What all bundles of the thread stand on: epoll and its tokens, doors, buffers, the way to Python, and the time.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::Arc;

use super::bundle_door::DoorHeld;
use super::bundle_hub::BundleQueue;
use super::bundle_send::Lane;
use super::event::{BundleId, BundleTold, DoorId, Event};
use super::queue::Events;
use super::sys::{self, Epoll};
use crate::time::Micros;

/// What a stream socket or a frame port is read into.
const SCRATCH_BYTES: usize = 128 << 10;

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
            lanes: Vec::new(),
        }
    }

    pub fn sock(&self, token: u64) -> Option<Sock> {
        self.socks.get(token as usize).copied().flatten()
    }

    pub fn tell(&self, told: BundleTold) {
        self.events.push(Event::Bundle(told));
    }

    /// Watch a descriptor; nothing is waited for before `Watch::want`.
    pub fn watch(&mut self, fd: RawFd, sock: Sock) -> Watch {
        let token = self.free.pop().unwrap_or_else(|| {
            self.socks.push(None);
            self.socks.len() - 1
        });
        self.socks[token] = Some(sock);
        Watch { fd, token, wanted: 0 }
    }

    /// Before its descriptor is closed.
    pub fn unwatch(&mut self, mut watch: Watch) {
        watch.want(&self.epoll, 0);
        self.socks[watch.token] = None;
        self.free.push(watch.token);
    }
}

/// A descriptor under watch.
#[derive(Debug)]
pub struct Watch {
    pub fd: RawFd,
    token: usize,
    wanted: u32,
}

impl Watch {
    /// Nothing wanted: out of epoll, which would go on to signal a hang-up.
    pub fn want(&mut self, epoll: &Epoll, wanted: u32) {
        match (self.wanted, wanted) {
            (before, now) if before == now => {}
            (0, _) => drop(epoll.add(self.fd, wanted, self.token as u64)),
            (_, 0) => epoll.remove(self.fd),
            _ => epoll.change(self.fd, wanted, self.token as u64),
        }
        self.wanted = wanted;
    }
}
