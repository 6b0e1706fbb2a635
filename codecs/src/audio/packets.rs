//! The packets that wait, by sequence number: bounded, and without allocation once its buffers have grown.

/// 640 ms of 10 ms packets, 1.28 s of 20 ms ones.
pub const SLOTS: i64 = 64;
/// 20 ms of stereo L16 at 48 kHz are 3840 bytes; nothing sensible is larger than this.
pub const MAX_PAYLOAD_BYTES: usize = 8192;

/// What a packet carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Audio,
    ComfortNoise,
    /// Something else of the same source, in the same row of sequence numbers: a telephone event.
    Other,
}

#[derive(Debug, Default)]
pub struct Slot {
    full: bool,
    pub seq: i64,
    /// Extended timestamp in samples.
    pub ts: i64,
    pub kind: Kind,
    pub payload: Vec<u8>,
}

#[derive(Debug)]
pub struct Packets {
    slots: Vec<Slot>,
    waiting: usize,
}

impl Default for Packets {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| Slot::default()).collect(), waiting: 0 }
    }
}

impl Packets {
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    pub fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.full = false);
        self.waiting = 0;
    }

    /// False when it is there already. The caller keeps all numbers within a span of SLOTS.
    pub fn put(&mut self, seq: i64, ts: i64, kind: Kind, payload: &[u8]) -> bool {
        let slot = &mut self.slots[seq.rem_euclid(SLOTS) as usize];
        if slot.full {
            return false;
        }
        self.waiting += 1;
        slot.full = true;
        slot.seq = seq;
        slot.ts = ts;
        slot.kind = kind;
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
        true
    }

    pub fn get(&self, seq: i64) -> Option<&Slot> {
        let slot = &self.slots[seq.rem_euclid(SLOTS) as usize];
        (slot.full && slot.seq == seq).then_some(slot)
    }

    pub fn remove(&mut self, seq: i64) {
        let slot = &mut self.slots[seq.rem_euclid(SLOTS) as usize];
        if slot.full && slot.seq == seq {
            slot.full = false;
            self.waiting -= 1;
        }
    }

    /// The first one at or after `seq`.
    pub fn first_from(&self, seq: i64) -> Option<&Slot> {
        if self.waiting == 0 {
            return None;
        }
        (seq..seq + SLOTS).find_map(|seq| self.get(seq))
    }
}
