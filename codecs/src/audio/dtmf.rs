//! Telephone events (RFC 4733): keys pressed, carried beside the voice.

use crate::time::ts_delta;

const FLASH: u8 = 16;
/// A key whose end never came is taken for finished when nothing came for this long.
const LOST_END_MS: u32 = 200;
/// The last packet of an event goes out three times (§2.5.1.4).
const END_REPEATS: u8 = 3;

/// Name of an event code: "0" … "9", "*", "#", "A" … "D", "flash"; `None` for the others.
pub fn digit_name(event: u8) -> Option<&'static str> {
    const NAMES: [&str; 17] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#", "A", "B", "C", "D", "flash"];
    NAMES.get(usize::from(event)).copied()
}

/// The code of a digit; letters in any case.
pub fn digit_code(digit: &str) -> Option<u8> {
    (0..=FLASH).find(|&e| digit_name(e).is_some_and(|n| n.eq_ignore_ascii_case(digit)))
}

/// Gives each key once, however often its packets are repeated or lost.
#[derive(Debug, Clone, Default)]
pub struct DtmfReader {
    /// Event and timestamp of the key that is down.
    open: Option<(u8, u32)>,
    /// Timestamp of the last key that was given.
    done: Option<(u8, u32)>,
    idle_ms: u32,
}

impl DtmfReader {
    pub fn new() -> Self {
        Self::default()
    }

    /// One packet of the telephone-event payload type. Gives the names of keys that are finished by it: its own at its
    /// end, before that one whose end was lost.
    pub fn read(&mut self, ts: u32, payload: &[u8]) -> [Option<&'static str>; 2] {
        let [event, flags, ..] = *payload else { return [None; 2] };
        if payload.len() < 4 || digit_name(event).is_none() {
            return [None; 2];
        }
        let key = (event, ts);
        if self.done.is_some_and(|(_, last)| last == ts || is_older(ts, last)) {
            return [None; 2];
        }
        self.idle_ms = 0;
        let before = match self.open {
            Some(open) if open == key => None,
            Some((_, open_ts)) if is_older(ts, open_ts) => return [None; 2],
            Some((open, open_ts)) => {
                self.done = Some((open, open_ts));
                digit_name(open)
            }
            None => None,
        };
        self.open = Some(key);
        if flags & 0x80 == 0 {
            return [before, None];
        }
        self.open = None;
        self.done = Some(key);
        [before, digit_name(event)]
    }

    /// Each 20 ms: gives the key whose end was lost, once nothing has come for 200 ms.
    pub fn tick(&mut self) -> Option<&'static str> {
        let (event, _) = self.open?;
        self.idle_ms += super::FRAME_MS;
        if self.idle_ms < LOST_END_MS {
            return None;
        }
        self.done = self.open.take();
        digit_name(event)
    }

    /// A new source: its timestamps have nothing to do with what was.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// A little older: reordered. Far away in either direction is a source that started anew.
fn is_older(ts: u32, than: u32) -> bool {
    (-48_000 * 5..0).contains(&ts_delta(than, ts))
}

/// One packet to send in place of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DtmfPacket {
    pub marker: bool,
    /// RTP timestamp: that of the event's start, in all its packets.
    pub ts: u32,
    pub payload: [u8; 4],
}

/// Sends one key: a packet each 20 ms, the last one three times.
#[derive(Debug, Clone)]
pub struct DtmfWriter {
    event: u8,
    start_ts: u32,
    duration: u32,
    total: u32,
    step: u32,
    ends: u8,
    first: bool,
}

impl DtmfWriter {
    /// `start_ts`: RTP timestamp of the first frame that it replaces; `clock_hz` of the telephone-event's rtpmap.
    /// `duration_ms` is brought into 40 … 6000 ms. `None` for what is no key.
    pub fn new(digit: &str, start_ts: u32, clock_hz: u32, duration_ms: u32) -> Option<Self> {
        let step = clock_hz / 1000 * super::FRAME_MS;
        // The field has 16 bits; at 48 kHz that is 1.36 s. Longer ones would need segments (§2.5.1.3).
        let total = (clock_hz / 1000 * duration_ms.clamp(40, 6000)).min(0xffff / step.max(1) * step);
        let event = digit_code(digit)?;
        Some(Self { event, start_ts, duration: 0, total, step: step.max(1), ends: 0, first: true })
    }

    /// The packet of this 20 ms frame, and how often it is to be sent; `None`: finished, audio goes on.
    ///
    /// The three copies of the end go at once, each with its own sequence number.
    pub fn next_packet(&mut self) -> Option<(DtmfPacket, u8)> {
        if self.ends > 0 {
            return None;
        }
        self.duration = (self.duration + self.step).min(self.total);
        let end = self.duration >= self.total;
        let [hi, lo] = (self.duration as u16).to_be_bytes();
        let payload = [self.event, if end { 0x80 } else { 0 } | 10, hi, lo];
        let packet = DtmfPacket { marker: self.first, ts: self.start_ts, payload };
        self.first = false;
        if !end {
            return Some((packet, 1));
        }
        self.ends = END_REPEATS;
        Some((packet, END_REPEATS))
    }
}
