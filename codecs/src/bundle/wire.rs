//! Datagrams of the link bundle, as they stand on the wire. All numbers are big-endian.
//!
//! ```text
//! byte 0: kind (4 bits), version (2), key phase (2, of Data; else 0)
//! 1 Init    suite u8, sender index u32, format u8, Noise message: length u16 and bytes, zeros up to 1200 bytes in all, mac [16],
//!           cookie [16]; what is before the length is the prologue of the Noise messages
//! 2 Accept  receiver index u32, Noise message to the end
//! 3 Refuse  receiver index u32, code u8, formats that we speak: oldest u8, newest u8       not authenticated: a hint
//! 4 Data    receiver index u32, path u8, number u48, then sealed: path number u24, sent u24, frames; tag [16]
//! 5 Retry   receiver index u32, cookie [16]                come again with this cookie
//! 6 Reset   receiver index u32, token [16]                 the index means nothing here
//! ```
//!
//! A center may have browsers (STUN, DTLS, RTP) on the same port, told apart by the first bytes (`gateway/net/one_port.py`,
//! RFC 7983): what comes to a center begins with 0x40 to 0x7f, or is an Init (0x10 to 0x1f, never shorter than 1200 bytes)
//! whose suite is not 0xfe, where DTLS has its version. New kinds and suites keep to it.
//!
//! An *index* is chosen by whoever receives under it. The path number counts a path's datagrams of one direction, so that
//! a gap says which path lost what; `sent` is the sender's clock in units of 64 µs, for delays and their trend.
//!
//! *Format* counts what two ends must have in common: what is under the cipher (greeting, frames, reports), and the rest of
//! this page. Two that have none in common tell each other so, now and with any later release. So this stays as it is for good:
//! an Init's first six bytes, its least length; and of a Refuse the first six, read whatever their version says and written
//! with the version of who asked. The two bits of version are only for another layout of what stands in the clear (1 had no
//! format). The rule for whoever changes the format stands in docs/decisions/0011.

use crate::bytes::Reader;
use crate::error::ParseError;

/// Of the layout in the clear. 1 was before there was a format, and is what two bits can not tell from it.
pub const VERSION: u8 = 2;
/// The format that a greeting of ours asks for; and the oldest that we still speak.
pub const FORMAT: u8 = 3;
pub const OLDEST: u8 = 2;
/// The largest datagram a session makes or takes (UDP payload).
pub const MAX_DATAGRAM_BYTES: usize = 1500;
/// What every path must carry: an Init of this size went through when the session came up.
pub const BASE_MTU: u16 = 1200;
/// An Init is never shorter, so that what it brings forth is never larger than it.
pub const INIT_BYTES: usize = BASE_MTU as usize;
pub const MAC_BYTES: usize = 16;
/// Header of Data, authenticated with it.
pub const DATA_HEADER_BYTES: usize = 12;
/// Path number and send time, in front of the frames.
pub const DATA_PREFIX_BYTES: usize = 6;
/// `sent` and arrival digests count in these.
pub const TICK_US: u64 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Init = 1,
    Accept = 2,
    Refuse = 3,
    Data = 4,
    Retry = 5,
    Reset = 6,
}

