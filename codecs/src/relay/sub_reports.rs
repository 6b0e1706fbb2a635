//! What a subscriber says of itself by RTCP: sender reports, and its good-bye.

use std::rc::Rc;

use super::path::{Outbox, Path};
use super::subscriber::{Ground, Subscriber};
use crate::hub::stream::Stream;
use crate::hub::unit::Kind;
use crate::rtp::rtcp;
use crate::time::Micros;

/// Sender reports.
const REPORT_US: u64 = 1_000_000;

impl Subscriber {
    /// The way that a track's packets go.
    pub(super) fn path_of(&self, kind: Kind) -> Option<&Rc<Path>> {
        match kind {
            Kind::Audio => self.audio_path.as_ref().or(self.path.as_ref()),
            Kind::Video => self.path.as_ref(),
        }
    }

    /// Sender reports of all tracks on the one time line, with the CNAME (RFC 3550 §6.4.1). `silent`: also of those
    /// that have not sent yet.
    pub(super) fn report(&mut self, hub: &Stream, silent: bool, ground: &mut Ground<'_>) {
        let ntp = ground.outbox.ntp(ground.now.0);
        if self.outlets.iter().flatten().next().is_some() {
            self.next_report = Micros(ground.now.0 + REPORT_US);
        }
        for outlet in self.outlets.iter().flatten().filter(|o| silent || o.packets > 0) {
            let (Some(track), Some(path)) = (self.track(hub, outlet.kind), self.path_of(outlet.kind)) else { continue };
            let clock_hz = track.params.clock_hz;
            let ts = outlet.report_ts(hub.ticks_at(ground.now, clock_hz), clock_hz);
            let mut compound = Vec::with_capacity(128);
            rtcp::write_sender_report(&mut compound, outlet.ssrc, ntp, ts, outlet.packets, outlet.octets);
            rtcp::write_sdes(&mut compound, outlet.ssrc, &self.order.cname);
            ground.outbox.send_rtcp(path, compound);
        }
    }

    /// BYE for every source that has sent (RFC 3550 §6.6).
    pub fn bye(&mut self, outbox: &mut Outbox) {
        for outlet in self.outlets.iter().flatten().filter(|o| o.packets > 0) {
            let Some(path) = self.path_of(outlet.kind) else { continue };
            let mut compound = Vec::with_capacity(64);
            rtcp::write_receiver_report(&mut compound, outlet.ssrc, &[]);
            rtcp::write_sdes(&mut compound, outlet.ssrc, &self.order.cname);
            rtcp::write_bye(&mut compound, outlet.ssrc);
            outbox.send_rtcp(path, compound);
        }
        (self.path, self.audio_path) = (None, None);
    }
}
