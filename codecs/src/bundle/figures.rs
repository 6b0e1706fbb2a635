//! Figures of a session for people and tests: counters and estimates, by path and by flow.

use super::types::{FlowId, PathId};

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
    /// Of units that are not whole, or not due.
    pub held_bytes: u64,
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
