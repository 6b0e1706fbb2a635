//! A unit cut into equal pieces that each fit a packet, with parity over them.
//!
//! Pieces are numbered from 0, data first, then parity. All data pieces are `size` bytes, the last may be shorter. A unit of more
//! pieces than one code word holds has several, over pieces that take turns: piece `i` belongs to word `i mod words`, and so
//! does parity piece `j`; a burst of losses falls on all of them alike. Both ends work out size and words from the counts.

use bytes::Bytes;

use super::fec;

/// The largest unit.
pub const MAX_UNIT_BYTES: usize = 2 << 20;
/// Data pieces of one unit: the largest in pieces of 512 bytes.
pub const MAX_DATA: usize = 4096;
/// Parity pieces of one unit.
pub const MAX_PARITY: usize = 4096;
/// Bytes of a piece, at least, where a unit has several: half of the least that `cut` is asked for.
const LEAST_PIECE_BYTES: usize = 32;
/// So much parity any unit may have; beyond, half as much as data. What repair costs grows with the third power of it.
const FREE_PARITY: usize = 48;

fn most_parity(data: usize) -> usize {
    (data / 2 + 1).clamp(FREE_PARITY, MAX_PARITY)
}

/// What a piece tells of its unit, the same on each of them but for `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Counts the units of a flow from 0; wraps.
    pub unit: u32,
    pub index: u16,
    /// Data pieces of the unit, at least 1.
    pub data: u16,
    pub parity: u16,
    /// Bytes of the unit.
    pub unit_len: u32,
    /// The sender's clock when it took the unit, milliseconds; wraps.
    pub sent_ms: u32,
    pub key: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub head: Head,
    pub body: Bytes,
}

/// How a unit is cut, as both ends work it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub data: usize,
    pub parity: usize,
    pub unit_len: usize,
    /// Of every piece but the last of the data.
    pub size: usize,
    /// Code words.
    pub words: usize,
}

impl Shape {
    /// `None`: no unit is cut like that.
    pub fn of(head: &Head) -> Option<Self> {
        let (data, parity) = (usize::from(head.data), usize::from(head.parity));
        let unit_len = head.unit_len as usize;
        if !(1..=MAX_DATA).contains(&data) || parity > most_parity(data) || unit_len > MAX_UNIT_BYTES {
            return None;
        }
        if usize::from(head.index) >= data + parity {
            return None;
        }
        let size = unit_len.div_ceil(data);
        if data > 1 && size < LEAST_PIECE_BYTES {
            return None;
        }
        // Each data piece has something in it, unless the unit is empty.
        if (data - 1) * size >= unit_len.max(1) {
            return None;
        }
        Some(Self { data, parity, unit_len, size, words: words(data, parity) })
    }

    /// Bytes of the piece `index`.
    pub fn piece_bytes(&self, index: usize) -> usize {
        if index + 1 == self.data {
            self.unit_len - index * self.size
        } else {
            self.size
        }
    }

    /// Data pieces of a code word, by their index.
    pub fn data_of(&self, word: usize) -> impl Iterator<Item = usize> {
        (word..self.data).step_by(self.words)
    }
}

/// The fewest code words that hold so many pieces.
fn words(data: usize, parity: usize) -> usize {
    let fits = |n: &usize| data.div_ceil(*n) + parity.div_ceil(*n) <= fec::MAX_SHARDS;
    ((data + parity).div_ceil(fec::MAX_SHARDS)..).find(fits).unwrap_or(1)
}

