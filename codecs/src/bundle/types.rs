//! The values that go in and out of a session: who, over what, and what happened.

use std::fmt;
use std::net::SocketAddr;

use aws_lc_rs::agreement::{PrivateKey, X25519};
use aws_lc_rs::rand;
use bytes::Bytes;

use super::flow::FlowOptions;

/// Chosen by the kit, the same number at both ends.
pub type PathId = u8;
/// Chosen by whoever opens the flow; an end's own flows and the peer's are two spaces.
pub type FlowId = u16;
/// Even ones are opened by the kit, odd ones by the center.
pub type StreamId = u32;

/// A gateway's X25519 pair. Never shown.
#[derive(Clone)]
pub struct Identity {
    pub(super) private: [u8; 32],
    pub public: [u8; 32],
}

/// What a kit says of itself in its first message, under the cipher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The gateway's id, at most 64 bytes.
    pub gateway: String,
    /// Counts the daemon's starts; kept by the caller over restarts.
    pub boot: u64,
    /// The cipher suite to use: `suite::AES_256_GCM` is 1.
    pub suite: u8,
    /// Wall clock of the sender, milliseconds of the Unix epoch. A label for people: nothing is decided by it.
    pub clock_unix_ms: u64,
}

/// What carries a path's datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathKind {
    Udp,
    /// A connection with datagrams framed by two bytes of length: nothing is lost or reordered, everything may stand still.
    Stream,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathOptions {
    pub id: PathId,
    /// The link's name (`lte-1`), at most 32 bytes. Two paths of one name share their fate and are never each other's copy.
    pub name: String,
    pub kind: PathKind,
    /// Largest datagram (UDP payload) that may be tried; what really passes is found by probing.
    pub mtu: u16,
    /// 0 is free; a higher one is used when the cheaper paths do not suffice or a copy is asked for.
    pub cost: u8,
    /// Bits of the classes (`Class::bit`) whose units and streams it never carries. The session's own frames go by all paths.
    pub barred: u8,
}

/// Where a datagram came from and goes to, as a session sees it. Only ever compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remote {
    Udp(SocketAddr),
    /// A connection that the engine numbered.
    Stream(u64),
}

/// One datagram to send: the first `len` bytes of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    pub path: PathId,
    /// `None` at a kit: to the path's one peer, over the path's own socket.
    pub to: Option<Remote>,
    pub len: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer holds the keys. At a center only now the session counts and replaces an older one (`Door::up`).
    Up {
        peer_key: [u8; 32],
        hello: Hello,
    },
    /// The session is over; flows and streams are gone with it. A kit's session goes on to the next attempt by itself.
    Down {
        code: &'static str,
        detail: String,
    },
    /// The center did not take us (kit), and will be asked again later.
    Refused {
        code: &'static str,
        detail: String,
    },
    PathUp {
        path: PathId,
        name: String,
    },
    PathDown {
        path: PathId,
        name: String,
        code: &'static str,
    },
    /// What all usable paths carry, and what is wanted of them; when units had to be left out, at most every 500 ms.
    Rate {
        usable_bps: u64,
        wanted_bps: u64,
    },
    /// The peer opened or closed a flow.
    FlowOpened {
        flow: FlowId,
        options: FlowOptions,
    },
    FlowClosed {
        flow: FlowId,
    },
    /// The peer takes no more of a flow of ours; it is closed.
    FlowStopped {
        flow: FlowId,
    },
    /// A unit of a peer's flow, whole and in time.
    Unit {
        flow: FlowId,
        bytes: Bytes,
        key: bool,
        /// Something before it was lost.
        after_loss: bool,
    },
    /// Units of our flow had to be left out and the next one that helps is a key unit: ask the source for one.
    KeyWanted {
        flow: FlowId,
    },
    StreamOpened {
        stream: StreamId,
        purpose: String,
    },
    StreamReadable {
        stream: StreamId,
    },
    /// There is room again after a write was taken in part.
    StreamWritable {
        stream: StreamId,
    },
    /// The peer's last byte was read.
    StreamFinished {
        stream: StreamId,
    },
    StreamReset {
        stream: StreamId,
    },
}

/// `text`, or as much of its beginning as fits `max` bytes.
pub(super) fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// The public key that belongs to a private one.
pub(super) fn public_of(private: &[u8; 32]) -> [u8; 32] {
    let key = PrivateKey::from_private_key(&X25519, private).expect("32 bytes are a private key");
    let mut public = [0; 32];
    public.copy_from_slice(key.compute_public_key().expect("every private key has a public one").as_ref());
    public
}

impl Identity {
    /// From a private key that was kept, or a new pair. Any 32 bytes are a private key (RFC 7748 §5 fixes the bits).
    pub fn new(private: Option<[u8; 32]>) -> Self {
        let private = private.unwrap_or_else(|| {
            let mut made = [0; 32];
            rand::fill(&mut made).expect("the system gives random bytes");
            made
        });
        Self { private, public: public_of(&private) }
    }

    pub fn private(&self) -> &[u8; 32] {
        &self.private
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.private.fill(0);
        std::hint::black_box(&self.private);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character() {
        assert_eq!((cut("链路", 4), cut("链路", 6), cut("ab", 9), cut("链", 0)), ("链", "链路", "ab", ""));
    }

    /// RFC 7748 §6.1.
    #[test]
    fn the_public_key_follows_from_the_private_one() {
        let hex = |text: &str| -> [u8; 32] {
            std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex"))
        };
        let alice = Identity::new(Some(hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")));
        assert_eq!(alice.public, hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
        assert_ne!(Identity::new(None).public, Identity::new(None).public);
        assert_eq!(format!("{alice:?}"), "Identity");
    }
}