/// A datagram, its parts borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datagram<'a> {
    Init(Init<'a>),
    Accept {
        receiver: u32,
        noise: &'a [u8],
    },
    /// `formats`: (oldest, newest) that the refusing end speaks, where it says so.
    Refuse {
        receiver: u32,
        code: u8,
        formats: Option<(u8, u8)>,
    },
    Data(DataHeader),
    Retry {
        receiver: u32,
        cookie: [u8; MAC_BYTES],
    },
    Reset {
        receiver: u32,
        token: [u8; MAC_BYTES],
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Init<'a> {
    pub suite: u8,
    pub sender: u32,
    pub format: u8,
    pub noise: &'a [u8],
    /// Everything that `mac` covers.
    pub covered: &'a [u8],
    pub mac: [u8; MAC_BYTES],
    pub cookie: [u8; MAC_BYTES],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataHeader {
    pub phase: u8,
    pub receiver: u32,
    pub path: u8,
    /// 48 bits; session-wide, of one direction.
    pub number: u64,
}

fn first(kind: Kind, phase: u8) -> u8 {
    (kind as u8) << 4 | VERSION << 2 | (phase & 3)
}

/// The version of something that looks like one of ours, whatever its version.
pub fn version_of(datagram: &[u8]) -> Option<u8> {
    let byte = *datagram.first()?;
    (1..=6).contains(&(byte >> 4)).then_some(byte >> 2 & 3)
}

fn mac(reader: &mut Reader<'_>) -> Result<[u8; MAC_BYTES], ParseError> {
    let mut out = [0; MAC_BYTES];
    out.copy_from_slice(reader.take(MAC_BYTES)?);
    Ok(out)
}

impl<'a> Datagram<'a> {
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        if data.len() > MAX_DATAGRAM_BYTES {
            return Err(ParseError::new("datagram too long", MAX_DATAGRAM_BYTES));
        }
        let mut reader = Reader::new(data);
        let byte = reader.u8()?;
        if byte >> 2 & 3 != VERSION && byte >> 4 != Kind::Refuse as u8 {
            return Err(ParseError::new("unknown version", 0));
        }
        match byte >> 4 {
            4 => Self::data(byte & 3, &mut reader),
            1..=6 if byte & 3 != 0 => Err(ParseError::new("a key phase outside of data", 0)),
            1 => Self::init(data, &mut reader),
            2 => {
                let receiver = reader.u32()?;
                Ok(Datagram::Accept { receiver, noise: reader.rest() })
            }
            3 => {
                let (receiver, code) = (reader.u32()?, reader.u8()?);
                let formats = reader.u8().and_then(|oldest| Ok((oldest, reader.u8()?))).ok();
                Ok(Datagram::Refuse { receiver, code, formats })
            }
            5 => Ok(Datagram::Retry { receiver: reader.u32()?, cookie: mac(&mut reader)? }),
            6 => Ok(Datagram::Reset { receiver: reader.u32()?, token: mac(&mut reader)? }),
            _ => Err(ParseError::new("unknown kind", 0)),
        }
    }

    fn init(data: &'a [u8], reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        if data.len() < INIT_BYTES {
            return Err(ParseError::new("init too short", data.len()));
        }
        let (suite, sender, format) = (reader.u8()?, reader.u32()?, reader.u8()?);
        let len = usize::from(reader.u16()?);
        let noise = reader.take(len)?;
        let end = data.len() - 2 * MAC_BYTES;
        let padding = end.checked_sub(reader.position()).ok_or(ParseError::new("init without macs", end))?;
        if reader.take(padding)?.iter().any(|byte| *byte != 0) {
            return Err(ParseError::new("padding is not zero", end));
        }
        let (mac, cookie) = (mac(reader)?, mac(reader)?);
        Ok(Datagram::Init(Init { suite, sender, format, noise, covered: &data[..end], mac, cookie }))
    }

    fn data(phase: u8, reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        let (receiver, path) = (reader.u32()?, reader.u8()?);
        let number = u64::from(reader.u16()?) << 32 | u64::from(reader.u32()?);
        if reader.remaining() < DATA_PREFIX_BYTES + super::suite::TAG_BYTES {
            return Err(ParseError::new("data too short", reader.position()));
        }
        Ok(Datagram::Data(DataHeader { phase, receiver, path, number }))
    }
}

impl DataHeader {
    /// Write the header to the front of `buf`.
    pub fn write(&self, buf: &mut [u8]) {
        buf[0] = first(Kind::Data, self.phase);
        buf[1..5].copy_from_slice(&self.receiver.to_be_bytes());
        buf[5] = self.path;
        buf[6..12].copy_from_slice(&self.number.to_be_bytes()[2..]);
    }
}

/// Whether we speak it.
pub fn speaks(format: u8) -> bool {
    (OLDEST..=FORMAT).contains(&format)
}

