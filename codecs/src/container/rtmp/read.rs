//! Chunks in, messages out (Adobe RTMP 1.0 §5.3.1). Protocol control messages (§5.4) are seen to here.

use bytes::{Buf, Bytes, BytesMut};

use super::{kind, Message};
use crate::container::shed;
use crate::error::ParseError;

/// Chunk streams of one connection. Encoders use four or five.
pub const MAX_CHUNK_STREAMS: usize = 64;
/// What unfinished messages of the other chunk streams may hold while one is being read. A single message is bounded by
/// its own length field (16 MiB less one).
pub const MAX_UNFINISHED_BYTES: usize = 4 << 20;
/// Commands, data and control: what is handed to Python.
pub const MAX_COMMAND_BYTES: usize = 64 << 10;
/// Tags of one aggregate message: seconds of sound and picture.
pub const MAX_AGGREGATED: usize = 4096;
/// §5.4.1: one bit less than 32.
const MAX_CHUNK_SIZE: u32 = 0x7fff_ffff;
const EXTENDED: u32 = 0xff_ffff;
/// A chunk without header after one with an absolute time means the same step again (§5.3.1.2.4), which is meant only
/// while the time still is as small as a step.
const MAX_FIRST_STEP: u32 = 1000;

#[derive(Debug, Default)]
struct Lane {
    id: u32,
    timestamp: u32,
    delta: u32,
    /// The extended field as it came, where the last header had one: chunks without header repeat it.
    extended: Option<u32>,
    length: usize,
    kind: u8,
    stream_id: u32,
    data: BytesMut,
    unfinished: bool,
}

/// What a basic and a message header said, and how long they were.
struct Head {
    lane: usize,
    form: u8,
    bytes: usize,
    field: u32,
    length: usize,
    kind: u8,
    stream_id: u32,
    extended: Option<u32>,
}

#[derive(Debug)]
pub struct ChunkReader {
    buffer: BytesMut,
    lanes: Vec<Lane>,
    chunk_size: usize,
    /// The sender leaves the extended timestamp out of chunks without header.
    bare: bool,
    received: u32,
    acknowledged: u32,
    own_window: u32,
    window: u32,
    window_asked: Option<u32>,
    /// Of one message, and of what is unfinished beside it.
    most: usize,
    /// Messages that were given up in the middle.
    pub broken: u64,
}

impl ChunkReader {
    /// `window`: acknowledge at least each so many bytes; less when the peer asks.
    pub fn new(window: u32) -> Self {
        let window = window.max(1);
        Self {
            buffer: BytesMut::new(),
            lanes: Vec::new(),
            chunk_size: 128,
            bare: false,
            received: 0,
            acknowledged: 0,
            own_window: window,
            window,
            window_asked: None,
            most: EXTENDED as usize,
            broken: 0,
        }
    }

    /// No message is to be larger from now on: what a stranger may have kept here is little.
    pub fn at_most(&mut self, bytes: usize) {
        self.most = bytes;
    }

    /// The sequence number of an acknowledgement that is due (§5.4.3).
    pub fn acknowledge(&mut self) -> Option<u32> {
        if self.received.wrapping_sub(self.acknowledged) < self.window {
            return None;
        }
        self.acknowledged = self.received;
        Some(self.received)
    }

    /// The peer limited our bandwidth and wants to be told the window (§5.4.5).
    pub fn window_asked(&mut self) -> Option<u32> {
        self.window_asked.take()
    }

    /// Memory that is held for what is not finished.
    pub fn held_bytes(&self) -> usize {
        self.buffer.len() + self.lanes.iter().map(|l| l.data.len()).sum::<usize>()
    }

