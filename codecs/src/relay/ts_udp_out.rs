//! A transport stream out in datagrams: seven packets each, raw or in RTP (RFC 2250), as they come at a few times the
//! stream's rate, or at a constant rate with null packets.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use bytes::{Buf, Bytes, BytesMut};

use super::line::{Brought, Line, Over};
use super::pacing::Pacer;
use super::sys::{self, Outcome, SockAddr};
use crate::time::Micros;

const PACKET_BYTES: usize = 188;
/// 7 × 188: what fits an Ethernet frame.
const DATAGRAM_BYTES: usize = 7 * PACKET_BYTES;
/// Datagrams of one UDP_SEGMENT call.
const RUN: usize = 16;
/// Taken from the muxer before it has to wait.
const ENOUGH_BYTES: usize = 128 << 10;
/// Packets that fill no datagram wait this long for more.
const REST_US: u64 = 20_000;
/// Constant rate: how often its share is sent, and how much may be made up for after a pause.
const TICK_US: u64 = 5_000;
const MAX_ARREARS_US: u64 = 100_000;
/// A PCR is moved by at most this: it must stay before the time stamps.
const MAX_PCR_SHIFT_US: u64 = 400_000;
const RETRY_US: u64 = 2_000;
/// The stream's rate is measured over this.
const RATE_US: u64 = 1_000_000;
/// RFC 3551 table 5.
const MP2T: u8 = 33;

/// RTP numbers of our own.
#[derive(Debug, Clone, Copy)]
pub struct RtpOut {
    pub ssrc: u32,
    pub seq: u16,
}

struct Piece {
    data: Bytes,
    at: Micros,
}

pub struct TsUdpOut {
    fd: OwnedFd,
    to: SockAddr,
    rtp: Option<RtpOut>,
    pieces: std::collections::VecDeque<Piece>,
    bytes: usize,
    run: BytesMut,
    segments: bool,
    /// Bits per second, and when the next datagram is due.
    constant: Option<(u64, Option<Micros>)>,
    pacer: Pacer,
    window: (Micros, usize),
    rate_bps: f64,
    again: Option<Micros>,
    pub datagrams: u64,
}

impl TsUdpOut {
    /// `v6`: the socket is of IPv6. `bitrate_bps` 0: as it comes.
    pub fn new(fd: OwnedFd, to: SocketAddr, v6: bool, rtp: Option<RtpOut>, bitrate_bps: u64) -> Self {
        sys::raise_buffers(&fd, 64 << 10, 4 << 20);
        Self {
            fd,
            to: SockAddr::new(to, v6),
            rtp,
            pieces: Default::default(),
            bytes: 0,
            run: BytesMut::new(),
            segments: true,
            constant: (bitrate_bps > 0).then_some((bitrate_bps, None)),
            pacer: Pacer::default(),
            window: (Micros(0), 0),
            rate_bps: 0.0,
            again: None,
            datagrams: 0,
        }
    }

    fn send_due(&mut self, now: Micros) -> Result<(), Over> {
        self.again = None;
        match self.constant {
            Some((bps, next)) => self.send_constant(bps, next, now),
            None => self.send_as_it_comes(now),
        }
    }

    fn send_as_it_comes(&mut self, now: Micros) -> Result<(), Over> {
        loop {
            let whole = (self.bytes / DATAGRAM_BYTES).min(RUN);
            let rest_since = self.pieces.front().map(|p| p.at);
            let Some(since) = rest_since else { return Ok(()) };
            if whole == 0 && now.since(since) < REST_US {
                self.again = Some(Micros(since.0 + REST_US));
                return Ok(());
            }
            if let Some(at) = self.pacer.wait(now) {
                self.again = Some(at);
                return Ok(());
            }
            let taken = self.gather(whole.max(1), now);
            if !self.send_run()? {
                self.hold(now);
                return Ok(());
            }
            self.pacer.sent(taken, self.rate_bps, now);
        }
    }

    /// Datagrams that are due by the constant rate, with null packets where nothing waits.
    fn send_constant(&mut self, bps: u64, next: Option<Micros>, now: Micros) -> Result<(), Over> {
        // Nothing is sent before the first unit.
        if next.is_none() && self.pieces.is_empty() {
            return Ok(());
        }
        let each_us = (DATAGRAM_BYTES as u64 * 8_000_000 / bps.max(1)).max(1);
        let mut due = next.unwrap_or(now).max(Micros(now.0.saturating_sub(MAX_ARREARS_US)));
        while due <= now {
            let count = ((now.0 - due.0) / each_us + 1).min(RUN as u64);
            self.gather(count as usize, due);
            self.fill(count as usize * self.datagram_bytes());
            due = Micros(due.0 + count * each_us);
            if !self.send_run()? {
                // The datagrams of a full socket are lost; time goes on.
                self.run.clear();
                break;
            }
        }
        self.constant = Some((bps, Some(due)));
        self.again = Some(due.max(Micros(now.0 + TICK_US)));
        Ok(())
    }

