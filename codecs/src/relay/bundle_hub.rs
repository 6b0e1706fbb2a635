//! The door to the thread that has the bundles: they begin with the first bundle or door, take orders by a queue with a
//! wake-up, and wake nobody while nothing is under way.

use std::net::IpAddr;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::bundle_thread::Thread;
use super::event::{BundleId, DoorId};
use super::order::Figure;
use super::order_bundle::{Dial, FlowOrder, PathOrder};
use super::queue::{lock, Events};
use super::sys::{Epoll, EventFd};
use super::OrderError;

/// Orders that may wait: Python gives one at a time, and the thread is never busy for long.
const MAX_ORDERS: usize = 65_536;
/// Named apart, their number is the handle's low byte: no media thread has it.
pub const BUNDLE_WORKER: u64 = 0xff;
/// Handles of bundles that come in by a door; below it the engine's own numbers.
pub(super) const INCOMING: u64 = 1 << 53;

pub type BundleFigures = Vec<(String, Figure)>;

/// A flow of frames and the subscription or leg at the other end of its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join {
    pub bundle: BundleId,
    pub flow: u16,
    pub out: bool,
    pub handle: u64,
}

pub enum BundleOrder {
    Join(Join),
    Dial { id: BundleId, order: Dial },
    Listen { id: DoorId, fd: OwnedFd, v6: bool, private: [u8; 32] },
    Admit { door: DoorId, peers: Vec<([u8; 32], String)> },
    AcceptStream { door: DoorId, fd: OwnedFd, initial: Vec<u8>, address: Option<IpAddr> },
    Path { bundle: BundleId, fd: OwnedFd, v6: bool, order: PathOrder },
    DropPath { bundle: BundleId, path: u8 },
    Flow { bundle: BundleId, fd: OwnedFd, order: FlowOrder },
    WantKey { bundle: BundleId, flow: u16 },
    CloseFlow { bundle: BundleId, flow: u16, out: bool },
    Stream { bundle: BundleId, fd: OwnedFd, purpose: String, stream: u32, answer: SyncSender<Result<u32, OrderError>> },
    Stats { handle: u64, answer: SyncSender<Option<BundleFigures>> },
    Close(u64),
    Stop,
}

/// What Python's side and the thread share.
pub struct BundleQueue {
    orders: Mutex<Vec<BundleOrder>>,
    wake: EventFd,
    /// Handles that are open, for a word to who names one that is not.
    open: Mutex<std::collections::HashSet<u64>>,
    next: AtomicUsize,
}

impl BundleQueue {
    fn new() -> Result<Arc<Self>, OrderError> {
        Ok(Arc::new(Self {
            orders: Mutex::default(),
            wake: EventFd::new()?,
            open: Mutex::default(),
            next: AtomicUsize::new(0),
        }))
    }

    pub fn push(&self, order: BundleOrder) {
        let mut orders = lock(&self.orders);
        if orders.len() < MAX_ORDERS {
            orders.push(order);
        }
        if orders.len() == 1 {
            self.wake.raise();
        }
    }

    pub fn take(&self) -> Vec<BundleOrder> {
        self.wake.clear();
        std::mem::take(&mut *lock(&self.orders))
    }

    pub fn wake_fd(&self) -> RawFd {
        self.wake.raw()
    }

    pub fn is_open(&self, handle: u64) -> bool {
        lock(&self.open).contains(&handle)
    }

    pub fn opened(&self, handle: u64) {
        lock(&self.open).insert(handle);
    }

    pub fn closed(&self, handle: u64) {
        lock(&self.open).remove(&handle);
    }

    /// A handle for a bundle that came in.
    pub fn incoming(&self) -> u64 {
        ((INCOMING | self.next.fetch_add(1, Ordering::Relaxed) as u64) << 8) | BUNDLE_WORKER
    }
}

pub struct BundleHub {
    pub queue: Arc<BundleQueue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl BundleHub {
    /// A thread for them alone.
    pub fn start(events: Arc<Events>) -> Result<Self, OrderError> {
        let queue = BundleQueue::new()?;
        let thread = Thread::new(Epoll::new()?, queue.clone(), events)?;
        let thread = std::thread::Builder::new().name("fg-bundle".to_owned()).spawn(move || thread.run());
        let thread = thread.map_err(|e| OrderError::new(format!("starting the bundle thread: {e}")))?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    /// In a media thread's loop, which is told of it by `Command::Bundles`.
    pub fn in_media_thread() -> Result<Self, OrderError> {
        Ok(Self { queue: BundleQueue::new()?, thread: Mutex::default() })
    }

    /// Farewells are sent, descriptors closed. One that lives in a media thread ends with it.
    pub fn stop(&self) {
        self.queue.push(BundleOrder::Stop);
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}
