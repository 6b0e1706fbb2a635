//! The fuzz targets of audio on stable Rust: seeds, the kept corpus, and mutations of both by seed.

#[path = "../fuzz/src/audio_cases.rs"]
mod audio_cases;
mod fuzz_support;
#[path = "audio_support/mod.rs"]
mod support;

use support::Talker;

/// Mutated inputs of each target in one run.
const ROUNDS: u64 = 2500;

fn piece(out: &mut Vec<u8>, head: &[u8], body: &[u8]) {
    out.extend(((head.len() + body.len()) as u16).to_be_bytes());
    out.extend(head);
    out.extend(body);
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let of = |codec: &str, clock: u32, first: Option<u8>| {
        let mut talker = Talker::new(codec, clock, 20);
        let mut input: Vec<u8> = first.into_iter().collect();
        for _ in 0..8 {
            let payload = talker.payload();
            // Playout: the next in order, 160 ticks on, 20 ms later, pulled once.
            let head: &[u8] = if first.is_some() { &[0, 1, 160, 0, 0, 1] } else { &[] };
            piece(&mut input, head, &payload);
        }
        input
    };
    match target {
        "audio_dtmf" => {
            let mut input = Vec::new();
            for payload in [[5, 10, 0, 160], [5, 10, 1, 64], [5, 0x8a, 1, 224], [11, 0x8a, 0, 160]] {
                piece(&mut input, &[0, payload[0]], &payload);
                piece(&mut input, &[], &[]);
            }
            all.push(input);
        }
        "audio_playout" => {
            for (n, (codec, clock)) in [("pcma", 8000), ("pcmu", 8000), ("g722", 8000)].iter().enumerate() {
                all.push(of(codec, *clock, Some(n as u8)));
            }
            all.push(of("opus", 48_000, Some(5)));
        }
        "audio_g722" => all.push(of("g722", 8000, None)),
        "audio_l16" => all.push(of("l16", 16_000, None)),
        "audio_opus" => all.push(of("opus", 48_000, None)),
        _ => all.push(of("pcma", 8000, None)),
    }
    all.extend(fuzz_support::kept(target));
    all
}

#[test]
fn every_target_over_its_corpus_and_mutations() {
    for (name, case) in audio_cases::ALL {
        fuzz_support::tried(name, &seeds(name), ROUNDS, *case);
    }
}
