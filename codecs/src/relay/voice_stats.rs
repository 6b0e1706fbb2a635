//! Figures of voices and of their clock, as gateway/codecs.pyi names them.

use super::order::Figures;
use super::stats::{float, int, text};
use super::voice_line::Line;
use super::worker::Worker;
use crate::audio::format::{AudioCodec, Format};
use crate::audio::mos;
use crate::relay::event::VoiceId;
use crate::voice::Far;

impl Worker {
    pub(super) fn voice_figures(&self, voice: VoiceId) -> Option<Figures> {
        let voices = self.voices.as_ref()?;
        let member = voices.bridge.get(voice)?;
        let playout = member.inlet.stats();
        let (codec_out, packets, octets) = match &member.far {
            Far::Rtp(o) => (o.config.format.name(), o.packets, o.octets),
            Far::Usrp { seq, .. } => ("usrp", *seq, 0),
            Far::Pcm { .. } => ("pcm", 0, 0),
            Far::None => ("", 0, 0),
        };
        let codec_in = match (voices.lines.get(&voice), member.inlet.format()) {
            (Some(Line::Usrp { .. }), Some(_)) => "usrp",
            (Some(Line::Pcm(_)), Some(_)) => "pcm",
            (_, format) => format.map_or("", Format::name),
        };
        let strangers = match voices.lines.get(&voice) {
            Some(Line::Session { session, .. }) => {
                self.sessions.get(session).and_then(|s| s.own_fds()).map_or(0, |own| own.strangers)
            }
            _ => member.strangers,
        };
        let (said, heard) = member.levels_db();
        let expected = playout.packets + playout.lost;
        let loss = if expected > 0 { playout.lost as f64 / expected as f64 } else { 0.0 };
        let codec = member.inlet.format().map_or(AudioCodec::Pcma, Format::codec);
        let mos = mos::estimate(codec, loss, member.delay_ms() + member.peer.rtt_ms / 2.0);
        Some(vec![
            ("codec_in", text(codec_in)),
            ("codec_out", text(codec_out)),
            ("packets", int(member.inlet.packets)),
            ("bytes", int(member.inlet.bytes)),
            ("lost", int(playout.lost)),
            ("late", int(playout.late)),
            ("duplicates", int(playout.duplicates)),
            ("reordered", int(playout.reordered)),
            ("concealed_ms", int(playout.concealed_ms)),
            ("expanded_ms", int(playout.expanded_ms)),
            ("accelerated_ms", int(playout.accelerated_ms)),
            ("jitter_ms", float(playout.jitter_ms)),
            ("buffer_ms", float(playout.buffer_ms)),
            ("drift_ppm", float(playout.drift_ppm)),
            ("sent_packets", int(packets)),
            ("sent_bytes", int(octets)),
            ("level_in_db", float(f64::from(said))),
            ("level_out_db", float(f64::from(heard))),
            ("rtt_ms", float(member.peer.rtt_ms)),
            ("peer_loss_ratio", float(member.peer.loss_ratio)),
            ("peer_jitter_ms", float(member.peer.jitter_ms)),
            ("strangers", int(strangers)),
            ("unauthentic", int(member.unauthentic)),
            ("mos", float(mos)),
            ("address", text(member.address.map(|a| a.to_string()).unwrap_or_default())),
        ])
    }

    /// Since it was last asked.
    pub(super) fn clock_figures(&mut self) -> Figures {
        let Some(voices) = self.voices.as_mut() else { return Vec::new() };
        let (members, rooms) = voices.bridge.counts();
        let f = &mut voices.figures;
        let out = vec![
            ("ticks", int(f.late.count())),
            ("late_p50_ms", float(f.late.percentile_ms(0.5))),
            ("late_p99_ms", float(f.late.percentile_ms(0.99))),
            ("late_max_ms", float(f.late.max_us as f64 / 1000.0)),
            ("skipped", int(f.skipped)),
            ("busy_p99_ms", float(f.busy.percentile_ms(0.99))),
            ("voices", int(members)),
            ("rooms", int(rooms)),
        ];
        f.late.clear();
        f.busy.clear();
        f.skipped = 0;
        out
    }
}
