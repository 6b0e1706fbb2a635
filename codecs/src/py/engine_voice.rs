//! `Engine`: peers without ICE, voices and rooms. Arguments checked, the GIL released.

use std::net::{IpAddr, SocketAddr};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::engine::{address, maps, own, profile, srtp_key, Engine};
use super::engine_figures::figures;
use super::rtp_map::RtpMap;
use super::{refused, MediaError};
use crate::relay::latch::LatchMode;
use crate::relay::order::{ArmRtp, VoiceLine, VoiceRtp};
use crate::relay::OrderError;
use crate::voice::{Route, Settings, Transmit};

const MAX_CUE_MS: usize = 10_000;

/// An address to send to; the unspecified one or port 0 is none.
fn target(host: &str, port: u16) -> Result<Option<SocketAddr>, OrderError> {
    let bare = host.split('%').next().unwrap_or(host);
    let ip: IpAddr = bare.parse().map_err(|_| OrderError::new(format!("{host:?} is not an IP address")))?;
    Ok((!ip.is_unspecified() && port != 0).then_some(SocketAddr::new(ip, port)))
}

fn gain(name: &str, db: f64) -> Result<f32, OrderError> {
    if (-60.0..=30.0).contains(&db) {
        Ok(db as f32)
    } else {
        Err(OrderError::new(format!("{name} is -60 to 30 dB")))
    }
}

