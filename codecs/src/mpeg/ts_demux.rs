//! Transport stream in, frames out (ISO/IEC 13818-1 §2.4): the first program, its first video and audio.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::pes::{Look, PesHeader};
use super::{psi, stream_type, EsChunk};
use crate::packet::nalus::MAX_UNIT_BYTES;

pub const PACKET_BYTES: usize = 188;
const SYNC: u8 = 0x47;
const MAX_SECTION_BYTES: usize = 1024;
const MAX_QUEUE: usize = 256;
const VIDEO_ID: u8 = 0xe0;
const AUDIO_ID: u8 = 0xc0;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TsStats {
    pub packets: u64,
    /// Jumps of a continuity counter.
    pub discontinuities: u64,
    /// Sync byte not where it was due.
    pub resyncs: u64,
    pub oversized: u64,
}

#[derive(Debug, Default)]
struct Elementary {
    pid: u16,
    stream_type: u8,
    stream_id: u8,
    continuity: Option<u8>,
    data: BytesMut,
    /// Of the PES packet being gathered, once its header is complete.
    header: Option<PesHeader>,
    begun: bool,
    damaged: bool,
}

#[derive(Debug, Default)]
pub struct TsDemux {
    partial: BytesMut,
    pmt_pid: Option<u16>,
    section: BytesMut,
    streams: Vec<Elementary>,
    queue: VecDeque<EsChunk>,
    stats: TsStats,
}

impl TsDemux {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn stats(&self) -> TsStats {
        self.stats
    }

    pub fn poll(&mut self) -> Option<EsChunk> {
        self.queue.pop_front()
    }

