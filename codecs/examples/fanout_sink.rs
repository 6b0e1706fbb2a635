//! Bench: the native end of N WebRTC viewers whose handshakes are done (tests/bench/viewers.py).
//!
//! `fanout_sink CONFIG_FD DROP_EVERY` reads a line a viewer from CONFIG_FD, all sockets being inherited:
//! `FD HOST:PORT PROFILE RX_KEY RX_SALT TX_KEY TX_SALT UFRAG PWD OWN_SSRC MEDIA_SSRC RTX_SSRC` (hex; SSRC 0: latch).
//! It authenticates every packet, answers STUN checks, sends receiver reports every second and NACKs for every gap. One in
//! DROP_EVERY media packets is taken as lost before it is looked at (0: none). For each line on standard input it prints a
//! line of JSON with running totals; it ends with standard input.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, Read};
use std::net::SocketAddrV4;
use std::os::fd::{FromRawFd, RawFd};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use codecs::rtp::srtp::{Opener, Profile, Sealer, SrtpKey};

const BATCH: usize = 64;
const ROOM: usize = 2048;

#[derive(Default)]
struct Totals {
    arrived: u64,
    authentic: u64,
    unauthentic: u64,
    dropped: u64,
    wire_gaps: u64,
    recovered: u64,
    abandoned: u64,
    nacks: u64,
    reports: u64,
    stun: u64,
    bytes: u64,
}

struct Viewer {
    fd: RawFd,
    to: libc::sockaddr_in,
    opener: Opener,
    sealer: Sealer,
    pwd: hmac::Key,
    own_ssrc: u32,
    media_ssrc: u32,
    highest: Option<u64>,
    missing: BTreeMap<u64, (Instant, u8)>,
    on_purpose: HashSet<u16>,
    received: u64,
    expected_before: u64,
    received_before: u64,
    sr_middle: u32,
    sr_at: Option<Instant>,
    rtcp_index: u32,
    counter: u64,
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
}

fn viewer(line: &str, phase: u64) -> Viewer {
    let part: Vec<&str> = line.split_whitespace().collect();
    let to: SocketAddrV4 = part[1].parse().expect("an IPv4 HOST:PORT");
    // SAFETY: all zero is a valid sockaddr_in.
    let mut addr: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    addr.sin_family = libc::AF_INET as libc::sa_family_t;
    addr.sin_port = to.port().to_be();
    addr.sin_addr.s_addr = u32::from_ne_bytes(to.ip().octets());
    let profile = Profile::from_name(part[2]).expect("an SRTP profile");
    let key = |k: usize| SrtpKey::new(profile, &hex(part[k]), &hex(part[k + 1])).expect("key lengths fit");
    Viewer {
        fd: part[0].parse().expect("FD"),
        to: addr,
        opener: Opener::new(&key(3)),
        sealer: Sealer::new(&key(5)),
        pwd: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, part[8].as_bytes()),
        own_ssrc: part[9].parse().expect("SSRC"),
        media_ssrc: part[10].parse().expect("SSRC"),
        highest: None,
        missing: BTreeMap::new(),
        on_purpose: HashSet::new(),
        received: 0,
        expected_before: 0,
        received_before: 0,
        sr_middle: 0,
        sr_at: None,
        rtcp_index: 0,
        counter: phase,
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
        crc
    })
}

impl Viewer {
    fn send(&self, bytes: &[u8]) {
        // SAFETY: pointers and lengths are those of live buffers.
        unsafe {
            let to = std::ptr::from_ref(&self.to).cast();
            libc::sendto(self.fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT, to, 16);
        }
    }

    /// RFC 8489: a success response with XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY and FINGERPRINT.
    fn answer_stun(&self, request: &[u8]) {
        if request.len() < 20 || request[..2] != [0x00, 0x01] {
            return;
        }
        let mut out = vec![0x01, 0x01, 0, 0];
        out.extend_from_slice(&request[4..20]);
        let address = u32::from_be_bytes(self.to.sin_addr.s_addr.to_ne_bytes()) ^ 0x2112_a442;
        let port = u16::from_be(self.to.sin_port) ^ 0x2112;
        out.extend_from_slice(&[0x00, 0x20, 0, 8, 0, 1]);
        out.extend_from_slice(&port.to_be_bytes());
        out.extend_from_slice(&address.to_be_bytes());
        let length = (out.len() - 20 + 24) as u16;
        out[2..4].copy_from_slice(&length.to_be_bytes());
        let tag = hmac::sign(&self.pwd, &out);
        out.extend_from_slice(&[0x00, 0x08, 0, 20]);
        out.extend_from_slice(tag.as_ref());
        let length = (out.len() - 20 + 8) as u16;
        out[2..4].copy_from_slice(&length.to_be_bytes());
        let crc = crc32(&out) ^ 0x5354_554e;
        out.extend_from_slice(&[0x80, 0x28, 0, 4]);
        out.extend_from_slice(&crc.to_be_bytes());
        self.send(&out);
    }

