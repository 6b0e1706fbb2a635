//! From the payloads of one RTP source, in order, to the tracks: probing, demultiplexing, where frames end.

use bytes::Bytes;

use super::raw_video::RawVideo;
use super::timeline::SourceTime;
use super::tracks::Tracks;
use super::video::Origin;
use super::{IngestConfig, IngestOutput, Sink};
use crate::hub::unit::Codec;
use crate::mpeg::ps_demux::PsDemux;
use crate::mpeg::ts_demux::{TsDemux, TsOutput};
use crate::packet::probe::{probe, Payload};
use crate::packet::{aac, g711, jpeg, latm_rtp, mpeg_rtp, opus};
use crate::time::Micros;

/// A frame whose end was only hinted at is given out when nothing followed for so long.
const QUIET_MS: u64 = 40;
/// The same for a transport stream, whose last frame ends without a sign.
const QUIET_TS_MS: u64 = 100;
/// After so many packets that hold nothing known a person is told.
const UNKNOWN_PACKETS: u32 = 100;

/// One payload in order.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    pub payload: &'a [u8],
    pub pt: u8,
    pub marker: bool,
    /// Unwrapped RTP timestamp.
    pub ts: i64,
    pub clock_hz: u32,
    pub capture_unix_us: Option<i64>,
    pub now: Micros,
}

impl Packet<'_> {
    fn origin(&self, ts: i64) -> SourceTime {
        let rtp = ts.saturating_mul(90_000) / i64::from(self.clock_hz.max(1));
        SourceTime { rtp: Some(rtp), ..SourceTime::default() }
    }
}

#[derive(Debug)]
enum Format {
    Unknown,
    Ps(Box<PsDemux>),
    Ts(Box<TsDemux>),
    Video(Box<RawVideo>),
    Aac(aac::Depacketizer),
    Latm(latm_rtp::Depacketizer),
    Jpeg(Box<jpeg::Depacketizer>),
    Mpv(mpeg_rtp::Depacketizer),
    Mpa,
    Plain(Codec),
}

#[derive(Debug)]
pub struct Source {
    format: Format,
    payload: Payload,
    last: Option<(i64, Option<i64>, u32)>,
    last_packet: Micros,
    unknown: u32,
    aac: Option<aac::Config>,
    psm_bad: u64,
    resyncs: u64,
    /// Of a transport stream; 0: the first with a picture.
    pub program: u16,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            format: Format::Unknown,
            payload: Payload::Unknown,
            last: None,
            last_packet: Micros::default(),
            unknown: 0,
            aac: None,
            psm_bad: 0,
            resyncs: 0,
            program: 0,
        }
    }
}

impl Source {
    pub fn payload(&self) -> Payload {
        self.payload
    }

    pub fn psm_bad(&self) -> u64 {
        self.psm_bad + if let Format::Ps(d) = &self.format { d.stats().psm_bad } else { 0 }
    }

    pub fn resyncs(&self) -> u64 {
        self.resyncs
            + match &self.format {
                Format::Ps(d) => d.stats().resyncs,
                Format::Ts(d) => d.stats().resyncs,
                _ => 0,
            }
    }

    /// Packets are missing before the next one.
    pub fn lost(&mut self, tracks: &mut Tracks, now: Micros, out: &mut Sink) {
        match &mut self.format {
            Format::Ps(demux) => {
                demux.lost();
                self.drain(tracks, now, out);
                tracks.video.loss(now, out);
            }
            Format::Ts(demux) => {
                demux.lost();
                tracks.video.loss(now, out);
            }
            Format::Video(d) => d.lost(tracks, now, out),
            Format::Aac(d) => {
                d.lost();
                tracks.audio.loss();
            }
            Format::Latm(d) => {
                d.lost();
                tracks.audio.loss();
            }
            Format::Jpeg(d) => {
                d.lost();
                tracks.jpeg.loss();
            }
            Format::Mpv(d) => d.lost(),
            Format::Mpa => tracks.framed_lost(),
            Format::Plain(_) => tracks.audio.loss(),
            Format::Unknown => {}
        }
    }

    /// Another sender, or the same anew: forget what is unfinished, keep what was learnt of the format.
    pub fn restart(&mut self, tracks: &mut Tracks, now: Micros, out: &mut Sink) {
        match &mut self.format {
            Format::Ps(demux) => {
                demux.finish();
                self.drain(tracks, now, out);
            }
            Format::Ts(demux) => {
                demux.finish();
                self.drain(tracks, now, out);
            }
            Format::Video(d) => d.restart(tracks, now, out),
            Format::Aac(d) => d.lost(),
            Format::Latm(d) => d.lost(),
            Format::Jpeg(d) => d.lost(),
            Format::Mpv(d) => *d = mpeg_rtp::Depacketizer::default(),
            Format::Mpa | Format::Plain(_) | Format::Unknown => {}
        }
        self.last = None;
        tracks.restart();
    }