    fn datagram_bytes(&self) -> usize {
        DATAGRAM_BYTES + if self.rtp.is_some() { 12 } else { 0 }
    }

    fn hold(&mut self, now: Micros) {
        self.again = Some(Micros(now.0 + RETRY_US));
    }

    /// Up to `count` datagrams of what waits, into the run. Returns the transport stream's bytes.
    fn gather(&mut self, count: usize, now: Micros) -> usize {
        let mut taken = 0;
        for _ in 0..count {
            if self.bytes == 0 {
                break;
            }
            self.begin_datagram(now);
            let mut room = DATAGRAM_BYTES.min(self.bytes);
            while room > 0 {
                let Some(piece) = self.pieces.front_mut() else { break };
                let n = room.min(piece.data.len());
                let start = self.run.len();
                self.run.extend_from_slice(&piece.data[..n]);
                if self.constant.is_some() {
                    let late = now.since(piece.at).min(MAX_PCR_SHIFT_US);
                    self.run[start..].chunks_exact_mut(PACKET_BYTES).for_each(|p| shift_pcr(p, late));
                }
                piece.data.advance(n);
                if piece.data.is_empty() {
                    self.pieces.pop_front();
                }
                (room, taken, self.bytes) = (room - n, taken + n, self.bytes - n);
            }
        }
        taken
    }

    /// Null packets up to `len` bytes of whole datagrams.
    fn fill(&mut self, len: usize) {
        let size = self.datagram_bytes();
        while self.run.len() < len {
            if self.run.len() % size == 0 {
                self.begin_datagram(Micros(0));
            }
            let mut null = [0xff; PACKET_BYTES];
            null[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
            self.run.extend_from_slice(&null);
        }
    }

    fn begin_datagram(&mut self, now: Micros) {
        let Some(rtp) = &mut self.rtp else { return };
        let stamp = (now.0 * 9 / 100) as u32;
        self.run.extend_from_slice(&[0x80, MP2T]);
        self.run.extend_from_slice(&rtp.seq.to_be_bytes());
        self.run.extend_from_slice(&stamp.to_be_bytes());
        self.run.extend_from_slice(&rtp.ssrc.to_be_bytes());
        rtp.seq = rtp.seq.wrapping_add(1);
    }

    /// Send the run. False: the socket is full, and the run is kept.
    fn send_run(&mut self) -> Result<bool, Over> {
        let size = self.datagram_bytes();
        if self.run.is_empty() {
            return Ok(true);
        }
        let fd = self.fd.as_raw_fd();
        let mut outcome = None;
        if self.segments && self.run.len() > size {
            outcome = sys::send_segmented(fd, &self.run, size, &self.to);
            self.segments = outcome.is_some();
        }
        match outcome.unwrap_or_else(|| sys::send_plain(fd, &self.run, size, &self.to)) {
            Outcome::Full => return Ok(false),
            // A host that is not there (ICMP) is no end: the next datagram may find it.
            Outcome::Sent | Outcome::Failed => self.datagrams += self.run.len().div_ceil(size) as u64,
        }
        self.run.clear();
        Ok(true)
    }
}

/// Add to the PCR of a packet that has one (ISO/IEC 13818-1 §2.4.3.5).
fn shift_pcr(packet: &mut [u8], us: u64) {
    if packet[0] != 0x47 || packet[3] & 0x20 == 0 || packet[4] < 7 || packet[5] & 0x10 == 0 {
        return;
    }
    let field = u64::from_be_bytes([0, 0, packet[6], packet[7], packet[8], packet[9], packet[10], packet[11]]);
    let pcr = (field >> 15) * 300 + (field & 0x1ff) + us * 27;
    let (base, extension) = ((pcr / 300) & 0x1_ffff_ffff, pcr % 300);
    packet[6..12].copy_from_slice(&(base << 15 | 0x7e00 | extension).to_be_bytes()[2..]);
}

impl Line for TsUdpOut {
    fn transport(&self) -> &'static str {
        "udp"
    }

    /// Nothing is read, and a full socket is tried again by the clock.
    fn fd(&self) -> Option<RawFd> {
        None
    }

