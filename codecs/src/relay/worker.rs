//! One media thread: its sockets, streams, legs, sessions and subscribers. Everything of a stream lives on one worker,
//! so nothing here is locked; a panic ends the stream it happened in.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::os::fd::RawFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use super::bundle_ground::OF_BUNDLES;
use super::bundle_thread::Thread as Bundles;
use super::container_out::LineOut;
use super::event::*;
use super::frame_out::FrameSubscriber;
use super::leg::Leg;
use super::path::Outbox;
use super::ports::Gates;
use super::queue::{Commands, Events};
use super::rtsp_out::Reader;
use super::session::Session;
pub use super::socks::{Alarm, Sock};
use super::subscriber::Subscriber;
use super::sys::{self, Epoll, RecvBatch};
use super::voices::Voices;
use super::wires::Wire;
use super::OrderError;
use crate::hub::stream::Stream;
use crate::hub::unit::{AccessUnit, Kind, TrackParams};
use crate::time::Micros;

/// A stream with those who read it.
pub struct Live {
    pub id: StreamId,
    pub hub: Stream,
    pub subscribers: Vec<Subscriber>,
    pub frame_subscribers: Vec<FrameSubscriber>,
    pub line_subscribers: Vec<LineOut>,
    pub legs: Vec<LegId>,
    /// When a key frame was last asked for, and a later wish that waits.
    pub(super) wished: Option<Micros>,
    pub(super) waiting_wish: Option<Cause>,
    /// Voices that talk with what the audio track gets.
    pub taps: Vec<VoiceId>,
    panic_next: bool,
}

pub struct Worker {
    pub index: usize,
    pub now: Micros,
    /// When the packet came that is worked on: for sockets that are read at the ticks of a clock.
    pub(super) arrival: Micros,
    pub epoll: Epoll,
    socks: Vec<Option<Sock>>,
    free: Vec<usize>,
    alarms: BinaryHeap<Reverse<(Micros, Alarm)>>,
    pub commands: Arc<Commands>,
    pub all: Arc<Vec<Arc<Commands>>>,
    pub events: Arc<Events>,
    pub streams: HashMap<StreamId, Live>,
    pub legs: HashMap<LegId, Leg>,
    pub wires: HashMap<WireId, Wire>,
    pub sessions: HashMap<SessionId, Session>,
    /// Which stream a subscription belongs to.
    pub subs: HashMap<SubId, StreamId>,
    pub sub_socks: HashMap<SubId, usize>,
    /// Sockets of RTSP readers.
    pub(super) readers: HashMap<SubId, Reader>,
    pub gates: Gates,
    pub outbox: Outbox,
    /// Taken out while its datagrams are handled; made anew if a panic lost it.
    pub batch: Option<RecvBatch>,
    /// Alarms that subscribers asked for while the stream was worked on.
    pub(super) timers: Vec<(Micros, SubId)>,
    pub(super) timers_of_lines: Vec<(Micros, SubId)>,
    /// What a stream socket is read into.
    pub(super) scratch: Vec<u8>,
    pub packets_in: u64,
    pub bytes_in: u64,
    pub unauthentic: u64,
    pub running: bool,
    /// Only the voice thread has them.
    pub voices: Option<Box<Voices>>,
    /// Where there is one media thread, that has them.
    pub(super) bundles: Option<Box<Bundles>>,
}

impl Worker {
    pub fn new(index: usize, all: Arc<Vec<Arc<Commands>>>, events: Arc<Events>) -> Result<Self, OrderError> {
        let epoll = Epoll::new()?;
        let commands = all[index].clone();
        if !epoll.add(commands.wake_fd(), sys::READ, 0) {
            return Err(OrderError::system("epoll_ctl"));
        }
        Ok(Self {
            index,
            now: Micros(sys::monotonic_us()),
            arrival: Micros(0),
            epoll,
            socks: vec![Some(Sock::Wake)],
            free: Vec::new(),
            alarms: BinaryHeap::new(),
            commands,
            all,
            events,
            streams: HashMap::new(),
            legs: HashMap::new(),
            wires: HashMap::new(),
            sessions: HashMap::new(),
            subs: HashMap::new(),
            sub_socks: HashMap::new(),
            readers: HashMap::new(),
            gates: Gates::default(),
            outbox: Outbox::default(),
            batch: None,
            timers: Vec::new(),
            timers_of_lines: Vec::new(),
            scratch: Vec::new(),
            packets_in: 0,
            bytes_in: 0,
            unauthentic: 0,
            running: true,
            voices: None,
            bundles: None,
        })
    }

    /// The voice thread: the same worker with a clock.
    pub fn with_voices(mut self) -> Result<Self, OrderError> {
        let voices = Voices::new()?;
        self.watch(voices.timer_fd(), sys::READ, Sock::Tick);
        self.voices = Some(Box::new(voices));
        Ok(self)
    }

