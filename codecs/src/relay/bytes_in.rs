//! A stream socket or pipe that carries a container, either way; and which reader or writer a container has.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use bytes::{Bytes, BytesMut};

use super::line::{Brought, Line, OutBuffer, Over};
use super::sys::{self, SockAddr};
use super::OrderError;
use crate::container::cmaf::CmafWriter;
use crate::container::flv::file::{FlvReader, FlvWriter};
use crate::container::fmp4_read::Fmp4Reader;
use crate::container::jt1078::Jt1078Reader;
use crate::container::mjpeg::MjpegReader;
use crate::container::ts_read::TsReader;
use crate::container::ts_write::TsWriter;
use crate::container::{Found, Reader, Writer};
use crate::hub::unit::Codec;
use crate::rtp::header::RtpView;
use crate::time::Micros;

/// Reads of one descriptor before others have their turn.
const READS: usize = 4;
const READ_BYTES: usize = 64 * 1024;

/// What takes a container apart. `program`: of a transport stream, 0 for the first with a picture.
pub fn reader(container: &str, program: u16) -> Result<Box<dyn Reader>, OrderError> {
    match container {
        "ts" => Ok(Box::new(TsReader::new(program))),
        "flv" => Ok(Box::new(FlvReader::new())),
        "fmp4" => Ok(Box::new(Fmp4Reader::new())),
        "mjpeg" => Ok(Box::new(MjpegReader::new())),
        "jt1078" => Ok(Box::new(Jt1078Reader::new())),
        _ => Err(OrderError::new(format!("no reader of {container:?}"))),
    }
}

/// What puts one together. `part_ms` and `segment_ms` are CMAF's.
pub fn writer(container: &str, part_ms: u32, segment_ms: u32) -> Result<Box<dyn Writer>, OrderError> {
    match container {
        "ts" => Ok(Box::<TsWriter>::default()),
        "flv" => Ok(Box::new(FlvWriter::new(true))),
        "cmaf" => Ok(Box::new(CmafWriter::new(part_ms, segment_ms))),
        _ => Err(OrderError::new(format!("no writer of {container:?}"))),
    }
}

/// The line of `open_bytes_in` and `open_container_out`.
pub struct StreamLine {
    fd: OwnedFd,
    reader: Option<Box<dyn Reader>>,
    initial: Vec<u8>,
    out: OutBuffer,
}

impl StreamLine {
    /// `initial`: what was read of it already.
    pub fn reading(fd: OwnedFd, reader: Box<dyn Reader>, initial: Vec<u8>) -> Self {
        Self { fd, reader: Some(reader), initial, out: OutBuffer::default() }
    }

    pub fn writing(fd: OwnedFd) -> Self {
        Self { fd, reader: None, initial: Vec::new(), out: OutBuffer::default() }
    }

    /// Without a reader what comes is nothing to us; only its end is.
    fn take(&mut self, bytes: &[u8], now: Micros, brought: &mut Brought) -> Result<(), Over> {
        brought.bytes += bytes.len() as u64;
        brought.packets += 1;
        let Some(reader) = &mut self.reader else { return Ok(()) };
        reader.push(bytes, now, &mut brought.found).map_err(|e| Over::new("protocol", e.what))
    }
}

impl Line for StreamLine {
    fn transport(&self) -> &'static str {
        "tcp"
    }

    fn fd(&self) -> Option<RawFd> {
        Some(self.fd.as_raw_fd())
    }

    fn address(&self) -> Option<SocketAddr> {
        SockAddr::peer_of(&self.fd)
    }

    fn work(&mut self, now: Micros, scratch: &mut Vec<u8>, brought: &mut Brought) -> Result<(), Over> {
        self.out.flush(self.fd.as_raw_fd())?;
        let initial = std::mem::take(&mut self.initial);
        if !initial.is_empty() {
            self.take(&initial, now, brought)?;
        }
        scratch.resize(READ_BYTES, 0);
        for _ in 0..READS {
            match sys::read_bytes(self.fd.as_raw_fd(), scratch) {
                Ok(0) => return Err(Over::new("source-ended", "")),
                Ok(n) => {
                    self.take(&scratch[..n], now, brought)?;
                    if n < scratch.len() {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => return Ok(()),
                // The writing end of a pipe can not be read; whether somebody still reads it is told otherwise.
                Err(e) if e.raw_os_error() == Some(libc::EBADF) && !sys::is_broken(self.fd.as_raw_fd()) => {
                    return Ok(())
                }
                Err(e) => return Err(Over::io(&e)),
            }
        }
        brought.more = true;
        Ok(())
    }

    fn flush(&mut self, now: Micros, found: &mut Vec<Found>) {
        if let Some(reader) = &mut self.reader {
            reader.flush(now, found);
        }
    }

    fn put(&mut self, piece: Bytes, _now: Micros) -> Result<bool, Over> {
        if !self.out.has_room() {
            return Ok(false);
        }
        self.out.push(piece);
        self.out.flush(self.fd.as_raw_fd())?;
        Ok(true)
    }

    fn talk(&mut self, packet: &[u8]) -> Result<(), Over> {
        let (Some(reader), Ok(view)) = (&mut self.reader, RtpView::parse(packet)) else { return Ok(()) };
        // RFC 3551 table 4
        let codec = match view.pt {
            0 => Codec::Pcmu,
            8 => Codec::Pcma,
            _ => return Ok(()),
        };
        let mut piece = BytesMut::new();
        reader.talk(codec, u64::from(view.ts / 8), view.payload(), &mut piece);
        // A terminal that takes nothing loses what is new: old words are of no use to it either, but are cut already.
        if piece.is_empty() || !self.out.has_room() {
            return Ok(());
        }
        self.out.push(piece.freeze());
        self.out.flush(self.fd.as_raw_fd())
    }

    fn waits(&self) -> bool {
        !self.out.is_empty()
    }
}
