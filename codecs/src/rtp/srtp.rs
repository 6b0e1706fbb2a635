//! SRTP and SRTCP (RFC 3711) with AES-GCM (RFC 7714) and AES-CM/HMAC-SHA1 (RFC 6188 for 256 bits), on aws-lc.
//!
//! A `Sealer` holds the keys to send and no state: the caller counts the packet index of each SSRC, and is its one
//! writer. Sealing the same index twice must give the same plaintext header and payload, or not happen (a GCM nonce
//! used for two plaintexts gives the key away). Receiving is `srtp_open`.

pub use super::srtp_key::{Profile, SrtpKey};
pub use super::srtp_open::Opener;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;

/// Authentication tag of both GCM profiles; AES-CM's is 10.
pub const MAX_TAG_BYTES: usize = 16;
/// What SRTCP adds at most: index word and tag.
pub const MAX_SRTCP_TRAILER_BYTES: usize = 4 + MAX_TAG_BYTES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpError {
    /// Shorter than its parts, or no RTP at all.
    Malformed,
    Unauthentic,
    /// Seen before, or older than the window.
    Replayed,
    /// More sources than `MAX_SOURCES`.
    TooManySources,
}

/// RFC 3711 §4.3.1: derive `out` from the master key; `salt` is 14 bytes (RFC 7714 §11 pads 12 to 14 with zeros).
fn derive(key: &[u8], salt: &[u8], label: u8, out: &mut [u8]) {
    let mut iv = [0u8; 16];
    iv[..salt.len()].copy_from_slice(salt);
    iv[7] ^= label;
    out.fill(0);
    ctr_key(key).less_safe_encrypt(out, EncryptionContext::Iv128((&iv).into())).expect("counter mode takes any length");
}

fn ctr_key(key: &[u8]) -> EncryptingKey {
    let algorithm = if key.len() == 32 { &cipher::AES_256 } else { &cipher::AES_128 };
    UnboundCipherKey::new(algorithm, key).and_then(EncryptingKey::ctr).expect("the key length was checked")
}

pub(super) enum Cipher {
    Gcm(LessSafeKey),
    Cm(Box<CounterMode>),
}

pub(super) struct CounterMode {
    pub(super) cipher: EncryptingKey,
    pub(super) auth: hmac::Key,
}

/// Session keys of one direction and one of RTP or RTCP.
pub(super) struct Keys {
    pub(super) cipher: Cipher,
    salt: [u8; 14],
}

impl Keys {
    /// `label` 0 for RTP, 3 for RTCP (RFC 3711 §4.3.2).
    pub(super) fn new(master: &SrtpKey, label: u8) -> Self {
        let profile = master.profile;
        let mut key = vec![0u8; profile.key_len()];
        derive(&master.key, &master.salt, label, &mut key);
        let mut salt = [0u8; 14];
        derive(&master.key, &master.salt, label + 2, &mut salt[..profile.salt_len()]);
        let cipher = match profile {
            p if p.is_counter_mode() => {
                let mut auth = [0u8; 20];
                derive(&master.key, &master.salt, label + 1, &mut auth);
                {
                    let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth);
                    Cipher::Cm(Box::new(CounterMode { cipher: ctr_key(&key), auth }))
                }
            }
            _ => {
                let algorithm = if key.len() == 32 { &aead::AES_256_GCM } else { &aead::AES_128_GCM };
                Cipher::Gcm(LessSafeKey::new(UnboundKey::new(algorithm, &key).expect("the key length was checked")))
            }
        };
        key.fill(0);
        Self { cipher, salt }
    }

    /// RFC 7714 §8.1 and §9.1: `index` is ROC and SEQ (48 bits), or the SRTCP index (31 bits).
    pub(super) fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut iv = [0u8; 12];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        for (b, s) in iv.iter_mut().zip(&self.salt) {
            *b ^= s;
        }
        Nonce::assume_unique_for_key(iv)
    }

    /// RFC 3711 §4.1.1.
    pub(super) fn counter(&self, ssrc: u32, index: u64) -> EncryptionContext {
        let mut iv = [0u8; 16];
        iv[..14].copy_from_slice(&self.salt);
        for (b, s) in iv[4..8].iter_mut().zip(ssrc.to_be_bytes()) {
            *b ^= s;
        }
        for (b, s) in iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *b ^= s;
        }
        EncryptionContext::Iv128((&iv).into())
    }
}

