//! The engine: starts the threads, gives out handles, and turns calls into orders for the worker that owns the thing.
//! May be called from any thread.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{sync_channel, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::event::*;
use super::order::*;
use super::queue::{lock, Commands, Events};
use super::worker::Worker;
use super::{sys, OrderError};
use crate::rtp::srtp::SrtpKey;
use crate::voice::member::Levels;

pub const MAX_THREADS: usize = 64;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(200);

pub(super) type Done<T> = Result<T, OrderError>;

/// What is open, to refuse orders that need a thing that is gone.
#[derive(Default)]
pub(super) struct Registry {
    last: u64,
    pub(super) streams: HashMap<StreamId, ()>,
    pub(super) voices: HashMap<VoiceId, Arc<Levels>>,
    ports: HashMap<PortId, Arc<PortSocket>>,
    pub(super) sessions: HashMap<SessionId, SessionEntry>,
}

pub(super) struct SessionEntry {
    pub(super) ufrag: String,
    /// The worker of the first stream it is bound to.
    pub(super) home: Option<usize>,
    /// That is fixed: something was bound to it. With one media thread a home is only supposed at first.
    pub(super) bound: bool,
    /// It has a socket of its own.
    pub(super) own: bool,
    /// How it was armed last, for the thread that it turns out to live on.
    pub(super) arm: Option<Arc<dyn Fn() -> Command + Send + Sync>>,
}

pub struct Engine {
    workers: Arc<Vec<Arc<Commands>>>,
    /// Media threads: the voice thread is the worker after them.
    pub(super) media: usize,
    events: Arc<Events>,
    pub(super) registry: Mutex<Registry>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A handle says in its low byte which worker owns it.
pub(super) fn worker_of(handle: u64) -> usize {
    (handle & 0xff) as usize
}

impl Engine {
    pub fn start(threads: usize, event_capacity: usize) -> Done<Self> {
        let workers = (0..=threads).map(|i| Commands::new(i == threads).map(Arc::new)).collect::<Done<Vec<_>>>()?;
        let (workers, events) = (Arc::new(workers), Arc::new(Events::new(event_capacity)?));
        let handles = Mutex::new(Vec::with_capacity(threads + 1));
        let engine = Self { workers, media: threads, events, registry: Mutex::default(), threads: handles };
        for index in 0..=threads {
            let (all, events) = (engine.workers.clone(), engine.events.clone());
            let (told, started) = sync_channel(1);
            let make = move || match Worker::new(index, all, events)? {
                worker if index == threads => worker.with_voices(),
                worker => Ok(worker),
            };
            let body = move || match make() {
                Ok(mut worker) => {
                    let _ = told.send(Ok(()));
                    worker.run();
                }
                Err(error) => {
                    let _ = told.send(Err(error));
                }
            };
            let name = if index == threads { "fg-voice".to_owned() } else { format!("fg-media-{index}") };
            let thread = std::thread::Builder::new().name(name).spawn(body);
            let thread = thread.map_err(|e| OrderError::new(format!("starting a media thread: {e}")))?;
            lock(&engine.threads).push(thread);
            started.recv().unwrap_or_else(|_| Err(OrderError::new("a media thread ended at start")))?;
        }
        Ok(engine)
    }

    pub fn event_fd(&self) -> i32 {
        self.events.fd()
    }

    pub fn drain(&self, limit: usize) -> Vec<Event> {
        let events = self.events.drain(limit);
        for event in &events {
            // Who has read that a stream is gone gets an error from orders on it, not silence.
            if let Event::StreamPanic { stream, .. } = event {
                lock(&self.registry).streams.remove(stream);
            }
        }
        events
    }

    pub fn close(&self) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        if threads.is_empty() {
            return;
        }
        for worker in self.workers.iter() {
            worker.push(Command::Stop);
        }
        for thread in threads {
            let _ = thread.join();
        }
        // Descriptors in orders that nobody will carry out close with them.
        for worker in self.workers.iter() {
            worker.take();
        }
        *lock(&self.registry) = Registry::default();
    }

