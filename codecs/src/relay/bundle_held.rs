//! One bundle with its sockets, flows and streams, and what its session says turned into deeds and events.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::bundle_door::DoorHeld;
use super::bundle_flow_in::FlowIn;
use super::bundle_flow_out::{FlowOut, Read};
use super::bundle_ground::{Ground, Sock, Watch};
use super::bundle_stream::{StreamHeld, Turned};
use super::bundle_wires::{StreamWire, UdpWire};
use super::event::{BundleId, BundleKind, BundleTold, DoorId};
use super::order_bundle::{Carries, FlowOrder, PathOrder};
use super::sys::{self, SockAddr};
use super::OrderError;
use crate::bundle::session::Session;
use crate::bundle::types::{Event, PathKind, PathOptions, Remote};
use crate::time::Micros;

pub const MAX_STREAMS: usize = 256;

pub enum Wire {
    Udp(UdpWire, SockAddr),
    Stream(StreamWire),
}

/// A kit's path.
pub struct PathHeld {
    pub name: String,
    pub to: SocketAddr,
    pub wire: Wire,
    pub watch: Watch,
}

pub struct Held {
    pub id: BundleId,
    pub door: DoorId,
    /// Of the door.
    pub index: u32,
    pub session: Box<Session>,
    pub paths: HashMap<u8, PathHeld>,
    pub flows_out: HashMap<u16, FlowOut>,
    pub flows_in: HashMap<u16, FlowIn>,
    pub streams: HashMap<u32, StreamHeld>,
    /// The peer's gateway id, while it is up.
    pub name: String,
    /// Where a center heard the kit last.
    pub heard: Option<SocketAddr>,
    pub timer_at: Option<Micros>,
    /// It is on the list of those to be worked on.
    pub touched: bool,
    /// The door knows that it came up.
    pub counted: bool,
    /// Python has closed it: nothing is told any more.
    pub closed: bool,
}

impl Held {
    pub fn new(id: BundleId, door: DoorId, index: u32, session: Box<Session>) -> Self {
        Self {
            id,
            door,
            index,
            session,
            paths: HashMap::new(),
            flows_out: HashMap::new(),
            flows_in: HashMap::new(),
            streams: HashMap::new(),
            name: String::new(),
            heard: None,
            timer_at: None,
            touched: false,
            counted: false,
            closed: false,
        }
    }

    // ── orders ──

    pub fn add_path(&mut self, fd: OwnedFd, v6: bool, order: PathOrder, ground: &mut Ground) {
        self.drop_wire(order.path, ground);
        let (wire, kind) = if order.stream {
            (Wire::Stream(StreamWire::new(fd, &order.initial)), PathKind::Stream)
        } else {
            (Wire::Udp(UdpWire::new(fd, v6), SockAddr::new(order.to, v6)), PathKind::Udp)
        };
        let fd = match &wire {
            Wire::Udp(udp, _) => udp.fd(),
            Wire::Stream(stream) => stream.fd(),
        };
        let mut watch = ground.watch(fd, Sock::Path(self.id, order.path));
        watch.want(&ground.epoll, sys::READ);
        let PathOrder { path: id, name, cost, mtu, to, barred, .. } = order;
        self.session.add_path(PathOptions { id, name: name.clone(), kind, mtu, cost, barred }, ground.now);
        self.paths.insert(id, PathHeld { name, to, wire, watch });
    }

    fn drop_wire(&mut self, path: u8, ground: &mut Ground) -> Option<(String, SocketAddr)> {
        let PathHeld { name, to, wire, watch } = self.paths.remove(&path)?;
        ground.unwatch(watch);
        drop(wire);
        Some((name, to))
    }

    pub fn drop_path(&mut self, path: u8, ground: &mut Ground) {
        if self.drop_wire(path, ground).is_some() {
            self.session.drop_path(path, ground.now);
        }
    }

    /// A stream connection ended or broke.
    pub fn path_broke(&mut self, path: u8, ground: &mut Ground) {
        let Some((name, to)) = self.drop_wire(path, ground) else { return };
        self.session.drop_path(path, ground.now);
        let (number, detail) = (path.into(), "the connection ended".to_owned());
        let told = self.told(BundleKind::Path);
        let told = BundleTold { code: "path-broken", detail, name, number, address: Some(to), ..told };
        self.tell(told, ground);
    }

