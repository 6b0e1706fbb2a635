//! Fuzz targets of what the engine reads from strangers, peers and worker processes: STUN, RTCP, SRTP, the frame port.
//! codecs/tests/engine_fuzz.rs includes this file and runs it over the corpus and mutations of it on stable Rust.

use codecs::hub::unit::AccessUnit;
use codecs::relay::frame_port::{FrameReader, MAX_UNIT_BYTES};
use codecs::relay::ingest::IngestOutput;
use codecs::relay::stun as stun_parser;
use codecs::rtp::rtcp as rtcp_parser;
use codecs::rtp::srtp::{Opener, Profile, Sealer, SrtpKey};
use codecs::time::Micros;

pub type Case = fn(&[u8]);

pub const ALL: &[(&str, Case)] =
    &[("rtcp", rtcp), ("stun", stun), ("srtp_unprotect", srtp_unprotect), ("frame_port", frame_port)];

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