    /// Bytes as they come, cut anywhere. `Err`: the connection is to be closed.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Message>) -> Result<(), ParseError> {
        self.received = self.received.wrapping_add(bytes.len() as u32);
        self.buffer.extend_from_slice(bytes);
        while let Some(head) = self.head()? {
            if head.length > self.most {
                return Err(ParseError::new("a message larger than is taken yet", 0));
            }
            let lane = &self.lanes[head.lane];
            let goes_on = lane.unfinished && head.form == 3;
            let at = if goes_on { lane.data.len() } else { 0 };
            let part = (head.length - at).min(self.chunk_size);
            if self.buffer.len() < head.bytes + part {
                return Ok(());
            }
            self.buffer.advance(head.bytes);
            if !goes_on {
                self.begin(&head)?;
            }
            self.append(head.lane, part, out)?;
        }
        Ok(())
    }

    /// `None`: more bytes are needed. Nothing is changed but that a lane may be new.
    fn head(&mut self) -> Result<Option<Head>, ParseError> {
        let b = &self.buffer;
        let Some(&first) = b.first() else { return Ok(None) };
        let (id, basic) = match (first & 63, b.get(1), b.get(2)) {
            (0, Some(one), _) => (64 + u32::from(*one), 2),
            (1, Some(one), Some(two)) => (64 + u32::from(*one) + 256 * u32::from(*two), 3),
            (0 | 1, _, _) => return Ok(None),
            (id, _, _) => (u32::from(id), 1),
        };
        let form = first >> 6;
        let size = [11, 7, 3, 0][usize::from(form)];
        let Some(found) = b.get(basic..basic + size) else { return Ok(None) };
        let mut fields = [0; 11];
        fields[..size].copy_from_slice(found);
        let index = match self.lanes.iter().position(|l| l.id == id) {
            Some(index) => index,
            None if form == 3 || form == 2 => return Err(ParseError::new("chunk stream begins without a header", 0)),
            None if self.lanes.len() == MAX_CHUNK_STREAMS => return Err(ParseError::new("too many chunk streams", 0)),
            None => {
                self.lanes.push(Lane { id, ..Lane::default() });
                self.lanes.len() - 1
            }
        };
        let lane = &self.lanes[index];
        let three = |at: usize| u32::from_be_bytes([0, fields[at], fields[at + 1], fields[at + 2]]);
        let mut head = Head {
            lane: index,
            form,
            bytes: basic + size,
            field: if form == 3 { lane.delta } else { three(0) },
            length: if form < 2 { three(3) as usize } else { lane.length },
            kind: if form < 2 { fields[6] } else { lane.kind },
            stream_id: if form == 0 { u32::from_le_bytes([7, 8, 9, 10].map(|i| fields[i])) } else { lane.stream_id },
            extended: None,
        };
        let expected = if form == 3 { lane.extended.filter(|_| !self.bare) } else { None };
        if expected.is_none() && !(form < 3 && head.field == EXTENDED) {
            return Ok(Some(head));
        }
        let Some(four) = b.get(head.bytes..head.bytes + 4) else { return Ok(None) };
        let told = u32::from_be_bytes([four[0], four[1], four[2], four[3]]);
        if expected.is_some_and(|expected| expected != told) {
            // Not repeated, as older senders do.
            self.bare = true;
            return Ok(Some(head));
        }
        head.bytes += 4;
        head.extended = Some(told);
        if form < 3 {
            head.field = told;
        }
        Ok(Some(head))
    }

    fn begin(&mut self, head: &Head) -> Result<(), ParseError> {
        let small = matches!(head.kind, kind::AUDIO | kind::VIDEO | kind::AGGREGATE);
        if !small && head.length > MAX_COMMAND_BYTES {
            return Err(ParseError::new("command message over 64 KiB", 0));
        }
        let lane = &mut self.lanes[head.lane];
        if lane.unfinished {
            self.broken += 1;
        }
        lane.data.clear();
        lane.unfinished = true;
        (lane.length, lane.kind, lane.stream_id) = (head.length, head.kind, head.stream_id);
        if head.form < 3 {
            lane.extended = head.extended;
        }
        if head.form == 0 {
            lane.timestamp = head.field;
            lane.delta = if head.field <= MAX_FIRST_STEP { head.field } else { 0 };
        } else {
            lane.delta = head.field;
            lane.timestamp = lane.timestamp.wrapping_add(head.field);
        }
        Ok(())
    }

    fn append(&mut self, index: usize, part: usize, out: &mut Vec<Message>) -> Result<(), ParseError> {
        let others: usize = self.lanes.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, l)| l.data.len()).sum();
        if others > MAX_UNFINISHED_BYTES.min(self.most) {
            return Err(ParseError::new("too much in unfinished messages", 0));
        }
        let lane = &mut self.lanes[index];
        let data = if part == lane.length {
            let whole = self.buffer.split_to(part).freeze();
            shed(&mut self.buffer, part);
            whole
        } else {
            // A copy: a slice of a few bytes would keep all that was read with it as long as the message lasts.
            lane.data.extend_from_slice(&self.buffer[..part]);
            self.buffer.advance(part);
            if lane.data.len() < lane.length {
                return Ok(());
            }
            std::mem::take(&mut lane.data).freeze()
        };
        lane.unfinished = false;
        let message = Message { kind: lane.kind, stream_id: lane.stream_id, timestamp: lane.timestamp, data };
        self.message(message, out)
    }

    fn message(&mut self, message: Message, out: &mut Vec<Message>) -> Result<(), ParseError> {
        let word = message.data.first_chunk::<4>().map(|b| u32::from_be_bytes(*b));
        match (message.kind, word) {
            (kind::SET_CHUNK_SIZE, Some(size)) if (1..=MAX_CHUNK_SIZE).contains(&size) => {
                self.chunk_size = size as usize;
            }
            (kind::SET_CHUNK_SIZE, _) => return Err(ParseError::new("chunk size out of range", 0)),
            (kind::ABORT, Some(id)) => {
                for lane in self.lanes.iter_mut().filter(|l| l.id == id && l.unfinished) {
                    lane.data.clear();
                    lane.unfinished = false;
                    self.broken += 1;
                }
            }
            (kind::WINDOW_ACK_SIZE, Some(window)) => self.window = window.clamp(1, self.own_window),
            (kind::SET_PEER_BANDWIDTH, Some(window)) => self.window_asked = Some(window),
            (kind::ABORT..=kind::ACKNOWLEDGEMENT | kind::WINDOW_ACK_SIZE..=kind::SET_PEER_BANDWIDTH, _) => {}
            (kind::AGGREGATE, _) => return aggregate(&message, out),
            _ => out.push(message),
        }
        Ok(())
    }
}

/// §7.1.6: FLV tags behind each other; the first one's time stands for the message's.
fn aggregate(message: &Message, out: &mut Vec<Message>) -> Result<(), ParseError> {
    let (mut at, mut first, mut tags) = (0, None, 0);
    while let Some(h) = message.data.get(at..at + 11) {
        let size = u32::from_be_bytes([0, h[1], h[2], h[3]]) as usize;
        let time = u32::from_be_bytes([h[7], h[4], h[5], h[6]]);
        if message.data.len() < at + 11 + size {
            break;
        }
        tags += 1;
        if tags > MAX_AGGREGATED {
            return Err(ParseError::new("too many tags in one message", at));
        }
        let data: Bytes = message.data.slice(at + 11..at + 11 + size);
        let timestamp = message.timestamp.wrapping_add(time.wrapping_sub(*first.get_or_insert(time)));
        if matches!(h[0], kind::AUDIO | kind::VIDEO) || (h[0] == kind::AMF0_DATA && size <= MAX_COMMAND_BYTES) {
            out.push(Message { kind: h[0], stream_id: message.stream_id, timestamp, data });
        }
        at += 11 + size + 4;
    }
    Ok(())
}
