//! All reliable streams of a session: who opened which, what they are for, whose turn it is.

use std::collections::{BTreeMap, VecDeque};

use super::flow::Class;
use super::item::Control;
use super::stream_in::{StreamIn, FIRST_WINDOW};
use super::stream_out::{Part, StreamOut};
use super::types::{Event, StreamId};

/// Streams at a time, of both ends.
pub const MAX_STREAMS: usize = 256;
/// Bytes that peers may have us keep, in all windows; beyond it windows do not grow.
const MAX_WINDOWS: u64 = 48 << 20;

#[derive(Debug)]
pub struct Stream {
    pub purpose: String,
    pub class: Class,
    /// The peer's OPEN came, or it is ours.
    opened: bool,
    pub out: StreamOut,
    incoming: StreamIn,
}

/// Files travel behind everything else; what is asked and answered goes before pictures.
fn class_of(purpose: &str) -> Class {
    if purpose == "file" || purpose.starts_with("file:") {
        Class::Bulk
    } else {
        Class::Stream
    }
}

#[derive(Debug)]
pub struct Streams {
    /// 0 at a kit, 1 at a center: the lowest bit of the ids that this end gives.
    parity: u32,
    next: StreamId,
    /// Ids of the peer below this were seen.
    peers: StreamId,
    all: BTreeMap<StreamId, Stream>,
    /// The one that had its turn last.
    last: StreamId,
    pub control: VecDeque<Control>,
}

impl Streams {
    pub fn new(kit: bool) -> Self {
        let parity = u32::from(!kit);
        let all = BTreeMap::new();
        Self { parity, next: parity, peers: 1 - parity, all, last: 0, control: VecDeque::new() }
    }

    fn fresh(purpose: &str, opened: bool) -> Stream {
        let (class, purpose) = (class_of(purpose), purpose.to_owned());
        Stream { purpose, class, opened, out: StreamOut::new(FIRST_WINDOW), incoming: StreamIn::default() }
    }

    pub fn open(&mut self, purpose: &str) -> Option<StreamId> {
        if self.all.len() >= MAX_STREAMS || self.next > u32::MAX - 2 {
            return None;
        }
        let id = self.next;
        self.next += 2;
        self.all.insert(id, Self::fresh(super::types::cut(purpose, super::frame::MAX_PURPOSE_BYTES), true));
        self.control.push_back(Control::Open(id));
        Some(id)
    }

    pub fn get(&self, id: StreamId) -> Option<&Stream> {
        self.all.get(&id)
    }

    /// The stream of a frame from the peer: one of its ids that is new begins here, and so do those below it.
    fn of_peer(&mut self, id: StreamId) -> Option<&mut Stream> {
        if id & 1 != self.parity {
            // Each id below was opened as well; bounded by what may be open at a time.
            while self.peers <= id && self.all.len() < MAX_STREAMS {
                self.all.insert(self.peers, Self::fresh("", false));
                self.peers = self.peers.checked_add(2)?;
            }
        }
        self.all.get_mut(&id)
    }

    pub fn on_open(&mut self, id: StreamId, purpose: &str, events: &mut VecDeque<Event>) {
        let Some(stream) = self.of_peer(id) else { return };
        if std::mem::replace(&mut stream.opened, true) {
            return;
        }
        (stream.class, stream.purpose) = (class_of(purpose), purpose.to_owned());
        events.push_back(Event::StreamOpened { stream: id, purpose: purpose.to_owned() });
        self.tell(id, events);
    }

    /// False: the peer wrote what no window allows.
    pub fn on_data(&mut self, id: StreamId, offset: u64, body: &[u8], fin: bool, events: &mut VecDeque<Event>) -> bool {
        let Some(stream) = self.of_peer(id) else { return true };
        if stream.incoming.receive(offset, body, fin).is_err() {
            return false;
        }
        self.tell(id, events);
        true
    }

    /// Say that there are bytes, or that there will be none.
    fn tell(&mut self, id: StreamId, events: &mut VecDeque<Event>) {
        let Some(stream) = self.all.get_mut(&id).filter(|stream| stream.opened) else { return };
        let incoming = &mut stream.incoming;
        if incoming.readable() > 0 && !std::mem::replace(&mut incoming.told, true) {
            events.push_back(Event::StreamReadable { stream: id });
        }
        if incoming.is_finished() && !std::mem::replace(&mut incoming.told_end, true) {
            events.push_back(Event::StreamFinished { stream: id });
            self.drop_done(id);
        }
    }

    pub fn on_window(&mut self, id: StreamId, offset: u64) {
        if let Some(stream) = self.of_peer(id) {
            stream.out.allow(offset);
        }
    }

    pub fn on_reset(&mut self, id: StreamId, events: &mut VecDeque<Event>) {
        if self.of_peer(id).is_some_and(|stream| stream.opened) {
            events.push_back(Event::StreamReset { stream: id });
        }
        self.all.remove(&id);
    }

    pub fn write(&mut self, id: StreamId, data: &[u8]) -> usize {
        self.all.get_mut(&id).map_or(0, |stream| stream.out.write(data))
    }

