//! The whole pipeline of a leg: packets and time in, tracks and access units out.

mod parse_support;

use codecs::hub::unit::{AccessUnit, Codec, TrackParams};
use codecs::mpeg::ps_mux::PsMux;
use codecs::mpeg::stream_type;
use codecs::packet::Packetizer;
use codecs::relay::ingest::{Ingest, IngestConfig, PayloadMap};
use codecs::time::Micros;
use parse_support::*;

const FRAME_US: u64 = 40_000;

/// Feeds packets of one picture per 40 ms and collects what comes out.
struct Leg {
    ingest: Ingest,
    out: Outputs,
    now: u64,
}

impl Leg {
    fn new(config: IngestConfig) -> Self {
        Self { ingest: Ingest::new(config), out: Outputs::default(), now: 5_000_000 }
    }

    fn feed(&mut self, packets: &[Vec<u8>]) {
        for p in packets {
            self.ingest.push_rtp(p, Micros(self.now));
            self.out.take(&mut self.ingest);
            self.now += 20;
        }
    }

    fn frame(&mut self, packets: &[Vec<u8>]) {
        self.feed(packets);
        self.now += FRAME_US;
    }

    fn wait(&mut self, ms: u64) {
        let until = self.now + ms * 1000;
        while let Some(at) = self.ingest.next_timer().filter(|at| at.0 <= until) {
            self.now = self.now.max(at.0);
            self.ingest.handle_timer(Micros(self.now));
            self.out.take(&mut self.ingest);
        }
        self.now = until;
    }
}

fn ps_config() -> IngestConfig {
    IngestConfig { hint: "ps".into(), ..IngestConfig::default() }
}

fn mux() -> PsMux {
    PsMux::new(Some(stream_type::H264), Some(stream_type::G711A))
}

fn ps_frame(sender: &mut Sender, i: u32, marker: bool) -> Vec<Vec<u8>> {
    let pts = i64::from(i) * 3600;
    let pack = mux().video(&h264_picture(i % 10 == 0, i, 3000), pts, pts, i % 10 == 0);
    sender.pieces(i.wrapping_mul(3600), &pack, 1400, marker)
}

fn steps(units: &[AccessUnit]) -> Vec<i64> {
    units.windows(2).map(|w| w[1].dts - w[0].dts).collect()
}

#[test]
fn a_ball_over_ps() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    for i in 0..30 {
        let mut packets = ps_frame(&mut sender, i, true);
        packets.extend(sender.pieces(i * 3600, &mux().audio(&[0xd5; 320], i64::from(i) * 3600), 1400, false));
        leg.frame(&packets);
    }
    assert_eq!(leg.out.first_media, ["ps"]);
    let video = leg.out.tracks.iter().find(|t| t.codec == Codec::H264).unwrap();
    assert_eq!((video.width, video.height, video.profile.as_str()), (640, 480, "baseline@3.1"));
    assert_eq!((video.generation, video.b_frames, video.profile_level_id), (0, false, 0x42_00_1f));
    assert_eq!(video.parameter_sets, h264_picture(true, 0, 1)[..2]);
    let many = TrackParams { parameter_sets: vec![video.parameter_sets[0].clone(); 40], ..video.clone() };
    assert!(video.sprop().starts_with("Z0") && video.sprop().contains(",aM"), "{}", video.sprop());
    assert_eq!(many.sprop(), "", "more than SDP should carry");
    assert!(leg.out.tracks.iter().any(|t| t.codec == Codec::Pcma && t.clock_hz == 8000));
    assert_eq!(leg.out.tracks.len(), 2);
    assert_eq!(leg.out.video[10].nalus, h264_picture(true, 10, 3000));
    assert!(leg.out.video[0].key && leg.out.video.len() >= 29);
    assert!(steps(&leg.out.video).iter().all(|s| *s == 3600));
    assert!(steps(&leg.out.audio).iter().all(|s| *s == 320), "{:?}", steps(&leg.out.audio));
    assert_eq!((leg.out.wishes, leg.out.problems.len()), (0, 0));
    let stats = leg.ingest.stats();
    assert_eq!((stats.lost, stats.dropped_units, stats.payload, stats.ssrc), (0, 0, "ps", 7));
}