    pub fn run(&mut self) {
        match self.voices {
            Some(_) => sys::keep_time_on_this_thread(),
            None => sys::prefer_this_thread(),
        }
        let mut ready = Vec::with_capacity(64);
        while self.running {
            let due = self.alarms.peek().map(|Reverse((at, _))| at.0.saturating_sub(sys::monotonic_us()));
            let due = due.into_iter().chain(self.bundles.as_mut().and_then(|b| b.wait_us())).min();
            ready.clear();
            self.epoll.wait(&mut ready, due);
            self.now = Micros(sys::monotonic_us());
            // Orders first: an answer may be waiting for what an order has just asked.
            ready.sort_unstable();
            let own = ready.partition_point(|token| token & OF_BUNDLES == 0);
            for token in &ready[..own] {
                if let Some(Some(sock)) = self.socks.get(*token as usize).copied() {
                    self.on_ready(sock);
                }
            }
            self.ring_alarms();
            self.turn_bundles(&mut ready[own..]);
        }
        if let Some(bundles) = self.bundles.take() {
            bundles.end();
        }
    }

    pub(super) fn on_ready(&mut self, sock: Sock) {
        match sock {
            Sock::Wake => {
                for command in self.commands.take() {
                    self.obey(command);
                }
            }
            Sock::LegRtp(id) => self.guard_leg(id, |w| w.leg_udp(id, false)),
            Sock::LegRtcp(id) => self.guard_leg(id, |w| w.leg_udp(id, true)),
            Sock::LegTcp(id) => self.guard_leg(id, |w| w.leg_tcp(id)),
            Sock::Line(handle) => self.line_ready(handle),
            Sock::LegFrames(id) => self.guard_leg(id, |w| w.leg_frames(id)),
            Sock::Port(id) => self.port_ready(id),
            Sock::SubRtp(id) => self.guard_sub(id, |w| w.sub_rtcp(id)),
            Sock::SubFrames(id) => self.guard_sub(id, |w| w.sub_frames(id)),
            Sock::LegRtsp(id, which) => self.guard_leg(id, |w| w.rtsp_leg_udp(id, which)),
            Sock::LegRtspTcp(id) => self.guard_leg(id, |w| w.rtsp_leg_tcp(id)),
            Sock::SubRtsp(id, which) => self.guard_sub(id, |w| w.rtsp_sub_rtcp(id, which)),
            Sock::SubRtspTcp(id) => self.guard_sub(id, |w| w.rtsp_sub_tcp(id)),
            Sock::SessionRtp(id) => self.own_socket_ready(id, false),
            Sock::SessionRtcp(id) => self.own_socket_ready(id, true),
            Sock::Tick => self.voice_clock_rings(),
            Sock::VoiceTcp(id) => self.guard_voice(id, |w| w.voice_tcp(id)),
            Sock::VoiceUsrp(id) => self.guard_voice(id, |w| w.voice_usrp(id)),
            Sock::VoicePcm(id) => self.guard_voice(id, |w| w.voice_pcm(id)),
        }
    }

    // ── sockets and alarms ──

    pub(super) fn token(&mut self, sock: Sock) -> usize {
        let token = self.free.pop().unwrap_or_else(|| {
            self.socks.push(None);
            self.socks.len() - 1
        });
        self.socks[token] = Some(sock);
        token
    }

    pub(super) fn sock(&self, token: u64) -> Option<Sock> {
        self.socks.get(token as usize).copied().flatten()
    }

    /// For reading at the ticks of the voice clock; elsewhere as `watch`.
    pub fn watch_calm(&mut self, fd: RawFd, sock: Sock) -> usize {
        let token = self.token(sock);
        match &self.voices {
            Some(voices) => voices.calm.add(fd, sys::READ, token as u64),
            None => self.epoll.add(fd, sys::READ, token as u64),
        };
        self.set_voice_clock();
        token
    }

    pub fn watch(&mut self, fd: RawFd, events: u32, sock: Sock) -> usize {
        let token = self.token(sock);
        self.epoll.add(fd, events, token as u64);
        token
    }

    /// The descriptor is closed already: only the token is left.
    pub fn forget(&mut self, token: usize) {
        self.socks[token] = None;
        self.free.push(token);
    }

    /// Before the descriptor is closed.
    pub fn unwatch(&mut self, fd: RawFd, token: usize) {
        self.epoll.remove(fd);
        if let Some(voices) = &self.voices {
            voices.calm.remove(fd);
        }
        self.socks[token] = None;
        self.free.push(token);
    }

    pub fn alarm(&mut self, at: Micros, what: Alarm) {
        if at.0 != u64::MAX {
            self.alarms.push(Reverse((at, what)));
        }
    }

    fn ring_alarms(&mut self) {
        // What a ring sets anew for now waits for the next round: sockets are never starved.
        for _ in 0..self.alarms.len() {
            match self.alarms.peek() {
                Some(Reverse((at, _))) if *at <= self.now => {}
                _ => return,
            }
            let Some(Reverse((at, what))) = self.alarms.pop() else { return };
            match what {
                Alarm::Leg(id) if self.legs.get(&id).is_some_and(|l| l.timer_at == at) => {
                    self.guard_leg(id, |w| w.leg_timer(id));
                }
                Alarm::Sub(id) => self.guard_sub(id, |w| w.sub_timer(id, at)),
                Alarm::Session(id) => self.session_timer(id, at),
                Alarm::Wish(id) => self.wish_timer(id),
                Alarm::Wire(id) => self.wire_timer(id),
                Alarm::Line(id) => self.line_ready(id),
                Alarm::Leg(_) => {}
            }
        }
    }

