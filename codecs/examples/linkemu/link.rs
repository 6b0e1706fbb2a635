//! One link: two TUN devices, a way in each direction, a NAT before the first end, orders by a UNIX socket.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::json::Value;
use crate::nat::Nat;
use crate::packet;
use crate::shape::Way;
use crate::sys;

const CLIENTS: usize = 32;
const ORDER_BYTES: usize = 1 << 20;

/// What both ways share, and the two of them: `ways[0]` from the inner end (the kit) outward.
pub struct Link {
    seed: u64,
    ways: [Way; 2],
    nat: Nat,
    cut: bool,
    no_udp: bool,
    mtu: usize,
    plan: Vec<(u64, Value)>,
    refused: Refused,
    late_max_ns: u64,
}

#[derive(Default)]
struct Refused {
    not_ipv4: u64,
    too_big: u64,
    udp: u64,
}

impl Link {
    pub fn new(seed: u64, now: u64) -> Link {
        Link {
            seed,
            ways: [Way::new(seed, 0, now), Way::new(seed, 1, now)],
            nat: Nat::default(),
            cut: false,
            no_udp: false,
            mtu: usize::MAX,
            plan: Vec::new(),
            refused: Refused::default(),
            late_max_ns: 0,
        }
    }

    /// A packet of end `from` (0: inner, 1: outer).
    pub fn offer(&mut self, from: usize, bytes: &mut [u8], now: u64) {
        if bytes.first().is_none_or(|first| first >> 4 != 4) {
            self.refused.not_ipv4 += 1;
        } else if bytes.len() > self.mtu {
            // Silently, as carriers do: who sends has to find out.
            self.refused.too_big += 1;
        } else if self.no_udp && bytes.get(9) == Some(&packet::UDP) {
            self.refused.udp += 1;
        } else if from == 1 || self.nat.outward(bytes, now) {
            self.ways[from].offer(bytes, now);
        }
    }

    /// Hands on what is due: `(to, packet)`.
    pub fn deliver(&mut self, now: u64, mut give: impl FnMut(usize, &[u8])) {
        for from in 0..2 {
            while let Some((due, mut bytes)) = self.ways[from].take(now) {
                self.late_max_ns = self.late_max_ns.max(now - due);
                // The NAT stands at the inner end: what comes in is let in when it has crossed the link.
                if from == 0 || self.nat.inward(&mut bytes, now) {
                    give(1 - from, &bytes);
                }
                self.ways[from].reuse(bytes);
            }
        }
    }

    pub fn next(&self) -> Option<u64> {
        let planned = self.plan.first().map(|(at, _)| *at);
        self.ways.iter().filter_map(Way::next).chain(planned).min()
    }

    /// Does what the plan has for moments up to `now`, each as of its own moment.
    pub fn run_plan(&mut self, now: u64) {
        while self.plan.first().is_some_and(|(at, _)| *at <= now) {
            let (at, order) = self.plan.remove(0);
            let done = self.set(&order, at);
            debug_assert!(done.is_ok(), "tried when it was taken");
        }
    }

    fn set(&mut self, order: &Value, now: u64) -> Result<(), String> {
        for (key, value) in order.map()? {
            match key.as_str() {
                "up" => self.ways[0].set(value, now)?,
                "down" => self.ways[1].set(value, now)?,
                "both" => {
                    self.ways[0].set(value, now)?;
                    self.ways[1].set(value, now)?;
                }
                "cut" => {
                    self.cut = value.truth()?;
                    self.ways.iter_mut().for_each(|way| way.set_cut(self.cut, now));
                }
                "udp" => self.no_udp = !value.truth()?,
                "mtu" => self.mtu = value.number()? as usize,
                "nat" => self.nat.set(value.list()?.iter().map(address).collect::<Result<_, _>>()?),
                "nat_idle_s" => self.nat.idle_ns = (value.number()? * 1e9) as u64,
                "rebind" => {
                    if value.truth()? {
                        self.nat.rebind();
                    }
                }
                other => return Err(format!("a link has no '{other}'")),
            }
        }
        Ok(())
    }

