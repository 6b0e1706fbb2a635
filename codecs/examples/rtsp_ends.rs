//! Bench: both far ends of a relay of RTSP over TCP. `rtsp_ends PORT FILE` serves the packets of FILE (as `rtp_source` has
//! them) to every reader that sets up and plays, whatever its path, and takes what is announced and recorded, and drops
//! it. A line on standard input is answered by one line of JSON: packets and bytes sent and taken until now, and packets
//! that were missing in what was taken. It ends with its standard input.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};

use codecs::base64;

/// Packets of one moment, each in its `$` frame of channel 0: (µs from the start, bytes, offsets of the packets).
struct Burst {
    at_us: u64,
    bytes: Vec<u8>,
    packets: Vec<usize>,
}

struct Show {
    bursts: Vec<Burst>,
    span_us: u64,
    packets: u64,
    sprop: String,
}

#[derive(Default)]
struct Count {
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    taken: AtomicU64,
    taken_bytes: AtomicU64,
    missing: AtomicU64,
    readers: AtomicU64,
}

fn load(path: &str) -> Show {
    let file = std::fs::read(path).expect("the packet file can be read");
    let (mut bursts, mut at, mut packets, mut sets) = (Vec::<Burst>::new(), 0usize, 0u64, Vec::new());
    loop {
        let at_us = u64::from(u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes")));
        let len = usize::from(u16::from_le_bytes(file[at + 4..at + 6].try_into().expect("two bytes")));
        at += 6;
        if len == 0 {
            return Show { bursts, span_us: at_us, packets, sprop: sets.join(",") };
        }
        let packet = &file[at..at + len];
        if matches!(packet[12] & 31, 7 | 8) && sets.len() < 2 {
            sets.push(base64::encode(&packet[12..]));
        }
        if bursts.last().is_none_or(|burst| burst.at_us != at_us) {
            bursts.push(Burst { at_us, bytes: Vec::new(), packets: Vec::new() });
        }
        let burst = bursts.last_mut().expect("one was just made");
        burst.bytes.extend_from_slice(&[b'$', 0]);
        burst.bytes.extend_from_slice(&(len as u16).to_be_bytes());
        burst.packets.push(burst.bytes.len());
        burst.bytes.extend_from_slice(packet);
        packets += 1;
        at += len;
    }
}

fn play(mut out: TcpStream, show: &Show, count: &Count) {
    // Readers begin at different moments of a frame, as cameras do.
    let phase = count.readers.fetch_add(1, Relaxed) * 7919 % 33_000;
    std::thread::sleep(Duration::from_micros(phase));
    let (start, mut round) = (Instant::now(), 0u64);
    let mut bytes = Vec::new();
    loop {
        for burst in &show.bursts {
            let due = Duration::from_micros(round * show.span_us + burst.at_us);
            let now = start.elapsed();
            if due > now {
                std::thread::sleep(due - now);
            }
            bytes.clear();
            bytes.extend_from_slice(&burst.bytes);
            for at in &burst.packets {
                let seq = u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]);
                let seq = seq.wrapping_add((round * show.packets) as u16);
                let ts = u32::from_be_bytes([bytes[at + 4], bytes[at + 5], bytes[at + 6], bytes[at + 7]]);
                let ts = ts.wrapping_add((round * show.span_us * 9 / 100) as u32);
                bytes[at + 2..at + 4].copy_from_slice(&seq.to_be_bytes());
                bytes[at + 4..at + 8].copy_from_slice(&ts.to_be_bytes());
            }
            if out.write_all(&bytes).is_err() {
                return;
            }
            count.sent.fetch_add(burst.packets.len() as u64, Relaxed);
            count.sent_bytes.fetch_add((bytes.len() - 4 * burst.packets.len()) as u64, Relaxed);
        }
        round += 1;
    }
}

/// One `$` frame, or one RTSP request with its body; `None` at the end.
enum Heard {
    Frame,
    Request { method: String, url: String, cseq: String, transport: String },
}

