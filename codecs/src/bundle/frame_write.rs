//! Writing frames: the other half of `frame`, and the tests of both.

use super::fragment::Head;
use super::frame::{Frame, Indexes, MAX_WANTED, PIECE_HEADER_BYTES, STREAM_HEADER_BYTES, UNIT_HEADER_BYTES};
use super::types::{FlowId, PathKind, StreamId};

/// A cursor to write frames with; `put` writes a whole frame or nothing.
pub struct Writer<'a> {
    buf: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    /// Frames go to `buf` from `at` on.
    pub fn new(buf: &'a mut [u8], at: usize) -> Self {
        Self { buf, at }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn room(&self) -> usize {
        self.buf.len().saturating_sub(self.at)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.buf[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn text(&mut self, text: &str) {
        self.bytes(&[text.len() as u8]);
        self.bytes(text.as_bytes());
    }

    /// `false`: there is no room for it, nothing was written. Names are cut to what the format allows by who keeps them.
    pub fn put(&mut self, frame: &Frame<'_>) -> bool {
        if encoded_len(frame) > self.room() {
            return false;
        }
        match *frame {
            Frame::Ping(nonce) => self.number(0x01, nonce),
            Frame::Pong(nonce) => self.number(0x02, nonce),
            Frame::Report(ref report) => {
                self.bytes(&[0x03]);
                self.at += report.write(&mut self.buf[self.at..]);
            }
            Frame::Want { flow, unit, indexes } => {
                self.bytes(&[0x04]);
                self.bytes(&flow.to_be_bytes());
                self.bytes(&unit.to_be_bytes());
                self.bytes(&[(indexes.0.len() / 2) as u8]);
                self.bytes(indexes.0);
            }
            Frame::Fill => self.bytes(&[0x05]),
            Frame::Piece(ref piece) => {
                self.piece(piece.flow, &piece.head, piece.body);
            }
            Frame::Stream { id, offset, fin, body } => {
                self.stream(id, offset, fin, (body, &[]));
            }
            Frame::Open { id, purpose } => {
                self.bytes(&[0x22]);
                self.bytes(&id.to_be_bytes());
                self.text(purpose);
            }
            Frame::Window { id, offset } => {
                self.bytes(&[0x23]);
                self.bytes(&id.to_be_bytes());
                self.bytes(&offset.to_be_bytes());
            }
            Frame::Reset(id) => {
                self.bytes(&[0x24]);
                self.bytes(&id.to_be_bytes());
            }
            Frame::Flow { flow, options, first } => {
                self.bytes(&[0x30]);
                self.bytes(&flow.to_be_bytes());
                self.bytes(&[options.class.index() as u8, options.mode.index() as u8]);
                self.bytes(&options.playout_ms.to_be_bytes());
                self.bytes(&first.to_be_bytes());
            }
            Frame::FlowClose { flow, first } | Frame::FlowStop { flow, first } => {
                self.flow(if matches!(frame, Frame::FlowClose { .. }) { 0x31 } else { 0x32 }, flow);
                self.bytes(&first.to_be_bytes());
            }
            Frame::KeyWish(flow) => self.flow(0x33, flow),
            Frame::Path { path, kind, cost, barred, name } => {
                self.bytes(&[0x34, path, u8::from(kind == PathKind::Stream) | (barred & 0x3f) << 1, cost]);
                self.text(name);
            }
            Frame::PathGone(path) => self.bytes(&[0x35, path]),
            Frame::Rekey { second, phase, noise } => {
                self.bytes(&[0x50 | u8::from(second), phase]);
                self.bytes(&(noise.len() as u16).to_be_bytes());
                self.bytes(noise);
            }
            Frame::Bye { code, detail } => {
                self.bytes(&[0x60]);
                self.text(code);
                self.text(detail);
            }
        }
        true
    }

    fn number(&mut self, kind: u8, number: u64) {
        self.bytes(&[kind]);
        self.bytes(&number.to_be_bytes());
    }

    fn flow(&mut self, kind: u8, flow: FlowId) {
        self.bytes(&[kind]);
        self.bytes(&flow.to_be_bytes());
    }

    /// A piece of a unit; as UNIT when it is all of it.
    pub fn piece(&mut self, flow: FlowId, head: &Head, body: &[u8]) -> bool {
        let single = head.data == 1 && head.parity == 0;
        if piece_len(single, body.len()) > self.room() {
            return false;
        }
        self.bytes(&[if single { 0x10 } else { 0x12 } | u8::from(head.key)]);
        self.bytes(&flow.to_be_bytes());
        self.bytes(&head.unit.to_be_bytes());
        self.bytes(&head.sent_ms.to_be_bytes());
        if !single {
            for number in [head.index, head.data, head.parity] {
                self.bytes(&number.to_be_bytes());
            }
            self.bytes(&head.unit_len.to_be_bytes());
        }
        self.bytes(&(body.len() as u16).to_be_bytes());
        self.bytes(body);
        true
    }

    /// A STREAM frame whose bytes are in two runs.
    pub fn stream(&mut self, id: StreamId, offset: u64, fin: bool, bytes: (&[u8], &[u8])) -> bool {
        let len = bytes.0.len() + bytes.1.len();
        if STREAM_HEADER_BYTES + len > self.room() {
            return false;
        }
        self.bytes(&[0x20 | u8::from(fin)]);
        self.bytes(&id.to_be_bytes());
        self.bytes(&offset.to_be_bytes());
        self.bytes(&(len as u16).to_be_bytes());
        self.bytes(bytes.0);
        self.bytes(bytes.1);
        true
    }

    /// Zeros up to `end`.
    pub fn pad(&mut self, end: usize) {
        let end = end.min(self.buf.len());
        if end > self.at {
            self.buf[self.at..end].fill(0);
            self.at = end;
        }
    }

    /// A WANT out of numbers; at most `MAX_WANTED` and what there is room for. How many went in.
    pub fn want(&mut self, flow: FlowId, unit: u32, indexes: &[u16]) -> usize {
        let mut packed = [0; 2 * MAX_WANTED];
        let count = indexes.len().min(MAX_WANTED).min(self.room().saturating_sub(8) / 2);
        for (pair, index) in packed.chunks_exact_mut(2).zip(&indexes[..count]) {
            pair.copy_from_slice(&index.to_be_bytes());
        }
        let written = count > 0 && self.put(&Frame::Want { flow, unit, indexes: Indexes(&packed[..2 * count]) });
        usize::from(written) * count
    }
}

/// Bytes of a UNIT or PIECE frame.
pub fn piece_len(single: bool, body: usize) -> usize {
    body + if single { UNIT_HEADER_BYTES } else { PIECE_HEADER_BYTES }
}

/// Bytes that `put` takes for it.
pub fn encoded_len(frame: &Frame<'_>) -> usize {
    match frame {
        Frame::Ping(_) | Frame::Pong(_) => 9,
        Frame::Report(report) => 1 + report.len(),
        Frame::Want { indexes, .. } => 8 + indexes.0.len(),
        Frame::Fill => 1,
        Frame::Piece(piece) => piece_len(piece.head.data == 1 && piece.head.parity == 0, piece.body.len()),
        Frame::Stream { body, .. } => STREAM_HEADER_BYTES + body.len(),
        Frame::Open { purpose, .. } => 6 + purpose.len(),
        Frame::Window { .. } => 13,
        Frame::Reset(_) => 5,
        Frame::Flow { .. } => 13,
        Frame::FlowClose { .. } | Frame::FlowStop { .. } => 7,
        Frame::KeyWish(_) => 3,
        Frame::Path { name, .. } => 5 + name.len(),
        Frame::PathGone(_) => 2,
        Frame::Rekey { noise, .. } => 4 + noise.len(),
        Frame::Bye { code, detail } => 3 + code.len() + detail.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::flow::{Class, FlowOptions, Mode};
    use crate::bundle::frame::{next_frame, PieceFrame};
    use crate::bytes::Reader;

    fn all() -> Vec<Frame<'static>> {
        let options = FlowOptions { class: Class::Video, mode: Mode::Spread, playout_ms: 400 };
        let head = Head { unit: 9, index: 0, data: 1, parity: 0, unit_len: 4, sent_ms: 0xfedc_ba98, key: true };
        let piece = PieceFrame { flow: 7, head, body: b"unit" };
        let head = Head { index: 3, data: 3, parity: 1, unit_len: 110, key: false, ..head };
        let second = PieceFrame { flow: 7, head, body: &[5; 37] };
        vec![
            Frame::Ping(1),
            Frame::Pong(u64::MAX),
            Frame::Want { flow: 1, unit: 2, indexes: Indexes(&[0, 1, 0xff, 0xfe]) },
            Frame::Fill,
            Frame::Piece(piece),
            Frame::Piece(second),
            Frame::Stream { id: 4, offset: 1 << 40, fin: false, body: b"bytes" },
            Frame::Stream { id: 4, offset: 5, fin: true, body: b"" },
            Frame::Open { id: 4, purpose: "rpc" },
            Frame::Window { id: 4, offset: 65_536 },
            Frame::Reset(4),
            Frame::Flow { flow: 3, options, first: 1 << 30 },
            Frame::FlowClose { flow: 3, first: 7 },
            Frame::FlowStop { flow: 3, first: u32::MAX },
            Frame::KeyWish(3),
            Frame::Path { path: 2, kind: PathKind::Stream, cost: 5, barred: 0b1_0100, name: "lte-1" },
            Frame::Path { path: 3, kind: PathKind::Udp, cost: 0, barred: 0b11_1111, name: "sat" },
            Frame::PathGone(2),
            Frame::Rekey { second: true, phase: 3, noise: b"message" },
            Frame::Bye { code: "revoked", detail: "by the operator" },
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let frames = all();
        let mut buf = vec![0; 1000];
        let mut writer = Writer::new(&mut buf, 3);
        for frame in &frames {
            let before = writer.position();
            assert!(writer.put(frame));
            assert_eq!(writer.position() - before, encoded_len(frame), "{frame:?}");
        }
        let mut reader = Reader::new(&buf[3..]);
        for frame in &frames {
            assert_eq!(next_frame(&mut reader).as_ref(), Ok(&Some(frame.clone())));
        }
        assert_eq!(next_frame(&mut reader), Ok(None), "padding");
    }

    #[test]
    fn a_frame_is_whole_or_not_there() {
        for frame in all() {
            let len = encoded_len(&frame);
            let mut buf = vec![0; len];
            assert!(!Writer::new(&mut buf[..len - 1], 0).put(&frame) && buf.iter().all(|byte| *byte == 0));
            assert!(Writer::new(&mut buf, 0).put(&frame));
            for cut in 1..len {
                assert!(next_frame(&mut Reader::new(&buf[..cut])).is_err(), "{frame:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_a_peer_may_ask_is_bounded() {
        for (bytes, what) in [
            (&[0x99][..], "unknown frame"),
            (&[0x04, 0, 1, 0, 0, 0, 1, 0], "too many pieces wanted, or none"),
            (&[0x04, 0, 1, 0, 0, 0, 1, 65], "too many pieces wanted, or none"),
            (&[0x22, 0, 0, 0, 1, 129], "text too long"),
            (&[0x22, 0, 0, 0, 1, 2, 0xff, 0xfe], "text is not UTF-8"),
            (&[0x30, 0, 1, 6, 0, 0, 0, 0, 0], "unknown class"),
            (&[0x30, 0, 1, 1, 3, 0, 0, 0, 0], "unknown mode"),
            (&[0x30, 0, 1, 1, 0, 0, 0, 0x27, 0x11], "play-out too long"),
            (&[0x50, 4, 0, 0], "key phase out of range"),
            (&[0x20, 0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 0], "stream offset out of range"),
        ] {
            assert_eq!(next_frame(&mut Reader::new(bytes)).unwrap_err().what, what);
        }
        // index 4 of 3 + 1 pieces; 13 and 0 bytes in 3 pieces of 4
        let mut buf = [0; 64];
        let frames = all();
        let Frame::Piece(PieceFrame { flow, head, body }) = frames[5] else { panic!("a piece") };
        for bad in [Head { index: 4, ..head }, Head { unit_len: 13, ..head }, Head { unit_len: 0, ..head }] {
            assert!(Writer::new(&mut buf, 0).piece(flow, &bad, body));
            assert!(next_frame(&mut Reader::new(&buf)).is_err());
        }
    }

    #[test]
    fn as_many_are_wanted_as_there_is_room_for() {
        let indexes: Vec<u16> = (0..100).collect();
        let mut buf = vec![0; 500];
        assert_eq!(Writer::new(&mut buf, 0).want(1, 2, &indexes), MAX_WANTED);
        let Ok(Some(Frame::Want { indexes: read, .. })) = next_frame(&mut Reader::new(&buf)) else { panic!("a WANT") };
        assert!(read.iter().eq(0..MAX_WANTED as u16));
        assert_eq!(Writer::new(&mut buf[..15], 0).want(1, 2, &indexes), 3);
        assert_eq!(Writer::new(&mut buf[..9], 0).want(1, 2, &indexes), 0);
        assert_eq!(Writer::new(&mut buf, 0).want(1, 2, &[]), 0);
    }
}