    fn work(&mut self, now: Micros, _scratch: &mut Vec<u8>, _brought: &mut Brought) -> Result<(), Over> {
        if !self.run.is_empty() && !self.send_run()? {
            self.hold(now);
            return Ok(());
        }
        self.send_due(now)
    }

    fn put(&mut self, piece: Bytes, now: Micros) -> Result<bool, Over> {
        if self.bytes >= ENOUGH_BYTES {
            return Ok(false);
        }
        let age = now.since(self.window.0);
        if age >= RATE_US {
            let fresh = self.window.1 as f64 * 8e6 / age as f64;
            self.rate_bps = if self.window.0 .0 == 0 { 0.0 } else { self.rate_bps.max(fresh) * 0.5 + fresh * 0.5 };
            self.window = (now, 0);
        }
        self.window.1 += piece.len();
        self.bytes += piece.len();
        self.pieces.push_back(Piece { data: piece, at: now });
        if self.run.is_empty() {
            self.send_due(now)?;
        }
        Ok(true)
    }

    fn next_timer(&self) -> Option<Micros> {
        self.again
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn packets(n: u8) -> Bytes {
        let packet = |i| {
            let mut p = [i; PACKET_BYTES];
            p[..4].copy_from_slice(&[0x47, 0x01, 0x00, 0x10]);
            p
        };
        Bytes::from((0..n).flat_map(packet).collect::<Vec<_>>())
    }

    fn pair(rtp: Option<RtpOut>, bps: u64) -> (TsUdpOut, UdpSocket) {
        let sink = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        sink.set_read_timeout(Some(std::time::Duration::from_secs(5))).expect("socket");
        let source = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        (TsUdpOut::new(source.into(), sink.local_addr().expect("bound"), false, rtp, bps), sink)
    }

    fn receive(sink: &UdpSocket) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let n = sink.recv(&mut buffer).expect("a datagram");
        buffer[..n].to_vec()
    }

    #[test]
    fn seven_packets_a_datagram_and_the_rest_a_little_later() {
        let (mut out, sink) = pair(None, 0);
        let sent = packets(16);
        assert_eq!(out.put(sent.clone(), Micros(1_000)), Ok(true));
        let mut got = [receive(&sink), receive(&sink)].concat();
        assert_eq!(got, sent[..14 * PACKET_BYTES]);
        let at = out.next_timer().expect("two packets wait");
        out.work(at, &mut Vec::new(), &mut Brought::default()).expect("sent");
        // A datagram's time on the way may hold the rest up once more.
        while let Some(at) = out.next_timer() {
            out.work(at, &mut Vec::new(), &mut Brought::default()).expect("sent");
        }
        got.extend(receive(&sink));
        assert_eq!(got, sent);
    }

    #[test]
    fn a_constant_rate_is_filled_with_null_packets_and_its_clock_moved() {
        let (mut out, sink) = pair(Some(RtpOut { ssrc: 7, seq: u16::MAX }), 1_052_800);
        let mut one = packets(1).to_vec();
        one[3] = 0x30;
        one[4..12].copy_from_slice(&[7, 0x10, 0, 0, 0, 0, 0x7e, 0]);
        out.put(Bytes::from(one), Micros(0)).expect("taken");
        // 100 datagrams a second: the first at once, 20 more by 200 ms.
        for tick in 1..=40 {
            out.work(Micros(tick * TICK_US), &mut Vec::new(), &mut Brought::default()).expect("sent");
        }
        assert_eq!(out.datagrams, 21);
        for i in 0..21u16 {
            let got = receive(&sink);
            assert_eq!(
                (got.len(), &got[..2], &got[2..4]),
                (1328, &[0x80, 33][..], &i.wrapping_sub(1).to_be_bytes()[..])
            );
            let nulls = got[12..].chunks(PACKET_BYTES).filter(|p| p[1..3] == [0x1f, 0xff]).count();
            assert_eq!(nulls, if i == 0 { 6 } else { 7 });
        }
    }

    #[test]
    fn a_pcr_goes_on_over_its_carry() {
        let mut packet = [0u8; PACKET_BYTES];
        packet[..6].copy_from_slice(&[0x47, 1, 0, 0x30, 7, 0x10]);
        packet[6..12].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xfe, 0xff]);
        shift_pcr(&mut packet, 1000);
        // 2^33 − 1 and 255/300: 90 ticks on it has wrapped to 89, the extension stays.
        assert_eq!(packet[6..12], [0, 0, 0, 44, 0xfe, 0xff]);
    }
}
