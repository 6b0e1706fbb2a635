//! `RtpMap`: one payload type of a peer.

use pyo3::prelude::*;

use super::MediaError;
use crate::relay::order;

#[pyclass(frozen, module = "gateway.codecs", from_py_object)]
#[derive(Clone)]
pub struct RtpMap {
    pub inner: order::RtpMap,
}

#[pymethods]
impl RtpMap {
    #[new]
    #[pyo3(signature = (pt, codec, clock_hz, *, rtx_pt = 0, fmtp = "", channels = 1))]
    fn new(pt: u8, codec: &str, clock_hz: u32, rtx_pt: u8, fmtp: &str, channels: u8) -> PyResult<Self> {
        if pt > 127 || rtx_pt > 127 {
            return Err(MediaError::new_err("a payload type is 0 to 127"));
        }
        if clock_hz == 0 || codec.is_empty() {
            return Err(MediaError::new_err("codec and clock_hz must be given"));
        }
        Ok(Self {
            inner: order::RtpMap {
                pt,
                codec: codec.to_ascii_lowercase(),
                clock_hz,
                rtx_pt,
                fmtp: fmtp.to_owned(),
                channels,
            },
        })
    }

    fn __repr__(&self) -> String {
        let m = &self.inner;
        format!("RtpMap({}, {:?}, {}, rtx_pt={}, fmtp={:?})", m.pt, m.codec, m.clock_hz, m.rtx_pt, m.fmtp)
    }
}
