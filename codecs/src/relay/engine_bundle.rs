//! The engine's face for link bundles.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::sync_channel;
use std::sync::Arc;

use aws_lc_rs::agreement::{PrivateKey, X25519};

use super::bundle_held::check_flow;
use super::bundle_hub::{BundleFigures, BundleHub, BundleOrder, Join, BUNDLE_WORKER};
use super::engine::{Done, Engine};
use super::event::{BundleId, DoorId};
use super::order::Command;
use super::order_bundle::{self, Dial, FlowOrder, PathOrder};
use super::queue::lock;
use super::{sys, OrderError};

/// A key pair of X25519, (private, public): a new one, or that of `private`.
pub fn keys(private: Option<&[u8]>) -> Done<([u8; 32], [u8; 32])> {
    let mut own = [0u8; 32];
    match private {
        Some(bytes) if bytes.len() == own.len() => own.copy_from_slice(bytes),
        Some(_) => return Err(OrderError::new("a key has 32 bytes")),
        None => aws_lc_rs::rand::fill(&mut own).map_err(|_| OrderError::new("no randomness for a key"))?,
    }
    let public = PrivateKey::from_private_key(&X25519, &own).and_then(|k| Ok(k.compute_public_key()?));
    let public = public.map_err(|_| OrderError::new("this is no X25519 key"))?;
    Ok((own, public.as_ref().try_into().map_err(|_| OrderError::new("this is no X25519 key"))?))
}

impl Engine {
    /// The bundle thread; it starts with the first bundle or door.
    fn bundles(&self) -> Done<Arc<BundleHub>> {
        let mut hub = lock(&self.bundles);
        self.check_open()?;
        match &*hub {
            Some(hub) => Ok(hub.clone()),
            None => {
                let made = Arc::new(self.start_bundles()?);
                *hub = Some(made.clone());
                Ok(made)
            }
        }
    }

    /// With one media thread they live in it. Where there are more, whoever asked for them has the traffic of many, and
    /// bundles have a thread of their own.
    fn start_bundles(&self) -> Done<BundleHub> {
        if self.media > 1 {
            return BundleHub::start(self.events.clone());
        }
        let hub = BundleHub::in_media_thread()?;
        let (answer, got) = sync_channel(1);
        self.post(0, Command::Bundles { queue: hub.queue.clone(), answer });
        self.wait(&got)??;
        Ok(hub)
    }

    /// The thread, if it has that handle.
    fn bundle_of(&self, handle: u64) -> Done<Arc<BundleHub>> {
        let hub = lock(&self.bundles).clone();
        hub.filter(|h| h.queue.is_open(handle)).ok_or(OrderError::new("no such bundle or door"))
    }

    /// As `bundle_of`, where a handle that is gone means nothing to do.
    fn order_bundle(&self, handle: u64, order: BundleOrder) {
        if let Ok(hub) = self.bundle_of(handle) {
            hub.queue.push(order);
        }
    }

    fn new_bundle_id(&self, hub: &BundleHub) -> Done<u64> {
        let mut registry = lock(&self.registry);
        let id = self.new_id(&mut registry, BUNDLE_WORKER as usize)?;
        hub.queue.opened(id);
        Ok(id)
    }

    pub fn bundle_dial(&self, order: Dial) -> Done<BundleId> {
        order.check()?;
        let hub = self.bundles()?;
        let id = self.new_bundle_id(&hub)?;
        hub.queue.push(BundleOrder::Dial { id, order });
        Ok(id)
    }

    pub fn bundle_listen(&self, fd: OwnedFd, private: [u8; 32]) -> Done<DoorId> {
        let v6 = sys::check_socket(&fd, libc::SOCK_DGRAM)?;
        let hub = self.bundles()?;
        let id = self.new_bundle_id(&hub)?;
        hub.queue.push(BundleOrder::Listen { id, fd, v6, private });
        Ok(id)
    }

    pub fn bundle_admit(&self, door: DoorId, peers: Vec<([u8; 32], String)>) -> Done<()> {
        order_bundle::check_peers(&peers)?;
        self.bundle_of(door)?.queue.push(BundleOrder::Admit { door, peers });
        Ok(())
    }

    /// `address`: where it comes from, for a bound by address; those of whom it is not known share one.
    pub fn bundle_accept_tcp(&self, door: DoorId, fd: OwnedFd, initial: Vec<u8>, address: Option<IpAddr>) -> Done<()> {
        sys::check_socket(&fd, libc::SOCK_STREAM)?;
        self.bundle_of(door)?.queue.push(BundleOrder::AcceptStream { door, fd, initial, address });
        Ok(())
    }

    pub fn bundle_path(&self, bundle: BundleId, fd: OwnedFd, order: PathOrder) -> Done<()> {
        order.check()?;
        let v6 = sys::check_socket(&fd, if order.stream { libc::SOCK_STREAM } else { libc::SOCK_DGRAM })?;
        if !order.stream && order.to.is_ipv6() && !v6 {
            return Err(OrderError::new("an IPv4 socket can not send to an IPv6 address"));
        }
        self.bundle_of(bundle)?.queue.push(BundleOrder::Path { bundle, fd, v6, order });
        Ok(())
    }

    pub fn bundle_drop_path(&self, bundle: BundleId, path: u8) {
        self.order_bundle(bundle, BundleOrder::DropPath { bundle, path });
    }

    pub fn bundle_flow(&self, bundle: BundleId, fd: OwnedFd, order: FlowOrder) -> Done<()> {
        check_flow(&fd, order.carries)?;
        self.bundle_of(bundle)?.queue.push(BundleOrder::Flow { bundle, fd, order });
        Ok(())
    }

    /// The flow and what is at the other end of its socket: where both live in one thread, frames go from hand to hand.
    pub fn bundle_join(&self, bundle: BundleId, flow: u16, handle: u64, out: bool) {
        self.order_bundle(bundle, BundleOrder::Join(Join { bundle, flow, out, handle }));
    }

    pub fn bundle_want_key(&self, bundle: BundleId, flow: u16) {
        self.order_bundle(bundle, BundleOrder::WantKey { bundle, flow });
    }

    pub fn bundle_close_flow(&self, bundle: BundleId, flow: u16, out: bool) {
        self.order_bundle(bundle, BundleOrder::CloseFlow { bundle, flow, out });
    }

    pub fn bundle_stream(&self, bundle: BundleId, fd: OwnedFd, purpose: String, stream: u32) -> Done<u32> {
        sys::check_socket(&fd, libc::SOCK_STREAM)?;
        order_bundle::purpose(&purpose, stream)?;
        let (answer, got) = sync_channel(1);
        self.bundle_of(bundle)?.queue.push(BundleOrder::Stream { bundle, fd, purpose, stream, answer });
        self.wait(&got)?
    }

    pub fn bundle_stats(&self, handle: u64) -> Done<BundleFigures> {
        let (answer, got) = sync_channel(1);
        self.bundle_of(handle)?.queue.push(BundleOrder::Stats { handle, answer });
        self.wait(&got)?.ok_or(OrderError::new("no such bundle or door"))
    }

    pub fn bundle_close(&self, handle: u64) {
        if let Ok(hub) = self.bundle_of(handle) {
            hub.queue.push(BundleOrder::Close(handle));
            // Farewells go on for a moment; for Python it is gone.
            hub.queue.closed(handle);
        }
    }
}
