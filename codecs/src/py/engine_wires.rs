//! Wires: connections that are bound to a stream once it is known what they carry.

use pyo3::prelude::*;

use super::engine::Engine;
use super::engine_bytes::check_stall;
use super::refused;
use crate::relay::line::Outward;

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
}