    pub fn push(&mut self, p: Packet, config: &IngestConfig, tracks: &mut Tracks, out: &mut Sink) {
        if p.payload.is_empty() {
            return;
        }
        self.last_packet = p.now;
        self.recognise(&p, config, tracks, out);
        let last = self.last.map(|(ts, _, _)| ts);
        let new_ts = last.is_some_and(|ts| ts != p.ts);
        match &mut self.format {
            Format::Unknown => {}
            Format::Ps(demux) => {
                if new_ts {
                    demux.end_hint();
                }
                demux.push(p.payload);
                // What a packet with a new timestamp ends has the timestamp before it.
                let now = Some((p.ts, p.capture_unix_us, p.clock_hz));
                if !new_ts {
                    self.last = now;
                }
                self.drain(tracks, p.now, out);
                self.last = now;
                if let (true, Format::Ps(demux)) = (p.marker, &mut self.format) {
                    demux.end_hint();
                    self.drain(tracks, p.now, out);
                }
            }
            Format::Ts(demux) => {
                demux.push(p.payload);
                self.last = Some((p.ts, p.capture_unix_us, p.clock_hz));
                self.drain(tracks, p.now, out);
            }
            Format::Video(d) => d.push(p, tracks, out),
            Format::Aac(d) => {
                let Ok((config, frames)) = d.push(p.payload) else {
                    out.invalid += 1;
                    return;
                };
                let config = config.or(self.aac).unwrap_or(aac::Config {
                    object_type: 2,
                    sample_rate_hz: p.clock_hz,
                    channels: 1,
                });
                tracks.audio.push_aac(config, frames.into_iter(), p.origin(p.ts), p.capture_unix_us, p.now, out);
            }
            Format::Latm(d) => match d.push(p.payload, p.marker) {
                Ok(None) => {}
                Ok(Some((config, frames))) => {
                    tracks.audio.push_aac(config, frames.into_iter(), p.origin(p.ts), p.capture_unix_us, p.now, out);
                }
                Err(error) => {
                    out.invalid += 1;
                    tracks.audio.loss();
                    out.problem("audio-unsupported", format!("LATM: {}", error.what), p.now);
                }
            },
            Format::Jpeg(d) => match d.push(p.payload, p.marker) {
                Ok(None) => {}
                Ok(Some(file)) => tracks.jpeg.push(&file, p.origin(p.ts), p.capture_unix_us, p.now, out),
                Err(_) => {
                    out.invalid += 1;
                    tracks.jpeg.loss();
                }
            },
            Format::Mpv(d) => {
                // A marker that was lost: its picture ends where another time begins.
                let before = if new_ts { d.end() } else { None }.map(|whole| (last.unwrap_or(p.ts), whole));
                let pushed = d.push(p.payload, p.marker);
                out.invalid += u64::from(pushed.is_err());
                let ended = pushed.ok().flatten().map(|whole| (p.ts, whole));
                self.last = Some((p.ts, p.capture_unix_us, p.clock_hz));
                for (ts, whole) in before.into_iter().chain(ended) {
                    let (time, capture_unix_us) = (p.origin(ts), p.capture_unix_us);
                    let origin = Origin { time, damaged: whole.damaged, capture_unix_us, now: p.now };
                    tracks.mpeg2.push(whole.data, origin, out);
                }
            }
            Format::Mpa => {
                let Some(data) = mpeg_rtp::sound(p.payload) else {
                    out.invalid += 1;
                    return;
                };
                tracks.framed(Codec::Mp2, data, p.origin(p.ts), p.capture_unix_us, p.now, out);
            }
            Format::Plain(codec) => {
                let data =
                    if *codec == Codec::Opus { opus::depacketize(p.payload) } else { g711::depacketize(p.payload) };
                let Some(data) = data else {
                    out.invalid += 1;
                    return;
                };
                let data = Bytes::copy_from_slice(data);
                tracks.audio.push(*codec, data, p.origin(p.ts), p.capture_unix_us, p.now, out);
            }
        }
    }

    /// A datagram of a bare transport stream.
    pub fn push_ts(&mut self, data: &[u8], now: Micros, tracks: &mut Tracks, out: &mut Sink) {
        self.last_packet = now;
        if !matches!(self.format, Format::Ts(_)) {
            self.become_format(Payload::Ts, tracks, out);
        }
        if let Format::Ts(demux) = &mut self.format {
            demux.push(data);
        }
        self.drain(tracks, now, out);
    }

