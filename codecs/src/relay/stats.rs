//! Figures, as gateway/codecs.pyi names them.

use super::event::*;
use super::leg::{Leg, Source};
use super::order::{Figure, Figures, Share};
use super::subscriber::Subscriber;
use super::sys;
use super::worker::{Live, Worker};
use crate::hub::unit::Kind;

pub(super) fn int(value: impl TryInto<i64>) -> Figure {
    Figure::Int(value.try_into().unwrap_or(i64::MAX))
}

/// Rounded, so that a figure reads as one.
pub(super) fn float(value: f64) -> Figure {
    Figure::Float((value * 1000.0).round() / 1000.0)
}

pub(super) fn text(value: impl Into<String>) -> Figure {
    Figure::Text(value.into())
}

impl Worker {
    /// Of one stream, or of all.
    pub fn stream_figures(&self, which: Option<StreamId>) -> Vec<(StreamId, Figures)> {
        match which {
            Some(id) => self.streams.get(&id).map(|live| (id, self.live_figures(live))).into_iter().collect(),
            None => self.streams.iter().map(|(id, live)| (*id, self.live_figures(live))).collect(),
        }
    }

    fn live_figures(&self, live: &Live) -> Figures {
        let (video, audio) = (live.hub.track(Kind::Video), live.hub.track(Kind::Audio));
        let main = video.or(audio);
        // A rate is of the last seconds: with nothing coming it is 0, not what it was.
        let age_us = main.and_then(|t| t.newest()).map(|f| self.now_us().saturating_sub(f.arrival.0));
        let flowing = age_us.is_some_and(|age| age < 3_000_000);
        let bps: f64 = [video, audio].iter().flatten().map(|t| t.rate.estimate_bps(self.now)).sum();
        let key = video.and_then(|t| t.frame(t.gop_start()?));
        let key_age_us = key.map(|f| self.now_us().saturating_sub(f.arrival.0));
        let (gop_frames, gop_bytes) = video.map_or((0, 0), |t| t.gop_size());
        vec![
            ("fps", float(if flowing { main.map_or(0.0, |t| t.rate.fps) } else { 0.0 })),
            ("bitrate_bps", int(if flowing { bps as i64 } else { 0 })),
            ("frame_age_ms", float(age_us.map_or(-1.0, |age| age as f64 / 1000.0))),
            ("key_age_ms", float(key_age_us.map_or(-1.0, |age| age as f64 / 1000.0))),
            ("frames", int(main.map_or(0, |t| t.frames))),
            ("key_frames", int(video.map_or(0, |t| t.key_frames))),
            ("gop_frames", int(gop_frames)),
            ("gop_bytes", int(gop_bytes)),
            ("subscribers", int(live.subscribers.len() + live.frame_subscribers.len() + live.line_subscribers.len())),
            ("units_dropped", int(live.hub.units_dropped)),
        ]
    }

    fn now_us(&self) -> u64 {
        sys::monotonic_us()
    }

    pub fn leg_figures(&self, id: LegId) -> Option<Figures> {
        self.legs.get(&id).map(leg_figures)
    }

    pub fn sub_figures(&self, id: SubId) -> Option<Figures> {
        let live = self.streams.get(self.subs.get(&id)?)?;
        if let Some(s) = live.subscribers.iter().find(|s| s.id == id) {
            return Some(sub_figures(s, live));
        }
        let (bytes, frames, dropped, queue, congested) =
            if let Some(s) = live.frame_subscribers.iter().find(|s| s.id == id) {
                (s.bytes, s.frames, s.frames_dropped, s.queue_bytes(), false)
            } else {
                let s = live.line_subscribers.iter().find(|s| s.id == id)?;
                (s.bytes, s.frames, s.frames_dropped, s.queue_bytes(), s.is_congested())
            };
        Some(vec![
            ("packets", int(0)),
            ("bytes", int(bytes)),
            ("frames", int(frames)),
            ("frames_dropped", int(dropped)),
            ("nacks", int(0)),
            ("retransmits", int(0)),
            ("plis", int(0)),
            ("firs", int(0)),
            ("rtt_ms", float(0.0)),
            ("peer_loss_ratio", float(0.0)),
            ("remb_bps", int(0)),
            ("twcc_bps", int(0)),
            ("queue_bytes", int(queue)),
            ("congested", int(i64::from(congested))),
        ])
    }

    /// All that this worker has.
    pub fn share(&self) -> Share {
        let legs = self.legs.iter().map(|(id, leg)| (*id, leg_figures(leg))).collect();
        Share { worker: self.figures(), streams: self.stream_figures(None), legs }
    }

