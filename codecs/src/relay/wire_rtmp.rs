//! RTMP on a wire, a leg or a subscription: chunks are put together and cut here, protocol control is answered here,
//! commands and data go to Python. Bound inward, audio and video messages become units; bound outward, units become
//! audio and video messages.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::event::{WireState, WireTold};
use super::line::{Brought, Line, LineOrder, OutBuffer, Outward, Over};
use super::sys::{self, SockAddr};
use super::OrderError;
use crate::container::flv::tag_read::TagReader;
use crate::container::flv::tag_write::{Tag, TagWriter, AUDIO};
use crate::container::rtmp::read::{ChunkReader, MAX_COMMAND_BYTES};
use crate::container::rtmp::write::ChunkWriter;
use crate::container::rtmp::{kind, Message};
use crate::container::Writer;
use crate::hub::unit::{AccessUnit, Codec, TrackParams};
use crate::time::Micros;

/// Reads of one socket before others have their turn.
const READS: usize = 4;
const READ_BYTES: usize = 64 * 1024;
/// Sequence headers that came before it was known where they belong.
const MAX_KEPT: usize = 8;
/// Messages to Python: commands and control beyond this are an attack, data (telemetry of encoders, often one for each
/// picture) beyond it is left out.
const COMMANDS_PER_SECOND: u32 = 200;
const DATA_PER_SECOND: u32 = 20;
/// Of one message before it is known who sends: a key frame that is sent too early still fits.
const MAX_STRANGERS_BYTES: usize = 2 << 20;
const MAX_MESSAGE_BYTES: usize = 0xff_ffff;
/// What may wait to be sent of messages that nobody reads.
const MAX_WAITING_BYTES: usize = 2 << 20;
/// Chunk streams of our sound and picture.
const AUDIO_CHUNKS: u8 = 4;
const VIDEO_CHUNKS: u8 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Unbound,
    In,
    Out { message_stream: u32 },
}

/// Counts what is told within a second.
#[derive(Debug, Default, Clone, Copy)]
struct PerSecond {
    since: Micros,
    count: u32,
}

impl PerSecond {
    fn more_than(&mut self, most: u32, now: Micros) -> bool {
        if now.since(self.since) >= 1_000_000 {
            *self = Self { since: now, count: 0 };
        }
        self.count += 1;
        self.count > most
    }
}

pub struct RtmpLine {
    fd: OwnedFd,
    initial: Vec<u8>,
    reader: ChunkReader,
    writer: ChunkWriter,
    out: OutBuffer,
    mode: Mode,
    tags: TagReader,
    kept: Vec<Message>,
    messages: Vec<Message>,
    commands: PerSecond,
    data: PerSecond,
    choked: bool,
}

impl RtmpLine {
    /// A connection behind its handshake. `initial`: what was read of it already.
    pub fn new(fd: OwnedFd, initial: Vec<u8>, ack_window: u32) -> Self {
        let mut reader = ChunkReader::new(ack_window);
        reader.at_most(MAX_STRANGERS_BYTES);
        Self {
            fd,
            initial,
            reader,
            writer: ChunkWriter::new(),
            out: OutBuffer::default(),
            mode: Mode::Unbound,
            tags: TagReader::new(),
            kept: Vec::new(),
            messages: Vec::new(),
            commands: PerSecond::default(),
            data: PerSecond::default(),
            choked: false,
        }
    }

    fn send(&mut self, chunk_stream: u8, message: &Message) {
        let mut bytes = BytesMut::new();
        self.writer.message(chunk_stream, message, &mut bytes);
        self.out.push(bytes.freeze());
        self.choked |= self.out.len() > MAX_WAITING_BYTES;
    }

    fn control(&mut self, kind: u8, word: u32) {
        let mut bytes = BytesMut::new();
        self.writer.control(kind, word, &mut bytes);
        self.out.push(bytes.freeze());
    }