/// How an Init begins; its Noise messages are bound to it.
pub fn init_head(suite: u8, sender: u32, format: u8) -> [u8; 7] {
    let [a, b, c, d] = sender.to_be_bytes();
    [first(Kind::Init, 0), suite, a, b, c, d, format]
}

/// An Init of `INIT_BYTES` without its macs: `seal` of `cookie::Macs` fills them in. `None`: the message does not fit.
pub fn write_init(suite: u8, sender: u32, format: u8, noise: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(INIT_BYTES);
    out.extend_from_slice(&init_head(suite, sender, format));
    out.extend_from_slice(&u16::try_from(noise.len()).ok()?.to_be_bytes());
    out.extend_from_slice(noise);
    if out.len() > INIT_BYTES - 2 * MAC_BYTES {
        return None;
    }
    out.resize(INIT_BYTES, 0);
    Some(out)
}

fn short(kind: Kind, receiver: u32, rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(5 + rest.len());
    out.push(first(kind, 0));
    out.extend_from_slice(&receiver.to_be_bytes());
    out.extend_from_slice(rest);
    out
}

pub fn write_accept(receiver: u32, noise: &[u8]) -> Vec<u8> {
    short(Kind::Accept, receiver, noise)
}

/// `version`: of who asked, who might read no other.
pub fn write_refuse(version: u8, receiver: u32, code: u8) -> Vec<u8> {
    let mut out = short(Kind::Refuse, receiver, &[code, OLDEST, FORMAT]);
    out[0] = (Kind::Refuse as u8) << 4 | (version & 3) << 2;
    out
}

pub fn write_retry(receiver: u32, cookie: &[u8; MAC_BYTES]) -> Vec<u8> {
    short(Kind::Retry, receiver, cookie)
}

pub fn write_reset(receiver: u32, token: &[u8; MAC_BYTES]) -> Vec<u8> {
    short(Kind::Reset, receiver, token)
}

/// The nearest number to `near` whose low 24 bits are `low`.
pub fn unwrap24(low: u32, near: u64) -> u64 {
    const SPAN: u64 = 1 << 24;
    let base = near & !(SPAN - 1) | u64::from(low) & (SPAN - 1);
    if base > near && base - near > SPAN / 2 && base >= SPAN {
        base - SPAN
    } else if base < near && near - base > SPAN / 2 {
        base.saturating_add(SPAN)
    } else {
        base
    }
}

/// The least number above `floor` whose low 24 bits are `low`.
pub fn above24(low: u32, floor: u64) -> u64 {
    let step = u64::from(low.wrapping_sub(floor as u32) & 0xff_ffff);
    floor.saturating_add(if step == 0 { 1 << 24 } else { step })
}

