//! MPEG transport stream out of bytes or datagrams (`mpeg::ts_demux` does the work).

use super::tracks::Tracks;
use super::{Found, Reader};
use crate::error::ParseError;
use crate::mpeg::ts_demux::{TsDemux, TsOutput, TsStats, PACKET_BYTES};
use crate::time::Micros;

/// Bytes between two looks at what was found: the demultiplexer's queue is bounded.
const PIECE_BYTES: usize = 64 * PACKET_BYTES;

/// Never an `Err`: sync that is lost is looked for.
#[derive(Debug)]
pub struct TsReader {
    demux: TsDemux,
    tracks: Tracks,
}

impl TsReader {
    /// `program`: program_number; 0: the first with a picture.
    pub fn new(program: u16) -> Self {
        Self { demux: TsDemux::of_program(program), tracks: Tracks::new() }
    }

    /// Datagrams are missing before the next `push`.
    pub fn lost(&mut self) {
        self.demux.lost();
    }

    /// A picture is gathered whose end has no sign of its own: `flush` when nothing comes for 100 ms.
    pub fn waits(&self) -> bool {
        self.demux.waits()
    }

    pub fn stats(&self) -> TsStats {
        self.demux.stats()
    }

    fn drain(&mut self, now: Micros, out: &mut Vec<Found>) {
        while let Some(output) = self.demux.poll() {
            match output {
                TsOutput::Chunk(chunk) => self.tracks.chunk(chunk, now, out),
                TsOutput::Klv(packet) => out.push(Found::Klv(packet)),
                TsOutput::Programs(list) => out.push(Found::Programs(list)),
                TsOutput::Discontinuity => self.tracks.discontinuity(false, out),
                TsOutput::Problem { code, detail } => self.tracks.problem(code, detail, now, out),
            }
        }
    }
}

impl Reader for TsReader {
    fn push(&mut self, bytes: &[u8], now: Micros, out: &mut Vec<Found>) -> Result<(), ParseError> {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.demux.push(piece);
            self.drain(now, out);
        }
        Ok(())
    }

    fn flush(&mut self, now: Micros, out: &mut Vec<Found>) {
        self.demux.flush();
        self.drain(now, out);
    }
}
