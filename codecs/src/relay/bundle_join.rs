//! Flows whose other end lives in the same thread: their frames go from hand to hand. The socket between the two stays, for
//! wishes and for the end.

use super::bundle_flow_out::Read;
use super::bundle_ground::Ground;
use super::bundle_held::Held;
use super::bundle_hub::Join;
use super::bundle_thread::Thread;
use super::event::{BundleId, LegId, SubId};
use super::frame_queue::FrameQueue;
use super::sys;
use crate::time::Micros;

/// Reads of what is in a socket still: more than it holds.
const READS: usize = 256;

impl Held {
    /// What its socket holds comes first. False: there is no such flow, or it is about to end.
    fn join_out(&mut self, flow: u16, of: SubId, ground: &mut Ground) -> bool {
        let Some(held) = self.flows_out.get_mut(&flow) else { return false };
        let empty = (0..READS).map(|_| held.read(&mut self.session, ground)).find(|read| *read != Read::More);
        if empty == Some(Read::Nothing) {
            held.of = Some(of);
        }
        empty == Some(Read::Nothing)
    }
}

impl Thread {
    pub(super) fn take_joins(&mut self) -> Vec<Join> {
        std::mem::take(&mut self.ground.joins)
    }

    pub(super) fn join_out(&mut self, join: &Join) -> bool {
        self.ground.now = Micros(sys::monotonic_us());
        self.with(join.bundle, |held, ground| held.join_out(join.flow, join.handle, ground)).unwrap_or(false)
    }

    pub(super) fn join_in(&mut self, join: &Join) -> bool {
        let joined = |held: &mut Held, ground: &mut Ground| {
            let fine = held.flows_in.get_mut(&join.flow).is_some_and(|flow| flow.join(join.handle));
            ground.arrived.extend(fine.then_some((join.bundle, join.flow)));
            fine
        };
        self.with(join.bundle, joined).unwrap_or(false)
    }

    /// What a subscription has for a flow, which takes it or leaves it out. False: it is another's now, or gone.
    pub(super) fn give(
        &mut self,
        of: SubId,
        (bundle, flow): (BundleId, u16),
        queue: &mut FrameQueue,
        sent: &mut u64,
    ) -> bool {
        if queue.is_empty() {
            return true;
        }
        self.ground.now = Micros(sys::monotonic_us());
        let given = self.with(bundle, |held, ground| {
            let Some(known) = held.flows_out.get_mut(&flow).filter(|known| known.of == Some(of)) else { return false };
            known.take(queue, sent, &mut held.session, ground.now);
            true
        });
        given.unwrap_or(false)
    }

    /// What came for legs of this thread.
    pub(super) fn take_arrived(&mut self) -> Vec<(LegId, FrameQueue)> {
        let arrived = std::mem::take(&mut self.ground.arrived).into_iter();
        let taken = arrived.map(|(bundle, flow)| self.bundles.get_mut(&bundle)?.flows_in.get_mut(&flow)?.for_leg());
        taken.flatten().collect()
    }
}
