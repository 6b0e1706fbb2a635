//! The two queues between Python and a worker: commands down, events up. Both wake their reader by an eventfd.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::event::{BundleKind, BundleTold, Event, SessionId, VoiceId, WireState, WireTold};
use super::order::Command;
use super::sys::EventFd;
use super::OrderError;
use crate::audio::format::Format;
use crate::time::Micros;

/// A panic elsewhere leaves a queue of values in order; go on with it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What another worker passes on to the voice thread.
#[derive(Debug)]
pub struct Passed {
    pub head: PassedHead,
    pub data: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
pub enum PassedHead {
    /// SRTP of a session on a shared port.
    Packet { session: SessionId, from: SocketAddr, at: Micros },
    /// An audio unit of a stream that a voice taps.
    Unit { voice: VoiceId, format: Format, ts: u32, ticks: u32, at: Micros },
}

#[derive(Default)]
struct PassedOn {
    list: Vec<Passed>,
    /// Buffers that come back, so that passing on costs no memory.
    spare: Vec<Vec<u8>>,
    lost: u64,
}

/// Orders to one worker. Bounded by what Python asks for; packets that another worker passes on are bounded here.
pub struct Commands {
    list: Mutex<VecDeque<Command>>,
    wake: EventFd,
    /// Read at the ticks of a clock: what is passed on wakes nobody.
    pub calm: bool,
    passed: Mutex<PassedOn>,
}

/// Datagrams that may wait for another worker; more are dropped as a full socket would.
const MAX_PASSED_ON: usize = 4096;

impl Commands {
    pub fn new(calm: bool) -> Result<Self, OrderError> {
        Ok(Self { list: Mutex::new(VecDeque::new()), wake: EventFd::new()?, calm, passed: Mutex::default() })
    }

    /// For the next tick. Full: dropped, as by a full socket.
    pub fn pass(&self, head: PassedHead, data: &[u8]) {
        let mut passed = lock(&self.passed);
        if passed.list.len() >= MAX_PASSED_ON {
            passed.lost += 1;
            return;
        }
        let mut buffer = passed.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(data);
        passed.list.push(Passed { head, data: buffer });
    }

    /// What was passed on, into `list`; what that held before goes back to be used again.
    pub fn take_passed(&self, list: &mut Vec<Passed>) {
        let mut passed = lock(&self.passed);
        if passed.spare.len() < 256 {
            passed.spare.extend(list.drain(..).map(|p| p.data));
        }
        list.clear();
        std::mem::swap(&mut passed.list, list);
    }

    pub fn push(&self, command: Command) {
        let mut list = lock(&self.list);
        if matches!(command, Command::SessionPacket { .. } | Command::TalkBackPacket { .. })
            && list.len() >= MAX_PASSED_ON
        {
            return;
        }
        list.push_back(command);
        if list.len() == 1 {
            self.wake.raise();
        }
    }

    pub fn take(&self) -> VecDeque<Command> {
        self.wake.clear();
        std::mem::take(&mut *lock(&self.list))
    }

    pub fn wake_fd(&self) -> RawFd {
        self.wake.raw()
    }
}

struct Waiting {
    list: VecDeque<Event>,
    /// Of messages that connections brought.
    wire_bytes: usize,
    lost: u64,
    lost_ever: u64,
}

/// Events to Python. Full: what comes is counted and told as `EventsLost`; STUN and DTLS, what happens within a bundle, and
/// what is said over wires leave the last quarter to the others, so that neither a flood of strangers' datagrams or commands
/// nor of one kit's flows hides a stream's end, or that another kit has come. Messages of wires are bounded in bytes too.
pub struct Events {
    waiting: Mutex<Waiting>,
    capacity: usize,
    wake: EventFd,
}

/// Messages of wires that wait for Python.
const MAX_WIRE_BYTES: usize = 16 << 20;

fn wire_bytes(event: &Event) -> usize {
    if let Event::Wire(told) = event {
        told.data.len()
    } else {
        0
    }
}

impl Events {
    pub fn new(capacity: usize) -> Result<Self, OrderError> {
        let waiting = Mutex::new(Waiting { list: VecDeque::new(), wire_bytes: 0, lost: 0, lost_ever: 0 });
        Ok(Self { waiting, capacity, wake: EventFd::new()? })
    }

