//! One elementary stream of a programme: PES packets out of transport packets, and what they hold cut where frames end.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::pes::{Look, PesHeader};
use super::ts_demux::TsOutput;
use super::ts_roles::Role;
use super::{klv, stream_type, EsChunk};
use crate::packet::nalus::MAX_UNIT_BYTES;
use crate::packet::{aac, latm};
use crate::time::pts33_delta;

const VIDEO_ID: u8 = 0xe0;
const AUDIO_ID: u8 = 0xc0;
/// Sound and data of one PES packet.
const MAX_SMALL_BYTES: usize = 128 * 1024;
/// So many PES packets in a row shorter than they say, with no packet missing: their lengths lie.
const SHORT_ONES: u8 = 3;
/// So many frames in a row whose end was where stuffing said it: from then on it is believed at once.
const PROOFS: u8 = 25;
const SECOND: i64 = 90_000;

#[derive(Debug)]
pub(super) struct Elementary {
    pub pid: u16,
    pub role: Role,
    continuity: Option<u8>,
    /// To know it again.
    last_packet: (usize, [u8; 16]),
    data: BytesMut,
    /// Of the PES packet being gathered, once its header is complete.
    header: Option<PesHeader>,
    begun: bool,
    damaged: bool,
    short: u8,
    end_sign: EndSign,
    /// A frame of sound that goes on in the next PES packet.
    carry: BytesMut,
    cells: klv::Cells,
    last_time: Option<u64>,
    epoch: u32,
}

/// Whether stuffing in a packet can be believed to end a frame whose length is not told: muxers fill the last packet and
/// no other. It saves the wait for the next frame. Found wrong once it is believed no more.
#[derive(Debug, Clone, Copy, Default)]
struct EndSign {
    proofs: u8,
    seen: bool,
    wrong: bool,
}

impl EndSign {
    fn believed(self) -> bool {
        self.proofs >= PROOFS && !self.wrong
    }

    /// A packet comes behind the sign, nothing between them missing.
    fn judge(&mut self, start: bool) {
        if std::mem::take(&mut self.seen) {
            self.proofs = if start { self.proofs.saturating_add(1) } else { 0 };
            self.wrong |= !start;
        }
    }
}

/// What all streams of the programme share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub queue: VecDeque<TsOutput>,
    /// Grows with each jump of the programme's clock.
    pub epoch: u32,
    /// PCR jumped, or said that it will.
    pub pcr_jumped: bool,
    pub missing: u64,
    pub oversized: u64,
}

impl Elementary {
    pub fn new(pid: u16, role: Role, epoch: u32) -> Self {
        Self {
            pid,
            role,
            continuity: None,
            last_packet: (0, [0; 16]),
            data: BytesMut::new(),
            header: None,
            begun: false,
            damaged: false,
            short: 0,
            end_sign: EndSign::default(),
            carry: BytesMut::new(),
            cells: klv::Cells::default(),
            last_time: None,
            epoch,
        }
    }

    /// A unit is gathered whose end has no sign of its own.
    pub fn waits(&self) -> bool {
        self.begun && self.header.is_some_and(|h| h.body_bytes.is_none())
    }

    /// Packets are missing, nobody knows of which stream.
    pub fn lost(&mut self) {
        self.damaged |= self.begun;
        self.end_sign.seen = false;
        self.continuity = None;
        self.carry.clear();
    }

    /// §2.4.3.5: discontinuity_indicator allows the counter to jump.
    pub fn may_jump(&mut self) {
        self.continuity = None;
    }