    // ── handles ──

    pub(super) fn new_id(&self, registry: &mut Registry, worker: usize) -> Done<u64> {
        if lock(&self.threads).is_empty() {
            return Err(OrderError::new("the engine is closed"));
        }
        registry.last += 1;
        Ok(registry.last << 8 | worker as u64)
    }

    pub(super) fn post(&self, handle: u64, command: Command) {
        if let Some(worker) = self.workers.get(worker_of(handle)) {
            if !lock(&self.threads).is_empty() {
                worker.push(command);
            }
        }
    }

    /// A new handle on the worker of `stream`.
    fn id_beside(&self, stream: StreamId) -> Done<u64> {
        let mut registry = lock(&self.registry);
        if !registry.streams.contains_key(&stream) {
            return Err(OrderError::new("no such stream"));
        }
        self.new_id(&mut registry, worker_of(stream))
    }

    // ── streams ──

    /// `near`: on the thread of that session.
    pub fn open_stream(&self, name: String, gop_bytes: usize, near: Option<SessionId>) -> Done<StreamId> {
        let mut registry = lock(&self.registry);
        let any = registry.last as usize % self.media;
        let worker = match near {
            Some(id) => {
                let entry = registry.sessions.get(&id).ok_or(OrderError::new("no such session"))?;
                entry.home.unwrap_or(any)
            }
            None => any,
        };
        let id = self.new_id(&mut registry, worker)?;
        registry.streams.insert(id, ());
        drop(registry);
        self.post(id, Command::OpenStream { id, name, gop_bytes });
        Ok(id)
    }

    pub fn close_stream(&self, stream: StreamId) {
        if lock(&self.registry).streams.remove(&stream).is_some() {
            self.post(stream, Command::CloseStream(stream));
        }
    }

    // ── legs ──

    pub fn open_rtp(&self, order: OpenRtp) -> Done<LegId> {
        for fd in [&order.udp, &order.rtcp].into_iter().flatten() {
            sys::check_socket(fd, libc::SOCK_DGRAM)?;
        }
        let id = self.id_beside(order.stream)?;
        self.post(id, Command::OpenRtp { id, order });
        Ok(id)
    }

    pub fn attach_tcp(&self, leg: LegId, fd: OwnedFd, initial: Vec<u8>) -> Done<()> {
        sys::check_socket(&fd, libc::SOCK_STREAM)?;
        self.post(leg, Command::AttachTcp { leg, fd, initial });
        Ok(())
    }

    pub fn open_frames_in(&self, stream: StreamId, fd: OwnedFd) -> Done<LegId> {
        sys::check_socket(&fd, libc::SOCK_SEQPACKET)?;
        let id = self.id_beside(stream)?;
        self.post(id, Command::OpenFramesIn { id, stream, fd });
        Ok(id)
    }

    pub fn open_session_in(
        &self,
        stream: StreamId,
        session: SessionId,
        video: Vec<RtpMap>,
        audio: Vec<RtpMap>,
    ) -> Done<LegId> {
        let id = self.id_beside(stream)?;
        self.bind(session, worker_of(stream))?;
        self.post(id, Command::OpenSessionIn { id, stream, session, video, audio });
        Ok(id)
    }

    pub fn close_leg(&self, leg: LegId) {
        self.post(leg, Command::CloseLeg(leg));
    }

    // ── ports and sessions ──

    pub fn open_port(&self, fd: OwnedFd) -> Done<PortId> {
        let v6 = sys::check_socket(&fd, libc::SOCK_DGRAM)?;
        let mut registry = lock(&self.registry);
        let id = self.new_id(&mut registry, 0)?;
        let socket = Arc::new(PortSocket { id, fd: Arc::new(fd), v6 });
        registry.ports.insert(id, socket.clone());
        drop(registry);
        self.post(id, Command::OpenPort { socket });
        Ok(id)
    }

