//! Reed-Solomon over GF(2^8), polynomial 0x11d, as a Cauchy code: any `d` parity shards make good any `d` lost data shards.
//! Up to 255 shards of one size, data and parity together. The code is part of the wire format (docs/decisions/0011):
//! see `coefficient`.
//!
//! Ours rather than a library's: with so few shards the libraries at hand spend 0.4 ms on each repair whatever its size, and
//! want tables of megabytes; this takes some microseconds and 64 KiB.

/// Shards of one code word, data and parity together.
pub const MAX_SHARDS: usize = 255;

/// Bytes worked on at once: eight multiples of them stay in the first cache, and the compiler makes vectors of it.
const CHUNK: usize = 64;

const fn double(a: u8) -> u8 {
    (a << 1) ^ (if a & 0x80 != 0 { 0x1d } else { 0 })
}

/// Powers of 2, which generates the field, twice over, and their logarithms.
static TABLES: ([u8; 510], [u8; 256]) = {
    let (mut powers, mut logs) = ([0u8; 510], [0u8; 256]);
    let (mut value, mut n) = (1u8, 0);
    while n < 255 {
        powers[n] = value;
        powers[n + 255] = value;
        logs[value as usize] = n as u8;
        value = double(value);
        n += 1;
    }
    (powers, logs)
};

fn log(a: u8) -> usize {
    usize::from(TABLES.1[usize::from(a)])
}

fn multiply(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    TABLES.0[log(a) + log(b)]
}

/// Of what is not 0.
fn invert(a: u8) -> u8 {
    TABLES.0[255 - log(a)]
}

/// Data shard `i` in parity shard `j`: 1/(x_j ⊕ y_i) with x_j = 255 − j and y_i = i, which differ while there are at most
/// 255 shards; each column divided by its first, so that parity shard 0 is the plain sum. Every square part of a Cauchy
/// matrix can be inverted, and scaled columns change nothing of that.
pub fn coefficient(j: usize, i: usize) -> u8 {
    let (first, this) = (255 ^ i as u8, (255 - j as u8) ^ i as u8);
    multiply(first, invert(this))
}

/// `outs[n] ^= factors[n] · x`. All are of one length.
fn add_multiples(outs: &mut [&mut [u8]], factors: &[u8], x: &[u8]) {
    let whole = x.len() / CHUNK * CHUNK;
    for at in (0..whole).step_by(CHUNK) {
        let mut multiples = [[0u8; CHUNK]; 8];
        multiples[0].copy_from_slice(&x[at..at + CHUNK]);
        for bit in 1..8 {
            let before = multiples[bit - 1];
            for (made, v) in multiples[bit].iter_mut().zip(before) {
                *made = (v << 1) ^ (((v as i8) >> 7) as u8 & 0x1d);
            }
        }
        for (out, factor) in outs.iter_mut().zip(factors) {
            let Some(out) = out[at..].first_chunk_mut::<CHUNK>() else { continue };
            let mut sum = *out;
            for (bit, multiple) in multiples.iter().enumerate() {
                if factor >> bit & 1 != 0 {
                    for k in 0..CHUNK {
                        sum[k] ^= multiple[k];
                    }
                }
            }
            *out = sum;
        }
    }
    for (out, factor) in outs.iter_mut().zip(factors) {
        for (o, v) in out[whole..].iter_mut().zip(&x[whole..]) {
            *o ^= multiply(*factor, *v);
        }
    }
}

/// `count` parity shards of `data`; a shard shorter than `size` counts as filled up with zeros. `data` and `count`
/// together are at most `MAX_SHARDS`.
pub fn parity<'a>(data: impl Iterator<Item = &'a [u8]>, size: usize, count: usize) -> Vec<Vec<u8>> {
    let mut made = vec![vec![0u8; size]; count];
    let mut padded = Vec::new();
    let mut factors = vec![0u8; count];
    for (i, shard) in data.enumerate() {
        debug_assert!(i + count < MAX_SHARDS);
        let shard = if shard.len() == size {
            shard
        } else {
            padded.clear();
            padded.extend_from_slice(&shard[..shard.len().min(size)]);
            padded.resize(size, 0);
            &padded
        };
        for (j, factor) in factors.iter_mut().enumerate() {
            *factor = coefficient(j, i);
        }
        let mut outs: Vec<&mut [u8]> = made.iter_mut().map(Vec::as_mut_slice).collect();
        add_multiples(&mut outs, &factors, shard);
    }
    made
}

