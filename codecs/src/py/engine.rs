//! `Engine`: arguments checked and turned into orders. The GIL is released in every method.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{FromRawFd, OwnedFd};

use pyo3::prelude::*;
use pyo3::types::PyList;

use super::rtp_map::RtpMap;
use super::{events, refused, MediaError};
use crate::relay::order;
use crate::relay::{engine, OrderError};
use crate::rtp::srtp::{Profile, SrtpKey};

#[pyclass(frozen, module = "gateway.codecs")]
pub struct Engine {
    pub(super) inner: engine::Engine,
}

/// Take over a descriptor; from here on it closes itself on every way out.
pub(super) fn own(fd: i32) -> Result<OwnedFd, OrderError> {
    // SAFETY: fcntl on any number is harmless; the contract says that the descriptor is handed over.
    if fd < 0 || unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(OrderError::new("the file descriptor is not open"));
    }
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(super) fn address(host: &str, port: u16) -> Result<SocketAddr, OrderError> {
    let host = host.split('%').next().unwrap_or(host);
    let ip: IpAddr = host.parse().map_err(|_| OrderError::new(format!("{host:?} is not an IP address")))?;
    if port == 0 {
        return Err(OrderError::new("port 0 can not be sent to"));
    }
    Ok(SocketAddr::new(ip, port))
}

pub(super) fn profile(name: &str) -> Result<Profile, OrderError> {
    Profile::from_name(name).ok_or_else(|| OrderError::new(format!("no SRTP profile {name:?}")))
}

pub(super) fn srtp_key(p: Profile, key: &[u8], salt: &[u8]) -> Result<SrtpKey, OrderError> {
    SrtpKey::new(p, key, salt).ok_or_else(|| {
        OrderError::new(format!("{} takes a key of {} and a salt of {} bytes", p.name(), p.key_len(), p.salt_len()))
    })
}

