//! RTMP's chunk stream: round trips over chunk sizes, the extended timestamp in all its dialects, limits.

use bytes::{Bytes, BytesMut};
use codecs::container::rtmp::read::{ChunkReader, MAX_AGGREGATED, MAX_CHUNK_STREAMS};
use codecs::container::rtmp::write::ChunkWriter;
use codecs::container::rtmp::{kind, Message};

fn message(kind: u8, timestamp: u32, len: usize) -> Message {
    let data = (0..len).map(|i| (i * 7) as u8).collect::<Vec<_>>();
    Message { kind, stream_id: 1, timestamp, data: Bytes::from(data) }
}

fn read(bytes: &[u8], piece: usize) -> Vec<Message> {
    let (mut reader, mut out) = (ChunkReader::new(u32::MAX), Vec::new());
    bytes.chunks(piece.max(1)).for_each(|part| reader.push(part, &mut out).unwrap());
    assert_eq!((reader.held_bytes(), reader.broken), (0, 0));
    out
}

#[test]
fn what_is_written_is_read_whatever_the_chunk_size_and_the_cut() {
    let times = [0, 0, 23, 46, 0xff_fffe, 0xff_ffff, 0x100_0000, 0x7fff_ffff, 0xffff_fff0, 5, 4];
    let lengths = [0, 1, 127, 128, 129, 4096, 70_000];
    for size in [1, 100, 128, 4096, 1 << 20] {
        let (mut writer, mut out, mut sent) = (ChunkWriter::new(), BytesMut::new(), Vec::new());
        writer.control(kind::SET_CHUNK_SIZE, size, &mut out);
        assert_eq!(writer.chunk_size(), size as usize);
        for (i, time) in times.iter().enumerate() {
            let m = message([kind::VIDEO, kind::AUDIO][i % 2], *time, lengths[i % lengths.len()]);
            writer.message(4 + (i % 2) as u8, &m, &mut out);
            sent.push(m);
        }
        for piece in [1, 13, 4096, out.len()] {
            assert_eq!(read(&out, piece), sent, "chunk size {size}, pieces of {piece}");
        }
    }
}

/// A chunk by hand: basic header, then what is given.
fn chunk(form: u8, id: u8, fields: &[u8], data: &[u8]) -> Vec<u8> {
    [&[form << 6 | id][..], fields, data].concat()
}

#[test]
fn the_extended_timestamp_is_repeated_or_not() {
    let time = 0x0123_4567u32;
    let head = [&[0xff, 0xff, 0xff, 0, 0, 200, 9, 1, 0, 0, 0][..], &time.to_be_bytes()].concat();
    for repeated in [true, false] {
        let body = [7u8; 200];
        let again = if repeated { time.to_be_bytes().to_vec() } else { Vec::new() };
        let mut bytes = chunk(0, 6, &head, &body[..128]);
        bytes.extend(chunk(3, 6, &again, &body[128..]));
        // The next message steps by 40 ms and has no extended field any more.
        bytes.extend(chunk(1, 6, &[0, 0, 40, 0, 0, 3, 9], &[1, 2, 3]));
        let found = read(&bytes, 5);
        assert_eq!(
            found.iter().map(|m| (m.timestamp, m.data.len())).collect::<Vec<_>>(),
            [(time, 200), (time + 40, 3)]
        );
    }
}

#[test]
fn a_chunk_without_header_begins_a_message_with_the_same_step() {
    let mut bytes = chunk(0, 4, &[0, 0, 0, 0, 0, 2, 8, 1, 0, 0, 0], &[1, 1]);
    bytes.extend(chunk(2, 4, &[0, 0, 23], &[2, 2]));
    bytes.extend(chunk(3, 4, &[], &[3, 3]));
    bytes.extend(chunk(3, 4, &[], &[4, 4]));
    // After an absolute time that is no step, the same time is meant.
    bytes.extend(chunk(0, 5, &[1, 0, 0, 0, 0, 1, 8, 1, 0, 0, 0], &[1]));
    bytes.extend(chunk(3, 5, &[], &[2]));
    let found = read(&bytes, 1);
    assert_eq!(found.iter().map(|m| m.timestamp).collect::<Vec<_>>(), [0, 23, 46, 69, 65_536, 65_536]);
}

#[test]
fn large_chunk_stream_ids_interleaving_and_abort() {
    let mut reader = ChunkReader::new(u32::MAX);
    let mut out = Vec::new();
    let head = |len: u8, kind: u8| [0, 0, 1, 0, 0, len, kind, 1, 0, 0, 0];
    let mut bytes = [&[0u8, 10][..], &head(200, 9), &[9; 128]].concat(); // chunk stream 74
    bytes.extend([&[1u8, 2, 1][..], &head(4, 8), &[8; 4]].concat()); // 322
    bytes.extend([&[0xc0u8, 10][..], &[9; 72]].concat());
    bytes.extend(chunk(0, 7, &head(200, 9), &[1; 128]));
    bytes.extend(chunk(0, 2, &[0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0], &[0, 0, 0, 7]));
    bytes.extend(chunk(0, 7, &head(1, 9), &[5]));
    reader.push(&bytes, &mut out).unwrap();
    assert_eq!(out.iter().map(|m| (m.kind, m.data.len())).collect::<Vec<_>>(), [(8, 4), (9, 200), (9, 1)]);
    assert_eq!((reader.broken, reader.held_bytes()), (1, 0));
}

