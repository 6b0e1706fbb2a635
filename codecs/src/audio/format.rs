//! Which codec, clock and channels: what an rtpmap line says, checked once.

/// The audio codecs that are converted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    Pcma,
    Pcmu,
    G722,
    Opus,
    L16,
}

/// An audio format that can be decoded and encoded. Only `Format::new` makes one, so it is always supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    codec: AudioCodec,
    clock_hz: u32,
    rate_hz: u32,
    channels: u8,
}

impl Format {
    /// From an rtpmap's name (any case), clock and channels (0 is taken for 1). `None`: not one of ours.
    ///
    /// G.722 has an RTP clock of 8000 though it samples at 16000 (RFC 3551 §4.5.2), 16000 is taken from peers that got
    /// it wrong; Opus always says 48000 and two channels (RFC 7587 §4.1), 8000 … 48000 and one are taken as well;
    /// L16 is 8, 16 or 48 kHz, mono or stereo (RFC 3551 §4.5.11).
    pub fn new(name: &str, clock_hz: u32, channels: u8) -> Option<Self> {
        let channels = channels.max(1);
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let (codec, clock_hz) = match clock_hz {
            8000 if is("pcma") => (AudioCodec::Pcma, 8000),
            8000 if is("pcmu") => (AudioCodec::Pcmu, 8000),
            8000 | 16000 if is("g722") => (AudioCodec::G722, clock_hz),
            8000 | 16000 | 24000 | 48000 if is("opus") => (AudioCodec::Opus, 48_000),
            8000 | 16000 | 48000 if is("l16") => (AudioCodec::L16, clock_hz),
            _ => return None,
        };
        let stereo = matches!(codec, AudioCodec::Opus | AudioCodec::L16);
        let rate_hz = if codec == AudioCodec::G722 { 16_000 } else { clock_hz };
        (channels == 1 || (channels == 2 && stereo)).then_some(Self { codec, clock_hz, rate_hz, channels })
    }

    pub fn codec(self) -> AudioCodec {
        self.codec
    }

    /// The name in lower case: "pcma", "pcmu", "g722", "opus", "l16".
    pub fn name(self) -> &'static str {
        match self.codec {
            AudioCodec::Pcma => "pcma",
            AudioCodec::Pcmu => "pcmu",
            AudioCodec::G722 => "g722",
            AudioCodec::Opus => "opus",
            AudioCodec::L16 => "l16",
        }
    }

    /// Of RTP timestamps.
    pub fn clock_hz(self) -> u32 {
        self.clock_hz
    }

    /// Of the PCM that the decoder gives and the encoder takes: 8000, 16000 or 48000.
    pub fn rate_hz(self) -> u32 {
        self.rate_hz
    }

    /// The same with PCM of another rate (8000, 16000, 48000): Opus alone can be decoded and encoded at each, and costs
    /// less at a lower one; the RTP clock stays. `None` for other codecs and rates.
    pub fn at_rate(self, rate_hz: u32) -> Option<Self> {
        let possible = self.codec == AudioCodec::Opus && matches!(rate_hz, 8000 | 16_000 | 48_000);
        (possible || rate_hz == self.rate_hz).then_some(Self { rate_hz, ..self })
    }

    pub fn channels(self) -> u8 {
        self.channels
    }

    /// RTP timestamp ticks of one 20 ms frame.
    pub fn frame_ticks(self) -> u32 {
        self.clock_hz / 1000 * super::FRAME_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_and_rates() {
        let g722 = Format::new("G722", 8000, 0).unwrap();
        assert_eq!((g722.clock_hz(), g722.rate_hz(), g722.frame_ticks(), g722.name()), (8000, 16_000, 160, "g722"));
        let opus = Format::new("opus", 48_000, 2).unwrap();
        let low = opus.at_rate(16_000).unwrap();
        assert_eq!((opus.rate_hz(), low.rate_hz(), low.clock_hz(), low.frame_ticks()), (48_000, 16_000, 48_000, 960));
        assert_eq!((opus.at_rate(44_100), g722.at_rate(8000), g722.at_rate(16_000)), (None, None, Some(g722)));
        assert_eq!(Format::new("L16", 16_000, 2).unwrap().channels(), 2);
        for (name, clock, channels) in [("pcma", 16_000, 1), ("pcmu", 8000, 2), ("l16", 44_100, 1), ("opus", 48_000, 3)]
        {
            assert_eq!(Format::new(name, clock, channels), None, "{name}/{clock}/{channels}");
        }
    }
}
