//! One session between a kit and a center: the machine that ties paths, keys, flows and streams together.
#![allow(unused_variables, clippy::ptr_arg)] // bodies follow

use bytes::Bytes;

use super::flow::FlowOptions;
use super::types::{Event, FlowId, Hello, Identity, PathId, PathOptions, Remote, StreamId, Transmit};
use crate::time::Micros;

/// The largest datagram a session makes or takes.
pub const MAX_DATAGRAM_BYTES: usize = 1500;

/// Figures of one path, both ways.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PathFigures {
    pub id: PathId,
    pub name: String,
    /// `new`, `in`, `suspect`, `out`.
    pub state: &'static str,
    pub code: &'static str,
    pub rtt_ms: f32,
    /// Of what we sent over the last second, 0 to 1.
    pub loss: f32,
    /// Queueing delay above the path's quickest, of what we sent.
    pub queue_ms: f32,
    pub usable_bps: u64,
    pub mtu: u16,
    pub cost: u8,
    pub bytes_out: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub packets_in: u64,
    pub packets_lost: u64,
}

/// Figures of one flow. `units` and what follows them are of the side that receives; `sent` and so on of the side that sends.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FlowFigures {
    pub id: FlowId,
    pub outgoing: bool,
    pub units: u64,
    pub units_late: u64,
    pub units_lost: u64,
    pub pieces_recovered: u64,
    pub duplicates: u64,
    pub sent: u64,
    pub sent_bytes: u64,
    /// Units left out whole because the paths could not carry them.
    pub dropped: u64,
    pub pieces_resent: u64,
    pub parity_bytes: u64,
    pub copy_bytes: u64,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    pub paths: Vec<PathFigures>,
    pub flows: Vec<FlowFigures>,
    pub usable_bps: u64,
    pub wanted_bps: u64,
    /// Datagrams that did not authenticate, were replayed, or could not be read.
    pub refused_packets: u64,
}

/// One end of a bundle. A kit's lives as long as the pairing does and dials again by itself; a center's begins at its
/// `Door` and ends with `Event::Down`.
///
/// The engine's loop: `receive` what came, `handle_timer` when `next_timer` is due, then `next_event` until `None` and
/// `transmit` until `None`; `transmit` may have more to say after a timer only.
pub struct Session {}

impl Session {
    /// A kit's end. It dials as soon as it has a path.
    pub fn new_initiator(identity: &Identity, peer: [u8; 32], hello: Hello, now: Micros) -> Self {
        todo!()
    }

    /// A kit's end: one more path.
    pub fn add_path(&mut self, options: PathOptions, now: Micros) {
        todo!()
    }

    /// A kit's end: the link is gone (its interface went away, a person took it out).
    pub fn drop_path(&mut self, path: PathId, now: Micros) {
        todo!()
    }

    /// The connection that carries a path broke; at a kit call `drop_path` or `add_path` with the next one.
    pub fn lost(&mut self, remote: Remote, now: Micros) {
        todo!()
    }

    /// Take a datagram in; it is opened in place. `path` is known at a kit (whose socket it was), `from` at a center.
    pub fn receive(&mut self, path: Option<PathId>, from: Option<Remote>, datagram: &mut [u8], now: Micros) {
        todo!()
    }

    /// The next datagram, written to `buf` (`MAX_DATAGRAM_BYTES` at least). Consecutive ones of one path are mostly of one
    /// size: an engine may gather them for UDP_SEGMENT.
    pub fn transmit(&mut self, now: Micros, buf: &mut [u8]) -> Option<Transmit> {
        todo!()
    }

    /// When to call `handle_timer` and `transmit` next, should nothing come before.
    pub fn next_timer(&self) -> Option<Micros> {
        todo!()
    }

    pub fn handle_timer(&mut self, now: Micros) {
        todo!()
    }

    pub fn next_event(&mut self) -> Option<Event> {
        todo!()
    }

    /// Tell the peer that we go, for `code`; what `transmit` gives from now on is the farewell. Ends with `Event::Down`.
    pub fn close(&mut self, code: &'static str, now: Micros) {
        todo!()
    }

    /// Neither dialling nor up: the object can be dropped.
    pub fn is_over(&self) -> bool {
        todo!()
    }

    pub fn is_up(&self) -> bool {
        todo!()
    }

    /// Open a flow of ours; kept over a new session of the same kit: no, flows end with `Event::Down`.
    pub fn open_flow(&mut self, flow: FlowId, options: FlowOptions, now: Micros) {
        todo!()
    }

    /// Close a flow of ours, or take no more of one of the peer's.
    pub fn close_flow(&mut self, flow: FlowId, now: Micros) {
        todo!()
    }

    /// Queue one unit of our flow. `false`: not taken (no session, no such flow, no room); it is counted, and `KeyWanted` may follow.
    pub fn send_unit(&mut self, flow: FlowId, unit: Bytes, key: bool, now: Micros) -> bool {
        todo!()
    }

    /// Open a reliable stream; the peer is told its purpose. `None`: no session, or too many streams.
    pub fn stream_open(&mut self, purpose: &str) -> Option<StreamId> {
        todo!()
    }

    /// How much was taken; `StreamWritable` follows when it was not all.
    pub fn stream_write(&mut self, stream: StreamId, data: &[u8]) -> usize {
        todo!()
    }

    /// Read up to `max` bytes onto the end of `out`; how many. 0: nothing there now, or finished.
    pub fn stream_read(&mut self, stream: StreamId, out: &mut Vec<u8>, max: usize) -> usize {
        todo!()
    }

    /// No more bytes from us; the other way stays open.
    pub fn stream_finish(&mut self, stream: StreamId) {
        todo!()
    }

    /// Give the stream up both ways; what is under way is dropped.
    pub fn stream_reset(&mut self, stream: StreamId) {
        todo!()
    }

    pub fn figures(&self, now: Micros) -> Figures {
        todo!()
    }
}
