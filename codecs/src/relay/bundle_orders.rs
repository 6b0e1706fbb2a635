//! Orders of the bundle thread: what Python wants of its bundles and doors.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use super::bundle_door::DoorHeld;
use super::bundle_held::Held;
use super::bundle_hub::BundleOrder;
use super::bundle_stats;
use super::bundle_thread::Thread;
use super::event::{BundleId, DoorId};
use super::order_bundle::Dial;
use super::sys;
use super::OrderError;
use crate::bundle::session::Session;
use crate::bundle::types::{Hello, Identity};

impl Thread {
    pub(super) fn obey(&mut self, order: BundleOrder) {
        match order {
            BundleOrder::Dial { id, order } => self.dial(id, order),
            BundleOrder::Listen { id, fd, v6, private } => {
                let door = DoorHeld::new(id, fd, v6, &Identity::new(Some(private)), &mut self.ground);
                self.ground.doors.insert(id, door);
            }
            BundleOrder::Admit { door, peers } => self.with_door(door, |door, thread| {
                for index in door.door.admit(&peers) {
                    if let Some(id) = door.sessions.get(&index).copied() {
                        thread.close(id, "revoked");
                    }
                }
            }),
            BundleOrder::AcceptStream { door, fd, initial, address } => self.accept(door, fd, &initial, address),
            BundleOrder::Path { bundle, fd, v6, order } => {
                self.with(bundle, |held, ground| {
                    let path = order.path;
                    let stream = order.stream;
                    held.add_path(fd, v6, order, ground);
                    if stream {
                        held.path_stream(path, ground);
                    }
                });
            }
            BundleOrder::DropPath { bundle, path } => drop(self.with(bundle, |held, g| held.drop_path(path, g))),
            BundleOrder::Flow { bundle, fd, order } => {
                self.with(bundle, |held, ground| held.open_flow(fd, &order, ground));
            }
            // Both have to be there: the media thread sees to it after this turn.
            BundleOrder::Join(join) => self.ground.joins.push(join),
            BundleOrder::WantKey { bundle, flow } => {
                self.with(bundle, |held, ground| held.session.want_key(flow, ground.now));
            }
            BundleOrder::CloseFlow { bundle, flow, out } => {
                self.with(bundle, |held, ground| held.close_flow(flow, out, ground));
            }
            BundleOrder::Stream { bundle, fd, purpose, stream, answer } => {
                let made = self.with(bundle, |held, ground| held.open_stream(fd, &purpose, stream, ground));
                let _ = answer.try_send(made.unwrap_or(Err(OrderError::new("no such bundle"))));
            }
            BundleOrder::Stats { handle, answer } => {
                let now = self.ground.now;
                let bundle = self.bundles.get(&handle).map(|held| bundle_stats::of_bundle(held, now));
                let door = self.ground.doors.get(&handle).map(bundle_stats::of_door);
                let _ = answer.try_send(bundle.or(door));
            }
            BundleOrder::Close(handle) => self.close_handle(handle),
            BundleOrder::Stop => self.running = false,
        }
    }

    fn dial(&mut self, id: BundleId, order: Dial) {
        let identity = Identity::new(Some(order.private));
        let (gateway, boot, suite) = (order.gateway, order.boot, order.suite);
        let hello = Hello { gateway, boot, suite, clock_unix_ms: sys::unix_us() / 1000 };
        let session = Session::new_initiator(&identity, order.peer, hello, self.ground.now);
        self.bundles.insert(id, Box::new(Held::new(id, 0, 0, Box::new(session))));
        self.touch(id);
    }

    fn accept(&mut self, door: DoorId, fd: OwnedFd, initial: &[u8], address: Option<IpAddr>) {
        self.with_door(door, |door, thread| {
            if let Some(number) = door.add_stream(fd, initial, address, &mut thread.ground) {
                thread.knock_by_stream(door, number);
                door.tell_refusals(&thread.ground);
            }
        });
    }

    fn close_handle(&mut self, handle: u64) {
        if let Some(held) = self.bundles.get_mut(&handle) {
            held.closed = true;
            return self.close(handle, "peer-closed");
        }
        let Some(door) = self.ground.doors.get(&handle) else { return };
        let all: Vec<BundleId> = door.sessions.values().copied().collect();
        for id in all {
            if let Some(held) = self.bundles.get_mut(&id) {
                held.closed = true;
            }
            self.close(id, "peer-closed");
        }
        // Their farewells leave by the door's own socket.
        self.work();
        let left: Vec<BundleId> = self.bundles.values().filter(|h| h.door == handle).map(|h| h.id).collect();
        for id in left {
            self.drop_bundle(id);
        }
        if let Some(mut door) = self.ground.doors.remove(&handle) {
            let streams: Vec<u64> = door.streams.keys().copied().collect();
            for number in streams {
                door.close_stream(number, &mut self.ground);
            }
            self.ground.unwatch(door.watch);
        }
        self.ground.queue.closed(handle);
    }
}
