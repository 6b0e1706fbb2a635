//! Payload formats both ways, and what parameter sets and slices tell.

mod parse_support;

use bytes::Bytes;
use codecs::hub::unit::Codec;
use codecs::packet::nalus::NaluSink;
use codecs::packet::probe::{probe, Payload};
use codecs::packet::{aac, g711, h264, h264_params, h265, h265_params, opus, Packetizer, Payloads};
use parse_support::*;

fn depacketize(codec: Codec, payloads: &Payloads) -> Vec<Bytes> {
    let mut sink = NaluSink::new();
    let (mut a, mut b) = (h264::Depacketizer::new(), h265::Depacketizer::new());
    for (payload, _) in payloads.iter() {
        match codec {
            Codec::H264 => a.push(payload, &mut sink).unwrap(),
            _ => b.push(payload, &mut sink).unwrap(),
        }
    }
    assert!(!sink.damaged());
    sink.take()
}

/// Lengths in runs: a GSO call sends equal segments and one shorter last one.
fn gso_runs(payloads: &Payloads) -> usize {
    let lens = payloads.parts.iter().map(|p| p.len).collect::<Vec<_>>();
    let (mut runs, mut i) = (0, 0);
    while i < lens.len() {
        let size = lens[i];
        while i < lens.len() && lens[i] == size {
            i += 1;
        }
        if i < lens.len() && lens[i] < size {
            i += 1;
        }
        runs += 1;
    }
    runs
}

#[test]
fn real_pictures_round_trip() {
    for (codec, name) in [
        (Codec::H264, "h264_baseline.h264"),
        (Codec::H264, "h264_main_b.h264"),
        (Codec::H264, "h264_high_1080.h264"),
        (Codec::H265, "h265_p.h265"),
        (Codec::H265, "h265_b.h265"),
    ] {
        for max in [64, 100, 500, 1200, 60_000] {
            let mut packetizer = Packetizer::new(&params(codec, vec![]), max);
            for picture in pictures(codec, &vector(name)) {
                let payloads = packetizer.packetize(&unit(picture.clone(), false));
                assert!(payloads.parts.iter().all(|p| p.len as usize <= max));
                let marks = payloads.parts.iter().map(|p| p.marker).collect::<Vec<_>>();
                assert!(marks.iter().rev().skip(1).all(|m| !m) && marks.last() == Some(&true));
                assert_eq!(depacketize(codec, &payloads), picture, "{name} at {max}");
            }
        }
    }
}

#[test]
fn packetization_mode_0_is_one_nal_unit_a_packet() {
    for name in ["h264_baseline.h264", "h264_main_b.h264", "h264_high_1080.h264"] {
        for picture in pictures(Codec::H264, &vector(name)) {
            let fragments = Packetizer::new(&params(Codec::H264, vec![]), 500).packetize(&unit(picture.clone(), false));
            assert_eq!(h264::unpack(&fragments), picture, "{name}");
            let single =
                Packetizer::single_nal_units(&params(Codec::H264, vec![])).packetize(&unit(picture.clone(), false));
            assert_eq!(single.iter().map(|(p, _)| p.to_vec()).collect::<Vec<_>>(), picture, "{name}");
            let marks = single.parts.iter().filter(|p| p.marker).count();
            assert!(marks == 1 && single.parts.last().is_some_and(|p| p.marker));
        }
    }
    let whole = |len| vec![h264_slice(true, 0, 7, 1, len), h264_slice(true, 0, 7, 1, 100)];
    let mut packetizer = Packetizer::single_nal_units(&params(Codec::H264, vec![]));
    assert_eq!(packetizer.packetize(&unit(whole(60_000), true)).len(), 2);
    assert!(packetizer.packetize(&unit(whole(66_000), true)).is_empty());
}

#[test]
fn fragments_make_one_run() {
    for len in [1200, 1201, 2400, 5000, 65_000, 400_000] {
        let picture = vec![h264_slice(false, 0, 5, 1, len)];
        let payloads = Packetizer::new(&params(Codec::H264, vec![]), 1200).packetize(&unit(picture, false));
        assert_eq!(gso_runs(&payloads), 1, "{len}");
        let lens = payloads.parts.iter().map(|p| p.len).collect::<Vec<_>>();
        assert!(lens[..lens.len() - 1].iter().all(|l| *l == lens[0]));
    }
    // parameter sets in one packet, then one run
    let key = h264_picture(true, 0, 50_000);
    let payloads = Packetizer::new(&params(Codec::H264, vec![]), 1200).packetize(&unit(key, true));
    assert_eq!(payloads.part(0)[0] & 31, 24);
    assert_eq!(gso_runs(&payloads), 2);
}

