//! A center's door with its sockets: the UDP port, and the connections of kits that came by TCP.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::OwnedFd;

use super::bundle_ground::{Ground, Sock, Watch};
use super::bundle_wires::{Run, StreamWire, UdpWire};
use super::event::{BundleId, BundleKind, BundleTold, DoorId};
use super::sys::{self, SockAddr};
use crate::bundle::door::Door;
use crate::bundle::types::{Identity, Remote};
use crate::time::Micros;

/// Connections that came by TCP; more are closed at once.
const MAX_STREAMS: usize = 4096;
/// Those of one session: as many as a kit has links (`adapters/uplink/config.py`). The oldest give way.
pub const MAX_STREAMS_OF_ONE: usize = 8;
/// Those of one address that brought no session yet; more are closed at once. Behind one address of a carrier there are many
/// kits, but each is a stranger for a moment only.
const MAX_STRANGERS_OF_ONE: usize = 32;
/// One that brought no session in that time is closed.
const STRANGER_US: u64 = 10_000_000;
/// Refusals are told at most that often.
const TELL_US: u64 = 1_000_000;

pub struct DoorStream {
    pub wire: StreamWire,
    pub watch: Watch,
    /// The session that uses it.
    pub session: Option<u32>,
    since: Micros,
    /// Where it came from, if that is known.
    source: Option<IpAddr>,
}

/// Whoever has one address of an IPv6 network has all of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Refusals since the last word of them.
#[derive(Default)]
struct Refusals {
    count: u64,
    last: Option<BundleTold>,
    told: Option<Micros>,
}

pub struct DoorHeld {
    pub id: DoorId,
    pub door: Door,
    pub udp: UdpWire,
    pub watch: Watch,
    pub streams: HashMap<u64, DoorStream>,
    next_stream: u64,
    /// Sessions by their index.
    pub sessions: HashMap<u32, BundleId>,
    refusals: Refusals,
    pub refused: u64,
    pub stray: u64,
}

impl DoorHeld {
    pub fn new(id: DoorId, fd: OwnedFd, v6: bool, identity: &Identity, ground: &mut Ground) -> Self {
        let udp = UdpWire::new(fd, v6);
        let mut watch = ground.watch(udp.fd(), Sock::DoorUdp(id));
        watch.want(&ground.epoll, sys::READ);
        Self {
            id,
            door: Door::new(identity, ground.now),
            udp,
            watch,
            streams: HashMap::new(),
            next_stream: 1,
            sessions: HashMap::new(),
            refusals: Refusals::default(),
            refused: 0,
            stray: 0,
        }
    }

    /// A connection that a kit came in by, from `address`. Its number; `None`: there are too many.
    pub fn add_stream(
        &mut self,
        fd: OwnedFd,
        initial: &[u8],
        address: Option<IpAddr>,
        ground: &mut Ground,
    ) -> Option<u64> {
        let source = address.map(network);
        let strangers = self.streams.values().filter(|s| s.session.is_none() && s.source == source).count();
        if self.streams.len() >= MAX_STREAMS || strangers >= MAX_STRANGERS_OF_ONE {
            return None;
        }
        let number = self.next_stream;
        self.next_stream += 1;
        let wire = StreamWire::new(fd, initial);
        let mut watch = ground.watch(wire.fd(), Sock::DoorStream(self.id, number));
        watch.want(&ground.epoll, sys::READ);
        self.streams.insert(number, DoorStream { wire, watch, session: None, since: ground.now, source });
        Some(number)
    }

    pub fn close_stream(&mut self, number: u64, ground: &mut Ground) {
        if let Some(stream) = self.streams.remove(&number) {
            ground.unwatch(stream.watch);
        }
    }

    /// Connections of which no session came in time.
    pub fn strangers(&self, now: Micros) -> Vec<u64> {
        let stale = |s: &DoorStream| s.session.is_none() && now.since(s.since) >= STRANGER_US;
        self.streams.iter().filter(|(_, s)| stale(s)).map(|(n, _)| *n).collect()
    }

    /// When to look for strangers, and to tell refusals.
    pub fn next_timer(&self) -> Option<Micros> {
        let strangers = self.streams.values().filter(|s| s.session.is_none()).map(|s| s.since.0 + STRANGER_US).min();
        let refusals = self.refusals.last.as_ref().and(self.refusals.told).map(|t| t.0 + TELL_US);
        strangers.into_iter().chain(refusals).min().map(Micros)
    }

    /// A run of datagrams to a peer. False: its connection broke.
    pub fn send(&mut self, data: &[u8], run: &Run, to: &Remote, ground: &Ground) -> bool {
        match to {
            Remote::Udp(to) => {
                let to = SockAddr::new(*to, self.udp.v6);
                self.udp.send(data, run, &to);
                true
            }
            Remote::Stream(number) => {
                let Some(stream) = self.streams.get_mut(number) else { return true };
                let fine = stream.wire.send(data, run);
                stream
                    .watch
                    .want(&ground.epoll, if stream.wire.is_full() { sys::READ | sys::WRITE } else { sys::READ });
                fine
            }
        }
    }

    /// One datagram that belongs to no session.
    pub fn answer(&mut self, data: &[u8], to: &Remote, ground: &Ground) {
        let mut run = Run::default();
        if !data.is_empty() && run.add(data.len()) {
            self.send(data, &run, to, ground);
        }
    }

    /// Somebody was not let in.
    pub fn refuse(
        &mut self,
        code: &'static str,
        detail: String,
        key: Option<[u8; 32]>,
        gateway: String,
        from: &Remote,
    ) {
        self.refused += 1;
        self.refusals.count += 1;
        self.refusals.last = Some(BundleTold {
            code,
            detail,
            key: key.map(Vec::from).unwrap_or_default(),
            name: gateway,
            address: if let Remote::Udp(address) = from { Some(*address) } else { None },
            ..BundleTold::new(0, self.id, BundleKind::Refused)
        });
    }

    /// Tell of refusals, at most once a second.
    pub fn tell_refusals(&mut self, ground: &Ground) {
        if self.refusals.told.is_some_and(|at| ground.now.since(at) < TELL_US) {
            return;
        }
        if let Some(told) = self.refusals.last.take() {
            self.refusals.told = Some(ground.now);
            ground.tell(BundleTold { number: std::mem::take(&mut self.refusals.count), ..told });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_of_ipv4_or_half_of_one_of_ipv6() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:0:1::5"), of("2001:db8:0:1:ffff::9"));
        assert_ne!(of("2001:db8:0:1::5"), of("2001:db8:0:2::5"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
