//! A session's keys: sealing what goes out, opening what comes in, and changing to new keys without a gap.
//!
//! An *epoch* is one handshake's pair of keys; its phase (two bits) stands in every packet. The kit brings the next epoch
//! about. Each end takes packets of the new phase from the moment it has the keys; the kit sends under them at once, the
//! center from the first packet of the kit that shows it has them too. The old ones open what is still under way for 10 s.

use crate::time::Micros;

use super::handshake::Split;
use super::suite::{PacketKey, TAG_BYTES};
use super::wire::{DataHeader, DATA_HEADER_BYTES};

/// New keys after this many packets or this long.
pub const REKEY_PACKETS: u64 = 1 << 32;
pub const REKEY_US: u64 = 30 * 60 * 1_000_000;
const KEEP_OLD_US: u64 = 10_000_000;
/// Numbers have 48 bits on the wire.
const LAST_NUMBER: u64 = (1 << 48) - 1;

/// What a datagram takes around its frames.
pub const fn overhead_bytes() -> usize {
    DATA_HEADER_BYTES + super::wire::DATA_PREFIX_BYTES + TAG_BYTES
}

struct Epoch {
    phase: u8,
    send: PacketKey,
    receive: PacketKey,
}

impl Epoch {
    fn new(split: &Split, initiator: bool, phase: u8) -> Self {
        let (ours, theirs) = (PacketKey::new(&split.from_initiator), PacketKey::new(&split.from_responder));
        let (send, receive) = if initiator { (ours, theirs) } else { (theirs, ours) };
        Self { phase, send, receive }
    }
}

pub struct Keys {
    initiator: bool,
    /// The index that the peer receives under.
    pub receiver: u32,
    now: Epoch,
    /// Of the epoch before, until then.
    old: Option<(Epoch, Micros)>,
    /// A center's, until the kit shows that it has it.
    next: Option<Epoch>,
    number: u64,
    since: Micros,
    first_number: u64,
}

impl Keys {
    pub fn new(split: &Split, initiator: bool, receiver: u32, now: Micros) -> Self {
        let epoch = Epoch::new(split, initiator, 0);
        Self { initiator, receiver, now: epoch, old: None, next: None, number: 0, since: now, first_number: 0 }
    }

    /// The phase that a new epoch would have.
    pub fn next_phase(&self) -> u8 {
        (self.now.phase + 1) & 3
    }

    /// It is time for new ones.
    pub fn are_used_up(&self, now: Micros) -> bool {
        self.number - self.first_number >= REKEY_PACKETS || now.since(self.since) >= REKEY_US
    }

    /// The number of the next datagram.
    pub fn next_number(&self) -> u64 {
        self.number
    }

    pub fn since(&self) -> Micros {
        self.since
    }

    /// A new epoch's keys are there.
    pub fn install(&mut self, split: &Split, phase: u8, now: Micros) {
        let epoch = Epoch::new(split, self.initiator, phase);
        if self.initiator {
            self.turn(epoch, now);
        } else {
            self.next = Some(epoch);
        }
    }

    fn turn(&mut self, epoch: Epoch, now: Micros) {
        let old = std::mem::replace(&mut self.now, epoch);
        self.old = Some((old, Micros(now.0 + KEEP_OLD_US)));
        (self.since, self.first_number) = (now, self.number);
    }

    /// Seal a datagram whose plain part is `buf[DATA_HEADER_BYTES..end]`; its length, header and tag included. `None`:
    /// the numbers are used up, which no session lives long enough to see.
    pub fn seal(&mut self, path: u8, buf: &mut [u8], end: usize) -> Option<usize> {
        if self.number > LAST_NUMBER {
            return None;
        }
        let header = DataHeader { phase: self.now.phase, receiver: self.receiver, path, number: self.number };
        header.write(buf);
        self.number += 1;
        let (head, body) = buf.split_at_mut(DATA_HEADER_BYTES);
        self.now.send.seal(header.number, head, &mut body[..end - DATA_HEADER_BYTES + TAG_BYTES]);
        Some(end + TAG_BYTES)
    }

