//! RTP's fixed header, CSRC list, extension and padding (RFC 3550 §5.1, §5.3.1; RFC 8285), read in place and written.

use std::ops::Range;

use crate::error::ParseError;

pub const HEADER_BYTES: usize = 12;

/// One packet, borrowed. Every field was checked against the packet's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpView<'a> {
    packet: &'a [u8],
    pub marker: bool,
    pub pt: u8,
    pub seq: u16,
    pub ts: u32,
    pub ssrc: u32,
    csrc_end: usize,
    /// `extension header` .. `payload`; empty when there is none.
    extension_end: usize,
    payload_end: usize,
}

impl<'a> RtpView<'a> {
    /// Errors: short packet, version other than 2, lists or padding longer than the packet, and the payload types
    /// 72..=76 that are RTCP in disguise (RFC 5761 §4).
    pub fn parse(packet: &'a [u8]) -> Result<Self, ParseError> {
        if packet.len() < HEADER_BYTES {
            return Err(ParseError::new("RTP header truncated", packet.len()));
        }
        let (b0, b1) = (packet[0], packet[1]);
        if b0 >> 6 != 2 {
            return Err(ParseError::new("RTP version is not 2", 0));
        }
        if is_rtcp(packet) {
            return Err(ParseError::new("RTCP where RTP was expected", 1));
        }
        let csrc_end = HEADER_BYTES + usize::from(b0 & 0x0f) * 4;
        if csrc_end > packet.len() {
            return Err(ParseError::new("RTP CSRC list truncated", HEADER_BYTES));
        }
        let mut extension_end = csrc_end;
        if b0 & 0x10 != 0 {
            let words = packet.get(csrc_end + 2..csrc_end + 4);
            let words = words.ok_or(ParseError::new("RTP extension truncated", csrc_end))?;
            extension_end = csrc_end + 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
            if extension_end > packet.len() {
                return Err(ParseError::new("RTP extension truncated", csrc_end));
            }
        }
        let mut payload_end = packet.len();
        if b0 & 0x20 != 0 {
            let padding = usize::from(packet[packet.len() - 1]);
            if padding == 0 || padding > packet.len() - extension_end {
                return Err(ParseError::new("RTP padding longer than the packet", packet.len() - 1));
            }
            payload_end -= padding;
        }
        Ok(Self {
            packet,
            marker: b1 & 0x80 != 0,
            pt: b1 & 0x7f,
            seq: u16::from_be_bytes([packet[2], packet[3]]),
            ts: u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]),
            ssrc: u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]),
            csrc_end,
            extension_end,
            payload_end,
        })
    }

    pub fn payload(&self) -> &'a [u8] {
        &self.packet[self.extension_end..self.payload_end]
    }

    /// Where the payload lies in the packet.
    pub fn payload_range(&self) -> Range<usize> {
        self.extension_end..self.payload_end
    }

    /// Bytes before the payload.
    pub fn header_len(&self) -> usize {
        self.extension_end
    }

    pub fn csrcs(&self) -> impl Iterator<Item = u32> + 'a {
        let list = &self.packet[HEADER_BYTES..self.csrc_end];
        list.chunks_exact(4).map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]]))
    }

    /// The extension's profile word and its data, when the packet has one.
    pub fn extension(&self) -> Option<(u16, &'a [u8])> {
        let e = &self.packet[self.csrc_end..self.extension_end];
        (e.len() >= 4).then(|| (u16::from_be_bytes([e[0], e[1]]), &e[4..]))
    }

    /// The element `id` of an RFC 8285 extension, one-byte or two-byte form.
    pub fn extension_element(&self, id: u8) -> Option<&'a [u8]> {
        let (profile, mut data) = self.extension()?;
        let two_byte = match profile {
            0xbede => false,
            p if p & 0xfff0 == 0x1000 => true,
            _ => return None,
        };
        loop {
            let (&first, tail) = data.split_first()?;
            if first == 0 {
                data = tail; // RFC 8285 §4.2: padding
                continue;
            }
            let (element, len, tail) = if two_byte {
                let (&len, tail) = tail.split_first()?;
                (first, usize::from(len), tail)
            } else {
                if first >> 4 == 15 {
                    return None; // RFC 8285 §4.2: 15 stops the reading
                }
                (first >> 4, usize::from(first & 15) + 1, tail)
            };
            let body = tail.get(..len)?;
            if element == id {
                return Some(body);
            }
            data = &tail[len..];
        }
    }
}

/// RFC 5761 §4: on a port that carries both, second bytes 192..=223 are RTCP.
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.len() >= 2 && packet[0] >> 6 == 2 && (192..=223).contains(&packet[1])
}

/// The fixed header, for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpHeader {
    pub marker: bool,
    pub pt: u8,
    pub seq: u16,
    pub ts: u32,
    pub ssrc: u32,
}

impl RtpHeader {
    /// Version 2, no padding, no CSRC; `extension` sets the X bit, the caller appends the extension itself.
    pub fn to_bytes(&self, extension: bool) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0] = if extension { 0x90 } else { 0x80 };
        out[1] = u8::from(self.marker) << 7 | self.pt & 0x7f;
        out[2..4].copy_from_slice(&self.seq.to_be_bytes());
        out[4..8].copy_from_slice(&self.ts.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        out
    }

    /// A whole packet: header and payload.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
        out.extend_from_slice(&self.to_bytes(false));
        out.extend_from_slice(payload);
        out
    }
}
