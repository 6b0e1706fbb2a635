//! NAL units being gathered into one access unit: one buffer, ranges into it, frozen once.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::error::ParseError;

/// A picture larger than this is not believed (an 8K intra picture stays below).
pub const MAX_UNIT_BYTES: usize = 4 << 20;
/// H.264 Annex A allows fewer slices than this at any level we meet.
pub const MAX_NALUS: usize = 1024;

/// Collects NAL units. Over a limit it sets `damaged` and takes nothing more until `take` or `clear`.
#[derive(Debug, Default)]
pub struct NaluSink {
    buffer: BytesMut,
    ranges: Vec<Range<usize>>,
    open: Option<usize>,
    damaged: bool,
}

impl NaluSink {
    pub fn new() -> Self {
        Self::default()
    }

    /// Begin a NAL unit with its header bytes. One that is open is closed first: some senders never say "end".
    pub fn begin(&mut self, header: &[u8]) {
        self.end();
        self.open = Some(self.buffer.len());
        self.extend(header);
    }

    /// More of the open NAL unit; nothing when none is open.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.open.is_none() {
            return;
        }
        if self.buffer.len() + bytes.len() > MAX_UNIT_BYTES || self.ranges.len() >= MAX_NALUS {
            self.abort();
            return;
        }
        self.buffer.extend_from_slice(bytes);
    }

    pub fn end(&mut self) {
        if let Some(start) = self.open.take() {
            if self.buffer.len() > start {
                self.ranges.push(start..self.buffer.len());
            }
        }
    }

    /// Throw the open NAL unit away: part of it is missing.
    pub fn abort(&mut self) {
        if let Some(start) = self.open.take() {
            self.buffer.truncate(start);
        }
        self.damaged = true;
    }

    pub fn push(&mut self, nalu: &[u8]) {
        self.begin(nalu);
        self.end();
    }

    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.open.is_none()
    }

    /// Something of this unit is missing.
    pub fn damaged(&self) -> bool {
        self.damaged
    }

    pub fn mark_damaged(&mut self) {
        self.damaged = true;
    }

    /// The finished NAL units, in order.
    pub fn nalus(&self) -> impl Iterator<Item = &[u8]> {
        self.ranges.iter().map(|r| &self.buffer[r.clone()])
    }

    pub fn clear(&mut self) {
        self.buffer.clear();
        self.ranges.clear();
        self.open = None;
        self.damaged = false;
    }

    /// The unit's NAL units as slices of one buffer; the sink is empty afterwards. Closes an open one.
    pub fn take(&mut self) -> Vec<Bytes> {
        self.end();
        let whole = self.buffer.split().freeze();
        self.damaged = false;
        self.ranges.drain(..).map(|r| whole.slice(r)).collect()
    }
}

/// A NAL unit in fragments: FU-A of RFC 6184 §5.8, FU of RFC 7798 §4.4.3.
#[derive(Debug, Default)]
pub struct Fragments {
    /// Inside one whose pieces all came.
    inside: bool,
}

impl Fragments {
    /// Packets before the next one are missing: an unfinished fragment can't be saved.
    pub fn lost(&mut self, sink: &mut NaluSink) {
        if std::mem::take(&mut self.inside) {
            sink.abort();
        }
    }

    /// The caller ends the unit here. An open fragment without end bit is taken as ended.
    pub fn end(&mut self, sink: &mut NaluSink) {
        sink.end();
        self.inside = false;
    }

    /// A piece; `bits` holds its start and end bit on top, `header` is that of the NAL unit.
    pub fn piece(&mut self, bits: u8, header: &[u8], piece: &[u8], sink: &mut NaluSink) -> Result<(), ParseError> {
        let (start, end) = (bits & 0x80 != 0, bits & 0x40 != 0);
        if start {
            sink.begin(header);
            self.inside = true;
        } else if !self.inside {
            sink.mark_damaged();
            return Err(ParseError::new("a fragment without its start", header.len()));
        }
        sink.extend(piece);
        if end {
            self.end(sink);
        } else if !sink.is_open() {
            self.inside = false;
        }
        Ok(())
    }
}
