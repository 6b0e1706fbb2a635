//! What comes in on the sockets of voices.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use super::event::*;
use super::framing::Framed;
use super::sys;
use super::voice_line::Line;
use super::worker::Worker;
use crate::audio::format::Format;
use crate::audio::playout::Arrived;
use crate::rtp::header::RtpView;
use crate::rtp::reception::SenderClock;
use crate::rtp::rtcp;
use crate::time::Micros;
use crate::voice::inlet::Taken;
use crate::voice::{usrp, Far, Sink, Tell};

/// Records or reads of one socket before others have their turn.
const READS: usize = 16;
/// A PCM record is at most 20 ms of 48 kHz stereo; one longer is cut and, being of no known length, refused.
pub(super) const RECORD_BYTES: usize = 4096;

impl Worker {
    /// When the kernel took a datagram, on our clock; now, where that is not known or can not be.
    pub(super) fn arrival_of(&self, unix_us: Option<u64>) -> Micros {
        /// Older than this is a jump of the wall clock.
        const OLDEST_US: u64 = 500_000;
        let Some(unix) = unix_us else { return self.now };
        let age = sys::unix_us().saturating_sub(unix).saturating_sub(sys::monotonic_us().saturating_sub(self.now.0));
        if age > OLDEST_US {
            return self.now;
        }
        Micros(self.now.0.saturating_sub(age))
    }

    /// A plain or decrypted RTP packet of the session that carries this voice.
    pub fn voice_rtp(&mut self, voice: VoiceId, data: &[u8], from: SocketAddr) {
        let Ok(view) = RtpView::parse(data) else { return };
        let (now, arrival) = (self.now, self.arrival);
        self.with_voices_out(|bridge, out| {
            let Some(member) = bridge.get_mut(voice) else { return };
            match member.inlet.packet(&view, arrival) {
                Taken::Audio => member.arrived(out, Some(from), now),
                Taken::Keys(keys) => {
                    member.arrived(out, Some(from), now);
                    for key in keys.into_iter().flatten() {
                        member.tell(out, VoiceState::Dtmf, "", key.to_owned());
                    }
                }
                Taken::Unknown(pt) => member.problem(out, "codec-unsupported", format!("payload type {pt}"), now),
            }
        });
    }

