//! RTSP on one TCP connection: messages, and `$` frames between them (RFC 2326 §10.12, RFC 7826 §14). Pure.
//!
//! Frames are told from messages by their first byte. A sender that loses its place is searched past, up to the next
//! frame of a channel that was set up and that holds RTP or RTCP, or the next beginning of a message.

/// Header and body of one message.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// `$`, channel, two bytes of length.
pub const PREFIX: usize = 4;
/// Bytes searched for the next frame before the connection is given up.
const MAX_LOST_BYTES: u64 = 1 << 20;

/// What stands at the beginning of the bytes; places are counted from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// More bytes are needed.
    More,
    Frame {
        channel: u8,
        end: usize,
    },
    /// One whole message.
    Text {
        start: usize,
        end: usize,
    },
    /// This many bytes belong to nothing.
    Junk(usize),
    /// A message over the limit, or nothing that makes sense for too long: the connection is of no use.
    Hopeless,
}

#[derive(Debug, Default, Clone)]
pub struct RtspDeframer {
    /// Channels that were set up; none: all are taken.
    channels: Vec<u8>,
    lost: bool,
    lost_bytes: u64,
    /// How far the end of a message's header was looked for.
    looked: usize,
    pub resyncs: u64,
}

impl RtspDeframer {
    pub fn new(channels: Vec<u8>) -> Self {
        Self { channels, ..Self::default() }
    }

    /// Look at `data`, which begins where the last piece ended. Take away what the answer tells before the next call.
    pub fn next(&mut self, data: &[u8]) -> Piece {
        let Some(&first) = data.first() else { return Piece::More };
        let piece = match first {
            b'$' => self.frame(data),
            b'A'..=b'Z' => self.text(data),
            // RFC 2326 §4: empty lines before a message mean nothing.
            b'\r' | b'\n' if !self.lost => return Piece::Junk(1),
            _ => Piece::Junk(1),
        };
        match piece {
            Piece::Junk(_) => self.search(data),
            Piece::Frame { .. } | Piece::Text { .. } => {
                self.lost_bytes = 0;
                self.looked = 0;
                if std::mem::take(&mut self.lost) {
                    self.resyncs += 1;
                }
                piece
            }
            other => other,
        }
    }

    fn frame(&self, data: &[u8]) -> Piece {
        let Some(prefix) = data.get(..PREFIX) else { return Piece::More };
        let len = usize::from(u16::from_be_bytes([prefix[2], prefix[3]]));
        let channel = prefix[1];
        if !self.channels.is_empty() && !self.channels.contains(&(channel & !1)) && self.lost {
            return Piece::Junk(1);
        }
        // Out of step only what looks like RTP or RTCP is believed.
        if self.lost && len >= 8 && data.get(PREFIX).is_some_and(|b| b >> 6 != 2) {
            return Piece::Junk(1);
        }
        if data.len() < PREFIX + len {
            return Piece::More;
        }
        Piece::Frame { channel, end: PREFIX + len }
    }

    fn text(&mut self, data: &[u8]) -> Piece {
        if !begins_a_message(data) {
            return Piece::Junk(1);
        }
        let from = self.looked.min(data.len()).saturating_sub(3);
        let Some(head) = end_of_header(data, from) else {
            self.looked = data.len();
            return if data.len() > MAX_TEXT_BYTES { Piece::Hopeless } else { Piece::More };
        };
        let Some(body) = content_length(&data[..head]) else { return Piece::Hopeless };
        let Some(end) = head.checked_add(body).filter(|end| *end <= MAX_TEXT_BYTES) else { return Piece::Hopeless };
        if data.len() < end {
            return Piece::More;
        }
        Piece::Text { start: 0, end }
    }

    /// Past what makes no sense, to the next byte that may begin a piece.
    fn search(&mut self, data: &[u8]) -> Piece {
        self.lost = true;
        self.looked = 0;
        let next = data[1..].iter().position(|b| *b == b'$' || b.is_ascii_uppercase());
        let bytes = next.map_or(data.len(), |at| at + 1);
        self.lost_bytes += bytes as u64;
        if self.lost_bytes > MAX_LOST_BYTES {
            return Piece::Hopeless;
        }
        Piece::Junk(bytes)
    }
}

/// A method, or the version of an answer: letters, then a blank or a slash, within the first line.
fn begins_a_message(data: &[u8]) -> bool {
    let word = data.iter().take(24).take_while(|b| b.is_ascii_alphabetic() || **b == b'_').count();
    match data.get(word) {
        Some(b' ') => word >= 3,
        Some(b'/') => data[..word].eq_ignore_ascii_case(b"RTSP"),
        Some(_) => false,
        None => true,
    }
}

