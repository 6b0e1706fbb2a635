//! The thread of all TLS connections, and its face. It starts with the first of them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, ServerConnection};

use super::between::{Between, State, CHUNK_BYTES, LIMIT_BYTES};
use super::trust::Kept;
use crate::relay::queue::lock;
use crate::relay::sys::{self, Epoll, EventFd};
use crate::relay::OrderError;

type Done<T> = Result<T, OrderError>;

const MAX_CONNECTIONS: usize = 4096;
const MAX_FAULTS: usize = 64;
const HANDSHAKE_US: u64 = 10_000_000;
/// A good-bye that does not leave is not waited for longer.
const GOODBYE_US: u64 = 2_000_000;
/// What is sent and not acknowledged for so long means that nobody is there.
const UNHEARD_MS: u32 = 30_000;
const WAKE: u64 = u64::MAX;

struct Shared {
    arrivals: Mutex<Vec<(Between, u64)>>,
    wake: EventFd,
    faults: Mutex<VecDeque<(u64, String)>>,
    stop: std::sync::atomic::AtomicBool,
    open: std::sync::atomic::AtomicUsize,
}

#[derive(Default)]
pub struct Tls {
    kept: Kept,
    running: Mutex<Option<(Arc<Shared>, JoinHandle<()>)>>,
}

/// Both ends of a stream socket pair.
fn pair() -> Done<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: fds has room for two; both are ours from here on.
    unsafe {
        let flags = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        if libc::socketpair(libc::AF_UNIX, flags, 0, fds.as_mut_ptr()) != 0 {
            return Err(OrderError::system("socketpair"));
        }
        Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])))
    }
}

/// What tells one socket from every other that is open.
fn identity(fd: &impl AsRawFd) -> u64 {
    // SAFETY: all zeros is a valid stat; a descriptor that is not open leaves it so.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        libc::fstat(fd.as_raw_fd(), &mut stat);
        stat.st_ino
    }
}

impl Tls {
    /// The plain end of a connection that we answer.
    pub fn server(&self, net: OwnedFd, certificate: &str, key: &str) -> Done<OwnedFd> {
        let config = self.kept.server(certificate, key)?;
        let tls = ServerConnection::new(config).map_err(|e| OrderError::new(format!("TLS: {e}")))?;
        self.add(Connection::Server(tls), net)
    }

    /// The plain end of a connection that we began.
    pub fn client(&self, net: OwnedFd, server_name: &str, ca: &str, verify: bool) -> Done<OwnedFd> {
        let name = match server_name.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => ServerName::IpAddress(ip.into()),
            Err(_) => ServerName::try_from(server_name.to_owned())
                .map_err(|_| OrderError::new("the server's name is no name"))?,
        };
        let config = self.kept.client(ca, verify)?;
        let tls = ClientConnection::new(config, name).map_err(|e| OrderError::new(format!("TLS: {e}")))?;
        self.add(Connection::Client(tls), net)
    }

    fn add(&self, mut tls: Connection, net: OwnedFd) -> Done<OwnedFd> {
        sys::check_socket(&net, libc::SOCK_STREAM)?;
        sys::send_at_once(&net);
        sys::give_up_after(&net, UNHEARD_MS);
        tls.set_buffer_limit(Some(LIMIT_BYTES));
        let (ours, theirs) = pair()?;
        let shared = self.shared()?;
        let open = &shared.open;
        if open.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= MAX_CONNECTIONS {
            open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
            return Err(OrderError::new("4096 TLS connections are open"));
        }
        lock(&shared.arrivals).push((Between::new(tls, net, ours), identity(&theirs)));
        shared.wake.raise();
        Ok(theirs)
    }

    fn shared(&self) -> Done<Arc<Shared>> {
        let mut running = lock(&self.running);
        if let Some((shared, _)) = &*running {
            return Ok(shared.clone());
        }
        let shared = Arc::new(Shared {
            arrivals: Mutex::default(),
            wake: EventFd::new()?,
            faults: Mutex::default(),
            stop: Default::default(),
            open: Default::default(),
        });
        let epoll = Epoll::new()?;
        if !epoll.add(shared.wake.raw(), sys::READ, WAKE) {
            return Err(OrderError::system("epoll_ctl"));
        }
        let worker = Thread { shared: shared.clone(), epoll, list: Vec::new(), free: Vec::new() };
        let thread = std::thread::Builder::new().name("fg-tls".into()).spawn(move || worker.run());
        let thread = thread.map_err(|e| OrderError::new(format!("starting the TLS thread: {e}")))?;
        *running = Some((shared.clone(), thread));
        Ok(shared)
    }

    /// Why the TLS behind this plain end failed; "" while it has not.
    pub fn fault(&self, plain: i32) -> String {
        let Some(shared) = lock(&self.running).as_ref().map(|(s, _)| s.clone()) else { return String::new() };
        let wanted = identity(&plain);
        let faults = lock(&shared.faults);
        faults.iter().rev().find(|(id, _)| *id == wanted).map(|(_, words)| words.clone()).unwrap_or_default()
    }

    pub fn close(&self) {
        if let Some((shared, thread)) = lock(&self.running).take() {
            shared.stop.store(true, std::sync::atomic::Ordering::Relaxed);
            shared.wake.raise();
            let _ = thread.join();
        }
    }
}

