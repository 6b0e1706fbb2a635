//! The jitter buffer against simulated networks: seeded loss, jitter, clocks that differ, restarts, DTX, lies.

#[path = "audio_support/mod.rs"]
mod support;

use codecs::audio::codec::{Encoder, EncoderConfig};
use codecs::audio::level::rms_db;
use codecs::audio::playout::{Arrived, Playout, PlayoutConfig, Pulled};
use codecs::audio::tone::{tone_db, Sine};
use codecs::time::Micros;
use support::{format, Network, Run, Talker};

fn config() -> PlayoutConfig {
    PlayoutConfig::default()
}

#[test]
fn a_clean_network_plays_everything_and_soon() {
    for (codec, clock) in [("pcma", 8000), ("g722", 8000), ("opus", 48_000), ("opus16", 48_000), ("l16", 16_000)] {
        for packet_ms in [10, 20, 30, 40, 60] {
            if codec.starts_with("opus") && (packet_ms == 10 || packet_ms == 30) {
                continue;
            }
            let run = Run::new(codec, clock).packet_ms(packet_ms).seconds(20).go(config());
            let stats = run.stats;
            assert_eq!(
                (stats.lost, stats.late, stats.undecodable, stats.duplicates),
                (0, 0, 0, 0),
                "{codec} {packet_ms}"
            );
            assert!(stats.concealed_ms == 0, "{codec} {packet_ms}: {stats:?}");
            assert!(stats.buffer_ms <= f64::from(packet_ms) + 45.0, "{codec} {packet_ms}: {stats:?}");
            assert!(run.tone_from(10) > -17.0, "{codec} {packet_ms}: {}", run.tone_from(10));
        }
    }
}

#[test]
fn loss_with_jitter_is_concealed_and_delay_stays_bounded() {
    for (codec, clock) in [("pcma", 8000), ("pcmu", 8000), ("g722", 8000), ("opus16", 48_000)] {
        for loss in [0.01, 0.05] {
            let network = Network { loss, jitter_us: 60_000, duplicate: 0.01, seed: 11, ..Network::default() };
            let run = Run::new(codec, clock).network(network).seconds(60).go(config());
            let stats = run.stats;
            let sent = 3000.0;
            let lost = stats.lost as f64 / sent;
            assert!(lost > loss * 0.5 && lost < loss + 0.045, "{codec} {loss}: {stats:?}");
            // A lost packet of 20 ms is 20 ms made up, give or take what its late companions add.
            let made_up = stats.concealed_ms as f64 / 60_000.0;
            assert!(made_up > loss * 0.5 && made_up < loss + 0.06, "{codec} {loss}: {stats:?}");
            assert!(stats.duplicates > 5 && stats.reordered > 100, "{stats:?}");
            assert!(stats.jitter_ms > 10.0 && stats.jitter_ms < 40.0, "{stats:?}");
            assert!(run.most_buffer_ms(10) < 130.0, "{codec} {loss}: {}", run.most_buffer_ms(10));
            assert!(run.silent_frames(10) == 0, "{codec} {loss}: {} silent frames", run.silent_frames(10));
            assert!(run.tone_from(10) > -18.0, "{codec} {loss}: {}", run.tone_from(10));
        }
    }
}

#[test]
fn concealment_keeps_energy_and_joins_without_a_step() {
    for loss in [0.01, 0.05] {
        let network = Network { loss, seed: 5, ..Network::default() };
        let whole = Run::new("pcma", 8000).seconds(20).go(config());
        let run = Run::new("pcma", 8000).network(network).seconds(20).go(config());
        let (level, wanted) = (rms_db(&run.pcm[16_000..]), rms_db(&whole.pcm[16_000..]));
        assert!((level - wanted).abs() < 0.7, "{loss}: {level} instead of {wanted}");
        let step = |pcm: &[i16]| pcm.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap();
        let (most, usual) = (step(&run.pcm[16_000..]), step(&whole.pcm[16_000..]));
        assert!(most < usual * 2, "{loss}: a step of {most} where the sound has {usual}");
    }
}