#[test]
fn a_proven_marker_gives_each_frame_at_once() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    for i in 0..10 {
        leg.frame(&ps_frame(&mut sender, i, true));
        if i >= 3 {
            assert_eq!(leg.out.video.len() as u32, i + 1);
        }
    }
    let mut leg = Leg::new(IngestConfig::default());
    let mut packetizer = Packetizer::new(&params(Codec::H264, vec![]), 1200);
    for i in 0..10u32 {
        let payloads = packetizer.packetize(&unit(h264_picture(i == 0, i, 3000), i == 0));
        let packets = payloads.iter().map(|(p, part)| sender.packet(i * 3600, part.marker, p)).collect::<Vec<_>>();
        leg.frame(&packets);
        if i >= 3 {
            assert_eq!(leg.out.video.len() as u32, i + 1);
        }
    }
    assert_eq!(leg.out.video[5].nalus, h264_picture(false, 5, 3000));
}

#[test]
fn the_last_frame_before_silence_comes_by_timer() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    leg.feed(&ps_frame(&mut sender, 0, true));
    assert_eq!(leg.out.video.len(), 0);
    leg.wait(100);
    assert_eq!(leg.out.video.len(), 1);
    assert_eq!(leg.ingest.next_timer(), None);
}

#[test]
fn without_any_marker_frames_end_with_the_timestamp() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    (0..20).for_each(|i| leg.frame(&ps_frame(&mut sender, i, false)));
    assert_eq!(leg.out.video.len(), 19);
}

#[test]
fn reordering_and_loss() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    let mut frames = (0..40).map(|i| ps_frame(&mut sender, i, true)).collect::<Vec<_>>();
    frames[3].swap(0, 2);
    frames[5].remove(1);
    for frame in &frames[..5] {
        leg.frame(frame);
    }
    leg.frame(&frames[5]);
    let before = leg.out.video.len();
    for frame in &frames[6..10] {
        leg.frame(frame);
    }
    assert_eq!(leg.out.video.len(), before, "held for the lost packet");
    leg.wait(250);
    for frame in &frames[10..] {
        leg.frame(frame);
    }
    let stats = leg.ingest.stats();
    assert_eq!((stats.lost, stats.dropped_units), (1, 1));
    assert!(stats.reordered >= 1 && leg.out.wishes >= 1);
    let flagged = leg.out.video.iter().filter(|u| u.after_loss).count();
    assert_eq!(flagged, 4, "from the loss to the next key frame");
    assert_eq!(leg.out.video.len(), 39);
    for u in &leg.out.video {
        let known = (0..40).any(|i| u.nalus == h264_picture(i % 10 == 0, i, 3000));
        assert!(known, "only whole pictures come out");
    }
}

#[test]
fn raw_h264_with_loss_drops_only_what_is_damaged() {
    for lose in 0..5 {
        let mut leg = Leg::new(IngestConfig { jitter_ms: 50, ..IngestConfig::default() });
        let mut sender = Sender::new(7);
        let mut packetizer = Packetizer::new(&params(Codec::H264, vec![]), 1000);
        for i in 0..20u32 {
            let payloads = packetizer.packetize(&unit(h264_picture(i % 10 == 0, i, 4000), i % 10 == 0));
            let mut packets = payloads.iter().map(|(p, m)| sender.packet(i * 3600, m.marker, p)).collect::<Vec<_>>();
            if i == 5 {
                packets.remove(lose);
            }
            leg.frame(&packets);
            leg.wait(100);
        }
        let numbers = leg.out.video.iter().map(|u| u.nalus.clone());
        let want = (0..20).filter(|i| *i != 5).map(|i| h264_picture(i % 10 == 0, i, 4000));
        assert!(numbers.eq(want), "packet {lose} of a picture lost");
        assert!(leg.out.wishes >= 1);
    }
}

#[test]
fn ssrc_rules() {
    let config = |strict| IngestConfig { ssrc: Some(100), strict_ssrc: strict, ..ps_config() };
    // strict: others never count
    let mut leg = Leg::new(config(true));
    let mut other = Sender::new(200);
    (0..5).for_each(|i| leg.frame(&ps_frame(&mut other, i, true)));
    assert!(leg.out.video.is_empty() && leg.ingest.stats().invalid > 0);
    // the first other one is latched, the named one takes over
    let mut leg = Leg::new(config(false));
    let mut other = Sender::new(200);
    (0..5).for_each(|i| leg.frame(&ps_frame(&mut other, i, true)));
    assert!(leg.out.video.len() >= 4 && leg.ingest.stats().ssrc == 200);
    let mut named = Sender::new(100);
    (0..5).for_each(|i| leg.frame(&ps_frame(&mut named, i, true)));
    (5..9).for_each(|i| leg.frame(&ps_frame(&mut other, i, true)));
    assert_eq!(leg.ingest.stats().ssrc, 100);
}