    pub fn next_timer(&self) -> Option<Micros> {
        match &self.format {
            Format::Ps(d) if d.waits_hinted() => Some(self.last_packet.plus_ms(QUIET_MS)),
            Format::Ts(d) if d.waits() => Some(self.last_packet.plus_ms(QUIET_TS_MS)),
            Format::Video(d) if d.waits() => Some(self.last_packet.plus_ms(QUIET_MS)),
            _ => None,
        }
    }

    pub fn handle_timer(&mut self, tracks: &mut Tracks, now: Micros, out: &mut Sink) {
        if self.next_timer().is_none_or(|at| at > now) {
            return;
        }
        match &mut self.format {
            Format::Ps(d) => {
                d.flush_hinted();
                self.drain(tracks, now, out);
            }
            Format::Ts(d) => {
                d.flush();
                self.drain(tracks, now, out);
            }
            Format::Video(d) => d.flush(tracks, now, out),
            _ => {}
        }
    }

    fn recognise(&mut self, p: &Packet, config: &IngestConfig, tracks: &mut Tracks, out: &mut Sink) {
        let known = !matches!(self.format, Format::Unknown);
        // A pack header is believed at any time: nothing else begins so, but for headers of RFC 2250.
        let turned_ps = p.payload.starts_with(&[0, 0, 1, 0xba])
            && !matches!(self.format, Format::Ps(_) | Format::Mpv(_) | Format::Mpa);
        if known && !turned_ps {
            return;
        }
        let mapped = config.payloads.iter().find(|m| m.pt == p.pt);
        let hint = mapped.map_or(config.hint.as_str(), |m| if m.latm { "mp4a-latm" } else { m.codec.name() });
        match probe(p.payload, p.pt, hint) {
            Payload::Unknown => {
                self.unknown += 1;
                if self.unknown == UNKNOWN_PACKETS {
                    let detail = format!("PT {}", p.pt);
                    out.problem("codec-unsupported", detail, p.now);
                    self.unknown = 0;
                }
            }
            Payload::Private => {
                self.payload = Payload::Private;
                out.problem("private-stream", String::new(), p.now);
            }
            found => {
                self.become_format(found, tracks, out);
                if let Some(map) = mapped {
                    super::sdp::preset(map, tracks, &mut self.aac);
                    if let Format::Latm(d) = &mut self.format {
                        *d = super::sdp::latm(map);
                    }
                }
            }
        }
    }

    fn become_format(&mut self, found: Payload, tracks: &mut Tracks, out: &mut Sink) {
        self.psm_bad = self.psm_bad();
        self.resyncs = self.resyncs();
        self.unknown = 0;
        self.payload = found;
        self.format = match found {
            Payload::Ps => Format::Ps(Box::default()),
            Payload::Ts => Format::Ts(Box::new(TsDemux::of_program(self.program))),
            Payload::H264 => Format::Video(Box::new(RawVideo::h264())),
            Payload::H265 => Format::Video(Box::new(RawVideo::h265())),
            Payload::Aac => Format::Aac(aac::Depacketizer::new()),
            Payload::Latm => Format::Latm(latm_rtp::Depacketizer::default()),
            Payload::Pcma => Format::Plain(Codec::Pcma),
            Payload::Pcmu => Format::Plain(Codec::Pcmu),
            Payload::Opus => Format::Plain(Codec::Opus),
            Payload::G722 => Format::Plain(Codec::G722),
            Payload::Mjpeg => Format::Jpeg(Box::new(jpeg::Depacketizer::new())),
            Payload::Mpv => Format::Mpv(mpeg_rtp::Depacketizer::default()),
            Payload::Mpa => Format::Mpa,
            Payload::Private | Payload::Unknown => Format::Unknown,
        };
        match found {
            Payload::H264 => tracks.video.suggest(Codec::H264),
            Payload::H265 => tracks.video.suggest(Codec::H265),
            _ => {}
        }
        out.push(IngestOutput::FirstMedia { payload: found.name() });
    }

    fn drain(&mut self, tracks: &mut Tracks, now: Micros, out: &mut Sink) {
        let (ts, capture, clock_hz) = self.last.unwrap_or((0, None, 90_000));
        let rtp = self.last.map(|_| ts.saturating_mul(90_000) / i64::from(clock_hz.max(1)));
        loop {
            let output = match &mut self.format {
                Format::Ps(d) => d.poll().map(TsOutput::Chunk),
                Format::Ts(d) => d.poll(),
                _ => None,
            };
            match output {
                Some(TsOutput::Chunk(chunk)) => tracks.chunk(chunk, rtp, capture, now, out),
                Some(TsOutput::Klv(packet)) => out.push(IngestOutput::Klv(packet)),
                Some(TsOutput::Programs(list)) => out.push(IngestOutput::Programs(list)),
                Some(TsOutput::Discontinuity) => tracks.rebase(out),
                Some(TsOutput::Problem { code, detail }) => out.problem(code, detail, now),
                None => return,
            }
        }
    }
}
