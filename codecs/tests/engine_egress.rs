//! A track to one subscriber, time and chance by hand: numbering, runs, retransmission, sealing.

use bytes::Bytes;
use codecs::hub::track::Track;
use codecs::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use codecs::relay::egress::{Moving, Outlet, OutletConfig, Start};
use codecs::relay::order::Extensions;
use codecs::rtp::header::RtpView;
use codecs::rtp::srtp::{Opener, Profile, Sealer, SrtpKey};
use codecs::time::Micros;

fn track() -> Track {
    let params = TrackParams {
        codec: Codec::H264,
        clock_hz: 90_000,
        generation: 1,
        width: 0,
        height: 0,
        profile: String::new(),
        profile_level_id: 0,
        b_frames: false,
        channels: 0,
        sample_rate_hz: 0,
        parameter_sets: Vec::new(),
    };
    Track::new(params, 1_000_000)
}

fn push(track: &mut Track, n: i64, key: bool, len: usize) {
    let mut nalu: Vec<u8> = (0..len).map(|i| (i as i64 * 31 + n) as u8).collect();
    nalu[0] = if key { 0x65 } else { 0x41 };
    let at = Micros(n as u64 * 33_000);
    let unit = AccessUnit {
        kind: Kind::Video,
        nalus: vec![Bytes::from(nalu)],
        pts: n * 3000,
        dts: n * 3000,
        key,
        after_loss: false,
        arrival: at,
        capture_unix_us: None,
    };
    assert!(track.push(&unit, n * 3000, at));
}

fn outlet(rtx: Option<(u32, u8)>, seq: u16) -> Outlet {
    let extensions =
        Extensions { mid: 1, video_mid: "v".into(), abs_send_time: 2, transport_cc: 3, ..Extensions::default() };
    Outlet::new(&OutletConfig {
        kind: Kind::Video,
        ssrc: 7,
        pt: 96,
        rtx,
        extensions: &extensions,
        start: Start { seq, ts: 1000, rtx_seq: 5 },
    })
}

/// Everything there is to send, packet by packet.
fn drain(outlet: &mut Outlet, track: &Track, sealer: Option<&Sealer>, moving: &mut Moving) -> Vec<Vec<u8>> {
    let (mut buffer, mut packets) = (vec![0; 32 * 1024], Vec::new());
    while let Some(run) = outlet.fill(track, &mut buffer, sealer, moving, 16) {
        assert!(run.packets <= 16 && run.packets > 0);
        let cut: Vec<_> = buffer[..run.len].chunks(run.segment).map(<[u8]>::to_vec).collect();
        assert_eq!(cut.len(), run.packets);
        packets.extend(cut);
    }
    packets
}

#[test]
fn numbers_follow_each_other_over_frames_drops_and_the_wrap() {
    let mut track = track();
    let mut out = outlet(Some((8, 97)), 0x7ffe);
    let mut moving = Moving::default();
    for n in 0..40 {
        push(&mut track, n, n % 20 == 0, if n % 20 == 0 { 40_000 } else { 3_000 });
    }
    assert!(out.start_at_gop(&track));
    let mut all = drain(&mut out, &track, None, &mut moving);
    for n in 40..60 {
        push(&mut track, n, n == 50, 3_000);
    }
    out.skip_to(&track, track.gop_start());
    assert_eq!(out.frames_dropped, 10);
    all.extend(drain(&mut out, &track, None, &mut moving));
    let mut last: Option<(u16, u32)> = None;
    for (i, packet) in all.iter().enumerate() {
        assert!(packet.len() <= 1200);
        let view = RtpView::parse(packet).expect("our own packet");
        assert_eq!(view.extension_element(1), Some(&b"v"[..]));
        assert_eq!(view.extension_element(3), Some(&(i as u16).to_be_bytes()[..]));
        if let Some((seq, ts)) = last {
            assert_eq!(view.seq, seq.wrapping_add(1));
            assert!(view.ts.wrapping_sub(ts) < 90_000, "{ts} {}", view.ts);
        }
        last = Some((view.seq, view.ts));
    }
    assert_eq!(all.len() as u32, out.packets);
}

#[test]
fn a_receiver_opens_what_leaves_and_what_leaves_again() {
    for profile in [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::AesCm128HmacSha1_80] {
        let key = SrtpKey::new(profile, &vec![1; profile.key_len()], &vec![2; profile.salt_len()]).expect("fits");
        let (sealer, mut opener) = (Sealer::new(&key), Opener::new(&key));
        let mut track = track();
        let mut out = outlet(Some((8, 97)), 0x7fff);
        let mut moving = Moving::default();
        push(&mut track, 0, true, 30_000);
        assert!(out.start_at_gop(&track));
        let mut originals = Vec::new();
        for packet in drain(&mut out, &track, Some(&sealer), &mut moving) {
            let mut packet = packet;
            let len = opener.open_rtp(&mut packet).expect("sealed by us");
            originals.push(packet[..len].to_vec());
        }
        for original in &originals {
            let view = RtpView::parse(original).expect("our own packet");
            let mut buffer = vec![0; 2048];
            let len = out.resend(&track, view.seq, &mut buffer, Some(&sealer), &mut moving, Micros(1));
            let len = opener.open_rtp(&mut buffer[..len]).expect("sealed by us");
            let again = RtpView::parse(&buffer[..len]).expect("our own packet");
            assert_eq!((again.ssrc, again.pt, again.ts, again.marker), (8, 97, view.ts, view.marker));
            let payload = &buffer[again.payload_range()];
            assert_eq!(payload[..2], view.seq.to_be_bytes());
            assert_eq!(payload[2..], original[view.payload_range()]);
        }
        assert_eq!(out.retransmits, originals.len() as u64);
    }
}