    /// Open a datagram in place; its plain part. `None`: not authentic under any key of its phase.
    pub fn open<'a>(&mut self, header: &DataHeader, datagram: &'a mut [u8], now: Micros) -> Option<&'a mut [u8]> {
        let (head, body) = datagram.split_at_mut_checked(DATA_HEADER_BYTES)?;
        if self.old.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.old = None;
        }
        if header.phase == self.now.phase {
            return self.now.receive.open(header.number, head, body);
        }
        if let Some(next) = self.next.take_if(|next| next.phase == header.phase) {
            let opened = next.receive.open(header.number, head, body);
            if opened.is_some() {
                self.turn(next, now);
            } else {
                self.next = Some(next);
            }
            return opened;
        }
        let (old, _) = self.old.as_ref().filter(|(old, _)| old.phase == header.phase)?;
        old.receive.open(header.number, head, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::wire::Datagram;

    fn split(seed: u8) -> Split {
        Split { from_initiator: [seed; 32], from_responder: [seed + 100; 32] }
    }

    fn packet(from: &mut Keys) -> Vec<u8> {
        let mut buf = vec![0; 100];
        buf[12..20].copy_from_slice(b"a secret");
        let len = from.seal(3, &mut buf, 20).expect("numbers left");
        buf.truncate(len);
        buf
    }

    fn opens(to: &mut Keys, packet: &[u8], now: Micros) -> bool {
        let Ok(Datagram::Data(header)) = Datagram::parse(packet) else { panic!("data") };
        let mut copy = packet.to_vec();
        to.open(&header, &mut copy, now).is_some_and(|plain| plain == b"a secret")
    }

    #[test]
    fn both_ways_and_nothing_forged() {
        let start = Micros(1);
        let (mut kit, mut center) = (Keys::new(&split(1), true, 7, start), Keys::new(&split(1), false, 9, start));
        let (up, down) = (packet(&mut kit), packet(&mut center));
        assert!(opens(&mut center, &up, start) && opens(&mut kit, &down, start));
        assert!(!opens(&mut kit, &up, start), "our own, reflected");
        for at in 0..up.len() {
            let mut bent = up.clone();
            bent[at] ^= 0x10;
            if let Ok(Datagram::Data(header)) = Datagram::parse(&bent) {
                assert!(center.open(&header, &mut bent, start).is_none(), "byte {at}");
            }
        }
        assert_ne!(up[6..], packet(&mut kit)[6..], "the number moves on");
    }

    #[test]
    fn new_keys_come_without_a_gap() {
        let start = Micros(1);
        let (mut kit, mut center) = (Keys::new(&split(1), true, 7, start), Keys::new(&split(1), false, 9, start));
        let (late_up, late_down) = (packet(&mut kit), packet(&mut center));
        let turned = Micros(REKEY_US + 1);
        assert!(!kit.are_used_up(Micros(REKEY_US)) && kit.are_used_up(turned));
        assert_eq!(kit.next_phase(), 1);
        center.install(&split(2), 1, turned);
        assert!(opens(&mut kit, &packet(&mut center), turned), "still under the old ones");
        kit.install(&split(2), 1, turned);
        assert!(!kit.are_used_up(turned));
        let old_down = packet(&mut center);
        let new_up = packet(&mut kit);
        let mut forged = new_up.clone();
        *forged.last_mut().expect("a tag") ^= 1;
        assert!(!opens(&mut center, &forged, turned) && opens(&mut center, &new_up, turned));
        assert_eq!(packet(&mut center)[0] & 3, 1, "the center follows");
        assert!(opens(&mut kit, &packet(&mut center), turned) && opens(&mut kit, &old_down, turned));
        let later = Micros(turned.0 + KEEP_OLD_US);
        assert!(opens(&mut center, &late_up, Micros(later.0 - 1)) && !opens(&mut center, &late_up, later));
        assert!(!opens(&mut kit, &late_down, later));
    }
}
