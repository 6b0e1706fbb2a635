//! One UDP port for all viewers: each datagram is told apart by its first byte (RFC 7983) and goes to the session that
//! its address belongs to. An address belongs to a session after a STUN request with the session's ufrag, and valid
//! MESSAGE-INTEGRITY where the password is known. Worker 0 reads every port.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::event::*;
use super::order::{Command, PortSocket};
use super::queue::PassedHead;
use super::stun;
use super::sys::{self, Outcome, RecvBatch, SockAddr};
use super::worker::{Sock, Worker};

/// Addresses of one session; the oldest goes when a further one proves itself.
const MAX_ADDRESSES: usize = 16;
/// Batches read before other sockets have their turn.
const BATCHES: usize = 8;

struct Gate {
    ufrag: Vec<u8>,
    pwd: String,
    addresses: Vec<(PortId, SocketAddr)>,
    /// Where we sent checks to: their answers carry no USERNAME.
    asked: Vec<(PortId, SocketAddr)>,
    home: usize,
}

#[derive(Default)]
pub struct Gates {
    ports: HashMap<PortId, (Arc<PortSocket>, usize)>,
    by_ufrag: HashMap<Vec<u8>, SessionId>,
    by_address: HashMap<(PortId, SocketAddr), SessionId>,
    by_asked: HashMap<(PortId, SocketAddr), SessionId>,
    sessions: HashMap<SessionId, Gate>,
    pub stun_unknown: u64,
}

impl Gates {
    pub fn open(&mut self, id: SessionId, ufrag: String, pwd: String) {
        self.by_ufrag.insert(ufrag.clone().into_bytes(), id);
        self.sessions
            .insert(id, Gate { ufrag: ufrag.into_bytes(), pwd, addresses: Vec::new(), asked: Vec::new(), home: 0 });
    }

    pub fn set_home(&mut self, id: SessionId, home: usize) {
        if let Some(gate) = self.sessions.get_mut(&id) {
            gate.home = home;
        }
    }

    pub fn close(&mut self, id: SessionId) {
        let Some(gate) = self.sessions.remove(&id) else { return };
        self.by_ufrag.remove(&gate.ufrag);
        for key in gate.asked {
            if self.by_asked.get(&key) == Some(&id) {
                self.by_asked.remove(&key);
            }
        }
        for key in gate.addresses {
            if self.by_address.get(&key) == Some(&id) {
                self.by_address.remove(&key);
            }
        }
    }

    /// The address has proved to be the session's.
    pub fn admit(&mut self, id: SessionId, port: PortId, address: SocketAddr) {
        let Some(gate) = self.sessions.get_mut(&id) else { return };
        let key = (port, address);
        // One peer may begin a new session from the address of its old one.
        self.by_address.insert(key, id);
        if gate.addresses.contains(&key) {
            return;
        }
        if gate.addresses.len() == MAX_ADDRESSES {
            let oldest = gate.addresses.remove(0);
            if self.by_address.get(&oldest) == Some(&id) {
                self.by_address.remove(&oldest);
            }
        }
        gate.addresses.push(key);
    }

    /// A STUN message of ours goes to `address`; what comes back from there is the session's, if it is STUN.
    fn ask(&mut self, id: SessionId, port: PortId, address: SocketAddr) {
        let Some(gate) = self.sessions.get_mut(&id) else { return };
        let key = (port, address);
        self.by_asked.insert(key, id);
        if gate.asked.contains(&key) {
            return;
        }
        if gate.asked.len() == MAX_ADDRESSES {
            let oldest = gate.asked.remove(0);
            if self.by_asked.get(&oldest) == Some(&id) {
                self.by_asked.remove(&oldest);
            }
        }
        gate.asked.push(key);
    }

    pub fn counts(&self) -> (usize, usize) {
        (self.ports.len(), self.sessions.len())
    }
}

