//! What one peer sends: packets to frames of 20 ms, keys beside them.

use crate::audio::dtmf::DtmfReader;
use crate::audio::format::Format;
use crate::audio::playout::{Arrived, Playout, PlayoutConfig, PlayoutStats, Pulled};
use crate::rtp::header::RtpView;
use crate::rtp::reception::{Reception, ReportBlock, SenderClock};
use crate::time::Micros;

/// What a payload type of the peer's carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    Audio(Format),
    /// RFC 4733.
    Event,
    /// RFC 3389.
    ComfortNoise,
}

/// What a packet was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Audio,
    Keys([Option<&'static str>; 2]),
    /// A payload type that was not agreed, or bytes of no codec of ours.
    Unknown(u8),
}

pub struct Inlet {
    accepts: Vec<(u8, Accept)>,
    playout: Option<Playout>,
    config: PlayoutConfig,
    dtmf: DtmfReader,
    pub reception: Option<Reception>,
    pub packets: u64,
    pub bytes: u64,
    pub unknown: u64,
    ssrc: u32,
}

impl Inlet {
    pub fn new(accepts: Vec<(u8, Accept)>) -> Self {
        Self {
            accepts,
            playout: None,
            config: PlayoutConfig::default(),
            dtmf: DtmfReader::new(),
            reception: None,
            packets: 0,
            bytes: 0,
            unknown: 0,
            ssrc: 0,
        }
    }

    pub fn set_config(&mut self, config: PlayoutConfig) {
        self.config = config;
        if let Some(playout) = &mut self.playout {
            playout.set_config(config);
        }
    }

    pub fn payload_types(&self) -> impl Iterator<Item = u8> + '_ {
        self.accepts.iter().map(|(pt, _)| *pt)
    }

    /// The codec that comes in; `None` before the first packet.
    pub fn format(&self) -> Option<Format> {
        self.playout.as_ref().map(Playout::format)
    }

    pub fn rate_hz(&self) -> u32 {
        self.playout.as_ref().map_or(8_000, Playout::rate_hz)
    }

    /// One RTP packet, decrypted.
    pub fn packet(&mut self, view: &RtpView<'_>, now: Micros) -> Taken {
        let Some((_, accept)) = self.accepts.iter().find(|(pt, _)| *pt == view.pt) else {
            self.unknown += 1;
            return Taken::Unknown(view.pt);
        };
        self.packets += 1;
        self.bytes += view.payload().len() as u64;
        if self.reception.as_ref().is_none_or(|r| r.ssrc != view.ssrc) {
            let clock = match accept {
                Accept::Audio(format) => format.clock_hz(),
                _ => self.accepts.iter().find_map(|(_, a)| clock_of(a)).unwrap_or(8_000),
            };
            self.reception = Some(Reception::new(view.ssrc, clock, view.seq));
            self.ssrc = view.ssrc;
            self.dtmf.reset();
        }
        if let Some(reception) = &mut self.reception {
            reception.received(view.seq, view.ts, now);
        }
        let mut arrived = Arrived {
            ssrc: view.ssrc,
            seq: view.seq,
            ts: view.ts,
            marker: view.marker,
            arrival: now,
            comfort_noise: false,
            payload: view.payload(),
        };
        match *accept {
            Accept::Event => {
                let keys = self.dtmf.read(view.ts, view.payload());
                if let Some(playout) = &mut self.playout {
                    playout.insert_other(view.ssrc, view.seq, view.ts);
                }
                return Taken::Keys(keys);
            }
            Accept::ComfortNoise => {
                arrived.comfort_noise = true;
                // Noise before any speech: of the codec that is preferred.
                if self.playout.is_none() {
                    let Some(format) = self.accepts.iter().find_map(|(_, a)| format_of(a)) else {
                        return Taken::Unknown(view.pt);
                    };
                    self.set_format(format);
                }
            }
            Accept::Audio(format) => self.set_format(format),
        }
        self.insert(arrived)
    }

    /// A payload that came by another way than RTP, with numbers that its carrier made.
    pub fn insert_as(&mut self, format: Format, arrived: Arrived<'_>) -> Taken {
        self.packets += 1;
        self.bytes += arrived.payload.len() as u64;
        self.set_format(format);
        self.insert(arrived)
    }

    fn insert(&mut self, arrived: Arrived<'_>) -> Taken {
        match &mut self.playout {
            Some(playout) => {
                playout.insert(arrived);
                Taken::Audio
            }
            None => Taken::Unknown(0),
        }
    }

    fn set_format(&mut self, format: Format) {
        match &mut self.playout {
            Some(playout) if playout.format() == format => {}
            Some(playout) => {
                let _ = playout.set_format(format);
            }
            None => self.playout = Playout::new(format, self.config).ok(),
        }
    }

    /// The next frame in place of what was in `out`.
    pub fn pull(&mut self, now: Micros, out: &mut Vec<i16>) -> Pulled {
        match &mut self.playout {
            Some(playout) => playout.pull(now, out),
            None => {
                out.clear();
                Pulled::Silence
            }
        }
    }

    /// Each tick: a key whose end was lost.
    pub fn tick_keys(&mut self) -> Option<&'static str> {
        self.dtmf.tick()
    }

    pub fn stats(&self) -> PlayoutStats {
        self.playout.as_ref().map(Playout::stats).unwrap_or_default()
    }

    pub fn sender_report(&mut self, report: SenderClock, now: Micros) {
        if let Some(reception) = self.reception.as_mut().filter(|r| r.ssrc == report.ssrc) {
            reception.sender_report(report, now);
        }
    }

    pub fn report(&mut self, now: Micros) -> Option<ReportBlock> {
        self.reception.as_mut().map(|r| r.report(now))
    }
}

fn format_of(accept: &Accept) -> Option<Format> {
    match accept {
        Accept::Audio(format) => Some(*format),
        _ => None,
    }
}

fn clock_of(accept: &Accept) -> Option<u32> {
    format_of(accept).map(Format::clock_hz)
}