#[test]
fn one_stray_packet_is_no_source() {
    let mut leg = Leg::new(ps_config());
    let mut rng = Rng(3);
    for pt in [9, 0, 8, 96, 33] {
        let mut stray = Sender::new(rng.u64() as u32);
        stray.pt = pt;
        leg.feed(&[stray.packet(1, false, &rng.bytes(160))]);
    }
    assert!(leg.out.tracks.is_empty() && leg.out.first_media.is_empty());
    assert_eq!(leg.ingest.stats().ssrc, 0);
    let mut sender = Sender::new(7);
    (0..5).for_each(|i| leg.frame(&ps_frame(&mut sender, i, true)));
    assert_eq!((leg.ingest.stats().ssrc, leg.ingest.stats().lost), (7, 0));
    assert_eq!(leg.out.video[0].nalus, h264_picture(true, 0, 3000), "the first packet was kept");
    // and a stray one after silence does not take over
    leg.now += 5_000_000;
    leg.feed(&[Sender::new(99).packet(1, false, &[0; 100])]);
    (5..8).for_each(|i| leg.frame(&ps_frame(&mut sender, i, true)));
    assert_eq!((leg.ingest.stats().ssrc, leg.ingest.stats().resyncs), (7, 0));
}

#[test]
fn a_restarted_sender_goes_on_without_a_step_back() {
    for same_ssrc in [true, false] {
        let mut leg = Leg::new(ps_config());
        let mut sender = Sender::new(7);
        (50..70).for_each(|i| leg.frame(&ps_frame(&mut sender, i, true)));
        leg.now += 1_000_000;
        let mut again = Sender::new(if same_ssrc { 7 } else { 8 });
        again.seq = 30_000;
        (0..20).for_each(|i| leg.frame(&ps_frame(&mut again, i, true)));
        assert!(leg.out.video.len() >= 28, "{} units, same SSRC: {same_ssrc}", leg.out.video.len());
        let steps = steps(&leg.out.video);
        assert!(steps.iter().all(|s| (1..=90_000).contains(s)), "{steps:?}");
        assert!(leg.ingest.stats().resyncs >= 1);
    }
}

#[test]
fn timestamps_that_jump_stand_still_or_wrap() {
    let run = |pts: &dyn Fn(u32) -> i64, rtp: &dyn Fn(u32) -> u32| {
        let mut leg = Leg::new(ps_config());
        let mut sender = Sender::new(7);
        for i in 0..60 {
            let pack = mux().video(&h264_picture(i % 10 == 0, i, 500), pts(i), pts(i), i % 10 == 0);
            leg.frame(&sender.pieces(rtp(i), &pack, 1400, true));
        }
        assert!(leg.out.video.len() >= 58, "{}", leg.out.video.len());
        let s = steps(&leg.out.video);
        assert!(s.iter().all(|s| (1..=90_000).contains(s)), "{s:?}");
        let span = leg.out.video.last().unwrap().dts - leg.out.video[0].dts;
        assert!((span - 58 * 3600).abs() < 4 * 3600, "span {span}");
    };
    let steady = |i: u32| i64::from(i) * 3600;
    let rtp = |i: u32| i.wrapping_mul(3600);
    run(&|i| (1 << 33) - 36_000 + steady(i), &|i| rtp(i).wrapping_sub(36_000)); // both wrap
    run(&|i| steady(i) + if i > 30 { 60 * 90_000 } else { 0 }, &rtp); // a minute ahead
    run(&|i| steady(i) + if i > 30 { 0 } else { 60 * 90_000 }, &rtp); // a minute back
    run(&|_| 1000, &rtp); // PTS stands still
    run(&|i| steady(i / 5 * 5), &rtp); // constant in groups
    run(&|_| 1000, &|_| 5); // nothing moves: the wall clock
    run(&steady, &|i| i * 7_777_777); // RTP clock mad
}

#[test]
fn h265_where_the_map_says_h264() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    for (i, picture) in pictures(Codec::H265, &vector("h265_p.h265")).into_iter().enumerate() {
        let pts = i as i64 * 3600;
        let pack = mux().video(&picture, pts, pts, i % 10 == 0);
        leg.frame(&sender.pieces(pts as u32, &pack, 1400, true));
    }
    let track = &leg.out.tracks[0];
    assert_eq!((track.codec, track.width, track.height, track.b_frames), (Codec::H265, 64, 64, false));
    assert!(leg.out.video.len() >= 29 && leg.out.video[10].key && !leg.out.video[11].key);
}