#[test]
fn ten_minutes_of_clocks_a_hundred_ppm_apart() {
    for ppm in [100.0, -100.0] {
        for (loss, jitter_us) in [(0.0, 0), (0.01, 60_000), (0.05, 60_000)] {
            let network = Network { loss, jitter_us, ppm, seed: 3, ..Network::default() };
            let run = Run::new("pcma", 8000).network(network).seconds(600).go(config());
            let stats = run.stats;
            // 60 ms were gained or lost in all: taken out or put in, and no more than jitter asks for besides.
            let net = stats.accelerated_ms as f64 - stats.expanded_ms as f64;
            if jitter_us == 0 {
                assert!((net - ppm * 0.6).abs() < 35.0, "{ppm}: {stats:?}");
                assert!(stats.lost == 0 && stats.concealed_ms < 100, "{ppm}: {stats:?}");
            }
            let (early, end) = (run.mean_buffer_ms(30, 60), run.mean_buffer_ms(570, 600));
            assert!((early - end).abs() < 15.0, "{ppm} {loss}: delay went from {early} to {end}");
            assert!(run.most_buffer_ms(10) < 135.0, "{ppm} {loss}: {}", run.most_buffer_ms(10));
            let (first, last) = (run.concealed_between(30, 300), run.concealed_between(300, 570));
            assert!((last as f64) < first as f64 * 1.5 + 60.0, "{ppm} {loss}: concealment grew from {first} to {last}");
            assert!((stats.drift_ppm - ppm).abs() < 25.0, "{ppm} {loss}: {stats:?}");
            assert!((stats.lost as f64) < 30_000.0 * (loss + 0.045) + 1.0, "{ppm} {loss}: {stats:?}");
        }
    }
}

#[test]
fn a_burst_of_delay_is_taken_up_and_given_back() {
    let network = Network { step_at_s: 10, step_us: 150_000, step_until_s: 30, ..Network::default() };
    let run = Run::new("pcmu", 8000).network(network).seconds(120).go(config());
    assert!(run.stats.lost < 30, "{:?}", run.stats);
    let (before, after) = (run.mean_buffer_ms(5, 10), run.mean_buffer_ms(110, 120));
    assert!((after - before).abs() < 15.0, "{before} → {after}");
}

#[test]
fn a_stall_does_not_leave_its_delay_behind() {
    let network = Network { stall_at_s: 5, stall_us: 1_500_000, ..Network::default() };
    let run = Run::new("pcma", 8000).network(network).seconds(30).go(config());
    assert!(run.mean_buffer_ms(20, 30) < 60.0, "{}", run.mean_buffer_ms(20, 30));
    assert!(run.most_buffer_ms(8) < 650.0, "{}", run.most_buffer_ms(8));
}

#[test]
fn pauses_of_a_talker_are_no_loss() {
    // Spurts of a second, two seconds of nothing: the timestamps go on, the marker begins each.
    let mut talker = Talker::new("pcma", 8000, 20);
    let mut playout = Playout::new(format("pcma", 8000), config()).unwrap();
    let mut out = Vec::new();
    let mut silent = 0;
    for tick in 0..3000u64 {
        let now = Micros(tick * 20_000);
        if tick % 150 < 50 {
            talker.send(tick % 150 == 0, now, &mut playout);
        } else {
            talker.skip();
        }
        silent += u64::from(playout.pull(Micros(now.0 + 5000), &mut out) == Pulled::Silence);
    }
    let stats = playout.stats();
    assert_eq!((stats.lost, stats.late, stats.restarts), (0, 0, 0), "{stats:?}");
    assert!(stats.concealed_ms <= 20 * 100 && silent > 1700, "{silent} {stats:?}");
}

#[test]
fn comfort_noise_fills_until_the_next_word() {
    let mut talker = Talker::new("pcmu", 8000, 20);
    let mut playout = Playout::new(format("pcmu", 8000), config()).unwrap();
    let mut out = Vec::new();
    let mut noise = Vec::new();
    let mut before = Pulled::Silence;
    for tick in 0..500u64 {
        let now = Micros(tick * 20_000);
        match tick % 100 {
            0..=39 => talker.send(tick % 100 == 0, now, &mut playout),
            40 => talker.send_noise(50, now, &mut playout),
            _ => talker.skip(),
        }
        let pulled = playout.pull(Micros(now.0 + 5000), &mut out);
        // The first of a pause may begin with the end of a word.
        if (before, pulled) == (Pulled::Noise, Pulled::Noise) {
            noise.extend_from_slice(&out);
        }
        before = pulled;
    }
    let stats = playout.stats();
    assert_eq!((stats.lost, stats.late, stats.concealed_ms), (0, 0, 0), "{stats:?}");
    assert!(noise.len() > 250 * 160 && (rms_db(&noise[1600..]) + 50.0).abs() < 3.0, "{}", rms_db(&noise));
}