    /// `stuffed`: its adaptation field holds nothing else.
    pub fn packet(&mut self, payload: &[u8], start: bool, stuffed: bool, continuity: u8, shared: &mut Shared) {
        if let Some(last) = self.continuity.replace(continuity) {
            if last == continuity && self.last_packet == sample(payload) {
                return; // §2.4.3.3: a packet may be sent twice
            }
            if continuity != (last + 1) & 15 {
                shared.missing += u64::from(continuity.wrapping_sub(last + 1) & 15);
                self.end_sign.seen = false;
                self.gap(shared);
            }
        }
        self.last_packet = sample(payload);
        let believed = self.end_sign.believed();
        self.end_sign.judge(start);
        if believed && self.end_sign.wrong {
            self.tell_loss(shared); // what was given out had not ended
        }
        if start {
            self.end(shared);
            self.begun = true;
        }
        if !self.begun {
            return;
        }
        let limit = if matches!(self.role, Role::Video(_)) { MAX_UNIT_BYTES } else { MAX_SMALL_BYTES };
        if self.data.len() + payload.len() > limit {
            shared.oversized += 1;
            self.damaged = true;
            return self.end(shared);
        }
        self.data.extend_from_slice(payload);
        if self.header.is_none() {
            match PesHeader::look(&self.data) {
                Look::Need(_) => return,
                Look::Found(header) => self.header = Some(header),
                Look::Bad => {
                    self.data.clear();
                    self.begun = false;
                    return;
                }
            }
        }
        let whole = self.header.and_then(|h| h.body_bytes.map(|body| h.header_bytes + body));
        if whole.is_some_and(|n| self.data.len() >= n) {
            self.end(shared);
        } else if stuffed && self.waits() && matches!(self.role, Role::Video(_)) {
            self.end_sign.seen = true;
            if self.end_sign.believed() {
                self.end(shared);
            }
        }
    }

    fn gap(&mut self, shared: &mut Shared) {
        self.carry.clear();
        self.cells.lost();
        if self.begun {
            self.damaged = true;
        } else {
            self.tell_loss(shared);
        }
    }

    /// A chunk without bytes: something was here.
    fn tell_loss(&self, shared: &mut Shared) {
        let (stream_id, stream_type) = match self.role {
            Role::Video(kind) => (VIDEO_ID, kind),
            Role::Audio(kind) => (AUDIO_ID, kind),
            _ => return,
        };
        let data = Bytes::new();
        shared.push(EsChunk { stream_id, stream_type, pts: None, dts: None, data, damaged: true });
    }

    /// What is gathered ends here.
    pub fn end(&mut self, shared: &mut Shared) {
        let mut damaged = std::mem::take(&mut self.damaged);
        let begun = std::mem::take(&mut self.begun);
        let mut data = self.data.split();
        let Some(header) = self.header.take() else {
            if begun && damaged {
                self.tell_loss(shared);
            }
            return;
        };
        drop(data.split_to(header.header_bytes.min(data.len())));
        if let Some(body) = header.body_bytes {
            let short = data.len() < body;
            data.truncate(body);
            self.short = if short && !damaged { self.short.saturating_add(1).min(SHORT_ONES) } else { self.short };
            damaged |= short && self.short < SHORT_ONES;
        }
        if let Some(time) = header.dts.or(header.pts).filter(|_| !damaged) {
            self.judge_time(time, shared);
        }
        let data = data.freeze();
        match self.role {
            Role::Video(kind) if !data.is_empty() || damaged => {
                let (pts, dts) = (header.pts, header.dts);
                shared.push(EsChunk { stream_id: VIDEO_ID, stream_type: kind, pts, dts, data, damaged });
            }
            Role::Audio(_) if damaged => {
                self.carry.clear();
                self.tell_loss(shared);
            }
            Role::Audio(kind) => self.sound(kind, header.pts, data, shared),
            Role::Klv { cells } if !damaged => {
                let mut packets = Vec::new();
                if cells {
                    self.cells.push(&data, &mut packets);
                } else {
                    packets = klv::packets(&data);
                }
                packets.into_iter().for_each(|p| shared.put(TsOutput::Klv(p)));
            }
            // Senders that register nothing are told by what they send.
            Role::Private if klv::begins(&data) => {
                self.role = Role::Klv { cells: false };
                klv::packets(&data).into_iter().for_each(|p| shared.put(TsOutput::Klv(p)));
            }
            _ => {}
        }
    }

    /// Times that jump: the first stream of the programme that does tells it.
    fn judge_time(&mut self, time: u64, shared: &mut Shared) {
        let Some(last) = self.last_time.replace(time) else {
            self.epoch = shared.epoch;
            return;
        };
        let step = pts33_delta(last, time);
        let jumped = !(-SECOND..=10 * SECOND).contains(&step) || (shared.pcr_jumped && step > SECOND);
        if !jumped {
            return;
        }
        if self.epoch == shared.epoch {
            shared.epoch = shared.epoch.wrapping_add(1);
            shared.pcr_jumped = false;
            shared.put(TsOutput::Discontinuity);
        }
        self.epoch = shared.epoch;
    }

