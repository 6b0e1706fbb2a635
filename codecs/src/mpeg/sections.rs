//! Program specific information of a transport stream (ISO/IEC 13818-1 §2.4.4): sections put together from packets,
//! PAT, PMT, and the names of the SDT (ETSI EN 300 468 §5.2.3).

use bytes::BytesMut;

use super::psi::crc32;
use crate::bytes::Reader;
use crate::error::ParseError;

/// A section of these tables has at most this, header included (§2.4.4.5, §2.4.4.9).
const MAX_SECTION_BYTES: usize = 1024;
/// More programmes than this are not believed.
pub const MAX_PROGRAMS: usize = 64;
/// More elementary streams than this are not believed.
pub const MAX_STREAMS: usize = 32;

/// Sections of one PID, out of packets' payloads.
#[derive(Debug, Default)]
pub struct Sections {
    data: BytesMut,
    open: bool,
}

impl Sections {
    pub fn lost(&mut self) {
        self.data.clear();
        self.open = false;
    }

    /// `start`: payload_unit_start_indicator. Each whole section goes to `take`.
    pub fn push(&mut self, payload: &[u8], start: bool, mut take: impl FnMut(&[u8])) {
        let (mut head, mut rest) = (payload, None);
        if start {
            // §2.4.4.1: the pointer field tells where a section begins; what stands before it ends the one before.
            let Some((&pointer, body)) = payload.split_first() else { return };
            let pointer = usize::from(pointer);
            head = &body[..pointer.min(body.len())];
            rest = body.get(pointer..);
        }
        if self.open {
            self.gather(head, &mut take);
        }
        if let Some(rest) = rest {
            self.data.clear();
            self.open = true;
            self.gather(rest, &mut take);
        }
    }

    fn gather(&mut self, bytes: &[u8], take: &mut impl FnMut(&[u8])) {
        self.data.extend_from_slice(bytes);
        while let [id, hi, lo, ..] = self.data[..] {
            let len = 3 + (usize::from(hi & 0x0f) << 8 | usize::from(lo));
            if id == 0xff || len > MAX_SECTION_BYTES {
                return self.lost(); // stuffing up to the packet's end
            }
            if self.data.len() < len {
                return;
            }
            take(&self.data.split_to(len));
        }
    }
}

/// A section in its long form, its CRC checked.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    pub table_id: u8,
    /// transport_stream_id, or program_number.
    pub extension: u16,
    pub version: u8,
    /// False: it will apply later.
    pub current: bool,
    pub number: u8,
    pub last: u8,
    pub body: &'a [u8],
}

impl<'a> Section<'a> {
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(data);
        let table_id = r.u8()?;
        let len = r.u16()?;
        let len = usize::from(len & 0x0fff);
        let whole = data.get(..3 + len).filter(|_| len >= 9);
        let whole = whole.ok_or(ParseError::new("section truncated", 1))?;
        if crc32(whole) != 0 {
            return Err(ParseError::new("section CRC wrong", whole.len() - 4));
        }
        let extension = r.u16()?;
        let version = r.u8()?;
        let (number, last) = (r.u8()?, r.u8()?);
        let body = &whole[8..whole.len() - 4];
        Ok(Self { table_id, extension, version: version >> 1 & 31, current: version & 1 == 1, number, last, body })
    }

    /// Header, body and CRC behind a pointer field.
    pub fn write(out: &mut Vec<u8>, table_id: u8, extension: u16, version: u8, body: &[u8]) {
        out.push(0);
        let start = out.len();
        out.push(table_id);
        // section_syntax_indicator; the SDT has the reserved bit that others have as '0' set
        let flags = if table_id < 0x40 { 0xb000 } else { 0xf000 };
        out.extend_from_slice(&(flags | (body.len() as u16 + 9) & 0x0fff).to_be_bytes());
        out.extend_from_slice(&extension.to_be_bytes());
        out.extend_from_slice(&[0xc1 | (version & 31) << 1, 0, 0]);
        out.extend_from_slice(body);
        let crc = crc32(&out[start..]);
        out.extend_from_slice(&crc.to_be_bytes());
    }
}