    /// A compound of the peer's: what it says of itself, and of us.
    pub fn voice_rtcp(&mut self, voice: VoiceId, compound: &[u8]) {
        let now = self.now;
        let ntp = (self.outbox.ntp(now.0) >> 16) as u32;
        let Some(voices) = self.voices.as_mut() else { return };
        let mut loss = None;
        let Some(member) = voices.bridge.get_mut(voice) else { return };
        let ours = match &member.far {
            Far::Rtp(outlet) => Some((outlet.config.ssrc, outlet.config.format.clock_hz())),
            _ => None,
        };
        for packet in rtcp::packets(compound).map_while(Result::ok) {
            let blocks = match packet {
                rtcp::Rtcp::SenderReport { ssrc, ntp, rtp_ts, blocks, .. } => {
                    member.inlet.sender_report(SenderClock { ssrc, ntp, rtp_ts }, now);
                    blocks
                }
                rtcp::Rtcp::ReceiverReport { blocks, .. } => blocks,
                _ => continue,
            };
            for block in rtcp::report_blocks(blocks).filter(|b| ours.is_some_and(|(ssrc, _)| ssrc == b.ssrc)) {
                member.peer.loss_ratio = f64::from(block.fraction_lost) / 256.0;
                let clock = ours.map_or(8_000, |(_, clock)| clock);
                member.peer.jitter_ms = f64::from(block.jitter) * 1000.0 / f64::from(clock);
                loss = Some((u32::from(block.fraction_lost) * 100 / 256) as u8);
                let rtt = ntp.wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr) as i32;
                if block.last_sr != 0 && (0..65_536 * 30).contains(&rtt) {
                    member.peer.rtt_ms = f64::from(rtt) * 1000.0 / 65_536.0;
                }
            }
        }
        if let Some(percent) = loss {
            voices.bridge.set_loss(voice, percent);
        }
    }

    pub fn voice_stranger(&mut self, voice: VoiceId, from: SocketAddr) {
        self.with_voices_out(|bridge, out| {
            if bridge.get(voice).is_some() {
                out.tell(Tell {
                    voice,
                    state: VoiceState::Stranger,
                    code: "",
                    detail: String::new(),
                    address: Some(from),
                });
            }
        });
    }

    pub fn voice_unauthentic(&mut self, voice: VoiceId, from: SocketAddr) {
        let now = self.now;
        self.with_voices_out(|bridge, out| {
            if let Some(member) = bridge.get_mut(voice) {
                member.unauthentic += 1;
                member.problem(out, "srtp-unauthentic", from.to_string(), now);
            }
        });
    }

    pub(super) fn voice_unit(&mut self, voice: VoiceId, format: Format, ts: u32, ticks: u32, data: &[u8]) {
        let (now, arrival) = (self.now, self.arrival);
        self.with_voices_out(|bridge, out| {
            let Some(Line::Tap { numbers, .. }) = out.lines.get_mut(&voice) else { return };
            let (seq, _, marker) = numbers.follow(ticks, format.clock_hz(), now);
            let Some(member) = bridge.get_mut(voice) else { return };
            let arrived = Arrived { ssrc: 1, seq, ts, marker, arrival, comfort_noise: false, payload: data };
            if member.inlet.insert_as(format, arrived) == Taken::Audio {
                member.arrived(out, None, now);
            }
        });
    }

    pub fn voice_usrp(&mut self, voice: VoiceId) {
        let Some(voices) = self.voices.as_mut() else { return };
        let Some(Line::Usrp { fd, .. }) = voices.lines.get(&voice) else { return };
        let fd = fd.as_raw_fd();
        let mut batch = self.batch.take().unwrap_or_default();
        batch.receive(fd, |got| {
            self.packets_in += 1;
            self.bytes_in += got.data.len() as u64;
            self.arrival = self.arrival_of(got.unix_us);
            self.usrp_datagram(voice, got.data, got.from);
        });
        self.batch = Some(batch);
    }

    fn usrp_datagram(&mut self, voice: VoiceId, data: &mut [u8], from: SocketAddr) {
        let (now, arrival) = (self.now, self.arrival);
        self.with_voices_out(|bridge, out| {
            let Some(Line::Usrp { host, numbers, .. }) = out.lines.get_mut(&voice) else { return };
            let Some(member) = bridge.get_mut(voice) else { return };
            if from.ip() != *host {
                member.strangers += 1;
                if member.may_tell("stranger", now) {
                    let address = Some(from);
                    out.tell(Tell { voice, state: VoiceState::Stranger, code: "", detail: String::new(), address });
                }
                return;
            }
            let packet = match usrp::parse(data) {
                Ok(packet) => packet,
                Err(error) => return member.problem(out, "protocol", error.to_string(), now),
            };
            let (seq, keyup, kind, body) = (packet.seq, packet.keyup, packet.kind, packet.body.len());
            match kind {
                usrp::Kind::Voice => {
                    if body > 0 && keyup {
                        let (number, ts, marker) =
                            numbers.next(seq as u16, usrp::SAMPLES as u32, usrp::RATE_HZ, arrival);
                        let pcm = &mut data[usrp::HEADER_BYTES..];
                        pcm.chunks_exact_mut(2).for_each(|s| s.swap(0, 1));
                        let Some(format) = Format::new("l16", usrp::RATE_HZ, 1) else { return };
                        let arrived =
                            Arrived { ssrc: 1, seq: number, ts, marker, arrival, comfort_noise: false, payload: pcm };
                        member.inlet.insert_as(format, arrived);
                        member.arrived(out, Some(from), now);
                    }
                    member.keyed(out, keyup);
                }
                usrp::Kind::Dtmf => {
                    let first = data[usrp::HEADER_BYTES..].first().map(|b| char::from(*b).to_string());
                    let known = first.and_then(|d| crate::audio::dtmf::digit_code(&d));
                    if let Some(name) = known.and_then(crate::audio::dtmf::digit_name) {
                        member.tell(out, VoiceState::Dtmf, "", name.to_owned());
                    }
                }
                usrp::Kind::Other => {}
            }
        });
    }

    pub fn voice_pcm(&mut self, voice: VoiceId) {
        let Some(voices) = self.voices.as_ref() else { return };
        let Some(Line::Pcm(line)) = voices.lines.get(&voice) else { return };
        let Some(fd) = line.socket.as_ref().map(|(fd, _)| fd.as_raw_fd()) else { return };
        self.read_voice(voice, fd, RECORD_BYTES, |worker, record| worker.pcm_record(voice, record));
    }

    /// What waits in the socket of a voice, in pieces of at most `most` bytes; its end is the voice's.
    fn read_voice(&mut self, voice: VoiceId, fd: RawFd, most: usize, mut each: impl FnMut(&mut Self, &mut [u8])) {
        let mut scratch = self.voices.as_mut().map(|v| std::mem::take(&mut v.scratch)).unwrap_or_default();
        scratch.resize(2 * RECORD_BYTES, 0);
        let mut end = None;
        for _ in 0..READS {
            match sys::read(fd, &mut scratch[..most]) {
                Ok(0) => {
                    end = Some("source-ended");
                    break;
                }
                Ok(n) => each(self, &mut scratch[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => break,
                Err(_) => {
                    end = Some("link-down");
                    break;
                }
            }
        }
        if let Some(voices) = self.voices.as_mut() {
            voices.scratch = scratch;
        }
        if let Some(code) = end {
            self.end_voice(voice, code);
        }
    }

    fn pcm_record(&mut self, voice: VoiceId, record: &mut [u8]) {
        let now = self.now;
        self.with_voices_out(|bridge, out| {
            let Some(Line::Pcm(line)) = out.lines.get_mut(&voice) else { return };
            let Some(member) = bridge.get_mut(voice) else { return };
            let ticks = crate::audio::frame_samples(line.rate_hz);
            let format = Format::new("l16", line.rate_hz, line.channels);
            let Some(format) = format.filter(|_| record.len() == ticks * 2 * usize::from(line.channels)) else {
                return member.problem(out, "protocol", "a record is 20 ms of samples".to_owned(), now);
            };
            let (seq, ts, marker) = line.numbers.follow(ticks as u32, line.rate_hz, now);
            record.chunks_exact_mut(2).for_each(|s| s.swap(0, 1));
            let arrived = Arrived { ssrc: 1, seq, ts, marker, arrival: now, comfort_noise: false, payload: record };
            member.inlet.insert_as(format, arrived);
            member.arrived(out, None, now);
        });
    }

    pub fn voice_tcp(&mut self, voice: VoiceId) {
        let Some(voices) = self.voices.as_ref() else { return };
        let Some(Line::Tcp(line)) = voices.lines.get(&voice) else { return };
        let Some(fd) = line.socket.as_ref().map(|(fd, _)| fd.as_raw_fd()) else { return };
        self.read_voice(voice, fd, 2 * RECORD_BYTES, |worker, data| {
            worker.bytes_in += data.len() as u64;
            worker.voice_tcp_bytes(voice, data);
        });
    }

    pub(super) fn voice_tcp_bytes(&mut self, voice: VoiceId, data: &[u8]) {
        let Some(Line::Tcp(line)) = self.voices.as_mut().and_then(|v| v.lines.get_mut(&voice)) else { return };
        let from = line.peer.unwrap_or_else(|| SocketAddr::new([0, 0, 0, 0].into(), 0));
        line.deframer.push(data);
        loop {
            let Some(Line::Tcp(line)) = self.voices.as_mut().and_then(|v| v.lines.get_mut(&voice)) else { return };
            let Some(framed) = line.deframer.next() else { return };
            self.packets_in += 1;
            match framed {
                Framed::Rtp(packet) => self.voice_rtp(voice, &packet, from),
                Framed::Rtcp(packet) => self.voice_rtcp(voice, &packet),
            }
        }
    }
}
