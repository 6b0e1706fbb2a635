//! The SRT thread: it alone calls libsrt for connections, every few milliseconds rather than for each packet, and tells
//! the workers what there is; a picture that is to go out need not wait for that. Listeners live here (`srt_door`); while
//! nobody is there, it sleeps until one of them rings.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::event::*;
use super::line::Over;
use super::order::Command;
use super::queue::{lock, Commands, Events};
use super::srt_door::{Bell, Listener};
use super::srt_link::{Link, Peer, Phase};
use super::sys;
use super::wire_srt::SrtLine;
use super::wires::LineCommand;
use super::OrderError;
use crate::srt::poll::{Poll, Ready, ERR, IN};
use crate::srt::socket::{Options, Socket};

/// Between two looks at what is ready: packets of that time are read together.
const REST: Duration = Duration::from_millis(12);
/// Between two turns while all that there is are connections that did not come about yet.
const CALLING: Duration = Duration::from_millis(30);
/// Between two turns while nobody is there, but something is left to be done: a refusal to be told, memory to be given
/// back, a door to be put to rest.
const AFTERWARDS: Duration = Duration::from_millis(500);
/// Handles of wires that come in; below it the engine's own numbers.
const INCOMING: u64 = 1 << 54;
/// libsrt's buffers of a connection are some hundred kilobytes in many pieces, which the allocator keeps: once so many
/// have left, and none did for a while, it is asked to give them back.
const TIDY_AFTER: u32 = 32;
const TIDY_US: u64 = 5_000_000;

