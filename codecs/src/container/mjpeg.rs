//! MJPEG out of bytes: multipart/x-mixed-replace of network cameras, or files one behind the other.
//!
//! Pictures are found by their own structure, so that boundaries that are not the announced ones, missing or wrong
//! Content-Length and headers of any kind do no harm. Their time is that of their arrival.

use bytes::BytesMut;

use super::tracks::{Stamp, Tracks};
use super::{Found, Reader};
use crate::error::ParseError;
use crate::packet::jpeg_file::{Extent, Walk, MAX_BYTES, SOI};
use crate::time::Micros;

/// So much that holds no picture is no MJPEG.
const MAX_STRAY_BYTES: usize = 256 * 1024;

#[derive(Debug, Default)]
pub struct MjpegReader {
    data: BytesMut,
    walk: Walk,
    /// `data` begins with SOI.
    inside: bool,
    stray: usize,
    tracks: Tracks,
}

impl MjpegReader {
    pub fn new() -> Self {
        Self::default()
    }

    /// Throws away what stands before the next SOI.
    fn search(&mut self) -> Result<(), ParseError> {
        let at = self.data.windows(3).position(|w| w == [0xff, SOI, 0xff]);
        // The last two bytes may begin one.
        let skip = at.unwrap_or(self.data.len().saturating_sub(2));
        self.stray += skip;
        drop(self.data.split_to(skip));
        if self.stray > MAX_STRAY_BYTES {
            return Err(ParseError::new("no JPEG picture in it", self.stray));
        }
        self.inside = at.is_some();
        self.walk = Walk::default();
        Ok(())
    }
}

impl Reader for MjpegReader {
    fn push(&mut self, bytes: &[u8], now: Micros, out: &mut Vec<Found>) -> Result<(), ParseError> {
        self.data.extend_from_slice(bytes);
        loop {
            if !self.inside {
                self.search()?;
                if !self.inside {
                    return Ok(());
                }
            }
            match self.walk.look(&self.data) {
                Extent::More if self.data.len() > MAX_BYTES => {
                    drop(self.data.split_to(2));
                    self.inside = false;
                    self.tracks.problem("protocol", "a JPEG picture over 4 MiB".into(), now, out);
                }
                Extent::More => return Ok(()),
                Extent::Ends(len) => {
                    self.inside = false;
                    self.stray = 0;
                    let file = self.data.split_to(len).freeze();
                    let ticks = (now.0 as i64).saturating_mul(9) / 100;
                    self.tracks.jpeg(&file, Stamp::at(ticks), now, out);
                }
                Extent::Broken(at) => {
                    drop(self.data.split_to(at.max(2)));
                    self.inside = false;
                }
            }
        }
    }
}