    pub fn open_flow(&mut self, fd: OwnedFd, order: &FlowOrder, ground: &mut Ground) {
        let (flow, carries) = (order.flow, order.carries);
        let ends = sys::check_socket(&fd, libc::SOCK_DGRAM).is_err();
        let raw = std::os::fd::AsRawFd::as_raw_fd(&fd);
        if order.out {
            self.close_flow(flow, true, ground);
            let mut watch = ground.watch(raw, Sock::FlowOut(self.id, flow));
            watch.want(&ground.epoll, sys::READ);
            sys::raise_buffers(&fd, 4 << 20, 4 << 20);
            self.session.open_flow(flow, order.options, ground.now);
            self.flows_out.insert(flow, FlowOut::new(flow, order.options, fd, watch, carries, ends));
            return;
        }
        let Some(held) = self.flows_in.get_mut(&flow) else {
            // It is closed meanwhile, or was never told: its descriptor closes here.
            return self.flow_closed(flow, false, "not-found", ground);
        };
        let watch = ground.watch(raw, Sock::FlowIn(self.id, flow));
        if let Some((old, fd)) = held.taken(fd, watch, carries, ends) {
            ground.unwatch(old);
            drop(fd);
        }
        self.flush_in(flow, ground);
    }

    pub fn close_flow(&mut self, flow: u16, out: bool, ground: &mut Ground) {
        if out {
            let Some(gone) = self.flows_out.remove(&flow) else { return };
            self.session.close_flow(flow, ground.now);
            gone.close(ground);
        } else if let Some(gone) = self.flows_in.remove(&flow) {
            self.session.stop_flow(flow, ground.now);
            gone.close(ground);
        }
    }

    pub fn open_stream(
        &mut self,
        fd: OwnedFd,
        purpose: &str,
        stream: u32,
        ground: &mut Ground,
    ) -> Result<u32, OrderError> {
        if self.streams.len() >= MAX_STREAMS {
            return Err(OrderError::new("256 streams are open"));
        }
        let id = match stream.checked_sub(1) {
            None => self.session.stream_open(purpose).ok_or(OrderError::new("the bundle is not up"))?,
            Some(id) if self.streams.contains_key(&id) => return Err(OrderError::new("the stream is taken already")),
            Some(id) => id,
        };
        let watch = ground.watch(std::os::fd::AsRawFd::as_raw_fd(&fd), Sock::Stream(self.id, id));
        self.streams.insert(id, StreamHeld::new(id, fd, watch));
        self.turn_stream(id, ground);
        Ok(number_of(id))
    }

    // ── sockets ──

    pub fn flow_readable(&mut self, flow: u16, ground: &mut Ground) {
        let Some(held) = self.flows_out.get_mut(&flow) else { return };
        if held.read(&mut self.session, ground) == Read::End {
            self.close_flow(flow, true, ground);
            self.flow_closed(flow, true, "link-down", ground);
        }
    }

    /// The reader of a flow takes more, wrote something back, or is gone.
    pub fn flow_ready(&mut self, flow: u16, ground: &mut Ground) {
        let Some(held) = self.flows_in.get_mut(&flow) else { return };
        if held.look(&mut ground.scratch) {
            return self.flush_in(flow, ground);
        }
        self.close_flow(flow, false, ground);
        self.flow_closed(flow, false, "link-down", ground);
    }

    fn flush_in(&mut self, flow: u16, ground: &mut Ground) {
        let Some(held) = self.flows_in.get_mut(&flow) else { return };
        let open = held.flush(&ground.epoll);
        if held.take_wish() {
            self.session.want_key(flow, ground.now);
        }
        if held.is_joined() {
            ground.arrived.push((self.id, flow));
        }
        if !open {
            self.close_flow(flow, false, ground);
            self.flow_closed(flow, false, "link-down", ground);
        }
    }

    pub fn turn_stream(&mut self, id: u32, ground: &mut Ground) {
        let Some(held) = self.streams.get_mut(&id) else { return };
        match held.turn(&mut self.session, &mut ground.scratch, &ground.epoll) {
            Turned::Open => {}
            Turned::Done => self.stream_over(id, "", ground),
            Turned::Broken => self.stream_over(id, "link-down", ground),
        }
    }

    fn stream_over(&mut self, id: u32, code: &'static str, ground: &mut Ground) {
        if let Some(gone) = self.streams.remove(&id) {
            gone.close(ground);
        }
        self.tell(BundleTold { code, number: number_of(id).into(), ..self.told(BundleKind::StreamClosed) }, ground);
    }

    /// The socket of a UDP path.
    pub fn udp(&self, path: u8) -> Option<std::os::fd::RawFd> {
        self.paths.get(&path).and_then(|p| if let Wire::Udp(udp, _) = &p.wire { Some(udp.fd()) } else { None })
    }

    /// Datagrams of a UDP path.
    pub fn path_datagram(&mut self, path: u8, from: SocketAddr, data: &mut [u8], now: Micros) {
        self.session.receive(Some(path), Some(Remote::Udp(from)), data, now);
    }

