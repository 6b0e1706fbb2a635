//! Frames: what the sealed part of a datagram consists of, one behind the other.
//!
//! ```text
//! 00        padding: the rest of the datagram is zeros
//! 01 PING   nonce u64                      answered over the path it came by
//! 02 PONG   nonce u64
//! 03 REPORT see `report`
//! 04 WANT   flow u16, unit u32, count u8, that many piece indexes u16     what the receiver lacks with little time left
//! 05 FILL   zeros to the end               to try what the path carries; reported like anything else
//! 10 UNIT   flow u16, unit u32, sent u32, len u16, bytes                  a unit in one piece; 11: a key unit
//! 12 PIECE  flow u16, unit u32, sent u32, index u16, data u16, parity u16, unit length u32, len u16, bytes; 13: of a key unit
//! 20 STREAM id u32, offset u64, len u16, bytes; 21: and these are the last
//! 22 OPEN   id u32, len u8, purpose
//! 23 WINDOW id u32, offset u64             may be written up to here
//! 24 RESET  id u32
//! 30 FLOW   flow u16, class u8, mode u8, playout u32, first u32     `first`: the number of its first unit, which tells this
//!                                          opening of the flow from those before it
//! 31 FLOW_CLOSE flow u16, first u32        by its sender
//! 32 FLOW_STOP  flow u16, first u32        by its receiver
//! 33 KEY_WISH   flow u16                  by its receiver: a key unit would help
//! 34 PATH   path u8, kind u8 (bit 0: a connection, bits 1 to 6: classes that it does not take), cost u8, len u8, name
//! 35 PATH_GONE path u8
//! 50 REKEY  phase u8, len u16, Noise message 1; 51: message 2
//! 60 BYE    code: len u8, text; detail: len u8, text
//! ```

use crate::bytes::Reader;
use crate::error::ParseError;

use super::flow::{Class, FlowOptions, Mode, MAX_PLAYOUT_MS};
use super::fragment::{Head, Shape};
use super::report::Report;
use super::types::{FlowId, PathId, PathKind, StreamId};

/// Longest name of a path, code of a farewell and so on: what a peer may make us keep.
pub const MAX_NAME_BYTES: usize = 32;
pub const MAX_PURPOSE_BYTES: usize = 128;
pub const MAX_DETAIL_BYTES: usize = 200;
/// Pieces of one unit asked for in one WANT.
pub const MAX_WANTED: usize = 64;
/// Headers of the frames that carry bodies.
pub const UNIT_HEADER_BYTES: usize = 13;
pub const PIECE_HEADER_BYTES: usize = 23;
pub const STREAM_HEADER_BYTES: usize = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceFrame<'a> {
    pub flow: FlowId,
    pub head: Head,
    pub body: &'a [u8],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    Ping(u64),
    Pong(u64),
    Report(Report),
    Want { flow: FlowId, unit: u32, indexes: Indexes<'a> },
    Fill,
    Piece(PieceFrame<'a>),
    Stream { id: StreamId, offset: u64, fin: bool, body: &'a [u8] },
    Open { id: StreamId, purpose: &'a str },
    Window { id: StreamId, offset: u64 },
    Reset(StreamId),
    Flow { flow: FlowId, options: FlowOptions, first: u32 },
    FlowClose { flow: FlowId, first: u32 },
    FlowStop { flow: FlowId, first: u32 },
    KeyWish(FlowId),
    Path { path: PathId, kind: PathKind, cost: u8, barred: u8, name: &'a str },
    PathGone(PathId),
    Rekey { second: bool, phase: u8, noise: &'a [u8] },
    Bye { code: &'a str, detail: &'a str },
}

/// Piece indexes, two bytes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indexes<'a>(pub(super) &'a [u8]);

impl Indexes<'_> {
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    }
}

fn text<'a>(reader: &mut Reader<'a>, max: usize) -> Result<&'a str, ParseError> {
    let at = reader.position();
    let len = usize::from(reader.u8()?);
    if len > max {
        return Err(ParseError::new("text too long", at));
    }
    std::str::from_utf8(reader.take(len)?).map_err(|_| ParseError::new("text is not UTF-8", at))
}

fn body<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], ParseError> {
    let len = usize::from(reader.u16()?);
    reader.take(len)
}

