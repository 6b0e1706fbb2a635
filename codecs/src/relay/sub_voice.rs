//! Sound on its way to a subscriber.

use super::egress::Outlet;
use super::pacing::MAX_RUN;
use super::path::Path;
use super::subscriber::Ground;
use super::sys::Outcome;
use crate::hub::track::{Frame, Track};

/// Voice waits for nothing: of more frames than this the oldest go.
const MAX_VOICE_FRAMES: u64 = 25;

/// Voice goes at once; of too many frames the oldest are dropped.
pub(super) fn pump_voice(outlet: &mut Outlet, track: &Track, path: &Path, ground: &mut Ground<'_>) {
    if outlet.is_waiting() {
        let Some(frame) = begins_at(outlet, track) else { return };
        outlet.start_at(track, frame);
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

/// Where sound begins: at the newest frame, for old sound is of no use; after a move where that of the other stream
/// ended, so that nothing goes back and nothing is missed. `None`: nothing later than that is there yet.
fn begins_at(outlet: &Outlet, track: &Track) -> Option<u64> {
    let after_move = !outlet.has_gone_on();
    let Some(newest) = track.newest() else { return (!after_move).then(|| track.next_frame()) };
    let sent = |frame: &Frame| outlet.before_floor(track, frame).is_some();
    if sent(newest) {
        return None;
    }
    let first = if after_move { track.next_frame().saturating_sub(MAX_VOICE_FRAMES) } else { newest.id };
    (first..=newest.id).find(|id| track.frame(*id).is_some_and(|frame| !sent(frame)))
}
