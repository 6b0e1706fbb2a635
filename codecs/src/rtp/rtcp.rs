//! RTCP: compound packets read in place (bounded, borrowed) and written (RFC 3550 §6, RFC 4585, RFC 5104, REMB,
//! transport-wide congestion control).

use super::reception::ReportBlock;
use crate::error::ParseError;

pub use super::rtcp_write::*;

pub const SR: u8 = 200;
pub const RR: u8 = 201;
pub const SDES: u8 = 202;
pub const BYE: u8 = 203;
pub const RTPFB: u8 = 205;
pub const PSFB: u8 = 206;

/// Packets read of one compound at most; a longer one is cut here.
pub const MAX_PACKETS: usize = 32;
/// Sequence numbers of one NACK packet at most.
pub const MAX_NACKS: usize = 512;

/// One packet of a compound. Lists stay as bytes whose length was checked; read them with the functions below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rtcp<'a> {
    SenderReport {
        ssrc: u32,
        ntp: u64,
        rtp_ts: u32,
        packets: u32,
        octets: u32,
        blocks: &'a [u8],
    },
    ReceiverReport {
        ssrc: u32,
        blocks: &'a [u8],
    },
    /// SSRCs that left, four bytes each.
    Bye {
        ssrcs: &'a [u8],
    },
    /// RFC 4585 §6.2.1; `items` are PID and BLP.
    Nack {
        media: u32,
        items: &'a [u8],
    },
    Pli {
        media: u32,
    },
    /// RFC 5104 §4.3.1; `entries` of eight bytes: SSRC, sequence number, reserved. The media SSRC of the header is 0.
    Fir {
        entries: &'a [u8],
    },
    /// draft-alvestrand-rmcat-remb-03 §2.2.
    Remb {
        bps: u64,
        ssrcs: &'a [u8],
    },
    /// draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1: what follows the media SSRC.
    TransportCc {
        feedback: &'a [u8],
    },
    /// SDES, APP, XR and whatever else has a sound length.
    Other {
        pt: u8,
    },
}

fn u32_at(b: &[u8], at: usize) -> u32 {
    b.get(at..at + 4).map_or(0, |w| u32::from_be_bytes([w[0], w[1], w[2], w[3]]))
}

/// Go over a compound (or reduced-size, RFC 5506) packet. After an `Err` nothing more comes.
pub fn packets(compound: &[u8]) -> impl Iterator<Item = Result<Rtcp<'_>, ParseError>> {
    let mut rest = compound;
    let mut left = MAX_PACKETS;
    std::iter::from_fn(move || {
        if rest.is_empty() || left == 0 {
            return None;
        }
        left -= 1;
        match one(rest) {
            Ok((packet, used)) => {
                rest = &rest[used..];
                Some(Ok(packet))
            }
            Err(mut error) => {
                error.offset += compound.len() - rest.len();
                rest = &[];
                Some(Err(error))
            }
        }
    })
}

fn one(b: &[u8]) -> Result<(Rtcp<'_>, usize), ParseError> {
    if b.len() < 4 {
        return Err(ParseError::new("RTCP header truncated", b.len()));
    }
    if b[0] >> 6 != 2 {
        return Err(ParseError::new("RTCP version is not 2", 0));
    }
    let len = 4 * (usize::from(u16::from_be_bytes([b[2], b[3]])) + 1);
    if len > b.len() {
        return Err(ParseError::new("RTCP packet longer than its datagram", 2));
    }
    let mut body = &b[4..len];
    if b[0] & 0x20 != 0 {
        let padding = usize::from(b[len - 1]);
        if padding == 0 || padding > body.len() {
            return Err(ParseError::new("RTCP padding longer than the packet", len - 1));
        }
        body = &body[..body.len() - padding];
    }
    let count = usize::from(b[0] & 0x1f);
    let need = |n: usize| {
        if body.len() < n {
            Err(ParseError::new("RTCP packet too short for its type", len))
        } else {
            Ok(())
        }
    };
    let packet = match b[1] {
        SR => {
            need(24 + 24 * count)?;
            Rtcp::SenderReport {
                ssrc: u32_at(body, 0),
                ntp: u64::from(u32_at(body, 4)) << 32 | u64::from(u32_at(body, 8)),
                rtp_ts: u32_at(body, 12),
                packets: u32_at(body, 16),
                octets: u32_at(body, 20),
                blocks: &body[24..24 + 24 * count],
            }
        }
        RR => {
            need(4 + 24 * count)?;
            Rtcp::ReceiverReport { ssrc: u32_at(body, 0), blocks: &body[4..4 + 24 * count] }
        }
        BYE => {
            need(4 * count)?;
            Rtcp::Bye { ssrcs: &body[..4 * count] }
        }
        RTPFB | PSFB => {
            need(8)?;
            feedback(b[1], count, u32_at(body, 4), &body[8..])
        }
        pt => Rtcp::Other { pt },
    };
    Ok((packet, len))
}