fn hear(from: &mut BufReader<TcpStream>, frame: &mut Vec<u8>) -> Option<Heard> {
    let mut first = [0u8; 1];
    from.read_exact(&mut first).ok()?;
    if first[0] == b'$' {
        let mut head = [0u8; 3];
        from.read_exact(&mut head).ok()?;
        frame.resize(usize::from(u16::from_be_bytes([head[1], head[2]])) + 1, 0);
        frame[0] = head[0];
        from.read_exact(&mut frame[1..]).ok()?;
        return Some(Heard::Frame);
    }
    let mut line = String::from(first[0] as char);
    from.read_line(&mut line).ok()?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let (method, url) = (words.first()?.to_string(), words.get(1)?.to_string());
    let (mut cseq, mut transport, mut length) = (String::new(), String::new(), 0usize);
    loop {
        let mut header = String::new();
        if from.read_line(&mut header).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "cseq" => cseq = value.trim().to_owned(),
            "transport" => transport = value.trim().to_owned(),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
    }
    frame.resize(length, 0);
    from.read_exact(frame).ok()?;
    Some(Heard::Request { method, url, cseq, transport })
}

fn serve(connection: TcpStream, show: Arc<Show>, count: Arc<Count>) {
    let _ = connection.set_nodelay(true);
    let mut out = connection.try_clone().expect("a second handle of the socket");
    let mut from = BufReader::with_capacity(256 << 10, connection);
    let (mut frame, mut last_seq) = (Vec::new(), None::<u16>);
    while let Some(heard) = hear(&mut from, &mut frame) {
        let Heard::Request { method, url, cseq, transport } = heard else {
            if frame[0] % 2 == 0 && frame.len() > 13 {
                let seq = u16::from_be_bytes([frame[3], frame[4]]);
                if let Some(last) = last_seq {
                    count.missing.fetch_add(u64::from(seq.wrapping_sub(last).wrapping_sub(1)), Relaxed);
                }
                last_seq = Some(seq);
                count.taken.fetch_add(1, Relaxed);
                count.taken_bytes.fetch_add(frame.len() as u64 - 1, Relaxed);
            }
            continue;
        };
        let (mut headers, mut body) = (String::new(), String::new());
        match method.as_str() {
            "OPTIONS" => {
                headers =
                    "Public: OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, GET_PARAMETER, TEARDOWN\r\n".into();
            }
            "DESCRIBE" => {
                let format = "packetization-mode=1;profile-level-id=42C01F;sprop-parameter-sets=";
                body = format!(
                    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=bench\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n\
                     m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 {format}{}\r\na=control:t0\r\n",
                    show.sprop
                );
                headers = format!("Content-Base: {url}/\r\nContent-Type: application/sdp\r\n");
            }
            "SETUP" => {
                let record = transport.to_ascii_lowercase().contains("record");
                let mode = if record { ";mode=record" } else { "" };
                headers = format!("Transport: RTP/AVP/TCP;unicast;interleaved=0-1{mode}\r\n");
            }
            _ => {}
        }
        let answer = format!(
            "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nSession: 1;timeout=60\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if out.write_all(answer.as_bytes()).is_err() || method == "TEARDOWN" {
            return;
        }
        if method == "PLAY" {
            let (out, show, count) = (out.try_clone().expect("a handle"), show.clone(), count.clone());
            std::thread::spawn(move || play(out, &show, &count));
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let listener = TcpListener::bind(format!("127.0.0.1:{}", args[1])).expect("the port is free");
    let (show, count) = (Arc::new(load(&args[2])), Arc::new(Count::default()));
    let counted = count.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (show, count) = (show.clone(), count.clone());
            std::thread::spawn(move || serve(connection, show, count));
        }
    });
    for _line in std::io::stdin().lines() {
        let c = &counted;
        println!(
            "{{\"sent\": {}, \"sent_bytes\": {}, \"taken\": {}, \"taken_bytes\": {}, \"missing\": {}}}",
            c.sent.load(Relaxed),
            c.sent_bytes.load(Relaxed),
            c.taken.load(Relaxed),
            c.taken_bytes.load(Relaxed),
            c.missing.load(Relaxed)
        );
    }
}
