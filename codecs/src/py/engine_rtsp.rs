//! `Engine`'s face for RTSP: tracks that come and go apart, messages among them.

use std::collections::BTreeMap;

use pyo3::prelude::*;

use super::engine::{address, maps, own, Engine};
use super::engine_voice::voice_rtp;
use super::rtp_map::RtpMap;
use super::{refused, MediaError};
use crate::hub::unit::Kind;
use crate::relay::rtsp_framing::MAX_TEXT_BYTES;
use crate::relay::rtsp_origin::Origin;
use crate::relay::{order, OrderError};

/// Whom a track may come from: the server, and what its `source=` says.
const MAX_HOSTS: usize = 4;
/// Tracks of one leg: a picture, its sound, and what a device adds.
const MAX_TRACKS: usize = 4;

fn channel(value: i32) -> Result<Option<u8>, OrderError> {
    match value {
        -1 => Ok(None),
        0..=254 if value % 2 == 0 => Ok(Some(value as u8)),
        _ => Err(OrderError::new("a channel of RTP is even, 0 to 254")),
    }
}

#[pyclass(frozen, module = "gateway.codecs", from_py_object)]
#[derive(Clone)]
pub struct RtspIn {
    payloads: Vec<RtpMap>,
    channel: i32,
    rtp_fd: Option<i32>,
    rtcp_fd: Option<i32>,
    origin: Origin,
    ssrc: Option<u32>,
}

fn origin(hosts: &[String], ports: (u16, u16)) -> Result<Origin, OrderError> {
    if hosts.len() > MAX_HOSTS {
        return Err(OrderError::new("a track comes from at most four addresses"));
    }
    // Port 9 is a place holder here: only the address is read.
    let hosts =
        hosts.iter().map(|host| Ok(address(host, 9)?.ip().to_canonical())).collect::<Result<_, OrderError>>()?;
    let ports = [ports.0, ports.1].into_iter().filter(|port| *port != 0).collect();
    Ok(Origin { hosts, ports })
}

#[pymethods]
impl RtspIn {
    #[new]
    #[pyo3(signature = (payloads, *, channel = -1, rtp_fd = None, rtcp_fd = None, hosts = vec![], ports = (0, 0),
        ssrc = None),
        text_signature = "(payloads, *, channel=-1, rtp_fd=None, rtcp_fd=None, hosts=(), ports=(0, 0), ssrc=None)")]
    #[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)]
    fn new(
        payloads: Vec<RtpMap>,
        channel: i32,
        rtp_fd: Option<i32>,
        rtcp_fd: Option<i32>,
        hosts: Vec<String>,
        ports: (u16, u16),
        ssrc: Option<u32>,
    ) -> PyResult<Self> {
        self::channel(channel).map_err(refused)?;
        if (channel < 0) == rtp_fd.is_none() {
            return Err(MediaError::new_err("a track comes on a channel or to a socket"));
        }
        let origin = origin(&hosts, ports).map_err(refused)?;
        Ok(Self { payloads, channel, rtp_fd, rtcp_fd, origin, ssrc })
    }
}

impl RtspIn {
    fn take(self) -> Result<order::RtspIn, OrderError> {
        let (rtp, rtcp) = (self.rtp_fd.map(own), self.rtcp_fd.map(own));
        Ok(order::RtspIn {
            payloads: maps(self.payloads),
            channel: channel(self.channel)?,
            rtp: rtp.transpose()?,
            rtcp: rtcp.transpose()?,
            origin: self.origin,
            ssrc: self.ssrc,
        })
    }
}

#[pyclass(frozen, module = "gateway.codecs", from_py_object)]
#[derive(Clone)]
pub struct RtspOut {
    payload: RtpMap,
    ssrc: u32,
    channel: i32,
    rtp_fd: Option<i32>,
    rtcp_fd: Option<i32>,
    host: String,
    rtp_port: u16,
    rtcp_port: u16,
}

