//! The engine's face for link bundles.

use std::os::fd::OwnedFd;

use aws_lc_rs::agreement::{PrivateKey, X25519};

use super::engine::{Done, Engine};
use super::event::{BundleId, DoorId};
use super::order::Figure;
use super::order_bundle::{self, Carries, Dial, FlowOrder, PathOrder};
use super::{sys, OrderError};

const NOT_YET: &str = "this build of the media plane carries no link bundles yet";

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
    pub fn bundle_dial(&self, order: Dial) -> Done<BundleId> {
        order.check()?;
        Err(OrderError::new(NOT_YET))
    }

    pub fn bundle_listen(&self, fd: OwnedFd, _private: [u8; 32]) -> Done<DoorId> {
        sys::check_socket(&fd, libc::SOCK_DGRAM)?;
        Err(OrderError::new(NOT_YET))
    }

    pub fn bundle_admit(&self, _door: DoorId, peers: Vec<([u8; 32], String)>) -> Done<()> {
        peers.iter().try_for_each(|(_, id)| order_bundle::gateway(id))?;
        Err(OrderError::new(NOT_YET))
    }

    pub fn bundle_accept_tcp(&self, _door: DoorId, fd: OwnedFd, _initial: Vec<u8>) -> Done<()> {
        sys::check_socket(&fd, libc::SOCK_STREAM)?;
        Err(OrderError::new(NOT_YET))
    }

    pub fn bundle_path(&self, _bundle: BundleId, fd: OwnedFd, order: PathOrder) -> Done<()> {
        order.check()?;
        sys::check_socket(&fd, if order.stream { libc::SOCK_STREAM } else { libc::SOCK_DGRAM })?;
        Err(OrderError::new(NOT_YET))
    }

    pub fn bundle_drop_path(&self, _bundle: BundleId, _path: u8) {}

    pub fn bundle_flow(&self, _bundle: BundleId, fd: OwnedFd, order: FlowOrder) -> Done<()> {
        if order.carries == Carries::Frames {
            sys::check_socket(&fd, libc::SOCK_SEQPACKET)?;
        }
        Err(OrderError::new(NOT_YET))
    }

    pub fn bundle_want_key(&self, _bundle: BundleId, _flow: u16) {}

    pub fn bundle_close_flow(&self, _bundle: BundleId, _flow: u16, _out: bool) {}

    pub fn bundle_stream(&self, _bundle: BundleId, fd: OwnedFd, purpose: String, stream: u32) -> Done<u32> {
        sys::check_socket(&fd, libc::SOCK_STREAM)?;
        order_bundle::purpose(&purpose, stream)?;
        Err(OrderError::new(NOT_YET))
    }

    pub fn bundle_stats(&self, _handle: u64) -> Done<Vec<(String, Figure)>> {
        Err(OrderError::new("no such bundle or door"))
    }

    pub fn bundle_close(&self, _handle: u64) {}
}
