//! What Python asks of link bundles, checked.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::OrderError;
use crate::bundle::flow::{Class, FlowOptions, Mode, MAX_PLAYOUT_MS};

/// Paths of a bundle are numbered below this.
pub const MAX_PATHS: u8 = 16;
const MAX_GATEWAY_BYTES: usize = 64;
const MAX_NAME_BYTES: usize = 32;
const MAX_PURPOSE_BYTES: usize = 64;

type Checked<T> = Result<T, OrderError>;

/// A kit's bundle to a center.
pub struct Dial {
    pub private: [u8; 32],
    pub peer: [u8; 32],
    pub gateway: String,
    pub boot: u64,
    pub suite: u8,
}

impl Dial {
    pub fn check(&self) -> Checked<()> {
        gateway(&self.gateway)?;
        if self.suite != 1 {
            return Err(OrderError::new(format!("no cipher suite {}", self.suite)));
        }
        Ok(())
    }
}

pub fn gateway(id: &str) -> Checked<()> {
    if id.is_empty() || id.len() > MAX_GATEWAY_BYTES {
        return Err(OrderError::new("a gateway id is 1 to 64 bytes"));
    }
    Ok(())
}

/// One key for each gateway id, and one id for each key.
pub fn check_peers(peers: &[([u8; 32], String)]) -> Checked<()> {
    let (mut keys, mut ids) = (HashSet::new(), HashSet::new());
    for (key, id) in peers {
        gateway(id)?;
        if !keys.insert(key) || !ids.insert(id) {
            return Err(OrderError::new(format!("the gateway id {id:?}, or its key, stands twice")));
        }
    }
    Ok(())
}

/// A way to the center.
pub struct PathOrder {
    pub path: u8,
    pub name: String,
    /// A stream with a length before each datagram, else UDP.
    pub stream: bool,
    pub to: SocketAddr,
    pub cost: u8,
    pub mtu: u16,
    /// Bits of the classes that it does not take.
    pub barred: u8,
    /// What was read of the stream already.
    pub initial: Vec<u8>,
}

impl PathOrder {
    /// Bits of classes by their names.
    pub fn classes(names: &[String]) -> Checked<u8> {
        names.iter().try_fold(0, |bits, name| {
            let class = Class::from_name(name).ok_or_else(|| OrderError::new(format!("no class {name:?}")))?;
            Ok(bits | class.bit())
        })
    }

    pub fn check(&self) -> Checked<()> {
        if self.path >= MAX_PATHS {
            return Err(OrderError::new("a path is 0 to 15"));
        }
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES {
            return Err(OrderError::new("a path's name is 1 to 32 bytes"));
        }
        if !(576..=1500).contains(&self.mtu) {
            return Err(OrderError::new("mtu is 576 to 1500"));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    Frames,
    Datagrams,
}

/// Units that go out, or come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowOrder {
    pub flow: u16,
    pub carries: Carries,
    pub out: bool,
    pub options: FlowOptions,
}

impl FlowOrder {
    pub fn way(way: &str) -> Checked<bool> {
        match way {
            "out" => Ok(true),
            "in" => Ok(false),
            _ => Err(OrderError::new("a way is \"out\" or \"in\"")),
        }
    }

    pub fn read(flow: u16, carries: &str, way: &str, class: &str, mode: &str, playout_ms: u32) -> Checked<Self> {
        let carries = match carries {
            "frames" => Carries::Frames,
            "datagrams" => Carries::Datagrams,
            _ => return Err(OrderError::new("a flow carries \"frames\" or \"datagrams\"")),
        };
        let out = Self::way(way)?;
        let class = Class::from_name(class).ok_or_else(|| OrderError::new(format!("no class {class:?}")))?;
        let mode = Mode::from_name(mode).ok_or_else(|| OrderError::new(format!("no mode {mode:?}")))?;
        if playout_ms > MAX_PLAYOUT_MS {
            return Err(OrderError::new("playout_ms is 0 to 10000"));
        }
        Ok(Self { flow, carries, out, options: FlowOptions { class, mode, playout_ms } })
    }
}

pub fn purpose(text: &str, stream: u32) -> Checked<()> {
    match (text.len(), stream) {
        (1..=MAX_PURPOSE_BYTES, 0) => Ok(()),
        (_, 0) => Err(OrderError::new("a stream's purpose is 1 to 64 bytes")),
        _ => Ok(()),
    }
}