#[test]
fn acknowledgements_are_due_by_the_smaller_window() {
    let mut reader = ChunkReader::new(1000);
    let (mut writer, mut bytes, mut out) = (ChunkWriter::new(), BytesMut::new(), Vec::new());
    writer.control(kind::WINDOW_ACK_SIZE, 400, &mut bytes);
    writer.control(kind::SET_PEER_BANDWIDTH, 5000, &mut bytes);
    reader.push(&bytes, &mut out).unwrap();
    assert_eq!((reader.acknowledge(), reader.window_asked(), reader.window_asked()), (None, Some(5000), None));
    let mut more = BytesMut::new();
    writer.message(4, &message(kind::AUDIO, 0, 500), &mut more);
    reader.push(&more, &mut out).unwrap();
    assert_eq!(reader.acknowledge(), Some((bytes.len() + more.len()) as u32));
    assert_eq!(reader.acknowledge(), None);
}

#[test]
fn aggregates_are_taken_apart() {
    let tag = |kind: u8, time: u8, body: &[u8]| {
        let head = [kind, 0, 0, body.len() as u8, 0, 0, time, 0, 0, 0, 0];
        [&head[..], body, &[0, 0, 0, 11 + body.len() as u8]].concat()
    };
    let data = [tag(9, 100, &[1, 2]), tag(8, 110, &[3]), tag(9, 140, &[4])].concat();
    let whole = Message { kind: kind::AGGREGATE, stream_id: 1, timestamp: 5000, data: Bytes::from(data) };
    let mut bytes = BytesMut::new();
    ChunkWriter::new().message(4, &whole, &mut bytes);
    let found = read(&bytes, 9);
    assert_eq!(
        found.iter().map(|m| (m.kind, m.timestamp, m.data.to_vec())).collect::<Vec<_>>(),
        [(9, 5000, vec![1, 2]), (8, 5010, vec![3]), (9, 5040, vec![4])]
    );
}

#[test]
fn an_aggregate_of_tags_with_nothing_in_them_is_refused() {
    let tags = |n: usize| Message {
        kind: kind::AGGREGATE,
        stream_id: 1,
        timestamp: 0,
        data: Bytes::from([&[8, 0, 0, 0][..], &[0; 7], &[0, 0, 0, 11]].concat().repeat(n)),
    };
    let pushed = |n: usize| {
        let (mut bytes, mut out) = (BytesMut::new(), Vec::new());
        ChunkWriter::new().message(4, &tags(n), &mut bytes);
        let result = ChunkReader::new(u32::MAX).push(&bytes, &mut out).map_err(|e| e.what);
        (result, out.len())
    };
    assert_eq!(pushed(MAX_AGGREGATED), (Ok(()), MAX_AGGREGATED));
    assert_eq!(pushed(1 << 20), (Err("too many tags in one message"), MAX_AGGREGATED));
}

#[test]
fn absurd_claims_are_refused_in_words() {
    let refused = |bytes: &[u8]| ChunkReader::new(1000).push(bytes, &mut Vec::new()).unwrap_err().what;
    let control = |kind: u8, word: u32| {
        let mut out = BytesMut::new();
        ChunkWriter::new().control(kind, word, &mut out);
        out
    };
    for size in [0, 0x8000_0000, 0xffff_ffff] {
        assert_eq!(refused(&control(kind::SET_CHUNK_SIZE, size)), "chunk size out of range");
    }
    let command = chunk(0, 3, &[0, 0, 0, 0xff, 0xff, 0xff, kind::AMF0_COMMAND, 0, 0, 0, 0], &[0; 128]);
    assert_eq!(refused(&command), "command message over 64 KiB");
    assert_eq!(refused(&[0xc4]), "chunk stream begins without a header");
    let many = (0..=MAX_CHUNK_STREAMS as u8).flat_map(|i| [0, i, 0, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0, 0]);
    assert_eq!(refused(&many.collect::<Vec<_>>()), "too many chunk streams");

    // 16 MiB claimed on every chunk stream: what is held stays within the bound.
    let (mut reader, mut writer, mut bytes) = (ChunkReader::new(u32::MAX), ChunkWriter::new(), BytesMut::new());
    writer.control(kind::SET_CHUNK_SIZE, 65_536, &mut bytes);
    reader.push(&bytes, &mut Vec::new()).unwrap();
    let mut round = 0;
    let error = loop {
        let (id, form) = (3 + (round % 60) as u8, if round < 60 { 0 } else { 3 });
        let fields: &[u8] = if form == 0 { &[0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0] } else { &[] };
        if let Err(error) = reader.push(&chunk(form, id, fields, &[0; 65_536]), &mut Vec::new()) {
            break error;
        }
        assert!(reader.held_bytes() < 6 << 20);
        round += 1;
    };
    assert_eq!(error.what, "too much in unfinished messages");
}

#[test]
fn a_stranger_keeps_little_here() {
    // The largest chunks there are, then a picture of 3 MiB, of which nothing has come yet.
    let sized = [2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff];
    let picture = [6, 0, 0, 0, 0x30, 0, 0, 9, 1, 0, 0, 0];
    let mut reader = ChunkReader::new(1000);
    reader.at_most(2 << 20);
    reader.push(&sized, &mut Vec::new()).expect("a chunk size");
    let refused = reader.push(&picture, &mut Vec::new());
    assert_eq!(refused.map_err(|e| e.what), Err("a message larger than is taken yet"));
    // Who sends is known: then it may come.
    let mut reader = ChunkReader::new(1000);
    reader.push(&sized, &mut Vec::new()).expect("a chunk size");
    reader.push(&picture, &mut Vec::new()).expect("a picture begins");
}
