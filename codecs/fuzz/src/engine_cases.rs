//! Fuzz targets of what the engine reads from strangers, peers and worker processes: STUN, RTCP, SRTP, the frame port.
//! codecs/tests/engine_fuzz.rs includes this file and runs it over the corpus and mutations of it on stable Rust.

use codecs::container::ts_read::TsReader;
use codecs::container::Found;
use codecs::hub::unit::AccessUnit;
use codecs::relay::frame_port::{FrameReader, MAX_UNIT_BYTES};
use codecs::relay::ingest::IngestOutput;
use codecs::relay::stun as stun_parser;
use codecs::relay::ts_udp::TsDatagrams;
use codecs::rtp::rtcp as rtcp_parser;
use codecs::rtp::srtp::{Opener, Profile, Sealer, SrtpKey};
use codecs::srt::selector;
use codecs::time::Micros;

pub type Case = fn(&[u8]);

pub const ALL: &[(&str, Case)] = &[
    ("rtcp", rtcp),
    ("stun", stun),
    ("srtp_unprotect", srtp_unprotect),
    ("frame_port", frame_port),
    ("ts_datagrams", ts_datagrams),
    ("srt_stream_id", srt_stream_id),
];

/// Every packet's lists can be read to their end, and are bounded.
pub fn rtcp(data: &[u8]) {
    let mut count = 0;
    for packet in rtcp_parser::packets(data) {
        count += 1;
        use rtcp_parser::Rtcp::*;
        match packet {
            Ok(SenderReport { blocks, .. } | ReceiverReport { blocks, .. }) => {
                assert!(rtcp_parser::report_blocks(blocks).count() <= 31);
            }
            Ok(Bye { ssrcs } | Remb { ssrcs, .. }) => assert!(rtcp_parser::ssrcs(ssrcs).count() <= 255),
            Ok(Nack { items, .. }) => {
                let seqs: Vec<u16> = rtcp_parser::nack_seqs(items).collect();
                assert!(seqs.len() <= rtcp_parser::MAX_NACKS);
                let mut out = Vec::new();
                rtcp_parser::write_nack(&mut out, 1, 2, &seqs);
                assert_eq!(rtcp_parser::packets(&out).filter(Result::is_ok).count(), 1);
            }
            Ok(Fir { entries }) => {
                let _ = rtcp_parser::fir_ssrcs(entries).count();
            }
            Ok(TransportCc { feedback }) => {
                let mut told = 0;
                let _ = rtcp_parser::transport_cc(feedback, |_, _| told += 1);
                assert!(told <= 65_535);
            }
            Ok(Pli { .. } | Other { .. }) => {}
            Err(error) => assert!(error.offset <= data.len()),
        }
    }
    assert!(count <= rtcp_parser::MAX_PACKETS);
}

/// Records of u8 sender and time, u16 length, datagram: what comes out is bounded by what went in, and times only grow.
pub fn ts_datagrams(data: &[u8]) {
    let mut datagrams = TsDatagrams::new(TsReader::new(u16::from(data.first().copied().unwrap_or(0) & 3)), None);
    let (mut now, mut found, mut bytes, mut rest) = (1_000_000u64, Vec::new(), 0, data.get(1..).unwrap_or(&[]));
    while rest.len() > 3 {
        let (head, tail) = rest.split_at(3);
        let len = usize::from(u16::from_be_bytes([head[1], head[2]])).min(tail.len());
        let from = ([127, 0, 0, 1 + (head[0] & 1)], 5000).into();
        now += u64::from(head[0] >> 1) * 20_000;
        datagrams.push(&tail[..len], from, Micros(now), &mut found);
        datagrams.handle_timer(Micros(now), &mut found);
        bytes += len;
        rest = &tail[len..];
    }
    let units = found.iter().filter_map(|f| if let Found::Unit(unit) = f { Some(unit.len()) } else { None });
    // Parameter sets may be repeated before a key frame, never more.
    assert!(units.sum::<usize>() <= bytes * 64 + 4096);
    if let Some(at) = datagrams.next_timer() {
        datagrams.handle_timer(Micros(at.0.max(now) + 10_000_000), &mut found);
    }
}

/// Whatever a caller says, it is let in by a selector that it named, in its fields or to the letter.
pub fn srt_stream_id(data: &[u8]) {
    let id = String::from_utf8_lossy(data);
    let list: Vec<_> =
        [("u=dji", "phrase-of-dji"), ("r=a", "phrase-of-a")].map(|(s, p)| (s.to_owned(), p.to_owned())).into();
    match selector::passphrase(&list, &id) {
        Some("phrase-of-dji") => assert!(id == "u=dji" || selector::field(&id, "u") == Some("dji")),
        Some(_) => assert!(id == "r=a" || selector::resource(&id) == Some("a")),
        None => {}
    }
    assert_eq!(selector::passphrase(&[], &id), Some(""));
}

/// What is taken for authentic was made with the password.
pub fn stun(data: &[u8]) {
    let Ok(message) = stun_parser::parse(data) else { return };
    let _ = (message.is_request(), message.local_ufrag());
    if message.is_authentic(b"the password") {
        let mut other = data.to_vec();
        other[19] ^= 1;
        assert!(!stun_parser::parse(&other).is_ok_and(|m| m.is_authentic(b"the password")));
    }
}

fn key(profile: Profile) -> SrtpKey {
    SrtpKey::new(profile, &vec![7; profile.key_len()], &vec![9; profile.salt_len()]).expect("lengths of the profile")
}

/// Nothing but what was sealed opens; what is sealed opens to what it was.
pub fn srtp_unprotect(data: &[u8]) {
    for profile in [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::AesCm128HmacSha1_80] {
        let mut opener = Opener::new(&key(profile));
        assert!(opener.open_rtp(&mut data.to_vec()).is_err());
        assert!(opener.open_rtcp(&mut data.to_vec()).is_err());
        if data.len() >= 8 {
            let mut packet = data.to_vec();
            packet[0] = packet[0] & 0x3f | 0x80;
            let plain = packet.clone();
            packet.resize(plain.len() + 32, 0);
            let len = Sealer::new(&key(profile)).seal_rtcp(&mut packet, plain.len(), 3);
            assert_eq!(opener.open_rtcp(&mut packet[..len]), Ok(plain.len()));
            assert_eq!(packet[..plain.len()], plain);
        }
    }
}

/// Records by their length in two bytes: no unit is larger than the limit, or larger than what came.
pub fn frame_port(mut data: &[u8]) {
    let mut reader = FrameReader::default();
    let mut given = 0;
    while let [hi, lo, rest @ ..] = data {
        let len = usize::from(u16::from_be_bytes([*hi, *lo])).min(rest.len());
        let (record, tail) = rest.split_at(len);
        data = tail;
        given += len;
        if let Ok(Some(IngestOutput::Unit(unit))) = reader.push(record, Micros(0)) {
            assert!(AccessUnit::len(&unit) <= given.min(MAX_UNIT_BYTES));
        }
    }
}
