//! An SRT connection as a line: a transport stream comes in, or one goes out, in messages of seven packets. What libsrt
//! has to do with it happens on the SRT thread (`srt_link`).

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use bytes::Bytes;

use super::bytes_in::writer;
use super::line::{Brought, Line, Outward, Over};
use super::order::Figures;
use super::srt_link::{Inbox, Link};
use super::OrderError;
use crate::container::ts_read::TsReader;
use crate::container::{Found, Reader, Writer};
use crate::time::Micros;

/// After so long without a packet the last picture is taken as whole.
const QUIET_US: u64 = 100_000;

pub struct SrtLine {
    link: Arc<Link>,
    inbox: Inbox,
    open: bool,
    reader: Option<TsReader>,
    last: Micros,
}

impl SrtLine {
    pub fn new(link: Arc<Link>) -> Self {
        Self { link, inbox: Inbox::default(), open: false, reader: None, last: Micros(0) }
    }

    fn bind(&mut self) -> Result<(), OrderError> {
        if !self.open {
            return Err(OrderError::new("not connected yet"));
        }
        self.link.bound.store(true, Ordering::Release);
        Ok(())
    }
}

impl Drop for SrtLine {
    fn drop(&mut self) {
        self.link.closed.store(true, Ordering::Release);
    }
}

impl Line for SrtLine {
    fn transport(&self) -> &'static str {
        "srt"
    }

    fn fd(&self) -> Option<RawFd> {
        None
    }

    fn address(&self) -> Option<SocketAddr> {
        self.link.address()
    }

    fn held_by(&mut self, handle: u64) {
        self.link.held_by(handle);
    }

    fn work(&mut self, now: Micros, _scratch: &mut Vec<u8>, brought: &mut Brought) -> Result<(), Over> {
        self.inbox.bytes.clear();
        self.inbox.packets = 0;
        self.link.take(&mut self.inbox);
        self.open |= !self.inbox.told.is_empty();
        brought.told.append(&mut self.inbox.told);
        brought.packets += self.inbox.packets;
        brought.bytes += self.inbox.bytes.len() as u64;
        if !self.inbox.bytes.is_empty() {
            self.last = now;
        }
        if let Some(reader) = &mut self.reader {
            let _ = reader.push(&self.inbox.bytes, now, &mut brought.found);
            if reader.waits() && now.since(self.last) >= QUIET_US {
                reader.flush(now, &mut brought.found);
            }
        }
        self.inbox.over.take().map_or(Ok(()), Err)
    }

    fn flush(&mut self, now: Micros, found: &mut Vec<Found>) {
        if let Some(reader) = &mut self.reader {
            reader.flush(now, found);
        }
    }

    fn bind_in(&mut self, program: u16) -> Result<(), OrderError> {
        self.bind()?;
        self.reader = Some(TsReader::new(program));
        Ok(())
    }

    fn bind_out(&mut self, _how: Outward) -> Result<Box<dyn Writer>, OrderError> {
        let made = writer("ts", 0, 0)?;
        self.bind()?;
        Ok(made)
    }

    fn put(&mut self, piece: Bytes, now: Micros) -> Result<bool, Over> {
        Ok(self.link.put(&piece, now))
    }

    fn next_timer(&self) -> Option<Micros> {
        self.reader.as_ref().filter(|r| r.waits()).map(|_| Micros(self.last.0 + QUIET_US))
    }

    fn figures(&self) -> Figures {
        self.link.figures()
    }
}
