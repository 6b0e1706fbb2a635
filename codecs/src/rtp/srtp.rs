//! SRTP and SRTCP (RFC 3711) with AES-GCM (RFC 7714) and AES-CM/HMAC-SHA1-80, on aws-lc.
//!
//! A `Sealer` holds the keys to send and no state: the caller counts the packet index of each SSRC, and is its one
//! writer. Sealing the same index twice must give the same plaintext header and payload, or not happen (a GCM nonce
//! used for two plaintexts gives the key away). An `Opener` keeps roll-over counter and replay window per SSRC.

use std::fmt;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;

/// Authentication tag of both GCM profiles; AES-CM's is 10.
pub const MAX_TAG_BYTES: usize = 16;
/// What SRTCP adds at most: index word and tag.
pub const MAX_SRTCP_TRAILER_BYTES: usize = 4 + MAX_TAG_BYTES;
/// Sources an `Opener` follows; packets of further ones are refused.
pub const MAX_SOURCES: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    AeadAes128Gcm,
    AeadAes256Gcm,
    AesCm128HmacSha1_80,
}

impl Profile {
    pub fn from_name(name: &str) -> Option<Self> {
        [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::AesCm128HmacSha1_80]
            .into_iter()
            .find(|p| p.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Profile::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Profile::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Profile::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
        }
    }

    pub fn key_len(self) -> usize {
        if self == Profile::AeadAes256Gcm {
            32
        } else {
            16
        }
    }

    pub fn salt_len(self) -> usize {
        if self == Profile::AesCm128HmacSha1_80 {
            14
        } else {
            12
        }
    }

    pub fn tag_len(self) -> usize {
        if self == Profile::AesCm128HmacSha1_80 {
            10
        } else {
            16
        }
    }
}

/// A master key and salt. Never shown.
#[derive(Clone)]
pub struct SrtpKey {
    profile: Profile,
    key: Vec<u8>,
    salt: Vec<u8>,
}

impl SrtpKey {
    /// `None` when the lengths do not fit the profile.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<Self> {
        if key.len() != profile.key_len() || salt.len() != profile.salt_len() {
            return None;
        }
        Some(Self { profile, key: key.to_vec(), salt: salt.to_vec() })
    }
}

impl Drop for SrtpKey {
    fn drop(&mut self) {
        self.key.fill(0);
        self.salt.fill(0);
        std::hint::black_box(&self.key);
    }
}

impl fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SrtpKey({})", self.profile.name())
    }
}

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

enum Cipher {
    Gcm(LessSafeKey),
    Cm { cipher: EncryptingKey, auth: hmac::Key },
}

/// Session keys of one direction and one of RTP or RTCP.
struct Keys {
    cipher: Cipher,
    salt: [u8; 14],
}