#[test]
fn stored_parameter_sets_go_before_a_bare_key_frame() {
    let sets = vec![h264_sps(66, 31, 640, 480, false), h264_pps()];
    let idr = h264_slice(true, 0, 7, 0, 3000);
    let mut packetizer = Packetizer::new(&params(Codec::H264, sets.clone()), 1200);
    let got = depacketize(Codec::H264, &packetizer.packetize(&unit(vec![idr.clone()], true)));
    assert_eq!(got, [sets[0].clone(), sets[1].clone(), idr.clone()]);
    let in_band = vec![sets[0].clone(), sets[1].clone(), idr];
    assert_eq!(depacketize(Codec::H264, &packetizer.packetize(&unit(in_band.clone(), true))), in_band);
    let p = vec![h264_slice(false, 0, 5, 1, 10)];
    assert_eq!(depacketize(Codec::H264, &packetizer.packetize(&unit(p.clone(), false))), p);
}

#[test]
fn delimiters_and_fillers_are_left_out() {
    let slice = h264_slice(false, 0, 5, 1, 100);
    let nalus = vec![Bytes::from_static(&[9, 0x10]), slice.clone(), Bytes::from(vec![12; 2000]), Bytes::new()];
    let payloads = Packetizer::new(&params(Codec::H264, vec![]), 1200).packetize(&unit(nalus, false));
    assert_eq!(depacketize(Codec::H264, &payloads), [slice]);
    let empty = Packetizer::new(&params(Codec::H264, vec![]), 1200).packetize(&unit(vec![], true));
    assert!(empty.is_empty());
}

#[test]
fn broken_fragments() {
    let slice = h264_slice(false, 0, 5, 1, 5000);
    let payloads = Packetizer::new(&params(Codec::H264, vec![]), 1000).packetize(&unit(vec![slice.clone()], false));
    let parts = payloads.iter().map(|(p, _)| p.to_vec()).collect::<Vec<_>>();
    // the end bit missing: taken as ended when the unit ends
    let (mut d, mut sink) = (h264::Depacketizer::new(), NaluSink::new());
    for p in &parts {
        let mut p = p.clone();
        p[1] &= !0x40;
        d.push(&p, &mut sink).unwrap();
    }
    d.end_of_unit(&mut sink);
    assert_eq!(sink.take(), std::slice::from_ref(&slice));
    // the start lost: nothing of it is used, and the unit says so
    for p in &parts[1..] {
        assert!(d.push(p, &mut sink).is_err());
    }
    assert!(sink.damaged() && sink.is_empty());
    sink.clear();
    // the middle lost
    d.push(&parts[0], &mut sink).unwrap();
    d.lost(&mut sink);
    assert!(d.push(&parts[2], &mut sink).is_err());
    assert!(sink.damaged() && sink.is_empty());
}

#[test]
fn byte_stream_inside_rtp() {
    let picture = h264_picture(true, 0, 200);
    let (mut d, mut sink) = (h264::Depacketizer::new(), NaluSink::new());
    d.push(&annexb(&picture), &mut sink).unwrap();
    assert_eq!(sink.take(), picture);
}

#[test]
fn sizes_after_cropping_and_profiles() {
    for (profile, level, w, h, interlaced, name) in [
        (66, 31, 640, 480, false, "baseline@3.1"),
        (77, 40, 1920, 1080, true, "main@4.0"),
        (100, 42, 1918, 1078, false, "high@4.2"),
        (66, 9, 176, 144, false, "baseline@1b"),
    ] {
        let sps = h264_params::Sps::parse(&h264_sps(profile, level, w, h, interlaced)).unwrap();
        assert_eq!((sps.width, sps.height, sps.profile().as_str()), (w, h, name));
        assert_eq!(sps.profile_level_id(), u32::from(profile) << 16 | u32::from(level));
    }
    let real = nalus(&vector("h264_high_1080.h264"));
    let sps = h264_params::Sps::parse(&real[0]).unwrap();
    assert_eq!((sps.width, sps.height, sps.profile().as_str()), (1920, 1080, "high@4.0"));
    let real = nalus(&vector("h265_p.h265"));
    let sps = h265_params::Sps::parse(&real[1]).unwrap();
    assert_eq!((sps.width, sps.height), (64, 64));
    assert!(sps.profile().starts_with("main@"), "{}", sps.profile());
}

