//! libopus behind a safe face: mono of 8, 16 or 48 kHz both ways (the library resamples, and its decoder downmixes stereo
//! itself, RFC 6716 §2.1.2).
//!
//! All calls into libopus stand here. Each hands over a live pointer that this module made and frees, and slices with
//! their true lengths; the library keeps no pointer to them.

use std::os::raw::c_int;
use std::ptr::NonNull;

use opusic_sys as sys;

use super::codec::EncoderConfig;
use crate::error::ParseError;

/// RFC 6716 §3.2: a packet holds 120 ms at most.
const MAX_MS: usize = 120;
/// What a packet of 60 ms may take: far above what our bitrates need, below every MTU.
const MAX_PACKET_BYTES: usize = 1200;
/// Concealment comes in steps of 2.5 ms.
const STEPS_PER_SECOND: usize = 400;

const NO_MEMORY: ParseError = ParseError::new("opus: no memory for its state", 0);

/// Samples of `rate_hz` that a payload holds; `None` when its framing is broken.
pub fn samples_in(payload: &[u8], rate_hz: u32) -> Option<usize> {
    if payload.is_empty() {
        return None;
    }
    // SAFETY: reads at most `len` bytes of `payload`.
    let samples = unsafe { sys::opus_packet_get_nb_samples(payload.as_ptr(), payload.len() as i32, rate_hz as i32) };
    usize::try_from(samples).ok().filter(|n| (1..=MAX_MS * rate_hz as usize / 1000).contains(n))
}

pub struct OpusDecoder {
    state: NonNull<sys::OpusDecoder>,
    rate_hz: u32,
}

// SAFETY: libopus has no thread of its own and no global state; the pointer is used by its one owner only.
unsafe impl Send for OpusDecoder {}

impl OpusDecoder {
    /// `rate_hz`: 8000, 16000 or 48000.
    pub fn new(rate_hz: u32) -> Result<Self, ParseError> {
        let mut error: c_int = 0;
        // SAFETY: `error` outlives the call.
        let state = unsafe { sys::opus_decoder_create(rate_hz as i32, 1, &mut error) };
        NonNull::new(state)
            .filter(|_| error == sys::OPUS_OK as c_int)
            .map(|state| Self { state, rate_hz })
            .ok_or(NO_MEMORY)
    }

    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<usize, ParseError> {
        let samples = samples_in(payload, self.rate_hz).ok_or(ParseError::new("opus packet framing", 0))?;
        self.run(Some(payload), samples, false, out)
    }

    /// The loss of `samples` directly before `next`, from the copy that `next` carries (LBRR), or made up if it has none.
    pub fn decode_fec(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) -> Result<usize, ParseError> {
        let held = samples_in(next, self.rate_hz).ok_or(ParseError::new("opus packet framing", 0))?;
        // The copy covers as much as the packet does; what was lost before it is made up.
        let step = self.step();
        let copied = held.min(samples) / step * step;
        self.conceal(samples - copied, out);
        if copied > 0 {
            self.run(Some(next), copied, true, out)?;
        }
        Ok(samples)
    }

    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        let most = MAX_MS * self.rate_hz as usize / 1000;
        let mut left = samples;
        while left > 0 {
            let start = out.len();
            let made = left.next_multiple_of(self.step()).min(most);
            let wanted = left.min(made);
            if self.run(None, made, false, out).is_err() {
                out.truncate(start);
            }
            out.resize(start + wanted, 0);
            left -= wanted;
        }
    }

    fn step(&self) -> usize {
        self.rate_hz as usize / STEPS_PER_SECOND
    }

    fn run(&mut self, data: Option<&[u8]>, samples: usize, fec: bool, out: &mut Vec<i16>) -> Result<usize, ParseError> {
        let start = out.len();
        out.resize(start + samples, 0);
        let (bytes, len) = data.map_or((std::ptr::null(), 0), |d| (d.as_ptr(), d.len() as i32));
        let pcm = &mut out[start..];
        // SAFETY: `pcm` has room for `samples` of one channel; `bytes` for `len`.
        let done = unsafe {
            sys::opus_decode(self.state.as_ptr(), bytes, len, pcm.as_mut_ptr(), samples as c_int, c_int::from(fec))
        };
        match usize::try_from(done) {
            Ok(done) => {
                out.truncate(start + done.min(samples));
                Ok(done)
            }
            Err(_) => {
                out.truncate(start);
                Err(ParseError::new("opus packet", 0))
            }
        }
    }
}