/// The next frame; `None` at the end or where padding begins.
pub fn next_frame<'a>(reader: &mut Reader<'a>) -> Result<Option<Frame<'a>>, ParseError> {
    if reader.is_empty() {
        return Ok(None);
    }
    let at = reader.position();
    let kind = reader.u8()?;
    Ok(Some(match kind {
        0x00 => return Ok(None),
        0x01 => Frame::Ping(reader.u64()?),
        0x02 => Frame::Pong(reader.u64()?),
        0x03 => Frame::Report(Report::parse(reader)?),
        0x04 => {
            let (flow, unit) = (reader.u16()?, reader.u32()?);
            let count = usize::from(reader.u8()?);
            if count == 0 || count > MAX_WANTED {
                return Err(ParseError::new("too many pieces wanted, or none", at));
            }
            Frame::Want { flow, unit, indexes: Indexes(reader.take(2 * count)?) }
        }
        0x05 => Frame::Fill,
        0x10 | 0x11 => {
            let (flow, unit, sent_ms) = (reader.u16()?, reader.u32()?, reader.u32()?);
            let body = body(reader)?;
            let (unit_len, key) = (body.len() as u32, kind & 1 == 1);
            let head = Head { unit, index: 0, data: 1, parity: 0, unit_len, sent_ms, key };
            Frame::Piece(PieceFrame { flow, head, body })
        }
        0x12 | 0x13 => Frame::Piece(piece(reader, kind & 1 == 1)?),
        0x20 | 0x21 => {
            let (id, offset) = (reader.u32()?, reader.u64()?);
            let body = body(reader)?;
            if offset.checked_add(body.len() as u64).is_none() {
                return Err(ParseError::new("stream offset out of range", at));
            }
            Frame::Stream { id, offset, fin: kind & 1 == 1, body }
        }
        0x22 => Frame::Open { id: reader.u32()?, purpose: text(reader, MAX_PURPOSE_BYTES)? },
        0x23 => Frame::Window { id: reader.u32()?, offset: reader.u64()? },
        0x24 => Frame::Reset(reader.u32()?),
        0x30 => {
            let (flow, class, mode) = (reader.u16()?, reader.u8()?, reader.u8()?);
            let class = Class::from_index(class.into()).ok_or(ParseError::new("unknown class", at))?;
            let mode = Mode::from_index(mode.into()).ok_or(ParseError::new("unknown mode", at))?;
            let playout_ms = reader.u32()?;
            if playout_ms > MAX_PLAYOUT_MS {
                return Err(ParseError::new("play-out too long", at));
            }
            Frame::Flow { flow, options: FlowOptions { class, mode, playout_ms }, first: reader.u32()? }
        }
        0x31 => Frame::FlowClose { flow: reader.u16()?, first: reader.u32()? },
        0x32 => Frame::FlowStop { flow: reader.u16()?, first: reader.u32()? },
        0x33 => Frame::KeyWish(reader.u16()?),
        0x34 => {
            let (path, kind, cost) = (reader.u8()?, reader.u8()?, reader.u8()?);
            let barred = kind >> 1 & 0x3f;
            let kind = if kind & 1 == 0 { PathKind::Udp } else { PathKind::Stream };
            Frame::Path { path, kind, cost, barred, name: text(reader, MAX_NAME_BYTES)? }
        }
        0x35 => Frame::PathGone(reader.u8()?),
        0x50 | 0x51 => {
            let phase = reader.u8()?;
            if phase > 3 {
                return Err(ParseError::new("key phase out of range", at));
            }
            Frame::Rekey { second: kind == 0x51, phase, noise: body(reader)? }
        }
        0x60 => Frame::Bye { code: text(reader, MAX_NAME_BYTES)?, detail: text(reader, MAX_DETAIL_BYTES)? },
        _ => return Err(ParseError::new("unknown frame", at)),
    }))
}

fn piece<'a>(reader: &mut Reader<'a>, key: bool) -> Result<PieceFrame<'a>, ParseError> {
    let at = reader.position();
    let (flow, unit, sent_ms) = (reader.u16()?, reader.u32()?, reader.u32()?);
    let (index, data, parity, unit_len) = (reader.u16()?, reader.u16()?, reader.u16()?, reader.u32()?);
    let body = body(reader)?;
    let head = Head { unit, index, data, parity, unit_len, sent_ms, key };
    // The counts tell how long this piece must be.
    match Shape::of(&head) {
        Some(shape) if shape.piece_bytes(index.into()) == body.len() => Ok(PieceFrame { flow, head, body }),
        _ => Err(ParseError::new("piece does not fit its unit", at)),
    }
}
