//! The sending half of a reliable stream: bytes kept until they came, lost ranges first, never beyond what the peer allows.

use std::collections::VecDeque;

use super::ranges::Ranges;

/// Bytes kept; a writer that is ahead of the network by more is told to wait.
pub const MAX_KEPT: usize = 1 << 20;

#[derive(Debug, Default)]
pub struct StreamOut {
    /// Bytes from `base` on.
    kept: VecDeque<u8>,
    base: u64,
    /// The first that was never sent.
    next: u64,
    /// The peer takes bytes up to here.
    limit: u64,
    came: Ranges,
    lost: Ranges,
    finished: bool,
    /// The end is to be sent (again).
    tell_end: bool,
    end_came: bool,
    /// A write was cut short: say when there is room.
    pub blocked: bool,
}

/// A part to send: `len` bytes from `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub offset: u64,
    pub len: usize,
    pub fin: bool,
}

impl StreamOut {
    pub fn new(limit: u64) -> Self {
        Self { limit, ..Self::default() }
    }

    fn end(&self) -> u64 {
        self.base + self.kept.len() as u64
    }

    /// How many bytes were taken.
    pub fn write(&mut self, data: &[u8]) -> usize {
        let taken = if self.finished { 0 } else { data.len().min(MAX_KEPT - self.kept.len()) };
        self.kept.extend(&data[..taken]);
        self.blocked = taken < data.len() && !self.finished;
        taken
    }

    /// There is room again for a writer that was told to wait.
    pub fn unblocks(&mut self) -> bool {
        let unblocks = self.blocked && self.kept.len() <= MAX_KEPT / 4 * 3;
        self.blocked &= !unblocks;
        unblocks
    }

    pub fn finish(&mut self) {
        self.tell_end |= !self.finished;
        self.finished = true;
    }

    /// The peer takes bytes up to `offset`.
    pub fn allow(&mut self, offset: u64) {
        self.limit = self.limit.max(offset);
    }

    /// All bytes and the end came.
    pub fn is_done(&self) -> bool {
        self.end_came && self.kept.is_empty()
    }

    pub fn has_work(&self) -> bool {
        !self.lost.is_empty() || self.next < self.end().min(self.limit) || self.tell_end
    }

    /// The next part, of `max` bytes at most; `sent` when it goes.
    pub fn peek(&self, max: usize) -> Option<Part> {
        let (offset, to) = match self.lost.first() {
            Some(range) => range,
            None => (self.next, self.end().min(self.limit)),
        };
        let len = usize::try_from(to.saturating_sub(offset)).unwrap_or(max).min(max);
        let fin = self.finished && offset + len as u64 == self.end();
        (len > 0 || fin && self.tell_end).then_some(Part { offset, len, fin })
    }

    /// The bytes of a part, in up to two runs.
    pub fn bytes(&self, part: &Part) -> (&[u8], &[u8]) {
        let from = (part.offset - self.base) as usize;
        let (a, b) = self.kept.as_slices();
        let to = from + part.len;
        (&a[from.min(a.len())..to.min(a.len())], &b[from.saturating_sub(a.len())..to.saturating_sub(a.len())])
    }

    pub fn sent(&mut self, part: &Part) {
        let to = part.offset + part.len as u64;
        self.lost.remove(part.offset, to);
        self.next = self.next.max(to);
        self.tell_end &= !part.fin;
    }

    /// A part came, or was lost.
    pub fn settled(&mut self, part: &Part, came: bool) {
        let (from, to) = (part.offset.max(self.base), part.offset + part.len as u64);
        if came {
            self.came.add(from, to);
            self.lost.remove(from, to);
            self.end_came |= part.fin;
            while let Some((first, last)) = self.came.first().filter(|range| range.0 <= self.base) {
                self.kept.drain(..(last - self.base) as usize);
                self.base = last;
                self.came.remove(first, last);
            }
        } else {
            let lost = &mut self.lost;
            self.came.missing(from, to, |from, to| lost.add(from, to));
            self.tell_end |= part.fin && !self.end_came;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(stream: &mut StreamOut, max: usize) -> Option<(Part, Vec<u8>)> {
        let part = stream.peek(max)?;
        let (a, b) = stream.bytes(&part);
        let bytes = [a, b].concat();
        stream.sent(&part);
        Some((part, bytes))
    }

    #[test]
    fn what_is_lost_goes_first_and_the_end_is_told() {
        let mut stream = StreamOut::new(100);
        assert_eq!(stream.write(b"abcdefghij"), 10);
        let (first, bytes) = send(&mut stream, 4).expect("bytes wait");
        assert_eq!((first, &bytes[..]), (Part { offset: 0, len: 4, fin: false }, &b"abcd"[..]));
        let (second, _) = send(&mut stream, 4).expect("bytes wait");
        stream.settled(&first, false);
        stream.settled(&second, true);
        assert_eq!(send(&mut stream, 3).expect("lost").1, b"abc");
        assert_eq!(send(&mut stream, 3).expect("lost").1, b"d");
        stream.finish();
        let (last, bytes) = send(&mut stream, 10).expect("the rest");
        assert_eq!((last, &bytes[..]), (Part { offset: 8, len: 2, fin: true }, &b"ij"[..]));
        assert_eq!(send(&mut stream, 10), None);
        stream.settled(&last, false);
        assert!(stream.has_work() && send(&mut stream, 10).expect("again").0.fin);
        stream.settled(&last, true);
        assert!(!stream.is_done());
        stream.settled(&Part { offset: 0, len: 4, fin: false }, true);
        assert!(stream.is_done() && !stream.has_work());
        assert_eq!(stream.write(b"more"), 0);
    }

    #[test]
    fn never_beyond_what_the_peer_allows() {
        let mut stream = StreamOut::new(3);
        stream.write(b"abcdef");
        assert_eq!(send(&mut stream, 9).expect("allowed").1, b"abc");
        assert_eq!((send(&mut stream, 9), stream.has_work()), (None, false));
        stream.finish();
        assert!(send(&mut stream, 9).is_none(), "the end comes after the bytes");
        stream.allow(6);
        stream.allow(4);
        assert!(send(&mut stream, 9).is_some_and(|(part, _)| part.fin && part.len == 3));
    }

    #[test]
    fn a_writer_that_is_ahead_waits() {
        let mut stream = StreamOut::new(u64::MAX);
        assert_eq!(stream.write(&vec![0; MAX_KEPT + 5]), MAX_KEPT);
        assert!(stream.blocked && !stream.unblocks());
        while let Some((part, _)) = send(&mut stream, 1 << 19) {
            stream.settled(&part, true);
        }
        assert!(stream.unblocks() && !stream.unblocks());
    }

    #[test]
    fn an_empty_stream_has_an_end_too() {
        let mut stream = StreamOut::new(0);
        assert!(!stream.has_work());
        stream.finish();
        let (end, _) = send(&mut stream, 10).expect("the end");
        assert_eq!(end, Part { offset: 0, len: 0, fin: true });
        stream.settled(&end, true);
        assert!(stream.is_done());
    }
}