pub(super) fn sha1_80(key: &hmac::Key, packet: &[u8], trailer: [u8; 4]) -> [u8; 10] {
    let mut context = hmac::Context::with_key(key);
    context.update(packet);
    context.update(&trailer);
    let mut tag = [0u8; 10];
    tag.copy_from_slice(&context.sign().as_ref()[..10]);
    tag
}

pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Keys to send with. One per direction of a session, shared by its SSRCs.
pub struct Sealer {
    rtp: Keys,
    rtcp: Keys,
    tag_len: usize,
}

impl Sealer {
    pub fn new(master: &SrtpKey) -> Self {
        Self { rtp: Keys::new(master, 0), rtcp: Keys::new(master, 3), tag_len: master.profile.tag_len() }
    }

    pub fn tag_len(&self) -> usize {
        self.tag_len
    }

    /// Seal `payload` behind the plain header in `out[..header_len]`. `index` is the 48-bit packet index (ROC, SEQ).
    /// Returns the packet's length. `out` must hold header, payload and tag.
    pub fn seal_rtp(&self, out: &mut [u8], header_len: usize, payload: &[u8], ssrc: u32, index: u64) -> usize {
        let (header, body) = out.split_at_mut(header_len);
        match &self.rtp.cipher {
            Cipher::Gcm(key) => {
                let (text, tag) = body[..payload.len() + 16].split_at_mut(payload.len());
                key.seal_out_of_place_scatter(
                    self.rtp.nonce(ssrc, index),
                    Aad::from(&*header),
                    payload,
                    text,
                    &[],
                    tag,
                )
                .expect("lengths match");
            }
            Cipher::Cm(_) => {
                body[..payload.len()].copy_from_slice(payload);
                return self.seal_rtp_in_place(out, header_len, payload.len(), ssrc, index);
            }
        }
        header_len + payload.len() + self.tag_len
    }

    /// As `seal_rtp`, with the payload already behind the header.
    pub fn seal_rtp_in_place(&self, out: &mut [u8], header_len: usize, len: usize, ssrc: u32, index: u64) -> usize {
        let end = header_len + len;
        match &self.rtp.cipher {
            Cipher::Gcm(key) => {
                let (header, body) = out.split_at_mut(header_len);
                let tag = key
                    .seal_in_place_separate_tag(self.rtp.nonce(ssrc, index), Aad::from(&*header), &mut body[..len])
                    .expect("a packet is far below the limit of the cipher");
                body[len..len + 16].copy_from_slice(tag.as_ref());
            }
            Cipher::Cm(cm) => {
                let CounterMode { cipher, auth } = &**cm;
                cipher
                    .less_safe_encrypt(&mut out[header_len..end], self.rtp.counter(ssrc, index))
                    .expect("counter mode takes any length");
                let tag = sha1_80(auth, &out[..end], ((index >> 16) as u32).to_be_bytes());
                out[end..end + self.tag_len].copy_from_slice(&tag[..self.tag_len]);
            }
        }
        end + self.tag_len
    }

    /// Seal a compound RTCP packet of `len` bytes in place; `index` is its 31-bit SRTCP index, used once per SSRC.
    /// Returns the new length. `out` must hold `MAX_SRTCP_TRAILER_BYTES` more.
    pub fn seal_rtcp(&self, out: &mut [u8], len: usize, index: u32) -> usize {
        let ssrc = u32::from_be_bytes([out[4], out[5], out[6], out[7]]);
        let word = (index | 0x8000_0000).to_be_bytes();
        let index = u64::from(index & 0x7fff_ffff);
        match &self.rtcp.cipher {
            Cipher::Gcm(key) => {
                let mut aad = [0u8; 12];
                aad[..8].copy_from_slice(&out[..8]);
                aad[8..].copy_from_slice(&word);
                let tag = key
                    .seal_in_place_separate_tag(self.rtcp.nonce(ssrc, index), Aad::from(aad), &mut out[8..len])
                    .expect("a packet is far below the limit of the cipher");
                out[len..len + 16].copy_from_slice(tag.as_ref());
                out[len + 16..len + 20].copy_from_slice(&word);
                len + 20
            }
            Cipher::Cm(cm) => {
                let CounterMode { cipher, auth } = &**cm;
                cipher
                    .less_safe_encrypt(&mut out[8..len], self.rtcp.counter(ssrc, index))
                    .expect("counter mode takes any length");
                let tag = sha1_80(auth, &out[..len], word);
                out[len..len + 4].copy_from_slice(&word);
                out[len + 4..len + 14].copy_from_slice(&tag);
                len + 14
            }
        }
    }
}