#[test]
fn opus_pauses_are_noise_and_no_loss() {
    let opus = format("opus16", 48_000);
    let config_dtx = EncoderConfig { dtx: true, ..EncoderConfig::default() };
    let mut encoder = Encoder::new(opus, config_dtx).unwrap();
    let mut playout = Playout::new(opus, config()).unwrap();
    let mut voice = Sine::new(400.0, 16_000, -10.0);
    let (mut out, mut payload, mut seq, mut noise, mut sent) = (Vec::new(), Vec::new(), 0u16, 0, 0);
    for tick in 0..1000u64 {
        let pcm = if tick % 200 < 100 { voice.take(320) } else { vec![0; 320] };
        payload.clear();
        if encoder.encode(&pcm, &mut payload) > 0 {
            playout.insert(Arrived {
                ssrc: 1,
                seq,
                ts: tick as u32 * 960,
                marker: false,
                arrival: Micros(tick * 20_000),
                comfort_noise: false,
                payload: &payload,
            });
            seq = seq.wrapping_add(1);
            sent += 1;
        }
        noise += u64::from(playout.pull(Micros(tick * 20_000 + 5000), &mut out) == Pulled::Noise);
    }
    let stats = playout.stats();
    assert!(sent < 700 && noise > 250, "{sent} packets, {noise} frames of noise");
    assert!(stats.lost == 0 && stats.late == 0 && stats.concealed_ms < 400, "{stats:?}");
}

#[test]
fn keys_among_the_voice_are_no_loss() {
    let mut talker = Talker::new("pcma", 8000, 20);
    let mut playout = Playout::new(format("pcma", 8000), config()).unwrap();
    let mut out = Vec::new();
    for tick in 0..500u64 {
        let now = Micros(tick * 20_000);
        match tick % 50 {
            n @ 40..=47 => talker.send_key(n as u32 - 40, &mut playout),
            _ => talker.send(false, now, &mut playout),
        }
        playout.pull(Micros(now.0 + 5000), &mut out);
    }
    let stats = playout.stats();
    assert_eq!((stats.lost, stats.late, stats.restarts, stats.concealed_ms), (0, 0, 0, 0), "{stats:?}");
    assert!(stats.buffer_ms < 60.0, "{stats:?}");
}

#[test]
fn sockets_that_are_read_at_ticks_only_do_not_upset_it() {
    for ppm in [100.0, -100.0] {
        let network = Network { jitter_us: 2000, ppm, read_at_ticks: true, ..Network::default() };
        let run = Run::new("pcma", 8000).network(network).seconds(600).go(config());
        assert!(run.stats.lost == 0 && run.stats.concealed_ms == 0, "{ppm}: {:?}", run.stats);
        assert!(run.most_buffer_ms(10) < 70.0, "{ppm}: {}", run.most_buffer_ms(10));
    }
}

#[test]
fn a_new_source_is_heard_within_a_moment() {
    for jump in ["ssrc", "ts", "seq"] {
        let mut talker = Talker::new("pcma", 8000, 20);
        let mut playout = Playout::new(format("pcma", 8000), config()).unwrap();
        let mut out = Vec::new();
        let mut heard_at = None;
        for tick in 0..200u64 {
            if tick == 100 {
                match jump {
                    "ssrc" => (talker.ssrc, talker.seq, talker.ts) = (99, 5, 7),
                    "ts" => talker.ts = talker.ts.wrapping_add(0x7000_0000),
                    _ => talker.seq = talker.seq.wrapping_add(20_000),
                }
            }
            let now = Micros(tick * 20_000);
            talker.send(false, now, &mut playout);
            let pulled = playout.pull(Micros(now.0 + 5000), &mut out);
            if tick > 100 && heard_at.is_none() && pulled == Pulled::Speech && tick >= 102 {
                heard_at = Some(tick);
            }
        }
        let stats = playout.stats();
        assert_eq!(stats.restarts, 1, "{jump}");
        assert!(heard_at.is_some_and(|t| t <= 106), "{jump}: heard at {heard_at:?}");
        assert!(stats.lost <= 2, "{jump}: {stats:?}");
    }
}