    fn take(&mut self, bytes: &[u8], now: Micros, brought: &mut Brought) -> Result<(), Over> {
        brought.bytes += bytes.len() as u64;
        let mut messages = std::mem::take(&mut self.messages);
        let pushed = self.reader.push(bytes, &mut messages);
        let mut result = Ok(());
        for message in messages.drain(..) {
            result = result.and_then(|()| self.message(message, now, brought));
        }
        self.messages = messages;
        result?;
        pushed.map_err(|e| Over::new("protocol", e.what))?;
        self.answer();
        Ok(())
    }

    /// What is due by protocol control. A peer that does not read is told no more: a later answer says what these would.
    fn answer(&mut self) {
        if !self.out.has_room() {
            return;
        }
        if let Some(sequence) = self.reader.acknowledge() {
            self.control(kind::ACKNOWLEDGEMENT, sequence);
        }
        if let Some(window) = self.reader.window_asked() {
            self.control(kind::WINDOW_ACK_SIZE, window);
        }
    }

    fn message(&mut self, message: Message, now: Micros, brought: &mut Brought) -> Result<(), Over> {
        brought.packets += 1;
        match message.kind {
            kind::AUDIO | kind::VIDEO => {
                match self.mode {
                    Mode::In => self.media(&message, now, brought),
                    Mode::Unbound if begins(&message) && self.kept.len() < MAX_KEPT => {
                        // A copy: a slice would keep what a stranger sent before and behind it.
                        self.kept.push(Message { data: Bytes::copy_from_slice(&message.data), ..message });
                    }
                    _ => {}
                }
                Ok(())
            }
            kind::USER_CONTROL | kind::AMF0_COMMAND | kind::AMF3_COMMAND | kind::AMF0_DATA | kind::AMF3_DATA => {
                if matches!(message.kind, kind::AMF0_DATA | kind::AMF3_DATA) {
                    if self.data.more_than(DATA_PER_SECOND, now) {
                        return Ok(());
                    }
                } else if self.commands.more_than(COMMANDS_PER_SECOND, now) {
                    return Err(Over::new("protocol", "more than 200 commands within a second"));
                }
                brought.told.push(WireTold {
                    data: message.data.to_vec(),
                    number: u32::from(message.kind),
                    stream_id: message.stream_id,
                    ..WireTold::new(0, WireState::Message)
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn media(&mut self, message: &Message, now: Micros, brought: &mut Brought) {
        if message.kind == kind::AUDIO {
            self.tags.audio(message.timestamp, &message.data, now, &mut brought.found);
        } else {
            self.tags.video(message.timestamp, &message.data, now, &mut brought.found);
        }
    }
}

/// A sequence header, as far as its first bytes tell.
fn begins(message: &Message) -> bool {
    let b = message.data.get(..2).unwrap_or_default();
    let small = message.data.len() <= MAX_COMMAND_BYTES;
    small
        && match (message.kind, b) {
            (kind::AUDIO, [first, second]) => matches!((first >> 4, second), (10 | 13, 0)) || *first == 0x90,
            (_, [first, second]) if first & 0x80 == 0 => *second == 0,
            (_, [first, _]) => first & 15 == 0,
            _ => false,
        }
}

impl Line for RtmpLine {
    fn transport(&self) -> &'static str {
        "tcp"
    }

    fn fd(&self) -> Option<RawFd> {
        Some(self.fd.as_raw_fd())
    }

    fn address(&self) -> Option<SocketAddr> {
        SockAddr::peer_of(&self.fd)
    }

    fn work(&mut self, now: Micros, scratch: &mut Vec<u8>, brought: &mut Brought) -> Result<(), Over> {
        if self.choked {
            return Err(Over::new("viewer-slow", "the peer does not read what is sent to it"));
        }
        if self.mode == Mode::In {
            for message in std::mem::take(&mut self.kept) {
                self.media(&message, now, brought);
            }
        }
        let initial = std::mem::take(&mut self.initial);
        if !initial.is_empty() {
            self.take(&initial, now, brought)?;
        }
        scratch.resize(READ_BYTES, 0);
        for turn in 0..=READS {
            if turn == READS {
                brought.more = true;
                break;
            }
            match sys::read_bytes(self.fd.as_raw_fd(), scratch) {
                Ok(0) => return Err(Over::new("source-ended", "")),
                Ok(n) => {
                    self.take(&scratch[..n], now, brought)?;
                    if n < scratch.len() {
                        break;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => break,
                Err(e) => return Err(Over::io(&e)),
            }
        }
        self.out.flush(self.fd.as_raw_fd())
    }

    fn bind_in(&mut self, _program: u16) -> Result<(), OrderError> {
        self.mode = Mode::In;
        self.reader.at_most(MAX_MESSAGE_BYTES);
        Ok(())
    }

    fn bind_out(&mut self, how: Outward) -> Result<Box<dyn Writer>, OrderError> {
        self.mode = Mode::Out { message_stream: how.message_stream };
        self.kept.clear();
        Ok(Box::new(TagPieces { tags: TagWriter::new(how.enhanced), list: Vec::new() }))
    }

    /// A piece of `TagPieces`.
    fn put(&mut self, mut piece: Bytes, _now: Micros) -> Result<bool, Over> {
        let Mode::Out { message_stream } = self.mode else { return Ok(true) };
        if !self.out.has_room() {
            return Ok(false);
        }
        while piece.len() >= PIECE_HEAD {
            let (kind, timestamp, len) = (piece.get_u8(), piece.get_u32(), piece.get_u32() as usize);
            let data = piece.split_to(len.min(piece.len()));
            let chunks = if kind == AUDIO { AUDIO_CHUNKS } else { VIDEO_CHUNKS };
            let mut bytes = BytesMut::new();
            self.writer.message(chunks, &Message { kind, stream_id: message_stream, timestamp, data }, &mut bytes);
            self.out.push(bytes.freeze());
        }
        self.out.flush(self.fd.as_raw_fd())?;
        Ok(true)
    }

    fn waits(&self) -> bool {
        !self.out.is_empty()
    }

    fn order(&mut self, order: LineOrder) {
        let LineOrder::Rtmp { type_id, stream_id, chunk_stream, data } = order;
        let message = Message { kind: type_id, stream_id, timestamp: 0, data: Bytes::from(data) };
        self.send(chunk_stream as u8, &message);
    }
}

/// Kind, time and length before each tag.
const PIECE_HEAD: usize = 9;

/// Units become tags here, and chunks where the line takes them: commands go between, in the same chunk stream state.
struct TagPieces {
    tags: TagWriter,
    list: Vec<Tag>,
}

impl Writer for TagPieces {
    fn carries(&self, codec: Codec) -> bool {
        self.tags.carries(codec)
    }

    fn track(&mut self, params: &TrackParams, _out: &mut BytesMut) {
        self.tags.track(params);
    }

    fn unit(&mut self, unit: &AccessUnit, out: &mut BytesMut) {
        self.tags.unit(unit, &mut self.list);
        for tag in self.list.drain(..) {
            out.reserve(PIECE_HEAD + tag.body.len());
            out.put_u8(tag.kind);
            out.put_u32(tag.time);
            out.put_u32(tag.body.len() as u32);
            out.put_slice(&tag.body);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A sender that wants every byte acknowledged, and takes no acknowledgement.
    #[test]
    fn who_does_not_read_is_answered_no_more() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("a socket of ours");
        let mut line = RtmpLine::new(OwnedFd::from(ours), Vec::new(), 2_500_000);
        let (mut brought, mut asked) = (Brought::default(), BytesMut::new());
        let mut peer = ChunkWriter::new();
        peer.control(kind::WINDOW_ACK_SIZE, 1, &mut asked);
        peer.control(kind::SET_PEER_BANDWIDTH, 5000, &mut asked);
        for _ in 0..100_000 {
            line.take(&asked, Micros(1), &mut brought).expect("protocol control");
            line.out.flush(line.fd.as_raw_fd()).expect("a peer that is there");
        }
        assert!(line.out.len() <= 257 << 10, "{} bytes wait", line.out.len());
        assert!(!line.choked, "what it sends goes on");
        drop(theirs);
    }
}