    /// One order: `{"set": …}`, `{"begin": monotonic ns, "seed": n, "plan": [{"at_ms": …, "set": …}, …]}`, or none of
    /// them for the figures alone. The answer is the figures of that moment.
    pub fn order(&mut self, text: &str, now: u64) -> Result<String, String> {
        let order = Value::parse(text)?;
        let (mut begin, mut plan) = (None, Vec::new());
        for (key, value) in order.map()? {
            match key.as_str() {
                "set" => self.set(value, now)?,
                "begin" => begin = Some(value.number()? as u64),
                "seed" => self.seed = value.number()? as u64,
                "plan" => {
                    for step in value.list()? {
                        let step = step.map()?;
                        let at_ms = step.get("at_ms").ok_or("a step has no 'at_ms'")?.number()?;
                        let set = step.get("set").ok_or("a step has no 'set'")?;
                        Link::new(0, 0).set(set, 0)?;
                        plan.push(((at_ms * 1e6) as u64, set.clone()));
                    }
                }
                other => return Err(format!("there is no order '{other}'")),
            }
        }
        if let Some(begin) = begin {
            for (index, way) in self.ways.iter_mut().enumerate() {
                way.begin(self.seed, index as u64, begin);
            }
            self.refused = Refused::default();
            self.late_max_ns = 0;
            self.plan = plan.into_iter().map(|(at, set)| (begin + at, set)).collect();
            self.plan.sort_by_key(|(at, _)| *at);
        } else if !plan.is_empty() {
            return Err("a plan needs its 'begin'".into());
        }
        Ok(self.figures())
    }

    fn figures(&self) -> String {
        let way = |way: &Way| {
            let (f, (bursts, longest_ns)) = (&way.figures, way.bursts());
            format!(
                concat!(
                    r#"{{"packets_in": {}, "bytes_in": {}, "packets_out": {}, "bytes_out": {}, "lost_burst": {}, "#,
                    r#""lost_random": {}, "dropped_queue": {}, "dropped_cut": {}, "duplicated": {}, "late": {}, "#,
                    r#""queue_max_ms": {:.3}, "bursts": {}, "burst_longest_ms": {:.3}, "on_the_way": {}}}"#
                ),
                f.packets_in,
                f.bytes_in,
                f.packets_out,
                f.bytes_out,
                f.lost_burst,
                f.lost_random,
                f.dropped_queue,
                f.dropped_cut,
                f.duplicated,
                f.delayed_late,
                f.queue_max_us as f64 / 1e3,
                bursts,
                longest_ns as f64 / 1e6,
                way.on_the_way(),
            )
        };
        format!(
            concat!(
                r#"{{"up": {}, "down": {}, "cut": {}, "not_ipv4": {}, "too_big": {}, "udp_refused": {}, "#,
                r#""nat_refused": {}, "nat_mappings": {}, "rebound": {}, "emulator_late_max_ms": {:.3}}}"#
            ),
            way(&self.ways[0]),
            way(&self.ways[1]),
            self.cut,
            self.refused.not_ipv4,
            self.refused.too_big,
            self.refused.udp,
            self.nat.refused,
            self.nat.mappings(),
            self.nat.rebound,
            self.late_max_ns as f64 / 1e6,
        )
    }
}

fn address(value: &Value) -> Result<[u8; 4], String> {
    let text = value.text()?;
    text.parse::<std::net::Ipv4Addr>().map(|address| address.octets()).map_err(|_| format!("no IPv4 address: {text}"))
}

struct Client {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
}

/// Runs until standard input ends: whoever started the emulator is gone then, however it ended.
pub fn run(link: &mut Link, devices: &[OwnedFd; 2], orders: &UnixListener) {
    let mut clients: Vec<Client> = Vec::new();
    let mut buffer = vec![0u8; 65_536];
    let (mut wanted, mut ready): (Vec<RawFd>, Vec<bool>) = (Vec::new(), Vec::new());
    loop {
        wanted.clear();
        wanted.extend([0, orders.as_raw_fd(), devices[0].as_raw_fd(), devices[1].as_raw_fd()]);
        wanted.extend(clients.iter().map(|client| client.stream.as_raw_fd()));
        sys::wait(&wanted, link.next(), &mut ready);
        link.run_plan(sys::now_ns());
        for (from, device) in devices.iter().enumerate() {
            for _ in 0..256 {
                let Some(length) = sys::read(device.as_raw_fd(), &mut buffer) else { break };
                link.offer(from, &mut buffer[..length], sys::now_ns());
            }
        }
        link.deliver(sys::now_ns(), |to, packet| {
            sys::write(devices[to].as_raw_fd(), packet);
        });
        if ready[0] && sys::read(0, &mut buffer).is_none() {
            return;
        }
        let mut index = 0;
        clients.retain_mut(|client| {
            index += 1;
            !ready[3 + index] || answer(client, link)
        });
        if ready[1] && clients.len() < CLIENTS {
            if let Ok((stream, _)) = orders.accept() {
                if let Ok(copy) = stream.try_clone() {
                    clients.push(Client { reader: BufReader::with_capacity(ORDER_BYTES, copy), stream });
                }
            }
        }
    }
}

