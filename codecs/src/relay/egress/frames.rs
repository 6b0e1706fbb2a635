//! The same packets as `$` frames of an RTSP connection: what stands before a payload is written anew for each reader, the
//! payload itself is sent from where it lies for all of them.

use std::sync::Arc;

use super::{Moving, Outlet, Run};
use crate::hub::track::{Frame, Track};
use crate::relay::rtsp_framing::{prefix, PREFIX};

/// Some packets of one frame of the track. `heads` bytes of each stand one behind the other where they were written.
pub struct Frames {
    frame: Arc<Frame>,
    first: usize,
    head: usize,
    pub run: Run,
}

impl Frames {
    /// (prefix and header, payload) of each packet; `heads` is what `fill_frames` wrote to.
    pub fn parts<'a>(&'a self, heads: &'a [u8]) -> impl Iterator<Item = [&'a [u8]; 2]> {
        let heads = heads.chunks_exact(self.head).take(self.run.packets);
        heads.enumerate().map(|(i, head)| [head, self.frame.payloads.part(self.first + i)])
    }
}

impl Outlet {
    /// Up to `max` packets of the next frame, for a connection without a cipher. On a byte stream they need not be of one
    /// size. `None`: nothing is there, or the next payload is too long for a frame of the protocol.
    pub fn fill_frames(
        &mut self,
        track: &Track,
        channel: u8,
        out: &mut [u8],
        moving: &mut Moving,
        max: usize,
    ) -> Option<Frames> {
        let cursor = self.cursor?;
        let frame = track.frame(cursor.frame)?.clone();
        let header = self.template.len;
        let head = PREFIX + header;
        let parts = frame.payloads.parts.get(cursor.part..)?;
        let mut run = Run { len: 0, segment: 0, packets: 0, ended: None };
        for (i, (part, room)) in parts.iter().zip(out.chunks_exact_mut(head)).take(max).enumerate() {
            let payload = part.len as usize;
            let Some(written) = prefix(channel, header + payload) else { break };
            room[..PREFIX].copy_from_slice(&written);
            let ts = self.rtp_ts(&frame, track.params.clock_hz, self.catch_up, cursor.part + i);
            self.template.write(&mut room[PREFIX..], part.marker, self.next_index as u16, ts, moving);
            self.next_index += 1;
            self.packets = self.packets.wrapping_add(1);
            self.octets = self.octets.wrapping_add(payload as u32);
            run.packets += 1;
            run.len += header + payload;
        }
        if run.packets == 0 {
            return None;
        }
        run.ended = self.go_on(track, &frame, cursor.part + run.packets);
        Some(Frames { frame, first: cursor.part, head, run })
    }
}