#[test]
fn b_frames_are_told() {
    for (codec, name, b) in [
        (Codec::H264, "h264_main_b.h264", true),
        (Codec::H264, "h264_baseline.h264", false),
        (Codec::H265, "h265_b.h265", true),
        (Codec::H265, "h265_p.h265", false),
    ] {
        let mut leg = Leg::new(ps_config());
        let mut sender = Sender::new(7);
        for (i, picture) in pictures(codec, &vector(name)).into_iter().enumerate() {
            let pts = i as i64 * 3600;
            leg.frame(&sender.pieces(pts as u32, &mux().video(&picture, pts, pts, i == 0), 1400, true));
        }
        let track = leg.out.tracks.last().unwrap();
        assert_eq!(track.b_frames, b, "{name}");
        assert_eq!(track.generation, u32::from(b), "{name}");
    }
}

#[test]
fn other_parameters_are_another_generation() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    for i in 0..20u32 {
        let mut picture = h264_picture(i % 10 == 0, i, 500);
        if i == 10 {
            picture[0] = h264_sps(100, 40, 1920, 1080, false);
        }
        let pts = i64::from(i) * 3600;
        leg.frame(&sender.pieces(i * 3600, &mux().video(&picture, pts, pts, i % 10 == 0), 1400, true));
    }
    let shapes = leg.out.tracks.iter().map(|t| (t.generation, t.width, t.profile.as_str())).collect::<Vec<_>>();
    assert_eq!(shapes, [(0, 640, "baseline@3.1"), (1, 1920, "high@4.0")]);
}

#[test]
fn starting_between_key_frames_asks_for_one() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    (5..15).for_each(|i| leg.frame(&ps_frame(&mut sender, i, true)));
    assert!(leg.out.wishes >= 1 && leg.out.video[0].key);
    assert_eq!(leg.out.video[0].nalus, h264_picture(true, 10, 3000));
}

#[test]
fn slices_in_pes_packets_of_their_own() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    for i in 0..20u32 {
        let key = i % 5 == 0;
        let mut picture = h264_picture(key, i, 300);
        picture.push(h264_slice(key, 600, if key { 7 } else { 5 }, i, 300));
        let pts = i64::from(i) * 3600;
        let (head, tail) = picture.split_at(picture.len() - 1);
        let mut pack = mux().video(head, pts, pts, key);
        pack.extend(mux().video(tail, pts, pts, false));
        leg.frame(&sender.pieces(i * 3600, &pack, 1400, true));
    }
    let last = &leg.out.video[leg.out.video.len() - 3..];
    assert!(last.iter().all(|u| u.nalus.len() == 2 || (u.key && u.nalus.len() == 4)));
    assert!(leg.out.video.len() >= 15);
}

#[test]
fn parameter_sets_between_the_slices_of_one_picture() {
    let mut leg = Leg::new(IngestConfig::default());
    let mut sender = Sender::new(7);
    for i in 0..10u32 {
        let key = i % 5 == 0;
        let kind = if key { 7 } else { 5 };
        let mut picture = h264_picture(key, i, 300);
        picture.extend(h264_picture(true, i, 1).drain(..2));
        picture.push(h264_slice(key, 600, kind, i, 300));
        let count = picture.len();
        let send = |(k, n): (usize, &bytes::Bytes)| sender.packet(i * 3600, k + 1 == count, n);
        let packets = picture.iter().enumerate().map(send).collect::<Vec<_>>();
        leg.frame(&packets);
    }
    leg.wait(100);
    assert_eq!(leg.out.video.iter().map(|u| u.nalus.len()).collect::<Vec<_>>(), [6, 4, 4, 4, 4, 6, 4, 4, 4, 4]);
    assert_eq!(leg.ingest.stats().dropped_units, 0);
}

#[test]
fn fields_of_one_frame_stay_together() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    let field = |key: bool, n: u32, bottom: u32| {
        let mut w = BitWriter::default();
        w.ue(0).ue(if key { 7 } else { 5 }).ue(0).u(4, n & 15).u(1, 1).u(1, bottom).u(32, 0x5555_5555);
        w.nalu(&[if key { 0x65 } else { 0x41 }])
    };
    for i in 0..10u32 {
        let key = i % 5 == 0;
        let mut picture = vec![field(key, i, 0), field(false, i, 1)];
        if key {
            picture.splice(0..0, [h264_sps(77, 31, 720, 576, true), h264_pps()]);
        }
        let pts = i64::from(i) * 3600;
        leg.frame(&sender.pieces(i * 3600, &mux().video(&picture, pts, pts, key), 1400, true));
    }
    assert!(leg.out.video.len() >= 9);
    assert_eq!(leg.out.video[6].nalus.len(), 2);
}

