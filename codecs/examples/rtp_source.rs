//! Bench: a paced RTP sender. `rtp_source FILE HOST:PORT SECONDS [COUNT]` plays a file of packets in a loop.
//!
//! FILE holds records of u32 time (µs from the start, little-endian), u16 length, packet; the last record has length 0
//! and the time of one whole loop. Sequence numbers and timestamps go on over loops (the RTP clock is 90 kHz). With COUNT, as many
//! streams are sent, to ports PORT, PORT+2, …, phases spread over one frame of 33 ms. Packets of one time go out together,
//! as a camera's encoder hands over a frame. At the end one JSON line with the packets sent.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

struct Record {
    at_us: u64,
    packet: Vec<u8>,
}

fn load(path: &str) -> (Vec<Record>, u64) {
    let bytes = std::fs::read(path).expect("the packet file can be read");
    let (mut records, mut at) = (Vec::new(), 0usize);
    loop {
        let at_us = u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")));
        let len = usize::from(u16::from_le_bytes(bytes[at + 4..at + 6].try_into().expect("two bytes")));
        at += 6;
        if len == 0 {
            return (records, at_us);
        }
        records.push(Record { at_us, packet: bytes[at..at + len].to_vec() });
        at += len;
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (records, span_us) = load(&args[1]);
    let to: SocketAddr = args[2].parse().expect("HOST:PORT");
    let seconds: f64 = args[3].parse().expect("SECONDS");
    let count: u16 = args.get(4).map_or(1, |text| text.parse().expect("COUNT"));
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a UDP socket");

    // One merged plan of a loop over all streams.
    let mut plan: Vec<(u64, u16, usize)> = Vec::new();
    for stream in 0..count {
        let phase = 33_000 * u64::from(stream) / u64::from(count);
        for (index, record) in records.iter().enumerate() {
            plan.push((record.at_us + phase, stream, index));
        }
    }
    plan.sort_unstable();

    let start = Instant::now();
    let (mut sent, mut failed, mut round) = (0u64, 0u64, 0u64);
    let mut packet = Vec::with_capacity(1500);
    'play: loop {
        for &(at_us, stream, index) in &plan {
            let due = Duration::from_micros(round * span_us + at_us);
            if due.as_secs_f64() >= seconds {
                break 'play;
            }
            let now = start.elapsed();
            if due > now {
                std::thread::sleep(due - now);
            }
            packet.clear();
            packet.extend_from_slice(&records[index].packet);
            let shift = (round * records.len() as u64) as u16;
            let seq = u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(shift);
            let ts = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]])
                .wrapping_add((round * span_us * 9 / 100) as u32);
            packet[2..4].copy_from_slice(&seq.to_be_bytes());
            packet[4..8].copy_from_slice(&ts.to_be_bytes());
            let dest = SocketAddr::new(to.ip(), to.port() + 2 * stream);
            match socket.send_to(&packet, dest) {
                Ok(_) => sent += 1,
                Err(_) => failed += 1,
            }
        }
        round += 1;
    }
    println!("{{\"sent\": {sent}, \"failed\": {failed}}}");
}
