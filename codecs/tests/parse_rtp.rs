//! RTP header, reorder buffer, reception figures.

mod parse_support;

use codecs::rtp::header::{is_rtcp, RtpHeader, RtpView};
use codecs::rtp::jitter::{JitterBuffer, Offer};
use codecs::rtp::reception::{sender_reports, Reception, SenderClock};
use codecs::time::Micros;
use parse_support::Rng;

#[test]
fn header_both_ways() {
    let header = RtpHeader { marker: true, pt: 96, seq: 0xfffe, ts: 0x8000_0001, ssrc: 0xdead_beef };
    let packet = header.packet(&[1, 2, 3]);
    let view = RtpView::parse(&packet).unwrap();
    assert_eq!((view.marker, view.pt, view.seq, view.ts, view.ssrc), (true, 96, 0xfffe, 0x8000_0001, 0xdead_beef));
    assert_eq!((view.payload(), view.payload_range()), (&[1u8, 2, 3][..], 12..15));
    assert!(view.extension().is_none() && view.csrcs().next().is_none());
}

#[test]
fn csrc_extension_and_padding() {
    let mut p = vec![0xb2, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    p.extend([0, 0, 0, 7, 0, 0, 0, 8]); // two CSRCs
    p.extend([0xbe, 0xde, 0, 2, 0x10, 0xaa, 0, 0x31, 0xbb, 0xcc, 0, 0]); // elements 1 (1 byte) and 3 (2 bytes)
    p.extend([9, 9, 9, 0, 0, 3]);
    let view = RtpView::parse(&p).unwrap();
    assert_eq!(view.csrcs().collect::<Vec<_>>(), [7, 8]);
    assert_eq!(view.payload(), &[9, 9, 9]);
    assert_eq!(view.extension_element(1), Some(&[0xaa][..]));
    assert_eq!(view.extension_element(3), Some(&[0xbb, 0xcc][..]));
    assert_eq!(view.extension_element(2), None);
    // every cut is refused or read as something shorter, never more
    for cut in 0..p.len() {
        if let Ok(v) = RtpView::parse(&p[..cut]) {
            assert!(v.payload_range().end <= cut);
        }
    }
    p[37] = 200;
    assert_eq!(RtpView::parse(&p).unwrap_err().what, "RTP padding longer than the packet");
}

#[test]
fn what_is_not_rtp() {
    assert!(RtpView::parse(&[]).is_err());
    assert!(RtpView::parse(&[0x40; 12]).is_err());
    let rtcp = [0x80, 200, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(is_rtcp(&rtcp) && RtpView::parse(&rtcp).is_err());
    let marked_96 = RtpHeader { marker: true, pt: 96, seq: 0, ts: 0, ssrc: 0 }.to_bytes(false);
    assert!(!is_rtcp(&marked_96));
}

/// Feeds `seqs` one millisecond apart and gives what came out.
fn run(buffer: &mut JitterBuffer, seqs: impl IntoIterator<Item = u16>, start_ms: u64) -> Vec<(u16, u32, bool)> {
    let mut out = Vec::new();
    for (i, seq) in seqs.into_iter().enumerate() {
        let now = Micros((start_ms + i as u64) * 1000);
        if let Offer::InOrder { lost } = buffer.offer(seq, &seq.to_be_bytes(), now) {
            out.push((seq, lost, false));
        }
        drain(buffer, now, &mut out);
    }
    out
}

fn drain(buffer: &mut JitterBuffer, now: Micros, out: &mut Vec<(u16, u32, bool)>) {
    while let Some(p) = buffer.pop(now) {
        out.push((u16::from_be_bytes([p.packet[0], p.packet[1]]), p.lost, p.restart));
        buffer.recycle(p.packet);
    }
}

fn seqs(out: &[(u16, u32, bool)]) -> Vec<u16> {
    out.iter().map(|o| o.0).collect()
}

#[test]
fn reorders_over_the_wrap() {
    let mut b = JitterBuffer::new(16, 100);
    let out = run(&mut b, [65534, 0, 65535, 2, 3, 1, 4], 0);
    assert_eq!(seqs(&out), [65534, 65535, 0, 1, 2, 3, 4]);
    assert!(out.iter().all(|o| o.1 == 0) && b.is_empty());
    assert_eq!((b.stats().lost, b.stats().duplicates, b.stats().late), (0, 0, 0));
    assert_eq!(b.stats().reordered, 2);
}

#[test]
fn loss_by_time() {
    let mut b = JitterBuffer::new(16, 100);
    let mut out = run(&mut b, [10, 12, 13], 0);
    assert_eq!(seqs(&out), [10]);
    assert_eq!(b.missing().collect::<Vec<_>>(), [11]);
    let due = b.next_timer().unwrap();
    assert_eq!(due, Micros(101_000));
    drain(&mut b, Micros(due.0 - 1), &mut out);
    assert_eq!(out.len(), 1);
    drain(&mut b, due, &mut out);
    assert_eq!(out[1..], [(12, 1, false), (13, 0, false)]);
    assert_eq!((b.stats().lost, b.next_timer()), (1, None));
    assert_eq!(b.offer(11, &[0, 11], due), Offer::Late);
    assert_eq!(b.offer(12, &[0, 12], due), Offer::Duplicate);
}

#[test]
fn loss_by_window() {
    let mut b = JitterBuffer::new(4, 10_000);
    let out = run(&mut b, [1, 3, 4, 9], 0);
    assert_eq!(out, [(1, 0, false), (3, 1, false), (4, 0, false), (9, 4, false)]);
    assert_eq!(b.stats().lost, 5);
}

#[test]
fn a_restart_needs_two_and_loses_none() {
    let mut b = JitterBuffer::new(32, 100);
    let out = run(&mut b, [100, 101, 30_000, 102, 103], 0);
    assert_eq!(seqs(&out), [100, 101, 102, 103], "one stray packet is no restart");
    let out = run(&mut b, [30_000, 30_001, 30_002], 10);
    assert_eq!(out, [(30_000, 0, true), (30_001, 0, false), (30_002, 0, false)]);
    let out = run(&mut b, [5, 6, 7], 20);
    assert_eq!(out, [(5, 0, true), (6, 0, false), (7, 0, false)]);
    assert_eq!((b.stats().restarts, b.stats().lost), (2, 0));
}

#[test]
fn a_sender_that_does_not_count_is_followed() {
    let mut b = JitterBuffer::new(8, 100);
    let out = run(&mut b, std::iter::repeat_n(7, 400), 0);
    assert!(out.len() > 10, "{} packets", out.len());
}

#[test]
fn any_order_comes_out_in_order() {
    let mut rng = Rng(7);
    for round in 0..200 {
        let start = rng.u64() as u16;
        let mut order = (0..500u16).map(|i| start.wrapping_add(i)).collect::<Vec<_>>();
        // shuffle within windows of 8, lose some, double some
        for chunk in order.chunks_mut(8) {
            for i in (2..chunk.len()).rev() {
                chunk.swap(i, 1 + rng.below(i));
            }
        }
        let mut fed = Vec::new();
        for seq in order {
            match rng.below(20) {
                0 if seq != start => {}
                1 => fed.extend([seq, seq]),
                _ => fed.push(seq),
            }
        }
        let mut b = JitterBuffer::new(32, 20);
        let mut out = run(&mut b, fed, 0);
        drain(&mut b, Micros(10_000_000), &mut out);
        let positions = seqs(&out).iter().map(|s| s.wrapping_sub(start)).collect::<Vec<_>>();
        assert!(positions.windows(2).all(|w| w[0] < w[1]), "round {round}: {positions:?}");
        let lost: u32 = out.iter().map(|o| o.1).sum();
        let last = usize::from(*positions.last().unwrap());
        assert_eq!(out.len() + lost as usize, last + 1, "every packet came or counts as lost");
    }
}

#[test]
fn hostile_sequences_stay_bounded() {
    let mut rng = Rng(9);
    let mut b = JitterBuffer::new(64, 50);
    for i in 0..200_000u64 {
        let seq = if rng.below(3) == 0 { rng.u64() as u16 } else { (i * 3) as u16 };
        let _ = b.offer(seq, &[0, 0], Micros(i * 100));
        if rng.below(4) > 0 {
            while b.pop(Micros(i * 100)).is_some() {}
        }
        assert!(b.len() <= 2 * 64 + 1);
    }
}

#[test]
fn packets_as_large_as_datagrams_stay_bounded_and_let_go() {
    let mut buffer = JitterBuffer::new(2048, 200);
    let large = vec![0; 65_000];
    buffer.offer(0, &large, Micros(0));
    let held = (2..1000u16).filter(|seq| buffer.offer(*seq, &large, Micros(0)) == Offer::Held).count();
    assert!(held * large.len() <= 4 << 20 && held > 32, "{held}");
    // The gap is given up by time, and what comes then is taken again.
    while let Some(popped) = buffer.pop(Micros(1_000_000)) {
        buffer.recycle(popped.packet);
    }
    assert!(buffer.is_empty());
    assert_eq!(buffer.offer(held as u16 + 3, &large, Micros(1_000_000)), Offer::Held);
}

#[test]
fn report_of_a_receiver() {
    let mut r = Reception::new(5, 8000, 65_530);
    for i in (0..100u16).filter(|i| i % 4 != 3) {
        r.received(65_530u16.wrapping_add(i), u32::from(i) * 160, Micros(u64::from(i) * 20_000));
    }
    let block = r.report(Micros(2_000_000));
    assert_eq!(block.extended_seq, 65_530 + 98);
    assert_eq!((block.cumulative_lost, block.jitter), (24, 0));
    assert_eq!(block.fraction_lost, (24 * 256 / 99) as u8);
    assert_eq!(r.report(Micros(2_000_000)).fraction_lost, 0);
    // RFC 3550 A.8: one packet 20 ms late moves the estimate by a sixteenth of 160 ticks
    r.received(65_530u16.wrapping_add(99), 99 * 160, Micros(100 * 20_000));
    assert_eq!(r.report(Micros(2_000_000)).jitter, 10);
}

#[test]
fn sender_report_gives_capture_time() {
    let unix_s = 1_800_000_000u64;
    let ntp = (unix_s + 2_208_988_800) << 32 | 1 << 31;
    let mut sr = vec![0x80, 200, 0, 6, 0, 0, 0, 9];
    sr.extend(ntp.to_be_bytes());
    sr.extend(90_000u32.to_be_bytes());
    sr.extend([0; 8]);
    sr.extend([0x81, 202, 0, 1, 0, 0, 0, 9]);
    let found = sender_reports(&sr).unwrap();
    assert_eq!(found, [SenderClock { ssrc: 9, ntp, rtp_ts: 90_000 }]);
    assert_eq!(found[0].unix_us(45_000, 90_000), Some(1_800_000_000_000_000));
    assert_eq!(SenderClock { ssrc: 9, ntp: 0, rtp_ts: 0 }.unix_us(0, 90_000), None);
    for cut in 0..sr.len() {
        let _ = sender_reports(&sr[..cut]);
    }
}
