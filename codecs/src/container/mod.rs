//! Containers as byte streams: readers give tracks and access units, writers take them. Pure: bytes and time in, bytes
//! and units out; no socket, no clock. Who has a connection chooses one and feeds it.

pub mod cmaf;
pub mod cmaf_boxes;
pub mod flv;
pub mod fmp4_boxes;
pub mod fmp4_read;
pub mod jt1078;
pub mod mjpeg;
pub mod records;
pub mod rtmp;
pub mod tracks;
mod ts_packets;
pub mod ts_read;
pub mod ts_write;

use bytes::{Bytes, BytesMut};

use crate::hub::unit::{AccessUnit, TrackParams};
use crate::time::Micros;

/// What was taken off a reader's buffer in one piece and is at least so large leaves its memory behind.
const LARGE_BYTES: usize = 256 << 10;

/// `taken` bytes of `buffer` were handed on. After something large the rest begins anew: a slice of a few bytes would
/// keep the whole of it alive.
pub(crate) fn shed(buffer: &mut BytesMut, taken: usize) {
    if taken >= LARGE_BYTES {
        *buffer = BytesMut::from(&buffer[..]);
    }
}

/// What a reader found, in the order it stood in the bytes.
#[derive(Debug, Clone)]
pub enum Found {
    /// A track is known, or its parameters changed.
    Track(TrackParams),
    /// `pts` and `dts` in the track's clock, wraps undone, continuous over what the container calls continuous.
    Unit(AccessUnit),
    /// One SMPTE ST 336 packet.
    Klv(Bytes),
    /// Several programmes: JSON for people, `[{"number":1,"name":"…","tracks":["h264","aac"]}]`.
    Programs(String),
    /// Time jumped by more than a frame or two, or the container began anew: do not bridge it.
    Discontinuity,
    /// Something to tell a person; the reader goes on. `code` is a reason code (`ts-sync-lost`, `codec-unsupported`, …).
    Problem { code: &'static str, detail: String },
}

/// Bytes in, units out. Cut anywhere; bounded memory; never panics.
pub trait Reader: Send {
    /// `Err`: nothing that follows can be read (the connection is to be closed).
    fn push(&mut self, bytes: &[u8], now: Micros, out: &mut Vec<Found>) -> Result<(), crate::error::ParseError>;
    /// What waits for more that will not come (the last unit before a pause of the source).
    fn flush(&mut self, _now: Micros, _out: &mut Vec<Found>) {}
    /// Sound for the one who sends, as bytes for the same connection; nothing where the container has no such way, or it
    /// is not known yet to whom. `time_ms`: from any origin.
    fn talk(&mut self, _codec: crate::hub::unit::Codec, _time_ms: u64, _data: &[u8], _out: &mut BytesMut) {}
}

/// Units in, bytes out. Units are in decoding order; their times only grow.
pub trait Writer: Send {
    /// Whether this container carries the codec; what it does not is left out by the caller, with a word to people.
    fn carries(&self, codec: crate::hub::unit::Codec) -> bool;
    /// The track as it is from the next unit on. Called before the first unit of each track that will come.
    fn track(&mut self, params: &TrackParams, out: &mut BytesMut);
    fn unit(&mut self, unit: &AccessUnit, out: &mut BytesMut);
    /// Whether who reads it can be relied on to go on when a track takes another codec.
    fn is_followed(&self) -> bool {
        true
    }
    /// A key frame should be asked for: what it makes can not go on well without one.
    fn wants_key(&mut self) -> bool {
        false
    }
}
