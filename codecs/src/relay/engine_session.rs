//! The engine's face for shared ports and the sessions on them: which thread a session lives on, its keys, its address.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::sync_channel;
use std::sync::Arc;
use std::time::Instant;

use super::engine::{Done, Engine, SessionEntry, PATIENCE};
use super::event::*;
use super::order::*;
use super::queue::lock;
use super::{sys, OrderError};
use crate::rtp::srtp::SrtpKey;

impl Engine {
    pub fn open_port(&self, fd: OwnedFd) -> Done<PortId> {
        let v6 = sys::check_socket(&fd, libc::SOCK_DGRAM)?;
        let mut registry = lock(&self.registry);
        let id = self.new_id(&mut registry, 0)?;
        let socket = Arc::new(PortSocket { id, fd: Arc::new(fd), v6 });
        registry.ports.insert(id, socket.clone());
        drop(registry);
        self.post(id, Command::OpenPort { socket });
        Ok(id)
    }

    pub fn close_port(&self, port: PortId) {
        if lock(&self.registry).ports.remove(&port).is_some() {
            self.post(port, Command::ClosePort(port));
        }
    }

    pub fn open_session(&self, ufrag: String, pwd: String) -> Done<SessionId> {
        let mut registry = lock(&self.registry);
        if registry.sessions.values().any(|s| s.ufrag == ufrag) {
            return Err(OrderError::new("the ufrag is taken"));
        }
        let id = self.new_id(&mut registry, 0)?;
        // With one worker there is nothing to wait for.
        let home = (self.media == 1).then_some(0);
        let entry = SessionEntry { ufrag: ufrag.clone(), home, bound: false, own: false, arm: None };
        registry.sessions.insert(id, entry);
        drop(registry);
        self.post(id, Command::OpenSession { id, ufrag, pwd });
        Ok(id)
    }

    pub fn send_datagram(&self, session: SessionId, port: PortId, data: Vec<u8>, to: SocketAddr) {
        if port != 0 {
            self.post(port, Command::SendDatagram { session, port, data, to });
        } else {
            self.post(session, Command::SendOwnDatagram { session, data, to });
        }
    }

    pub fn arm_session(&self, session: SessionId, port: PortId, to: SocketAddr, tx: SrtpKey, rx: SrtpKey) -> Done<()> {
        let mut registry = lock(&self.registry);
        let socket = registry.ports.get(&port).cloned().ok_or(OrderError::new("no such port"))?;
        let entry = registry.sessions.get_mut(&session).ok_or(OrderError::new("no such session"))?;
        if entry.own {
            return Err(OrderError::new("a session with its own socket is armed by arm_rtp_session"));
        }
        let (tx, rx) = (Box::new(tx), Box::new(rx));
        let command = move || Command::Arm { session, socket: socket.clone(), to, tx: tx.clone(), rx: rx.clone() };
        if let Some(home) = entry.home {
            self.post(home as u64, command());
        }
        if !entry.bound {
            entry.arm = Some(Arc::new(command));
        }
        self.post(0, Command::Admit { session, port, to });
        Ok(())
    }

    pub fn move_session(&self, session: SessionId, port: PortId, to: SocketAddr) {
        let registry = lock(&self.registry);
        let (Some(socket), Some(entry)) = (registry.ports.get(&port).cloned(), registry.sessions.get(&session)) else {
            return;
        };
        self.post(0, Command::Admit { session, port, to });
        if let Some(home) = entry.home {
            self.post(home as u64, Command::Move { session, socket, to });
        }
    }

    /// Fix the worker of a session: that of the first stream it is bound to.
    pub(super) fn bind(&self, session: SessionId, worker: usize) -> Done<()> {
        let mut registry = lock(&self.registry);
        let entry = registry.sessions.get_mut(&session).ok_or(OrderError::new("no such session"))?;
        if entry.bound && entry.home == Some(worker) {
            return Ok(());
        }
        if entry.bound {
            return Err(OrderError::new("the session is bound to another media thread"));
        }
        let before = entry.home.replace(worker);
        entry.bound = true;
        let arm = entry.arm.take();
        drop(registry);
        match before {
            Some(before) if before == worker => return Ok(()),
            Some(before) => self.post(before as u64, Command::ForgetSession(session)),
            None => {}
        }
        self.post(0, Command::Home { session, worker });
        if let Some(arm) = arm {
            self.post(worker as u64, arm());
        }
        Ok(())
    }

    pub fn close_session(&self, session: SessionId) {
        let Some(entry) = lock(&self.registry).sessions.remove(&session) else { return };
        let (done, finished) = sync_channel(2);
        let mut asked: Vec<usize> = if entry.own { Vec::new() } else { vec![0] };
        asked.extend(entry.home.filter(|home| entry.own || *home != 0));
        for worker in &asked {
            self.post(*worker as u64, Command::CloseSession { session, done: done.clone() });
        }
        drop(done);
        let deadline = Instant::now() + PATIENCE;
        for _ in asked {
            if finished.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_err() {
                return;
            }
        }
    }
}
