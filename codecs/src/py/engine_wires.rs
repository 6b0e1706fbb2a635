//! Wires: connections that are bound to a stream once it is known what they carry.

use std::net::{IpAddr, SocketAddr};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::engine::{address, Engine};
use super::engine_bytes::check_stall;
use super::engine_figures::figures;
use super::{refused, MediaError};
use crate::relay::line::Outward;
use crate::relay::OrderError;
use crate::srt::library::library;
use crate::srt::socket::Options;

#[pymethods]
impl Engine {
    #[pyo3(signature = (wire, stream, *, stall_ms = 3000, program = 0))]
    fn bind_in(&self, py: Python<'_>, wire: u64, stream: u64, stall_ms: u64, program: u16) -> PyResult<u64> {
        check_stall(stall_ms).map_err(refused)?;
        py.detach(|| self.inner.bind_in(wire, stream, stall_ms, program)).map_err(refused)
    }

    #[pyo3(signature = (wire, stream, *, message_stream = 1, enhanced = true, queue_bytes = 4_000_000))]
    fn bind_out(
        &self,
        py: Python<'_>,
        wire: u64,
        stream: u64,
        message_stream: u32,
        enhanced: bool,
        queue_bytes: usize,
    ) -> PyResult<u64> {
        let outward = Outward { message_stream, enhanced };
        py.detach(|| self.inner.bind_out(wire, stream, outward, queue_bytes.max(65_536))).map_err(refused)
    }

    fn close_wire(&self, py: Python<'_>, wire: u64) {
        py.detach(|| self.inner.close_wire(wire));
    }

    fn srt_version(&self, py: Python<'_>) -> String {
        py.detach(|| library().map(|l| l.version.clone()).unwrap_or_default())
    }

    #[pyo3(signature = (host, port, *, latency_ms = 120, passphrases = None, backlog = 16))]
    fn srt_listen(
        &self,
        py: Python<'_>,
        host: &str,
        port: u16,
        latency_ms: i32,
        passphrases: Option<Vec<(String, String)>>,
        backlog: i32,
    ) -> PyResult<(u64, u16)> {
        check_latency(latency_ms).map_err(refused)?;
        let at = SocketAddr::new(ip(host).map_err(refused)?, port);
        let backlog = backlog.clamp(1, 1024);
        py.detach(|| self.inner.srt_listen(at, latency_ms, passphrases.unwrap_or_default(), backlog)).map_err(refused)
    }

    fn srt_passphrases(&self, py: Python<'_>, listener: u64, passphrases: Vec<(String, String)>) -> PyResult<()> {
        py.detach(|| self.inner.srt_passphrases(listener, passphrases)).map_err(refused)
    }

    fn srt_latencies(&self, py: Python<'_>, listener: u64, latencies: Vec<(String, i32)>) -> PyResult<()> {
        let each = |(host, ms): &(String, i32)| check_latency(*ms).and_then(|()| Ok((ip(host)?, *ms)));
        let made = latencies.iter().map(each).collect::<Result<_, _>>().map_err(refused)?;
        py.detach(|| self.inner.srt_latencies(listener, made)).map_err(refused)
    }

    #[pyo3(signature = (host, port, *, stream_id = "", passphrase = "", latency_ms = 120, rendezvous = false,
        local_host = "", local_port = 0, timeout_ms = 3000))]
    #[allow(clippy::too_many_arguments)]
    fn srt_connect(
        &self,
        py: Python<'_>,
        host: &str,
        port: u16,
        stream_id: &str,
        passphrase: &str,
        latency_ms: i32,
        rendezvous: bool,
        local_host: &str,
        local_port: u16,
        timeout_ms: i32,
    ) -> PyResult<u64> {
        check_latency(latency_ms).map_err(refused)?;
        if !(100..=60_000).contains(&timeout_ms) {
            return Err(MediaError::new_err("timeout_ms is 100 to 60000"));
        }
        let to = address(host, port).map_err(refused)?;
        // libsrt wants a rendezvous bound; the same port on both sides is how it is done.
        let local_port = if rendezvous && local_port == 0 { port } else { local_port };
        let any = if to.is_ipv6() { IpAddr::from([0u16; 8]) } else { IpAddr::from([0u8; 4]) };
        let local = if local_host.is_empty() { any } else { ip(local_host).map_err(refused)? };
        let from = (!local_host.is_empty() || local_port != 0).then_some(SocketAddr::new(local, local_port));
        let options = Options {
            latency_ms,
            stream_id: stream_id.to_owned(),
            passphrase: passphrase.to_owned(),
            // libsrt waits ten times as long for a rendezvous.
            timeout_ms: if rendezvous { (timeout_ms / 10).max(10) } else { timeout_ms },
            rendezvous,
        };
        py.detach(|| self.inner.srt_connect(to, from, &options)).map_err(refused)
    }

    fn srt_stats(&self, py: Python<'_>, wire: u64) -> PyResult<Py<PyDict>> {
        let list = py.detach(|| self.inner.line_figures(wire)).map_err(refused)?;
        figures(py, list)
    }
}

fn ip(host: &str) -> Result<IpAddr, OrderError> {
    host.parse().map_err(|_| OrderError::new(format!("{host:?} is not an IP address")))
}

fn check_latency(ms: i32) -> Result<(), OrderError> {
    if (0..=60_000).contains(&ms) {
        return Ok(());
    }
    Err(OrderError::new("latency_ms is 0 to 60000"))
}