fn check(holds: bool, text: &'static str) -> Result<(), OrderError> {
    if holds {
        Ok(())
    } else {
        Err(OrderError::new(text))
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn voice_rtp(
    send: Vec<RtpMap>,
    receive: Vec<RtpMap>,
    ssrc: u32,
    cname: String,
    ptime_ms: u32,
    mid_ext: u8,
    mid: String,
) -> Result<VoiceRtp, OrderError> {
    check(matches!(ptime_ms, 20 | 40 | 60), "ptime_ms is 20, 40 or 60")?;
    check(mid_ext <= 14, "a header extension id is 1 to 14, or 0 for none")?;
    check(mid.len() <= 16 && cname.len() <= 255, "a mid is at most 16 bytes, a cname 255")?;
    check(send.len() <= 32 && receive.len() <= 32, "at most 32 payload types")?;
    Ok(VoiceRtp { send: maps(send), receive: maps(receive), ssrc, cname, ptime_ms, mid_ext, mid })
}

#[pymethods]
impl Engine {
    #[pyo3(signature = (rtp_fd, *, rtcp_fd = None, stream = None))]
    fn open_rtp_session(
        &self,
        py: Python<'_>,
        rtp_fd: i32,
        rtcp_fd: Option<i32>,
        stream: Option<u64>,
    ) -> PyResult<u64> {
        let (rtp, rtcp) = (own(rtp_fd), rtcp_fd.map(own));
        py.detach(|| self.inner.open_rtp_session(rtp?, rtcp.transpose()?, stream)).map_err(refused)
    }

    #[pyo3(signature = (session, host, host_port, *, rtcp_host = "", rtcp_port = 0, latch = "first", keys = None))]
    #[allow(clippy::too_many_arguments, clippy::type_complexity)]
    fn arm_rtp_session(
        &self,
        py: Python<'_>,
        session: u64,
        host: &str,
        host_port: u16,
        rtcp_host: &str,
        rtcp_port: u16,
        latch: &str,
        keys: Option<(String, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>)>,
    ) -> PyResult<()> {
        let order = (|| {
            let to = target(host, host_port)?;
            let rtcp_host = if rtcp_host.is_empty() { host } else { rtcp_host };
            let rtcp_to = if rtcp_port == 0 { None } else { target(rtcp_host, rtcp_port)? };
            let mode = LatchMode::from_name(latch);
            let mode = mode.ok_or(OrderError::new("latch is \"strict\", \"host\" or \"first\""))?;
            let keys = keys.map(|(name, tx_key, tx_salt, rx_key, rx_salt)| {
                let p = profile(&name)?;
                Ok(Box::new((srtp_key(p, &tx_key, &tx_salt)?, srtp_key(p, &rx_key, &rx_salt)?)))
            });
            Ok(ArmRtp { to, rtcp_to, mode, keys: keys.transpose()? })
        })();
        let order = order.map_err(refused)?;
        py.detach(|| self.inner.arm_rtp_session(session, order)).map_err(refused)
    }

    #[pyo3(signature = (session, *, send, receive, ssrc, cname, ptime_ms = 20, mid_ext = 0, mid = ""))]
    #[allow(clippy::too_many_arguments)]
    fn open_voice_session(
        &self,
        py: Python<'_>,
        session: u64,
        send: Vec<RtpMap>,
        receive: Vec<RtpMap>,
        ssrc: u32,
        cname: &str,
        ptime_ms: u32,
        mid_ext: u8,
        mid: &str,
    ) -> PyResult<u64> {
        let rtp = voice_rtp(send, receive, ssrc, cname.to_owned(), ptime_ms, mid_ext, mid.to_owned());
        let rtp = rtp.map_err(refused)?;
        py.detach(|| self.inner.open_voice(VoiceLine::Session { session, rtp })).map_err(refused)
    }

    #[pyo3(signature = (fd, *, send, receive, ssrc, cname, ptime_ms = 20, initial = None))]
    #[allow(clippy::too_many_arguments)]
    fn open_voice_tcp(
        &self,
        py: Python<'_>,
        fd: i32,
        send: Vec<RtpMap>,
        receive: Vec<RtpMap>,
        ssrc: u32,
        cname: &str,
        ptime_ms: u32,
        initial: Option<&[u8]>,
    ) -> PyResult<u64> {
        let fd = own(fd);
        let initial = initial.unwrap_or_default().to_vec();
        let rtp = voice_rtp(send, receive, ssrc, cname.to_owned(), ptime_ms, 0, String::new());
        py.detach(|| self.inner.open_voice(VoiceLine::Tcp { fd: fd?, rtp: rtp?, initial })).map_err(refused)
    }

    fn open_voice_usrp(&self, py: Python<'_>, fd: i32, host: &str, host_port: u16) -> PyResult<u64> {
        let fd = own(fd);
        let to = address(host, host_port);
        py.detach(|| self.inner.open_voice_usrp(fd?, to?)).map_err(refused)
    }

    #[pyo3(signature = (fd, *, rate_hz, channels = 1))]
    fn open_voice_pcm(&self, py: Python<'_>, fd: i32, rate_hz: u32, channels: u8) -> PyResult<u64> {
        let fd = own(fd);
        py.detach(|| {
            let fd = fd?;
            check(matches!(rate_hz, 8_000 | 16_000 | 48_000), "rate_hz is 8000, 16000 or 48000")?;
            check(matches!(channels, 1 | 2), "channels is 1 or 2")?;
            self.inner.open_voice(VoiceLine::Pcm { fd, rate_hz, channels })
        })
        .map_err(refused)
    }

    fn open_voice_tap(&self, py: Python<'_>, stream: u64) -> PyResult<u64> {
        py.detach(|| self.inner.open_voice(VoiceLine::Tap { stream })).map_err(refused)
    }

    fn close_voice(&self, py: Python<'_>, voice: u64) {
        py.detach(|| self.inner.close_voice(voice));
    }

    #[pyo3(signature = (voice, *, gain_in_db = 0.0, gain_out_db = 0.0, transmit = "always", comfort_noise = false,
        vox_db = -40.0, vox_hang_ms = 500, stop_ms = 400, jitter_min_ms = 20, jitter_max_ms = 400, mute_in = false),
        text_signature = "($self, voice, *, gain_in_db=0.0, gain_out_db=0.0, transmit='always', comfort_noise=False, \
vox_db=-40.0, vox_hang_ms=500, stop_ms=400, jitter_min_ms=20, jitter_max_ms=400, mute_in=False)")]
    #[allow(clippy::too_many_arguments)]
    fn set_voice(
        &self,
        py: Python<'_>,
        voice: u64,
        gain_in_db: f64,
        gain_out_db: f64,
        transmit: &str,
        comfort_noise: bool,
        vox_db: f64,
        vox_hang_ms: u32,
        stop_ms: u32,
        jitter_min_ms: u32,
        jitter_max_ms: u32,
        mute_in: bool,
    ) -> PyResult<()> {
        let settings = (|| {
            let transmit = Transmit::from_name(transmit);
            check((-127.0..=0.0).contains(&vox_db), "vox_db is -127 to 0")?;
            check(vox_hang_ms <= 60_000, "vox_hang_ms is at most 60000")?;
            check((40..=600_000).contains(&stop_ms), "stop_ms is 40 to 600000")?;
            check(
                jitter_min_ms <= jitter_max_ms && jitter_max_ms <= 2_000,
                "jitter_min_ms is at most jitter_max_ms, that at most 2000",
            )?;
            Ok(Settings {
                gain_in_db: gain("gain_in_db", gain_in_db)?,
                gain_out_db: gain("gain_out_db", gain_out_db)?,
                transmit: transmit.ok_or(OrderError::new("transmit is \"always\", \"heard\" or \"never\""))?,
                comfort_noise,
                vox_db: vox_db as f32,
                vox_hang_ms,
                stop_ms,
                jitter_min_ms,
                jitter_max_ms,
                mute_in,
            })
        })();
        let settings = settings.map_err(refused)?;
        py.detach(|| self.inner.set_voice(voice, settings));
        Ok(())
    }

    // Written out: a negative default would be shown as "...".
    #[pyo3(signature = (microphone, loudspeaker, *, duck_db = -40.0, hang_ms = 300),
        text_signature = "($self, microphone, loudspeaker, *, duck_db=-40.0, hang_ms=300)")]
    fn guard_echo(
        &self,
        py: Python<'_>,
        microphone: u64,
        loudspeaker: Option<u64>,
        duck_db: f64,
        hang_ms: u32,
    ) -> PyResult<()> {
        if !(-60.0..=0.0).contains(&duck_db) || hang_ms > 10_000 {
            return Err(MediaError::new_err("duck_db is -60 to 0, hang_ms at most 10000"));
        }
        py.detach(|| self.inner.guard_echo(microphone, loudspeaker, duck_db as f32, hang_ms));
        Ok(())
    }

    #[pyo3(signature = (voice, samples, *, rate_hz = 8000, over = true))]
    fn cue(&self, py: Python<'_>, voice: u64, samples: &[u8], rate_hz: u32, over: bool) -> PyResult<()> {
        if !matches!(rate_hz, 8_000 | 16_000 | 48_000) {
            return Err(MediaError::new_err("rate_hz is 8000, 16000 or 48000"));
        }
        if samples.len() % 2 != 0 || samples.len() / 2 > rate_hz as usize / 1000 * MAX_CUE_MS {
            return Err(MediaError::new_err("a cue is whole 16-bit samples, at most 10 s of them"));
        }
        let samples = samples.to_vec();
        py.detach(|| {
            let pcm = samples.chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]])).collect();
            self.inner.cue(voice, pcm, rate_hz, over);
        });
        Ok(())
    }

    #[pyo3(signature = (voice, digit, *, duration_ms = 160))]
    fn send_dtmf(&self, py: Python<'_>, voice: u64, digit: &str, duration_ms: u32) -> PyResult<()> {
        let Some(event) = crate::audio::dtmf::digit_code(digit) else {
            return Err(MediaError::new_err("a digit is 0 to 9, *, #, A to D or flash"));
        };
        if !(40..=6_000).contains(&duration_ms) {
            return Err(MediaError::new_err("duration_ms is 40 to 6000"));
        }
        py.detach(|| self.inner.send_dtmf(voice, event, duration_ms));
        Ok(())
    }

    fn open_room(&self, py: Python<'_>, name: String) -> PyResult<u64> {
        py.detach(|| self.inner.open_room(name)).map_err(refused)
    }

    fn close_room(&self, py: Python<'_>, room: u64) {
        py.detach(|| self.inner.close_room(room));
    }

    #[pyo3(signature = (room, voice, *, talk, listen, gain_db = 0.0))]
    fn route(&self, py: Python<'_>, room: u64, voice: u64, talk: bool, listen: bool, gain_db: f64) -> PyResult<()> {
        let gain_db = gain("gain_db", gain_db).map_err(refused)?;
        py.detach(|| self.inner.route(room, voice, Route { talk, listen, gain_db }));
        Ok(())
    }

    fn leave(&self, py: Python<'_>, room: u64, voice: u64) {
        py.detach(|| self.inner.leave(room, voice));
    }

    fn levels(&self, py: Python<'_>, voices: Vec<u64>) -> PyResult<Py<PyDict>> {
        let found = py.detach(|| self.inner.levels(&voices));
        let dict = PyDict::new(py);
        for (voice, (said, heard)) in found {
            dict.set_item(voice, (said, heard))?;
        }
        Ok(dict.unbind())
    }

    fn voice_stats(&self, py: Python<'_>, voice: u64) -> PyResult<Py<PyDict>> {
        let list = py.detach(|| self.inner.voice_stats(voice)).map_err(refused)?;
        figures(py, list)
    }

    fn voice_clock(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let list = py.detach(|| self.inner.voice_clock()).map_err(refused)?;
        figures(py, list)
    }

    /// For the test of the isolation: the next tick of this voice panics.
    fn _panic_voice(&self, py: Python<'_>, voice: u64) {
        py.detach(|| self.inner.panic_voice(voice));
    }
}