impl Worker {
    pub fn open_port(&mut self, socket: Arc<PortSocket>) {
        sys::raise_buffers(&socket.fd, 4 << 20, 8 << 20);
        let token = self.watch(socket.fd.as_raw_fd(), sys::READ, Sock::Port(socket.id));
        self.gates.ports.insert(socket.id, (socket, token));
    }

    pub fn close_port(&mut self, id: PortId) {
        if let Some((socket, token)) = self.gates.ports.remove(&id) {
            self.unwatch(socket.fd.as_raw_fd(), token);
            self.gates.by_address.retain(|(port, _), _| *port != id);
            self.gates.by_asked.retain(|(port, _), _| *port != id);
        }
    }

    /// STUN or DTLS of Python's. A full socket drops it, as UDP does.
    pub fn send_datagram(&mut self, session: SessionId, port: PortId, data: &[u8], to: SocketAddr) {
        if !self.gates.sessions.contains_key(&session) {
            return;
        }
        let Some((socket, _)) = self.gates.ports.get(&port) else { return };
        let outcome = sys::send_to(socket.fd.as_raw_fd(), data, &SockAddr::new(to, socket.v6));
        if outcome != Outcome::Sent {
            self.outbox.errors += 1;
        }
        if data.first().is_some_and(|b| *b <= 3) {
            self.gates.ask(session, port, to);
        }
    }

    pub fn port_ready(&mut self, id: PortId) {
        let Some(fd) = self.gates.ports.get(&id).map(|(s, _)| s.fd.as_raw_fd()) else { return };
        let mut batch = self.batch.take().unwrap_or_default();
        for _ in 0..BATCHES {
            let n = batch.receive(fd, |got| {
                self.packets_in += 1;
                self.bytes_in += got.data.len() as u64;
                // Browsers send no IP fragments, and what is passed on or told must not be large.
                if got.data.len() <= sys::SLOT_BYTES {
                    self.port_datagram(id, got.data, got.from);
                }
            });
            if n < RecvBatch::SLOTS {
                break;
            }
        }
        self.batch = Some(batch);
    }

    fn port_datagram(&mut self, port: PortId, data: &mut [u8], from: SocketAddr) {
        match data.first().copied() {
            Some(0..=3) => self.port_stun(port, data, from),
            Some(20..=63) => {
                if let Some(session) = self.gates.by_address.get(&(port, from)).copied() {
                    self.events.push(Event::Datagram { session, port, data: data.to_vec(), from });
                }
            }
            Some(128..=191) => {
                let Some(session) = self.gates.by_address.get(&(port, from)).copied() else { return };
                match self.gates.sessions.get(&session).map_or(0, |g| g.home) {
                    home if home == self.index => self.session_packet(session, data, from),
                    home => {
                        let Some(other) = self.all.get(home) else { return };
                        if other.calm {
                            other.pass(PassedHead::Packet { session, from, at: self.now }, data);
                        } else {
                            other.push(Command::SessionPacket { session, data: data.to_vec(), from });
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn port_stun(&mut self, port: PortId, data: &[u8], from: SocketAddr) {
        let Ok(message) = stun::parse(data) else {
            self.gates.stun_unknown += 1;
            return;
        };
        let session = match message.local_ufrag() {
            Some(ufrag) => self.gates.by_ufrag.get(ufrag).copied(),
            None => self.gates.by_asked.get(&(port, from)).copied(),
        };
        let Some((session, gate)) = session.and_then(|s| Some((s, self.gates.sessions.get(&s)?))) else {
            self.gates.stun_unknown += 1;
            return;
        };
        if message.is_request() {
            if message.local_ufrag().is_none() || !gate.pwd.is_empty() && !message.is_authentic(gate.pwd.as_bytes()) {
                self.gates.stun_unknown += 1;
                return;
            }
            let home = gate.home;
            self.gates.admit(session, port, from);
            if home == self.index {
                self.session_heard(session);
            }
        }
        self.events.push(Event::Datagram { session, port, data: data.to_vec(), from });
    }
}
