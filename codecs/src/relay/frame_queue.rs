//! Records of a frame port that wait for its reader, in a bounded queue.

use std::collections::VecDeque;
use std::os::fd::RawFd;

use bytes::Bytes;

use super::frame_port::*;
use super::sys::{self, Outcome};

/// Whoever fills it keeps it within `MAX_QUEUE_BYTES` by `drop_units`.
#[derive(Debug, Default)]
pub(super) struct FrameQueue {
    queue: VecDeque<([u8; HEADER_BYTES], Bytes)>,
    bytes: usize,
}

/// What may wait for a slow reader.
pub(super) const MAX_QUEUE_BYTES: usize = 8 << 20;

impl FrameQueue {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// One whole, in as many records as it needs. `total`, `offset` and the flags of the edges are set here.
    pub(super) fn push(&mut self, header: Header, data: &Bytes) {
        let header = Header { total: data.len() as u32, flags: header.flags & !(FIRST | LAST), ..header };
        let mut at = 0;
        loop {
            let end = (at + FRAGMENT_BYTES).min(data.len());
            let edge = if at == 0 { FIRST } else { 0 } | if end == data.len() { LAST } else { 0 };
            let part = Header { flags: header.flags | edge, offset: at as u32, ..header };
            self.bytes += HEADER_BYTES + end - at;
            self.queue.push_back((part.to_bytes(), data.slice(at..end)));
            at = end;
            if at == data.len() {
                return;
            }
        }
    }

    /// Units whose first fragment has not left go, tracks stay; a unit half sent is finished. How many went.
    pub(super) fn drop_units(&mut self) -> u64 {
        let mut half = self.queue.front().is_some_and(|(h, _)| h[5] as u16 & FIRST == 0);
        let mut dropped = 0;
        self.queue.retain(|(h, _)| {
            let keep = half || h[2] == TRACK;
            if half && h[5] as u16 & LAST != 0 {
                half = false;
            }
            dropped += u64::from(!keep && h[5] as u16 & FIRST != 0);
            keep
        });
        self.bytes = self.queue.iter().map(|(_, b)| HEADER_BYTES + b.len()).sum();
        dropped
    }

    /// The next record, for a reader in the same thread.
    pub(super) fn pop(&mut self) -> Option<([u8; HEADER_BYTES], Bytes)> {
        let (header, data) = self.queue.pop_front()?;
        self.bytes -= HEADER_BYTES + data.len();
        Some((header, data))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Write what the socket takes; `sent` grows by it. `Sent`: nothing is left. `Failed`: nobody reads, and the queue is
    /// empty.
    pub(super) fn flush(&mut self, fd: RawFd, sent: &mut u64) -> Outcome {
        while let Some((header, data)) = self.queue.front() {
            match sys::write_record(fd, header, data) {
                Outcome::Sent => {
                    let len = HEADER_BYTES + data.len();
                    *sent += len as u64;
                    self.bytes -= len;
                    self.queue.pop_front();
                }
                Outcome::Full => return Outcome::Full,
                Outcome::Failed => {
                    *self = Self::default();
                    return Outcome::Failed;
                }
            }
        }
        Outcome::Sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::unit::Codec;

    fn head(kind: u8) -> Header {
        Header {
            kind,
            codec: Codec::H264,
            flags: KEY | FIRST,
            generation: 0,
            pts: 0,
            dts: 0,
            capture: 0,
            total: 7,
            offset: 7,
        }
    }

    #[test]
    fn a_whole_goes_in_records_with_its_edges_marked() {
        let mut q = FrameQueue::default();
        q.push(head(UNIT), &Bytes::from(vec![1; 2 * FRAGMENT_BYTES + 5]));
        let heads: Vec<Header> = q.queue.iter().map(|(h, _)| Header::parse(h).expect("ours")).collect();
        let edges: Vec<(u16, u32)> = heads.iter().map(|h| (h.flags, h.offset)).collect();
        assert_eq!(edges, [(KEY | FIRST, 0), (KEY, 60_000), (KEY | LAST, 120_000)]);
        assert!(heads.iter().all(|h| h.total == 120_005));
        assert_eq!(q.bytes(), 120_005 + 3 * HEADER_BYTES);
    }

    #[test]
    fn a_unit_half_sent_is_finished_when_the_others_are_dropped() {
        let mut q = FrameQueue::default();
        q.push(head(UNIT), &Bytes::from(vec![1; FRAGMENT_BYTES + 5]));
        q.push(head(TRACK), &Bytes::from_static(b"track"));
        q.push(head(UNIT), &Bytes::from(vec![2; FRAGMENT_BYTES + 5]));
        q.queue.pop_front();
        assert_eq!(q.drop_units(), 1);
        let left: Vec<usize> = q.queue.iter().map(|(_, b)| b.len()).collect();
        assert_eq!((left, q.bytes()), (vec![5, 5], 10 + 2 * HEADER_BYTES));
    }
}
