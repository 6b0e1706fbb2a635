//! The little of STUN (RFC 8489) that telling sessions apart needs: the USERNAME of a binding request, and whether its
//! MESSAGE-INTEGRITY was made with our password. Everything else about ICE is Python's.

use aws_lc_rs::hmac;

use crate::error::ParseError;

const COOKIE: u32 = 0x2112_a442;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
pub const MAX_USERNAME_BYTES: usize = 513;

/// A checked STUN message; parts are slices of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stun<'a> {
    packet: &'a [u8],
    /// Method and class bits as they stand: 0x0001 is a binding request.
    pub message_type: u16,
    pub username: Option<&'a [u8]>,
    /// Where the MESSAGE-INTEGRITY attribute begins.
    integrity_at: Option<usize>,
}

/// First byte 0 to 3, magic cookie, and a length that fits (RFC 7983 §7, RFC 8489 §5).
pub fn parse(packet: &[u8]) -> Result<Stun<'_>, ParseError> {
    if packet.len() < 20 || packet[0] > 3 {
        return Err(ParseError::new("not STUN", 0));
    }
    let len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    if u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]) != COOKIE {
        return Err(ParseError::new("STUN magic cookie missing", 4));
    }
    if len % 4 != 0 || len + 20 != packet.len() {
        return Err(ParseError::new("STUN length does not fit", 2));
    }
    let mut stun =
        Stun { packet, message_type: u16::from_be_bytes([packet[0], packet[1]]), username: None, integrity_at: None };
    let mut at = 20;
    while at < packet.len() {
        let head = packet.get(at..at + 4).ok_or(ParseError::new("STUN attribute truncated", at))?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let size = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = packet.get(at + 4..at + 4 + size).ok_or(ParseError::new("STUN attribute truncated", at))?;
        match kind {
            USERNAME if stun.username.is_none() && size <= MAX_USERNAME_BYTES => stun.username = Some(value),
            // RFC 8489 §14.5: what follows it, but FINGERPRINT, is to be ignored.
            MESSAGE_INTEGRITY if size == 20 => {
                stun.integrity_at = Some(at);
                break;
            }
            _ => {}
        }
        at += 4 + size.next_multiple_of(4);
    }
    Ok(stun)
}

impl<'a> Stun<'a> {
    pub fn is_request(&self) -> bool {
        self.message_type & 0x0110 == 0
    }

    /// Of a request: the part before the colon, whom it is for (RFC 8445 §7.2.2). Of an answer: none, even where it
    /// has a USERNAME, as libnice's have: that is the request's own, whose first part is the answering side's.
    pub fn local_ufrag(&self) -> Option<&'a [u8]> {
        let name = self.username.filter(|_| self.is_request())?;
        let end = name.iter().position(|b| *b == b':')?;
        Some(&name[..end])
    }

    /// HMAC-SHA1 over the message up to the attribute, its length set as if it ended there (RFC 8489 §14.5).
    pub fn is_authentic(&self, password: &[u8]) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password);
        let mut context = hmac::Context::with_key(&key);
        context.update(&self.packet[..2]);
        context.update(&((at + 4) as u16).to_be_bytes());
        context.update(&self.packet[4..at]);
        let tag = context.sign();
        aws_lc_rs::constant_time::verify_slices_are_equal(tag.as_ref(), &self.packet[at + 4..at + 24]).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.1, sample request: short-term credential, password "VOkJxbRl1RmTxUk/WvJxBt".
    const SAMPLE: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
        00240004 6e0001ff80290008932ff9b151263b36 00060009 6576746a3a68367659202020 00080014\
        9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf";

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
        digits.chunks_exact(2).map(|d| d[0] << 4 | d[1]).collect()
    }

    #[test]
    fn rfc_5769_sample_request() {
        let packet = hex(SAMPLE);
        assert_eq!(packet.len(), 108);
        let stun = parse(&packet).expect("the sample is sound");
        assert!(stun.is_request());
        assert_eq!(stun.username, Some(&b"evtj:h6vY"[..]));
        assert_eq!(stun.local_ufrag(), Some(&b"evtj"[..]));
        assert!(stun.is_authentic(b"VOkJxbRl1RmTxUk/WvJxBt"));
        assert!(!stun.is_authentic(b"VOkJxbRl1RmTxUk/WvJxBu"));
    }

    #[test]
    fn an_answer_names_nobody() {
        let mut packet = hex(SAMPLE);
        for class in [0x0101u16, 0x0111, 0x0011] {
            packet[..2].copy_from_slice(&class.to_be_bytes());
            let stun = parse(&packet).expect("the sample is sound");
            assert_eq!((stun.username, stun.local_ufrag()), (Some(&b"evtj:h6vY"[..]), None), "{class:04x}");
        }
    }

    #[test]
    fn one_flipped_bit_before_the_tag_is_seen() {
        let packet = hex(SAMPLE);
        for at in 8..76 {
            let mut bad = packet.clone();
            bad[at] ^= 1;
            assert!(!parse(&bad).is_ok_and(|s| s.is_authentic(b"VOkJxbRl1RmTxUk/WvJxBt")), "byte {at}");
        }
    }

    #[test]
    fn cut_anywhere_is_refused() {
        let packet = hex(SAMPLE);
        for end in 0..packet.len() {
            assert!(parse(&packet[..end]).is_err());
        }
    }
}