/// Without RTX a packet that is sent again must be the same to the last bit: one nonce, one plaintext.
#[test]
fn without_rtx_what_is_sent_again_is_identical() {
    let key = SrtpKey::new(Profile::AeadAes128Gcm, &[1; 16], &[2; 12]).expect("fits");
    let sealer = Sealer::new(&key);
    let mut track = track();
    let mut out = outlet(None, 9);
    push(&mut track, 0, true, 20_000);
    push(&mut track, 1, false, 9_000);
    assert!(out.start_at_gop(&track));
    let mut moving = Moving { abs_send_time: 77, transport_seq: 3 };
    let sent = drain(&mut out, &track, Some(&sealer), &mut moving);
    moving.abs_send_time = 99;
    for packet in &sent {
        let seq = u16::from_be_bytes([packet[2], packet[3]]);
        let mut buffer = vec![0; 2048];
        let len = out.resend(&track, seq, &mut buffer, Some(&sealer), &mut moving, Micros(5));
        assert_eq!(&buffer[..len], &packet[..]);
    }
}

#[test]
fn a_full_socket_changes_nothing() {
    let mut track = track();
    let mut out = outlet(Some((8, 97)), 9);
    push(&mut track, 0, true, 30_000);
    assert!(out.start_at_gop(&track));
    let mark = out.mark();
    let mut first = vec![0; 32 * 1024];
    let run = out.fill(&track, &mut first, None, &mut Moving::default(), 16).expect("there is a frame");
    out.rewind(&mark);
    let mut second = vec![0; 32 * 1024];
    assert_eq!(out.fill(&track, &mut second, None, &mut Moving::default(), 16), Some(run));
    assert_eq!(first[..run.len], second[..run.len]);
    assert_eq!(out.packets as usize, run.packets);
}

#[test]
fn what_was_left_out_is_not_begun_again() {
    let mut track = track();
    let mut out = outlet(None, 9);
    push(&mut track, 0, true, 5_000);
    assert!(out.start_at_gop(&track));
    drain(&mut out, &track, None, &mut Moving::default());
    push(&mut track, 1, false, 5_000);
    out.skip_to(&track, None);
    assert!(out.is_waiting());
    // The cached group begins with what was sent already.
    assert!(!out.start_at_gop(&track));
    push(&mut track, 2, true, 5_000);
    assert!(out.start_at_gop(&track));
}

#[test]
fn an_interleaved_reader_gets_the_same_packets_in_fewer_runs() {
    let mut track = track();
    for n in 0..10 {
        push(&mut track, n, n == 0, [40_000, 900, 3_000][n as usize % 3]);
    }
    let (mut by_datagram, mut by_frame) = (outlet(None, 0xfff0), outlet(None, 0xfff0));
    assert!(by_datagram.start_at_gop(&track) && by_frame.start_at_gop(&track));
    let packets = drain(&mut by_datagram, &track, None, &mut Moving::default());
    let (mut heads, mut moving, mut frames, mut ended) =
        (vec![0; 64 * 1024], Moving::default(), Vec::new(), Vec::new());
    loop {
        let mark = by_frame.mark();
        let Some(made) = by_frame.fill_frames(&track, 4, &mut heads, &mut moving, 32) else { break };
        assert!((1..=32).contains(&made.run.packets));
        let bytes = made.parts(&heads).map(|parts| parts.concat()).collect::<Vec<_>>();
        assert_eq!(bytes.iter().map(|b| b.len() - 4).sum::<usize>(), made.run.len);
        if frames.len() % 2 == 0 {
            // The socket was full: made again, it is the same.
            by_frame.rewind(&mark);
            let again = by_frame.fill_frames(&track, 4, &mut heads, &mut moving, 32).expect("it is still there");
            assert_eq!(again.parts(&heads).map(|parts| parts.concat()).collect::<Vec<_>>(), bytes);
        }
        frames.extend(bytes);
        ended.extend(made.run.ended);
    }
    assert_eq!(ended.len(), 10);
    assert_eq!(ended.iter().filter(|key| **key).count(), 1);
    assert_eq!(frames.len(), packets.len());
    for (frame, packet) in frames.iter().zip(&packets) {
        assert_eq!(frame[..2], [b'$', 4]);
        assert_eq!(usize::from(u16::from_be_bytes([frame[2], frame[3]])), packet.len());
        assert_eq!(frame[4..], packet[..]);
    }
    assert_eq!((by_frame.packets, by_frame.octets, by_frame.frames), (by_datagram.packets, by_datagram.octets, 10));
}
