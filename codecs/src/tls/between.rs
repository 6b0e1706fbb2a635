//! One TLS connection between its socket and the plain end: moves what can be moved, and says what it waits for.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustls::Connection;

use crate::relay::sys;

/// Bytes moved at a time; of what is deciphered no more waits for the plain end.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Turns before other connections have theirs.
const TURNS: usize = 8;

struct Socket(RawFd);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        sys::read(self.0, buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        sys::write_many(self.0, &[data])
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let mut list: [&[u8]; sys::MAX_PARTS] = [&[]; sys::MAX_PARTS];
        for (slot, part) in list.iter_mut().zip(parts) {
            *slot = part;
        }
        sys::write_many(self.0, &list[..parts.len().min(sys::MAX_PARTS)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct Between {
    tls: Connection,
    pub net: OwnedFd,
    pub plain: OwnedFd,
    /// Deciphered, not taken by the plain end yet.
    waiting: Vec<u8>,
    given: usize,
    /// The other side will send no more; ours will.
    net_ended: bool,
    plain_ended: bool,
    said_goodbye: bool,
}

/// What came of a turn.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing more can be moved now. Watch the socket, and the plain end, for these.
    Waits {
        net: u32,
        plain: u32,
        /// There was more to move than one turn may.
        more: bool,
    },
    Over,
    /// With words for a person.
    Failed(String),
}

impl Between {
    pub fn new(tls: Connection, net: OwnedFd, plain: OwnedFd) -> Self {
        Self {
            tls,
            net,
            plain,
            waiting: Vec::new(),
            given: 0,
            net_ended: false,
            plain_ended: false,
            said_goodbye: false,
        }
    }

    pub fn is_shaking_hands(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Our side has closed it; only the good-bye is still to leave.
    pub fn is_ending(&self) -> bool {
        self.plain_ended
    }

    /// Move what can be moved both ways. `buffer` is the thread's, of CHUNK_BYTES.
    pub fn turn(&mut self, buffer: &mut [u8]) -> State {
        let mut more = true;
        for _ in 0..TURNS {
            let moved = match self.inward(buffer) {
                Ok(inward) => inward | self.outward(buffer),
                Err(words) => return State::Failed(words),
            };
            if self.is_over() {
                if !self.said_goodbye {
                    self.tls.send_close_notify();
                    self.flush();
                }
                return State::Over;
            }
            if !moved {
                more = false;
                break;
            }
        }
        self.waits(more)
    }

    fn is_over(&self) -> bool {
        let taken = self.given == self.waiting.len();
        (self.net_ended && taken) || (self.plain_ended && self.said_goodbye && !self.tls.wants_write())
    }

    /// What is watched for is told by its edge: what can not be taken now is tried again in every turn.
    fn waits(&self, more: bool) -> State {
        let edge = libc::EPOLLET as u32 | sys::READ;
        let net = edge | if self.tls.wants_write() { sys::WRITE } else { 0 };
        let plain = edge | if self.given < self.waiting.len() { sys::WRITE } else { 0 };
        State::Waits { net, plain, more }
    }

    /// From the socket to the plain end. Whether anything moved.
    fn inward(&mut self, buffer: &mut [u8]) -> Result<bool, String> {
        let mut moved = self.give();
        if self.given < self.waiting.len() || self.net_ended || !self.tls.wants_read() {
            return Ok(moved);
        }
        match self.tls.read_tls(&mut Socket(self.net.as_raw_fd())) {
            Ok(0) => {
                self.net_ended = true;
                if self.tls.is_handshaking() {
                    return Err("the other side closed the connection during the TLS handshake".into());
                }
            }
            Ok(_) => moved = true,
            Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => return Ok(moved),
            Err(e) if self.tls.is_handshaking() => return Err(format!("the connection broke in the handshake: {e}")),
            Err(_) => self.net_ended = true,
        }
        match self.tls.process_new_packets() {
            Ok(state) => self.net_ended |= state.peer_has_closed(),
            Err(error) => {
                // The alert that says so.
                let _ = self.tls.write_tls(&mut Socket(self.net.as_raw_fd()));
                return Err(words(&error));
            }
        }
        while let Ok(n) = self.tls.reader().read(buffer) {
            if n == 0 {
                break;
            }
            self.waiting.extend_from_slice(&buffer[..n]);
            moved = true;
        }
        self.give();
        Ok(moved)
    }

    fn give(&mut self) -> bool {
        let mut moved = false;
        while self.given < self.waiting.len() {
            match sys::write_many(self.plain.as_raw_fd(), &[&self.waiting[self.given..]]) {
                Ok(n) => {
                    self.given += n;
                    moved = true;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => return moved,
                Err(_) => {
                    // Nobody reads it any more.
                    self.plain_ended = true;
                    self.given = self.waiting.len();
                }
            }
        }
        self.waiting.clear();
        self.given = 0;
        moved
    }

    /// From the plain end to the socket. Whether anything moved.
    fn outward(&mut self, buffer: &mut [u8]) -> bool {
        let mut moved = self.flush();
        if self.tls.is_handshaking() && !self.plain_ended {
            return moved;
        }
        while !self.tls.wants_write() && !self.plain_ended {
            match sys::read(self.plain.as_raw_fd(), buffer) {
                Ok(0) => self.plain_ended = true,
                Ok(n) => {
                    // The limit of what is kept is over CHUNK_BYTES: it takes all of it.
                    let _ = self.tls.writer().write_all(&buffer[..n]);
                    moved = true;
                    self.flush();
                    if n < buffer.len() {
                        break;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => break,
                Err(_) => self.plain_ended = true,
            }
        }
        if self.plain_ended && !self.said_goodbye {
            self.said_goodbye = true;
            self.tls.send_close_notify();
            self.flush();
            moved = true;
        }
        moved
    }

    fn flush(&mut self) -> bool {
        let mut moved = false;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Socket(self.net.as_raw_fd())) {
                Ok(0) => break,
                Ok(_) => moved = true,
                Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => break,
                Err(_) => {
                    self.net_ended = true;
                    break;
                }
            }
        }
        moved
    }
}

/// An error of the handshake for a person.
fn words(error: &rustls::Error) -> String {
    use rustls::{CertificateError, Error};
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the certificate is not signed by an authority that is trusted here".into()
        }
        Error::InvalidCertificate(CertificateError::Other(_)) => {
            // webpki's word for a certificate that a device has signed for itself.
            "the certificate is signed by itself and not trusted here".into()
        }
        Error::InvalidCertificate(CertificateError::NotValidForName)
        | Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }) => {
            "the certificate is for another name".into()
        }
        Error::InvalidCertificate(CertificateError::Expired)
        | Error::InvalidCertificate(CertificateError::ExpiredContext { .. }) => "the certificate has expired".into(),
        Error::InvalidCertificate(CertificateError::NotValidYet)
        | Error::InvalidCertificate(CertificateError::NotValidYetContext { .. }) => {
            "the certificate is not valid yet: is the clock right?".into()
        }
        Error::InvalidMessage(_) => "the other side does not speak TLS on this port".into(),
        Error::AlertReceived(alert) => format!("the other side refused: {alert:?}"),
        other => other.to_string(),
    }
}

/// For `tls.set_buffer_limit`.
pub const LIMIT_BYTES: usize = CHUNK_BYTES + 4096;
