//! What can be in a datagram that matters whether it came, and what became of it.

use super::types::{FlowId, PathId, StreamId};
use crate::time::Micros;

/// One thing in a datagram that matters whether it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// `near`: it took a path that is about as quick as the quickest.
    Piece {
        flow: FlowId,
        unit: u32,
        index: u16,
        near: bool,
    },
    Stream {
        id: StreamId,
        offset: u64,
        len: u16,
        fin: bool,
    },
    Control(Control),
}

/// A frame that is made anew from what holds now, should it be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Control {
    Flow(FlowId),
    /// Of the opening that began with this unit.
    FlowClose(FlowId, u32),
    FlowStop(FlowId, u32),
    KeyWish(FlowId),
    Open(StreamId),
    Window(StreamId),
    Reset(StreamId),
    Path(PathId),
    PathGone(PathId),
    Rekey,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub item: Item,
    pub came: bool,
}

/// What one report changed, in sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acked {
    /// Datagrams that wanted a report and are now known to have come, or to be lost.
    pub came: u32,
    pub lost: u32,
    pub came_bytes: u64,
    /// Send time of the highest one, when this report is the first to tell of it; and all bytes that were sent up to it.
    pub newest_sent: Option<Micros>,
    pub newest_total: u64,
}