#[test]
fn voice_in_the_stream_is_judged_by_content() {
    let adts = vector("aac_16k_mono.aac");
    let first = codecs::packet::aac::Adts::parse(&adts).unwrap().frame_bytes;
    let run = |map: Option<u8>, frame: &[u8]| {
        let mut leg = Leg::new(ps_config());
        let mut sender = Sender::new(7);
        let mux = PsMux::new(Some(stream_type::H264), map);
        for i in 0..5u32 {
            let pts = i64::from(i) * 3600;
            let mut pack = mux.video(&h264_picture(i == 0, i, 100), pts, pts, map.is_some());
            pack.extend(mux.audio(frame, pts));
            leg.frame(&sender.pieces(i * 3600, &pack, 200, true));
        }
        leg.out.tracks.iter().find(|t| t.codec.kind() == codecs::hub::unit::Kind::Audio).map(|t| t.codec)
    };
    assert_eq!(run(None, &[0xd5; 320]), Some(Codec::Pcma), "no map: what devices send");
    assert_eq!(run(Some(stream_type::G711U), &[0xd5; 320]), Some(Codec::Pcmu));
    assert_eq!(run(Some(stream_type::AAC_ADTS), &adts[..first]), Some(Codec::Aac));
    assert_eq!(run(Some(stream_type::G711A), &adts[..first]), Some(Codec::Aac), "a map that lies");
}

#[test]
fn voice_beside_the_stream() {
    let mut leg = Leg::new(ps_config());
    let (mut sender, mut voice) = (Sender::new(7), Sender::new(9));
    voice.pt = 8;
    for i in 0..20u32 {
        leg.feed(&[voice.packet(i * 320, false, &[0xd5; 320])]);
        leg.frame(&ps_frame(&mut sender, i, true));
    }
    assert_eq!(leg.out.audio.len(), 20);
    assert!(steps(&leg.out.audio).iter().all(|s| *s == 320));
    assert!(leg.out.video.len() >= 19);
    assert_eq!(leg.ingest.report_blocks(Micros(leg.now)).iter().map(|b| b.ssrc).collect::<Vec<_>>(), [7, 9]);
}

#[test]
fn a_real_transport_stream() {
    let data = vector("ts_h264_aac.ts");
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    for (i, piece) in data.chunks(1316).enumerate() {
        leg.feed(&[sender.packet(i as u32 * 900, false, piece)]);
    }
    leg.wait(500);
    assert_eq!(leg.out.first_media, ["ts"]);
    assert_eq!(leg.out.video.len(), 30);
    assert!(steps(&leg.out.video).iter().all(|s| *s == 3600), "{:?}", steps(&leg.out.video));
    let aac = leg.out.tracks.iter().find(|t| t.codec == Codec::Aac).unwrap();
    assert_eq!((aac.sample_rate_hz, aac.channels), (16_000, 1));
    assert!(leg.out.audio.len() > 10 && steps(&leg.out.audio).iter().all(|s| *s == 1024));
    let mut bare = Ingest::new(IngestConfig::default());
    let mut out = Outputs::default();
    for (i, piece) in data.chunks(1316).enumerate() {
        bare.push_ts(piece, Micros(i as u64 * 10_000));
        out.take(&mut bare);
    }
    assert!(out.video.len() >= 29);
}

#[test]
fn real_program_streams() {
    for (name, b) in [("ps_h264.ps", false), ("ps_h264_b.ps", true), ("ps_h265.ps", false)] {
        let mut leg = Leg::new(ps_config());
        let mut sender = Sender::new(7);
        for (i, piece) in vector(name).chunks(1024).enumerate() {
            leg.feed(&[sender.packet(i as u32 * 3600, false, piece)]);
            leg.now += 20_000;
        }
        // This muxer gives a PTS every few pictures only: the last run has no end that could be seen.
        assert!(leg.out.video.len() >= 24, "{name}: {}", leg.out.video.len());
        assert_eq!(leg.out.tracks.last().unwrap().b_frames, b, "{name}");
        let s = steps(&leg.out.video);
        assert!(s.iter().all(|s| (90..=90_000).contains(s)), "{name}: {s:?}");
        assert_eq!(leg.ingest.stats().dropped_units, 0, "{name}");
    }
}