    fn send_rtcp(&mut self, compound: &[u8]) {
        let mut out = [0u8; 512];
        out[..compound.len()].copy_from_slice(compound);
        let length = self.sealer.seal_rtcp(&mut out, compound.len(), self.rtcp_index);
        self.rtcp_index += 1;
        self.send(&out[..length]);
    }

    /// RFC 3550 §6.4.2, one block about the media source.
    fn report(&mut self, now: Instant) -> Vec<u8> {
        let highest = self.highest.unwrap_or(0);
        let expected = highest.saturating_sub(0x1_0000) + 1;
        let (span, got) = (expected - self.expected_before.min(expected), self.received - self.received_before);
        (self.expected_before, self.received_before) = (expected, self.received);
        let fraction = (span.saturating_sub(got) * 256).checked_div(span).unwrap_or(0).min(255) as u32;
        let delay = self.sr_at.map_or(0, |at| (now.duration_since(at).as_secs_f64() * 65536.0) as u32);
        let mut out = vec![0x81, 201, 0, 7];
        let words = [self.own_ssrc, self.media_ssrc, fraction << 24, highest as u32, 0, self.sr_middle, delay];
        words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        out
    }

    /// RFC 4585 §6.2.1: up to 16 entries of lost packets.
    fn nack(&mut self, now: Instant, totals: &mut Totals) {
        let due: Vec<u64> = self
            .missing
            .iter()
            .filter(|(_, (at, tries))| {
                *tries == 0 || (*tries < 5 && now.duration_since(*at) > Duration::from_millis(80))
            })
            .map(|(seq, _)| *seq)
            .take(16)
            .collect();
        if due.is_empty() {
            return;
        }
        let mut out = vec![0x81, 205, 0, (2 + due.len()) as u8];
        out.extend_from_slice(&self.own_ssrc.to_be_bytes());
        out.extend_from_slice(&self.media_ssrc.to_be_bytes());
        for seq in due {
            out.extend_from_slice(&(seq as u16).to_be_bytes());
            out.extend_from_slice(&[0, 0]);
            if let Some(entry) = self.missing.get_mut(&seq) {
                *entry = (now, entry.1 + 1);
            }
            totals.nacks += 1;
        }
        // A compound begins with a report (RFC 3550 §6.1).
        let mut compound = self.report(now);
        compound.extend_from_slice(&out);
        self.send_rtcp(&compound);
    }

    fn media(&mut self, seq: u16, now: Instant, totals: &mut Totals) {
        let Some(highest) = self.highest else {
            self.highest = Some(0x1_0000 + u64::from(seq));
            self.received += 1;
            return;
        };
        let seq = highest.wrapping_add_signed(i64::from(seq.wrapping_sub(highest as u16) as i16));
        if seq > highest {
            if seq - highest < 2000 {
                for gap in highest + 1..seq {
                    self.missing.insert(gap, (now, 0));
                    totals.wire_gaps += u64::from(!self.on_purpose.remove(&(gap as u16)));
                }
            }
            self.highest = Some(seq);
            self.received += 1;
        } else if self.missing.remove(&seq).is_some() {
            totals.recovered += 1;
            self.received += 1;
        }
    }

    fn packet(&mut self, packet: &mut [u8], drop_every: u64, now: Instant, totals: &mut Totals) {
        match packet.first() {
            Some(0..=3) => {
                totals.stun += 1;
                self.answer_stun(packet);
            }
            Some(128..=191) if packet.len() > 12 && (192..224).contains(&packet[1]) => {
                if let Ok(length) = self.opener.open_rtcp(packet) {
                    if length >= 28 && packet[1] == 200 {
                        self.sr_middle = u32::from_be_bytes([packet[10], packet[11], packet[12], packet[13]]);
                        self.sr_at = Some(now);
                    }
                }
            }
            Some(128..=191) if packet.len() > 12 => {
                totals.arrived += 1;
                totals.bytes += packet.len() as u64;
                self.counter += 1;
                if drop_every > 0 && self.counter % drop_every == 0 {
                    totals.dropped += 1;
                    if packet[8..12] == self.media_ssrc.to_be_bytes() {
                        self.on_purpose.insert(u16::from_be_bytes([packet[2], packet[3]]));
                    }
                    return;
                }
                let Ok(length) = self.opener.open_rtp(packet) else {
                    totals.unauthentic += 1;
                    return;
                };
                totals.authentic += 1;
                let ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
                if self.media_ssrc == 0 {
                    self.media_ssrc = ssrc;
                }
                if ssrc == self.media_ssrc {
                    self.media(u16::from_be_bytes([packet[2], packet[3]]), now, totals);
                } else {
                    // RFC 4588: the original sequence number leads the payload.
                    let mut at = 12;
                    if packet[0] & 0x10 != 0 {
                        at += 4 + 4 * usize::from(u16::from_be_bytes([packet[14], packet[15]]));
                    }
                    if length >= at + 2 {
                        self.media(u16::from_be_bytes([packet[at], packet[at + 1]]), now, totals);
                    }
                }
            }
            _ => {}
        }
    }
}

