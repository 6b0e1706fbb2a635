//! One track on its way to one subscriber: its own SSRC, payload type, sequence and timestamps, written over the shared
//! payloads into the worker's send buffer and sealed there. Pure: the caller sends and hands time in.

use super::retransmit::{Budget, CatchUp, Segments, Sent};
use super::template::Template;
pub use super::template::{Moving, OutletConfig, Start};
use crate::hub::timeline::{to_ticks, to_us};
use crate::hub::track::{Frame, Track, MAX_PAYLOAD_BYTES};
use crate::hub::unit::Kind;
use crate::rtp::srtp::{Sealer, MAX_TAG_BYTES};
use crate::time::Micros;

mod frames;
pub use frames::Frames;

/// Header, extensions, RTX number and tag together stay below this.
const MAX_OVERHEAD: usize = 96;

/// Packets that stand one behind the other in the send buffer: all of `segment` bytes, the last perhaps shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub len: usize,
    pub segment: usize,
    pub packets: usize,
    /// The last packet of a frame is among them; of a key frame?
    pub ended: Option<bool>,
}

#[derive(Debug, Clone)]
struct Rtx {
    ssrc: u32,
    template: Template,
    next_index: u64,
}

/// Where the next packet is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    frame: u64,
    part: usize,
}

/// What `fill` changed, to be put back when the socket was full.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    cursor: Option<Cursor>,
    next_index: u64,
    packets: u32,
    octets: u32,
    frames: u64,
}

/// One track to one subscriber.
pub struct Outlet {
    pub kind: Kind,
    pub ssrc: u32,
    pub pt: u8,
    template: Template,
    rtx: Option<Rtx>,
    next_index: u64,
    ts_offset: u32,
    /// Added to the stream's time, in microseconds: it has come from another stream.
    shift_us: i64,
    /// Added to what is sent but not in reports, which would take the peer's clock back: it comes late after a move.
    pub late_us: i64,
    /// Largest time sent, in microseconds with the shift.
    sent_us: i64,
    /// Nothing up to this time is sent again in other words.
    floor_us: i64,
    /// `None`: waits for a key frame.
    cursor: Option<Cursor>,
    catch_up: Option<CatchUp>,
    /// Frames before this one were sent or left out: never again.
    not_before: u64,
    segments: Segments,
    budget: Budget,
    pub packets: u32,
    pub octets: u32,
    pub frames: u64,
    pub frames_dropped: u64,
    pub retransmits: u64,
    pub nacks: u64,
}

impl Outlet {
    pub fn new(config: &OutletConfig<'_>) -> Self {
        let e = config.extensions;
        let mid = if config.kind == Kind::Video { &e.video_mid } else { &e.audio_mid };
        // Without RTX a lost packet is sent again as it was, byte for byte: a header that tells the time of sending
        // would make a second plaintext under one nonce. So such a track goes without those two extensions.
        let (ast, tcc) =
            if config.kind == Kind::Video && config.rtx.is_none() { (0, 0) } else { (e.abs_send_time, e.transport_cc) };
        Self {
            kind: config.kind,
            ssrc: config.ssrc,
            pt: config.pt,
            template: Template::new(config.ssrc, config.pt, e.mid, mid, ast, tcc),
            rtx: config.rtx.map(|(ssrc, pt)| Rtx {
                ssrc,
                template: Template::new(ssrc, pt, e.mid, mid, ast, tcc),
                next_index: u64::from(config.start.rtx_seq & 0x7fff),
            }),
            // Below 2^15: a receiver that joins late must not guess the roll-over wrong (RFC 3711 §3.3.1).
            next_index: u64::from(config.start.seq & 0x7fff),
            ts_offset: config.start.ts,
            shift_us: 0,
            late_us: 0,
            sent_us: i64::MIN,
            floor_us: i64::MIN,
            cursor: None,
            catch_up: None,
            not_before: 0,
            segments: Segments::default(),
            budget: Budget::default(),
            packets: 0,
            octets: 0,
            frames: 0,
            frames_dropped: 0,
            retransmits: 0,
            nacks: 0,
        }
    }

    pub fn rtx_ssrc(&self) -> Option<u32> {
        self.rtx.as_ref().map(|r| r.ssrc)
    }

    /// Another payload type for the same source: the track's codec changed. Numbering goes on.
    pub fn set_pt(&mut self, pt: u8, rtx_pt: u8) {
        self.pt = pt;
        self.template.bytes[1] = pt;
        if let Some(rtx) = &mut self.rtx {
            rtx.template.bytes[1] = rtx_pt;
        }
    }

    /// The peer's receiver starts anew under other keys: what was sent under the old ones is not sent again.
    pub fn rekeyed(&mut self) {
        self.segments.rebase(self.next_index & !0xffff);
        self.next_index &= 0xffff;
        if let Some(rtx) = &mut self.rtx {
            rtx.next_index &= 0xffff;
        }
    }

    /// From now on of another track: what was sent of the old one can not be sent again.
    pub fn retarget(&mut self) {
        self.cursor = None;
        self.catch_up = None;
        self.not_before = 0;
        self.segments = Segments::default();
    }

