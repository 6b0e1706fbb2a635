//! RTMP: connections behind their handshake, and messages to them.

use pyo3::prelude::*;

use super::engine::{own, Engine};
use super::refused;
use crate::container::rtmp::read::MAX_COMMAND_BYTES;
use crate::relay::line::LineOrder;
use crate::relay::wire_rtmp::RtmpLine;
use crate::relay::{sys, OrderError};

#[pymethods]
impl Engine {
    #[pyo3(signature = (fd, *, initial = None, ack_window = 2_500_000))]
    fn open_rtmp(&self, py: Python<'_>, fd: i32, initial: Option<&[u8]>, ack_window: u32) -> PyResult<u64> {
        let fd = own(fd);
        let initial = initial.unwrap_or_default().to_vec();
        py.detach(|| {
            let fd = fd?;
            sys::check_stream(&fd)?;
            self.inner.open_wire(Box::new(RtmpLine::new(fd, initial, ack_window)))
        })
        .map_err(refused)
    }

    #[pyo3(signature = (wire, *, type_id, stream_id, data, chunk_stream = 3))]
    fn rtmp_send(
        &self,
        py: Python<'_>,
        wire: u64,
        type_id: u8,
        stream_id: u32,
        data: &[u8],
        chunk_stream: u32,
    ) -> PyResult<()> {
        if data.len() > MAX_COMMAND_BYTES || !(2..64).contains(&chunk_stream) {
            return Err(refused(OrderError::new("a message is at most 64 KiB, on chunk streams 2 to 63")));
        }
        let order = LineOrder::Rtmp { type_id, stream_id, chunk_stream, data: data.to_vec() };
        py.detach(|| self.inner.line_order(wire, order));
        Ok(())
    }
}
