//! Transport stream in, frames out (ISO/IEC 13818-1 §2.4): one programme's picture, sound and KLV.
//!
//! Nothing damaged comes without saying so: a gap in a continuity counter marks what was being gathered, or comes as an
//! empty damaged chunk of its stream.

use super::sections::ProgramMap;
use super::ts_gather::{Elementary, Shared};
use super::ts_programs::{Change, Programs};
use super::ts_roles::{is_converted, role, Role};
use super::ts_sync::TsSync;
pub use super::ts_sync::PACKET_BYTES;
use super::EsChunk;
use crate::time::pts33_delta;
use bytes::Bytes;

/// Packets without any programme after which a person is told.
const NO_TABLES_PACKETS: u64 = 5000;
/// A problem is put out again after so many packets at the earliest.
const TELL_PACKETS: u64 = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TsOutput {
    Chunk(EsChunk),
    /// One SMPTE ST 336 packet.
    Klv(Bytes),
    /// Several programmes: `[{"number":1,"name":"…","tracks":["h264","aac"]}]`.
    Programs(String),
    /// The programme's clock jumped: before the first chunk of the new time.
    Discontinuity,
    Problem {
        code: &'static str,
        detail: String,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TsStats {
    pub packets: u64,
    /// Packets missing by their continuity counters (modulo 16).
    pub missing: u64,
    /// Sync byte not where it was due.
    pub resyncs: u64,
    pub oversized: u64,
    pub scrambled: u64,
    /// Tables with a wrong CRC or structure.
    pub bad_sections: u64,
}

#[derive(Debug, Default)]
pub struct TsDemux {
    sync: TsSync,
    inner: Demux,
}

#[derive(Debug, Default)]
struct Demux {
    programs: Programs,
    streams: Vec<Elementary>,
    pcr_pid: Option<u16>,
    /// 90 kHz.
    last_pcr: Option<u64>,
    shared: Shared,
    stats: TsStats,
    missing_told: u64,
    told: Vec<(&'static str, u64)>,
    changes: Vec<Change>,
}

impl TsDemux {
    /// The first programme with a picture.
    pub fn new() -> Self {
        Self::default()
    }

    /// `number`: program_number; 0: the first with a picture.
    pub fn of_program(number: u16) -> Self {
        let inner = Demux { programs: Programs::new(number), ..Demux::default() };
        Self { sync: TsSync::default(), inner }
    }

    pub fn stats(&self) -> TsStats {
        let shared = &self.inner.shared;
        TsStats {
            resyncs: self.sync.lost,
            missing: shared.missing,
            oversized: shared.oversized,
            bad_sections: self.inner.programs.bad_sections,
            ..self.inner.stats
        }
    }

    pub fn poll(&mut self) -> Option<TsOutput> {
        self.inner.shared.queue.pop_front()
    }

    /// Bytes as they come, cut anywhere. At most some 64 KiB between two rounds of `poll`, else the oldest outputs go.
    pub fn push(&mut self, data: &[u8]) {
        let (lost, skipped) = (self.sync.lost, self.sync.skipped_bytes);
        let inner = &mut self.inner;
        self.sync.push(data, |packet| inner.packet(packet));
        if self.sync.lost != lost {
            let detail = format!("{} bytes left out", self.sync.skipped_bytes - skipped);
            inner.problem("ts-sync-lost", detail);
        }
        if inner.shared.missing > inner.missing_told {
            let detail = format!("{} packets missing", inner.shared.missing - inner.missing_told);
            if inner.problem("ts-packets-lost", detail) {
                inner.missing_told = inner.shared.missing;
            }
        }
    }

    /// Packets are missing before the next `push`.
    pub fn lost(&mut self) {
        self.sync.clear();
        self.inner.programs.lost();
        self.inner.streams.iter_mut().for_each(Elementary::lost);
    }

    /// What is gathered is complete: an outer sign says so.
    pub fn finish(&mut self) {
        let inner = &mut self.inner;
        inner.streams.iter_mut().for_each(|s| s.end(&mut inner.shared));
    }

    /// Nothing came for long: what has no end of its own is complete.
    pub fn flush(&mut self) {
        let inner = &mut self.inner;
        inner.streams.iter_mut().filter(|s| s.waits()).for_each(|s| s.end(&mut inner.shared));
    }

    /// A frame is being gathered whose end has no sign of its own.
    pub fn waits(&self) -> bool {
        self.inner.streams.iter().any(Elementary::waits)
    }
}

impl Demux {
    fn problem(&mut self, code: &'static str, detail: String) -> bool {
        let at = self.stats.packets;
        match self.told.iter_mut().find(|(told, _)| *told == code) {
            Some((_, last)) if at - *last < TELL_PACKETS => return false,
            Some((_, last)) => *last = at,
            None => self.told.push((code, at)),
        }
        self.shared.put(TsOutput::Problem { code, detail });
        true
    }

    fn packet(&mut self, p: &[u8; PACKET_BYTES]) {
        self.stats.packets += 1;
        let pid = u16::from_be_bytes([p[1], p[2]]) & 0x1fff;
        let (error, start, control) = (p[1] & 0x80 != 0, p[1] & 0x40 != 0, p[3] >> 4 & 3);
        if error || pid == 0x1fff {
            return;
        }
        if control & 2 != 0 && p[4] > 0 {
            self.adaptation(pid, &p[5..p.len().min(5 + usize::from(p[4]))]);
        }
        if control & 1 == 0 {
            return;
        }
        let at = if control == 3 { 5 + usize::from(p[4]) } else { 4 };
        let Some(payload) = p.get(at..).filter(|b| !b.is_empty()) else { return };
        if let Some(stream) = self.streams.iter_mut().find(|s| s.pid == pid) {
            if p[3] & 0xc0 != 0 {
                self.stats.scrambled += 1;
                self.problem("ts-scrambled", format!("PID {pid} is scrambled"));
                return;
            }
            let stuffed = control == 3 && (p[4] == 0 || p[5] == 0);
            return stream.packet(payload, start, stuffed, p[3] & 15, &mut self.shared);
        }
        let bad = self.programs.bad_sections;
        if self.programs.packet(pid, payload, start, &mut self.changes) {
            self.changed();
        }
        if self.programs.bad_sections != bad {
            self.problem("ts-table-damaged", format!("table on PID {pid}"));
        }
        if !self.programs.known() && self.stats.packets % NO_TABLES_PACKETS == 0 {
            self.problem("ts-no-program", format!("no PAT in {} packets", self.stats.packets));
        }
    }

    /// §2.4.3.5. `field`: what follows its length.
    fn adaptation(&mut self, pid: u16, field: &[u8]) {
        let [flags, rest @ ..] = field else { return };
        if flags & 0x80 != 0 {
            if let Some(stream) = self.streams.iter_mut().find(|s| s.pid == pid) {
                stream.may_jump();
            }
        }
        let (0x10, Some(&[a, b, c, d, e, _])) = (flags & 0x10, rest.first_chunk::<6>()) else { return };
        if self.pcr_pid != Some(pid) {
            return;
        }
        let pcr = u64::from(u32::from_be_bytes([a, b, c, d])) << 1 | u64::from(e >> 7);
        // §2.7.2: 100 ms apart at most; a second more for what was lost
        let step = self.last_pcr.map_or(0, |last| pts33_delta(last, pcr));
        self.shared.pcr_jumped |= flags & 0x80 != 0 || !(0..=99_000).contains(&step);
        self.last_pcr = Some(pcr);
    }

    fn changed(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            match change {
                Change::Map => self.take_program(),
                Change::List(list) => self.shared.put(TsOutput::Programs(list)),
                Change::Missing(detail) => drop(self.problem("ts-no-program", detail)),
            }
        }
    }

    /// The streams of the chosen programme; those that stay go on.
    fn take_program(&mut self) {
        let map = self.programs.map().cloned().unwrap_or_default();
        let wanted = wanted(&map);
        let epoch = self.shared.epoch;
        let mut old = std::mem::take(&mut self.streams);
        for (pid, role) in &wanted {
            let same = |s: &Elementary| s.pid == *pid && (s.role == *role || *role == Role::Private);
            let stream = match old.iter().position(same) {
                Some(at) => old.swap_remove(at),
                None => Elementary::new(*pid, *role, epoch),
            };
            self.streams.push(stream);
        }
        old.iter_mut().for_each(|s| s.end(&mut self.shared));
        if self.pcr_pid != Some(map.pcr_pid) {
            self.pcr_pid = Some(map.pcr_pid);
            self.last_pcr = None;
        }
        for video in [true, false] {
            let have = |(_, r): &(u16, Role)| matches!((r, video), (Role::Video(_), true) | (Role::Audio(_), false));
            if wanted.iter().any(have) {
                continue;
            }
            let foreign = map.streams.iter().find_map(|s| match role(&map, s) {
                Role::Foreign { video: v, name } if v == video => Some((name, s.stream_type)),
                _ => None,
            });
            if let Some((name, kind)) = foreign {
                // Names that are the same in every language: the code's words say what is to be done.
                let code = if video { "codec-unsupported" } else { "audio-unsupported" };
                self.problem(code, format!("{name} (stream_type 0x{kind:02x})"));
            }
        }
    }
}

/// The first picture and the first sound that we carry, all KLV, and private streams that may be KLV.
fn wanted(map: &ProgramMap) -> Vec<(u16, Role)> {
    let all = map.streams.iter().map(|s| (s.pid, role(map, s))).collect::<Vec<_>>();
    let first = |fits: fn(&Role) -> bool| {
        let mut fitting = all.iter().filter(|(_, r)| fits(r));
        let any = fitting.clone().next();
        fitting.find(|(_, r)| !is_converted(*r)).or(any)
    };
    let video = first(|r| matches!(r, Role::Video(_)));
    let audio = first(|r| matches!(r, Role::Audio(_)));
    let data = all.iter().filter(|(_, r)| matches!(r, Role::Klv { .. } | Role::Private));
    video.into_iter().chain(audio).chain(data).copied().collect()
}
