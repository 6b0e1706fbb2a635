//! Fuzz targets of a bundle's datagrams and frames: reading what anyone may send, and what reports do to the memory of what
//! was sent. codecs/tests/bundle_wire_fuzz.rs includes this file and runs it over seeds and mutations on stable Rust.

use codecs::bundle::frame::next_frame;
use codecs::bundle::frame_write::{encoded_len, Writer};
use codecs::bundle::item::Item;

use codecs::bundle::report::{Received, Report};
use codecs::bundle::sent::Sent;
use codecs::bundle::wire::{
    write_accept, write_init, write_refuse, write_reset, write_retry, Datagram, INIT_BYTES, MAC_BYTES,
};
use codecs::bytes::Reader;
use codecs::time::Micros;

pub type Case = fn(&[u8]);

pub const ALL: &[(&str, Case)] =
    &[("bundle_wire", bundle_wire), ("bundle_frames", bundle_frames), ("bundle_report", bundle_report)];

/// What is read as a datagram is what its writer makes of the parts.
pub fn bundle_wire(data: &[u8]) {
    let again = match Datagram::parse(data) {
        Ok(Datagram::Init(init)) => {
            assert!(data.len() >= INIT_BYTES && init.covered.len() + 2 * MAC_BYTES == data.len());
            let mut again = write_init(init.suite, init.sender, init.format, init.noise).unwrap_or_default();
            if again.is_empty() || data.len() != INIT_BYTES {
                return;
            }
            let end = again.len() - 2 * MAC_BYTES;
            again[end..end + MAC_BYTES].copy_from_slice(&init.mac);
            again[end + MAC_BYTES..].copy_from_slice(&init.cookie);
            again
        }
        Ok(Datagram::Data(header)) => {
            let mut again = data.to_vec();
            again[..12].fill(0);
            header.write(&mut again);
            again
        }
        Ok(Datagram::Accept { receiver, noise }) => write_accept(receiver, noise),
        Ok(Datagram::Refuse { receiver, code, .. }) => {
            let whole = write_refuse(data[0] >> 2 & 3, receiver, code);
            whole[..6].to_vec() // what follows is the writer's own
        }
        Ok(Datagram::Retry { receiver, cookie }) => write_retry(receiver, &cookie),
        Ok(Datagram::Reset { receiver, token }) => write_reset(receiver, &token),
        Err(_) => return,
    };
    assert!(data.starts_with(&again));
}

/// What is read as a frame is written, in the length that is reckoned for it, and read as the same.
pub fn bundle_frames(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mut buf = vec![0; data.len() + 64];
    while let Ok(Some(frame)) = next_frame(&mut reader) {
        let mut writer = Writer::new(&mut buf, 0);
        assert!(writer.put(&frame));
        let end = writer.position();
        assert_eq!(end, encoded_len(&frame));
        assert!(!Writer::new(&mut buf[..end - 1], 0).put(&frame), "a byte less is no room");
        Writer::new(&mut buf, 0).put(&frame);
        assert_eq!(next_frame(&mut Reader::new(&buf[..end])), Ok(Some(frame)));
    }
}

/// u8: where numbers begin. Then records: u8 datagrams that go out before it, u8 time step, u8: 0 a report as it stands, 1 a
/// datagram that comes (u24 number, u24 sent), 2 what is overdue. An item is told as come once, as lost once and not after
/// it came; what is under way is what was told of neither.
pub fn bundle_report(data: &[u8]) {
    let mut reader = Reader::new(data);
    let Ok(begin) = reader.u8() else { return };
    let first = u64::from(begin) << 17;
    let (mut sent, mut received, mut out) = (Sent::from(first), Received::default(), Vec::new());
    let mut told: Vec<(bool, bool)> = Vec::new();
    let mut now = 1_000_000u64;
    while let (Ok(count), Ok(step), Ok(kind)) = (reader.u8(), reader.u8(), reader.u8()) {
        for n in 0..count % 40 {
            let index = told.len() as u16;
            told.push((false, false));
            let items = [Item::Piece { flow: 1, unit: 1, index, near: n % 2 == 0 }];
            sent.push(usize::from(n) * 30 + 40, &items, n % 5 > 0, Micros(now), &mut out);
            now += 500;
        }
        now += u64::from(step) * 2000;
        match kind % 3 {
            0 => {
                let Ok(report) = Report::parse(&mut reader) else { return };
                let mut buf = vec![0; report.len()];
                assert_eq!(report.write(&mut buf), buf.len());
                assert_eq!(Report::parse(&mut Reader::new(&buf)), Ok(report));
                let acked = sent.report(&report, Micros(now), &mut out);
                assert!(u64::from(acked.came + acked.lost) <= told.len() as u64);
            }
            1 => {
                let (Ok(a), Ok(b), Ok(c), Ok(d)) = (reader.u8(), reader.u16(), reader.u8(), reader.u16()) else {
                    return;
                };
                let number = u64::from(a) << 16 | u64::from(b);
                received.came(number, u32::from(c) << 16 | u32::from(d), 1000, step % 2 == 0, Micros(now));
                if let Some(report) = received.report(3, Micros(now)) {
                    let mut buf = vec![0; report.len()];
                    report.write(&mut buf);
                    assert_eq!(Report::parse(&mut Reader::new(&buf)), Ok(report), "what we tell can be read");
                }
            }
            _ => {
                let before = Micros(now.saturating_sub(u64::from(step) * 3000));
                sent.overdue(before, Micros(now), &mut out);
            }
        }
        for outcome in out.drain(..) {
            let Item::Piece { index, .. } = outcome.item else { panic!("only pieces went out") };
            let slot = &mut told[usize::from(index)];
            assert!(!slot.1 && (outcome.came || !slot.0), "{index} twice");
            *(if outcome.came { &mut slot.1 } else { &mut slot.0 }) = true;
        }
        if told.len() > 20_000 {
            return;
        }
    }
    sent.overdue(Micros(now + 1), Micros(now + 1), &mut out);
    assert_eq!(sent.under_way_bytes(), 0);
}
