//! Cipher suites by their number on the wire: which Noise protocol shakes hands, which cipher then carries the packets.
//!
//! Suite 1 is the only one. Another one (SM2/SM4-GCM, say) is a row in `find`, a resolver in `noise` and an arm in
//! `PacketKey`; datagrams keep their form as long as its tag has 16 bytes and its keys 32.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM as GCM};

/// Noise_IK_25519_AESGCM_SHA256, then AES-256-GCM.
pub const AES_256_GCM: u8 = 1;
/// Bytes that sealing adds, of every suite.
pub const TAG_BYTES: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    pub id: u8,
    pub noise: &'static str,
}

pub const SUITES: [Suite; 1] = [Suite { id: AES_256_GCM, noise: "Noise_IK_25519_AESGCM_SHA256" }];

pub fn find(id: u8) -> Option<Suite> {
    SUITES.into_iter().find(|suite| suite.id == id)
}

/// The key of one direction and one epoch.
pub struct PacketKey(LessSafeKey);

impl PacketKey {
    /// Suite 1's; the key is one half of Noise's split.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&GCM, key).expect("32 bytes are a key of AES-256")))
    }

    /// As Noise §12.4 has it for AESGCM: four zeros, then the number. A number is used once under a key.
    fn nonce(number: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&number.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seal `text` in place and put the tag behind it: `body` is the text and `TAG_BYTES` of room.
    pub fn seal(&self, number: u64, header: &[u8], body: &mut [u8]) {
        let text = body.len() - TAG_BYTES;
        let (text, room) = body.split_at_mut(text);
        let tag = self.0.seal_in_place_separate_tag(Self::nonce(number), Aad::from(header), text);
        room.copy_from_slice(tag.expect("a datagram is far below the limit of the cipher").as_ref());
    }

    /// Open `body` (text and tag) in place. `None`: not sealed with this key, or changed on its way.
    pub fn open<'a>(&self, number: u64, header: &[u8], body: &'a mut [u8]) -> Option<&'a mut [u8]> {
        self.0.open_in_place(Self::nonce(number), Aad::from(header), body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let key = PacketKey::new(&[7; 32]);
        let mut body = b"a picture".to_vec();
        body.resize(9 + TAG_BYTES, 0);
        key.seal(5, b"head", &mut body);
        assert_ne!(&body[..9], b"a picture");
        assert_eq!(key.open(5, b"head", &mut body.clone()).as_deref(), Some(&b"a picture"[..]));
        assert!(key.open(6, b"head", &mut body.clone()).is_none());
        assert!(key.open(5, b"heat", &mut body.clone()).is_none());
        for at in 0..body.len() {
            let mut bent = body.clone();
            bent[at] ^= 1;
            assert!(key.open(5, b"head", &mut bent).is_none());
        }
        assert!(key.open(5, b"head", &mut [0; 3]).is_none());
        assert_eq!((find(1).map(|suite| suite.id), find(2)), (Some(1), None));
    }

    /// The number stands where Noise puts it: a nonce of zeros and the big-endian number.
    #[test]
    fn the_nonce_is_that_of_noise() {
        let key = PacketKey::new(&[1; 32]);
        let mut ours = [0u8; 4 + TAG_BYTES];
        key.seal(0x0102_0304, &[], &mut ours);
        let plain = LessSafeKey::new(UnboundKey::new(&GCM, &[1; 32]).expect("a key"));
        let nonce = Nonce::assume_unique_for_key([0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        let mut theirs = vec![0u8; 4];
        plain.seal_in_place_append_tag(nonce, Aad::empty(), &mut theirs).expect("short");
        assert_eq!(ours[..], theirs[..]);
    }
}
