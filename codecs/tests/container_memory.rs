//! What readers keep alive: a few bytes that are kept do not hold megabytes that came with them. Counted by the allocator.

#[path = "container_support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::BytesMut;
use codecs::container::flv::file::FlvReader;
use codecs::container::fmp4_read::Fmp4Reader;
use codecs::container::rtmp::kind;
use codecs::container::rtmp::read::ChunkReader;
use codecs::container::rtmp::write::ChunkWriter;
use codecs::container::Reader;
use codecs::hub::unit::Kind;
use codecs::time::Micros;
use support::*;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// MiB that are in use since `before`.
fn since(before: usize) -> usize {
    LIVE.load(Relaxed).saturating_sub(before) >> 20
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// A stranger: messages of a megabyte that mean nothing, and between them the first byte of one on each chunk stream.
fn rtmp_chunk_streams() {
    let mut writer = ChunkWriter::new();
    let mut sized = |size: u32| {
        let mut out = BytesMut::new();
        writer.control(kind::SET_CHUNK_SIZE, size, &mut out);
        out
    };
    let large = [&[3, 0, 0, 0, 0x10, 0, 0, 8, 1, 0, 0, 0][..], &vec![0; 1 << 20]].concat();
    let (mut reader, mut out) = (ChunkReader::new(u32::MAX), Vec::new());
    reader.at_most(2 << 20);
    let mut push = |bytes: &[u8], reader: &mut ChunkReader| {
        bytes.chunks(65_536).for_each(|part| reader.push(part, &mut out).expect("RTMP"));
        out.clear();
    };
    let before = LIVE.load(Relaxed);
    for id in 4..60u8 {
        let begun = [id, 0, 0, 0, 0, 0, 2, 9, 1, 0, 0, 0, 7];
        push(&sized(1 << 20), &mut reader);
        // Read without a pause: what is begun lies in the same memory as what was large.
        push(&[&large[..], &sized(1), &begun].concat(), &mut reader);
        assert!(since(before) < 12, "{} MiB for {} bytes", since(before), reader.held_bytes());
    }
}

/// A web server: large tags that mean nothing, sound of two bytes behind each.
fn flv_tags() {
    let large = [&[18, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &vec![0; 1 << 20], &[0; 4]].concat();
    let (mut reader, mut kept) = (FlvReader::new(), Vec::new());
    reader.push(b"FLV\x01\x05\0\0\0\x09\0\0\0\0", Micros(1), &mut kept).expect("FLV");
    let before = LIVE.load(Relaxed);
    for n in 0..50u8 {
        let sound = [8, 0, 0, 3, 0, 0, n, 0, 0, 0, 0, 0x72, 1, 2, 0, 0, 0, 14];
        for part in [&large[..], &sound].concat().chunks(65_536) {
            reader.push(part, Micros(1 + u64::from(n)), &mut kept).expect("FLV");
        }
    }
    assert_eq!(units(&kept, Kind::Audio).len(), 50);
    assert!(since(before) < 16, "{} MiB for 100 bytes", since(before));
}

/// A web server: fragments of which nearly nothing belongs to a sample.
fn fragments() {
    let file = vector("fmp4_h264_b_aac.mp4");
    let (mut reader, mut kept) = (Fmp4Reader::new(), Vec::new());
    let moof = file.windows(4).position(|w| w == b"moof").expect("fragmented") - 4;
    reader.push(&file[..moof], Micros(1), &mut kept).expect("an init segment");
    let before = LIVE.load(Relaxed);
    for n in 0..50u32 {
        let tfhd = boxed(b"tfhd", &[0, 2, 0, 0, 0, 0, 0, 2]);
        let tfdt = boxed(b"tfdt", &[&[0; 4][..], &(n * 1024).to_be_bytes()].concat());
        let made = |at: u32| {
            let run = [&[0, 0, 3, 1, 0, 0, 0, 1][..], &at.to_be_bytes(), &[0, 0, 4, 0, 0, 0, 0, 3]].concat();
            boxed(b"moof", &boxed(b"traf", &[&tfhd[..], &tfdt, &boxed(b"trun", &run)].concat()))
        };
        let moof = made(made(0).len() as u32 + 8);
        for part in [moof, boxed(b"mdat", &vec![0x21; 1 << 20])].concat().chunks(65_536) {
            reader.push(part, Micros(1 + u64::from(n)), &mut kept).expect("fragments");
        }
    }
    assert_eq!(units(&kept, Kind::Audio).len(), 50, "{:?}", problems(&kept));
    assert!(since(before) < 16, "{} MiB for 150 bytes", since(before));
}

/// One test, as the allocator counts for all threads.
#[test]
fn a_few_bytes_that_are_kept_do_not_hold_what_came_with_them() {
    rtmp_chunk_streams();
    flv_tags();
    fragments();
}