/// Behind the empty line, looked for from `from` on. Bare line feeds are taken too.
fn end_of_header(data: &[u8], from: usize) -> Option<usize> {
    let limit = data.len().min(MAX_TEXT_BYTES);
    let mut at = from;
    while let Some(found) = data.get(at..limit)?.iter().position(|b| *b == b'\n') {
        let next = at + found + 1;
        match data.get(next..) {
            Some([b'\n', ..]) => return Some(next + 1),
            Some([b'\r', b'\n', ..]) => return Some(next + 2),
            _ => at = next,
        }
    }
    None
}

/// `None`: a length that is none. 0 where the header has none.
fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    for line in head.split(|b| *b == b'\n') {
        if line.len() >= NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            let value = std::str::from_utf8(&line[NAME.len()..]).ok()?.trim();
            return value.parse().ok().filter(|n| *n <= MAX_TEXT_BYTES);
        }
    }
    Some(0)
}

/// The bytes before a packet on `channel`; `None` when it is too long for one frame.
pub fn prefix(channel: u8, len: usize) -> Option<[u8; PREFIX]> {
    let [hi, lo] = u16::try_from(len).ok()?.to_be_bytes();
    Some([b'$', channel, hi, lo])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(deframer: &mut RtspDeframer, bytes: &[u8], step: usize) -> Vec<(u8, Vec<u8>)> {
        let (mut got, mut held) = (Vec::new(), Vec::new());
        for chunk in bytes.chunks(step) {
            held.extend_from_slice(chunk);
            loop {
                let gone = match deframer.next(&held) {
                    Piece::More => break,
                    Piece::Frame { channel, end } => {
                        got.push((channel, held[PREFIX..end].to_vec()));
                        end
                    }
                    Piece::Text { start, end } => {
                        got.push((255, held[start..end].to_vec()));
                        end
                    }
                    Piece::Junk(n) => n,
                    Piece::Hopeless => return got,
                };
                held.drain(..gone);
            }
        }
        got
    }

    fn frame(channel: u8, len: usize) -> Vec<u8> {
        let mut data = prefix(channel, len).expect("short").to_vec();
        data.extend((0..len).map(|i| if i == 0 { 0x80 } else { i as u8 }));
        data
    }

    #[test]
    fn frames_and_messages_cut_anywhere() {
        let answer = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 5\r\n\r\n$\0\0\x01x".to_vec();
        let request = b"GET_PARAMETER rtsp://a/b RTSP/1.0\nCSeq: 4\n\n".to_vec();
        let bytes =
            [frame(0, 40), answer.clone(), b"\r\n".to_vec(), request.clone(), frame(1, 28), frame(2, 0)].concat();
        for step in 1..bytes.len() {
            let got = all(&mut RtspDeframer::new(vec![0, 2]), &bytes, step);
            assert_eq!(got.len(), 5, "cut every {step}");
            assert_eq!((&got[1].1, &got[2].1), (&answer, &request));
            assert_eq!((got[0].0, got[3].0, got[4].0), (0, 1, 2));
        }
    }

    #[test]
    fn a_sender_that_loses_its_place_is_found_again() {
        let lost = [frame(0, 100), vec![0x55; 777], b"$\x09\xff\xff".to_vec(), frame(0, 60), frame(1, 28)].concat();
        let mut deframer = RtspDeframer::new(vec![0]);
        let got = all(&mut deframer, &lost, 50);
        assert_eq!(got.iter().map(|(c, d)| (*c, d.len())).collect::<Vec<_>>(), [(0, 100), (0, 60), (1, 28)]);
        assert_eq!(deframer.resyncs, 1);
    }

    #[test]
    fn absurd_messages_end_it() {
        let mut deframer = RtspDeframer::default();
        assert_eq!(deframer.next(b"ANNOUNCE x RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n"), Piece::Hopeless);
        assert_eq!(deframer.next(b"ANNOUNCE x RTSP/1.0\r\ncontent-length: -1\r\n\r\n"), Piece::Hopeless);
        let endless = [b"OPTIONS x RTSP/1.0\r\n".to_vec(), vec![b'a'; MAX_TEXT_BYTES]].concat();
        assert_eq!(RtspDeframer::default().next(&endless), Piece::Hopeless);
        let mut noise = RtspDeframer::default();
        let answers = std::iter::from_fn(|| Some(noise.next(&[1; 65_536]))).take(20);
        assert_eq!(answers.last(), Some(Piece::Hopeless));
    }
}
