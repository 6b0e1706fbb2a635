//! Echo guard: while a loudspeaker plays speech, the microphone beside it is turned down (half-duplex ducking).

use super::gain::{ramp, Scale};
use super::FRAME_MS;

/// Per frame: down in one (20 ms), up again over five, so that words do not begin with a step.
const UP_FRAMES: f32 = 5.0;

#[derive(Debug, Clone)]
pub struct Duck {
    duck_db: f32,
    hang_frames: u32,
    left: u32,
    now_db: f32,
}

impl Duck {
    /// `duck_db`: how far down (−60 … 0). `hang_ms`: how long it stays down after the last speech, for the room's echo.
    pub fn new(duck_db: f32, hang_ms: u32) -> Self {
        let duck_db = if duck_db.is_nan() { -40.0 } else { duck_db.clamp(-60.0, 0.0) };
        Self { duck_db, hang_frames: hang_ms.div_ceil(FRAME_MS), left: 0, now_db: 0.0 }
    }

    pub fn is_ducked(&self) -> bool {
        self.now_db < 0.0
    }

    /// `playing`: the loudspeaker has speech in this tick. `frame`: what the microphone says.
    pub fn apply(&mut self, playing: bool, frame: &mut [i16]) {
        if playing {
            self.left = self.hang_frames + 1;
        }
        let from = self.now_db;
        self.now_db = if self.left > 0 {
            self.left -= 1;
            self.duck_db
        } else {
            (self.now_db - self.duck_db / UP_FRAMES).min(0.0)
        };
        if from < 0.0 || self.now_db < 0.0 {
            ramp(frame, Scale::from_db(from), Scale::from_db(self.now_db));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn down_at_once_up_in_steps_after_the_hang() {
        let mut duck = Duck::new(-40.0, 100);
        let level = |duck: &mut Duck, playing| {
            let mut frame = [10_000i16; 160];
            duck.apply(playing, &mut frame);
            frame[159]
        };
        assert_eq!(level(&mut duck, false), 10_000);
        assert!(level(&mut duck, true) < 110);
        for _ in 0..5 {
            assert!(level(&mut duck, false) < 110);
        }
        let up: Vec<i16> = (0..6).map(|_| level(&mut duck, false)).collect();
        assert!(up.windows(2).all(|w| w[1] >= w[0]) && up[0] < 400 && up[5] == 10_000, "{up:?}");
        assert!(!duck.is_ducked());
    }
}