    pub fn push(&self, event: Event) {
        let mut w = lock(&self.waiting);
        let minor = |told: &BundleTold| !matches!(told.kind, BundleKind::Up | BundleKind::Down | BundleKind::Refused);
        let said = |told: &WireTold| matches!(told.state, WireState::Message | WireState::Text);
        let room = match &event {
            Event::Datagram { .. } => self.capacity - self.capacity / 4,
            Event::Wire(told) if said(told) => self.capacity - self.capacity / 4,
            Event::Bundle(told) if minor(told) => self.capacity - self.capacity / 4,
            _ => self.capacity,
        };
        let bytes = wire_bytes(&event);
        if w.list.len() >= room || w.wire_bytes + bytes > MAX_WIRE_BYTES {
            w.lost += 1;
            w.lost_ever += 1;
            return;
        }
        w.wire_bytes += bytes;
        w.list.push_back(event);
        if w.list.len() == 1 {
            self.wake.raise();
        }
    }

    pub fn drain(&self, limit: usize) -> Vec<Event> {
        let mut w = lock(&self.waiting);
        let mut out = Vec::with_capacity(limit.min(w.list.len() + 1));
        if w.lost > 0 && limit > 0 {
            out.push(Event::EventsLost { count: std::mem::take(&mut w.lost) });
        }
        let n = (limit - out.len().min(limit)).min(w.list.len());
        out.extend(w.list.drain(..n));
        w.wire_bytes -= out.iter().map(wire_bytes).sum::<usize>();
        if w.list.is_empty() {
            self.wake.clear();
        }
        out
    }

    pub fn lost_ever(&self) -> u64 {
        lock(&self.waiting).lost_ever
    }

    pub fn fd(&self) -> RawFd {
        self.wake.raw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_counts_what_it_loses_and_keeps_room_for_more_than_datagrams() {
        let events = Events::new(16).expect("eventfd");
        for _ in 0..20 {
            events.push(Event::Datagram { session: 1, port: 1, data: vec![], from: ([127, 0, 0, 1], 9).into() });
        }
        for stream in 0..6 {
            events.push(Event::StreamPanic { stream, detail: String::new() });
        }
        events.push(Event::Bundle(BundleTold::new(1, 1, BundleKind::Flow)));
        let all = events.drain(100);
        assert_eq!(all[0], Event::EventsLost { count: 8 + 2 + 1 });
        assert_eq!(all.len(), 1 + 12 + 4);
        assert_eq!(all.last(), Some(&Event::StreamPanic { stream: 3, detail: String::new() }));
        assert!(events.drain(100).is_empty());
        for kind in [BundleKind::FlowClosed, BundleKind::Up] {
            (0..14).for_each(|_| events.push(Event::Bundle(BundleTold::new(1, 1, kind))));
        }
        let all = events.drain(100);
        let ups = all.iter().filter(|event| matches!(event, Event::Bundle(told) if told.kind == BundleKind::Up));
        assert_eq!((all.len(), ups.count()), (1 + 16, 4), "a kit that comes is heard of whatever another one does");
        for state in [WireState::Message, WireState::Text, WireState::Closed] {
            (0..14).for_each(|wire| events.push(Event::Wire(WireTold::new(wire, state))));
        }
        let all = events.drain(100);
        let ends = all.iter().filter(|event| matches!(event, Event::Wire(told) if told.state == WireState::Closed));
        assert_eq!((all.len(), ends.count()), (1 + 16, 4), "and that a wire ended whatever others say");
    }
}
