//! The SRT thread: it alone calls libsrt for connections, every few milliseconds rather than for each packet, and tells
//! the workers what there is. Listeners live here.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::event::*;
use super::line::Over;
use super::order::Command;
use super::queue::{lock, Commands, Events};
use super::srt_link::{Link, Peer, Phase};
use super::sys;
use super::wire_srt::SrtLine;
use super::wires::LineCommand;
use super::OrderError;
use crate::srt::library::{library, Calling, Options, Poll, Ready, Socket, State, ERR, IN};
use crate::srt::selector;

/// Between two looks at what is ready: packets of that time are read together.
const REST: Duration = Duration::from_millis(8);
/// Between two looks at listeners alone.
const WATCH: Duration = Duration::from_millis(50);
/// Between two turns while all that there is are connections that did not come about yet.
const CALLING: Duration = Duration::from_millis(30);
const IDLE: Duration = Duration::from_millis(500);
/// Handles of wires that come in; below it the engine's own numbers.
const INCOMING: u64 = 1 << 54;
/// Callers at one door whose handshake goes on, and how long it may.
const MAX_CALLING: usize = 1024;
const PATIENCE_US: u64 = 2_000_000;
const TELL_US: u64 = 1_000_000;
/// libsrt's buffers of a connection are some hundred kilobytes in many pieces, which the allocator keeps: once so many
/// have left, and none did for a while, it is asked to give them back.
const TIDY_AFTER: u32 = 32;
const TIDY_US: u64 = 5_000_000;
/// SRT_REJX_UNAUTHORIZED.
const UNAUTHORIZED: i32 = 1401;

struct Caller {
    socket: i32,
    since: u64,
    from: Option<SocketAddr>,
    stream_id: String,
}

/// What a listener knows when somebody knocks; also used by libsrt's own thread.
#[derive(Default)]
pub struct Door {
    passphrases: Mutex<Vec<(String, String)>>,
    /// Milliseconds for callers of these hosts.
    latencies: Mutex<HashMap<IpAddr, i32>>,
    calling: Mutex<Vec<Caller>>,
    /// Refused since the last word of it: how many, and the last one.
    refused: Mutex<(u64, String)>,
}

static DOORS: Mutex<Option<HashMap<u64, Arc<Door>>>> = Mutex::new(None);
static DOOR_NUMBERS: AtomicU64 = AtomicU64::new(1);

fn door(tag: u64) -> Option<Arc<Door>> {
    lock(&DOORS).as_ref()?.get(&tag).cloned()
}

/// Called by libsrt for each handshake, more than once for the same.
fn knock(tag: u64, calling: &Calling, from: Option<SocketAddr>, stream_id: &str) -> bool {
    let Some(door) = door(tag) else { return false };
    // Copied: who sets other passphrases must not wait for libsrt.
    let phrase = selector::passphrase(&lock(&door.passphrases), stream_id).map(str::to_owned);
    let let_in = phrase.is_some_and(|p| p.is_empty() || calling.passphrase(&p));
    if !let_in {
        calling.refuse(UNAUTHORIZED);
        door.refuse(from, stream_id, "no passphrase is set for it");
        return false;
    }
    if let Some(ms) = from.and_then(|a| lock(&door.latencies).get(&a.ip()).copied()) {
        calling.latency(ms);
    }
    let mut list = lock(&door.calling);
    if list.len() < MAX_CALLING {
        let (socket, since, stream_id) = (calling.id(), sys::monotonic_us(), stream_id.to_owned());
        list.push(Caller { socket, since, from, stream_id });
    }
    true
}

impl Door {
    fn refuse(&self, from: Option<SocketAddr>, stream_id: &str, why: &str) {
        let who = from.map(|a| a.to_string()).unwrap_or_default();
        let shown: String = selector::shown(stream_id).chars().filter(|c| !c.is_control()).take(128).collect();
        let mut refused = lock(&self.refused);
        *refused = (refused.0 + 1, format!("{who} {shown:?}: {why}"));
    }
}

pub struct Listener {
    wire: WireId,
    tag: u64,
    id: i32,
    /// None once it is closed: the SRT thread may look at it a moment longer.
    socket: Mutex<Option<Socket>>,
    door: Arc<Door>,
    told: AtomicU64,
}

impl Listener {
    fn accept(&self) -> Option<Socket> {
        lock(&self.socket).as_ref().and_then(Socket::accept)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(doors) = lock(&DOORS).as_mut() {
            doors.remove(&self.tag);
        }
    }
}

