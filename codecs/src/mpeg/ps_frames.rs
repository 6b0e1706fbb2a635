//! Elementary stream bytes put together to frames: where one ends and which timestamp it has.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::psi::Stream;
use super::{EsChunk, Trust};
use crate::packet::annexb;
use crate::packet::nalus::MAX_UNIT_BYTES;

/// An audio PES packet has at most this (16-bit length).
const MAX_AUDIO_BYTES: usize = 65_536;
/// Chunks waiting for `poll`; the oldest go when nobody polls.
const MAX_QUEUE: usize = 256;

#[derive(Debug, Default)]
struct Pending {
    data: BytesMut,
    id: u8,
    pts: Option<u64>,
    dts: Option<u64>,
    damaged: bool,
}

#[derive(Debug, Default)]
pub(super) struct Frames {
    video: Pending,
    audio: Pending,
    map: Vec<Stream>,
    trust: Trust,
    /// An outer sign said that the frame ends here; not yet confirmed.
    hinted: bool,
    /// PTS and DTS of the first frame that begins in the open PES packet (§2.4.3.7): it need not begin at its start.
    stamp: Option<(Option<u64>, Option<u64>)>,
    queue: VecDeque<EsChunk>,
}

impl Frames {
    pub fn poll(&mut self) -> Option<EsChunk> {
        self.queue.pop_front()
    }

    pub fn set_map(&mut self, map: Vec<Stream>) {
        self.map = map;
    }

    /// The video bytes gathered and not given out.
    pub fn video(&self) -> &[u8] {
        &self.video.data
    }

    pub fn truncate_video(&mut self, len: usize) {
        self.video.data.truncate(len);
    }

    pub fn damage_video(&mut self) {
        self.video.damaged |= !self.video.data.is_empty();
    }

    pub fn begin_video(&mut self, id: u8, pts: Option<u64>, dts: Option<u64>) {
        if pts.is_some() {
            self.stamp = Some((pts, dts));
        }
        self.video.id = id;
    }

    pub fn begin_audio(&mut self, id: u8, pts: Option<u64>) {
        self.end_audio();
        self.audio.id = id;
        self.audio.pts = pts;
    }

    pub fn audio_bytes(&mut self, bytes: &[u8]) {
        if self.audio.data.len() + bytes.len() <= MAX_AUDIO_BYTES {
            self.audio.data.extend_from_slice(bytes);
        }
    }

    /// False when the frame grew over the limit: nothing was taken.
    pub fn video_bytes(&mut self, bytes: &[u8]) -> bool {
        if self.hinted {
            // After the sign that a frame ended: another one by its start code, or the sign was wrong.
            self.hinted = false;
            let begins = annexb::has_start_code(bytes) || (bytes.len() < 4 && bytes.iter().all(|b| *b == 0));
            if begins {
                self.trust.confirm();
                self.end_video();
            } else {
                self.trust.deny();
            }
        }
        let before = self.video.data.len();
        if before + bytes.len() > MAX_UNIT_BYTES {
            return false;
        }
        self.video.data.extend_from_slice(bytes);
        if self.stamp.is_some() {
            self.stamp_frame(before.saturating_sub(3));
        }
        true
    }

    /// The first start code in a PES packet with PTS begins the frame that the PTS belongs to.
    fn stamp_frame(&mut self, from: usize) {
        let Some(at) = annexb::find_start_code(&self.video.data, from) else { return };
        let Some((pts, dts)) = self.stamp.take() else { return };
        let zeros = self.video.data[..at].iter().rev().take_while(|b| **b == 0).count();
        let begun = self.video.data.split_off(at - zeros);
        self.end_video();
        self.video.data = begun;
        self.video.pts = pts;
        self.video.dts = dts;
    }

    /// An outer sign that the frame ends; `open`: a packet of it is not complete. True when it was given out.
    pub fn hint(&mut self, open: bool) -> bool {
        if self.video.data.is_empty() {
            return false;
        }
        if open {
            self.trust.deny();
            return false;
        }
        self.hinted = true;
        if self.trust.trusted() {
            self.end_video();
            return true;
        }
        false
    }

    /// A frame waits only for a confirmation that it is complete.
    pub fn waits_hinted(&self) -> bool {
        self.hinted && !self.video.data.is_empty()
    }

    /// Bytes are missing from here on; `in_video`: a video packet was open.
    pub fn lost(&mut self, in_video: bool) {
        if in_video || !self.video.data.is_empty() {
            // A frame that was said to be complete is believed to be.
            self.video.damaged |= !self.hinted;
            self.end_video();
        }
        self.audio.data.clear();
        self.hinted = false;
        self.stamp = None;
    }

    pub fn end_video(&mut self) {
        Self::end(&mut self.video, &self.map, &mut self.queue);
    }

    pub fn end_audio(&mut self) {
        Self::end(&mut self.audio, &self.map, &mut self.queue);
    }

    fn end(pending: &mut Pending, map: &[Stream], queue: &mut VecDeque<EsChunk>) {
        let damaged = std::mem::take(&mut pending.damaged);
        let (pts, dts) = (pending.pts.take(), pending.dts.take());
        if pending.data.is_empty() && !damaged {
            return;
        }
        if queue.len() >= MAX_QUEUE {
            queue.pop_front();
        }
        let known = map.iter().find(|s| s.id == u16::from(pending.id));
        let stream_type = known.map_or(0, |s| s.stream_type);
        let data = pending.data.split().freeze();
        queue.push_back(EsChunk { stream_id: pending.id, stream_type, pts, dts, data, damaged });
    }
}