struct Held {
    between: Between,
    id: u64,
    watched: (u32, u32),
    /// When it is given up if it has come no further.
    deadline: u64,
}

struct Thread {
    shared: Arc<Shared>,
    epoll: Epoll,
    list: Vec<Option<Held>>,
    free: Vec<usize>,
}

impl Thread {
    fn run(mut self) {
        sys::prefer_this_thread();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut ready = Vec::with_capacity(64);
        while !self.shared.stop.load(std::sync::atomic::Ordering::Relaxed) {
            ready.clear();
            let now = sys::monotonic_us();
            let due = self.list.iter().flatten().map(|h| h.deadline).min();
            self.epoll.wait(&mut ready, due.filter(|at| *at != u64::MAX).map(|at| at.saturating_sub(now)));
            let mut last = None;
            ready.sort_unstable();
            for token in ready.iter().copied() {
                if token == WAKE {
                    self.shared.wake.clear();
                    let arrivals = std::mem::take(&mut *lock(&self.shared.arrivals));
                    arrivals.into_iter().for_each(|(between, id)| self.take_in(between, id, &mut buffer));
                } else if last != Some(token / 2) {
                    last = Some(token / 2);
                    self.turn((token / 2) as usize, &mut buffer);
                }
            }
            if due.is_some_and(|at| at <= sys::monotonic_us()) {
                self.give_up();
            }
        }
    }

    fn take_in(&mut self, between: Between, id: u64, buffer: &mut [u8]) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.list.push(None);
            self.list.len() - 1
        });
        let token = 2 * at as u64;
        self.epoll.add(between.net.as_raw_fd(), 0, token);
        self.epoll.add(between.plain.as_raw_fd(), 0, token + 1);
        let deadline = sys::monotonic_us() + HANDSHAKE_US;
        self.list[at] = Some(Held { between, id, watched: (0, 0), deadline });
        self.turn(at, buffer);
    }

    fn turn(&mut self, at: usize, buffer: &mut [u8]) {
        let Some(held) = self.list.get_mut(at).and_then(Option::as_mut) else { return };
        // A bug in the work for one connection ends that one.
        let turned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| held.between.turn(buffer)));
        match turned.unwrap_or_else(|_| State::Failed("internal error".into())) {
            State::Over => self.drop_at(at, None),
            State::Failed(words) => self.drop_at(at, Some(words)),
            State::Waits { net, plain, more } => {
                // Asking anew has an edge that is there told again.
                if held.watched.0 != net || more {
                    self.epoll.change(held.between.net.as_raw_fd(), net, 2 * at as u64);
                }
                if held.watched.1 != plain || more {
                    self.epoll.change(held.between.plain.as_raw_fd(), plain, 2 * at as u64 + 1);
                }
                held.watched = (net, plain);
                held.deadline = if held.between.is_ending() {
                    held.deadline.min(sys::monotonic_us() + GOODBYE_US)
                } else if held.between.is_shaking_hands() {
                    held.deadline
                } else {
                    u64::MAX
                };
            }
        }
    }

    fn give_up(&mut self) {
        let now = sys::monotonic_us();
        for at in 0..self.list.len() {
            let Some(held) = self.list[at].as_ref().filter(|h| h.deadline <= now) else { continue };
            let words = held.between.is_shaking_hands().then(|| "no TLS handshake within 10 s".to_owned());
            self.drop_at(at, words);
        }
    }

    fn drop_at(&mut self, at: usize, words: Option<String>) {
        let Some(held) = self.list[at].take() else { return };
        if let Some(words) = words {
            let mut faults = lock(&self.shared.faults);
            if faults.len() == MAX_FAULTS {
                faults.pop_front();
            }
            faults.push_back((held.id, words));
        }
        self.epoll.remove(held.between.net.as_raw_fd());
        self.epoll.remove(held.between.plain.as_raw_fd());
        self.free.push(at);
        self.shared.open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}
