//! RTCP packets out (RFC 3550 §6, RFC 4585, REMB): each call adds one packet to a compound.

use super::reception::ReportBlock;
use super::rtcp::{BYE, MAX_NACKS, PSFB, RR, RTPFB, SDES, SR};

/// Begin a packet; `finish` writes its length.
fn begin(out: &mut Vec<u8>, count: u8, pt: u8, ssrc: u32) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0x80 | count, pt, 0, 0]);
    out.extend_from_slice(&ssrc.to_be_bytes());
    start
}

fn finish(out: &mut [u8], start: usize) {
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

pub fn write_sender_report(out: &mut Vec<u8>, ssrc: u32, ntp: u64, rtp_ts: u32, packets: u32, octets: u32) {
    let start = begin(out, 0, SR, ssrc);
    out.extend_from_slice(&ntp.to_be_bytes());
    for word in [rtp_ts, packets, octets] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    finish(out, start);
}

/// At most 31 blocks go into one report; the rest is left out.
pub fn write_receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: &[ReportBlock]) {
    let blocks = &blocks[..blocks.len().min(31)];
    let start = begin(out, blocks.len() as u8, RR, ssrc);
    for b in blocks {
        out.extend_from_slice(&b.ssrc.to_be_bytes());
        let lost = b.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        out.extend_from_slice(&(u32::from(b.fraction_lost) << 24 | lost).to_be_bytes());
        for word in [b.extended_seq, b.jitter, b.last_sr, b.delay_since_last_sr] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    finish(out, start);
}

/// SDES with the CNAME only (RFC 3550 §6.5.1); `cname` is cut at 255 bytes.
pub fn write_sdes(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let name = &cname.as_bytes()[..cname.len().min(255)];
    let start = begin(out, 1, SDES, ssrc);
    out.extend_from_slice(&[1, name.len() as u8]);
    out.extend_from_slice(name);
    out.push(0);
    while (out.len() - start) % 4 != 0 {
        out.push(0);
    }
    finish(out, start);
}

pub fn write_bye(out: &mut Vec<u8>, ssrc: u32) {
    let start = begin(out, 1, BYE, ssrc);
    finish(out, start);
}

pub fn write_pli(out: &mut Vec<u8>, sender: u32, media: u32) {
    let start = begin(out, 1, PSFB, sender);
    out.extend_from_slice(&media.to_be_bytes());
    finish(out, start);
}

/// `seqs` in rising order; what lies within 16 of the last item is packed into its mask.
pub fn write_nack(out: &mut Vec<u8>, sender: u32, media: u32, seqs: &[u16]) {
    let start = begin(out, 1, RTPFB, sender);
    out.extend_from_slice(&media.to_be_bytes());
    let mut seqs = seqs.iter().copied().take(MAX_NACKS).peekable();
    while let Some(pid) = seqs.next() {
        let mut mask = 0u16;
        while let Some(d) = seqs.peek().map(|s| s.wrapping_sub(pid)).filter(|d| (1..=16).contains(d)) {
            mask |= 1 << (d - 1);
            seqs.next();
        }
        out.extend_from_slice(&pid.to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
    }
    finish(out, start);
}

pub fn write_remb(out: &mut Vec<u8>, sender: u32, bps: u64, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(255)];
    let start = begin(out, 15, PSFB, sender);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(b"REMB");
    let exponent = (64 - bps.leading_zeros()).saturating_sub(18);
    let mantissa = (bps >> exponent) as u32;
    out.extend_from_slice(&((ssrcs.len() as u32) << 24 | exponent << 18 | mantissa).to_be_bytes());
    for ssrc in ssrcs {
        out.extend_from_slice(&ssrc.to_be_bytes());
    }
    finish(out, start);
}