pub(super) fn maps(list: Vec<RtpMap>) -> Vec<order::RtpMap> {
    list.into_iter().map(|m| m.inner).collect()
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, threads = 1, event_capacity = 16384))]
    fn new(py: Python<'_>, threads: usize, event_capacity: usize) -> PyResult<Self> {
        if !(1..=engine::MAX_THREADS).contains(&threads) || !(16..=1 << 22).contains(&event_capacity) {
            return Err(MediaError::new_err("threads is 1 to 64, event_capacity 16 to 4194304"));
        }
        let inner = py.detach(|| engine::Engine::start(threads, event_capacity)).map_err(refused)?;
        Ok(Self { inner })
    }

    #[getter]
    fn event_fd(&self) -> i32 {
        self.inner.event_fd()
    }

    #[pyo3(signature = (limit = 512))]
    fn drain(&self, py: Python<'_>, limit: usize) -> PyResult<Py<PyList>> {
        let found = py.detach(|| self.inner.drain(limit));
        let list = PyList::empty(py);
        for event in found {
            list.append(events::to_python(py, event)?)?;
        }
        Ok(list.unbind())
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.inner.close());
    }

    #[pyo3(signature = (name, *, gop_bytes = 8_000_000, near = None, beside = None))]
    fn open_stream(
        &self,
        py: Python<'_>,
        name: String,
        gop_bytes: usize,
        near: Option<u64>,
        beside: Option<u64>,
    ) -> PyResult<u64> {
        py.detach(|| self.inner.open_stream(name, gop_bytes, near, beside)).map_err(refused)
    }

    fn close_stream(&self, py: Python<'_>, stream: u64) {
        py.detach(|| self.inner.close_stream(stream));
    }

    #[pyo3(signature = (stream, *, udp_fd = None, rtcp_fd = None, ssrc = None, strict_ssrc = false, payloads = None,
        hint = "", stall_ms = 3000, jitter_packets = 150, jitter_ms = 200))]
    #[allow(clippy::too_many_arguments)]
    fn open_rtp(
        &self,
        py: Python<'_>,
        stream: u64,
        udp_fd: Option<i32>,
        rtcp_fd: Option<i32>,
        ssrc: Option<u32>,
        strict_ssrc: bool,
        payloads: Option<Vec<RtpMap>>,
        hint: &str,
        stall_ms: u64,
        jitter_packets: usize,
        jitter_ms: u64,
    ) -> PyResult<u64> {
        let udp = udp_fd.map(own);
        let rtcp = rtcp_fd.map(own);
        let hint = hint.to_ascii_lowercase();
        py.detach(|| {
            if !(1..=4096).contains(&jitter_packets) || jitter_ms > 10_000 || !(100..=600_000).contains(&stall_ms) {
                return Err(OrderError::new(
                    "jitter_packets is 1 to 4096, jitter_ms up to 10000, stall_ms 100 to 600000",
                ));
            }
            self.inner.open_rtp(order::OpenRtp {
                stream,
                udp: udp.transpose()?,
                rtcp: rtcp.transpose()?,
                ssrc,
                strict_ssrc,
                payloads: maps(payloads.unwrap_or_default()),
                hint,
                stall_ms,
                jitter_packets,
                jitter_ms,
            })
        })
        .map_err(refused)
    }

    #[pyo3(signature = (leg, fd, framing, *, initial = None))]
    fn attach_tcp(&self, py: Python<'_>, leg: u64, fd: i32, framing: &str, initial: Option<&[u8]>) -> PyResult<()> {
        let fd = own(fd);
        let known = framing == "rfc4571";
        let initial = initial.unwrap_or_default().to_vec();
        py.detach(|| {
            let fd = fd?;
            if !known {
                return Err(OrderError::new("the framing is \"rfc4571\""));
            }
            self.inner.attach_tcp(leg, fd, initial)
        })
        .map_err(refused)
    }

    #[pyo3(signature = (stream, fd, *, stall_ms = 3000, made_of = None))]
    fn open_frames_in(
        &self,
        py: Python<'_>,
        stream: u64,
        fd: i32,
        stall_ms: u64,
        made_of: Option<u64>,
    ) -> PyResult<u64> {
        let fd = own(fd);
        py.detach(|| self.inner.open_frames_in(stream, fd?, stall_ms, made_of)).map_err(refused)
    }

    #[pyo3(signature = (stream, session, *, video = None, audio = None))]
    fn open_session_in(
        &self,
        py: Python<'_>,
        stream: u64,
        session: u64,
        video: Option<Vec<RtpMap>>,
        audio: Option<Vec<RtpMap>>,
    ) -> PyResult<u64> {
        let (video, audio) = (maps(video.unwrap_or_default()), maps(audio.unwrap_or_default()));
        py.detach(|| self.inner.open_session_in(stream, session, video, audio)).map_err(refused)
    }

    fn close_leg(&self, py: Python<'_>, leg: u64) {
        py.detach(|| self.inner.close_leg(leg));
    }

    fn open_port(&self, py: Python<'_>, fd: i32) -> PyResult<u64> {
        let fd = own(fd);
        py.detach(|| self.inner.open_port(fd?)).map_err(refused)
    }

    fn close_port(&self, py: Python<'_>, port: u64) {
        py.detach(|| self.inner.close_port(port));
    }

    #[pyo3(signature = (ufrag, *, pwd = ""))]
    fn open_session(&self, py: Python<'_>, ufrag: &str, pwd: &str) -> PyResult<u64> {
        if ufrag.is_empty() || ufrag.len() > 256 || pwd.len() > 256 {
            return Err(MediaError::new_err("ufrag is 1 to 256 bytes, pwd up to 256"));
        }
        let (ufrag, pwd) = (ufrag.to_owned(), pwd.to_owned());
        py.detach(|| self.inner.open_session(ufrag, pwd)).map_err(refused)
    }

    fn send_datagram(
        &self,
        py: Python<'_>,
        session: u64,
        port: u64,
        data: &[u8],
        host: &str,
        host_port: u16,
    ) -> PyResult<()> {
        if data.len() > 65_000 {
            return Err(MediaError::new_err("a datagram is at most 65000 bytes"));
        }
        let to = address(host, host_port).map_err(refused)?;
        let data = data.to_vec();
        py.detach(|| self.inner.send_datagram(session, port, data, to));
        Ok(())
    }

    #[pyo3(signature = (session, port, host, host_port, *, profile, tx_key, tx_salt, rx_key, rx_salt))]
    #[allow(clippy::too_many_arguments)]
    fn arm_session(
        &self,
        py: Python<'_>,
        session: u64,
        port: u64,
        host: &str,
        host_port: u16,
        profile: &str,
        tx_key: &[u8],
        tx_salt: &[u8],
        rx_key: &[u8],
        rx_salt: &[u8],
    ) -> PyResult<()> {
        let made = (|| {
            let p = self::profile(profile)?;
            Ok((address(host, host_port)?, srtp_key(p, tx_key, tx_salt)?, srtp_key(p, rx_key, rx_salt)?))
        })();
        let (to, tx, rx) = made.map_err(refused)?;
        py.detach(|| self.inner.arm_session(session, port, to, tx, rx)).map_err(refused)
    }

    fn move_session(&self, py: Python<'_>, session: u64, port: u64, host: &str, host_port: u16) -> PyResult<()> {
        let to = address(host, host_port).map_err(refused)?;
        py.detach(|| self.inner.move_session(session, port, to));
        Ok(())
    }

    fn close_session(&self, py: Python<'_>, session: u64) {
        py.detach(|| self.inner.close_session(session));
    }

    #[pyo3(signature = (stream, session, *, video, audio, video_ssrc, video_rtx_ssrc, audio_ssrc, cname, mid_ext = 0,
        video_mid = "", audio_mid = "", abs_send_time_ext = 0, transport_cc_ext = 0, queue_bytes = 4_000_000))]
    #[allow(clippy::too_many_arguments)]
    fn subscribe_session(
        &self,
        py: Python<'_>,
        stream: u64,
        session: u64,
        video: Vec<RtpMap>,
        audio: Vec<RtpMap>,
        video_ssrc: u32,
        video_rtx_ssrc: u32,
        audio_ssrc: u32,
        cname: &str,
        mid_ext: u8,
        video_mid: &str,
        audio_mid: &str,
        abs_send_time_ext: u8,
        transport_cc_ext: u8,
        queue_bytes: usize,
    ) -> PyResult<u64> {
        if [mid_ext, abs_send_time_ext, transport_cc_ext].iter().any(|id| *id > 14) {
            return Err(MediaError::new_err("a header extension id is 1 to 14, or 0 for none"));
        }
        if video_mid.len() > 16 || audio_mid.len() > 16 || cname.len() > 255 {
            return Err(MediaError::new_err("a mid is at most 16 bytes, a cname 255"));
        }
        let order = order::Subscribe {
            stream,
            video: maps(video),
            audio: maps(audio),
            video_ssrc,
            video_rtx_ssrc,
            audio_ssrc,
            cname: cname.to_owned(),
            extensions: order::Extensions {
                mid: mid_ext,
                video_mid: video_mid.to_owned(),
                audio_mid: audio_mid.to_owned(),
                abs_send_time: abs_send_time_ext,
                transport_cc: transport_cc_ext,
            },
            queue_bytes: queue_bytes.max(65_536),
            pace: true,
        };
        py.detach(|| self.inner.subscribe_session(session, order)).map_err(refused)
    }

    #[pyo3(signature = (stream, fd, host, host_port, *, video, audio, video_ssrc, audio_ssrc, cname, srtp = None,
        queue_bytes = 4_000_000, pace = true))]
    #[allow(clippy::too_many_arguments)]
    fn subscribe_rtp(
        &self,
        py: Python<'_>,
        stream: u64,
        fd: i32,
        host: &str,
        host_port: u16,
        video: Vec<RtpMap>,
        audio: Vec<RtpMap>,
        video_ssrc: u32,
        audio_ssrc: u32,
        cname: &str,
        srtp: Option<(String, Vec<u8>, Vec<u8>)>,
        queue_bytes: usize,
        pace: bool,
    ) -> PyResult<u64> {
        let fd = own(fd);
        let (host, cname) = (host.to_owned(), cname.to_owned());
        py.detach(|| {
            let fd = fd?;
            let to = address(&host, host_port)?;
            if cname.len() > 255 {
                return Err(OrderError::new("a cname is at most 255 bytes"));
            }
            let key = srtp.map(|(name, key, salt)| srtp_key(self::profile(&name)?, &key, &salt)).transpose()?;
            let order = order::Subscribe {
                stream,
                video: maps(video),
                audio: maps(audio),
                video_ssrc,
                video_rtx_ssrc: 0,
                audio_ssrc,
                cname,
                extensions: order::Extensions::default(),
                queue_bytes: queue_bytes.max(65_536),
                pace,
            };
            self.inner.subscribe_rtp(fd, to, key, order)
        })
        .map_err(refused)
    }

    #[pyo3(signature = (stream, fd, *, key_frames_only = false))]
    fn open_frames_out(&self, py: Python<'_>, stream: u64, fd: i32, key_frames_only: bool) -> PyResult<u64> {
        let fd = own(fd);
        py.detach(|| self.inner.open_frames_out(stream, fd?, key_frames_only)).map_err(refused)
    }

    fn move_subscription(&self, py: Python<'_>, subscription: u64, stream: u64) -> PyResult<()> {
        py.detach(|| self.inner.move_subscription(subscription, stream)).map_err(refused)
    }

    fn unsubscribe(&self, py: Python<'_>, subscription: u64) {
        py.detach(|| self.inner.unsubscribe(subscription));
    }

    /// For the test of the isolation: the next unit of this stream panics.
    fn _panic_stream(&self, py: Python<'_>, stream: u64) {
        py.detach(|| self.inner.panic_stream(stream));
    }
}
