//! From a stream to its subscribers: who is sent to and when, and whose wish for a key frame goes upstream.

use super::choice::Side;
use super::event::*;
use super::frame_out::FrameSubscriber;
use super::order::Subscribe;
use super::subscriber::{Ground, Subscriber};
use super::worker::{Alarm, Live, Worker};
use crate::packet::Form;
use crate::time::Micros;

/// A key frame is asked for at most once in this time per stream.
const WISH_US: u64 = 500_000;

impl Worker {
    /// New frames are there: send what may be sent.
    pub fn pump_all(&mut self, live: &mut Live) {
        let (now, mut wish) = (self.now, None);
        let timers = &mut self.timers;
        let Live { hub, subscribers, frame_subscribers, .. } = live;
        for subscriber in subscribers {
            let before = subscriber.timer_at;
            let mut ground = Ground { outbox: &mut self.outbox, events: &self.events, now, wish: None };
            subscriber.pump(hub, &mut ground);
            wish = wish.or(ground.wish);
            if subscriber.timer_at != before && subscriber.timer_at.0 != u64::MAX {
                timers.push((subscriber.timer_at, subscriber.id));
            }
        }
        while let Some((at, id)) = self.timers.pop() {
            self.alarm(at, Alarm::Sub(id));
        }
        for subscriber in frame_subscribers {
            if subscriber.flush(self.bundles.as_deref_mut()) {
                wish = wish.or(Some(Cause::Join));
            }
            if let (Some(events), Some(token)) = (subscriber.watch(), self.sub_socks.get(&subscriber.id)) {
                self.epoll.change(subscriber.fd(), events, *token as u64);
            }
        }
        wish = wish.or(self.pump_lines(live));
        if let Some(cause) = wish {
            self.wish(live, cause);
        }
    }

    pub fn pump_one(&mut self, live: &mut Live, sub: SubId) {
        let Some(subscriber) = live.subscribers.iter_mut().find(|s| s.id == sub) else { return };
        let mut ground = Ground { outbox: &mut self.outbox, events: &self.events, now: self.now, wish: None };
        subscriber.pump(&live.hub, &mut ground);
        let (at, wish) = (subscriber.timer_at, ground.wish);
        self.alarm(at, Alarm::Sub(sub));
        if let Some(cause) = wish {
            self.wish(live, cause);
        }
    }

    pub(super) fn sub_timer(&mut self, sub: SubId, at: Micros) {
        let Some(mut live) = self.subs.get(&sub).copied().and_then(|s| self.take(s)) else { return };
        if live.subscribers.iter().any(|s| s.id == sub && s.timer_at == at) {
            self.pump_one(&mut live, sub);
        }
        self.put(live);
    }

    /// Ask for a key frame: upstream where the leg can carry it, and as an event; at most once in 500 ms.
    pub fn wish(&mut self, live: &mut Live, cause: Cause) {
        if live.wished.is_some_and(|at| self.now.since(at) < WISH_US) {
            if live.waiting_wish.is_none() {
                live.waiting_wish = Some(cause);
                let at = Micros(live.wished.map_or(0, |w| w.0) + WISH_US);
                self.alarm(at, Alarm::Wish(live.id));
            }
            return;
        }
        live.wished = Some(self.now);
        live.waiting_wish = None;
        self.events.push(Event::KeyFrameWanted { stream: live.id, cause });
        for leg in live.legs.clone() {
            self.leg_wants_key(leg);
        }
    }

    /// The wait is over; if no key frame came meanwhile, the later wish is told.
    pub(super) fn wish_timer(&mut self, id: StreamId) {
        let Some(mut live) = self.take(id) else { return };
        if let Some(cause) = live.waiting_wish.take() {
            self.wish(&mut live, cause);
        }
        self.put(live);
    }

    pub fn subscribe(&mut self, subscriber: Subscriber) {
        let (id, stream) = (subscriber.id, subscriber.stream);
        let Some(mut live) = self.take(stream) else { return };
        self.subs.insert(id, stream);
        live.subscribers.push(subscriber);
        if let Some(s) = live.subscribers.last_mut() {
            s.match_tracks(&live.hub, &self.events);
        }
        Self::sync_derived(&mut live);
        self.put(live);
        self.guard(stream, |w| {
            let Some(mut live) = w.take(stream) else { return };
            w.pump_one(&mut live, id);
            w.put(live);
        });
    }

