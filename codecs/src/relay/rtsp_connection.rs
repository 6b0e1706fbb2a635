//! The TCP connection under an RTSP leg or subscription: what comes in is cut without being copied, what goes out
//! waits in one bounded place, whole frames and messages only.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::rtsp_framing::{prefix, Piece, RtspDeframer, MAX_TEXT_BYTES, PREFIX};
use super::sys::{self, Outcome, SockAddr};

/// Reads of one socket before others have their turn.
const READS: usize = 4;
/// Bytes of one read: a few frames of a stream of some Mb/s.
pub const READ_BYTES: usize = 256 * 1024;
/// Messages and reports that wait behind what the socket did not take.
const MAX_PENDING_BYTES: usize = 256 * 1024;
/// Packets of one call: two parts each.
pub const MAX_PACKETS: usize = 32;
/// What the kernel holds for a reader: about two seconds of a usual stream, so that a slow one is not served old.
const SEND_BUFFER: i32 = 512 << 10;
const RECEIVE_BUFFER: i32 = 2 << 20;

/// More messages within a second are an attack: each of them is an event, of which there is room for so many.
const TEXTS_PER_SECOND: u32 = 200;

/// Messages of the second that began at `since`.
#[derive(Default)]
struct Texts {
    since: u64,
    count: u32,
}

impl Texts {
    fn too_many(&mut self) -> bool {
        let now = sys::monotonic_us();
        if now.saturating_sub(self.since) >= 1_000_000 {
            *self = Self { since: now, count: 0 };
        }
        self.count += 1;
        self.count > TEXTS_PER_SECOND
    }
}

/// What a read brought.
pub enum Came<'a> {
    Frame(u8, &'a [u8]),
    Text(&'a [u8]),
}

/// Why a connection is over, as a reason code and words.
pub type Ended = (&'static str, &'static str);

pub struct Connection {
    fd: Arc<OwnedFd>,
    pub peer: Option<SocketAddr>,
    deframer: RtspDeframer,
    texts: Texts,
    /// The beginning of a frame or message whose end has not come yet.
    rest: Vec<u8>,
    pending: Vec<u8>,
    /// Of `pending`, what has left.
    left: usize,
    pub broken: bool,
}

impl Connection {
    /// `channels` of RTP that were set up. `initial` is what was read before.
    pub fn new(fd: OwnedFd, channels: Vec<u8>, initial: Vec<u8>) -> Self {
        sys::raise_buffers(&fd, RECEIVE_BUFFER, SEND_BUFFER);
        sys::send_at_once(&fd);
        let peer = SockAddr::peer_of(&fd);
        let deframer = RtspDeframer::new(channels);
        let (texts, pending) = (Texts::default(), Vec::new());
        Self { fd: Arc::new(fd), peer, deframer, texts, rest: initial, pending, left: 0, broken: false }
    }

    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub fn shared_fd(&self) -> Arc<OwnedFd> {
        self.fd.clone()
    }

    pub fn resyncs(&self) -> u64 {
        self.deframer.resyncs
    }

    /// What was read before the connection came here. Call once, before `read`.
    pub fn take_initial(&mut self, each: &mut dyn FnMut(Came<'_>)) -> Option<Ended> {
        let held = std::mem::take(&mut self.rest);
        let used = cut(&mut self.deframer, &mut self.texts, &held, each);
        match used {
            Some(used) => {
                self.rest.extend_from_slice(&held[used..]);
                None
            }
            None => Some(("protocol", "no RTSP")),
        }
    }

    /// Read what waits into `scratch` (SCRATCH_BYTES) and hand its pieces on. Bytes read, how it ended if it did, and
    /// whether there may be more. `all`: a short read is not taken for the end of what waits.
    pub fn read(
        &mut self,
        scratch: &mut [u8],
        all: bool,
        each: &mut dyn FnMut(Came<'_>),
    ) -> (u64, Option<Ended>, bool) {
        let mut total = 0;
        for _ in 0..READS {
            let held = self.rest.len();
            scratch[..held].copy_from_slice(&self.rest);
            let room = scratch.len().min(held + READ_BYTES);
            let n = match sys::read(self.fd.as_raw_fd(), &mut scratch[held..room]) {
                Ok(0) => return (total, Some(("source-ended", "the connection was closed by the other side")), false),
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return (total, None, false),
                Err(_) => return (total, Some(("link-down", "the connection broke")), false),
            };
            total += n as u64;
            let data = &scratch[..held + n];
            let Some(used) = cut(&mut self.deframer, &mut self.texts, data, each) else {
                let why = "bytes that are no RTSP, a message over 64 KiB, or over 200 messages within a second";
                return (total, Some(("protocol", why)), false);
            };
            self.rest.clear();
            self.rest.extend_from_slice(&data[used..]);
            if held + n < room && !all {
                return (total, None, false);
            }
        }
        (total, None, true)
    }

    // ── out ──

    /// Whether bytes wait for the socket.
    pub fn waits(&self) -> bool {
        self.left < self.pending.len()
    }

    /// Packets of `segment` bytes one behind the other in `data`, each as a frame. `Full`: none of them left.
    pub fn send_frames(&mut self, channel: u8, data: &[u8], segment: usize) -> Outcome {
        if self.waits() && self.flush() != Outcome::Sent {
            return if self.broken { Outcome::Failed } else { Outcome::Full };
        }
        let mut prefixes = [[0u8; PREFIX]; MAX_PACKETS];
        let mut parts: [&[u8]; 2 * MAX_PACKETS] = [&[]; 2 * MAX_PACKETS];
        let mut count = 0;
        for (packet, place) in data.chunks(segment.max(1)).zip(&mut prefixes) {
            let Some(written) = prefix(channel, packet.len()) else { return Outcome::Failed };
            *place = written;
            count += 1;
        }
        for (i, (packet, prefix)) in data.chunks(segment.max(1)).zip(&prefixes[..count]).enumerate() {
            parts[2 * i] = prefix;
            parts[2 * i + 1] = packet;
        }
        self.write(&parts[..2 * count], false)
    }

    /// As `send_frames`, with what stands before each packet's payload written already.
    pub fn send_parts<'a>(&mut self, packets: impl Iterator<Item = [&'a [u8]; 2]>) -> Outcome {
        if self.waits() && self.flush() != Outcome::Sent {
            return if self.broken { Outcome::Failed } else { Outcome::Full };
        }
        let mut parts: [&[u8]; 2 * MAX_PACKETS] = [&[]; 2 * MAX_PACKETS];
        let mut count = 0;
        for (place, packet) in parts.chunks_exact_mut(2).zip(packets) {
            place.copy_from_slice(&packet);
            count += 2;
        }
        self.write(&parts[..count], false)
    }

    /// One packet behind whatever waits; left out where too much does.
    pub fn send_frame(&mut self, channel: u8, packet: &[u8]) -> Outcome {
        match prefix(channel, packet.len()) {
            Some(prefix) => self.write(&[&prefix, packet], true),
            None => Outcome::Failed,
        }
    }

    /// One message behind whatever waits. `Full`: too much does.
    pub fn send_text(&mut self, text: &[u8]) -> Outcome {
        if text.len() > MAX_TEXT_BYTES {
            return Outcome::Failed;
        }
        self.write(&[text], true)
    }

    /// Parts that belong together: all of them go, or wait, or none does.
    fn write(&mut self, parts: &[&[u8]], may_wait: bool) -> Outcome {
        if self.broken {
            return Outcome::Failed;
        }
        let whole: usize = parts.iter().map(|p| p.len()).sum();
        let mut sent = 0;
        if !self.waits() || self.flush() == Outcome::Sent {
            match sys::write_many(self.fd.as_raw_fd(), parts) {
                Ok(n) => sent = n,
                Err(e) if e.kind() == ErrorKind::WouldBlock && !may_wait => return Outcome::Full,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.broken = true;
                    return Outcome::Failed;
                }
            }
        }
        if sent == 0 && self.pending.len() - self.left + whole > MAX_PENDING_BYTES {
            return Outcome::Full;
        }
        for part in parts {
            let gone = sent.min(part.len());
            self.pending.extend_from_slice(&part[gone..]);
            sent -= gone;
        }
        Outcome::Sent
    }

    /// Send what waits. `Sent`: nothing waits any more.
    pub fn flush(&mut self) -> Outcome {
        while self.waits() {
            match sys::write_many(self.fd.as_raw_fd(), &[&self.pending[self.left..]]) {
                Ok(n) => self.left += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Outcome::Full,
                Err(_) => {
                    self.broken = true;
                    return Outcome::Failed;
                }
            }
        }
        self.pending.clear();
        self.left = 0;
        Outcome::Sent
    }
}