/// The distance from `a` to `b` in a space of 24 bits, the shorter way round.
pub fn delta24(a: u32, b: u32) -> i32 {
    (b.wrapping_sub(a) << 8) as i32 >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut init = write_init(1, 0xa1a2_a3a4, 7, b"noise").expect("short");
        let end = init.len() - 2 * MAC_BYTES;
        init[end..].fill(9);
        let Ok(Datagram::Init(read)) = Datagram::parse(&init) else { panic!("an init") };
        assert_eq!((read.suite, read.sender, read.format, read.noise), (1, 0xa1a2_a3a4, 7, &b"noise"[..]));
        assert_eq!((read.covered.len(), read.mac, read.cookie), (end, [9; 16], [9; 16]));
        assert_eq!(write_init(1, 1, FORMAT, &[0; 1400]), None);

        let accept = write_accept(7, b"message");
        assert_eq!(Datagram::parse(&accept), Ok(Datagram::Accept { receiver: 7, noise: b"message" }));
        let refuse = write_refuse(VERSION, 7, 3);
        let formats = Some((OLDEST, FORMAT));
        assert_eq!(Datagram::parse(&refuse), Ok(Datagram::Refuse { receiver: 7, code: 3, formats }));
        let (retry, reset) = (write_retry(1, &[2; 16]), write_reset(1, &[3; 16]));
        assert_eq!(Datagram::parse(&retry), Ok(Datagram::Retry { receiver: 1, cookie: [2; 16] }));
        assert_eq!(Datagram::parse(&reset), Ok(Datagram::Reset { receiver: 1, token: [3; 16] }));

        let header = DataHeader { phase: 2, receiver: 9, path: 3, number: 0x0000_8001_0203_0405 };
        let mut data = [0; DATA_HEADER_BYTES + DATA_PREFIX_BYTES + 16];
        header.write(&mut data);
        assert_eq!(data[..12], [0x4a, 0, 0, 0, 9, 3, 0x80, 1, 2, 3, 4, 5]);
        assert_eq!(Datagram::parse(&data), Ok(Datagram::Data(header)));
    }

    #[test]
    fn what_is_cut_or_bent_is_refused() {
        let init = write_init(1, 1, FORMAT, b"noise").expect("short");
        assert_eq!(Datagram::parse(&init[..1199]).unwrap_err().what, "init too short");
        let mut noisy = init.clone();
        noisy[600] = 1;
        assert_eq!(Datagram::parse(&noisy).unwrap_err().what, "padding is not zero");
        noisy = init.clone();
        noisy[7..9].copy_from_slice(&1180u16.to_be_bytes());
        assert!(Datagram::parse(&noisy).is_err());
        noisy[7..9].copy_from_slice(&[0xff; 2]);
        assert!(Datagram::parse(&noisy).is_err());
        assert_eq!(Datagram::parse(&[0x14]).unwrap_err().what, "unknown version");
        assert_eq!((version_of(&[0x1c]), version_of(&[0x80]), version_of(&[])), (Some(3), None, None));
        assert_eq!(Datagram::parse(&[0x29]).unwrap_err().what, "a key phase outside of data");
        assert_eq!(Datagram::parse(&[0xf8]).unwrap_err().what, "unknown kind");
        assert_eq!(Datagram::parse(&[0x48; 33]).unwrap_err().what, "data too short");
        assert_eq!(Datagram::parse(&[0x48; 1501]).unwrap_err().what, "datagram too long");
        for len in 0..21 {
            assert!(Datagram::parse(&write_reset(1, &[3; 16])[..len]).is_err());
        }
    }

    /// What must never change, by its bytes: releases of before and to come find it there.
    #[test]
    fn two_ends_of_any_releases_can_say_that_they_differ() {
        let init = write_init(1, 0x0102_0304, FORMAT, b"noise").expect("short");
        assert_eq!((init[0] >> 4, init[1], &init[2..6], init.len() >= 1200), (1, 1, &[1, 2, 3, 4][..], true));
        for version in 0..4 {
            let refuse = write_refuse(version, 0x0102_0304, 2);
            assert_eq!(refuse[..6], [0x30 | version << 2, 1, 2, 3, 4, 2]);
            let read = Datagram::parse(&refuse[..6]);
            assert_eq!(read, Ok(Datagram::Refuse { receiver: 0x0102_0304, code: 2, formats: None }), "of release 1");
        }
        assert!(speaks(FORMAT) && speaks(OLDEST) && !speaks(FORMAT + 1) && !speaks(OLDEST - 1));
    }

    #[test]
    fn short_numbers_find_their_long_ones() {
        for near in [0u64, 5, 0x00ff_fff0, 0x0100_0000, 0x0180_0000, 0x1234_5678_9abc] {
            for away in [-0x7f_ffffi64, -300, -1, 0, 1, 300, 0x7f_ffff] {
                let Some(want) = near.checked_add_signed(away) else { continue };
                assert_eq!(unwrap24((want & 0xff_ffff) as u32, near), want, "{near:x} {away:x}");
            }
        }
        assert_eq!((above24(5, 3), above24(3, 3), above24(2, 3)), (5, 0x0100_0003, 0x0100_0002));
        assert_eq!((delta24(0xff_fffe, 3), delta24(3, 0xff_fffe), delta24(7, 7)), (5, -5, 0));
    }
}