    /// Bytes as they come, cut anywhere.
    pub fn push(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.partial.is_empty() && data.len() >= PACKET_BYTES && data[0] == SYNC {
                self.packet(&data[..PACKET_BYTES]);
                data = &data[PACKET_BYTES..];
                continue;
            }
            let n = (PACKET_BYTES - self.partial.len()).min(data.len());
            self.partial.extend_from_slice(&data[..n]);
            data = &data[n..];
            self.resync();
            if self.partial.len() == PACKET_BYTES {
                let packet = std::mem::take(&mut self.partial);
                self.packet(&packet);
            }
        }
    }

    /// `partial` begins with a sync byte, or is empty.
    fn resync(&mut self) {
        if self.partial.first().is_none_or(|b| *b == SYNC) {
            return;
        }
        self.stats.resyncs += 1;
        match self.partial.iter().position(|b| *b == SYNC) {
            Some(at) => drop(self.partial.split_to(at)),
            None => self.partial.clear(),
        }
    }

    /// Packets are missing before the next `push`.
    pub fn lost(&mut self) {
        self.partial.clear();
        self.section.clear();
        for s in &mut self.streams {
            s.damaged |= s.begun;
        }
    }

    /// What is gathered is complete: an outer sign says so, or nothing came for long.
    pub fn finish(&mut self) {
        for i in 0..self.streams.len() {
            self.end(i);
        }
    }

    /// A frame is being gathered whose end has no sign of its own.
    pub fn waits(&self) -> bool {
        self.streams.iter().any(|s| s.begun && s.header.is_some_and(|h| h.body_bytes.is_none()))
    }

    fn packet(&mut self, p: &[u8]) {
        self.stats.packets += 1;
        let pid = u16::from_be_bytes([p[1], p[2]]) & 0x1fff;
        let (error, start, control) = (p[1] & 0x80 != 0, p[1] & 0x40 != 0, p[3] >> 4 & 3);
        if error || control & 1 == 0 {
            return;
        }
        let at = if control == 3 { 5 + usize::from(p[4]) } else { 4 };
        let Some(payload) = p.get(at..).filter(|b| !b.is_empty()) else { return };
        if pid == 0 {
            if let Some(pid) = section_start(payload, start).and_then(|s| psi::pat(s).ok()) {
                self.pmt_pid = Some(pid);
            }
        } else if Some(pid) == self.pmt_pid {
            self.map(payload, start);
        } else if let Some(i) = self.streams.iter().position(|s| s.pid == pid) {
            self.elementary(i, payload, start, p[3] & 15);
        }
    }

    /// A program map may span packets.
    fn map(&mut self, payload: &[u8], start: bool) {
        if start {
            self.section.clear();
            let Some(section) = section_start(payload, true) else { return };
            self.section.extend_from_slice(section);
        } else if !self.section.is_empty() && self.section.len() < MAX_SECTION_BYTES {
            self.section.extend_from_slice(payload);
        }
        let Ok(found) = psi::pmt(&self.section) else { return };
        self.section.clear();
        let video = found.iter().find(|s| is_video(s.stream_type));
        let audio = found.iter().find(|s| is_audio(s.stream_type));
        let wanted = [(video, VIDEO_ID), (audio, AUDIO_ID)];
        let wanted = wanted.into_iter().filter_map(|(s, id)| s.map(|s| (*s, id))).collect::<Vec<_>>();
        let same = self.streams.len() == wanted.len()
            && self.streams.iter().zip(&wanted).all(|(a, (b, _))| (a.pid, a.stream_type) == (b.id, b.stream_type));
        if !same {
            self.finish();
            let new = |(s, stream_id): (psi::Stream, u8)| Elementary {
                pid: s.id,
                stream_type: s.stream_type,
                stream_id,
                ..Default::default()
            };
            self.streams = wanted.into_iter().map(new).collect();
        }
    }

    fn elementary(&mut self, i: usize, payload: &[u8], start: bool, continuity: u8) {
        let s = &mut self.streams[i];
        if let Some(last) = s.continuity.replace(continuity) {
            if last == continuity && !start {
                return; // §2.4.3.3: a packet may be sent twice
            }
            if continuity != (last + 1) & 15 {
                self.stats.discontinuities += 1;
                s.damaged |= s.begun;
            }
        }
        if start {
            self.end(i);
            self.streams[i].begun = true;
        }
        let s = &mut self.streams[i];
        if !s.begun {
            return;
        }
        if s.data.len() + payload.len() > MAX_UNIT_BYTES {
            self.stats.oversized += 1;
            s.damaged = true;
            self.end(i);
            return;
        }
        s.data.extend_from_slice(payload);
        if s.header.is_none() {
            match PesHeader::look(&s.data) {
                Look::Need(_) => return,
                Look::Found(header) => s.header = Some(header),
                Look::Bad => {
                    s.data.clear();
                    s.begun = false;
                    return;
                }
            }
        }
        let whole = s.header.and_then(|h| h.body_bytes.map(|body| h.header_bytes + body));
        if whole.is_some_and(|n| s.data.len() >= n) {
            self.end(i);
        }
    }

    fn end(&mut self, i: usize) {
        let s = &mut self.streams[i];
        let damaged = std::mem::take(&mut s.damaged);
        s.begun = false;
        let mut data = s.data.split();
        let Some(header) = s.header.take() else { return };
        let header_bytes = header.header_bytes.min(data.len());
        drop(data.split_to(header_bytes));
        if let Some(body) = header.body_bytes {
            data.truncate(body);
        }
        if data.is_empty() && !damaged {
            return;
        }
        if self.queue.len() >= MAX_QUEUE {
            self.queue.pop_front();
        }
        let (stream_id, stream_type) = (s.stream_id, s.stream_type);
        let (pts, dts) = (header.pts, header.dts);
        self.queue.push_back(EsChunk { stream_id, stream_type, pts, dts, data: data.freeze(), damaged });
    }
}

/// §2.4.4.1: the pointer field tells where the section begins.
fn section_start(payload: &[u8], start: bool) -> Option<&[u8]> {
    let (&pointer, rest) = payload.split_first()?;
    rest.get(usize::from(pointer)..).filter(|_| start)
}

fn is_video(kind: u8) -> bool {
    matches!(kind, stream_type::H264 | stream_type::H265 | stream_type::MPEG4_VIDEO | stream_type::SVAC_VIDEO | 1 | 2)
}

fn is_audio(kind: u8) -> bool {
    use stream_type::{AAC_ADTS, G711A, G711U, G722_1, G723_1, G729};
    matches!(kind, AAC_ADTS | G711A | G711U | G722_1 | G723_1 | G729 | 3 | 4)
}