impl Drop for OpusDecoder {
    fn drop(&mut self) {
        // SAFETY: made by opus_decoder_create, freed once.
        unsafe { sys::opus_decoder_destroy(self.state.as_ptr()) }
    }
}

pub struct OpusEncoder {
    state: NonNull<sys::OpusEncoder>,
    dtx: bool,
    /// The last frame was not worth sending.
    resting: bool,
    rate_hz: u32,
}

// SAFETY: as for the decoder.
unsafe impl Send for OpusEncoder {}

impl OpusEncoder {
    /// `rate_hz`: 8000, 16000 or 48000.
    pub fn new(rate_hz: u32, config: EncoderConfig) -> Result<Self, ParseError> {
        let mut error: c_int = 0;
        // SAFETY: `error` outlives the call.
        let state =
            unsafe { sys::opus_encoder_create(rate_hz as i32, 1, sys::OPUS_APPLICATION_VOIP as c_int, &mut error) };
        let state = NonNull::new(state).filter(|_| error == sys::OPUS_OK as c_int).ok_or(NO_MEMORY)?;
        let mut encoder = Self { state, dtx: config.dtx, resting: false, rate_hz };
        encoder.set(sys::OPUS_SET_BITRATE_REQUEST, config.bitrate_bps.clamp(6000, 128_000) as c_int);
        encoder.set(sys::OPUS_SET_COMPLEXITY_REQUEST, c_int::from(config.complexity.min(10)));
        // Speech of 8 kHz bandwidth goes by SILK alone: half the work of the hybrid, and it alone carries FEC.
        encoder.set(sys::OPUS_SET_MAX_BANDWIDTH_REQUEST, sys::OPUS_BANDWIDTH_WIDEBAND as c_int);
        encoder.set(sys::OPUS_SET_SIGNAL_REQUEST, sys::OPUS_SIGNAL_VOICE as c_int);
        encoder.set(sys::OPUS_SET_INBAND_FEC_REQUEST, 1);
        encoder.set(sys::OPUS_SET_DTX_REQUEST, c_int::from(config.dtx));
        encoder.set_loss(config.loss_percent);
        Ok(encoder)
    }

    pub fn set_loss(&mut self, percent: u8) {
        self.set(sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST, c_int::from(percent.min(100)));
    }

    fn set(&mut self, request: c_int, value: c_int) {
        // SAFETY: each of these requests takes one opus_int32. Values are within range, so that none is refused.
        let answer = unsafe { sys::opus_encoder_ctl(self.state.as_ptr(), request, value) };
        debug_assert_eq!(answer, sys::OPUS_OK as c_int, "request {request}");
    }

    /// 20, 40 or 60 ms; other lengths give 0. 0 too where DTX says that nothing need be sent.
    pub fn encode(&mut self, frame: &[i16], out: &mut Vec<u8>) -> usize {
        let one = super::frame_samples(self.rate_hz);
        if ![one, 2 * one, 3 * one].contains(&frame.len()) {
            return 0;
        }
        let start = out.len();
        out.resize(start + MAX_PACKET_BYTES, 0);
        let bytes = &mut out[start..];
        // SAFETY: `frame` has as many samples as told, `bytes` room for MAX_PACKET_BYTES.
        let done = unsafe {
            sys::opus_encode(
                self.state.as_ptr(),
                frame.as_ptr(),
                frame.len() as c_int,
                bytes.as_mut_ptr(),
                MAX_PACKET_BYTES as i32,
            )
        };
        let done = usize::try_from(done).unwrap_or(0);
        // The first empty packet goes out: the peer learns that what follows is a pause and no loss.
        let rests = self.dtx && done <= 2;
        let done = if rests && self.resting { 0 } else { done };
        self.resting = rests;
        out.truncate(start + done);
        done
    }
}

impl Drop for OpusEncoder {
    fn drop(&mut self) {
        // SAFETY: made by opus_encoder_create, freed once.
        unsafe { sys::opus_encoder_destroy(self.state.as_ptr()) }
    }
}
