//! Transport packets out of bytes: sync found and found again (ISO/IEC 13818-1 annex G.1), packets of 188 bytes, of 192
//! (a time before each, as in .m2ts files) and of 204 (a parity behind each).

use bytes::BytesMut;

pub const PACKET_BYTES: usize = 188;
const SYNC: u8 = 0x47;
const STRIDES: [usize; 3] = [PACKET_BYTES, 192, 204];
/// So many sync bytes in a row are believed.
const RUN: usize = 3;
/// Bytes that are kept to look for them.
const SEARCH_BYTES: usize = 4096;

#[derive(Debug, Default)]
pub struct TsSync {
    partial: BytesMut,
    /// 0: not found.
    stride: usize,
    /// Bytes between packets still to be left out.
    gap: usize,
    /// Sync was lost so often, and so many bytes belonged to no packet.
    pub lost: u64,
    pub skipped_bytes: u64,
}

/// Nothing but whole packets: what a datagram holds.
fn aligned(data: &[u8]) -> bool {
    data.len() % PACKET_BYTES == 0 && data.chunks(PACKET_BYTES).all(|p| p[0] == SYNC)
}

impl TsSync {
    /// What is unfinished will not be finished.
    pub fn clear(&mut self) {
        self.partial.clear();
        self.gap = 0;
    }

    /// Bytes as they come, cut anywhere. Each packet of 188 bytes goes to `take`.
    pub fn push(&mut self, mut data: &[u8], mut take: impl FnMut(&[u8; PACKET_BYTES])) {
        let due = PACKET_BYTES - self.partial.len().min(PACKET_BYTES);
        let goes_on = data.get(due).is_none_or(|b| *b == SYNC);
        let fresh = self.stride == 0 && (self.partial.is_empty() || data.len() > PACKET_BYTES);
        let cut_short = self.stride == PACKET_BYTES && !self.partial.is_empty() && !goes_on;
        if !data.is_empty() && (fresh || cut_short) && aligned(data) {
            self.skipped_bytes += self.partial.len() as u64;
            self.partial.clear();
            (self.stride, self.gap) = (PACKET_BYTES, 0);
        }
        while !data.is_empty() {
            if self.stride == 0 {
                let n = (SEARCH_BYTES - self.partial.len().min(SEARCH_BYTES)).min(data.len());
                self.partial.extend_from_slice(&data[..n]);
                data = &data[n..];
                self.search(&mut take);
            } else if self.gap > 0 {
                let n = self.gap.min(data.len());
                self.gap -= n;
                data = &data[n..];
            } else if self.partial.is_empty() && data.len() >= PACKET_BYTES {
                if self.whole(data, &mut take) {
                    data = &data[PACKET_BYTES..];
                }
            } else {
                let n = (PACKET_BYTES - self.partial.len()).min(data.len());
                self.partial.extend_from_slice(&data[..n]);
                data = &data[n..];
                if self.partial.len() < PACKET_BYTES {
                    return;
                }
                // What follows tells whether a wrong byte is one, or sync is lost.
                let next = data.get(self.stride - PACKET_BYTES).copied();
                let packet = self.partial.split();
                if packet[0] != SYNC && next == Some(SYNC) {
                    self.broken();
                } else if !self.whole(&packet, &mut take) {
                    self.partial = packet;
                    self.search(&mut take);
                }
            }
        }
    }

    fn broken(&mut self) {
        self.lost += 1;
        self.skipped_bytes += PACKET_BYTES as u64;
        self.gap = self.stride - PACKET_BYTES;
    }

    /// The packet at the start of `data`. False: it is none, sync is lost.
    fn whole(&mut self, data: &[u8], take: &mut impl FnMut(&[u8; PACKET_BYTES])) -> bool {
        if let Some(packet) = data.first_chunk().filter(|_| data[0] == SYNC) {
            take(packet);
            self.gap = self.stride - PACKET_BYTES;
            return true;
        }
        if data.get(self.stride) == Some(&SYNC) {
            self.broken(); // one wrong byte is not worth a search
            return true;
        }
        self.lost += 1;
        self.stride = 0;
        false
    }