    pub fn close_port(&self, port: PortId) {
        if lock(&self.registry).ports.remove(&port).is_some() {
            self.post(port, Command::ClosePort(port));
        }
    }

    pub fn open_session(&self, ufrag: String, pwd: String) -> Done<SessionId> {
        let mut registry = lock(&self.registry);
        if registry.sessions.values().any(|s| s.ufrag == ufrag) {
            return Err(OrderError::new("the ufrag is taken"));
        }
        let id = self.new_id(&mut registry, 0)?;
        // With one worker there is nothing to wait for.
        let home = (self.media == 1).then_some(0);
        let entry = SessionEntry { ufrag: ufrag.clone(), home, bound: false, own: false, arm: None };
        registry.sessions.insert(id, entry);
        drop(registry);
        self.post(id, Command::OpenSession { id, ufrag, pwd });
        Ok(id)
    }

    pub fn send_datagram(&self, session: SessionId, port: PortId, data: Vec<u8>, to: SocketAddr) {
        if port != 0 {
            self.post(port, Command::SendDatagram { session, port, data, to });
        } else {
            self.post(session, Command::SendOwnDatagram { session, data, to });
        }
    }

    pub fn arm_session(&self, session: SessionId, port: PortId, to: SocketAddr, tx: SrtpKey, rx: SrtpKey) -> Done<()> {
        let mut registry = lock(&self.registry);
        let socket = registry.ports.get(&port).cloned().ok_or(OrderError::new("no such port"))?;
        let entry = registry.sessions.get_mut(&session).ok_or(OrderError::new("no such session"))?;
        if entry.own {
            return Err(OrderError::new("a session with its own socket is armed by arm_rtp_session"));
        }
        let (tx, rx) = (Box::new(tx), Box::new(rx));
        let command = move || Command::Arm { session, socket: socket.clone(), to, tx: tx.clone(), rx: rx.clone() };
        if let Some(home) = entry.home {
            self.post(home as u64, command());
        }
        if !entry.bound {
            entry.arm = Some(Arc::new(command));
        }
        self.post(0, Command::Admit { session, port, to });
        Ok(())
    }

    pub fn move_session(&self, session: SessionId, port: PortId, to: SocketAddr) {
        let registry = lock(&self.registry);
        let (Some(socket), Some(entry)) = (registry.ports.get(&port).cloned(), registry.sessions.get(&session)) else {
            return;
        };
        self.post(0, Command::Admit { session, port, to });
        if let Some(home) = entry.home {
            self.post(home as u64, Command::Move { session, socket, to });
        }
    }

    /// Fix the worker of a session: that of the first stream it is bound to.
    pub(super) fn bind(&self, session: SessionId, worker: usize) -> Done<()> {
        let mut registry = lock(&self.registry);
        let entry = registry.sessions.get_mut(&session).ok_or(OrderError::new("no such session"))?;
        if entry.bound && entry.home == Some(worker) {
            return Ok(());
        }
        if entry.bound {
            return Err(OrderError::new("the session is bound to another media thread"));
        }
        let before = entry.home.replace(worker);
        entry.bound = true;
        let arm = entry.arm.take();
        drop(registry);
        match before {
            Some(before) if before == worker => return Ok(()),
            Some(before) => self.post(before as u64, Command::ForgetSession(session)),
            None => {}
        }
        self.post(0, Command::Home { session, worker });
        if let Some(arm) = arm {
            self.post(worker as u64, arm());
        }
        Ok(())
    }

    pub fn close_session(&self, session: SessionId) {
        let Some(entry) = lock(&self.registry).sessions.remove(&session) else { return };
        let (done, finished) = sync_channel(2);
        let mut asked: Vec<usize> = if entry.own { Vec::new() } else { vec![0] };
        asked.extend(entry.home.filter(|home| entry.own || *home != 0));
        for worker in &asked {
            self.post(*worker as u64, Command::CloseSession { session, done: done.clone() });
        }
        drop(done);
        let deadline = Instant::now() + PATIENCE;
        for _ in asked {
            if finished.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_err() {
                return;
            }
        }
    }

