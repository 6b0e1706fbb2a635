//! Whom the datagrams of an RTSP track are taken from.

use std::net::{IpAddr, SocketAddr};

use super::leg::LATCH_US;
use crate::time::Micros;

/// What the RTSP connection said of the sender; ports are no secret, so whoever comes first is not the source for it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The server's own address and the `source=` of its Transport. Empty: anybody.
    pub hosts: Vec<IpAddr>,
    /// Its `server_port`, RTP's and RTCP's. Empty: not said.
    pub ports: Vec<u16>,
}

impl Origin {
    /// RTP and RTCP alike: some senders put one on the port of the other.
    pub fn allows(&self, from: SocketAddr) -> bool {
        (self.hosts.is_empty() || self.hosts.contains(&from.ip()))
            && (self.ports.is_empty() || self.ports.contains(&from.port()))
    }
}

#[derive(Debug)]
pub struct Sender {
    origin: Origin,
    /// Who sends RTP, and when it was last heard.
    from: Option<SocketAddr>,
    heard: Micros,
    told: bool,
}

impl Sender {
    pub fn new(origin: Origin, now: Micros) -> Self {
        Self { origin, from: None, heard: now, told: false }
    }

    /// RTP. Of those who may send the first is latched, another one is heard only when that has fallen silent.
    pub fn takes_rtp(&mut self, from: SocketAddr, now: Micros) -> bool {
        if !self.origin.allows(from) {
            return false;
        }
        if self.from.is_some_and(|f| f != from) && now.since(self.heard) < LATCH_US {
            return false;
        }
        self.from = Some(from);
        self.heard = now;
        true
    }

    /// RTCP: of another host nothing is believed once the source is known.
    pub fn takes_rtcp(&self, from: SocketAddr) -> bool {
        self.origin.allows(from) && self.from.is_none_or(|f| f.ip() == from.ip())
    }

    /// What to tell of a datagram that was not taken: once, and only while the source itself has not been heard.
    pub fn stranger(&mut self, from: SocketAddr) -> Option<String> {
        if self.from.is_some() || self.origin.allows(from) || std::mem::replace(&mut self.told, true) {
            return None;
        }
        let list = |items: Vec<String>| items.join(" or ");
        let hosts = list(self.origin.hosts.iter().map(ToString::to_string).collect());
        let ports = list(self.origin.ports.iter().map(ToString::to_string).collect());
        let port = if ports.is_empty() { String::new() } else { format!(" port {ports}") };
        Some(format!("it came from {from}, the server said {hosts}{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn sender(hosts: &[&str], ports: &[u16]) -> Sender {
        let hosts = hosts.iter().map(|h| h.parse().unwrap()).collect();
        Sender::new(Origin { hosts, ports: ports.to_vec() }, Micros(0))
    }

    #[test]
    fn a_stranger_that_comes_first_is_not_the_source() {
        let mut track = sender(&["192.0.2.1"], &[]);
        assert!(!track.takes_rtp(at("198.51.100.7:5000"), Micros(1)) && !track.takes_rtcp(at("198.51.100.7:5001")));
        assert!(track.takes_rtp(at("192.0.2.1:5000"), Micros(2)) && track.takes_rtcp(at("192.0.2.1:5001")));
        assert!(!track.takes_rtp(at("198.51.100.7:5000"), Micros(10 * LATCH_US)), "nor when the source is silent");
        assert!(track.takes_rtp(at("192.0.2.1:6000"), Micros(10 * LATCH_US)), "another port of its own is");
    }

    #[test]
    fn the_ports_that_the_server_named_are_held_to() {
        let mut track = sender(&["192.0.2.1", "192.0.2.2"], &[6970, 6971]);
        assert!(!track.takes_rtp(at("192.0.2.1:7000"), Micros(0)) && !track.takes_rtcp(at("192.0.2.1:7001")));
        assert!(track.takes_rtp(at("192.0.2.2:6970"), Micros(0)), "its source= is as good as its own address");
        assert!(track.takes_rtcp(at("192.0.2.2:6971")));
        assert!(!track.takes_rtcp(at("192.0.2.1:6971")), "one host at a time");
    }

    #[test]
    fn what_came_from_elsewhere_is_told_once_while_nothing_else_comes() {
        let mut track = sender(&["192.0.2.1"], &[6970]);
        assert_eq!(track.stranger(at("192.0.2.1:6970")), None);
        let words = track.stranger(at("192.0.2.1:7000")).unwrap();
        assert_eq!(words, "it came from 192.0.2.1:7000, the server said 192.0.2.1 port 6970");
        assert_eq!(track.stranger(at("192.0.2.1:7000")), None);
        let mut heard = sender(&["192.0.2.1"], &[]);
        assert!(heard.takes_rtp(at("192.0.2.1:6970"), Micros(0)));
        assert_eq!(heard.stranger(at("192.0.2.9:1")), None);
        assert!(sender(&[], &[]).takes_rtp(at("203.0.113.1:9"), Micros(0)), "who asks for nobody gets anybody");
    }
}
