//! Bench: both far ends of a relay of MPEG-TS over SRT. `srt_ends PORT FILE` listens; who comes with a stream id that
//! begins with "read" is sent the transport stream of FILE in real time, over and over with its clock going on; what the
//! others send is taken and dropped. A line on standard input is answered by one line of JSON: bytes sent and taken until
//! now, and jumps of continuity counters in what was taken. It ends with its standard input.

use std::collections::HashMap;
use std::io::BufRead;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codecs::srt::door::Calling;
use codecs::srt::poll::{Poll, Ready, ERR, IN};
use codecs::srt::socket::{Moved, Options, Socket};

const PACKET: usize = 188;
const MESSAGE: usize = 7 * PACKET;

#[derive(Default)]
struct Count {
    sent: AtomicU64,
    taken: AtomicU64,
    missing: AtomicU64,
}

fn pcr(p: &[u8]) -> Option<u64> {
    if p[3] & 0x20 == 0 || p[4] < 7 || p[5] & 0x10 == 0 {
        return None;
    }
    Some(u64::from_be_bytes([0, 0, p[6], p[7], p[8], p[9], p[10], p[11]]) >> 15)
}

fn shift_stamp(at: &mut [u8], ticks: u64) {
    let old = u64::from(at[0] >> 1 & 7) << 30
        | u64::from(at[1]) << 22
        | u64::from(at[2] >> 1) << 15
        | u64::from(at[3]) << 7
        | u64::from(at[4] >> 1);
    let new = (old + ticks) & 0x1_ffff_ffff;
    at[0] = at[0] & 0xf0 | (new >> 29) as u8 & 0x0e | 1;
    at[1] = (new >> 22) as u8;
    at[2] = (new >> 14) as u8 & 0xfe | 1;
    at[3] = (new >> 7) as u8;
    at[4] = (new << 1) as u8 | 1;
}

/// The packet as it is `ticks` of 90 kHz later, with the continuity counter that is due.
fn later(p: &mut [u8], ticks: u64, counters: &mut HashMap<u16, u8>) {
    if let Some(base) = pcr(p) {
        let field = u64::from_be_bytes([0, 0, p[6], p[7], p[8], p[9], p[10], p[11]]) & 0x7fff;
        let new = ((base + ticks) & 0x1_ffff_ffff) << 15 | field;
        p[6..12].copy_from_slice(&new.to_be_bytes()[2..]);
    }
    if p[3] & 0x10 != 0 {
        let pid = u16::from_be_bytes([p[1], p[2]]) & 0x1fff;
        let next = counters.entry(pid).or_insert(0);
        p[3] = p[3] & 0xf0 | *next;
        *next = (*next + 1) & 15;
    }
    let start = if p[3] & 0x20 != 0 { 5 + usize::from(p[4]) } else { 4 };
    let begins = p[1] & 0x40 != 0 && p.get(start..start + 3) == Some(&[0, 0, 1]) && p.len() >= start + 19;
    if begins && p[start + 3] & 0xe0 >= 0xc0 {
        let flags = p[start + 7];
        if flags & 0x80 != 0 {
            shift_stamp(&mut p[start + 9..start + 14], ticks);
        }
        if flags & 0x40 != 0 {
            shift_stamp(&mut p[start + 14..start + 19], ticks);
        }
    }
}

fn anybody(_: u64, _: &Calling, _: Option<SocketAddr>, _: &str) -> bool {
    true
}

fn serve(file: &[u8], readers: &Mutex<Vec<Socket>>, count: &Count) {
    let stamps: Vec<(usize, u64)> =
        file.chunks_exact(PACKET).enumerate().filter_map(|(i, p)| Some((i, pcr(p)?))).collect();
    let (first, last) = (stamps.first().expect("a PCR"), stamps.last().expect("a PCR"));
    let bytes_per_tick = ((last.0 - first.0) * PACKET) as f64 / (last.1 - first.1) as f64;
    let (rate, span) = (bytes_per_tick * 90_000.0, (file.len() as f64 / bytes_per_tick) as u64);
    let (mut at, mut turn, mut sent) = (0, 0, 0u64);
    let (mut counters, began) = (HashMap::new(), Instant::now());
    loop {
        while (sent as f64) < began.elapsed().as_secs_f64() * rate {
            let mut message = Vec::with_capacity(MESSAGE);
            while message.len() < MESSAGE {
                let mut packet = file[at..at + PACKET].to_vec();
                later(&mut packet, turn * span, &mut counters);
                message.extend(packet);
                at += PACKET;
                if at + PACKET > file.len() {
                    (at, turn) = (0, turn + 1);
                }
            }
            sent += message.len() as u64;
            readers.lock().expect("not poisoned").retain(|reader| {
                let moved = reader.send(&message);
                count.sent.fetch_add(if matches!(moved, Moved::Bytes(_)) { message.len() as u64 } else { 0 }, Relaxed);
                moved != Moved::Gone
            });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn take(listener: &Socket, readers: &Mutex<Vec<Socket>>, count: &Count) {
    let poll = Poll::new().expect("libsrt");
    poll.add(listener.id(), IN | ERR);
    let mut room = vec![Ready::default(); 1024];
    let mut sinks: HashMap<i32, (Socket, HashMap<u16, u8>)> = HashMap::new();
    let mut buffer = [0u8; 2048];
    loop {
        for ready in poll.wait(&mut room, 1000).to_vec() {
            if ready.socket == listener.id() {
                while let Some(socket) = listener.accept() {
                    if socket.stream_id().starts_with("read") {
                        readers.lock().expect("not poisoned").push(socket);
                    } else {
                        poll.add(socket.id(), IN | ERR);
                        sinks.insert(socket.id(), (socket, HashMap::new()));
                    }
                }
                continue;
            }
            let Some((socket, counters)) = sinks.get_mut(&ready.socket) else { continue };
            loop {
                match socket.receive(&mut buffer) {
                    Moved::Bytes(n) => {
                        count.taken.fetch_add(n as u64, Relaxed);
                        for p in buffer[..n].chunks_exact(PACKET).filter(|p| p[3] & 0x10 != 0) {
                            let pid = u16::from_be_bytes([p[1], p[2]]) & 0x1fff;
                            let before = counters.insert(pid, p[3] & 15);
                            let jumped = pid != 0x1fff && before.is_some_and(|b| (b + 1) & 15 != p[3] & 15);
                            count.missing.fetch_add(u64::from(jumped), Relaxed);
                        }
                    }
                    Moved::Wait => break,
                    Moved::Gone => {
                        poll.remove(ready.socket);
                        sinks.remove(&ready.socket);
                        break;
                    }
                }
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().and_then(|a| a.parse().ok()).expect("srt_ends PORT FILE");
    let file = std::fs::read(arguments.next().expect("srt_ends PORT FILE")).expect("the file can be read");
    let options = Options { latency_ms: 200, ..Options::default() };
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = Socket::listen(at, &options, 512, 1, anybody).expect("the port is free");
    let (readers, count) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Count::default()));
    let (r, c) = (readers.clone(), count.clone());
    std::thread::spawn(move || serve(&file, &r, &c));
    let c = count.clone();
    std::thread::spawn(move || take(&listener, &readers, &c));
    for _ in std::io::stdin().lock().lines() {
        println!(
            "{{\"sent_bytes\": {}, \"taken_bytes\": {}, \"missing\": {}}}",
            count.sent.load(Relaxed),
            count.taken.load(Relaxed),
            count.missing.load(Relaxed)
        );
    }
}