#[pymethods]
impl RtspOut {
    #[new]
    #[pyo3(signature = (payload, ssrc, *, channel = -1, rtp_fd = None, rtcp_fd = None, host = "", rtp_port = 0,
        rtcp_port = 0),
        text_signature = "(payload, ssrc, *, channel=-1, rtp_fd=None, rtcp_fd=None, host='', rtp_port=0, rtcp_port=0)")]
    #[allow(clippy::too_many_arguments)]
    fn new(
        payload: RtpMap,
        ssrc: u32,
        channel: i32,
        rtp_fd: Option<i32>,
        rtcp_fd: Option<i32>,
        host: &str,
        rtp_port: u16,
        rtcp_port: u16,
    ) -> PyResult<Self> {
        self::channel(channel).map_err(refused)?;
        if payload.inner.known_codec().is_none() {
            return Err(MediaError::new_err(format!("no codec {:?}", payload.inner.codec)));
        }
        if (channel < 0) == rtp_fd.is_none() {
            return Err(MediaError::new_err("a track goes on a channel or from a socket"));
        }
        Ok(Self { payload, ssrc, channel, rtp_fd, rtcp_fd, host: host.to_owned(), rtp_port, rtcp_port })
    }
}

impl RtspOut {
    fn kind(&self) -> Kind {
        self.payload.inner.known_codec().map_or(Kind::Video, |codec| codec.kind())
    }

    fn take(self) -> Result<order::RtspOut, OrderError> {
        let (rtp, rtcp) = (self.rtp_fd.map(own), self.rtcp_fd.map(own));
        let to = match rtp {
            Some(_) => {
                let rtcp_port = if self.rtcp_port == 0 { self.rtp_port.saturating_add(1) } else { self.rtcp_port };
                Some((address(&self.host, self.rtp_port)?, address(&self.host, rtcp_port)?))
            }
            None => None,
        };
        let kind = self.kind();
        let (rtp, rtcp) = (rtp.transpose()?, rtcp.transpose()?);
        Ok(order::RtspOut { kind, channel: channel(self.channel)?, rtp, rtcp, to })
    }
}

