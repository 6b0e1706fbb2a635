//! SRTP's protection profiles by their names in SDP and DTLS, and master keys.

use std::fmt;

use super::srtp::same;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    AeadAes128Gcm,
    AeadAes256Gcm,
    AesCm128HmacSha1_80,
    AesCm128HmacSha1_32,
    AesCm256HmacSha1_80,
}

impl Profile {
    pub const ALL: [Profile; 5] = [
        Profile::AeadAes128Gcm,
        Profile::AeadAes256Gcm,
        Profile::AesCm128HmacSha1_80,
        Profile::AesCm128HmacSha1_32,
        Profile::AesCm256HmacSha1_80,
    ];

    pub(super) fn is_counter_mode(self) -> bool {
        !matches!(self, Profile::AeadAes128Gcm | Profile::AeadAes256Gcm)
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Profile::ALL.into_iter().find(|p| p.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Profile::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Profile::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Profile::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Profile::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Profile::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
        }
    }

    pub fn key_len(self) -> usize {
        if matches!(self, Profile::AeadAes256Gcm | Profile::AesCm256HmacSha1_80) {
            32
        } else {
            16
        }
    }

    pub fn salt_len(self) -> usize {
        if self.is_counter_mode() {
            14
        } else {
            12
        }
    }

    /// Of SRTP. SRTCP's is 10 in every counter mode (RFC 4568 §6.2.2).
    pub fn tag_len(self) -> usize {
        match self {
            Profile::AesCm128HmacSha1_32 => 4,
            p if p.is_counter_mode() => 10,
            _ => 16,
        }
    }
}

/// A master key and salt. Never shown.
#[derive(Clone)]
pub struct SrtpKey {
    pub(super) profile: Profile,
    pub(super) key: Vec<u8>,
    pub(super) salt: Vec<u8>,
}

impl SrtpKey {
    /// `None` when the lengths do not fit the profile.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<Self> {
        if key.len() != profile.key_len() || salt.len() != profile.salt_len() {
            return None;
        }
        Some(Self { profile, key: key.to_vec(), salt: salt.to_vec() })
    }

    pub fn is_same(&self, other: &Self) -> bool {
        self.profile == other.profile && same(&self.key, &other.key) && same(&self.salt, &other.salt)
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