#[test]
fn parameter_sets_cut_anywhere() {
    for name in ["h264_high_1080.h264", "h265_b.h265"] {
        for nalu in nalus(&vector(name)).into_iter().take(4) {
            for cut in 0..nalu.len().min(200) {
                let _ = h264_params::Sps::parse(&nalu[..cut]);
                let _ = h265_params::Sps::parse(&nalu[..cut]);
                let _ = h265_params::Pps::parse(&nalu[..cut]);
                let _ = h264_params::pps_ids(&nalu[..cut]);
                let _ = h264_params::recovery_frames(&nalu[..cut]);
                let _ = h264_params::Slice::parse(&nalu[..cut], None);
            }
        }
    }
}

#[test]
fn b_slices_of_h264_are_seen() {
    let b = |name: &str| {
        let slices = nalus(&vector(name)).into_iter().filter(|n| h264::is_vcl(h264::nal_type(n)));
        slices.filter(|n| h264_params::Slice::parse(n, None).unwrap().is_b()).count()
    };
    assert_eq!(b("h264_baseline.h264"), 0);
    assert!(b("h264_main_b.h264") >= 15);
}

#[test]
fn h265_reordering_is_judged_by_picture_order() {
    let reorders = |name: &str| {
        let all = nalus(&vector(name));
        let of = |kind: u8| all.iter().find(|n| h265::nal_type(n) == kind).unwrap();
        let sps = h265_params::Sps::parse(of(h265::SPS)).unwrap();
        let pps = h265_params::Pps::parse(of(h265::PPS)).unwrap();
        let mut watch = h265_params::ReorderWatch::default();
        let (mut back, mut b) = (0, 0);
        for nalu in all.iter().filter(|n| h265::is_vcl(h265::nal_type(n))) {
            let slice = h265_params::Slice::parse(nalu, &sps, &pps).unwrap().unwrap();
            b += usize::from(slice.is_b);
            back += usize::from(watch.picture(h265::nal_type(nalu), &slice, &sps));
        }
        (b, back)
    };
    assert_eq!(reorders("h265_p.h265").1, 0);
    let (b, back) = reorders("h265_b.h265");
    assert!(b >= back && back >= 15, "{b} B pictures, {back} sent after a later one");
}

#[test]
fn low_delay_b_slices_of_h265_do_not_count() {
    let sps = h265_params::Sps { log2_max_poc_lsb: 4, max_num_reorder: 0, ..Default::default() };
    let mut watch = h265_params::ReorderWatch::default();
    for i in 0..100u32 {
        let slice = h265_params::Slice { is_b: i > 0, is_intra: i == 0, poc_lsb: i % 16 };
        assert!(!watch.picture(if i == 0 { 19 } else { 1 }, &slice, &sps));
    }
}

#[test]
fn aac_round_trip() {
    let adts = vector("aac_16k_mono.aac");
    let (config, frames) = aac::split_adts(&adts);
    let config = config.unwrap();
    assert_eq!((config.object_type, config.sample_rate_hz, config.channels), (2, 16_000, 1));
    assert_eq!(aac::Config::parse(&config.to_asc()).unwrap(), config);
    assert!(frames.len() > 5);
    for max in [64, 1200] {
        for frame in &frames {
            let payloads = Packetizer::new(&params(Codec::Aac, vec![]), max)
                .packetize(&unit(vec![Bytes::copy_from_slice(frame)], true));
            let mut d = aac::Depacketizer::new();
            let mut got = Vec::new();
            for (payload, part) in payloads.iter() {
                assert!(payload.len() <= max);
                let (_, out) = d.push(payload).unwrap();
                assert_eq!(part.marker, !out.is_empty());
                got.extend(out);
            }
            assert_eq!(got, [*frame]);
        }
    }
    // several frames in one packet, as GB/T 28181-2022 senders do
    let (a, b) = (frames[1], frames[2]);
    let mut packet = vec![0, 32];
    packet.extend(((a.len() as u16) << 3).to_be_bytes());
    packet.extend(((b.len() as u16) << 3).to_be_bytes());
    packet.extend_from_slice(a);
    packet.extend_from_slice(b);
    assert_eq!(aac::Depacketizer::new().push(&packet).unwrap().1, [a, b]);
    packet.truncate(packet.len() - 1);
    assert!(aac::Depacketizer::new().push(&packet).is_err());
}

