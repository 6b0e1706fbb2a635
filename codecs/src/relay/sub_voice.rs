//! Sound on its way to a subscriber.

use super::egress::Outlet;
use super::pacing::MAX_RUN;
use super::path::Path;
use super::subscriber::Ground;
use super::sys::Outcome;
use crate::hub::track::Track;

/// Voice waits for nothing: of more frames than this the oldest go.
const MAX_VOICE_FRAMES: u64 = 25;

/// Voice goes at once; of too many frames the oldest are dropped.
pub(super) fn pump_voice(outlet: &mut Outlet, track: &Track, path: &Path, ground: &mut Ground<'_>) {
    if outlet.is_waiting() {
        if track.newest().is_some_and(|newest| outlet.before_floor(track, newest).is_some()) {
            return;
        }
        // From the newest frame on: old sound is of no use.
        outlet.start_at(track, track.next_frame().saturating_sub(1));
    }
    let lag = outlet.lag_frames(track);
    if lag > MAX_VOICE_FRAMES || outlet.fell_behind(track) {
        outlet.skip_to(track, Some(track.next_frame() - MAX_VOICE_FRAMES.min(lag)));
    }
    loop {
        let mark = outlet.mark();
        let mut moving = path.moving.get();
        moving.abs_send_time = ground.outbox.abs_send_time(ground.now.0);
        let buffer = &mut ground.outbox.buffer;
        let Some(run) = outlet.fill(track, buffer, path.sealer.as_ref(), &mut moving, MAX_RUN) else { return };
        if ground.outbox.send_run(path, &run) == Outcome::Full {
            outlet.rewind(&mark);
            return;
        }
        path.moving.set(moving);
    }
}
