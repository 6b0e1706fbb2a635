//! Receiving SRTP and SRTCP: roll-over counter and replay window per SSRC (RFC 3711 §3.3.1, §3.3.2).

use aws_lc_rs::aead::Aad;

use super::srtp::{same, sha1_80, Cipher, CounterMode, Keys, SrtpError, SrtpKey};

/// Sources an `Opener` follows; packets of further ones are refused.
pub const MAX_SOURCES: usize = 16;

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
    tag_len: usize,
    sources: Vec<Source>,
}

impl Opener {
    pub fn new(master: &SrtpKey) -> Self {
        Self {
            rtp: Keys::new(master, 0),
            rtcp: Keys::new(master, 3),
            tag_len: master.profile.tag_len(),
            sources: Vec::new(),
        }
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
            Cipher::Cm(cm) => {
                let CounterMode { cipher, auth } = &**cm;
                let end =
                    packet.len().checked_sub(self.tag_len).filter(|e| *e >= header_len).ok_or(SrtpError::Malformed)?;
                let tag = sha1_80(auth, &packet[..end], ((index >> 16) as u32).to_be_bytes());
                if !same(&tag[..self.tag_len], &packet[end..]) {
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
            Cipher::Cm(cm) => {
                let CounterMode { cipher, auth } = &**cm;
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

#[cfg(test)]
mod tests {
    use super::super::srtp::tests::master;
    use super::super::srtp::{Profile, Sealer, MAX_SRTCP_TRAILER_BYTES};
    use super::*;

    const ALL: [Profile; 5] = Profile::ALL;

    fn sealed(profile: Profile, index: u64) -> Vec<u8> {
        let mut out = vec![0; 200];
        out[..12].copy_from_slice(&[0x80, 96, (index >> 8) as u8, index as u8, 0, 0, 0, 1, 0, 0, 0, 7]);
        let len = Sealer::new(&master(profile)).seal_rtp(&mut out, 12, b"the payload", 7, index);
        out.truncate(len);
        out
    }

    #[test]
    fn over_roll_overs_with_loss_and_reordering() {
        for profile in ALL {
            let mut opener = Opener::new(&master(profile));
            for index in [65_000u64, 65_534, 65_536, 65_535, 65_537, 90_000, 110_000, 131_071, 131_073, 131_072] {
                let mut packet = sealed(profile, index);
                let len = opener.open_rtp(&mut packet);
                assert_eq!(len, Ok(23), "{profile:?} {index}");
                assert_eq!(&packet[12..23], b"the payload");
            }
        }
    }

    #[test]
    fn replays_and_forgeries_are_refused() {
        for profile in ALL {
            let mut opener = Opener::new(&master(profile));
            for index in [1000, 1127, 1128] {
                assert!(opener.open_rtp(&mut sealed(profile, index)).is_ok());
            }
            assert_eq!(opener.open_rtp(&mut sealed(profile, 1128)), Err(SrtpError::Replayed));
            assert_eq!(opener.open_rtp(&mut sealed(profile, 1001)), Ok(23));
            assert_eq!(opener.open_rtp(&mut sealed(profile, 1001)), Err(SrtpError::Replayed));
            // Older than the window of 128.
            assert_eq!(opener.open_rtp(&mut sealed(profile, 1000)), Err(SrtpError::Replayed));
            let good = sealed(profile, 1200);
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 1;
                assert!(opener.open_rtp(&mut bad).is_err(), "{profile:?} byte {at}");
                assert!(opener.open_rtp(&mut good[..at].to_vec()).is_err());
            }
            assert_eq!(opener.open_rtp(&mut good.clone()), Ok(23));
        }
    }

    #[test]
    fn rtcp_both_ways() {
        for profile in ALL {
            let (sealer, mut opener) = (Sealer::new(&master(profile)), Opener::new(&master(profile)));
            let plain = [0x80, 201, 0, 1, 0, 0, 0, 9];
            for index in [0u32, 1, 5, 0x7fff_ffff] {
                let mut packet = plain.to_vec();
                packet.resize(plain.len() + MAX_SRTCP_TRAILER_BYTES, 0);
                let len = sealer.seal_rtcp(&mut packet, plain.len(), index);
                packet.truncate(len);
                let replay = packet.clone();
                assert_eq!(opener.open_rtcp(&mut packet), Ok(8));
                assert_eq!(packet[..8], plain);
                assert_eq!(opener.open_rtcp(&mut replay.clone()), Err(SrtpError::Replayed));
                for end in 0..replay.len() {
                    assert!(opener.open_rtcp(&mut replay[..end].to_vec()).is_err());
                }
            }
        }
    }

    #[test]
    fn strangers_can_not_fill_the_table_of_sources() {
        let mut opener = Opener::new(&master(Profile::AeadAes128Gcm));
        for ssrc in 0..100u8 {
            let mut junk = vec![0x80; 60];
            junk[11] = ssrc;
            assert!(opener.open_rtp(&mut junk).is_err());
        }
        assert!(opener.sources.is_empty());
        assert!(opener.open_rtp(&mut sealed(Profile::AeadAes128Gcm, 5)).is_ok());
    }
}
