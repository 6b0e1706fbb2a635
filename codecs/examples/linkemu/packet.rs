//! What the emulator reads of an IPv4 packet, and rewriting of an address and a port with both checksums kept true
//! (RFC 1624). Other packets are not carried: a link here is an IPv4 link.

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct End {
    pub address: [u8; 4],
    /// Of an ICMP echo: its identifier.
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub protocol: u8,
    pub from: End,
    pub to: End,
    header: usize,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// `None`: not IPv4, a fragment, or a protocol without ports that is no echo.
pub fn read(bytes: &[u8]) -> Option<Packet> {
    let header = usize::from(bytes.first()? & 0x0F) * 4;
    if bytes[0] >> 4 != 4 || header < 20 || bytes.len() < header + 8 || u16_at(bytes, 6)? & 0x3FFF != 0 {
        return None;
    }
    let protocol = bytes[9];
    let address = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    let (source, target) = match protocol {
        UDP => (u16_at(bytes, header)?, u16_at(bytes, header + 2)?),
        TCP if bytes.len() >= header + 20 => (u16_at(bytes, header)?, u16_at(bytes, header + 2)?),
        // Echo request and reply: both directions bear the identifier.
        ICMP if matches!(bytes[header], 0 | 8) => (u16_at(bytes, header + 4)?, u16_at(bytes, header + 4)?),
        _ => return None,
    };
    let (from, to) = (End { address: address(12), port: source }, End { address: address(16), port: target });
    Some(Packet { protocol, from, to, header })
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Which {
    From,
    To,
}

/// Puts `end` in the place of the source or the target.
pub fn rewrite(bytes: &mut [u8], packet: &Packet, which: Which, end: End) {
    let at = if which == Which::From { 12 } else { 16 };
    let header = packet.header;
    let (port_at, sum_at) = match packet.protocol {
        UDP => (header + if which == Which::From { 0 } else { 2 }, header + 6),
        TCP => (header + if which == Which::From { 0 } else { 2 }, header + 16),
        _ => (header + 4, header + 2),
    };
    let no_sum = packet.protocol == UDP && bytes[sum_at] == 0 && bytes[sum_at + 1] == 0;
    for half in 0..2 {
        let new = [end.address[2 * half], end.address[2 * half + 1]];
        let old = [bytes[at + 2 * half], bytes[at + 2 * half + 1]];
        bytes[at + 2 * half..at + 2 * half + 2].copy_from_slice(&new);
        mend(bytes, 10, old, new);
        // The pseudo header is part of UDP's and TCP's sum, not of ICMP's.
        if packet.protocol != ICMP && !no_sum {
            mend(bytes, sum_at, old, new);
        }
    }
    let (old, new) = ([bytes[port_at], bytes[port_at + 1]], end.port.to_be_bytes());
    bytes[port_at..port_at + 2].copy_from_slice(&new);
    if !no_sum {
        mend(bytes, sum_at, old, new);
        if packet.protocol == UDP && bytes[sum_at] == 0 && bytes[sum_at + 1] == 0 {
            bytes[sum_at..sum_at + 2].copy_from_slice(&[0xFF, 0xFF]);
        }
    }
}

/// RFC 1624 §3, equation 3: HC' = ~(~HC + ~m + m').
fn mend(bytes: &mut [u8], sum_at: usize, old: [u8; 2], new: [u8; 2]) {
    let sum = u16::from_be_bytes([bytes[sum_at], bytes[sum_at + 1]]);
    let mut total = u32::from(!sum) + u32::from(!u16::from_be_bytes(old)) + u32::from(u16::from_be_bytes(new));
    total = (total & 0xFFFF) + (total >> 16);
    total = (total & 0xFFFF) + (total >> 16);
    bytes[sum_at..sum_at + 2].copy_from_slice(&(!(total as u16)).to_be_bytes());
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn sum(parts: &[&[u8]]) -> u16 {
        let joined: Vec<u8> = parts.concat();
        let mut total = 0u32;
        for pair in joined.chunks(2) {
            total += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        }
        while total > 0xFFFF {
            total = (total & 0xFFFF) + (total >> 16);
        }
        !(total as u16)
    }

    pub fn udp(from: End, to: End, body: &[u8]) -> Vec<u8> {
        let length = 28 + body.len();
        let mut packet = vec![0u8; 28];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        packet[8] = 64;
        packet[9] = UDP;
        packet[12..16].copy_from_slice(&from.address);
        packet[16..20].copy_from_slice(&to.address);
        packet[20..22].copy_from_slice(&from.port.to_be_bytes());
        packet[22..24].copy_from_slice(&to.port.to_be_bytes());
        packet[24..26].copy_from_slice(&((8 + body.len()) as u16).to_be_bytes());
        packet.extend_from_slice(body);
        let (ip, whole) = sums(&packet);
        packet[10..12].copy_from_slice(&ip.to_be_bytes());
        packet[26..28].copy_from_slice(&whole.to_be_bytes());
        packet
    }

    /// What both checksums must be, or 0 twice when they are already right.
    fn sums(packet: &[u8]) -> (u16, u16) {
        let length = (packet.len() - 20) as u16;
        let pseudo = [&packet[12..20], &[0, UDP], &length.to_be_bytes()[..]].concat();
        (sum(&[&packet[..20]]), sum(&[&pseudo, &packet[20..]]))
    }

    pub const INSIDE: End = End { address: [10, 1, 0, 1], port: 40_000 };
    pub const CENTER: End = End { address: [198, 51, 100, 1], port: 8444 };

    #[test]
    fn both_ends_are_read() {
        let packet = read(&udp(INSIDE, CENTER, b"abc")).expect("UDP");
        assert_eq!((packet.protocol, packet.from, packet.to), (UDP, INSIDE, CENTER));
    }

    #[test]
    fn what_has_no_ports_is_not_read() {
        let whole = udp(INSIDE, CENTER, b"abc");
        let mut fragment = whole.clone();
        fragment[7] = 9;
        let mut six = whole.clone();
        six[0] = 0x65;
        for bytes in [&whole[..20], &fragment, &six, &[]] {
            assert_eq!(read(bytes), None);
        }
    }

    #[test]
    fn a_rewritten_packet_has_right_checksums() {
        for port in [1u16, 255, 8444, 65_535] {
            for which in [Which::From, Which::To] {
                let mut bytes = udp(INSIDE, CENTER, b"an odd body");
                let packet = read(&bytes).expect("UDP");
                let end = End { address: [203, 0, 113, port as u8], port };
                rewrite(&mut bytes, &packet, which, end);
                let seen = read(&bytes).expect("UDP");
                assert_eq!(if which == Which::From { seen.from } else { seen.to }, end);
                assert_eq!(sums(&bytes), (0, 0));
            }
        }
    }

    #[test]
    fn an_absent_udp_checksum_stays_absent() {
        let mut bytes = udp(INSIDE, CENTER, b"abc");
        bytes[26..28].copy_from_slice(&[0, 0]);
        let packet = read(&bytes).expect("UDP");
        rewrite(&mut bytes, &packet, Which::From, End { address: [203, 0, 113, 9], port: 5 });
        assert_eq!(bytes[26..28], [0, 0]);
    }
}
