//! Link bundles in a media thread's own loop: a picture goes from its stream to the session, and back, without a waking of
//! another thread.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use super::bundle_hub::{BundleQueue, Join};
use super::bundle_thread::Thread as Bundles;
use super::worker::{Sock, Worker};
use super::OrderError;

/// Reads of a leg's socket when it is joined to a flow, of 64 records each: more than it holds.
const SOCKET_READS: usize = 8;

impl Worker {
    pub(super) fn take_bundles(&mut self, queue: Arc<BundleQueue>) -> Result<(), OrderError> {
        let made = Bundles::new(self.epoll.share()?, queue, self.events.clone())?;
        self.bundles = Some(Box::new(made));
        Ok(())
    }

    /// After the thread's own work. `ready`: their sockets.
    pub(super) fn turn_bundles(&mut self, ready: &mut [u64]) {
        let now = self.now;
        let Some(mut bundles) = self.bundles.take_if(|bundles| !ready.is_empty() || bundles.is_due(now)) else {
            return;
        };
        match catch_unwind(AssertUnwindSafe(|| bundles.turn(ready))) {
            Ok(()) => {
                let (arrived, joins) = (bundles.take_arrived(), bundles.take_joins());
                self.bundles = Some(bundles);
                for (leg, mut queue) in arrived {
                    self.guard_leg(leg, |w| w.leg_records(leg, &mut queue));
                }
                self.join_flows(&joins);
            }
            Err(_) => bundles.broke(),
        }
    }

    fn join_flows(&mut self, joins: &[Join]) {
        if !joins.is_empty() {
            // What was opened before, by the other queue.
            self.on_ready(Sock::Wake);
        }
        for join in joins {
            let Some(bundles) = &mut self.bundles else { return };
            if join.out {
                let stream = self.subs.get(&join.handle).and_then(|stream| self.streams.get_mut(stream));
                let found = stream.and_then(|live| live.frame_subscribers.iter_mut().find(|s| s.id == join.handle));
                if let Some(subscriber) = found.filter(|_| bundles.join_out(join)) {
                    subscriber.flow = Some((join.bundle, join.flow));
                    self.guard_sub(join.handle, |w| w.sub_frames(join.handle));
                }
            } else if self.legs.get(&join.handle).is_some_and(|leg| leg.takes_frames()) && bundles.join_in(join) {
                // What the socket holds still comes first.
                for _ in 0..SOCKET_READS {
                    self.guard_leg(join.handle, |w| w.leg_frames(join.handle));
                }
            }
        }
    }
}
