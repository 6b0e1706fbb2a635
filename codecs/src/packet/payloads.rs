//! The RTP payloads of one access unit, and how they are laid out so that GSO can send runs of equal segments.

use bytes::{Bytes, BytesMut};

/// The RTP payloads of one access unit: one buffer, cut in order. Headers are the sender's business.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payloads {
    pub data: Bytes,
    pub parts: Vec<Part>,
}

/// One payload in `Payloads::data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub start: u32,
    pub len: u32,
    /// The marker bit of this packet: last of a picture; for audio by the codec's own rule.
    pub marker: bool,
    /// To be added to the unit's pts, in the track's clock; not 0 only when one audio unit needs several packets.
    pub ts_offset: u32,
}

impl Payloads {
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub fn part(&self, index: usize) -> &[u8] {
        let Some(p) = self.parts.get(index) else { return &[] };
        &self.data[p.start as usize..(p.start + p.len) as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Part)> {
        self.parts.iter().enumerate().map(|(i, p)| (self.part(i), *p))
    }
}

pub(super) struct PayloadsBuilder {
    data: BytesMut,
    parts: Vec<Part>,
    max: usize,
}

impl PayloadsBuilder {
    pub fn new(bytes: usize, max: usize) -> Self {
        let count = bytes / max + 2;
        Self { data: BytesMut::with_capacity(bytes + count * 8), parts: Vec::with_capacity(count), max }
    }

    fn part(&mut self, start: usize, ts_offset: u32) {
        let (start, len) = (start as u32, (self.data.len() - start) as u32);
        self.parts.push(Part { start, len, marker: false, ts_offset });
    }

    pub fn single(&mut self, payload: &[u8]) {
        self.at_offset(payload, 0);
    }

    pub fn at_offset(&mut self, payload: &[u8], ts_offset: u32) {
        let start = self.data.len();
        self.data.extend_from_slice(payload);
        self.part(start, ts_offset);
    }

    /// `body` in as few fragments as fit, as equal as can be: all but the last have the same length, so that they
    /// make one run of GSO segments, and the last is at most a few bytes shorter than the others.
    pub fn fragments<const N: usize>(&mut self, body: &[u8], header: impl Fn(bool, bool) -> [u8; N]) {
        let room = self.max - N;
        let count = body.len().div_ceil(room).max(2);
        let size = body.len().div_ceil(count).max(1);
        let mut pieces = body.chunks(size).peekable();
        let mut first = true;
        while let Some(piece) = pieces.next() {
            let start = self.data.len();
            self.data.extend_from_slice(&header(first, pieces.peek().is_none()));
            self.data.extend_from_slice(piece);
            self.part(start, 0);
            first = false;
        }
    }

    /// How many of `nalus` fit into one aggregation packet with a header of `header` bytes.
    pub fn run_that_fits(&self, nalus: &[&Bytes], header: usize) -> usize {
        let mut total = header;
        let fits = |n: &&&Bytes| {
            total += 2 + n.len();
            total <= self.max && n.len() <= usize::from(u16::MAX)
        };
        nalus.iter().take_while(fits).count()
    }

    pub fn aggregate(&mut self, header: &[u8], nalus: &[&Bytes]) {
        let start = self.data.len();
        self.data.extend_from_slice(header);
        for nalu in nalus {
            self.data.extend_from_slice(&(nalu.len() as u16).to_be_bytes());
            self.data.extend_from_slice(nalu);
        }
        self.part(start, 0);
    }

    pub fn mark_last(&mut self) {
        if let Some(last) = self.parts.last_mut() {
            last.marker = true;
        }
    }

    /// The last payload carries the marker.
    pub fn finish(mut self) -> Payloads {
        self.mark_last();
        self.finish_unmarked()
    }

    pub fn finish_unmarked(self) -> Payloads {
        Payloads { data: self.data.freeze(), parts: self.parts }
    }
}
