//! Base64 (RFC 4648 §4), as SDP writes parameter sets.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// With padding.
pub fn encode(data: &[u8]) -> String {
    let mut out = String::with_capacity(data.len().div_ceil(3) * 4);
    for group in data.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let six = (bits >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= group.len() { char::from(ALPHABET[six]) } else { '=' });
        }
    }
    out
}

/// Padded or not; `None` on any other character, and on nothing.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut have) = (Vec::with_capacity(text.len() * 3 / 4), 0u32, 0);
    for c in text.trim().trim_end_matches('=').bytes() {
        let six = ALPHABET.iter().position(|a| *a == c)?;
        bits = bits << 6 | six as u32;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    Some(out).filter(|o| !o.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for (text, coded) in [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(encode(text.as_bytes()), coded);
            assert_eq!(decode(coded).as_deref(), Some(text.as_bytes()));
            assert_eq!(decode(coded.trim_end_matches('=')).as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(encode(&[0xFB, 0xFF]), "+/8=");
        assert_eq!(encode(&[]), "");
        assert_eq!(decode("Z0\u{e9}"), None);
        assert_eq!(decode(""), None);
    }
}
