//! Hostile bytes at the voices: nothing panics, nothing grows without bound.

use codecs::audio::format::Format;
use codecs::relay::voice_line::Numbers;
use codecs::rtp::header::RtpView;
use codecs::time::Micros;
use codecs::voice::inlet::{Accept, Inlet};
use codecs::voice::usrp;

/// xorshift64*: the same bytes in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    fn bytes(&mut self, max: u64) -> Vec<u8> {
        (0..self.below(max)).map(|_| self.next() as u8).collect()
    }
}

#[test]
fn packets_of_every_kind_into_one_inlet() {
    let mut dice = Dice(0x5eed);
    let kinds = ["pcma", "pcmu", "g722", "opus", "l16"];
    let format = |name: &&str| Format::new(name, if *name == "opus" { 48_000 } else { 8_000 }, 1).expect("ours");
    let mut accepts: Vec<(u8, Accept)> =
        kinds.iter().enumerate().map(|(i, n)| (i as u8, Accept::Audio(format(n)))).collect();
    accepts.extend([(5, Accept::Event), (6, Accept::ComfortNoise)]);
    let mut inlet = Inlet::new(accepts);
    let mut frame = Vec::new();
    let (mut seq, mut ts) = (0u16, 0u32);
    for tick in 0..20_000u64 {
        let now = Micros(tick * 20_000);
        for _ in 0..dice.below(4) {
            // Mostly in order, now and then anywhere.
            match dice.below(20) {
                0 => (seq, ts) = (dice.next() as u16, dice.next() as u32),
                1 => seq = seq.wrapping_sub(3),
                _ => (seq, ts) = (seq.wrapping_add(1), ts.wrapping_add(160)),
            }
            let mut packet = vec![0x80, dice.below(8) as u8 | (dice.below(2) as u8) << 7];
            packet.extend(seq.to_be_bytes());
            packet.extend(ts.to_be_bytes());
            packet.extend((dice.below(3) as u32).to_be_bytes());
            packet.extend(dice.bytes(400));
            if let Ok(view) = RtpView::parse(&packet) {
                inlet.packet(&view, now);
            }
        }
        inlet.tick_keys();
        inlet.pull(now, &mut frame);
        assert!(frame.len() <= 960);
    }
    assert!(inlet.packets > 10_000 && inlet.report(Micros(1)).is_some());
}

#[test]
fn usrp_and_its_numbers_take_anything() {
    let mut dice = Dice(77);
    let mut numbers = Numbers::default();
    for n in 0..50_000u64 {
        let mut packet = if n % 3 == 0 { Vec::new() } else { b"USRP".to_vec() };
        packet.extend(dice.bytes(400));
        if let Ok(read) = usrp::parse(&packet) {
            assert!(read.body.len() <= 400);
            numbers.next(read.seq as u16, 160, 8000, Micros(n * dice.below(40_000)));
        }
    }
}