    /// As `retarget`, to a stream whose time line begins `us` later: numbers and time go on.
    pub fn moved(&mut self, us: i64) {
        self.retarget();
        self.floor_us = self.sent_us;
        self.shift_us = self.shift_us.saturating_add(us);
    }

    /// What is sent from now on is `us` later than its stream says.
    pub fn put_off(&mut self, us: i64) {
        self.late_us = self.late_us.saturating_add(us);
    }

    /// A frame's time as it is sent, in microseconds.
    fn time_us(&self, track: &Track, frame: &Frame) -> i64 {
        to_us(frame.ts, track.params.clock_hz).saturating_add(self.shift_us).saturating_add(self.late_us)
    }

    /// How far `frame` lies at or before what was sent of another stream, in microseconds; `None`: after it.
    pub fn before_floor(&self, track: &Track, frame: &Frame) -> Option<i64> {
        let us = self.time_us(track, frame);
        (us <= self.floor_us).then(|| self.floor_us.saturating_sub(us))
    }

    /// Something was sent since it came from another stream, or it never did.
    pub fn has_gone_on(&self) -> bool {
        self.floor_us == i64::MIN || self.sent_us > self.floor_us
    }

    pub fn is_waiting(&self) -> bool {
        self.cursor.is_none()
    }

    /// Begin, or go on after frames were left out, at `frame`.
    pub fn start_at(&mut self, track: &Track, frame: u64) {
        let packet = track.frame(frame).map_or_else(|| track.next_packet(), |f| f.first_packet);
        self.segments.begin(self.next_index, packet, self.catch_up);
        self.cursor = Some(Cursor { frame, part: 0 });
    }

    /// Begin at the cached group of pictures; false when there is none.
    pub fn start_at_gop(&mut self, track: &Track) -> bool {
        let (Some(start), Some(newest)) = (track.gop_start(), track.newest()) else { return false };
        if start < self.not_before {
            return false;
        }
        // With B-frames presentation order is not sending order: times stay as they are.
        if self.packets == 0 && !track.params.b_frames {
            self.catch_up = Some(CatchUp { live_frame: newest.id, live_ts: newest.ts });
        }
        self.start_at(track, start);
        true
    }

    pub fn wait_for_key(&mut self) {
        self.cursor = None;
    }

    /// Frames from the cursor to the newest.
    pub fn lag_frames(&self, track: &Track) -> u64 {
        self.cursor.map_or(0, |c| track.next_frame().saturating_sub(c.frame))
    }

    /// Bytes not sent yet.
    pub fn lag_bytes(&self, track: &Track) -> u64 {
        self.cursor.map_or(0, |c| track.bytes_from(c.frame))
    }