    /// This worker's share; the engine adds the shares up.
    pub fn figures(&self) -> Figures {
        let (ports, shared) = self.gates.counts();
        let sessions = shared + self.sessions.values().filter(|s| s.own_fds().is_some()).count();
        vec![
            // The voice thread is not one of those that were asked for.
            ("threads", int(i64::from(self.voices.is_none()))),
            ("streams", int(self.streams.len())),
            ("legs", int(self.legs.len())),
            ("ports", int(ports)),
            ("sessions", int(sessions)),
            ("subscriptions", int(self.subs.len())),
            ("packets_in", int(self.packets_in)),
            ("packets_out", int(self.outbox.packets)),
            ("bytes_in", int(self.bytes_in)),
            ("bytes_out", int(self.outbox.bytes)),
            ("gso_sends", int(self.outbox.gso_sends)),
            ("plain_sends", int(self.outbox.plain_sends)),
            ("send_errors", int(self.outbox.errors)),
            ("stun_unknown", int(self.gates.stun_unknown)),
            ("unauthentic", int(self.unauthentic)),
            ("cpu_ns", int(sys::thread_cpu_ns())),
        ]
    }
}

fn leg_figures(leg: &Leg) -> Figures {
    let mut s = leg.ingest.stats();
    for other in leg.others() {
        let a = other.stats();
        s.packets += a.packets;
        s.bytes += a.bytes;
        s.lost += a.lost;
        s.reordered += a.reordered;
        s.duplicates += a.duplicates;
        s.invalid += a.invalid;
        s.late += a.late;
        s.dropped_units += a.dropped_units;
        if s.ssrc == 0 {
            (s.ssrc, s.payload, s.jitter_ms, s.loss_ratio) = (a.ssrc, a.payload, a.jitter_ms, a.loss_ratio);
        }
    }
    let resyncs = match &leg.source {
        Source::Rtp { deframer, .. } => deframer.stats().resyncs,
        Source::Line(l) => {
            (s.packets, s.bytes, s.payload) = (l.packets, l.bytes, l.payload());
            0
        }
        Source::Rtsp(rtsp) => rtsp.connection.as_ref().map_or(0, |(c, _)| c.resyncs()),
        _ => 0,
    };
    let mut all = vec![
        ("packets", int(s.packets)),
        ("bytes", int(s.bytes)),
        ("lost", int(s.lost)),
        ("reordered", int(s.reordered)),
        ("duplicates", int(s.duplicates)),
        ("invalid", int(s.invalid)),
        ("late", int(s.late)),
        ("jitter_ms", float(s.jitter_ms)),
        ("loss_ratio", float(s.loss_ratio)),
        ("ssrc", int(s.ssrc)),
        ("payload", text(s.payload)),
        ("address", text(leg.address.map(|a| a.to_string()).unwrap_or_default())),
        ("transport", text(leg.transport())),
        ("psm_bad", int(s.psm_bad)),
        ("resyncs", int(s.resyncs + resyncs)),
        ("dropped_units", int(s.dropped_units)),
    ];
    if let Source::Line(l) = &leg.source {
        // What the line itself counts of these.
        for (name, value) in l.held.line.figures() {
            all.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, v)| *v = value.clone());
        }
    }
    all
}

fn sub_figures(s: &Subscriber, live: &Live) -> Figures {
    let video = s.outlets[0].as_ref();
    let main = video.or(s.outlets[1].as_ref());
    let sum = |f: fn(&super::egress::Outlet) -> u64| s.outlets.iter().flatten().map(f).sum::<u64>();
    vec![
        ("packets", int(sum(|o| u64::from(o.packets)))),
        ("bytes", int(sum(|o| u64::from(o.octets)))),
        ("frames", int(main.map_or(0, |o| o.frames))),
        ("frames_dropped", int(main.map_or(0, |o| o.frames_dropped))),
        ("nacks", int(sum(|o| o.nacks))),
        ("retransmits", int(sum(|o| o.retransmits))),
        ("plis", int(s.peer.plis)),
        ("firs", int(s.peer.firs)),
        ("rtt_ms", float(s.peer.rtt_ms)),
        ("peer_loss_ratio", float(s.peer.loss_ratio)),
        ("remb_bps", int(s.peer.remb_bps as i64)),
        ("twcc_bps", int(s.peer.twcc_bps as i64)),
        ("queue_bytes", int(s.queue_bytes(&live.hub))),
        ("congested", int(i64::from(s.congested))),
    ]
}
