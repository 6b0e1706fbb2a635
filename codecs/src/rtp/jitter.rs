//! A bounded reorder buffer: packets go out in sequence order, or are declared lost by window or by time.
//!
//! The common case costs nothing: a packet that is next in line is not stored at all (`Offer::InOrder`), the caller
//! uses it where it lies. Only what came too early is copied and held.
//!
//! ```text
//! offer(seq)            next ≤ seq < next+window      held until the gap closes or hold time is over
//!                       window ≤ distance < 3000      everything held is released, the gap counts as lost
//!                       ≥ 3000 ahead, or far behind   a sender restart, believed when its successor comes (RFC 3550 A.1)
//!                       just behind                   duplicate or late
//! ```

use std::collections::VecDeque;

use crate::time::{seq_delta, Micros};

/// RFC 3550 A.1: a jump this far ahead is a restart, not loss.
pub const MAX_DROPOUT: i32 = 3000;
pub const MAX_WINDOW_PACKETS: usize = 2048;
/// Bytes held at most: packets may be as large as a datagram, and a hostile sender's are.
const MAX_HELD_BYTES: usize = 4 << 20;
/// Buffers kept for reuse, and how large one may be.
const SPARE_BUFFERS: usize = 32;
const SPARE_BYTES: usize = 4096;
/// Sequence numbers remembered to tell duplicates from late packets.
const HISTORY: i32 = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Use it now (after declaring `lost` packets before it), then call `pop` until `None`.
    InOrder {
        lost: u32,
    },
    /// Stored; call `pop`: something may have become due.
    Held,
    Duplicate,
    Late,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Popped {
    pub packet: Vec<u8>,
    pub arrival: Micros,
    /// Packets declared lost directly before this one.
    pub lost: u32,
    /// The sequence starts anew here: the sender restarted.
    pub restart: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JitterStats {
    pub lost: u64,
    pub reordered: u64,
    pub duplicates: u64,
    pub late: u64,
    pub restarts: u64,
}

#[derive(Debug)]
struct Held {
    packet: Vec<u8>,
    arrival: Micros,
}

#[derive(Debug)]
pub struct JitterBuffer {
    window: usize,
    hold_ms: u64,
    next: Option<u16>,
    /// Slot `i` waits for sequence `next + i`; the first slot is empty between calls, the last one never is.
    slots: VecDeque<Option<Held>>,
    /// Beyond the window; released after all slots. `bool`: a restart begins here.
    beyond: VecDeque<(u16, Held, bool)>,
    suspect: Option<(u16, Held)>,
    /// Lost since the last packet that went out.
    gap: u32,
    /// Bit `i`: `next - 1 - i` was received.
    history: u128,
    late_run: usize,
    held_bytes: usize,
    spare: Vec<Vec<u8>>,
    stats: JitterStats,
}

impl JitterBuffer {
    /// `window` packets (1..=`MAX_WINDOW_PACKETS`), `hold_ms`: how long a gap may hold up what follows.
    pub fn new(window: usize, hold_ms: u64) -> Self {
        Self {
            window: window.clamp(1, MAX_WINDOW_PACKETS),
            hold_ms,
            next: None,
            slots: VecDeque::new(),
            beyond: VecDeque::new(),
            suspect: None,
            gap: 0,
            history: 0,
            late_run: 0,
            held_bytes: 0,
            spare: Vec::new(),
            stats: JitterStats::default(),
        }
    }

    pub fn stats(&self) -> JitterStats {
        self.stats
    }

    /// Packets held now.
    pub fn len(&self) -> usize {
        self.slots.iter().flatten().count() + self.beyond.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.beyond.is_empty()
    }

    /// Forget the sequence: whatever comes next is taken as the first packet.
    pub fn reset(&mut self) {
        self.slots.clear();
        self.beyond.clear();
        self.suspect = None;
        self.held_bytes = 0;
        self.next = None;
        self.history = 0;
        self.gap = 0;
        self.late_run = 0;
    }

    pub fn offer(&mut self, seq: u16, packet: &[u8], now: Micros) -> Offer {
        let Some(next) = self.next else {
            self.advance_to(seq.wrapping_add(1), true);
            return Offer::InOrder { lost: 0 };
        };
        let ahead = seq_delta(next, seq);
        if ahead != 0 && self.held_bytes + packet.len() > MAX_HELD_BYTES {
            self.stats.late += 1;
            return Offer::Late;
        }
        if !self.beyond.is_empty() {
            // Only between `offer` and the `pop`s that follow; a caller that does not pop loses order, not memory.
            return self.far(seq, packet, now, ahead);
        }
        if ahead == 0 {
            if self.slots.pop_front().is_some() {
                self.stats.reordered += 1; // others came before it
            }
            self.advance_to(seq.wrapping_add(1), true);
            self.late_run = 0;
            return Offer::InOrder { lost: std::mem::take(&mut self.gap) };
        }
        if ahead > 0 && (ahead as usize) < self.window {
            return self.store(ahead as usize, packet, now);
        }
        if ahead >= 0 || -ahead > self.window as i32 {
            return self.far(seq, packet, now, ahead);
        }
        self.late_run += 1;
        if self.late_run > self.window {
            // A sender that restarted just behind, or does not count at all: follow it.
            let held = self.hold(packet, now);
            self.beyond.push_back((seq, held, true));
            return Offer::Held;
        }
        if -ahead <= HISTORY && self.history >> (-ahead - 1) & 1 == 1 {
            self.stats.duplicates += 1;
            return Offer::Duplicate;
        }
        self.stats.late += 1;
        Offer::Late
    }

    fn store(&mut self, slot: usize, packet: &[u8], now: Micros) -> Offer {
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        } else if self.slots[slot].is_some() {
            self.stats.duplicates += 1;
            return Offer::Duplicate;
        } else {
            self.stats.reordered += 1;
        }
        self.late_run = 0;
        let held = self.hold(packet, now);
        self.slots[slot] = Some(held);
        Offer::Held
    }

    fn far(&mut self, seq: u16, packet: &[u8], now: Micros, ahead: i32) -> Offer {
        if self.beyond.len() >= self.window {
            self.stats.late += 1;
            return Offer::Late;
        }
        if (0..MAX_DROPOUT).contains(&ahead) {
            let held = self.hold(packet, now);
            self.beyond.push_back((seq, held, false));
            return Offer::Held;
        }
        match self.suspect.take() {
            Some((last, first)) if last.wrapping_add(1) == seq => {
                let held = self.hold(packet, now);
                self.beyond.push_back((last, first, true));
                self.beyond.push_back((seq, held, false));
            }
            Some((last, first)) if last == seq => {
                self.stats.duplicates += 1;
                self.suspect = Some((last, first));
                return Offer::Duplicate;
            }
            before => {
                self.held_bytes -= before.map_or(0, |(_, held)| held.packet.len());
                let held = self.hold(packet, now);
                self.suspect = Some((seq, held));
            }
        }
        Offer::Held
    }

    /// The next packet that is due, in order. Call after each `offer`, and when `next_timer` has passed.
    pub fn pop(&mut self, now: Micros) -> Option<Popped> {
        loop {
            match self.slots.front() {
                Some(Some(_)) => {
                    let held = self.slots.pop_front().flatten()?;
                    let next = self.next?.wrapping_add(1);
                    self.advance_to(next, true);
                    return Some(self.popped(held, false));
                }
                Some(None) => {
                    let due = self.next_timer().is_some_and(|at| at <= now);
                    if self.beyond.is_empty() && !due {
                        return None;
                    }
                    self.slots.pop_front();
                    let next = self.next?.wrapping_add(1);
                    self.advance_to(next, false);
                    self.declare_lost(1);
                }
                None => {
                    let (seq, held, restart) = self.beyond.pop_front()?;
                    if let Some(popped) = self.pop_beyond(seq, held, restart) {
                        return Some(popped);
                    }
                }
            }
        }
    }

    fn pop_beyond(&mut self, seq: u16, held: Held, restart: bool) -> Option<Popped> {
        let skipped = seq_delta(self.next?, seq);
        if restart {
            self.stats.restarts += 1;
            self.late_run = 0;
        } else if skipped < 0 {
            self.stats.late += 1;
            self.held_bytes -= held.packet.len();
            self.recycle(held.packet);
            return None;
        } else {
            self.declare_lost(skipped as u32);
        }
        self.history = 0;
        self.advance_to(seq.wrapping_add(1), true);
        Some(self.popped(held, restart))
    }

    /// When a gap must be given up, if one holds something up.
    pub fn next_timer(&self) -> Option<Micros> {
        let first = self.slots.iter().flatten().next()?;
        Some(first.arrival.plus_ms(self.hold_ms))
    }

    /// Sequence numbers that are missing below what is held.
    pub fn missing(&self) -> impl Iterator<Item = u16> + '_ {
        let next = self.next.unwrap_or_default();
        let empty = self.slots.iter().enumerate().filter(|(_, s)| s.is_none());
        empty.map(move |(i, _)| next.wrapping_add(i as u16))
    }

    /// Give a popped buffer back for reuse.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && buffer.capacity() <= SPARE_BYTES {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    fn hold(&mut self, packet: &[u8], arrival: Micros) -> Held {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.extend_from_slice(packet);
        self.held_bytes += packet.len();
        Held { packet: buffer, arrival }
    }

    fn popped(&mut self, held: Held, restart: bool) -> Popped {
        self.held_bytes -= held.packet.len();
        Popped { packet: held.packet, arrival: held.arrival, lost: std::mem::take(&mut self.gap), restart }
    }

    fn declare_lost(&mut self, count: u32) {
        self.gap = self.gap.saturating_add(count);
        self.stats.lost += u64::from(count);
    }

    fn advance_to(&mut self, next: u16, received: bool) {
        self.next = Some(next);
        self.history = self.history << 1 | u128::from(received);
    }
}