    // ── isolation ──

    pub(super) fn guard_leg(&mut self, id: LegId, work: impl FnOnce(&mut Self)) {
        if let Some(stream) = self.legs.get(&id).map(|l| l.stream) {
            self.guard(stream, work);
        }
    }

    pub fn guard_sub(&mut self, id: SubId, work: impl FnOnce(&mut Self)) {
        if let Some(stream) = self.subs.get(&id).copied() {
            self.guard(stream, work);
        }
    }

    /// Do a stream's work; if it panics, the stream ends and the worker goes on.
    pub fn guard(&mut self, stream: StreamId, work: impl FnOnce(&mut Self)) {
        // Whatever a panic left half done belongs to the stream, and that is dropped.
        let done = catch_unwind(AssertUnwindSafe(|| work(self)));
        if let Err(panic) = done {
            let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
            let detail = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            self.drop_stream(stream);
            self.events.push(Event::StreamPanic { stream, detail });
        }
    }

    // ── streams ──

    /// `beside`: time begins as that stream's did, so that what was cached of it there, and is older than this one, has no
    /// time below zero here: fragments of MP4 can't say one.
    pub fn open_stream(&mut self, id: StreamId, name: String, gop_bytes: usize, beside: Option<StreamId>) {
        let epoch = beside.and_then(|other| self.streams.get(&other)).map_or(self.now, |other| other.hub.epoch());
        let live = Live {
            id,
            hub: Stream::new(name, gop_bytes, epoch),
            subscribers: Vec::new(),
            frame_subscribers: Vec::new(),
            line_subscribers: Vec::new(),
            legs: Vec::new(),
            wished: None,
            waiting_wish: None,
            taps: Vec::new(),
            panic_next: false,
        };
        self.streams.insert(id, live);
    }

    pub fn panic_next(&mut self, stream: StreamId) {
        if let Some(live) = self.streams.get_mut(&stream) {
            live.panic_next = true;
        }
    }

    /// End a stream with its legs and subscriptions. Also works when a panic took the stream itself.
    pub fn drop_stream(&mut self, id: StreamId) {
        let legs: Vec<LegId> = self.legs.values().filter(|l| l.stream == id).map(|l| l.id).collect();
        for leg in legs {
            self.close_leg(leg);
        }
        let subs: Vec<SubId> = self.subs.iter().filter(|(_, s)| **s == id).map(|(sub, _)| *sub).collect();
        for sub in subs {
            self.unsubscribe(sub);
        }
        if let Some(live) = self.streams.remove(&id) {
            self.end_taps(&live.taps);
        }
    }

    /// Take a stream out to work on it beside the rest of the worker; `put` gives it back.
    pub fn take(&mut self, id: StreamId) -> Option<Live> {
        self.streams.remove(&id)
    }

    pub fn put(&mut self, live: Live) {
        self.streams.insert(live.id, live);
    }

    pub fn tracks_changed(&mut self, live: &mut Live, changed: Vec<TrackParams>) {
        if changed.is_empty() {
            return;
        }
        self.check_taps(live, &changed);
        for subscriber in &mut live.subscribers {
            subscriber.match_tracks(&live.hub, &self.events);
        }
        Self::sync_derived(live);
        for params in changed {
            for subscriber in &mut live.frame_subscribers {
                subscriber.track(&params);
            }
            for out in &mut live.line_subscribers {
                out.track(&params, &self.events);
            }
            self.events.push(Event::Track { stream: live.id, params });
        }
    }

    /// A unit from a leg: into the hub, and out to whoever wants the unit itself.
    pub fn unit(&mut self, live: &mut Live, leg: LegId, unit: &AccessUnit) -> bool {
        assert!(!std::mem::take(&mut live.panic_next), "asked for by a test");
        let mut changed = Vec::new();
        let pushed = live.hub.push(leg, unit, self.now, &mut changed);
        self.tracks_changed(live, changed);
        let taken = pushed == crate::hub::stream::Pushed::Frame;
        if taken {
            if unit.kind == Kind::Audio && !live.taps.is_empty() {
                self.pass_to_taps(live, unit);
            }
            if unit.kind == Kind::Video && unit.key {
                live.waiting_wish = None;
            }
            // The units' own times are the leg's; what leaves is on the stream's time line.
            let nobody = live.frame_subscribers.is_empty() && live.line_subscribers.is_empty();
            if let (false, Some(newest)) = (nobody, live.hub.track(unit.kind).and_then(|t| t.newest())) {
                let placed = AccessUnit { pts: newest.ts, dts: newest.ts + newest.decode, ..unit.clone() };
                for subscriber in &mut live.frame_subscribers {
                    subscriber.unit(&placed);
                }
                for out in &mut live.line_subscribers {
                    out.unit(&placed, self.now, &self.events);
                }
            }
        }
        taken
    }
}
