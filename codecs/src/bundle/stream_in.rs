//! The receiving half of a reliable stream: bytes put in order, within a window that grows with a reader that keeps up.

use std::collections::VecDeque;

use super::ranges::Ranges;

/// What a peer may send before it hears more.
pub const FIRST_WINDOW: u64 = 64 << 10;
const MAX_WINDOW: u64 = 1 << 20;
/// Holes at a time; a window of bytes in datagrams of ours has fewer.
const MAX_HOLES: usize = 1024;

/// The peer does what the format forbids: the stream is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation;

#[derive(Debug)]
pub struct StreamIn {
    /// Bytes from `read_at` on, those that did not come yet are zeros.
    bytes: VecDeque<u8>,
    read_at: u64,
    /// Everything before this came.
    ready: u64,
    beyond: Ranges,
    end: Option<u64>,
    window: u64,
    limit: u64,
    /// The reader was told of bytes, and of the end.
    pub told: bool,
    pub told_end: bool,
}

impl Default for StreamIn {
    fn default() -> Self {
        Self {
            bytes: VecDeque::new(),
            read_at: 0,
            ready: 0,
            beyond: Ranges::default(),
            end: None,
            window: FIRST_WINDOW,
            limit: FIRST_WINDOW,
            told: false,
            told_end: false,
        }
    }
}

impl StreamIn {
    /// Bytes came, in any order and any number of times.
    pub fn receive(&mut self, offset: u64, body: &[u8], fin: bool) -> Result<(), Violation> {
        let to = offset.checked_add(body.len() as u64).ok_or(Violation)?;
        if to > self.limit || self.end.is_some_and(|end| to > end || fin && to != end) {
            return Err(Violation);
        }
        if fin {
            if self.beyond_end(to) {
                return Err(Violation);
            }
            self.end = Some(to);
        }
        let from = offset.max(self.ready);
        if from < to {
            self.put(from, &body[(from - offset) as usize..]);
            self.beyond.add(from, to);
            if let Some((first, last)) = self.beyond.first().filter(|range| range.0 <= self.ready) {
                self.ready = last;
                self.beyond.remove(first, last);
            }
        }
        if self.beyond.len() > MAX_HOLES {
            return Err(Violation);
        }
        Ok(())
    }

    fn beyond_end(&self, end: u64) -> bool {
        self.read_at + self.bytes.len() as u64 > end
    }

    fn put(&mut self, from: u64, body: &[u8]) {
        let at = (from - self.read_at) as usize;
        if self.bytes.len() < at + body.len() {
            self.bytes.resize(at + body.len(), 0);
        }
        let (a, b) = self.bytes.as_mut_slices();
        let split = a.len().saturating_sub(at).min(body.len());
        let (head, tail) = body.split_at(split);
        if !head.is_empty() {
            a[at..at + head.len()].copy_from_slice(head);
        }
        let at = (at + split).saturating_sub(a.len());
        b[at..at + tail.len()].copy_from_slice(tail);
    }

    /// Bytes that can be read now.
    pub fn readable(&self) -> usize {
        (self.ready - self.read_at) as usize
    }

    /// Everything was read and there is no more.
    pub fn is_finished(&self) -> bool {
        self.end == Some(self.read_at)
    }

    /// Read up to `max` bytes onto the end of `out`; how many.
    pub fn read(&mut self, out: &mut Vec<u8>, max: usize) -> usize {
        let count = self.readable().min(max);
        out.extend(self.bytes.drain(..count));
        self.read_at += count as u64;
        self.told &= self.readable() > 0;
        count
    }

    /// The peer should hear that it may send more.
    pub fn wants_window(&self) -> bool {
        self.end.is_none() && self.limit - self.read_at <= self.window / 2
    }

    /// The new limit, to be told. `grow`: there is memory for a larger window.
    pub fn widen(&mut self, grow: bool) -> u64 {
        if grow {
            self.window = (2 * self.window).min(MAX_WINDOW);
        }
        self.limit = self.limit.max(self.read_at + self.window);
        self.limit
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    pub fn window(&self) -> u64 {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &mut StreamIn) -> Vec<u8> {
        let mut out = Vec::new();
        stream.read(&mut out, usize::MAX);
        out
    }

    #[test]
    fn any_order_and_twice_is_in_order_and_once() {
        let mut stream = StreamIn::default();
        stream.receive(6, b"ghi", true).expect("fine");
        stream.receive(2, b"cd", false).expect("fine");
        assert_eq!((stream.readable(), read(&mut stream)), (0, vec![]));
        stream.receive(0, b"abc", false).expect("fine");
        assert_eq!(read(&mut stream), b"abcd");
        stream.receive(0, b"abcdef", false).expect("fine");
        assert_eq!(read(&mut stream), b"efghi");
        assert!(stream.is_finished() && !stream.wants_window());
    }

    #[test]
    fn a_peer_that_does_not_keep_to_it_is_told_apart() {
        let mut stream = StreamIn::default();
        assert_eq!(stream.receive(FIRST_WINDOW, b"x", false), Err(Violation));
        assert_eq!(stream.receive(u64::MAX, b"x", false), Err(Violation));
        stream.receive(5, b"x", false).expect("fine");
        assert_eq!(stream.receive(3, b"x", true), Err(Violation), "an end before the last byte");
        stream.receive(9, b"x", true).expect("fine");
        assert_eq!(stream.receive(9, b"xy", false), Err(Violation));
        assert_eq!(stream.receive(8, b"x", true), Err(Violation), "another end");
        let mut holes = StreamIn::default();
        let worst = (0..FIRST_WINDOW / 2).find_map(|i| holes.receive(2 * i + 1, b"x", false).err());
        assert_eq!(worst, Some(Violation));
    }

    #[test]
    fn the_window_moves_with_the_reader() {
        let mut stream = StreamIn::default();
        let half = vec![1; FIRST_WINDOW as usize / 2];
        stream.receive(0, &half, false).expect("fine");
        assert!(!stream.wants_window());
        assert_eq!(read(&mut stream).len(), half.len());
        assert!(stream.wants_window());
        assert_eq!(stream.widen(true), half.len() as u64 + 2 * FIRST_WINDOW);
        assert!(!stream.wants_window());
        stream.receive(stream.limit() - 1, b"x", false).expect("within");
    }
}