    /// A kit's stream connection is ready.
    pub fn path_stream(&mut self, path: u8, ground: &mut Ground) {
        let Some(PathHeld { wire: Wire::Stream(stream), watch, .. }) = self.paths.get_mut(&path) else { return };
        let mut fine = stream.flush();
        fine &= stream.read(&mut ground.scratch);
        while let Some(mut datagram) = stream.next() {
            self.session.receive(Some(path), None, &mut datagram, ground.now);
        }
        watch.want(&ground.epoll, if stream.is_full() { sys::READ | sys::WRITE } else { sys::READ });
        if !fine {
            self.path_broke(path, ground);
        }
    }

    // ── the session ──

    /// What the session says, then what it sends. True: there is more to send after the others.
    pub fn pump(&mut self, ground: &mut Ground) -> bool {
        for _ in 0..8 {
            self.hear(ground);
            if self.transmit(ground) {
                return true;
            }
            // Sending may have been the last of it.
            if !self.hear(ground) {
                return false;
            }
        }
        true
    }

    /// Flows and streams end with the session.
    pub(super) fn end_all(&mut self, ground: &mut Ground) {
        for (_, gone) in self.flows_out.drain() {
            gone.close(ground);
        }
        for (_, gone) in self.flows_in.drain() {
            gone.close(ground);
        }
        for (_, gone) in self.streams.drain() {
            gone.close(ground);
        }
    }

    /// Before it is dropped.
    pub fn end(&mut self, ground: &mut Ground) {
        self.end_all(ground);
        let paths: Vec<u8> = self.paths.keys().copied().collect();
        for path in paths {
            self.drop_wire(path, ground);
        }
    }

    /// True: it said something.
    fn hear(&mut self, ground: &mut Ground) -> bool {
        let mut said = false;
        let mut arrived: Vec<u16> = Vec::new();
        while let Some(event) = self.session.next_event() {
            said = true;
            match event {
                Event::Unit { flow, bytes, key, after_loss } => {
                    let others = self.flows_in.iter().filter(|(other, _)| **other != flow);
                    let others = others.map(|(_, held)| held.waiting_bytes()).sum();
                    if let Some(held) = self.flows_in.get_mut(&flow) {
                        held.unit(bytes, key, after_loss, others);
                        if arrived.last() != Some(&flow) {
                            arrived.push(flow);
                        }
                    }
                }
                Event::StreamReadable { stream } | Event::StreamWritable { stream } => self.turn_stream(stream, ground),
                Event::StreamFinished { stream } => {
                    if let Some(held) = self.streams.get_mut(&stream) {
                        held.peer_finished = true;
                        self.turn_stream(stream, ground);
                    }
                }
                Event::StreamReset { stream } => self.stream_over(stream, "stream-reset", ground),
                Event::KeyWanted { flow } => {
                    if let Some(held) = self.flows_out.get(&flow) {
                        held.wish();
                    }
                }
                Event::FlowOpened { flow, options } => {
                    self.flows_in.insert(flow, FlowIn::new(options));
                    let name = format!("{} {} {}", options.class.name(), options.mode.name(), options.playout_ms);
                    let told = BundleTold { number: flow.into(), name, ..self.told(BundleKind::Flow) };
                    self.tell(told, ground);
                }
                Event::FlowClosed { flow } => {
                    if let Some(gone) = self.flows_in.remove(&flow) {
                        gone.close(ground);
                    }
                    self.flow_closed(flow, false, "", ground);
                }
                Event::FlowStopped { flow } => {
                    if let Some(gone) = self.flows_out.remove(&flow) {
                        gone.close(ground);
                    }
                    self.flow_closed(flow, true, "", ground);
                }
                other => self.state(other, ground),
            }
        }
        arrived.sort_unstable();
        arrived.dedup();
        for flow in arrived {
            self.flush_in(flow, ground);
        }
        said
    }
}

/// A stream as Python calls it: 0 is a new one there.
pub(super) fn number_of(stream: u32) -> u32 {
    stream.saturating_add(1)
}

/// Of the door: what came by one of its connections for sessions that it has.
pub fn streams_of(door: &DoorHeld, index: u32) -> Vec<u64> {
    door.streams.iter().filter(|(_, s)| s.session == Some(index)).map(|(n, _)| *n).collect()
}

/// Whether a flow may carry what is asked on such a socket.
pub fn check_flow(fd: &OwnedFd, carries: Carries) -> Result<(), OrderError> {
    match carries {
        Carries::Frames => sys::check_socket(fd, libc::SOCK_SEQPACKET).map(drop),
        Carries::Datagrams => {
            sys::check_socket(fd, libc::SOCK_DGRAM).or_else(|_| sys::check_socket(fd, libc::SOCK_SEQPACKET)).map(drop)
        }
    }
}