#[test]
fn a_radio_whose_timestamps_stand_still_in_pauses_is_not_late() {
    let mut talker = Talker::new("pcma", 8000, 20);
    let mut playout = Playout::new(format("pcma", 8000), config()).unwrap();
    let mut out = Vec::new();
    for tick in 0..600u64 {
        let now = Micros(tick * 20_000);
        if tick % 100 < 50 {
            talker.send(tick % 100 == 0, now, &mut playout);
        }
        playout.pull(Micros(now.0 + 5000), &mut out);
    }
    let stats = playout.stats();
    assert!(stats.lost == 0 && stats.late == 0 && stats.target_ms < 60.0, "{stats:?}");
}

#[test]
fn the_payload_type_may_change_within_a_call() {
    let mut playout = Playout::new(format("pcma", 8000), config()).unwrap();
    let mut out = Vec::new();
    for (round, (codec, clock)) in [("pcma", 8000), ("opus", 48_000), ("g722", 8000), ("pcmu", 8000)].iter().enumerate()
    {
        let mut talker = Talker::new(codec, *clock, 20);
        talker.seq = round as u16 * 100;
        let mut pcm = Vec::new();
        for tick in 0..100u64 {
            let now = Micros((round as u64 * 100 + tick) * 20_000);
            playout.set_format(format(codec, *clock)).unwrap();
            talker.send(false, now, &mut playout);
            playout.pull(Micros(now.0 + 5000), &mut out);
            assert_eq!(out.len(), playout.rate_hz() as usize / 50);
            pcm.extend_from_slice(&out);
        }
        let rate = playout.rate_hz();
        let tone = tone_db(&pcm[rate as usize..], 400.0, rate);
        assert!(tone > -18.0, "{codec}: {tone}");
    }
    assert!(playout.stats().undecodable == 0);
}

#[test]
fn hostile_packets_cost_nothing_but_themselves() {
    let mut rng = support::Rng(77);
    for (codec, clock) in [("pcma", 8000), ("pcmu", 8000), ("g722", 8000), ("opus", 48_000), ("l16", 48_000)] {
        let mut playout = Playout::new(format(codec, clock), config()).unwrap();
        let mut out = Vec::new();
        let mut now = 0u64;
        for _ in 0..40_000 {
            let payload: Vec<u8> = (0..rng.below(400)).map(|_| rng.below(256) as u8).collect();
            let wild = rng.below(4) == 0;
            playout.insert(Arrived {
                ssrc: rng.below(50) as u32 / 49,
                seq: if wild { rng.below(65_536) as u16 } else { rng.below(300) as u16 },
                ts: if wild { rng.below(1 << 32) as u32 } else { rng.below(1 << 16) as u32 },
                marker: rng.below(2) == 0,
                arrival: Micros(now),
                comfort_noise: rng.below(9) == 0,
                payload: &payload,
            });
            if rng.below(3) == 0 {
                now += rng.below(40_000) as u64;
                playout.pull(Micros(now), &mut out);
                assert_eq!(out.len(), playout.rate_hz() as usize / 50);
            }
        }
        let stats = playout.stats();
        assert!(stats.packets == 40_000 && stats.drift_ppm.is_finite() && stats.jitter_ms.is_finite(), "{stats:?}");
    }
}

#[test]
fn nobody_pulls_and_nothing_grows() {
    let mut talker = Talker::new("pcma", 8000, 20);
    let mut playout = Playout::new(format("pcma", 8000), config()).unwrap();
    for tick in 0..5000u64 {
        talker.send(false, Micros(tick * 20_000), &mut playout);
    }
    let mut out = Vec::new();
    for tick in 5000..5100u64 {
        talker.send(false, Micros(tick * 20_000), &mut playout);
        playout.pull(Micros(tick * 20_000 + 5000), &mut out);
    }
    let stats = playout.stats();
    assert!(stats.buffer_ms < 100.0 && rms_db(&out) > -30.0, "{stats:?}");
}
