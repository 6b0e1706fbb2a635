//! Reasons by their names, and by their numbers on the wire. Their words stand in `gateway/model/reasons/bundle.py`.

/// Why a center does not take a kit in.
pub const REFUSALS: [&str; 8] = [
    "bundle-suite",
    "bundle-version",
    "unknown-key",
    "revoked",
    "duplicate-gateway",
    "boot-behind",
    "center-busy",
    "wrong-center-key",
];

/// Why a session ends.
pub const ENDINGS: [&str; 8] = [
    "replaced",
    "revoked",
    "shutdown",
    "peer-silent",
    "center-restarted",
    "peer-closed",
    "bundle-protocol",
    "unpaired",
];

/// Its number in Refuse and in message 2; 0 is no refusal.
pub fn number(refusal: &str) -> u8 {
    REFUSALS.iter().position(|code| *code == refusal).map_or(0, |at| at as u8 + 1)
}

/// What a later release may say is told as the center being busy: come again.
pub fn refusal(number: u8) -> &'static str {
    usize::from(number).checked_sub(1).and_then(|at| REFUSALS.get(at)).copied().unwrap_or("center-busy")
}

/// The ending that a peer named, if we know it.
pub fn ending(name: &str) -> &'static str {
    ENDINGS.into_iter().find(|code| *code == name).unwrap_or("peer-closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_pairs() {
        for code in REFUSALS {
            assert_eq!(refusal(number(code)), code);
        }
        assert_eq!((number("x"), refusal(0), refusal(200)), (0, "center-busy", "center-busy"));
        assert_eq!((ending("revoked"), ending("bored")), ("revoked", "peer-closed"));
    }
}
