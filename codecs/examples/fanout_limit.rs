//! Bench: the limit of a fan-out: one thread doing only recv, AES-128-GCM and UDP_SEGMENT sends.
//!
//! `fanout_limit IN_PORT KEYS` receives RTP on 127.0.0.1:IN_PORT and sends every packet, encrypted per viewer, to each line
//! `HOST:PORT KEY SALT SSRC` (hex) of the file KEYS. Same arrivals and same pacing as the engine: at most 16 packets a call, further
//! runs of a large picture at 2.5 times the track's rate. No RTCP, no retransmission, no statistics, no queues: nothing that
//! a real relay needs. Runs until killed; the thread is called `limit`.

use std::collections::VecDeque;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_128_GCM};

const RUN: usize = 16;
const TAG: usize = 16;

struct Viewer {
    addr: libc::sockaddr_in,
    key: LessSafeKey,
    salt: [u8; 12],
    ssrc: u32,
    roc: u32,
    last: u16,
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
}

fn viewer(line: &str) -> Viewer {
    let part: Vec<&str> = line.split_whitespace().collect();
    let to: SocketAddrV4 = part[0].parse().expect("HOST:PORT");
    // SAFETY: all zero is a valid sockaddr_in.
    let mut addr: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    addr.sin_family = libc::AF_INET as libc::sa_family_t;
    addr.sin_port = to.port().to_be();
    addr.sin_addr.s_addr = u32::from_ne_bytes(to.ip().octets());
    let key = UnboundKey::new(&AES_128_GCM, &hex(part[1])).expect("16 bytes of key");
    Viewer {
        addr,
        key: LessSafeKey::new(key),
        salt: hex(part[2]).try_into().expect("12 bytes of salt"),
        ssrc: part[3].parse().expect("SSRC"),
        roc: 0,
        last: 0,
    }
}

impl Viewer {
    /// RFC 7714 §8: nonce from SSRC, ROC and sequence number; the header is the associated data.
    fn seal(&mut self, packet: &[u8], out: &mut Vec<u8>) {
        let seq = u16::from_be_bytes([packet[2], packet[3]]);
        if seq < 0x1000 && self.last > 0xf000 {
            self.roc += 1;
        }
        self.last = seq;
        let mut nonce = self.salt;
        for (n, b) in nonce[2..6].iter_mut().zip(self.ssrc.to_be_bytes()) {
            *n ^= b;
        }
        for (n, b) in nonce[6..10].iter_mut().zip(self.roc.to_be_bytes()) {
            *n ^= b;
        }
        for (n, b) in nonce[10..12].iter_mut().zip(seq.to_be_bytes()) {
            *n ^= b;
        }
        let at = out.len();
        out.extend_from_slice(packet);
        out[at + 8..at + 12].copy_from_slice(&self.ssrc.to_be_bytes());
        let (header, payload) = out[at..].split_at_mut(12);
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&*header), payload)
            .expect("AES-GCM seals any length here");
        out.extend_from_slice(tag.as_ref());
    }
}

/// One call per run of equal sizes (the last may be shorter).
fn send_run(fd: i32, viewer: &Viewer, bytes: &[u8], segment: usize) {
    let mut vector = libc::iovec { iov_base: bytes.as_ptr() as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: all zero is a valid msghdr and control buffer; pointers live over the call.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        let mut control = [0u64; 4];
        message.msg_name = std::ptr::from_ref(&viewer.addr) as *mut libc::c_void;
        message.msg_namelen = std::mem::size_of::<libc::sockaddr_in>() as u32;
        message.msg_iov = &mut vector;
        message.msg_iovlen = 1;
        if bytes.len() > segment {
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(2) as usize;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_UDP;
            (*header).cmsg_type = libc::UDP_SEGMENT;
            (*header).cmsg_len = libc::CMSG_LEN(2) as usize;
            std::ptr::write_unaligned(libc::CMSG_DATA(header).cast::<u16>(), segment as u16);
        }
        libc::sendmsg(fd, &message, libc::MSG_DONTWAIT);
    }
}

fn send_packets(fd: i32, viewers: &mut [Viewer], packets: &[Vec<u8>], scratch: &mut Vec<u8>) {
    for viewer in viewers {
        let mut at = 0;
        while at < packets.len() {
            let size = packets[at].len();
            let mut end = at + 1;
            while end < packets.len() && packets[end - 1].len() == size && packets[end].len() <= size {
                end += 1;
            }
            scratch.clear();
            for packet in &packets[at..end] {
                viewer.seal(packet, scratch);
            }
            send_run(fd, viewer, scratch, size + TAG);
            at = end;
        }
    }
}

fn run(port: u16, mut viewers: Vec<Viewer>) {
    let inlet = UdpSocket::bind(("127.0.0.1", port)).expect("the port is free");
    inlet.set_nonblocking(true).expect("non-blocking");
    let outlet = UdpSocket::bind(("0.0.0.0", 0)).expect("a UDP socket");
    let size: libc::c_int = 8 << 20;
    for fd in [inlet.as_raw_fd(), outlet.as_raw_fd()] {
        for option in [libc::SO_SNDBUFFORCE, libc::SO_RCVBUFFORCE] {
            // SAFETY: a plain integer option.
            unsafe {
                libc::setsockopt(fd, libc::SOL_SOCKET, option, std::ptr::from_ref(&size).cast(), 4);
            }
        }
    }
    let fd = outlet.as_raw_fd();
    let (mut picture, mut scratch) = (Vec::<Vec<u8>>::new(), Vec::with_capacity(RUN * 1500));
    let mut waiting: VecDeque<(Instant, Vec<Vec<u8>>)> = VecDeque::new();
    let (mut buffer, mut rate_bps, mut counted, mut since) = ([0u8; 2048], 4e6_f64, 0usize, Instant::now());
    loop {
        let timeout = waiting.front().map_or(-1, |(due, _)| {
            due.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000).min(1000) as i32
        });
        let mut poll = libc::pollfd { fd: inlet.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd that lives over the call.
        unsafe { libc::poll(&mut poll, 1, timeout) };
        while let Ok(length) = inlet.recv(&mut buffer) {
            counted += length;
            picture.push(buffer[..length].to_vec());
            if buffer[1] & 0x80 == 0 {
                continue;
            }
            let now = Instant::now();
            if now - since > Duration::from_secs(1) {
                rate_bps = counted as f64 * 8.0 / (now - since).as_secs_f64();
                (counted, since) = (0, now);
            }
            let mut due = now;
            for chunk in std::mem::take(&mut picture).chunks(RUN) {
                if due <= now && waiting.is_empty() {
                    send_packets(fd, &mut viewers, chunk, &mut scratch);
                } else {
                    waiting.push_back((due, chunk.to_vec()));
                }
                let bits = chunk.iter().map(|p| p.len() * 8).sum::<usize>() as f64;
                due += Duration::from_secs_f64(bits / (2.5 * rate_bps));
            }
        }
        while waiting.front().is_some_and(|(due, _)| *due <= Instant::now()) {
            let (_, chunk) = waiting.pop_front().expect("just looked at");
            send_packets(fd, &mut viewers, &chunk, &mut scratch);
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let port = args[1].parse().expect("IN_PORT");
    let keys = std::fs::read_to_string(&args[2]).expect("the key file can be read");
    let viewers: Vec<Viewer> = keys.lines().map(viewer).collect();
    println!("ready");
    std::thread::Builder::new()
        .name("limit".into())
        .spawn(move || run(port, viewers))
        .expect("a thread")
        .join()
        .expect("runs until killed");
}
