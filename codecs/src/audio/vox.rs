//! Voice activity: louder than a threshold, and louder than the noise that is always there.

use super::level::rms_db;
use super::FRAME_MS;

/// How far above the noise floor speech must be.
const ABOVE_FLOOR_DB: f32 = 9.0;
/// The floor rises slowly (2 dB a second), so that speech does not become the floor, and falls at once.
const FLOOR_RISE_DB: f32 = 0.04;
/// Closing needs 3 dB less than opening: no chatter at the edge.
const HYSTERESIS_DB: f32 = 3.0;

/// Opens at the first frame that is loud enough (attack 20 ms), closes `hang_ms` after the last one.
#[derive(Debug, Clone)]
pub struct Vox {
    threshold_db: f32,
    hang_frames: u32,
    left: u32,
    floor_db: f32,
}

impl Vox {
    /// `threshold_db`: dBFS (RMS of a frame) below which nothing is speech.
    pub fn new(threshold_db: f32, hang_ms: u32) -> Self {
        let mut vox = Self { threshold_db: 0.0, hang_frames: 0, left: 0, floor_db: -70.0 };
        vox.set(threshold_db, hang_ms);
        vox
    }

    /// Change both; an open one stays open for the new hang time at most.
    pub fn set(&mut self, threshold_db: f32, hang_ms: u32) {
        self.threshold_db = if threshold_db.is_nan() { -40.0 } else { threshold_db };
        self.hang_frames = hang_ms.div_ceil(FRAME_MS);
        self.left = self.left.min(self.hang_frames);
    }

    pub fn is_open(&self) -> bool {
        self.left > 0
    }

    /// dBFS of the tracked noise.
    pub fn floor_db(&self) -> f32 {
        self.floor_db
    }

    /// One frame of 20 ms. Whether somebody speaks.
    pub fn push(&mut self, frame: &[i16]) -> bool {
        self.push_level(rms_db(frame))
    }

    /// The same from a level that is known already (−127 for a frame of silence or one that was not received).
    pub fn push_level(&mut self, level_db: f32) -> bool {
        // A floor above this would shut out a shouting speaker.
        let ceiling = self.threshold_db + 15.0;
        // Digital silence is a gap or a muted microphone, and tells nothing of the noise around the speaker.
        if level_db > -90.0 {
            self.floor_db = level_db.clamp(-90.0, (self.floor_db + FLOOR_RISE_DB).min(ceiling));
        }
        let hysteresis = if self.is_open() { HYSTERESIS_DB } else { 0.0 };
        let wanted = self.threshold_db.max(self.floor_db + ABOVE_FLOOR_DB) - hysteresis;
        if level_db >= wanted {
            self.left = self.hang_frames.max(1);
        } else {
            self.left = self.left.saturating_sub(1);
        }
        self.is_open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_at_once_and_hangs() {
        let mut vox = Vox::new(-40.0, 100);
        assert!(!vox.push(&[0; 160]));
        assert!(vox.push(&[3000; 160]));
        for _ in 0..4 {
            assert!(vox.push_level(-80.0));
        }
        assert!(!vox.push_level(-80.0) && !vox.push_level(-80.0));
    }

    #[test]
    fn steady_noise_closes_and_speech_over_it_opens() {
        let mut vox = Vox::new(-40.0, 200);
        let opened = (0..3000).filter(|_| vox.push_level(-35.0)).count();
        assert!(opened < 2000 && !vox.is_open(), "a minute of noise of -35 dBFS: {opened}");
        vox.push_level(-127.0);
        assert!(!vox.push_level(-35.0), "a gap does not make the noise speech");
        assert!(vox.push_level(-20.0));
        for _ in 0..400 {
            vox.push_level(-20.0);
            vox.push_level(-45.0);
        }
        assert!(vox.is_open() || vox.push_level(-20.0), "eight seconds of speech are not noise");
    }
}