/// (program_number, PID of its map); the network's own entry left out.
pub fn pat(body: &[u8]) -> impl Iterator<Item = (u16, u16)> + '_ {
    let entries = body.chunks_exact(4);
    let entries = entries.map(|c| (u16::from_be_bytes([c[0], c[1]]), u16::from_be_bytes([c[2], c[3]]) & 0x1fff));
    entries.filter(|(number, _)| *number != 0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapStream {
    pub pid: u16,
    /// Table 2-34.
    pub stream_type: u8,
    /// format_identifier of a registration descriptor, or zeros.
    pub format: [u8; 4],
    /// Tags of descriptors that tell a DVB sound apart: AC-3, E-AC-3, DTS, AAC, subtitles, teletext; 0: none of them.
    pub dvb_tag: u8,
    /// Opus in TS: channel_config_code.
    pub opus_channels: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProgramMap {
    pub pcr_pid: u16,
    /// format_identifier of the programme ("HDMV": Blu-ray's own stream types).
    pub format: [u8; 4],
    pub streams: Vec<MapStream>,
}

impl ProgramMap {
    /// Body of a section with table_id 2 (§2.4.4.8).
    pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let mut map = Self { pcr_pid: r.u16()? & 0x1fff, ..Self::default() };
        let info = r.u16()? & 0x0fff;
        for (tag, data) in descriptors(r.take(usize::from(info))?) {
            if let (5, [a, b, c, d, ..]) = (tag, data) {
                map.format = [*a, *b, *c, *d];
            }
        }
        while !r.is_empty() && map.streams.len() < MAX_STREAMS {
            let stream_type = r.u8()?;
            let pid = r.u16()? & 0x1fff;
            let info = r.u16()? & 0x0fff;
            let mut s = MapStream { pid, stream_type, format: [0; 4], dvb_tag: 0, opus_channels: 0 };
            for (tag, data) in descriptors(r.take(usize::from(info))?) {
                match (tag, data) {
                    (5, [a, b, c, d, ..]) if s.format == [0; 4] => s.format = [*a, *b, *c, *d],
                    // metadata_descriptor: application format (and its identifier), metadata_format (and its own)
                    (0x26, [0xff, 0xff, _, _, _, _, 0xff, a, b, c, d, ..] | [_, _, 0xff, a, b, c, d, ..]) => {
                        s.format = [*a, *b, *c, *d];
                    }
                    (0x7f, [0x80, channels, ..]) => s.opus_channels = *channels,
                    (0x56 | 0x59 | 0x6a | 0x7a | 0x7b | 0x7c, _) => s.dvb_tag = tag,
                    _ => {}
                }
            }
            map.streams.push(s);
        }
        Ok(map)
    }
}

/// Up to the first that does not fit.
fn descriptors(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [tag, len, rest @ ..] = data else { return None };
        let body = rest.get(..usize::from(*len))?;
        data = &rest[usize::from(*len)..];
        Some((*tag, body))
    })
}

/// (program_number, name) of a service description section's body.
pub fn sdt(body: &[u8]) -> Vec<(u16, String)> {
    let mut out = Vec::new();
    let mut r = Reader::new(body);
    let _ = r.skip(3); // original_network_id, reserved
    while out.len() < MAX_PROGRAMS {
        let (Ok(number), Ok(_), Ok(len)) = (r.u16(), r.u8(), r.u16()) else { break };
        let Ok(info) = r.take(usize::from(len & 0x0fff)) else { break };
        let name = descriptors(info).find_map(|(tag, d)| if tag == 0x48 { service_name(d) } else { None });
        out.extend(name.map(|name| (number, name)));
    }
    out
}

/// service_descriptor: type, provider name, service name.
fn service_name(data: &[u8]) -> Option<String> {
    let mut r = Reader::new(data);
    let provider = r.u16().ok()? & 0xff;
    r.skip(usize::from(provider)).ok()?;
    let len = r.u8().ok()?;
    Some(text(r.take(usize::from(len)).ok()?))
}

