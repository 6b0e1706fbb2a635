//! The receiving end of one flow: pieces into units, and what to ask for while there is time.
//!
//! What a path lost is sent again without being asked: the sender reads it from the reports. Asking is for the rest, late in
//! a unit's time: when a second sending was lost too, or the sender took for enough what was not.

use crate::time::Micros;

use super::assemble::{Assembler, Due, Gap, Limits};
use super::figures::FlowFigures;
use super::flow::{Class, FlowOptions};
use super::fragment::Head;
use super::types::FlowId;

/// Units asked for at a time.
const MAX_ASKED: usize = 64;
/// Between two looks for what is missing.
const LOOK_US: u64 = 10_000;

/// What a flow may hold whatever others do, and what all of a session may beyond that: a peer that opens many flows and
/// completes nothing does not fill our memory. A piece that finds no room is as if it had been lost.
const SHARE_BYTES: usize = 256 << 10;
const ALL_BYTES: usize = 64 << 20;

/// Whether the flow at `place` may hold the unit of one more piece.
pub fn has_room(flows: &[FlowIn], place: usize, head: &Head) -> bool {
    let own = flows[place].assembler.pending_bytes() + head.unit_len as usize;
    own <= SHARE_BYTES || flows.iter().map(|flow| flow.assembler.pending_bytes()).sum::<usize>() <= ALL_BYTES
}

pub struct FlowIn {
    pub id: FlowId,
    pub options: FlowOptions,
    /// The number of its first unit.
    pub opening: u32,
    pub assembler: Assembler,
    /// Units that were asked for, and when.
    asked: Vec<(u32, Micros)>,
    looked: Micros,
    key_wished: Option<Micros>,
    /// Whoever takes the units wants a key unit, and none was handed on since.
    reader_wishes: bool,
}

impl FlowIn {
    pub fn new(id: FlowId, options: FlowOptions, opening: u32) -> Self {
        let limits = Limits { patience_us: options.useful_us(), ..Limits::default() };
        let assembler = Assembler::from(opening, options.playout_ms, limits);
        Self {
            id,
            options,
            opening,
            assembler,
            asked: Vec::new(),
            looked: Micros(0),
            key_wished: None,
            reader_wishes: false,
        }
    }

    /// Collect what is missing, the pieces of one unit together, and should be asked for now. `answer_us`: how long an
    /// answer takes; `settle_us`: how long one waits for what is only slower or reordered.
    pub fn wants(&mut self, answer_us: u64, settle_us: u64, now: Micros, mut ask: impl FnMut(FlowId, u32, &[u16])) {
        if now.since(self.looked) < LOOK_US {
            return;
        }
        self.looked = now;
        self.asked.retain(|(_, at)| now.since(*at) < answer_us + LOOK_US);
        let mut indexes: Vec<u16> = Vec::new();
        let mut unit = None;
        for gap in self.assembler.missing_since(Micros(now.0.saturating_sub(settle_us)), now) {
            let Gap { deadline, .. } = gap;
            let in_time = deadline.0 > now.0 + answer_us;
            if !in_time {
                continue;
            }
            if unit != Some(gap.unit) {
                flush(self.id, unit.take(), &mut indexes, &mut self.asked, now, &mut ask);
                let known = self.asked.iter().any(|(asked, _)| *asked == gap.unit);
                if known || self.asked.len() >= MAX_ASKED {
                    continue;
                }
                unit = Some(gap.unit);
            }
            if indexes.len() < super::frame::MAX_WANTED {
                indexes.push(gap.index);
            }
        }
        flush(self.id, unit, &mut indexes, &mut self.asked, now, &mut ask);
    }

    /// Whoever takes the units can go on with a key unit only.
    pub fn reader_wishes(&mut self) {
        self.reader_wishes = true;
    }

    /// Something was lost for good and a key unit would help, here or at whoever takes the units: say so to the sender, once
    /// a second until one is there. The sender does not keep wishes: it passes one over that comes while a key unit is under way.
    pub fn wishes_key(&mut self, now: Micros) -> bool {
        let wanted = self.options.class == Class::Video && (self.reader_wishes || self.assembler.wants_key());
        let wishes = wanted && self.key_wished.is_none_or(|at| now.since(at) >= 1_000_000);
        if wishes {
            self.key_wished = Some(now);
        }
        wishes
    }

    pub fn due(&mut self, now: Micros, out: &mut Vec<Due>) {
        let before = out.len();
        self.assembler.due(now, out);
        self.reader_wishes &= !out[before..].iter().any(|due| due.key);
    }

