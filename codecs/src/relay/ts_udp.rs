//! MPEG-TS in datagrams, raw or in RTP (RFC 2250 §2), told apart by content, unicast and multicast.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::line::{Brought, Line, Over};
use super::order::{Figure, Figures};
use super::sys::{self, RecvBatch};
use crate::container::ts_read::TsReader;
use crate::container::{Found, Reader};
use crate::rtp::header::{is_rtcp, RtpView};
use crate::rtp::jitter::{JitterBuffer, Offer};
use crate::time::Micros;

/// How long a gap in RTP may hold up what follows, and how many packets.
const HOLD_MS: u64 = 100;
const WINDOW_PACKETS: usize = 256;
/// After so long without a datagram the last picture is taken as whole.
const QUIET_US: u64 = 100_000;
/// A sender that is silent for so long may be followed by another.
const LATCH_US: u64 = 2_000_000;
/// Datagram batches of one turn.
const ROUNDS: usize = 4;

thread_local! {
    static BATCH: RefCell<RecvBatch> = RefCell::new(RecvBatch::default());
}

/// Takes datagrams apart; pure.
pub struct TsDatagrams {
    reader: TsReader,
    /// Only this host is listened to.
    source: Option<IpAddr>,
    sender: Option<SocketAddr>,
    last: Micros,
    ssrc: Option<u32>,
    jitter: JitterBuffer,
    strangers: u64,
    invalid: u64,
    told_invalid: bool,
}

impl TsDatagrams {
    pub fn new(reader: TsReader, source: Option<IpAddr>) -> Self {
        Self {
            reader,
            source,
            sender: None,
            last: Micros(0),
            ssrc: None,
            jitter: JitterBuffer::new(WINDOW_PACKETS, HOLD_MS),
            strangers: 0,
            invalid: 0,
            told_invalid: false,
        }
    }

    /// One datagram. False: it is not for us.
    pub fn push(&mut self, data: &[u8], from: SocketAddr, now: Micros, found: &mut Vec<Found>) -> bool {
        let known = self.sender.is_none_or(|s| s == from || now.since(self.last) >= LATCH_US);
        if !known || self.source.is_some_and(|only| only != from.ip()) {
            self.strangers += 1;
            return false;
        }
        // Raw packets first: 0x47 is no RTP version 2.
        let good = if data.first() == Some(&0x47) {
            let _ = self.reader.push(data, now, found);
            true
        } else {
            self.rtp(data, now, found)
        };
        if !good {
            self.invalid += 1;
            if !std::mem::replace(&mut self.told_invalid, true) {
                let detail = format!("a datagram of {} bytes from {from}", data.len());
                found.push(Found::Problem { code: "ts-none", detail });
            }
            return false;
        }
        if self.sender.replace(from).is_some_and(|before| before != from) {
            found.push(Found::Discontinuity);
        }
        self.last = now;
        true
    }

    fn rtp(&mut self, data: &[u8], now: Micros, found: &mut Vec<Found>) -> bool {
        if is_rtcp(data) {
            return true;
        }
        let Ok(view) = RtpView::parse(data) else { return false };
        if view.payload().first() != Some(&0x47) {
            return false;
        }
        if self.ssrc.replace(view.ssrc).is_some_and(|before| before != view.ssrc) {
            self.jitter.reset();
        }
        match self.jitter.offer(view.seq, view.payload(), now) {
            Offer::InOrder { lost } => self.read(view.payload(), lost, now, found),
            Offer::Held => {}
            Offer::Duplicate | Offer::Late => return true,
        }
        self.release(now, found);
        true
    }

    /// `lost`: packets that are missing before it.
    fn read(&mut self, payload: &[u8], lost: u32, now: Micros, found: &mut Vec<Found>) {
        if lost > 0 {
            self.reader.lost();
        }
        let _ = self.reader.push(payload, now, found);
    }

    fn release(&mut self, now: Micros, found: &mut Vec<Found>) {
        while let Some(popped) = self.jitter.pop(now) {
            self.read(&popped.packet, popped.lost, now, found);
            self.jitter.recycle(popped.packet);
        }
    }

    pub fn handle_timer(&mut self, now: Micros, found: &mut Vec<Found>) {
        self.release(now, found);
        if self.reader.waits() && now.since(self.last) >= QUIET_US {
            self.reader.flush(now, found);
        }
    }

    pub fn next_timer(&self) -> Option<Micros> {
        let quiet = self.reader.waits().then_some(Micros(self.last.0 + QUIET_US));
        quiet.into_iter().chain(self.jitter.next_timer()).min()
    }
}

/// The line of `open_ts_in`.
pub struct TsUdpIn {
    fd: OwnedFd,
    datagrams: TsDatagrams,
}

impl TsUdpIn {
    pub fn new(fd: OwnedFd, program: u16, source: Option<IpAddr>) -> Self {
        sys::raise_buffers(&fd, 4 << 20, 64 << 10);
        Self { fd, datagrams: TsDatagrams::new(TsReader::new(program), source) }
    }
}

impl Line for TsUdpIn {
    fn transport(&self) -> &'static str {
        "udp"
    }

    fn fd(&self) -> Option<RawFd> {
        Some(self.fd.as_raw_fd())
    }

    fn work(&mut self, now: Micros, _scratch: &mut Vec<u8>, brought: &mut Brought) -> Result<(), Over> {
        BATCH.with_borrow_mut(|batch| {
            for _ in 0..ROUNDS {
                let n = batch.receive(self.fd.as_raw_fd(), |got| {
                    if self.datagrams.push(got.data, got.from, now, &mut brought.found) {
                        brought.packets += 1;
                        brought.bytes += got.data.len() as u64;
                        brought.from = Some(got.from);
                    }
                });
                if n < RecvBatch::SLOTS {
                    return;
                }
            }
            brought.more = true;
        });
        self.datagrams.handle_timer(now, &mut brought.found);
        Ok(())
    }

    fn flush(&mut self, now: Micros, found: &mut Vec<Found>) {
        self.datagrams.reader.flush(now, found);
    }

    fn next_timer(&self) -> Option<Micros> {
        self.datagrams.next_timer()
    }

    fn figures(&self) -> Figures {
        let (d, j) = (&self.datagrams, self.datagrams.jitter.stats());
        let int = |v: u64| Figure::Int(v as i64);
        vec![
            ("lost", int(j.lost)),
            ("reordered", int(j.reordered)),
            ("duplicates", int(j.duplicates)),
            ("late", int(j.late)),
            ("invalid", int(d.invalid + d.strangers)),
        ]
    }
}
