//! A server that sends what it has cached with each connection, over outages shorter than that: what comes out of the
//! hub, written as TS, FLV and fragmented MP4, is read by FFmpeg without a word of complaint.

mod container_support;

use bytes::BytesMut;
use codecs::container::cmaf::CmafWriter;
use codecs::container::flv::file::FlvWriter;
use codecs::container::ts_read::TsReader;
use codecs::container::ts_write::TsWriter;
use codecs::container::{Found, Reader, Writer};
use codecs::hub::stream::{Pushed, Stream};
use codecs::hub::unit::{AccessUnit, Kind};
use codecs::time::Micros;
use container_support::*;

const CONNECTIONS: u64 = 8;

/// As the stream's time line has it: one second at once each time, 100 ms after the one before.
fn through_the_hub() -> (Vec<AccessUnit>, Stream, Vec<Found>) {
    let (mut reader, mut source) = (TsReader::new(0), Vec::new());
    reader.push(&vector("ts_h264_aac.ts"), Micros(5_000_000), &mut source).unwrap();
    reader.flush(Micros(5_000_000), &mut source);
    let first = units(&source, Kind::Video)[0].pts as u64;
    let mut hub = Stream::new("s".into(), 4_000_000, Micros(0));
    let mut out = Vec::new();
    for leg in 1..=CONNECTIONS {
        let now = Micros(10_000_000 + leg * 100_000);
        let mut came = 0;
        hub.add_leg(leg);
        for track in tracks(&source) {
            hub.set_track(leg, track);
        }
        for found in &source {
            let Found::Unit(unit) = found else { continue };
            // The last connection goes on as it is taken.
            let live = if leg == CONNECTIONS { (unit.pts.max(0) as u64).saturating_sub(first) * 100 / 9 } else { 0 };
            let at = Micros(now.0 + if unit.kind == Kind::Video { live } else { came });
            came = at.0 - now.0;
            let unit = AccessUnit { arrival: at, ..unit.clone() };
            if hub.push(leg, &unit, now, &mut Vec::new()) == Pushed::Frame {
                let frame = hub.track(unit.kind).and_then(|t| t.newest()).expect("pushed");
                out.push(AccessUnit { pts: frame.ts, dts: frame.ts + frame.decode, ..unit });
            }
        }
        hub.remove_leg(leg);
    }
    (out, hub, source)
}

#[test]
fn many_short_outages_are_no_step_back_and_no_lead_that_grows() {
    let (units, hub, source) = through_the_hub();
    let mut last = [i64::MIN; 2];
    for unit in &units {
        let k = usize::from(unit.kind == Kind::Audio);
        assert!(unit.dts > last[k], "{:?} {} after {}", unit.kind, unit.dts, last[k]);
        last[k] = unit.dts;
    }
    // Written behind what the first of them gave out, and no further.
    let newest = units.iter().rfind(|u| u.kind == Kind::Video).expect("pictures");
    let ahead_ms = newest.pts / 90 - newest.arrival.0 as i64 / 1000;
    assert!((-5..=200).contains(&ahead_ms), "{ahead_ms} ms");
    let pictures = units.iter().filter(|u| u.kind == Kind::Video).count();
    let parameters = [Kind::Video, Kind::Audio].map(|kind| hub.track(kind).expect("both").params.clone());
    assert!(!tracks(&source).is_empty());
    let writers: [(Box<dyn Writer>, &str); 2] =
        [(Box::new(TsWriter::new("s")), "mpegts"), (Box::new(FlvWriter::new(false)), "flv")];
    for (mut writer, format) in writers {
        let mut out = BytesMut::new();
        parameters.iter().for_each(|p| writer.track(p, &mut out));
        units.iter().for_each(|u| writer.unit(u, &mut out));
        assert_eq!(ffprobe(&out, format)[0], ("h264".to_owned(), pictures), "{format}");
    }
    let (mut writer, mut out) = (CmafWriter::new(200, 1_000), BytesMut::new());
    parameters.iter().for_each(|p| writer.track(p, &mut out));
    units.iter().for_each(|u| writer.unit(u, &mut out));
    let (mut rest, mut file, mut begun) = (&out[..], Vec::new(), i64::MIN);
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(4);
        let (record, tail) = tail.split_at(u32::from_be_bytes(head.try_into().unwrap()) as usize);
        if record[0] < 2 {
            file.extend_from_slice(&record[16..]);
        }
        if record[0] == 1 {
            let begin = i64::from_be_bytes(record[4..12].try_into().unwrap());
            assert!(begin > begun, "a part at {begin} after one at {begun}");
            begun = begin;
        }
        rest = tail;
    }
    // What has not filled a part yet is still in the writer.
    let decoded = ffprobe(&file, "mp4")[0].1;
    assert!(decoded > 0 && decoded <= pictures && decoded + 10 > pictures, "{decoded} of {pictures}");
}