/// Cut a unit: its data pieces first, then `parity` more (at most as many as data pieces that a code word leaves room for are
/// of use, half as many where they are many). No piece is longer than `piece_bytes` (at least 64). A unit over `MAX_UNIT_BYTES`, or of
/// more than `MAX_DATA` pieces, is not cut: nothing comes back.
pub fn cut(unit_no: u32, unit: &Bytes, key: bool, sent_ms: u32, piece_bytes: usize, parity: usize) -> Vec<Piece> {
    let piece_bytes = piece_bytes.max(64);
    let mut data = unit.len().div_ceil(piece_bytes).max(1);
    if unit.len() > MAX_UNIT_BYTES || data > MAX_DATA {
        return Vec::new();
    }
    // Equal pieces of a long unit may be so small that fewer do.
    let size = loop {
        let size = unit.len().div_ceil(data);
        let needed = unit.len().div_ceil(size.max(1)).max(1);
        if needed == data {
            break size;
        }
        data = needed;
    };
    let parity = if unit.is_empty() { 0 } else { parity.min(most_parity(data)) };
    let words = words(data, parity);
    let head = Head {
        unit: unit_no,
        index: 0,
        data: data as u16,
        parity: parity as u16,
        unit_len: unit.len() as u32,
        sent_ms,
        key,
    };
    let piece = |index: usize, body| Piece { head: Head { index: index as u16, ..head }, body };
    let body = |i: usize| i * size..((i + 1) * size).min(unit.len());
    let mut pieces: Vec<Piece> = (0..data).map(|i| piece(i, unit.slice(body(i)))).collect();
    let mut extra = vec![Bytes::new(); parity];
    for word in 0..if parity > 0 { words } else { 0 } {
        let shards = (word..data).step_by(words).map(|i| &unit[body(i)]);
        let places = (word..parity).step_by(words);
        for (place, made) in places.clone().zip(fec::parity(shards, size, places.count())) {
            extra[place] = made.into();
        }
    }
    pieces.extend(extra.into_iter().enumerate().map(|(j, body)| piece(data + j, body)));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(len: usize) -> Bytes {
        (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
    }

    #[test]
    fn pieces_are_equal_and_both_ends_agree_on_them() {
        for len in [0, 1, 63, 64, 1199, 1200, 1201, 2400, 12_345, 99_999, 400_000, MAX_UNIT_BYTES] {
            for piece_bytes in [64usize, 512, 999, 1200] {
                for parity in [0usize, 1, 5, 40] {
                    let whole = unit(len);
                    let pieces = cut(7, &whole, true, 99, piece_bytes, parity);
                    if len > piece_bytes * MAX_DATA {
                        assert!(pieces.is_empty());
                        continue;
                    }
                    let shape = Shape::of(&pieces[0].head).expect("our own");
                    assert_eq!(pieces.len(), shape.data + shape.parity);
                    assert_eq!(shape.parity, if len == 0 { 0 } else { parity });
                    assert!(shape.data.div_ceil(shape.words) + shape.parity.div_ceil(shape.words) <= 255);
                    let joined: Vec<u8> = pieces[..shape.data].iter().flat_map(|p| p.body.to_vec()).collect();
                    assert_eq!(joined, whole);
                    for (i, p) in pieces.iter().enumerate() {
                        assert_eq!(p.head, Head { index: i as u16, ..pieces[0].head });
                        assert_eq!(Shape::of(&p.head), Some(shape));
                        assert_eq!(p.body.len(), shape.piece_bytes(i));
                        assert!(p.body.len() <= piece_bytes);
                    }
                    let mut of_words: Vec<usize> = (0..shape.words).flat_map(|w| shape.data_of(w)).collect();
                    of_words.sort_unstable();
                    assert_eq!(of_words, (0..shape.data).collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn what_is_too_large_is_not_cut() {
        assert!(cut(0, &unit(MAX_UNIT_BYTES + 1), false, 0, 1200, 0).is_empty());
        assert!(cut(0, &unit(MAX_UNIT_BYTES), false, 0, 400, 0).is_empty());
    }

    #[test]
    fn heads_that_nobody_makes_have_no_shape() {
        let good = Head { unit: 0, index: 3, data: 4, parity: 2, unit_len: 4000, sent_ms: 0, key: false };
        assert!(Shape::of(&good).is_some());
        for bad in [
            Head { data: 0, ..good },
            Head { index: 6, ..good },
            Head { unit_len: 3, ..good },
            Head { unit_len: 5, ..good },
            Head { unit_len: MAX_UNIT_BYTES as u32 + 1, ..good },
            Head { data: 4097, unit_len: 1 << 20, ..good },
            Head { parity: 4097, ..good },
            // Tiny ones, whose repair would cost out of all proportion; and parity of which that is true.
            Head { data: 127, parity: 40, unit_len: 127, ..good },
            Head { data: 127, parity: 128, unit_len: 127 * 64, ..good },
        ] {
            assert_eq!(Shape::of(&bad), None, "{bad:?}");
        }
    }
}
