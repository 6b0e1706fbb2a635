//! Codecs that no subscriber of ours takes as packets: a unit is cut to be kept, and joined again for whoever converts it.

use bytes::{Bytes, BytesMut};

use super::payloads::PayloadsBuilder;
use super::Payloads;

pub(super) fn packetize(units: &[Bytes], max: usize) -> Payloads {
    let mut out = PayloadsBuilder::new(units.iter().map(Bytes::len).sum(), max);
    units.iter().flat_map(|unit| unit.chunks(max)).for_each(|piece| out.single(piece));
    out.finish()
}

pub fn unpack(payloads: &Payloads) -> Vec<Bytes> {
    let mut whole = BytesMut::new();
    payloads.iter().for_each(|(piece, _)| whole.extend_from_slice(piece));
    vec![whole.freeze()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_joined() {
        for len in [1usize, 99, 100, 101, 1000] {
            let unit = Bytes::from((0..len).map(|i| i as u8).collect::<Vec<_>>());
            let payloads = packetize(std::slice::from_ref(&unit), 100);
            assert!(payloads.len() == len.div_ceil(100) && payloads.iter().all(|(p, _)| p.len() <= 100));
            assert_eq!(unpack(&payloads), [unit]);
        }
    }
}