/// EN 300 468 annex A as far as it can be read without tables: UTF-8, UTF-16, and Latin for all else.
fn text(data: &[u8]) -> String {
    let text: String = match data {
        [0x15, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0x11, rest @ ..] => {
            char::decode_utf16(rest.chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]]))).flatten().collect()
        }
        [0x10, _, _, rest @ ..] | [0x01..=0x0b, rest @ ..] => rest.iter().map(|b| char::from(*b)).collect(),
        // GB 2312, Big5 and others: better no name than a wrong one
        [0x0c..=0x1f, ..] => String::new(),
        // Senders that mean UTF-8 and do not say so are many.
        plain => match std::str::from_utf8(plain) {
            Ok(text) => text.into(),
            Err(_) => plain.iter().map(|b| char::from(*b)).collect(),
        },
    };
    text.chars().filter(|c| !c.is_control()).collect::<String>().trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(payloads: &[(&[u8], bool)]) -> Vec<Vec<u8>> {
        let (mut assembler, mut out) = (Sections::default(), Vec::new());
        for (payload, start) in payloads {
            assembler.push(payload, *start, |s| out.push(s.to_vec()));
        }
        out
    }

    #[test]
    fn sections_over_packets_and_several_in_one() {
        let mut one = Vec::new();
        Section::write(&mut one, 0, 7, 3, &[0, 1, 0xe1, 0x00]);
        let section = &one[1..];
        let mut both = one.clone();
        both.extend_from_slice(section);
        both.extend_from_slice(&[0xff; 20]);
        assert_eq!(sections(&[(&both, true)]), [section, section]);
        // Cut anywhere; the pointer of the second packet says how much still belongs to the first.
        for cut in 1..section.len() {
            let mut second = vec![(section.len() - cut) as u8];
            second.extend_from_slice(&section[cut..]);
            second.extend_from_slice(section);
            assert_eq!(sections(&[(&one[..1 + cut], true), (&second, true)]), [section, section], "{cut}");
            assert_eq!(sections(&[(&one[..1 + cut], true), (&section[cut..], false)]), [section]);
        }
        assert!(sections(&[(section, false), (&[9], true), (&[], true)]).is_empty());
        let parsed = Section::parse(section).unwrap();
        assert_eq!((parsed.table_id, parsed.extension, parsed.version, parsed.current), (0, 7, 3, true));
        assert_eq!(pat(parsed.body).collect::<Vec<_>>(), [(1, 0x100)]);
        for at in 0..section.len() {
            let mut wrong = section.to_vec();
            wrong[at] ^= 0x10;
            assert!(Section::parse(&wrong).is_err(), "{at}");
        }
    }

    #[test]
    fn descriptors_tell_what_private_streams_are() {
        let body = [
            &[0xe1, 0x00, 0xf0, 0x06, 5, 4, b'H', b'D', b'M', b'V'][..],
            &[0x06, 0xe1, 0x01, 0xf0, 10, 5, 4, b'O', b'p', b'u', b's', 0x7f, 2, 0x80, 2],
            &[0x15, 0xe1, 0x02, 0xf0, 11, 0x26, 9, 1, 0, 0xff, b'K', b'L', b'V', b'A', 0, 0x0f],
            &[0x06, 0xe1, 0x03, 0xf0, 3, 0x6a, 1, 0],
        ]
        .concat();
        let map = ProgramMap::parse(&body).unwrap();
        assert_eq!((map.pcr_pid, &map.format), (0x100, b"HDMV"));
        let formats = map.streams.iter().map(|s| s.format).collect::<Vec<_>>();
        assert_eq!(formats, [*b"Opus", *b"KLVA", [0; 4]]);
        assert_eq!((map.streams[0].opus_channels, map.streams[2].dvb_tag), (2, 0x6a));
        for cut in 0..body.len() {
            let _ = ProgramMap::parse(&body[..cut]);
        }
    }

    #[test]
    fn names_in_what_can_be_read() {
        let service = |name: &[u8]| {
            let mut d = vec![0x48, name.len() as u8 + 3, 1, 0, name.len() as u8];
            d.extend_from_slice(name);
            [&[0, 1, 0xff, 0, 5, 0xfc, 0x80, d.len() as u8][..], &d].concat()
        };
        assert_eq!(sdt(&service(b"Kamera \xc3\x84")), [(5, "Kamera Ä".into())]);
        assert_eq!(sdt(&service("\u{15}云台".as_bytes())), [(5, "云台".into())]);
        assert_eq!(sdt(&service(&[0x11, 0x4e, 0x91])), [(5, "云".into())]);
        assert_eq!(sdt(&service(b"\x13\xd4\xc6")), [(5, String::new())]);
    }
}