    /// Sound is converted to what subscribers want of it, and to nothing else; the picture in single NAL unit packets
    /// is kept while somebody takes those.
    pub(super) fn sync_derived(live: &mut Live) {
        let mut wanted: Vec<_> = live.subscribers.iter().filter_map(Subscriber::wants_derived).collect();
        wanted.sort_unstable_by_key(|f| (f.name(), f.clock_hz(), f.rate_hz()));
        wanted.dedup();
        live.hub.keep_derived(&wanted);
        live.hub.keep_singles(live.subscribers.iter().any(|s| s.wants(Form::SingleNalUnits)));
        for subscriber in &mut live.subscribers {
            subscriber.take_derived(&live.hub);
        }
    }

    pub fn unsubscribe(&mut self, sub: SubId) {
        let Some(stream) = self.subs.remove(&sub) else { return };
        for session in self.sessions.values_mut() {
            session.subs.retain(|s| *s != sub);
        }
        let (mut rtp, mut frames, mut line) = (None, None, None);
        if let Some(live) = self.streams.get_mut(&stream) {
            if let Some(at) = live.subscribers.iter().position(|s| s.id == sub) {
                rtp = Some(live.subscribers.swap_remove(at));
                Self::sync_derived(live);
            } else if let Some(at) = live.frame_subscribers.iter().position(|s| s.id == sub) {
                frames = Some(live.frame_subscribers.swap_remove(at));
            } else if let Some(at) = live.line_subscribers.iter().position(|s| s.id == sub) {
                line = Some(live.line_subscribers.swap_remove(at));
            }
        }
        if let Some(gone) = line {
            drop(self.let_go(gone.held));
        }
        self.drop_reader(sub);
        if let Some(token) = self.sub_socks.remove(&sub) {
            let fd = rtp.as_ref().and_then(Subscriber::own_fd).or(frames.as_ref().map(FrameSubscriber::fd));
            match fd {
                Some(fd) => self.unwatch(fd, token),
                // The stream was lost to a panic and its sockets are closed: only the token is left.
                None => {
                    self.forget(token);
                }
            }
        }
        if let Some(mut gone) = rtp {
            gone.bye(&mut self.outbox);
        }
    }

    /// Another stream for the same peer: one source goes on, with its numbers and its time.
    pub fn move_subscription(&mut self, sub: SubId, to: StreamId) {
        let Some(from) = self.subs.get(&sub).copied().filter(|from| *from != to) else { return };
        if !self.streams.contains_key(&to) {
            return;
        }
        let Some(mut old) = self.take(from) else { return };
        let Some(at) = old.subscribers.iter().position(|s| s.id == sub) else {
            self.move_line(sub, &mut old, to);
            return self.put(old);
        };
        let mut subscriber = old.subscribers.swap_remove(at);
        Self::sync_derived(&mut old);
        if let Some(new) = self.streams.get(&to) {
            subscriber.move_to(to, &old.hub, &new.hub, self.now);
        }
        self.put(old);
        self.subscribe(subscriber);
    }

    pub fn random_start() -> [super::egress::Start; 2] {
        let mut bytes = [0u8; 16];
        // Without chance the starts are 0: weaker against guessing, no harm to the stream.
        let _ = aws_lc_rs::rand::fill(&mut bytes);
        let one = |b: &[u8]| super::egress::Start {
            seq: u16::from_be_bytes([b[0], b[1]]),
            rtx_seq: u16::from_be_bytes([b[2], b[3]]),
            ts: u32::from_be_bytes([b[4], b[5], b[6], b[7]]),
        };
        [one(&bytes[..8]), one(&bytes[8..])]
    }

    pub fn new_subscriber(id: SubId, session: Option<SessionId>, side: Side, order: Subscribe) -> Subscriber {
        Subscriber::new(id, session, side, order, Self::random_start())
    }
}
