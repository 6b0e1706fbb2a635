//! Bench: phones without a brain. `voice_peers FILE PT TS_STEP LEGS SECONDS BASE_PORT` with one HOST:PORT a leg on stdin.
//!
//! Leg i owns UDP port BASE_PORT + 2·i of 127.0.0.1, sends one payload of FILE each 20 ms as RTP with payload type PT,
//! timestamps TS_STEP apart, to its line of stdin, and counts what comes back. FILE holds records of u16 length
//! (little-endian) and payload, played in a loop; legs start at different places of it and at different milliseconds.
//! At the end one JSON line: sent, received, and the received of the least served leg.

use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(20);
const SLOTS: usize = 20;

fn payloads(path: &str) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).expect("the payload file can be read");
    let (mut found, mut at) = (Vec::new(), 0usize);
    while at + 2 <= bytes.len() {
        let len = usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        found.push(bytes[at + 2..at + 2 + len].to_vec());
        at += 2 + len;
    }
    assert!(!found.is_empty(), "the payload file holds records");
    found
}

struct Leg {
    socket: UdpSocket,
    to: SocketAddr,
    next: usize,
    seq: u16,
    timestamp: u32,
    ssrc: u32,
    received: u64,
}

impl Leg {
    fn send(&mut self, payload: &[u8], pt: u8, step: u32, packet: &mut Vec<u8>) -> bool {
        packet.clear();
        packet.extend_from_slice(&[0x80, pt]);
        packet.extend_from_slice(&self.seq.to_be_bytes());
        packet.extend_from_slice(&self.timestamp.to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        packet.extend_from_slice(payload);
        self.seq = self.seq.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(step);
        self.socket.send_to(packet, self.to).is_ok()
    }

    fn take(&mut self, buffer: &mut [u8]) {
        while let Ok((len, _)) = self.socket.recv_from(buffer) {
            // RTCP (RFC 5761 §4) is no sound.
            if len > 12 && !(192..=223).contains(&buffer[1]) {
                self.received += 1;
            }
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let sound = payloads(&args[1]);
    let pt: u8 = args[2].parse().expect("PT");
    let step: u32 = args[3].parse().expect("TS_STEP");
    let count: u16 = args[4].parse().expect("LEGS");
    let seconds: f64 = args[5].parse().expect("SECONDS");
    let base: u16 = args[6].parse().expect("BASE_PORT");
    let mut targets = String::new();
    std::io::stdin().read_to_string(&mut targets).expect("targets on stdin");
    let targets: Vec<SocketAddr> = targets.split_whitespace().map(|t| t.parse().expect("HOST:PORT")).collect();
    assert_eq!(targets.len(), usize::from(count), "one target a leg");

    let mut legs: Vec<Leg> = (0..count)
        .map(|index| {
            let socket = UdpSocket::bind(("127.0.0.1", base + 2 * index)).expect("a free port");
            socket.set_nonblocking(true).expect("a non-blocking socket");
            let index = usize::from(index);
            Leg {
                socket,
                to: targets[index],
                next: index * 7 % sound.len(),
                seq: 1,
                timestamp: 0,
                ssrc: 0x0501_0000 + index as u32,
                received: 0,
            }
        })
        .collect();

    let (start, mut packet, mut buffer) = (Instant::now(), Vec::with_capacity(2048), [0u8; 2048]);
    let (mut sent, mut failed, mut tick) = (0u64, 0u64, 0u32);
    while (TICK * tick).as_secs_f64() < seconds {
        for slot in 0..SLOTS {
            let due = TICK * tick + TICK / SLOTS as u32 * slot as u32;
            let now = start.elapsed();
            if due > now {
                std::thread::sleep(due - now);
            }
            for leg in legs.iter_mut().skip(slot).step_by(SLOTS) {
                leg.next = (leg.next + 1) % sound.len();
                if leg.send(&sound[leg.next], pt, step, &mut packet) {
                    sent += 1;
                } else {
                    failed += 1;
                }
                leg.take(&mut buffer);
            }
        }
        tick += 1;
    }
    std::thread::sleep(Duration::from_millis(200));
    for leg in &mut legs {
        leg.take(&mut buffer);
    }
    let received: u64 = legs.iter().map(|leg| leg.received).sum();
    let least = legs.iter().map(|leg| leg.received).min().unwrap_or(0);
    println!(
        "{{\"sent\": {sent}, \"failed\": {failed}, \"received\": {received}, \"received_least\": {least}, \"seconds\": {:.3}}}",
        start.elapsed().as_secs_f64()
    );
}