#[test]
fn voice_is_cut_on_whole_ticks() {
    let samples = Bytes::from((0..1000u32).map(|i| i as u8).collect::<Vec<_>>());
    let payloads = Packetizer::new(&params(Codec::Pcma, vec![]), 1200).packetize(&unit(vec![samples.clone()], true));
    let mut at = 0;
    let mut joined = Vec::new();
    for (payload, part) in payloads.iter() {
        assert_eq!((part.ts_offset, part.marker), (at, false));
        at += g711::depacketize(payload).unwrap().len() as u32;
        joined.extend_from_slice(payload);
    }
    assert_eq!(joined, samples);
    let short = Packetizer::new(&params(Codec::Pcma, vec![]), 1200).packetize(&unit(vec![samples.slice(..320)], true));
    assert_eq!(short.len(), 1);
}

#[test]
fn opus_durations() {
    assert_eq!(opus::duration_48k(&[0b0111_1000]), 960); // config 15, one 20 ms frame
    assert_eq!(opus::duration_48k(&[0b1111_1001, 0]), 1920); // config 31, two frames
    assert_eq!(opus::duration_48k(&[0b0001_1011, 63]), 0); // 63 frames of 60 ms
    assert_eq!(opus::duration_48k(&[]), 0);
}

#[test]
fn probing() {
    let picture = |codec, name: &str| pictures(codec, &vector(name)).remove(0);
    let first = |codec, name: &str, max| {
        let payloads = Packetizer::new(&params(codec, vec![]), max).packetize(&unit(picture(codec, name), true));
        payloads.part(0).to_vec()
    };
    assert_eq!(probe(&first(Codec::H264, "h264_baseline.h264", 1200), 96, "ps"), Payload::H264);
    assert_eq!(probe(&first(Codec::H265, "h265_p.h265", 1200), 96, "ps"), Payload::H265);
    assert_eq!(probe(&first(Codec::H265, "h265_p.h265", 1200), 98, "h264"), Payload::H265);
    assert_eq!(probe(&vector("ps_h264.ps")[..1400], 96, "h264"), Payload::Ps);
    assert_eq!(probe(&vector("ts_h264_aac.ts")[..1316], 96, "ps"), Payload::Ts);
    assert_eq!(probe(&[0x55; 160], 8, ""), Payload::Pcma);
    assert_eq!(probe(&[0x55; 160], 0, "ps"), Payload::Pcmu);
    assert_eq!(probe(&[0x78, 1, 2, 3, 4], 111, "opus"), Payload::Opus);
    assert_eq!(probe(&[1, 0, 0, 0, 0, 0, 0, 0, 0xe2, 0x42, 9, 9], 96, "ps"), Payload::Private);
    assert_eq!(probe(&[], 96, ""), Payload::Unknown);
    // the middle of a program stream is no codec
    assert_eq!(probe(&vector("ps_h264.ps")[700..1400], 96, "ps"), Payload::Unknown);
    let adts = vector("aac_16k_mono.aac");
    assert_eq!(probe(&adts, 97, ""), Payload::Aac);
    // fragments of both, mid-stream
    let mut all = Packetizer::new(&params(Codec::H264, vec![]), 64);
    let payloads = all.packetize(&unit(vec![h264_slice(true, 0, 7, 0, 500)], false));
    assert_eq!(probe(payloads.part(2), 96, ""), Payload::H264);
    let idr = picture(Codec::H265, "h265_p.h265");
    let payloads =
        Packetizer::new(&params(Codec::H265, vec![]), 64).packetize(&unit(vec![idr.last().unwrap().clone()], false));
    assert_eq!(probe(payloads.part(2), 96, ""), Payload::H265);
}