#[test]
fn parameter_sets_from_the_sdp() {
    // "Z0IAH9oCgPf0" and "aMw=" are h264_sps(66, 31, 640, 480) and h264_pps()
    let fmtp = "packetization-mode=1; sprop-parameter-sets=Z0IAH9oCgPf0,aMw=".to_owned();
    let map = PayloadMap { pt: 96, codec: Codec::H264, clock_hz: 90_000, latm: false, fmtp };
    let mut leg = Leg::new(IngestConfig { payloads: vec![map], ..IngestConfig::default() });
    let mut sender = Sender::new(7);
    for i in 0..5u32 {
        let slice = h264_slice(i == 0, 0, if i == 0 { 7 } else { 5 }, i, 200);
        leg.frame(&[sender.packet(i * 3600, true, &slice)]);
    }
    assert_eq!(leg.out.tracks[0].width, 640);
    assert!(leg.out.video.len() >= 4);
}

#[test]
fn private_streams_and_unsupported_audio_are_named() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    for _ in 0..50 {
        leg.feed(&[sender.packet(0, false, &[1, 0, 0, 0, 9, 9, 0xe2, 0x42, 1, 2, 3])]);
    }
    assert_eq!(leg.out.problems, ["private-stream"], "once, not fifty times");
    assert_eq!(leg.ingest.stats().payload, "private");
    let mut leg = Leg::new(ps_config());
    let g729 = PsMux::new(Some(stream_type::H264), Some(stream_type::G729));
    let mut pack = g729.video(&h264_picture(true, 0, 100), 0, 0, true);
    pack.extend(g729.audio(&[1; 20], 0));
    leg.frame(&sender.pieces(0, &pack, 100, true));
    leg.wait(100);
    assert_eq!(leg.out.problems, ["audio-unsupported"]);
    assert!(leg.out.audio.is_empty() && leg.out.video.len() == 1);
}

#[test]
fn noise_is_survived_and_bounded() {
    let mut rng = Rng(21);
    for round in 0..60 {
        let mut leg = Leg::new(IngestConfig { jitter_packets: 20, jitter_ms: 30, ..ps_config() });
        let mut sender = Sender::new(7);
        for i in 0..30 {
            for mut p in ps_frame(&mut sender, i, true) {
                match rng.below(12) {
                    0 => continue,
                    1 => {
                        let at = rng.below(p.len());
                        p[at] = rng.u64() as u8;
                    }
                    2 => p.truncate(rng.below(p.len())),
                    3 => p = rng.bytes(200),
                    _ => {}
                }
                leg.feed(&[p]);
            }
            leg.wait(40);
        }
        let s = steps(&leg.out.video);
        assert!(s.iter().all(|s| *s > 0), "round {round}: {s:?}");
        // and clean again afterwards
        leg.now += 3_000_000;
        let mut clean = Sender::new(7);
        clean.seq = sender.seq.wrapping_add(1);
        let before = leg.out.video.len();
        (30..60).for_each(|i| leg.frame(&ps_frame(&mut clean, i, true)));
        assert!(leg.out.video.len() >= before + 18, "round {round}: {} after noise", leg.out.video.len() - before);
    }
}

#[test]
fn capture_time_comes_from_sender_reports() {
    let mut leg = Leg::new(ps_config());
    let mut sender = Sender::new(7);
    leg.frame(&ps_frame(&mut sender, 0, true));
    let unix_s = 1_800_000_000u64;
    let mut sr = vec![0x80, 200, 0, 6, 0, 0, 0, 7];
    sr.extend(((unix_s + 2_208_988_800) << 32).to_be_bytes());
    sr.extend(36_000u32.to_be_bytes());
    sr.extend([0; 8]);
    leg.ingest.push_rtcp(&sr, Micros(leg.now));
    (1..20).for_each(|i| leg.frame(&ps_frame(&mut sender, i, true)));
    let tenth = leg.out.video.iter().find(|u| u.nalus == h264_picture(true, 10, 3000)).unwrap();
    assert_eq!(tenth.capture_unix_us, Some(1_800_000_000_000_000));
    assert_eq!(leg.ingest.report_blocks(Micros(leg.now))[0].last_sr, ((unix_s + 2_208_988_800) << 16) as u32);
}