/// One line in, one line out; false when the client has gone.
fn answer(client: &mut Client, link: &mut Link) -> bool {
    let mut line = String::new();
    // Our own driver writes whole lines at once.
    if client.reader.read_line(&mut line).unwrap_or(0) == 0 {
        return false;
    }
    let told = match link.order(&line, sys::now_ns()) {
        Ok(figures) => figures,
        Err(error) => format!(r#"{{"error": "{}"}}"#, error.replace(['"', '\\', '\n'], "'")),
    };
    client.stream.write_all(format!("{told}\n").as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::{udp, CENTER, INSIDE};

    const MS: u64 = 1_000_000;

    fn link(orders: &[&str]) -> Link {
        let mut link = Link::new(1, 0);
        for order in orders {
            link.order(order, 0).expect("an order");
        }
        link
    }

    fn crossed(link: &mut Link, at: u64) -> usize {
        let mut count = 0;
        link.run_plan(at);
        link.offer(0, &mut udp(INSIDE, CENTER, b"x"), at);
        link.deliver(at, |to, _| count += to);
        count
    }

    #[test]
    fn a_plan_is_done_at_its_own_times() {
        let mut link = link(&[concat!(
            r#"{"begin": 0, "seed": 3, "plan": [{"at_ms": 20, "set": {"cut": false}}, "#,
            r#"{"at_ms": 10, "set": {"cut": true}}]}"#
        )]);
        let seen: Vec<usize> = [5, 12, 19, 25].iter().map(|ms| crossed(&mut link, ms * MS)).collect();
        assert_eq!(seen, [1, 0, 0, 1]);
    }

    #[test]
    fn what_a_link_refuses_is_counted_apart() {
        let mut link = link(&[r#"{"set": {"mtu": 100}}"#]);
        link.offer(0, &mut udp(INSIDE, CENTER, &[0; 100]), 0);
        link.offer(0, &mut [0x60; 60], 0);
        link.order(r#"{"set": {"udp": false}}"#, 0).expect("an order");
        link.offer(1, &mut udp(CENTER, INSIDE, b"x"), 0);
        let told = link.order("{}", 0).expect("figures");
        for part in [r#""not_ipv4": 1"#, r#""too_big": 1"#, r#""udp_refused": 1"#] {
            assert!(told.contains(part), "{told}");
        }
        assert_eq!(crossed(&mut link, 1), 0);
    }

    #[test]
    fn the_nat_stands_at_the_inner_end() {
        let mut link = link(&[r#"{"set": {"nat": ["203.0.113.17"]}}"#]);
        let mut seen = Vec::new();
        link.offer(0, &mut udp(INSIDE, CENTER, b"x"), 0);
        link.deliver(0, |_, bytes| seen.push(packet::read(bytes).expect("UDP").from));
        assert_eq!(seen[0].address, [203, 0, 113, 17]);
        link.offer(1, &mut udp(CENTER, seen[0], b"y"), 1);
        link.deliver(1, |_, bytes| seen.push(packet::read(bytes).expect("UDP").to));
        assert_eq!(seen[1], INSIDE);
    }

    #[test]
    fn a_wrong_order_is_answered_in_words() {
        let mut link = Link::new(1, 0);
        for (order, word) in [
            (r#"{"set": {"colour": 1}}"#, "colour"),
            (r#"{"do": 1}"#, "do"),
            (r#"{"plan": [{"at_ms": 1, "set": {"up": {"speed": 1}}}], "begin": 0}"#, "speed"),
            (r#"{"plan": [{"at_ms": 1, "set": {}}]}"#, "begin"),
            (r#"{"set": {"nat": ["x"]}}"#, "address"),
            ("nonsense", "value"),
        ] {
            assert!(link.order(order, 0).expect_err("refused").contains(word), "{order}");
        }
    }
}