impl Keys {
    /// `label` 0 for RTP, 3 for RTCP (RFC 3711 §4.3.2).
    fn new(master: &SrtpKey, label: u8) -> Self {
        let profile = master.profile;
        let mut key = vec![0u8; profile.key_len()];
        derive(&master.key, &master.salt, label, &mut key);
        let mut salt = [0u8; 14];
        derive(&master.key, &master.salt, label + 2, &mut salt[..profile.salt_len()]);
        let cipher = match profile {
            Profile::AesCm128HmacSha1_80 => {
                let mut auth = [0u8; 20];
                derive(&master.key, &master.salt, label + 1, &mut auth);
                Cipher::Cm { cipher: ctr_key(&key), auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth) }
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
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut iv = [0u8; 12];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        for (b, s) in iv.iter_mut().zip(&self.salt) {
            *b ^= s;
        }
        Nonce::assume_unique_for_key(iv)
    }

    /// RFC 3711 §4.1.1.
    fn counter(&self, ssrc: u32, index: u64) -> EncryptionContext {
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

fn sha1_80(key: &hmac::Key, packet: &[u8], trailer: [u8; 4]) -> [u8; 10] {
    let mut context = hmac::Context::with_key(key);
    context.update(packet);
    context.update(&trailer);
    let mut tag = [0u8; 10];
    tag.copy_from_slice(&context.sign().as_ref()[..10]);
    tag
}

fn same(a: &[u8], b: &[u8]) -> bool {
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
            Cipher::Cm { .. } => {
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
            Cipher::Cm { cipher, auth } => {
                cipher
                    .less_safe_encrypt(&mut out[header_len..end], self.rtp.counter(ssrc, index))
                    .expect("counter mode takes any length");
                let tag = sha1_80(auth, &out[..end], ((index >> 16) as u32).to_be_bytes());
                out[end..end + 10].copy_from_slice(&tag);
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
            Cipher::Cm { cipher, auth } => {
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

/// Window of the 128 newest indexes (RFC 3711 §3.3.2). The newest is bit 0.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    newest: u64,
    seen: u128,
}

impl Window {
    fn admits(&self, index: u64) -> bool {
        if self.seen == 0 || index > self.newest {
            return true;
        }
        let age = self.newest - index;
        age < 128 && self.seen & (1 << age) == 0
    }

    fn record(&mut self, index: u64) {
        if self.seen == 0 {
            *self = Window { newest: index, seen: 1 };
        } else if index > self.newest {
            let step = index - self.newest;
            self.seen = if step < 128 { self.seen << step } else { 0 } | 1;
            self.newest = index;
        } else if self.newest - index < 128 {
            self.seen |= 1 << (self.newest - index);
        }
    }

    /// RFC 3711 appendix A: the 48-bit index that `seq` most likely has.
    fn guess(&self, seq: u16) -> u64 {
        if self.seen == 0 {
            return u64::from(seq);
        }
        let delta = i64::from(seq.wrapping_sub(self.newest as u16) as i16);
        let guess = self.newest as i64 + delta;
        // Before the first wrap there is no earlier one: take it as of this round.
        if guess < 0 {
            u64::from(seq)
        } else {
            guess as u64 & 0xffff_ffff_ffff
        }
    }
}

struct Source {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
}

/// Keys to receive with, and what was seen of each source.
pub struct Opener {
    rtp: Keys,
    rtcp: Keys,
    sources: Vec<Source>,
}

impl Opener {
    pub fn new(master: &SrtpKey) -> Self {
        Self { rtp: Keys::new(master, 0), rtcp: Keys::new(master, 3), sources: Vec::new() }
    }

    fn source(&self, ssrc: u32) -> Result<Option<usize>, SrtpError> {
        match self.sources.iter().position(|s| s.ssrc == ssrc) {
            None if self.sources.len() >= MAX_SOURCES => Err(SrtpError::TooManySources),
            found => Ok(found),
        }
    }

    /// A source gets its state only by a packet that was authentic, so that strangers can not fill the table.
    fn admit(&mut self, found: Option<usize>, ssrc: u32) -> &mut Source {
        let at = found.unwrap_or_else(|| {
            self.sources.push(Source { ssrc, rtp: Window::default(), rtcp: Window::default() });
            self.sources.len() - 1
        });
        &mut self.sources[at]
    }

    /// Check and decrypt in place; returns the plain packet's length.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header_len = rtp_header_len(packet).ok_or(SrtpError::Malformed)?;
        let seq = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
        let found = self.source(ssrc)?;
        let window = found.map(|at| self.sources[at].rtp).unwrap_or_default();
        let index = window.guess(seq);
        if !window.admits(index) {
            return Err(SrtpError::Replayed);
        }
        let len = match &self.rtp.cipher {
            Cipher::Gcm(key) => {
                let end = packet.len().checked_sub(16).filter(|e| *e >= header_len).ok_or(SrtpError::Malformed)?;
                let (header, body) = packet.split_at_mut(header_len);
                key.open_in_place(self.rtp.nonce(ssrc, index), Aad::from(&*header), body)
                    .map_err(|_| SrtpError::Unauthentic)?;
                end
            }
            Cipher::Cm { cipher, auth } => {
                let end = packet.len().checked_sub(10).filter(|e| *e >= header_len).ok_or(SrtpError::Malformed)?;
                let tag = sha1_80(auth, &packet[..end], ((index >> 16) as u32).to_be_bytes());
                if !same(&tag, &packet[end..]) {
                    return Err(SrtpError::Unauthentic);
                }
                cipher
                    .less_safe_encrypt(&mut packet[header_len..end], self.rtp.counter(ssrc, index))
                    .map_err(|_| SrtpError::Malformed)?;
                end
            }
        };
        self.admit(found, ssrc).rtp.record(index);
        Ok(len)
    }

    /// Check and decrypt a compound RTCP packet in place; returns the plain length.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let gcm = matches!(self.rtcp.cipher, Cipher::Gcm(_));
        let trailer = if gcm { 20 } else { 14 };
        if packet.len() < 8 + trailer || packet[0] >> 6 != 2 {
            return Err(SrtpError::Malformed);
        }
        let ssrc = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        let end = packet.len() - trailer;
        let at = if gcm { end + 16 } else { end };
        let word: [u8; 4] = [packet[at], packet[at + 1], packet[at + 2], packet[at + 3]];
        let encrypted = word[0] & 0x80 != 0;
        let index = u64::from(u32::from_be_bytes(word) & 0x7fff_ffff);
        let found = self.source(ssrc)?;
        if found.is_some_and(|i| !self.sources[i].rtcp.admits(index)) {
            return Err(SrtpError::Replayed);
        }
        match &self.rtcp.cipher {
            Cipher::Gcm(key) if encrypted => {
                let mut aad = [0u8; 12];
                aad[..8].copy_from_slice(&packet[..8]);
                aad[8..].copy_from_slice(&word);
                key.open_in_place(self.rtcp.nonce(ssrc, index), Aad::from(aad), &mut packet[8..end + 16])
                    .map_err(|_| SrtpError::Unauthentic)?;
            }
            Cipher::Gcm(key) => {
                // RFC 7714 §9.3: nothing encrypted, all of it authenticated, the tag stands alone.
                let mut aad = packet[..end].to_vec();
                aad.extend_from_slice(&word);
                key.open_in_place(self.rtcp.nonce(ssrc, index), Aad::from(aad), &mut packet[end..end + 16])
                    .map_err(|_| SrtpError::Unauthentic)?;
            }
            Cipher::Cm { cipher, auth } => {
                if !same(&sha1_80(auth, &packet[..end], word), &packet[end + 4..]) {
                    return Err(SrtpError::Unauthentic);
                }
                if encrypted {
                    cipher
                        .less_safe_encrypt(&mut packet[8..end], self.rtcp.counter(ssrc, index))
                        .map_err(|_| SrtpError::Malformed)?;
                }
            }
        }
        self.admit(found, ssrc).rtcp.record(index);
        Ok(end)
    }
}

/// Fixed header, CSRC list and extension; `None` when the packet is shorter than they say.
fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    if packet.len() < 12 || packet[0] >> 6 != 2 {
        return None;
    }
    let mut len = 12 + usize::from(packet[0] & 0x0f) * 4;
    if packet[0] & 0x10 != 0 {
        let words = packet.get(len + 2..len + 4)?;
        len += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
    }
    (len <= packet.len()).then_some(len)
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
