//! Telephone events: each key once, whatever the network does to its packets.

use codecs::audio::dtmf::{digit_code, digit_name, DtmfReader, DtmfWriter};

/// All packets of a key as they go out: (timestamp, payload), repeats and all.
fn packets(digit: &str, ts: u32, ms: u32) -> Vec<(u32, [u8; 4])> {
    let mut writer = DtmfWriter::new(digit, ts, 8000, ms).expect("a key");
    let mut all = Vec::new();
    while let Some((packet, times)) = writer.next_packet() {
        assert_eq!(packet.marker, all.is_empty());
        all.extend((0..times).map(|_| (packet.ts, packet.payload)));
    }
    all
}

fn keys(reader: &mut DtmfReader, packets: &[(u32, [u8; 4])]) -> Vec<&'static str> {
    packets.iter().flat_map(|(ts, payload)| reader.read(*ts, payload)).flatten().collect()
}

#[test]
fn every_key_goes_there_and_back_once() {
    let mut reader = DtmfReader::new();
    for (i, digit) in
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#", "A", "B", "C", "D", "flash"].iter().enumerate()
    {
        let all = packets(digit, i as u32 * 4000, 160);
        assert_eq!(all.len(), 8 - 1 + 3);
        assert_eq!(all[7..].iter().filter(|(_, p)| p[1] & 0x80 != 0).count(), 3);
        assert_eq!(all.last().unwrap().1[2..], 1280u16.to_be_bytes());
        assert_eq!(keys(&mut reader, &all), [*digit]);
    }
    assert_eq!((digit_code("a"), digit_code("x"), digit_name(17)), (Some(12), None, None));
    assert!(DtmfWriter::new("12", 0, 8000, 100).is_none());
}

#[test]
fn lost_reordered_and_repeated_packets_give_one_key() {
    for lost in 0..10 {
        let mut all = packets("7", 100, 160);
        all.remove(lost);
        all.extend(all.clone());
        assert_eq!(keys(&mut DtmfReader::new(), &all), ["7"], "without packet {lost}");
    }
    let mut all = packets("7", 100, 160);
    all.swap(6, 8);
    assert_eq!(keys(&mut DtmfReader::new(), &all), ["7"]);
}

#[test]
fn a_key_whose_end_is_lost_is_told_by_time_or_by_the_next() {
    let mut reader = DtmfReader::new();
    let all = packets("5", 100, 160);
    assert!(keys(&mut reader, &all[..7]).is_empty());
    let told: Vec<_> = (0..12).filter_map(|_| reader.tick()).collect();
    assert_eq!(told, ["5"]);
    assert!(keys(&mut reader, &all[7..]).is_empty(), "its end comes late after all");

    let mut reader = DtmfReader::new();
    keys(&mut reader, &all[..3]);
    assert_eq!(keys(&mut reader, &packets("6", 2000, 100)), ["5", "6"]);
    assert_eq!(keys(&mut reader, &packets("6", 6000, 100)), ["6"], "the same key again");
}

#[test]
fn a_source_that_starts_anew_is_heard() {
    let mut reader = DtmfReader::new();
    assert_eq!(keys(&mut reader, &packets("1", 0xf000_0000, 100)), ["1"]);
    assert_eq!(keys(&mut reader, &packets("2", 0x1000_0000, 100)), ["2"]);
    reader.reset();
    assert_eq!(keys(&mut reader, &packets("3", 0x1000_0000, 100)), ["3"]);
}

#[test]
fn nonsense_is_ignored() {
    let mut reader = DtmfReader::new();
    for payload in [&[][..], &[1], &[1, 0x80, 0], &[17, 0x80, 0, 1], &[255; 40]] {
        assert_eq!(reader.read(1, payload), [None, None], "{payload:?}");
    }
}

#[test]
fn long_keys_fit_the_field() {
    let all = |clock| {
        let mut writer = DtmfWriter::new("1", 0, clock, 60_000).unwrap();
        std::iter::from_fn(move || writer.next_packet())
            .map(|(p, _)| u16::from_be_bytes([p.payload[2], p.payload[3]]))
            .collect::<Vec<_>>()
    };
    for clock in [8000, 16_000, 48_000] {
        let durations = all(clock);
        assert!(durations.windows(2).all(|w| w[0] < w[1]), "{clock}: no wrap");
        assert!(durations.len() >= 68, "{clock}: {} frames", durations.len());
    }
}
