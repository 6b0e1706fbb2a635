//! Reception statistics (being written).

/// What a receiver report says of a source (RFC 3550 §6.4.1); LSR and DLSR are made from `last_sr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    pub ssrc: u32,
    /// Lost since the previous report, of 256.
    pub fraction_lost: u8,
    /// Since the beginning; duplicates make it negative. 24 bits on the wire.
    pub cumulative_lost: i32,
    pub extended_seq: u32,
    /// In the payload's timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0: none yet.
    pub last_sr: u32,
    /// Since that sender report came, in 1/65536 s.
    pub delay_since_last_sr: u32,
}