/// Make good the lost data shards of a code word. `data`: every data shard in its order, `None` where it is lost; `parity`:
/// (number, shard) of those that are there. All are `size` long. The lost ones in their order; `None` when there is too
/// little parity.
pub fn repair(data: &[Option<&[u8]>], parity: &[(usize, &[u8])], size: usize) -> Option<Vec<Vec<u8>>> {
    let lost: Vec<usize> = (0..data.len()).filter(|i| data[*i].is_none()).collect();
    let used = parity.get(..lost.len())?;
    // What the parity says beyond the shards that are there is a combination of the lost ones alone.
    let mut rest: Vec<Vec<u8>> = used.iter().map(|(_, shard)| shard.to_vec()).collect();
    let mut factors = vec![0u8; used.len()];
    for (i, shard) in data.iter().enumerate() {
        let Some(shard) = shard else { continue };
        for ((j, _), factor) in used.iter().zip(&mut factors) {
            *factor = coefficient(*j, i);
        }
        let mut outs: Vec<&mut [u8]> = rest.iter_mut().map(Vec::as_mut_slice).collect();
        add_multiples(&mut outs, &factors, shard);
    }
    let matrix = used.iter().map(|(j, _)| lost.iter().map(|i| coefficient(*j, *i)).collect()).collect();
    let inverse = inverted(matrix)?;
    let mut made = vec![vec![0u8; size]; lost.len()];
    for (n, x) in rest.iter().enumerate() {
        let factors: Vec<u8> = inverse.iter().map(|row| row[n]).collect();
        let mut outs: Vec<&mut [u8]> = made.iter_mut().map(Vec::as_mut_slice).collect();
        add_multiples(&mut outs, &factors, x);
    }
    Some(made)
}

/// By Gauss and Jordan. `None`: it has no inverse (the same parity shard twice).
fn inverted(mut m: Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    let n = m.len();
    for (i, row) in m.iter_mut().enumerate() {
        row.extend((0..n).map(|k| u8::from(k == i)));
    }
    for column in 0..n {
        let pivot = (column..n).find(|row| m[*row][column] != 0)?;
        m.swap(column, pivot);
        let scale = invert(m[column][column]);
        let row: Vec<u8> = m[column].iter().map(|v| multiply(*v, scale)).collect();
        for (i, other) in m.iter_mut().enumerate() {
            let factor = other[column];
            if i == column || factor == 0 {
                continue;
            }
            for (o, v) in other.iter_mut().zip(&row) {
                *o ^= multiply(factor, *v);
            }
        }
        m[column] = row;
    }
    Some(m.into_iter().map(|row| row[n..].to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator with a seed: the same cases in every run.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, n: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % n.max(1)
        }
    }

    #[test]
    fn the_field_is_a_field() {
        for a in 1..=255u8 {
            assert_eq!(multiply(a, invert(a)), 1);
            assert_eq!(multiply(a, 2), double(a));
            for b in [1u8, 2, 3, 29, 128, 255] {
                assert_eq!(multiply(a, b), multiply(b, a));
                assert_eq!(multiply(a, b ^ 7), multiply(a, b) ^ multiply(a, 7));
            }
        }
        assert_eq!((multiply(0, 9), multiply(9, 0)), (0, 0));
    }

    /// Kept on the wire: what a newer version makes an older one must repair.
    #[test]
    fn the_code_is_this_one() {
        assert_eq!((0..5).map(|i| coefficient(0, i)).collect::<Vec<_>>(), [1; 5]);
        let data: [&[u8]; 3] = [b"abcd", b"efgh", b"ij"];
        assert_eq!(
            parity(data.into_iter(), 4, 3),
            [vec![109, 110, 4, 12], vec![154, 128, 165, 184], vec![121, 105, 104, 144],]
        );
    }

    #[test]
    fn any_loss_up_to_the_parity_is_made_good() {
        let mut chance = Chance(1);
        for case in 0..400 {
            let (count, extra) = match case {
                0 => (254, 1),
                1 => (1, 254),
                2 => (128, 127),
                _ => (1 + chance.below(40), chance.below(12)),
            };
            let size = 1 + chance.below(if case < 3 { 70 } else { 300 });
            let data: Vec<Vec<u8>> = (0..count).map(|_| (0..size).map(|_| chance.below(256) as u8).collect()).collect();
            let extras = parity(data.iter().map(Vec::as_slice), size, extra);
            let lose = chance.below(extra.min(count) + 1);
            let mut seen: Vec<Option<&[u8]>> = data.iter().map(|d| Some(d.as_slice())).collect();
            let mut lost = 0;
            while lost < lose {
                lost += usize::from(seen[chance.below(count)].take().is_some());
            }
            let mut left: Vec<(usize, &[u8])> = extras.iter().map(Vec::as_slice).enumerate().collect();
            while left.len() > lose {
                left.swap_remove(chance.below(left.len()));
            }
            let made = repair(&seen, &left, size).expect("enough parity");
            let wanted: Vec<&Vec<u8>> = (0..count).filter(|i| seen[*i].is_none()).map(|i| &data[i]).collect();
            assert_eq!(made.iter().collect::<Vec<_>>(), wanted);
            if lose > 0 {
                assert_eq!(repair(&seen, &left[1..], size), None);
                let twice = vec![left[0]; lose];
                assert_eq!(repair(&seen, &twice, size).is_some(), lose == 1);
            }
        }
    }
}
