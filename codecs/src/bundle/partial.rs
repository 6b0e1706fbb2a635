//! One unit of which pieces came: what is there, what lacks, and the unit once it can be made.

use bytes::Bytes;

use super::fec;
use super::fragment::{Head, Shape};
use crate::time::Micros;

/// Bookkeeping of a unit, counted with its bytes.
const UNIT_COST: usize = 256;
pub(super) const PIECE_COST: usize = 32;

pub(super) struct Partial {
    pub(super) head: Head,
    shape: Shape,
    pub(super) target: Micros,
    pub(super) began: Micros,
    pub(super) last: Micros,
    /// When it could be made.
    pub(super) whole_at: Option<Micros>,
    have: Vec<u64>,
    /// Pieces that each code word lacks; below one that it has too many.
    lacks: Vec<i32>,
    /// Code words that lack some.
    open_words: usize,
    data_have: usize,
    data: Vec<u8>,
    parity: Vec<(usize, Box<[u8]>)>,
    pub(super) cost: usize,
}

impl Partial {
    pub(super) fn cost_of(shape: &Shape) -> usize {
        UNIT_COST + shape.data * shape.size + (shape.data + shape.parity) / 8 + 4 * shape.words
    }

    pub(super) fn new(head: Head, shape: Shape, target: Micros, arrival: Micros) -> Self {
        let lacks: Vec<i32> = (0..shape.words).map(|w| shape.data_of(w).count() as i32).collect();
        Self {
            head: Head { index: 0, ..head },
            shape,
            target,
            began: arrival,
            last: arrival,
            whole_at: None,
            have: vec![0; (shape.data + shape.parity).div_ceil(64)],
            open_words: lacks.iter().filter(|n| **n > 0).count(),
            lacks,
            data_have: 0,
            data: vec![0; shape.data * shape.size],
            parity: Vec::new(),
            cost: Self::cost_of(&shape),
        }
    }

    pub(super) fn has(&self, index: usize) -> bool {
        self.have[index / 64] >> (index % 64) & 1 != 0
    }

    /// A piece that is not there yet. What keeping it costs.
    pub(super) fn put(&mut self, index: usize, body: &[u8], arrival: Micros) -> usize {
        self.have[index / 64] |= 1 << (index % 64);
        self.last = arrival;
        let (word, mut cost) = (if index < self.shape.data { index } else { index - self.shape.data }, 0);
        let word = word % self.shape.words;
        if index < self.shape.data {
            let at = index * self.shape.size;
            self.data[at..at + body.len()].copy_from_slice(body);
            self.data_have += 1;
        } else if self.lacks[word] > 0 {
            cost = PIECE_COST + body.len();
            self.parity.push((index - self.shape.data, body.into()));
        }
        self.lacks[word] -= 1;
        if self.lacks[word] == 0 {
            self.open_words -= 1;
            if self.open_words == 0 {
                self.whole_at = Some(arrival);
                if self.data_have == self.shape.data {
                    self.parity = Vec::new();
                }
            }
        }
        self.cost += cost;
        cost
    }

    pub(super) fn can_be_made(&self) -> bool {
        self.open_words == 0
    }

    /// Data pieces that are asked for: as many of each code word as it lacks. None of what can be made.
    pub(super) fn gaps(&self) -> impl Iterator<Item = u16> + '_ {
        (0..self.shape.words).flat_map(move |word| {
            let lacks = usize::try_from(self.lacks[word]).unwrap_or(0);
            self.shape.data_of(word).filter(|i| !self.has(*i)).take(lacks).map(|i| i as u16)
        })
    }

    /// The unit's bytes, and how many pieces had to be made.
    pub(super) fn make(mut self) -> Option<(Bytes, u64)> {
        let (size, mut made) = (self.shape.size, 0);
        for word in 0..self.shape.words {
            let members: Vec<usize> = self.shape.data_of(word).collect();
            if self.data_have == self.shape.data || members.iter().all(|i| self.has(*i)) {
                continue;
            }
            let shards: Vec<Option<&[u8]>> =
                members.iter().map(|i| self.has(*i).then(|| &self.data[i * size..(i + 1) * size])).collect();
            let parity: Vec<(usize, &[u8])> = self
                .parity
                .iter()
                .filter(|(j, _)| j % self.shape.words == word)
                .map(|(j, body)| (j / self.shape.words, &body[..]))
                .collect();
            let repaired = fec::repair(&shards, &parity, size)?;
            let lost = members.iter().filter(|i| !self.has(**i)).copied().collect::<Vec<_>>();
            for (i, shard) in lost.iter().zip(&repaired) {
                self.data[i * size..(i + 1) * size].copy_from_slice(shard);
            }
            made += repaired.len() as u64;
        }
        self.data.truncate(self.shape.unit_len);
        Some((Bytes::from(self.data), made))
    }
}