/// RFC 4585 §6.1: `fci` is what follows the two SSRCs.
fn feedback(pt: u8, format: usize, media: u32, fci: &[u8]) -> Rtcp<'_> {
    match (pt, format) {
        (RTPFB, 1) => Rtcp::Nack { media, items: &fci[..fci.len() / 4 * 4] },
        (RTPFB, 15) => Rtcp::TransportCc { feedback: fci },
        (PSFB, 1) => Rtcp::Pli { media },
        (PSFB, 4) => Rtcp::Fir { entries: &fci[..fci.len() / 8 * 8] },
        (PSFB, 15) if fci.len() >= 8 && &fci[..4] == b"REMB" => {
            let mantissa = u64::from(u32_at(fci, 4) & 0x3ffff);
            let exponent = u32::from(fci[5] >> 2);
            let ssrcs = &fci[8..];
            let ssrcs = &ssrcs[..ssrcs.len().min(usize::from(fci[4]) * 4) / 4 * 4];
            // 18 bits shifted by up to 63 can leave u64: such a figure means "no limit".
            let bps = mantissa.saturating_mul(1u64.checked_shl(exponent).unwrap_or(u64::MAX));
            Rtcp::Remb { bps, ssrcs }
        }
        _ => Rtcp::Other { pt },
    }
}

/// Report blocks of an SR or RR (RFC 3550 §6.4.1).
pub fn report_blocks(blocks: &[u8]) -> impl Iterator<Item = ReportBlock> + '_ {
    blocks.chunks_exact(24).map(|b| ReportBlock {
        ssrc: u32_at(b, 0),
        fraction_lost: b[4],
        // 24 bits, signed.
        cumulative_lost: (u32_at(b, 4) << 8) as i32 >> 8,
        extended_seq: u32_at(b, 8),
        jitter: u32_at(b, 12),
        last_sr: u32_at(b, 16),
        delay_since_last_sr: u32_at(b, 20),
    })
}

pub fn ssrcs(list: &[u8]) -> impl Iterator<Item = u32> + '_ {
    list.chunks_exact(4).map(|b| u32_at(b, 0))
}

pub fn fir_ssrcs(entries: &[u8]) -> impl Iterator<Item = u32> + '_ {
    entries.chunks_exact(8).map(|b| u32_at(b, 0))
}

/// Sequence numbers of a NACK, at most `MAX_NACKS`.
pub fn nack_seqs(items: &[u8]) -> impl Iterator<Item = u16> + '_ {
    items
        .chunks_exact(4)
        .flat_map(|b| {
            let pid = u16::from_be_bytes([b[0], b[1]]);
            let blp = u16::from_be_bytes([b[2], b[3]]);
            std::iter::once(pid)
                .chain((0..16u16).filter(move |i| blp >> i & 1 == 1).map(move |i| pid.wrapping_add(i + 1)))
        })
        .take(MAX_NACKS)
}