    fn sound(&mut self, kind: u8, pts: Option<u64>, data: Bytes, shared: &mut Shared) {
        let frame_bytes: fn(&[u8]) -> Option<usize> = match kind {
            stream_type::AAC_ADTS => |d| aac::Adts::parse(d).ok().map(|a| a.frame_bytes),
            stream_type::AAC_LATM => latm::frame_bytes,
            stream_type::OPUS => {
                let packets = opus_packets(&data);
                let mut pts = pts;
                for data in packets {
                    shared.push(EsChunk { pts: pts.take(), ..audio(kind, data) });
                }
                return;
            }
            _ => {
                return if !data.is_empty() {
                    shared.push(EsChunk { pts, ..audio(kind, data) })
                }
            }
        };
        let mut data = data;
        if !self.carry.is_empty() {
            // §2.4.3.7: the PTS is of the first frame that begins in this packet, not of one that ends in it.
            let mut joined = self.carry.split();
            joined.extend_from_slice(&data);
            match frame_bytes(&joined) {
                Some(n) if n <= joined.len() => {
                    let mut joined = joined.freeze();
                    shared.push(audio(kind, joined.split_to(n)));
                    data = joined;
                }
                Some(_) => {
                    self.carry = joined;
                    return;
                }
                None => {}
            }
        }
        let mut whole = 0;
        while let Some(n) = frame_bytes(&data[whole..]).filter(|n| whole + n <= data.len()) {
            whole += n;
        }
        let rest = &data[whole..];
        let goes_on = frame_bytes(rest).is_some() || (rest.len() < 7 && matches!(rest.first(), Some(0xff | 0x56)));
        if goes_on {
            self.carry.extend_from_slice(rest);
        }
        if whole > 0 {
            shared.push(EsChunk { pts, ..audio(kind, data.slice(..whole)) });
        } else if !goes_on && !data.is_empty() {
            // No such frame at all: whoever reads it says so.
            shared.push(EsChunk { pts, ..audio(kind, data) });
        }
    }
}

impl Shared {
    /// Outputs waiting for `poll`; the oldest go when nobody polls.
    const MAX_QUEUE: usize = 1024;

    pub fn put(&mut self, output: TsOutput) {
        if self.queue.len() >= Self::MAX_QUEUE {
            self.queue.pop_front();
        }
        self.queue.push_back(output);
    }

    fn push(&mut self, chunk: EsChunk) {
        self.put(TsOutput::Chunk(chunk));
    }
}

/// Length and last bytes of a payload.
fn sample(payload: &[u8]) -> (usize, [u8; 16]) {
    let mut tail = [0; 16];
    let n = payload.len().min(16);
    tail[..n].copy_from_slice(&payload[payload.len() - n..]);
    (payload.len(), tail)
}

fn audio(stream_type: u8, data: Bytes) -> EsChunk {
    EsChunk { stream_id: AUDIO_ID, stream_type, pts: None, dts: None, data, damaged: false }
}

/// Opus in TS, as its authors drafted and FFmpeg and GStreamer write it: before each packet a control header with its size.
fn opus_packets(data: &Bytes) -> Vec<Bytes> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(&[first, flags]) = data.get(at..at + 2) {
        if first != 0x7f || flags & 0xe0 != 0xe0 {
            break;
        }
        at += 2;
        let mut size = 0;
        loop {
            let Some(&part) = data.get(at) else { return out };
            at += 1;
            size += usize::from(part);
            if part != 0xff {
                break;
            }
        }
        at += 2 * usize::from(flags >> 4 & 1) + 2 * usize::from(flags >> 3 & 1); // start_trim, end_trim
        if flags & 4 != 0 {
            let Some(&extension) = data.get(at) else { return out };
            at += 1 + usize::from(extension);
        }
        if size == 0 || at + size > data.len() {
            break;
        }
        out.push(data.slice(at..at + size));
        at += size;
    }
    out
}
