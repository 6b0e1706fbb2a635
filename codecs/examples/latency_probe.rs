//! Bench: one-packet pictures in, the same out, and how long each took.
//!
//! `latency_probe FPS SECONDS KEYFILE` binds one UDP socket, prints its port, and reads one line of ports, a stream each.
//! A stream begins with the first picture of KEYFILE (records as in rtp_source.rs); every further picture is one P slice of
//! about 1000 bytes that carries its send time. Streams are spread evenly over the frame time. Pictures of the first second
//! are not counted. One JSON line with percentiles in µs at the end.

use std::io::BufRead;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BODY: usize = 1000;
/// After the slice's first bytes (first_mb 0, P slice): never a start code, whatever follows.
const STAMP_AT: usize = 12 + 2 + 4;

struct Stream {
    to: String,
    ssrc: u32,
    seq: u16,
    ts: u32,
}

fn nibbles(value: u64) -> [u8; 16] {
    std::array::from_fn(|i| 0x10 | ((value >> (4 * i)) & 0xf) as u8)
}

fn from_nibbles(bytes: &[u8]) -> u64 {
    bytes.iter().enumerate().fold(0, |sum, (i, b)| sum | (u64::from(b & 0xf) << (4 * i)))
}

fn first_picture(path: &str) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).expect("the packet file can be read");
    let (mut packets, mut at) = (Vec::new(), 0);
    loop {
        let when = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let len = usize::from(u16::from_le_bytes(bytes[at + 4..at + 6].try_into().expect("two bytes")));
        if when > 0 || len == 0 {
            return packets;
        }
        packets.push(bytes[at + 6..at + 6 + len].to_vec());
        at += 6 + len;
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let fps: u32 = args[1].parse().expect("FPS");
    let seconds: u64 = args[2].parse().expect("SECONDS");
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a UDP socket");
    println!("{}", socket.local_addr().expect("bound").port());
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("the line of streams");
    let first = first_picture(&args[3]);
    let last = first.last().expect("the file holds a picture");
    let mut streams: Vec<Stream> = line
        .split_whitespace()
        .map(|port| Stream {
            to: format!("127.0.0.1:{port}"),
            ssrc: u32::from_be_bytes([last[8], last[9], last[10], last[11]]),
            seq: u16::from_be_bytes([last[2], last[3]]),
            ts: u32::from_be_bytes([last[4], last[5], last[6], last[7]]),
        })
        .collect();
    for stream in &streams {
        for packet in &first {
            socket.send_to(packet, &stream.to).expect("the key frame leaves");
        }
    }

    let epoch = Instant::now();
    let done = Arc::new(AtomicBool::new(false));
    let receiver = {
        let (socket, done) = (socket.try_clone().expect("a second handle"), done.clone());
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
        std::thread::spawn(move || {
            let (mut buffer, mut took) = ([0u8; 2048], Vec::<u32>::new());
            while !done.load(Ordering::Relaxed) {
                let Ok((length, _)) = socket.recv_from(&mut buffer) else { continue };
                let now = epoch.elapsed().as_nanos() as u64;
                if length < STAMP_AT + 16 || buffer[12] != 0x41 {
                    continue; // parameter sets, RTCP, or the key frame that opened the stream
                }
                let sent = from_nibbles(&buffer[STAMP_AT..STAMP_AT + 16]);
                if sent < 1_000_000_000 {
                    continue;
                }
                took.push(((now.saturating_sub(sent)) / 100).min(u64::from(u32::MAX)) as u32);
            }
            took
        })
    };

    let frame = Duration::from_nanos(1_000_000_000 / u64::from(fps));
    let (mut sent, mut packet) = (0u64, vec![0x55u8; 12 + BODY]);
    for round in 0..(seconds * u64::from(fps)) as u32 {
        let count = streams.len() as u32;
        for (index, stream) in streams.iter_mut().enumerate() {
            let due = frame * round + frame * index as u32 / count;
            if let Some(wait) = due.checked_sub(epoch.elapsed()) {
                std::thread::sleep(wait);
            }
            stream.seq = stream.seq.wrapping_add(1);
            stream.ts = stream.ts.wrapping_add(90_000 / fps);
            packet[0] = 0x80;
            packet[1] = 0x80 | 96;
            packet[2..4].copy_from_slice(&stream.seq.to_be_bytes());
            packet[4..8].copy_from_slice(&stream.ts.to_be_bytes());
            packet[8..12].copy_from_slice(&stream.ssrc.to_be_bytes());
            packet[12] = 0x41;
            packet[13] = 0x9a;
            packet[STAMP_AT..STAMP_AT + 16].copy_from_slice(&nibbles(if round < fps {
                0
            } else {
                epoch.elapsed().as_nanos() as u64
            }));
            let left = socket.send_to(&packet, &stream.to).is_ok();
            sent += u64::from(left && round >= fps);
        }
    }
    std::thread::sleep(Duration::from_millis(300));
    done.store(true, Ordering::Relaxed);
    let mut took = receiver.join().expect("the receiver does not panic");
    took.sort_unstable();
    let at =
        |share: f64| took.get(((took.len() as f64 - 1.0) * share) as usize).map_or(f64::NAN, |t| f64::from(*t) / 10.0);
    println!(
        "{{\"sent\": {sent}, \"received\": {}, \"p50_us\": {:.1}, \"p99_us\": {:.1}, \"p999_us\": {:.1}, \"max_us\": {:.1}}}",
        took.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}
