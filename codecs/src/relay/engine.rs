//! The engine: starts the threads, gives out handles, and turns calls into orders for the worker that owns the thing.
//! May be called from any thread.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{sync_channel, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::bundle_hub::BundleHub;
use super::event::*;
use super::order::*;
use super::queue::{lock, Commands, Events};
use super::srt_hub::SrtHub;
use super::worker::Worker;
use super::{sys, OrderError};
use crate::rtp::srtp::SrtpKey;
use crate::tls::Tls;
use crate::voice::member::Levels;

pub const MAX_THREADS: usize = 64;
/// How long an answer is waited for.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

pub(super) type Done<T> = Result<T, OrderError>;

/// What is open, to refuse orders that need a thing that is gone.
#[derive(Default)]
pub(super) struct Registry {
    last: u64,
    pub(super) streams: HashMap<StreamId, ()>,
    pub(super) voices: HashMap<VoiceId, Arc<Levels>>,
    pub(super) ports: HashMap<PortId, Arc<PortSocket>>,
    pub(super) sessions: HashMap<SessionId, SessionEntry>,
}

impl Registry {
    /// Which media thread has its turn.
    pub(super) fn turn(&self, media: usize) -> usize {
        self.last as usize % media
    }
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
    pub(super) workers: Arc<Vec<Arc<Commands>>>,
    /// Started when SRT is first asked for.
    pub(super) srt: Mutex<Option<Arc<SrtHub>>>,
    /// Started with the first link bundle.
    pub(super) bundles: Mutex<Option<Arc<BundleHub>>>,
    /// Media threads: the voice thread is the worker after them.
    pub(super) media: usize,
    pub(super) events: Arc<Events>,
    pub(super) registry: Mutex<Registry>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    pub tls: Tls,
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
        let engine = Self {
            workers,
            srt: Mutex::default(),
            bundles: Mutex::default(),
            media: threads,
            events,
            registry: Mutex::default(),
            threads: handles,
            tls: Tls::default(),
        };
        // The library of ciphers gathers chance for 40 ms before it first gives any: beside the start, and not in a media
        // thread when the first viewer comes.
        let seed = || {
            let _ = aws_lc_rs::rand::fill(&mut [0; 8]);
        };
        lock(&engine.threads).extend(std::thread::Builder::new().name("fg-seed".to_owned()).spawn(seed));
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
        self.tls.close();
        let threads = std::mem::take(&mut *lock(&self.threads));
        if threads.is_empty() {
            return;
        }
        if let Some(srt) = lock(&self.srt).take() {
            srt.stop();
        }
        let bundles = lock(&self.bundles).take();
        if let Some(bundles) = &bundles {
            bundles.stop();
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
        if let Some(bundles) = bundles {
            bundles.queue.take();
        }
        *lock(&self.registry) = Registry::default();
    }

    // ── handles ──

    pub(super) fn check_open(&self) -> Done<()> {
        if lock(&self.threads).is_empty() {
            return Err(OrderError::new("the engine is closed"));
        }
        Ok(())
    }

    pub(super) fn new_id(&self, registry: &mut Registry, worker: usize) -> Done<u64> {
        self.check_open()?;
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
    pub(super) fn id_beside(&self, stream: StreamId) -> Done<u64> {
        let mut registry = lock(&self.registry);
        if !registry.streams.contains_key(&stream) {
            return Err(OrderError::new("no such stream"));
        }
        self.new_id(&mut registry, worker_of(stream))
    }

    // ── streams ──

    /// `near`: on the thread of that session; `beside`: on that of the stream, and its time begins as that one's did.
    pub fn open_stream(
        &self,
        name: String,
        gop_bytes: usize,
        near: Option<SessionId>,
        beside: Option<StreamId>,
    ) -> Done<StreamId> {
        let mut registry = lock(&self.registry);
        let any = registry.turn(self.media);
        let worker = match (near, beside) {
            (Some(_), Some(_)) => return Err(OrderError::new("near a session or beside a stream, not both")),
            (Some(id), None) => {
                let entry = registry.sessions.get(&id).ok_or(OrderError::new("no such session"))?;
                entry.home.unwrap_or(any)
            }
            (None, Some(id)) if registry.streams.contains_key(&id) => worker_of(id),
            (None, Some(_)) => return Err(OrderError::new("no such stream")),
            (None, None) => any,
        };
        let id = self.new_id(&mut registry, worker)?;
        registry.streams.insert(id, ());
        drop(registry);
        self.post(id, Command::OpenStream { id, name, gop_bytes, beside });
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

    /// `of`: a stream of the same thread that the units are made of.
    pub fn open_frames_in(&self, stream: StreamId, fd: OwnedFd, stall_ms: u64, of: Option<StreamId>) -> Done<LegId> {
        sys::check_socket(&fd, libc::SOCK_SEQPACKET)?;
        if of.is_some_and(|of| worker_of(of) != worker_of(stream)) {
            return Err(OrderError::new("the stream that it is made of lives on another media thread"));
        }
        let id = self.id_beside(stream)?;
        self.post(id, Command::OpenFramesIn { id, stream, fd, stall_ms, of });
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

    /// It goes on with another stream of the same worker.
    pub fn move_subscription(&self, subscription: SubId, stream: StreamId) -> Done<()> {
        if !lock(&self.registry).streams.contains_key(&stream) {
            return Err(OrderError::new("no such stream"));
        }
        if worker_of(subscription) != worker_of(stream) {
            return Err(OrderError::new("the stream lives on another media thread: open it beside the first"));
        }
        self.post(subscription, Command::MoveSubscription { id: subscription, stream });
        Ok(())
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
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}
