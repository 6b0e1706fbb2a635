//! Messages in, chunks out (Adobe RTMP 1.0 §5.3.1).

use bytes::{BufMut, BytesMut};

use super::{kind, Message};

const EXTENDED: u32 = 0xff_ffff;
/// Chunk streams whose last header is kept; messages of others always say everything.
const MAX_LANES: usize = 16;

#[derive(Debug, Clone, Copy)]
struct Last {
    id: u8,
    stream_id: u32,
    timestamp: u32,
}

#[derive(Debug)]
pub struct ChunkWriter {
    chunk_size: usize,
    lanes: Vec<Last>,
}

impl Default for ChunkWriter {
    fn default() -> Self {
        Self { chunk_size: 128, lanes: Vec::new() }
    }
}

impl ChunkWriter {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn chunk_size(&self) -> usize {
        self.chunk_size
    }

    /// `chunk_stream` 2..=63. A Set Chunk Size counts from the next message on.
    pub fn message(&mut self, chunk_stream: u8, message: &Message, out: &mut BytesMut) {
        let id = chunk_stream.clamp(2, 63);
        let Message { kind, stream_id, timestamp, data } = message;
        let index = self.lanes.iter().position(|l| l.id == id);
        let step = match index.map(|i| self.lanes[i]) {
            Some(l) if l.stream_id == *stream_id => Some(timestamp.wrapping_sub(l.timestamp)).filter(|s| *s < EXTENDED),
            _ => None,
        };
        let now = Last { id, stream_id: *stream_id, timestamp: *timestamp };
        match index {
            Some(i) => self.lanes[i] = now,
            None if self.lanes.len() < MAX_LANES => self.lanes.push(now),
            None => {}
        }
        out.reserve(data.len() + data.len() / self.chunk_size * 5 + 16);
        let len = data.len().min(EXTENDED as usize) as u32;
        let field = step.unwrap_or(*timestamp).min(EXTENDED);
        out.put_u8(if step.is_some() { 1 << 6 } else { 0 } | id);
        out.put_uint(u64::from(field), 3);
        out.put_uint(u64::from(len), 3);
        out.put_u8(*kind);
        if step.is_none() {
            out.put_u32_le(*stream_id);
        }
        let extended = (field == EXTENDED).then_some(*timestamp);
        extended.iter().for_each(|t| out.put_u32(*t));
        for (i, part) in data[..len as usize].chunks(self.chunk_size).enumerate() {
            if i > 0 {
                out.put_u8(3 << 6 | id);
                extended.iter().for_each(|t| out.put_u32(*t));
            }
            out.put_slice(part);
        }
        if let (kind::SET_CHUNK_SIZE, Some(size)) = (*kind, data.first_chunk::<4>()) {
            self.chunk_size = (u32::from_be_bytes(*size) as usize).clamp(1, EXTENDED as usize);
        }
    }

    /// A protocol control message of one word (§5.4): chunk stream 2, message stream 0.
    pub fn control(&mut self, kind: u8, word: u32, out: &mut BytesMut) {
        let mut data = BytesMut::with_capacity(5);
        data.put_u32(word);
        if kind == super::kind::SET_PEER_BANDWIDTH {
            data.put_u8(2);
        }
        self.message(2, &Message { kind, stream_id: 0, timestamp: 0, data: data.freeze() }, out);
    }
}
