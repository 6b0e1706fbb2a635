//! What an `Assembler` is told and tells: its limits, what became of a piece, a unit that leaves, a gap, its figures.

use bytes::Bytes;

use crate::time::Micros;

/// How long a unit without play-out delay is waited for, if nothing else is said.
const PATIENCE_US: u64 = 2_000_000;
/// The index of a gap where no piece of the unit has come.
pub const WHOLE: u16 = u16::MAX;

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of all units of the flow that wait, as they announce themselves. Full, the oldest leaves before its time: handed on
    /// if it can be made, else given up.
    pub flow_bytes: usize,
    pub unit_bytes: usize,
    /// Units that wait; full, as above.
    pub units: usize,
    /// A unit without play-out delay is given up that long after its first piece.
    pub patience_us: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { flow_bytes: 8 << 20, unit_bytes: 2 << 20, units: 2048, patience_us: PATIENCE_US }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    New,
    /// It is there already, or its unit is handed on.
    Duplicate,
    /// Its unit is given up.
    Late,
    /// It does not fit its unit, or the limits.
    Refused,
}

/// A unit that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub unit: u32,
    pub bytes: Bytes,
    pub key: bool,
    /// It became whole after its time.
    pub late: bool,
    /// Something before it was lost.
    pub after_loss: bool,
    pub sent_ms: u32,
}

/// A piece that is worth asking for: `index`, or all of the unit (`WHOLE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    pub unit: u32,
    pub index: u16,
    /// When something of this unit came last, or first of the one behind it. What is only reordered comes soon after.
    pub since: Micros,
    /// An answer that comes later is of no use.
    pub deadline: Micros,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Handed on in time.
    pub units: u64,
    /// Handed on after their time: nothing later had been due yet.
    pub units_late: u64,
    /// Never handed on.
    pub units_lost: u64,
    pub bytes: u64,
    /// Data pieces that were made of parity.
    pub pieces_recovered: u64,
    pub duplicates: u64,
    /// Of units that were given up.
    pub pieces_late: u64,
    pub pieces_refused: u64,
}