/// Transport-wide feedback: calls `each(sequence number, Some(arrival delta in 250 µs ticks) or None for lost)`.
/// Errors leave what was already reported.
pub fn transport_cc(feedback: &[u8], mut each: impl FnMut(u16, Option<i32>)) -> Result<(), ParseError> {
    if feedback.len() < 8 {
        return Err(ParseError::new("transport feedback truncated", feedback.len()));
    }
    let base = u16::from_be_bytes([feedback[0], feedback[1]]);
    let count = usize::from(u16::from_be_bytes([feedback[2], feedback[3]]));
    // Statuses first, then as many deltas as they call for.
    let mut statuses: Vec<u8> = Vec::with_capacity(count.min(4096));
    let mut at = 8;
    while statuses.len() < count {
        let chunk = feedback.get(at..at + 2).ok_or(ParseError::new("transport feedback chunks truncated", at))?;
        let word = u16::from_be_bytes([chunk[0], chunk[1]]);
        at += 2;
        let left = count - statuses.len();
        if word & 0x8000 == 0 {
            let run = usize::from(word & 0x1fff).min(left);
            if run == 0 {
                return Err(ParseError::new("transport feedback run of length 0", at - 2));
            }
            statuses.resize(statuses.len() + run, (word >> 13 & 3) as u8);
        } else if word & 0x4000 == 0 {
            statuses.extend((0..14.min(left)).map(|i| (word >> (13 - i) & 1) as u8));
        } else {
            statuses.extend((0..7.min(left)).map(|i| (word >> (12 - 2 * i) & 3) as u8));
        }
    }
    for (i, status) in statuses.iter().enumerate() {
        let seq = base.wrapping_add(i as u16);
        let short = ParseError::new("transport feedback deltas truncated", at);
        match status {
            1 => {
                each(seq, Some(i32::from(*feedback.get(at).ok_or(short)?)));
                at += 1;
            }
            2 => {
                let d = feedback.get(at..at + 2).ok_or(short)?;
                each(seq, Some(i32::from(i16::from_be_bytes([d[0], d[1]]))));
                at += 2;
            }
            _ => each(seq, None),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let block = ReportBlock {
            ssrc: 7,
            fraction_lost: 12,
            cumulative_lost: -3,
            extended_seq: 70_000,
            jitter: 5,
            last_sr: 0x1234_5678,
            delay_since_last_sr: 65_536,
        };
        let mut out = Vec::new();
        write_sender_report(&mut out, 1, 0x1122_3344_5566_7788, 9, 10, 11);
        write_receiver_report(&mut out, 1, &[block]);
        write_sdes(&mut out, 1, "name@kit");
        write_nack(&mut out, 1, 2, &[10, 11, 26, 27, 65_535]);
        write_pli(&mut out, 1, 2);
        write_remb(&mut out, 1, 4_000_000, &[2, 3]);
        write_bye(&mut out, 1);
        let all: Vec<_> = packets(&out).map(|p| p.expect("our own packet")).collect();
        assert_eq!(
            all[0],
            Rtcp::SenderReport { ssrc: 1, ntp: 0x1122_3344_5566_7788, rtp_ts: 9, packets: 10, octets: 11, blocks: &[] }
        );
        let Rtcp::ReceiverReport { ssrc: 1, blocks } = all[1] else { panic!("{:?}", all[1]) };
        assert_eq!(report_blocks(blocks).collect::<Vec<_>>(), [block]);
        assert_eq!(all[2], Rtcp::Other { pt: SDES });
        let Rtcp::Nack { media: 2, items } = all[3] else { panic!("{:?}", all[3]) };
        assert_eq!(nack_seqs(items).collect::<Vec<_>>(), [10, 11, 26, 27, 65_535]);
        assert_eq!(all[4], Rtcp::Pli { media: 2 });
        let Rtcp::Remb { bps, ssrcs: list } = all[5] else { panic!("{:?}", all[5]) };
        assert!((3_999_900..=4_000_000).contains(&bps), "{bps}");
        assert_eq!(ssrcs(list).collect::<Vec<_>>(), [2, 3]);
        assert!(matches!(all[6], Rtcp::Bye { ssrcs: list } if ssrcs(list).eq([1])));
    }

    #[test]
    fn cut_anywhere_is_an_error_or_less_and_never_a_panic() {
        let mut out = Vec::new();
        write_sender_report(&mut out, 1, 2, 3, 4, 5);
        write_nack(&mut out, 1, 2, &[1, 5, 9]);
        write_remb(&mut out, 1, u64::MAX, &[2]);
        for end in 0..out.len() {
            let whole = packets(&out[..end]).filter(|p| p.is_ok()).count();
            assert!(whole < 3);
        }
        assert!(packets(&[0x80, 200, 0, 0]).next().is_some_and(|p| p.is_err()));
        assert!(packets(&[0xa0, 200, 0, 0]).next().is_some_and(|p| p.is_err()));
    }

    #[test]
    fn fir_names_its_sources_in_the_entries() {
        let packet = [0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0];
        let Some(Ok(Rtcp::Fir { entries })) = packets(&packet).next() else { panic!("FIR") };
        assert_eq!(fir_ssrcs(entries).collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn transport_feedback_both_chunk_kinds() {
        // base 100, 5 packets: run of 2 received small, then a vector of one-bit symbols 1 0 1.
        let fb = [0, 100, 0, 5, 0, 0, 1, 0, 0x20, 2, 0xa8, 0, 4, 4, 8, 12];
        let mut seen = Vec::new();
        transport_cc(&fb, |seq, delta| seen.push((seq, delta))).expect("sound");
        assert_eq!(seen, [(100, Some(4)), (101, Some(4)), (102, Some(8)), (103, None), (104, Some(12))]);
        assert!(transport_cc(&fb[..12], |_, _| ()).is_err());
        assert!(transport_cc(&[0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0], |_, _| ()).is_err());
    }
}