#[pymethods]
impl Engine {
    #[pyo3(signature = (stream, tracks, *, fd = None, initial = None, reports = true, stall_ms = 3000,
        jitter_packets = 150, jitter_ms = 200))]
    #[allow(clippy::too_many_arguments)]
    fn open_rtsp_in(
        &self,
        py: Python<'_>,
        stream: u64,
        tracks: Vec<RtspIn>,
        fd: Option<i32>,
        initial: Option<&[u8]>,
        reports: bool,
        stall_ms: u64,
        jitter_packets: usize,
        jitter_ms: u64,
    ) -> PyResult<u64> {
        let fd = fd.map(own);
        // All are taken over before any is found wanting.
        let tracks: Vec<_> = tracks.into_iter().map(RtspIn::take).collect();
        let initial = initial.unwrap_or_default().to_vec();
        py.detach(|| {
            let fd = fd.transpose()?;
            let tracks = tracks.into_iter().collect::<Result<Vec<_>, _>>()?;
            if !(1..=4096).contains(&jitter_packets) || jitter_ms > 10_000 || !(100..=600_000).contains(&stall_ms) {
                return Err(OrderError::new(
                    "jitter_packets is 1 to 4096, jitter_ms up to 10000, stall_ms 100 to 600000",
                ));
            }
            if tracks.is_empty() || tracks.len() > MAX_TRACKS {
                return Err(OrderError::new("one to four tracks"));
            }
            if initial.len() > MAX_TEXT_BYTES {
                return Err(OrderError::new("initial is at most 64 KiB"));
            }
            if tracks.iter().any(|t| t.channel.is_some()) != fd.is_some() {
                return Err(OrderError::new("channels need the connection, and it needs channels"));
            }
            self.inner.open_rtsp_in(order::OpenRtsp {
                stream,
                tracks,
                fd,
                initial,
                reports,
                stall_ms,
                jitter_packets,
                jitter_ms,
            })
        })
        .map_err(refused)
    }

    #[pyo3(signature = (stream, tracks, *, fd = None, initial = None, cname = "fieldgate", queue_bytes = 4_000_000,
        pace = true, held = false))]
    #[allow(clippy::too_many_arguments)]
    fn subscribe_rtsp(
        &self,
        py: Python<'_>,
        stream: u64,
        tracks: Vec<RtspOut>,
        fd: Option<i32>,
        initial: Option<&[u8]>,
        cname: &str,
        queue_bytes: usize,
        pace: bool,
        held: bool,
    ) -> PyResult<u64> {
        let fd = fd.map(own);
        let kinds: Vec<Kind> = tracks.iter().map(RtspOut::kind).collect();
        let of = |kind: Kind| tracks.iter().find(|t| t.kind() == kind);
        let map = |kind: Kind| of(kind).map(|t| t.payload.inner.clone()).into_iter().collect::<Vec<_>>();
        let ssrc = |kind: Kind| of(kind).map_or(0, |t| t.ssrc);
        let order = order::Subscribe {
            stream,
            video: map(Kind::Video),
            audio: map(Kind::Audio),
            video_ssrc: ssrc(Kind::Video),
            video_rtx_ssrc: 0,
            audio_ssrc: ssrc(Kind::Audio),
            cname: cname.to_owned(),
            extensions: order::Extensions::default(),
            queue_bytes: queue_bytes.max(65_536),
            pace,
        };
        let tracks: Vec<_> = tracks.into_iter().map(RtspOut::take).collect();
        let initial = initial.unwrap_or_default().to_vec();
        py.detach(|| {
            let fd = fd.transpose()?;
            let tracks = tracks.into_iter().collect::<Result<Vec<_>, _>>()?;
            if order.cname.len() > 255 {
                return Err(OrderError::new("a cname is at most 255 bytes"));
            }
            let twice = |kind: Kind| kinds.iter().filter(|k| **k == kind).count() > 1;
            if tracks.is_empty() || twice(Kind::Video) || twice(Kind::Audio) {
                return Err(OrderError::new("one track of video, one of audio, or both"));
            }
            if initial.len() > MAX_TEXT_BYTES {
                return Err(OrderError::new("initial is at most 64 KiB"));
            }
            if tracks.iter().any(|t| t.channel.is_some()) != fd.is_some() {
                return Err(OrderError::new("channels need the connection, and it needs channels"));
            }
            self.inner.subscribe_rtsp(order::SubscribeRtsp { tracks, fd, initial, held, order })
        })
        .map_err(refused)
    }

    fn hold_rtsp(&self, py: Python<'_>, subscription: u64, held: bool) {
        py.detach(|| self.inner.hold_rtsp(subscription, held));
    }

    fn rtp_info(&self, py: Python<'_>, subscription: u64) -> PyResult<BTreeMap<&'static str, (u16, u32)>> {
        let list = py.detach(|| self.inner.rtp_info(subscription)).map_err(refused)?;
        Ok(list.into_iter().collect())
    }

    fn send_text(&self, py: Python<'_>, handle: u64, data: &[u8]) -> PyResult<()> {
        if data.len() > MAX_TEXT_BYTES {
            return Err(MediaError::new_err("a message is at most 64 KiB"));
        }
        let data = data.to_vec();
        py.detach(|| self.inner.send_text(handle, data));
        Ok(())
    }

    #[pyo3(signature = (leg, channel, *, send, ssrc, cname, ptime_ms = 20))]
    #[allow(clippy::too_many_arguments)]
    fn open_voice_rtsp(
        &self,
        py: Python<'_>,
        leg: u64,
        channel: i32,
        send: Vec<RtpMap>,
        ssrc: u32,
        cname: &str,
        ptime_ms: u32,
    ) -> PyResult<u64> {
        let rtp = voice_rtp(send.clone(), send, ssrc, cname.to_owned(), ptime_ms, 0, String::new());
        py.detach(|| {
            let channel = self::channel(channel)?.ok_or(OrderError::new("the channel it was set up with"))?;
            self.inner.open_voice(order::VoiceLine::Leg { leg, channel, rtp: rtp? })
        })
        .map_err(refused)
    }
}