    pub fn read(&mut self, id: StreamId, out: &mut Vec<u8>, max: usize, events: &mut VecDeque<Event>) -> usize {
        let spent: u64 = self.all.values().map(|stream| stream.incoming.window()).sum();
        let Some(stream) = self.all.get_mut(&id) else { return 0 };
        let count = stream.incoming.read(out, max);
        if stream.incoming.wants_window() {
            stream.incoming.widen(spent + stream.incoming.window() <= MAX_WINDOWS);
            if !self.control.contains(&Control::Window(id)) {
                self.control.push_back(Control::Window(id));
            }
        }
        self.tell(id, events);
        count
    }

    pub fn window(&self, id: StreamId) -> Option<u64> {
        self.all.get(&id).map(|stream| stream.incoming.limit())
    }

    pub fn finish(&mut self, id: StreamId) {
        if let Some(stream) = self.all.get_mut(&id) {
            stream.out.finish();
        }
    }

    pub fn reset(&mut self, id: StreamId) {
        if self.all.remove(&id).is_some() {
            self.control.push_back(Control::Reset(id));
        }
    }

    /// Both halves are over.
    fn drop_done(&mut self, id: StreamId) {
        if self.all.get(&id).is_some_and(|stream| stream.out.is_done() && stream.incoming.told_end) {
            self.all.remove(&id);
        }
    }

    /// A part came, or was lost on its path.
    pub fn settled(&mut self, id: StreamId, part: &Part, came: bool, events: &mut VecDeque<Event>) {
        let Some(stream) = self.all.get_mut(&id) else { return };
        stream.out.settled(part, came);
        if stream.out.unblocks() {
            events.push_back(Event::StreamWritable { stream: id });
        }
        self.drop_done(id);
    }

    /// Whose turn it is in `class`, in turn, and its next part of `max` bytes at most.
    pub fn peek(&self, class: Class, max: usize) -> Option<(StreamId, Part)> {
        let after = self.all.range(self.last.saturating_add(1)..);
        let mut turn = after.chain(self.all.range(..=self.last));
        turn.find_map(|(id, stream)| {
            let part = (stream.class == class && stream.out.has_work()).then(|| stream.out.peek(max)).flatten();
            part.map(|part| (*id, part))
        })
    }

    pub fn sent(&mut self, id: StreamId, part: &Part) {
        self.last = id;
        if let Some(stream) = self.all.get_mut(&id) {
            stream.out.sent(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(events: &mut VecDeque<Event>) -> Vec<String> {
        events
            .drain(..)
            .map(|event| format!("{event:?}").split_once(' ').map_or(String::new(), |s| s.0.into()))
            .collect()
    }

    #[test]
    fn a_stream_begins_with_its_purpose_and_ends_both_ways() {
        let (mut kit, mut center, mut events) = (Streams::new(true), Streams::new(false), VecDeque::new());
        let id = kit.open("rpc").expect("room");
        assert_eq!((id, kit.control.pop_front()), (0, Some(Control::Open(0))));
        // Bytes before OPEN: nobody is told yet.
        center.on_data(id, 0, b"hi", true, &mut events);
        assert!(events.is_empty());
        center.on_open(id, "rpc", &mut events);
        center.on_open(id, "rpc", &mut events);
        assert_eq!(kinds(&mut events), ["StreamOpened", "StreamReadable"]);
        let mut out = Vec::new();
        assert_eq!(center.read(id, &mut out, 100, &mut events), 2);
        assert_eq!(kinds(&mut events), ["StreamFinished"]);
        center.finish(id);
        let (_, part) = center.peek(Class::Stream, 100).expect("the end");
        center.sent(id, &part);
        center.settled(id, &part, true, &mut events);
        assert!(center.get(id).is_none());
        center.on_data(id, 0, b"hi", true, &mut events);
        assert!(center.get(id).is_none() && events.is_empty(), "a late copy does not begin it anew");
        assert_eq!(center.open("x"), Some(1));
    }

    #[test]
    fn streams_take_turns_within_their_class() {
        let mut kit = Streams::new(true);
        let ids: Vec<_> = (0..3).map(|_| kit.open("api").expect("room")).collect();
        let file = kit.open("file:2").expect("room");
        for id in ids.iter().chain([&file]) {
            kit.write(*id, &[0; 3000]);
        }
        let turns: Vec<_> = (0..6)
            .map(|_| {
                let (id, part) = kit.peek(Class::Stream, 1000).expect("bytes wait");
                kit.sent(id, &part);
                id
            })
            .collect();
        assert_eq!(turns, [2, 4, 0, 2, 4, 0]);
        assert_eq!(kit.peek(Class::Bulk, 1000).map(|turn| turn.0), Some(file));
        assert_eq!(kit.peek(Class::Video, 1000), None);
    }

    #[test]
    fn what_a_peer_may_open_is_bounded_and_a_reset_is_both_ways() {
        let (mut center, mut events) = (Streams::new(false), VecDeque::new());
        center.on_data(2_000_000, 0, b"x", false, &mut events);
        assert_eq!((center.all.len(), center.open("x")), (MAX_STREAMS, None));
        center.on_open(4, "x", &mut events);
        center.on_reset(4, &mut events);
        assert_eq!(kinds(&mut events), ["StreamOpened", "StreamReset"]);
        assert!(!center.on_data(6, FIRST_WINDOW, b"x", false, &mut events), "beyond its window");
        assert_eq!(
            (kinds(&mut events), center.control.len()),
            (vec![], 0),
            "it ends the session, and nothing piles up"
        );
    }
}