    pub fn figures(&self) -> FlowFigures {
        let of = self.assembler.figures();
        FlowFigures {
            id: self.id,
            units: of.units,
            units_late: of.units_late,
            units_lost: of.units_lost,
            pieces_recovered: of.pieces_recovered,
            duplicates: of.duplicates,
            held_bytes: self.assembler.pending_bytes() as u64,
            ..FlowFigures::default()
        }
    }
}

fn flush(
    flow: FlowId,
    unit: Option<u32>,
    indexes: &mut Vec<u16>,
    asked: &mut Vec<(u32, Micros)>,
    now: Micros,
    ask: &mut impl FnMut(FlowId, u32, &[u16]),
) {
    if let Some(unit) = unit.filter(|_| !indexes.is_empty()) {
        asked.push((unit, now));
        ask(flow, unit, indexes);
    }
    indexes.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::assemble::WHOLE;
    use crate::bundle::flow::Mode;
    use crate::bundle::fragment::cut;
    use bytes::Bytes;

    const MS: u64 = 1000;

    fn flow() -> FlowIn {
        FlowIn::new(9, FlowOptions { class: Class::Video, mode: Mode::Spread, playout_ms: 250 }, 0)
    }

    fn feed(flow: &mut FlowIn, unit: u32, leave_out: &[usize], at: u64) {
        let sent = unit * 40;
        for (index, piece) in cut(unit, &Bytes::from(vec![1; 3000]), unit == 0, sent, 1000, 0).iter().enumerate() {
            if !leave_out.contains(&index) {
                flow.assembler.take(&piece.head, &piece.body, Micros(at * MS));
            }
        }
    }

    fn wants(flow: &mut FlowIn, at: u64) -> Vec<(u32, Vec<u16>)> {
        let mut out = Vec::new();
        flow.wants(70 * MS, 50 * MS, Micros(at * MS), |_, unit, indexes| out.push((unit, indexes.to_vec())));
        out
    }

    #[test]
    fn it_asks_once_when_it_is_time_and_not_when_it_is_too_late() {
        let mut flow = flow();
        feed(&mut flow, 0, &[], 1035);
        feed(&mut flow, 1, &[0, 2], 1075);
        feed(&mut flow, 3, &[], 1155);
        assert_eq!(wants(&mut flow, 1100), [], "it may only be slower");
        assert_eq!(wants(&mut flow, 1206), [(1, vec![0, 2]), (2, vec![WHOLE])]);
        assert_eq!(wants(&mut flow, 1220), [], "asked already");
        assert_eq!(wants(&mut flow, 1290), [(2, vec![WHOLE])], "again; for unit 1 it is too late");
        assert_eq!(wants(&mut flow, 1400), []);
    }

    #[test]
    fn a_key_unit_is_wished_for_after_a_loss() {
        let mut flow = flow();
        feed(&mut flow, 0, &[], 1035);
        feed(&mut flow, 2, &[], 1115);
        let mut out = Vec::new();
        flow.due(Micros(1300 * MS), &mut out);
        assert!(!flow.wishes_key(Micros(1300 * MS)));
        flow.due(Micros(1400 * MS), &mut out);
        assert!(flow.wishes_key(Micros(1400 * MS)) && !flow.wishes_key(Micros(2300 * MS)));
        assert!(flow.wishes_key(Micros(2400 * MS)));
        assert_eq!(flow.figures().units_lost, 1);
    }

    #[test]
    fn a_reader_wishes_until_a_key_unit_is_handed_on() {
        let mut flow = flow();
        feed(&mut flow, 1, &[], 1035);
        flow.reader_wishes();
        assert!(flow.wishes_key(Micros(1040 * MS)) && !flow.wishes_key(Micros(1050 * MS)));
        let mut out = Vec::new();
        flow.due(Micros(1300 * MS), &mut out);
        assert!(out.len() == 1 && flow.wishes_key(Micros(2050 * MS)), "that was none");
        for (index, piece) in cut(2, &Bytes::from(vec![1; 3000]), true, 80, 1000, 0).iter().enumerate() {
            assert!(index < 3);
            flow.assembler.take(&piece.head, &piece.body, Micros(1115 * MS));
        }
        flow.due(Micros(1400 * MS), &mut out);
        assert!(out.len() == 2 && !flow.wishes_key(Micros(4000 * MS)));
    }
}