/// The SRTP library and the CPU features it uses.
pub fn backend() -> String {
    let mut text = String::from("aws-lc");
    #[cfg(target_arch = "x86_64")]
    for (name, present) in [
        ("AES-NI", std::arch::is_x86_feature_detected!("aes")),
        ("PCLMULQDQ", std::arch::is_x86_feature_detected!("pclmulqdq")),
        ("VAES", std::arch::is_x86_feature_detected!("vaes")),
    ] {
        if present {
            text.push(' ');
            text.push_str(name);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("aes") {
        text.push_str(" ARMv8-CE");
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
        digits.chunks_exact(2).map(|d| d[0] << 4 | d[1]).collect()
    }

    pub fn master(profile: Profile) -> SrtpKey {
        let key: Vec<u8> = (0..profile.key_len() as u8).collect();
        SrtpKey::new(profile, &key, &[0x51; 14][..profile.salt_len()]).expect("lengths of the profile")
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn key_derivation() {
        let (key, salt) = (hex("E1F97A0D3E018BE0D64FA32C06DE4139"), hex("0EC675AD498AFEEBB6960B3AABE6"));
        let (mut cipher, mut auth, mut session_salt) = ([0; 16], [0; 20], [0; 14]);
        derive(&key, &salt, 0, &mut cipher);
        derive(&key, &salt, 1, &mut auth);
        derive(&key, &salt, 2, &mut session_salt);
        assert_eq!(cipher[..], hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(auth[..], hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
        assert_eq!(session_salt[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
    }

    /// RFC 3711 appendix B.2: the key stream of SSRC 0 and index 0.
    #[test]
    fn counter_mode() {
        let mut salt = [0; 14];
        salt.copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
        let key = ctr_key(&hex("2B7E151628AED2A6ABF7158809CF4F3C"));
        let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[0; 20]);
        let keys = Keys { cipher: Cipher::Cm(Box::new(CounterMode { cipher: ctr_key(&[0; 16]), auth })), salt };
        let mut stream = [0; 32];
        key.less_safe_encrypt(&mut stream, keys.counter(0, 0)).expect("any length");
        assert_eq!(stream[..], hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB"));
    }

    /// A `Sealer` on the session keys of RFC 7714's examples.
    fn gcm(key: &str) -> Sealer {
        let key = hex(key);
        let keys = || {
            let algorithm = if key.len() == 32 { &aead::AES_256_GCM } else { &aead::AES_128_GCM };
            let mut salt = [0; 14];
            salt[..12].copy_from_slice(b"Quid pro quo");
            Keys { cipher: Cipher::Gcm(LessSafeKey::new(UnboundKey::new(algorithm, &key).expect("length"))), salt }
        };
        Sealer { rtp: keys(), rtcp: keys(), tag_len: 16 }
    }

    /// RFC 7714 §16.1.1 and §16.2.1.
    #[test]
    fn gcm_rtp() {
        let header = hex("8040f17b8041f8d35501a0b2");
        let payload = b"Gallia est omnis divisa in partes tres";
        for (key, sealed) in [
            (
                "000102030405060708090a0b0c0d0e0f",
                "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
            ),
            (
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
            ),
        ] {
            let mut out = vec![0; 128];
            out[..12].copy_from_slice(&header);
            let len = gcm(key).seal_rtp(&mut out, 12, payload, 0x5501_a0b2, 0xf17b);
            assert_eq!(out[12..len], hex(sealed), "{key}");
            // In place gives the same.
            let mut again = vec![0; 128];
            again[..12].copy_from_slice(&header);
            again[12..12 + payload.len()].copy_from_slice(payload);
            let len = gcm(key).seal_rtp_in_place(&mut again, 12, payload.len(), 0x5501_a0b2, 0xf17b);
            assert_eq!(again[..len], out[..len]);
        }
    }

    /// RFC 7714 §17.1.
    #[test]
    fn gcm_rtcp() {
        let plain = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
            deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
        let sealed = "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda\
            4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4";
        let mut packet = hex(plain);
        let len = packet.len();
        packet.resize(len + MAX_SRTCP_TRAILER_BYTES, 0);
        let end = gcm("000102030405060708090a0b0c0d0e0f").seal_rtcp(&mut packet, len, 0x5d4);
        assert_eq!(packet[..end], hex(sealed));
    }
}
