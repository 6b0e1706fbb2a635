//! ITU-T G.711: A-law and µ-law, eight bits a sample at 8 kHz.

static ALAW: [i16; 256] = table(true);
static ULAW: [i16; 256] = table(false);

const fn table(alaw: bool) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = if alaw { expand_alaw(code as u8) } else { expand_ulaw(code as u8) };
        code += 1;
    }
    table
}

/// Table 1 of G.711: even bits inverted, three bits of segment, four of mantissa; the output is 13 bits in the upper part.
const fn expand_alaw(code: u8) -> i16 {
    let bits = code ^ 0x55;
    let (segment, mantissa) = ((bits >> 4) & 7, (bits & 15) as i16);
    let magnitude = match segment {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (segment - 1),
    };
    if bits & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// Table 2 of G.711: all bits inverted; the output is 14 bits in the upper part, with a bias of 33.
const fn expand_ulaw(code: u8) -> i16 {
    let bits = !code;
    let (segment, mantissa) = ((bits >> 4) & 7, (bits & 15) as i16);
    let magnitude = (((mantissa << 3) + 0x84) << segment) - 0x84;
    if bits & 0x80 != 0 {
        -magnitude
    } else {
        magnitude
    }
}

#[inline]
pub fn alaw_of(sample: i16) -> u8 {
    // Ones' complement keeps −32768 within range and the two halves symmetric.
    let sign = (sample >> 15) as u16;
    let value = u32::from((sample as u16 ^ sign) >> 4);
    let code = if value < 16 {
        value
    } else {
        let segment = 28 - value.leading_zeros();
        (segment << 4) | ((value >> (segment - 1)) & 15)
    };
    code as u8 ^ if sign == 0 { 0xd5 } else { 0x55 }
}

#[inline]
pub fn ulaw_of(sample: i16) -> u8 {
    let sign = (sample >> 15) as u16;
    let value = (u32::from((sample as u16 ^ sign) >> 2) + 33).min(0x1fff);
    let segment = 26 - value.leading_zeros();
    let code = (segment << 4) | ((value >> (segment + 1)) & 15);
    !(code as u8) & if sign == 0 { 0xff } else { 0x7f }
}

pub fn decode_alaw(payload: &[u8], out: &mut Vec<i16>) {
    out.extend(payload.iter().map(|&code| ALAW[usize::from(code)]));
}

pub fn decode_ulaw(payload: &[u8], out: &mut Vec<i16>) {
    out.extend(payload.iter().map(|&code| ULAW[usize::from(code)]));
}

pub fn encode_alaw(frame: &[i16], out: &mut Vec<u8>) {
    out.extend(frame.iter().map(|&sample| alaw_of(sample)));
}

pub fn encode_ulaw(frame: &[i16], out: &mut Vec<u8>) {
    out.extend(frame.iter().map(|&sample| ulaw_of(sample)));
}