    /// In what is gathered; packets found there are taken.
    fn search(&mut self, take: &mut impl FnMut(&[u8; PACKET_BYTES])) {
        while self.stride == 0 {
            let data = &self.partial[..];
            let run = |at: usize, stride: usize| (0..RUN).all(|k| data.get(at + k * stride) == Some(&SYNC));
            let found = (0..data.len()).find_map(|at| STRIDES.into_iter().find(|s| run(at, *s)).map(|s| (at, s)));
            let skip = match found {
                Some((at, stride)) => {
                    (self.stride, self.gap) = (stride, 0);
                    at
                }
                None if data.len() >= SEARCH_BYTES => data.len() - RUN * STRIDES[2],
                None => return,
            };
            self.skipped_bytes += skip as u64;
            drop(self.partial.split_to(skip));
            while self.stride != 0 && self.partial.len() >= PACKET_BYTES + self.gap {
                drop(self.partial.split_to(self.gap));
                let held = std::mem::take(&mut self.partial);
                let used = if self.whole(&held, take) { PACKET_BYTES } else { 0 };
                self.partial = held;
                drop(self.partial.split_to(used));
            }
            if self.stride != 0 {
                let n = self.gap.min(self.partial.len());
                self.gap -= n;
                drop(self.partial.split_to(n));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(packets: usize, before: usize, behind: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for i in 0..packets {
            out.extend(std::iter::repeat_n(0xaa, before));
            out.push(SYNC);
            out.extend((1..PACKET_BYTES).map(|k| if k % 31 == 0 { SYNC } else { (i * 7 + k) as u8 }));
            out.extend(std::iter::repeat_n(0xbb, behind));
        }
        out
    }

    fn cut(data: &[u8], piece: usize) -> (Vec<u8>, TsSync) {
        let (mut sync, mut out) = (TsSync::default(), Vec::new());
        data.chunks(piece).for_each(|d| sync.push(d, |p| out.extend_from_slice(p)));
        (out, sync)
    }

    #[test]
    fn three_lengths_cut_anywhere() {
        let plain = stream(40, 0, 0);
        for (before, behind) in [(0, 0), (4, 0), (0, 16)] {
            let data = stream(40, before, behind);
            for piece in [1, 7, 187, 188, 189, 192, 204, 1316, 100_000] {
                let (out, sync) = cut(&data, piece);
                // A first piece of just one packet is taken for a datagram.
                let fooled = u64::from(piece == PACKET_BYTES && behind > 0);
                assert!(out == plain && sync.lost == fooled, "{before} {behind} {piece}");
            }
        }
    }

    #[test]
    fn noise_before_and_between_costs_only_what_it_hits() {
        let plain = stream(40, 0, 0);
        let data = [&[1, 2, 0x47][..], &plain[..188 * 10], &[9; 500], &plain[188 * 10..]].concat();
        for piece in [1, 100, 188, 1316, 100_000] {
            let (out, sync) = cut(&data, piece);
            assert_eq!((out.len(), sync.lost), (plain.len(), 1), "{piece}");
            assert!(out == plain && sync.skipped_bytes == 503, "{piece} {}", sync.skipped_bytes);
        }
        let mut one = plain.clone();
        one[188 * 5] = 0;
        let (out, sync) = cut(&one, 1316);
        assert_eq!((out.len(), sync.lost), (188 * 39, 1));
    }

    #[test]
    fn a_datagram_stands_for_itself() {
        let plain = stream(3, 0, 0);
        let (mut sync, mut got) = (TsSync::default(), 0);
        sync.push(&plain[..188], |_| got += 1);
        assert_eq!(got, 1);
        sync.push(&plain[188..300], |_| got += 1); // cut short on its way
        sync.push(&plain[..376], |_| got += 1);
        assert_eq!(got, 3);
    }

    #[test]
    fn bytes_without_any_sync_are_bounded() {
        let mut sync = TsSync::default();
        for _ in 0..100 {
            sync.push(&[0; 10_000], |_| panic!("no packet"));
            assert!(sync.partial.len() <= SEARCH_BYTES);
        }
    }
}