pub struct SrtHub {
    poll: Poll,
    listeners: Mutex<Vec<Arc<Listener>>>,
    bell: Arc<Bell>,
    running: AtomicBool,
    next: AtomicU64,
    media: usize,
    workers: Arc<Vec<Arc<Commands>>>,
    events: Arc<Events>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SrtHub {
    pub fn start(workers: Arc<Vec<Arc<Commands>>>, media: usize, events: Arc<Events>) -> Result<Arc<Self>, OrderError> {
        let poll = Poll::new().ok_or(OrderError::new("no libsrt on this system"))?;
        let hub = Arc::new(Self {
            poll,
            listeners: Mutex::default(),
            bell: Arc::default(),
            running: AtomicBool::new(true),
            next: AtomicU64::new(0),
            media,
            workers,
            events,
            thread: Mutex::new(None),
        });
        let body = hub.clone();
        let thread = std::thread::Builder::new().name("fg-srt".to_owned()).spawn(move || body.run());
        let thread = thread.map_err(|e| OrderError::new(format!("starting the SRT thread: {e}")))?;
        *lock(&hub.thread) = Some(thread);
        Ok(hub)
    }

    pub fn stop(&self) {
        self.running.store(false, Ordering::Release);
        self.bell.ring();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
        lock(&self.listeners).clear();
        self.bell.wait(Some(Duration::ZERO));
    }

    /// A connection of ours begins. Its line is to be held by a worker.
    pub fn connect(&self, to: SocketAddr, from: Option<SocketAddr>, options: &Options) -> Result<SrtLine, OrderError> {
        let socket = Socket::connect(to, from, options);
        let socket = socket.map_err(|why| OrderError::new(format!("connecting by SRT to {to}: {why}")))?;
        let link = Arc::new(Link::new(self.bell.clone()));
        // libsrt knows no peer of a caller.
        link.set_address(Some(to));
        let phase = Phase::Connecting { rendezvous: options.rendezvous };
        self.bell.comes(Peer::new(socket, phase, link.clone()));
        Ok(SrtLine::new(link))
    }

    // ── listeners ──

    pub fn listen(
        &self,
        wire: WireId,
        at: SocketAddr,
        options: &Options,
        phrases: Vec<(String, String)>,
        backlog: i32,
    ) -> Result<u16, OrderError> {
        let listener = Arc::new(Listener::open(wire, at, options, phrases, backlog, &self.bell)?);
        let port = listener.local().map_or(at.port(), |a| a.port());
        self.poll.add(listener.id, IN | ERR);
        lock(&self.listeners).push(listener);
        Ok(port)
    }

    fn listener(&self, wire: WireId) -> Option<Arc<Listener>> {
        lock(&self.listeners).iter().find(|l| l.wire == wire).cloned()
    }

    pub fn passphrases(&self, wire: WireId, list: Vec<(String, String)>) {
        if let Some(listener) = self.listener(wire) {
            listener.passphrases(list);
        }
    }

    pub fn latencies(&self, wire: WireId, list: HashMap<IpAddr, i32>) {
        if let Some(listener) = self.listener(wire) {
            listener.latencies(list);
        }
    }

    /// True when it was a listener of ours.
    pub fn close_listener(&self, wire: WireId) -> bool {
        let Some(listener) = self.listener(wire) else { return false };
        self.poll.remove(listener.id);
        lock(&self.listeners).retain(|l| l.wire != wire);
        listener.close();
        // The thread lets go of it.
        self.bell.ring();
        true
    }

    // ── the thread ──

    fn run(self: Arc<Self>) {
        let mut room = vec![Ready::default(); 1024];
        let mut peers: HashMap<i32, Peer> = HashMap::new();
        let mut scratch = Vec::new();
        let (mut left, mut left_us) = (0, 0);
        let mut nap = None;
        while self.running.load(Ordering::Acquire) {
            peers.extend(self.bell.wait(nap).into_iter().map(|p| (p.id(), p)));
            let listeners = lock(&self.listeners).clone();
            let now_us = sys::monotonic_us();
            let mut results: HashMap<i32, Result<(), Over>> = HashMap::new();
            for ready in self.poll.wait(&mut room, 0) {
                if let Some(peer) = peers.get_mut(&ready.socket) {
                    results.insert(ready.socket, peer.ready(now_us, &mut scratch));
                } else if let Some(listener) = listeners.iter().find(|l| l.id == ready.socket) {
                    while let Some(socket) = listener.accept() {
                        listener.came_in(socket.id());
                        listener.pace(true, now_us);
                        let peer = self.arrived(listener, socket);
                        peers.insert(peer.id(), peer);
                    }
                }
            }
            peers.retain(|id, peer| {
                if peer.link.closed.load(Ordering::Acquire) {
                    peer.leave(&self.poll);
                    (left, left_us) = (left + 1, now_us);
                    return false;
                }
                if let Some(handle) = peer.turn(&self.poll, now_us, results.remove(id).unwrap_or(Ok(())), &mut scratch)
                {
                    self.tell(handle, LineCommand::Ready(handle));
                }
                true
            });
            let (mut called, mut later) = (false, left >= TIDY_AFTER);
            for listener in &listeners {
                later |= listener.look(&self.events);
                called |= listener.is_called();
                later |= listener.pace(peers.values().any(|p| p.door == listener.wire), now_us);
            }
            if left >= TIDY_AFTER && now_us.saturating_sub(left_us) >= TIDY_US {
                left = 0;
                sys::give_memory_back();
            }
            nap = match peers.is_empty() {
                // A handshake takes a round trip or two.
                _ if called => Some(REST),
                true => later.then_some(AFTERWARDS),
                false if peers.values().all(Peer::is_calling) => Some(CALLING),
                false => Some(REST),
            };
        }
    }

    fn tell(&self, handle: u64, command: LineCommand) {
        if let Some(worker) = self.workers.get((handle & 0xff) as usize) {
            worker.push(Command::Line(command));
        }
    }

    fn arrived(&self, listener: &Listener, socket: Socket) -> Peer {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let id = ((INCOMING | n) << 8) | (n % self.media.max(1) as u64);
        let link = Arc::new(Link::new(self.bell.clone()));
        link.set_address(socket.peer());
        let line = Box::new(SrtLine::new(link.clone()));
        self.tell(id, LineCommand::OpenWire { id, line });
        Peer::new(socket, Phase::Incoming(listener.wire), link)
    }
}