/// Hand the whole pieces in `data` on; how many bytes they were. `None`: no sense in it.
fn cut(deframer: &mut RtspDeframer, texts: &mut Texts, data: &[u8], each: &mut dyn FnMut(Came<'_>)) -> Option<usize> {
    let mut at = 0;
    loop {
        let left = &data[at..];
        at += match deframer.next(left) {
            Piece::More => return Some(at),
            Piece::Hopeless => return None,
            Piece::Text { .. } if texts.too_many() => return None,
            Piece::Junk(bytes) => bytes,
            Piece::Frame { channel, end } => {
                each(Came::Frame(channel, &left[PREFIX..end]));
                end
            }
            Piece::Text { start, end } => {
                each(Came::Text(&left[start..end]));
                end
            }
        };
    }
}

/// For `Connection::read`: a read behind the longest unfinished piece.
pub const SCRATCH_BYTES: usize = READ_BYTES + MAX_TEXT_BYTES + PREFIX + 16;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_flood_of_messages_ends_the_connection() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("non-blocking");
        let mut connection = Connection::new(OwnedFd::from(ours), vec![0], Vec::new());
        let mut scratch = vec![0; SCRATCH_BYTES];
        let mut told = 0;
        theirs.write_all(&b"OPTIONS * RTSP/1.0\r\n\r\n".repeat(50)).expect("room");
        let (_, ended, _) = connection.read(&mut scratch, true, &mut |_| told += 1);
        assert_eq!((told, ended), (50, None));
        theirs.write_all(&b"OPTIONS * RTSP/1.0\r\n\r\n".repeat(500)).expect("room");
        let (_, ended, _) = connection.read(&mut scratch, true, &mut |_| told += 1);
        assert!(told <= 250, "{told} were told");
        assert_eq!(ended.map(|(code, _)| code), Some("protocol"));
    }
}