    // ── subscriptions ──

    pub fn subscribe_session(&self, session: SessionId, order: Subscribe) -> Done<SubId> {
        let id = self.id_beside(order.stream)?;
        self.bind(session, worker_of(order.stream))?;
        self.post(id, Command::SubscribeSession { id, session, order });
        Ok(id)
    }

    pub fn subscribe_rtp(&self, fd: OwnedFd, to: SocketAddr, key: Option<SrtpKey>, order: Subscribe) -> Done<SubId> {
        let v6 = sys::check_socket(&fd, libc::SOCK_DGRAM)?;
        if to.is_ipv6() && !v6 {
            return Err(OrderError::new("an IPv4 socket can not send to an IPv6 address"));
        }
        let id = self.id_beside(order.stream)?;
        self.post(id, Command::SubscribeRtp { id, fd, to, key: key.map(Box::new), order });
        Ok(id)
    }

    pub fn open_frames_out(&self, stream: StreamId, fd: OwnedFd, key_frames_only: bool) -> Done<SubId> {
        sys::check_socket(&fd, libc::SOCK_SEQPACKET)?;
        let id = self.id_beside(stream)?;
        self.post(id, Command::OpenFramesOut { id, stream, fd, key_frames_only });
        Ok(id)
    }

    pub fn unsubscribe(&self, subscription: SubId) {
        self.post(subscription, Command::Unsubscribe(subscription));
    }

    // ── figures ──

    /// For tests of the isolation.
    pub fn panic_stream(&self, stream: StreamId) {
        self.post(stream, Command::Panic(stream));
    }

    pub(super) fn wait<T>(&self, answer: &Receiver<T>) -> Done<T> {
        answer.recv_timeout(PATIENCE).map_err(|_| OrderError::new("the media thread did not answer in 200 ms"))
    }

    pub fn stream_stats(&self, stream: StreamId) -> Done<Figures> {
        let (answer, got) = sync_channel(1);
        self.post(stream, Command::StreamStats { stream: Some(stream), answer });
        let list = self.wait(&got)?;
        list.into_iter().next().map(|(_, f)| f).ok_or(OrderError::new("no such stream"))
    }

    pub fn all_stream_stats(&self) -> Done<Vec<(StreamId, Figures)>> {
        let (answer, got) = sync_channel(self.workers.len());
        for worker in 0..self.workers.len() as u64 {
            self.post(worker, Command::StreamStats { stream: None, answer: answer.clone() });
        }
        let mut all = Vec::new();
        for _ in 0..self.workers.len() {
            all.extend(self.wait(&got)?);
        }
        Ok(all)
    }

    pub fn leg_stats(&self, leg: LegId) -> Done<Figures> {
        let (answer, got) = sync_channel(1);
        self.post(leg, Command::LegStats { leg, answer });
        self.wait(&got)?.ok_or(OrderError::new("no such leg"))
    }

    pub fn subscription_stats(&self, subscription: SubId) -> Done<Figures> {
        let (answer, got) = sync_channel(1);
        self.post(subscription, Command::SubStats { subscription, answer });
        self.wait(&got)?.ok_or(OrderError::new("no such subscription"))
    }

    pub fn engine_stats(&self) -> Done<Figures> {
        let (answer, got) = sync_channel(self.workers.len());
        for worker in 0..self.workers.len() as u64 {
            self.post(worker, Command::EngineStats { answer: answer.clone() });
        }
        let mut sum: Figures = Vec::new();
        for _ in 0..self.workers.len() {
            let share = self.wait(&got)?;
            if sum.is_empty() {
                sum = share;
                continue;
            }
            for ((_, total), (_, part)) in sum.iter_mut().zip(share) {
                if let (Figure::Int(total), Figure::Int(part)) = (total, part) {
                    *total += part;
                }
            }
        }
        sum.push(("events_lost", Figure::Int(self.events.lost_ever() as i64)));
        Ok(sum)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}
