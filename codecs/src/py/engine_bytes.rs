//! Containers in and out over stream sockets and pipes.

use pyo3::prelude::*;

use super::engine::{address, own, Engine};
use super::engine_voice::voice_rtp;
use super::refused;
use super::rtp_map::RtpMap;
use crate::relay::engine_lines::BytesIn;
use crate::relay::order::VoiceLine;
use crate::relay::OrderError;

pub(super) fn check_stall(stall_ms: u64) -> Result<(), OrderError> {
    if (100..=600_000).contains(&stall_ms) {
        return Ok(());
    }
    Err(OrderError::new("stall_ms is 100 to 600000"))
}

#[pymethods]
impl Engine {
    #[pyo3(signature = (stream, fd, container, *, program = 0, initial = None, stall_ms = 3000))]
    #[allow(clippy::too_many_arguments)]
    fn open_bytes_in(
        &self,
        py: Python<'_>,
        stream: u64,
        fd: i32,
        container: &str,
        program: u16,
        initial: Option<&[u8]>,
        stall_ms: u64,
    ) -> PyResult<u64> {
        let fd = own(fd);
        let (container, initial) = (container.to_owned(), initial.unwrap_or_default().to_vec());
        py.detach(|| {
            let fd = fd?;
            check_stall(stall_ms)?;
            self.inner.open_bytes_in(BytesIn { stream, fd, container, program, initial, stall_ms })
        })
        .map_err(refused)
    }

    #[pyo3(signature = (leg, *, send))]
    fn open_voice_jt1078(&self, py: Python<'_>, leg: u64, send: Vec<RtpMap>) -> PyResult<u64> {
        let rtp = voice_rtp(send.clone(), send, 0, String::new(), 40, 0, String::new());
        py.detach(|| {
            let mut rtp = rtp?;
            rtp.send.retain(|m| matches!(m.codec.as_str(), "pcma" | "pcmu"));
            // RFC 3551's numbers say which of the two it is.
            rtp.send.iter_mut().for_each(|m| m.pt = if m.codec == "pcma" { 8 } else { 0 });
            self.inner.open_voice(VoiceLine::Leg { leg, channel: 0, rtp })
        })
        .map_err(refused)
    }

    #[pyo3(signature = (stream, fd, container, *, part_ms = 200, segment_ms = 2000, queue_bytes = 8_000_000))]
    #[allow(clippy::too_many_arguments)]
    fn open_container_out(
        &self,
        py: Python<'_>,
        stream: u64,
        fd: i32,
        container: &str,
        part_ms: u32,
        segment_ms: u32,
        queue_bytes: usize,
    ) -> PyResult<u64> {
        let fd = own(fd);
        let container = container.to_owned();
        py.detach(|| {
            let fd = fd?;
            if !(20..=10_000).contains(&part_ms) || !(part_ms..=60_000).contains(&segment_ms) {
                return Err(OrderError::new("part_ms is 20 to 10000, segment_ms at least that and at most 60000"));
            }
            let bytes = queue_bytes.max(65_536);
            self.inner.open_container_out(stream, fd, &container, (part_ms, segment_ms), bytes)
        })
        .map_err(refused)
    }

    #[pyo3(signature = (stream, udp_fd, *, program = 0, source = "", stall_ms = 3000))]
    fn open_ts_in(
        &self,
        py: Python<'_>,
        stream: u64,
        udp_fd: i32,
        program: u16,
        source: &str,
        stall_ms: u64,
    ) -> PyResult<u64> {
        let fd = own(udp_fd);
        let source = source.to_owned();
        py.detach(|| {
            let fd = fd?;
            check_stall(stall_ms)?;
            let only = (!source.is_empty()).then(|| address(&source, 1)).transpose()?;
            self.inner.open_ts_in(stream, fd, program, only.map(|a| a.ip()), stall_ms)
        })
        .map_err(refused)
    }

    #[pyo3(signature = (stream, fd, host, port, *, rtp = false, bitrate_bps = 0, queue_bytes = 4_000_000))]
    #[allow(clippy::too_many_arguments)]
    fn subscribe_ts_udp(
        &self,
        py: Python<'_>,
        stream: u64,
        fd: i32,
        host: &str,
        port: u16,
        rtp: bool,
        bitrate_bps: u64,
        queue_bytes: usize,
    ) -> PyResult<u64> {
        let fd = own(fd);
        let host = host.to_owned();
        py.detach(|| {
            let fd = fd?;
            if bitrate_bps != 0 && !(64_000..=1_000_000_000).contains(&bitrate_bps) {
                return Err(OrderError::new("bitrate_bps is 64000 to 1000000000, or 0 for as it comes"));
            }
            let to = address(&host, port)?;
            self.inner.subscribe_ts_udp(stream, fd, to, (rtp, bitrate_bps), queue_bytes.max(65_536))
        })
        .map_err(refused)
    }
}