    /// The frame to be sent next, when it is there.
    pub fn next_frame<'t>(&self, track: &'t Track) -> Option<&'t Frame> {
        track.frame(self.cursor?.frame).map(|f| &**f)
    }

    /// The cursor stands at a frame that the ring gave up.
    pub fn fell_behind(&self, track: &Track) -> bool {
        self.cursor.is_some_and(|c| c.frame < track.next_frame() && track.frame(c.frame).is_none())
    }

    /// Still sending what was cached before it came.
    pub fn is_catching_up(&self) -> bool {
        matches!((self.catch_up, self.cursor), (Some(c), Some(at)) if at.frame < c.live_frame)
    }

    /// Leave out up to `frame` (a key frame), or until one comes.
    pub fn skip_to(&mut self, track: &Track, frame: Option<u64>) {
        let from = self.cursor.map_or(track.next_frame(), |c| c.frame);
        self.frames_dropped += frame.unwrap_or(track.next_frame()).saturating_sub(from);
        match frame {
            Some(frame) => self.start_at(track, frame),
            None => {
                self.cursor = None;
                self.not_before = track.next_frame();
            }
        }
    }

    pub fn mark(&self) -> Mark {
        Mark {
            cursor: self.cursor,
            next_index: self.next_index,
            packets: self.packets,
            octets: self.octets,
            frames: self.frames,
        }
    }

    /// Nothing of the last run left this machine: it will be made again, under the same indexes.
    pub fn rewind(&mut self, mark: &Mark) {
        self.cursor = mark.cursor;
        self.next_index = mark.next_index;
        self.packets = mark.packets;
        self.octets = mark.octets;
        self.frames = mark.frames;
    }

    fn offset(&self, clock_hz: u32) -> i64 {
        to_ticks(self.shift_us.saturating_add(self.late_us), clock_hz)
    }

    fn rtp_ts(&self, frame: &Frame, clock_hz: u32, catch_up: Option<CatchUp>, part: usize) -> u32 {
        let ts = catch_up.map_or(frame.ts, |c| c.ts(frame.id, frame.ts)) + self.offset(clock_hz);
        let within = frame.payloads.parts.get(part).map_or(0, |p| p.ts_offset);
        self.ts_offset.wrapping_add(ts as u32).wrapping_add(within)
    }

    /// The RTP timestamp of stream time `ticks`, for sender reports: one line over every move.
    pub fn report_ts(&self, ticks: i64, clock_hz: u32) -> u32 {
        self.ts_offset.wrapping_add((ticks + to_ticks(self.shift_us, clock_hz)) as u32)
    }

    /// Sequence number and time of the next packet; of the time `ticks` where no frame waits.
    pub fn next_numbers(&self, track: &Track, ticks: i64) -> (u16, u32) {
        let ts = match (self.cursor, self.next_frame(track)) {
            (Some(cursor), Some(frame)) => self.rtp_ts(frame, track.params.clock_hz, self.catch_up, cursor.part),
            _ => self.ts_offset.wrapping_add((ticks + self.offset(track.params.clock_hz)) as u32),
        };
        (self.next_index as u16, ts)
    }

    /// Put up to `max` packets of the next frame one behind the other into `out`, as one run that a GSO call can take.
    /// A packet that only IP fragments carry is a run of its own: the kernel cuts no such segments.
    pub fn fill(
        &mut self,
        track: &Track,
        out: &mut [u8],
        sealer: Option<&Sealer>,
        moving: &mut Moving,
        max: usize,
    ) -> Option<Run> {
        let cursor = self.cursor?;
        let frame = track.frame(cursor.frame)?;
        let head = self.template.len;
        let tag = sealer.map_or(0, Sealer::tag_len);
        let (mut part, mut len, mut first) = (cursor.part, 0, 0);
        let mut run = Run { len: 0, segment: 0, packets: 0, ended: None };
        while run.packets < max && part < frame.payloads.parts.len() {
            let cut = frame.payloads.parts[part];
            let payload = frame.payloads.part(part);
            if run.packets == 0 {
                first = payload.len();
            } else if payload.len() > first || first > MAX_PAYLOAD_BYTES {
                break;
            }
            let size = head + payload.len() + tag;
            let Some(room) = out.get_mut(len..len + size) else { break };
            let ts = self.rtp_ts(frame, track.params.clock_hz, self.catch_up, part);
            self.template.write(room, cut.marker, self.next_index as u16, ts, moving);
            match sealer {
                Some(sealer) => {
                    sealer.seal_rtp(room, head, payload, self.ssrc, self.next_index);
                }
                None => room[head..].copy_from_slice(payload),
            }
            self.next_index += 1;
            self.packets = self.packets.wrapping_add(1);
            self.octets = self.octets.wrapping_add(payload.len() as u32);
            run.packets += 1;
            len += size;
            part += 1;
            if payload.len() < first {
                break;
            }
        }
        run.ended = self.go_on(track, frame, part);
        run.len = len;
        run.segment = head + first + tag;
        Some(run)
    }

    /// Everything before `part` of the frame is made: on from there. Whether that was a key frame, if it ends with it.
    fn go_on(&mut self, track: &Track, frame: &Frame, part: usize) -> Option<bool> {
        if part < frame.payloads.parts.len() {
            self.cursor = Some(Cursor { frame: frame.id, part });
            return None;
        }
        self.sent_us = self.sent_us.max(self.time_us(track, frame));
        self.frames += 1;
        self.cursor = Some(Cursor { frame: frame.id + 1, part: 0 });
        Some(frame.key)
    }

    /// Answer a NACK for `seq`: over RTX (RFC 4588 §4), or the same packet again. Length in `out`, 0 when it can't be.
    pub fn resend(
        &mut self,
        track: &Track,
        seq: u16,
        out: &mut [u8],
        sealer: Option<&Sealer>,
        moving: &mut Moving,
        now: Micros,
    ) -> usize {
        let Some(Sent { index, packet, catch_up }) = self.segments.find(seq, self.next_index) else { return 0 };
        let Some((frame, part)) = track.packet(packet) else { return 0 };
        let Some(cut) = frame.payloads.parts.get(part).copied() else { return 0 };
        let payload = frame.payloads.part(part);
        if out.len() < payload.len() + MAX_OVERHEAD + MAX_TAG_BYTES
            || !self.budget.take(payload.len(), track.rate.bps, now)
        {
            return 0;
        }
        let ts = self.rtp_ts(frame, track.params.clock_hz, catch_up, part);
        self.retransmits += 1;
        let Some(rtx) = &mut self.rtx else {
            let head = self.template.len;
            self.template.write(out, cut.marker, seq, ts, &mut Moving::default());
            return match sealer {
                Some(sealer) => sealer.seal_rtp(out, head, payload, self.ssrc, index),
                None => {
                    out[head..head + payload.len()].copy_from_slice(payload);
                    head + payload.len()
                }
            };
        };
        let head = rtx.template.len;
        rtx.template.write(out, cut.marker, rtx.next_index as u16, ts, moving);
        out[head..head + 2].copy_from_slice(&seq.to_be_bytes());
        out[head + 2..head + 2 + payload.len()].copy_from_slice(payload);
        let index = rtx.next_index;
        rtx.next_index += 1;
        match sealer {
            Some(sealer) => sealer.seal_rtp_in_place(out, head, payload.len() + 2, rtx.ssrc, index),
            None => head + 2 + payload.len(),
        }
    }
}