fn receive(viewer: &mut Viewer, buffers: &mut [[u8; ROOM]; BATCH], drop_every: u64, now: Instant, totals: &mut Totals) {
    loop {
        // SAFETY: all zero is valid for both; every pointer is to a live buffer of the length given.
        let count = unsafe {
            let mut vectors: [libc::iovec; BATCH] = std::mem::zeroed();
            let mut messages: [libc::mmsghdr; BATCH] = std::mem::zeroed();
            for i in 0..BATCH {
                vectors[i] = libc::iovec { iov_base: buffers[i].as_mut_ptr().cast(), iov_len: ROOM };
                messages[i].msg_hdr.msg_iov = &mut vectors[i];
                messages[i].msg_hdr.msg_iovlen = 1;
            }
            let none = std::ptr::null_mut();
            let got = libc::recvmmsg(viewer.fd, messages.as_mut_ptr(), BATCH as u32, libc::MSG_DONTWAIT, none);
            for i in 0..usize::try_from(got).unwrap_or(0) {
                let length = messages[i].msg_len as usize;
                viewer.packet(&mut buffers[i][..length], drop_every, now, totals);
            }
            got
        };
        if count < BATCH as i32 {
            viewer.nack(now, totals);
            return;
        }
    }
}

fn print(totals: &Totals, viewers: &[Viewer]) {
    let open: usize = viewers.iter().map(|v| v.missing.len()).sum();
    println!(
        "{{\"arrived\": {}, \"authentic\": {}, \"unauthentic\": {}, \"dropped\": {}, \
         \"wire_gaps\": {}, \"recovered\": {}, \"abandoned\": {}, \
         \"open\": {open}, \"nacks\": {}, \"reports\": {}, \"stun\": {}, \"bytes\": {}, \"silent\": {}}}",
        totals.arrived,
        totals.authentic,
        totals.unauthentic,
        totals.dropped,
        totals.wire_gaps,
        totals.recovered,
        totals.abandoned,
        totals.nacks,
        totals.reports,
        totals.stun,
        totals.bytes,
        viewers.iter().filter(|v| v.highest.is_none()).count()
    );
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let config: RawFd = args[1].parse().expect("CONFIG_FD");
    let drop_every: u64 = args[2].parse().expect("DROP_EVERY");
    let mut text = String::new();
    // SAFETY: the descriptor was made for this and is used nowhere else.
    unsafe { std::fs::File::from_raw_fd(config) }.read_to_string(&mut text).expect("the configuration");
    let mut viewers: Vec<Viewer> = text.lines().zip(0..).map(|(line, i)| viewer(line, i * 7)).collect();
    // SAFETY: plain epoll and socket options on inherited descriptors.
    let epoll = unsafe { libc::epoll_create1(0) };
    let watch = |fd: RawFd, tag: u64| unsafe {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: tag };
        libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event);
    };
    let size: libc::c_int = 4 << 20;
    for (index, viewer) in viewers.iter().enumerate() {
        unsafe {
            let value = std::ptr::from_ref(&size).cast();
            libc::setsockopt(viewer.fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, value, 4);
        }
        watch(viewer.fd, index as u64);
    }
    watch(0, u64::MAX);
    println!("ready {}", viewers.len());

    let (mut totals, mut buffers) = (Totals::default(), Box::new([[0u8; ROOM]; BATCH]));
    let mut next_report = Instant::now() + Duration::from_secs(1);
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
    loop {
        let ready = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 256, 20) };
        let now = Instant::now();
        for event in events.iter().take(usize::try_from(ready).unwrap_or(0)) {
            if event.u64 == u64::MAX {
                let mut line = String::new();
                if std::io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                print(&totals, &viewers);
                continue;
            }
            receive(&mut viewers[event.u64 as usize], &mut buffers, drop_every, now, &mut totals);
        }
        if now >= next_report {
            next_report = now + Duration::from_secs(1);
            for viewer in &mut viewers {
                if viewer.highest.is_some() {
                    let report = viewer.report(now);
                    viewer.send_rtcp(&report);
                    totals.reports += 1;
                }
                viewer.nack(now, &mut totals);
                let old = viewer
                    .missing
                    .iter()
                    .filter(|(_, (at, tries))| *tries >= 5 && now.duration_since(*at).as_secs() >= 1);
                let old: Vec<u64> = old.map(|(seq, _)| *seq).collect();
                totals.abandoned += old.len() as u64;
                for seq in old {
                    viewer.missing.remove(&seq);
                }
            }
        }
    }
}