pub struct SrtHub {
    poll: Poll,
    listeners: Mutex<Vec<Arc<Listener>>>,
    /// Connections that the thread has not seen yet.
    newcomers: Mutex<Vec<Peer>>,
    changed: Condvar,
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
            newcomers: Mutex::default(),
            changed: Condvar::new(),
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
        self.changed.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
        lock(&self.listeners).clear();
        lock(&self.newcomers).clear();
    }

    /// A connection of ours begins. Its line is to be held by a worker.
    pub fn connect(&self, to: SocketAddr, from: Option<SocketAddr>, options: &Options) -> Result<SrtLine, OrderError> {
        let socket = Socket::connect(to, from, options);
        let socket = socket.map_err(|why| OrderError::new(format!("connecting by SRT to {to}: {why}")))?;
        let link = Arc::new(Link::default());
        // libsrt knows no peer of a caller.
        link.set_address(Some(to));
        let phase = Phase::Connecting { rendezvous: options.rendezvous };
        lock(&self.newcomers).push(Peer::new(socket, phase, link.clone()));
        self.changed.notify_all();
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
        let door = Arc::new(Door { passphrases: Mutex::new(phrases), ..Door::default() });
        let tag = DOOR_NUMBERS.fetch_add(1, Ordering::Relaxed);
        lock(&DOORS).get_or_insert_default().insert(tag, door.clone());
        let socket = Socket::listen(at, options, backlog, tag, knock).map_err(|why| {
            if let Some(doors) = lock(&DOORS).as_mut() {
                doors.remove(&tag);
            }
            OrderError::new(format!("listening for SRT on {at}: {why}"))
        })?;
        let port = socket.local().map_or(at.port(), |a| a.port());
        let id = socket.id();
        let socket = Mutex::new(Some(socket));
        let listener = Arc::new(Listener { wire, tag, id, socket, door, told: AtomicU64::new(0) });
        self.poll.add(id, IN | ERR);
        lock(&self.listeners).push(listener);
        self.changed.notify_all();
        Ok(port)
    }

    fn listener(&self, wire: WireId) -> Option<Arc<Listener>> {
        lock(&self.listeners).iter().find(|l| l.wire == wire).cloned()
    }

    pub fn passphrases(&self, wire: WireId, list: Vec<(String, String)>) {
        if let Some(listener) = self.listener(wire) {
            *lock(&listener.door.passphrases) = list;
        }
    }

    pub fn latencies(&self, wire: WireId, list: HashMap<IpAddr, i32>) {
        if let Some(listener) = self.listener(wire) {
            *lock(&listener.door.latencies) = list;
        }
    }

    /// True when it was a listener of ours.
    pub fn close_listener(&self, wire: WireId) -> bool {
        let Some(listener) = self.listener(wire) else { return false };
        self.poll.remove(listener.id);
        lock(&self.listeners).retain(|l| l.wire != wire);
        // Here, so that its port is free when this returns; and under no lock that others wait for.
        let socket = lock(&listener.socket).take();
        drop(socket);
        true
    }

    // ── the thread ──

    fn run(self: Arc<Self>) {
        let mut room = vec![Ready::default(); 1024];
        let mut peers: HashMap<i32, Peer> = HashMap::new();
        let mut scratch = Vec::new();
        let (mut left, mut left_us) = (0, 0);
        while self.running.load(Ordering::Acquire) {
            let listeners = lock(&self.listeners).clone();
            {
                let newcomers = lock(&self.newcomers);
                if newcomers.is_empty() && peers.is_empty() {
                    let nap = if listeners.is_empty() { IDLE } else { WATCH };
                    // Also the way to notice a stop that came just before.
                    drop(self.changed.wait_timeout(newcomers, nap));
                }
            }
            peers.extend(std::mem::take(&mut *lock(&self.newcomers)).into_iter().map(|p| (p.id(), p)));
            let now_us = sys::monotonic_us();
            let mut results: HashMap<i32, Result<(), Over>> = HashMap::new();
            for ready in self.poll.wait(&mut room, 0) {
                if let Some(peer) = peers.get_mut(&ready.socket) {
                    results.insert(ready.socket, peer.ready(now_us, &mut scratch));
                } else if let Some(listener) = listeners.iter().find(|l| l.id == ready.socket) {
                    while let Some(socket) = listener.accept() {
                        lock(&listener.door.calling).retain(|c| c.socket != socket.id());
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
            self.look_at_doors(&listeners);
            if left >= TIDY_AFTER && now_us.saturating_sub(left_us) >= TIDY_US {
                left = 0;
                sys::give_memory_back();
            }
            let calling = !peers.is_empty() && peers.values().all(Peer::is_calling);
            std::thread::sleep(if calling { CALLING } else { REST });
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
        let link = Arc::new(Link::default());
        link.set_address(socket.peer());
        let line = Box::new(SrtLine::new(link.clone()));
        self.tell(id, LineCommand::OpenWire { id, line });
        Peer::new(socket, Phase::Incoming(listener.wire), link)
    }

    /// Who knocked and is gone without having come in had the wrong passphrase; told at most once a second.
    fn look_at_doors(&self, listeners: &[Arc<Listener>]) {
        let now = sys::monotonic_us();
        let gone = |c: &Caller| library().is_none_or(|l| l.state(c.socket) == State::Gone);
        for listener in listeners {
            let mut failed = Vec::new();
            lock(&listener.door.calling).retain_mut(|c| {
                let left = gone(c);
                if left {
                    failed.push((c.from, std::mem::take(&mut c.stream_id)));
                }
                !left && now.saturating_sub(c.since) < PATIENCE_US
            });
            for (from, stream_id) in failed {
                listener.door.refuse(from, &stream_id, "the passphrase is wrong or missing");
            }
            if now.saturating_sub(listener.told.load(Ordering::Relaxed)) < TELL_US {
                continue;
            }
            let (count, last) = std::mem::take(&mut *lock(&listener.door.refused));
            if count > 0 {
                listener.told.store(now, Ordering::Relaxed);
                let detail = if count > 1 { format!("{last} (and {} more)", count - 1) } else { last };
                let code = "srt-refused";
                self.events.push(Event::Wire(WireTold {
                    code,
                    detail,
                    ..WireTold::new(listener.wire, WireState::Closed)
                }));
            }
        }
    }
}
