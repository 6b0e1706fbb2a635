//! The engine's fuzz targets on stable Rust: seeds of every format, the kept corpus, and mutations of both by seed.

#[path = "../fuzz/src/engine_cases.rs"]
mod engine_cases;
mod fuzz_support;

use codecs::rtp::rtcp;

/// Mutated inputs of each target in one run.
const ROUNDS: u64 = 20_000;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut compound = Vec::new();
    rtcp::write_sender_report(&mut compound, 1, 2, 3, 4, 5);
    rtcp::write_sdes(&mut compound, 1, "cname");
    rtcp::write_nack(&mut compound, 1, 2, &[1, 2, 30]);
    rtcp::write_remb(&mut compound, 1, 5_000_000, &[1]);
    compound.extend([0x8f, 205, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 100, 0, 5, 0, 0, 1, 0, 0x20, 2, 0xa8, 0, 4, 4, 8, 12]);
    match target {
        "stun" => {
            let mut message = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
            message.extend([0; 12]);
            message.extend(b"\x00\x06\x00\x05a:bcd\0\0\0");
            all.push(message);
        }
        "frame_port" => {
            let mut record = vec![0xf6, 1, 1, 0, 0, 13, 0, 1];
            record.extend([0; 24]);
            record.extend([0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5, 0x65, 1, 2, 3, 4]);
            let mut input = (record.len() as u16).to_be_bytes().to_vec();
            input.extend(&record);
            input.extend(input.clone());
            all.push(input);
        }
        "srt_stream_id" => {
            let ids = ["#!::r=a,m=publish,u=dji,s=x", "publish:a:dji:x", "#!::u=dji", "a", "read:a"];
            all.extend(ids.map(|id| id.as_bytes().to_vec()));
        }
        "ts_datagrams" => {
            let mut input = vec![0];
            for (n, head) in [&[][..], &[0x80, 33, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9][..]].iter().enumerate() {
                let mut datagram = head.to_vec();
                datagram.extend([
                    0x47, 0x40, 0, 0x10, 0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 4, 0xb2,
                ]);
                datagram.resize(head.len() + 188, 0xff);
                input.push(n as u8 + 2);
                input.extend((datagram.len() as u16).to_be_bytes());
                input.extend(datagram);
            }
            all.push(input);
        }
        _ => all.push(compound),
    }
    all.extend(fuzz_support::kept(target));
    all
}

#[test]
fn every_target_over_its_corpus_and_mutations() {
    for (name, case) in engine_cases::ALL {
        fuzz_support::tried(name, &seeds(name), ROUNDS, *case);
    }
}
