//! Frames that concern flows: pieces, and what the peer opens, closes and stops.

use bytes::Bytes;

use super::flow_in::{self, FlowIn};
use super::fragment::Head;
use super::frame::PieceFrame;
use super::session::{Session, MAX_FLOWS};
use super::types::{Event, FlowId};
use crate::time::Micros;

/// Pieces that came before their flow was announced: kept for a moment.
#[derive(Default)]
pub struct Early {
    pieces: Vec<(FlowId, Head, Bytes, Micros)>,
}

const MAX_EARLY: usize = 64;
const EARLY_US: u64 = 1_000_000;

impl Session {
    pub(super) fn on_piece(&mut self, piece: &PieceFrame<'_>, now: Micros) {
        self.meter.note(now);
        let head = piece.head;
        if let Some(place) = self.flows_in.iter().position(|known| known.id == piece.flow) {
            if flow_in::has_room(&self.flows_in, place, &head) {
                self.flows_in[place].assembler.take(&head, piece.body, now);
            }
        } else {
            // One whose flow never comes keeps no place for long.
            if self.early.pieces.len() >= MAX_EARLY {
                self.early.pieces.retain(|(.., came)| now.since(*came) < EARLY_US);
            }
            if self.early.pieces.len() >= MAX_EARLY {
                return;
            }
            self.early.pieces.push((piece.flow, head, Bytes::copy_from_slice(piece.body), now));
        }
    }

    pub(super) fn on_flow(&mut self, flow: FlowId, options: super::flow::FlowOptions, now: Micros) {
        let known = self.flows_in.iter().find(|known| known.id == flow);
        if known.is_some_and(|known| known.options == options) || self.flows_in.len() >= MAX_FLOWS {
            return;
        }
        self.flows_in.retain(|known| known.id != flow);
        let mut fresh = FlowIn::new(flow, options);
        for (of, head, body, came) in self.early.pieces.drain(..) {
            if of == flow && now.since(came) < EARLY_US {
                fresh.assembler.take(&head, &body, came);
            }
        }
        self.flows_in.push(fresh);
        self.event(Event::FlowOpened { flow, options });
    }

    pub(super) fn on_flow_close(&mut self, flow: FlowId) {
        let before = self.flows_in.len();
        self.flows_in.retain(|known| known.id != flow);
        if self.flows_in.len() < before {
            self.event(Event::FlowClosed { flow });
        }
    }

    pub(super) fn on_flow_stop(&mut self, flow: FlowId) {
        let before = self.flows_out.len();
        self.flows_out.retain(|known| known.id != flow);
        if self.flows_out.len() < before {
            self.event(Event::FlowStopped { flow });
        }
    }
}
