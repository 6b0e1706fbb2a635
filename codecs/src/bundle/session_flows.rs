//! Flows of a session: opened, closed and stopped by either end; and their pieces as they come.

use super::flow::{FlowOptions, MAX_PLAYOUT_MS};
use super::flow_in::{self, FlowIn};
use super::flow_out::FlowOut;
use super::frame::PieceFrame;
use super::item::Control;
use super::openings::is_later;
use super::session::Session;
use super::types::{Event, FlowId};
use crate::time::Micros;

/// Flows of one direction.
pub const MAX_FLOWS: usize = 256;

impl Session {
    /// Open a flow of ours; one that is open is closed by it. Flows end with the session: open them again after `Event::Up`.
    pub fn open_flow(&mut self, flow: FlowId, options: FlowOptions, now: Micros) {
        let options = FlowOptions { playout_ms: options.playout_ms.min(MAX_PLAYOUT_MS), ..options };
        if !self.is_up() || self.flows_out.len() >= MAX_FLOWS {
            return;
        }
        self.take_flow_out(flow);
        self.flows_out.push(FlowOut::new(flow, options, self.openings.next(flow)));
        self.rank_flows();
        self.tell_peer(Control::Flow(flow));
        self.meter.note(now);
    }

    /// By class; of pictures first whose flow had the least by the time of its latest key picture: up to its next one nothing
    /// overtakes it, and then those have their turn that had to stand back.
    pub(super) fn rank_flows(&mut self) {
        self.flows_out.sort_by(|a, b| a.options.class.cmp(&b.options.class).then(a.share.total_cmp(&b.share)));
    }

    /// Its opening, if it was open.
    fn take_flow_out(&mut self, flow: FlowId) -> Option<u32> {
        let at = self.flows_out.iter().position(|known| known.id == flow)?;
        let gone = self.flows_out.remove(at);
        self.openings.closed(flow, gone.next_opening());
        Some(gone.opening)
    }

    fn take_flow_in(&mut self, flow: FlowId) -> Option<u32> {
        let at = self.flows_in.iter().position(|known| known.id == flow)?;
        let opening = self.flows_in.remove(at).opening;
        self.openings.left(flow, opening);
        Some(opening)
    }

    /// Close a flow of ours.
    pub fn close_flow(&mut self, flow: FlowId, _now: Micros) {
        if let Some(opening) = self.take_flow_out(flow) {
            self.tell_peer(Control::FlowClose(flow, opening));
        }
    }

    /// Take no more of a flow of the peer's.
    pub fn stop_flow(&mut self, flow: FlowId, _now: Micros) {
        if let Some(opening) = self.take_flow_in(flow) {
            self.tell_peer(Control::FlowStop(flow, opening));
        }
    }

    pub(super) fn on_piece(&mut self, piece: &PieceFrame<'_>, now: Micros) {
        self.meter.note(now);
        let head = piece.head;
        let known = self.flows_in.iter().position(|known| known.id == piece.flow);
        match known.filter(|place| !self.flows_in[*place].assembler.is_beyond(head.unit)) {
            Some(place) => {
                if flow_in::has_room(&self.flows_in, place, &head) {
                    self.flows_in[place].assembler.take(&head, piece.body, now);
                }
            }
            None => self.openings.keep(piece.flow, &head, piece.body, now),
        }
    }

    pub(super) fn on_flow(&mut self, flow: FlowId, options: FlowOptions, opening: u32, now: Micros) {
        let known = self.flows_in.iter().find(|known| known.id == flow);
        let is_old = known.is_some_and(|known| !is_later(opening, known.opening));
        if is_old || self.openings.has_left(flow, opening) {
            return;
        }
        if self.take_flow_in(flow).is_some() {
            self.event(Event::FlowClosed { flow });
        }
        if self.flows_in.len() >= MAX_FLOWS {
            return;
        }
        let mut fresh = FlowIn::new(flow, options, opening);
        for piece in self.openings.take(flow, opening, now) {
            fresh.assembler.take(&piece.head, &piece.body, piece.came);
        }
        self.flows_in.push(fresh);
        self.event(Event::FlowOpened { flow, options });
    }

    /// That opening is over, and with it those before.
    pub(super) fn on_flow_close(&mut self, flow: FlowId, opening: u32) {
        let known = self.flows_in.iter().find(|known| known.id == flow);
        if known.is_some_and(|known| is_later(known.opening, opening)) {
            return;
        }
        if self.take_flow_in(flow).is_some() {
            self.event(Event::FlowClosed { flow });
        }
        self.openings.left(flow, opening);
    }

    pub(super) fn on_flow_stop(&mut self, flow: FlowId, opening: u32) {
        if self.flows_out.iter().any(|known| known.id == flow && known.opening == opening) {
            self.take_flow_out(flow);
            self.event(Event::FlowStopped { flow });
        }
    }
}
