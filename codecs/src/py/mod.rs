//! The Python face, and the only place that names pyo3. Its reference is gateway/codecs.pyi, held to this by stubtest.

mod engine;
mod engine_bundle;
mod engine_bytes;
mod engine_figures;
mod engine_rtmp;
mod engine_rtsp;
mod engine_tls;
mod engine_voice;
mod engine_wires;
mod events;
mod rtp_map;

use pyo3::prelude::*;

pyo3::create_exception!(
    gateway.codecs,
    MediaError,
    pyo3::exceptions::PyException,
    "An order that can not be carried out: bad argument, unknown handle where one is needed, refused socket call."
);

fn refused(error: crate::relay::OrderError) -> PyErr {
    MediaError::new_err(error.to_string())
}

/// What a first RTP payload holds.
#[pyfunction]
fn probe(payload: &[u8]) -> &'static str {
    crate::relay::probe_name(payload)
}

/// What a stream of bytes or a datagram holds.
#[pyfunction]
fn probe_bytes(data: &[u8]) -> String {
    crate::packet::probe_bytes::probe_bytes(data)
}

/// The SRTP library and the CPU features it uses.
#[pyfunction]
fn crypto_backend() -> String {
    crate::rtp::srtp::backend()
}

#[pymodule]
fn codecs(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    m.add("MediaError", m.py().get_type::<MediaError>())?;
    events::register(m)?;
    m.add_class::<rtp_map::RtpMap>()?;
    m.add_class::<engine_rtsp::RtspIn>()?;
    m.add_class::<engine_rtsp::RtspOut>()?;
    m.add_class::<engine::Engine>()?;
    aliases(m)?;
    m.add_function(wrap_pyfunction!(probe, m)?)?;
    m.add_function(wrap_pyfunction!(probe_bytes, m)?)?;
    m.add_function(wrap_pyfunction!(crypto_backend, m)?)?;
    m.add_function(wrap_pyfunction!(engine_bundle::bundle_keys, m)?)?;
    Ok(())
}

/// The type aliases of the stub, so that annotations with them hold at run time too.
fn aliases(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    for name in ["Stream", "Leg", "Port", "Session", "Subscription", "Voice", "Room", "Wire", "Bundle", "Door"] {
        m.add(name, py.get_type::<pyo3::types::PyInt>())?;
    }
    m.add(
        "CodecName",
        one_of(
            py,
            &[
                "h264",
                "h265",
                "mjpeg",
                "mpeg2video",
                "aac",
                "pcma",
                "pcmu",
                "opus",
                "g722",
                "l16",
                "mp2",
                "ac3",
                "eac3",
            ],
        )?,
    )?;
    m.add("SrtpProfile", one_of(py, &crate::rtp::srtp::Profile::ALL.map(crate::rtp::srtp::Profile::name))?)?;
    m.add("Event", events::union(py)?)?;
    Ok(())
}

/// A union of literals, as type checkers see it.
fn one_of<'py>(py: Python<'py>, words: &[&str]) -> PyResult<Bound<'py, PyAny>> {
    let typing = py.import("typing")?;
    let literal = typing.getattr("Literal")?;
    let each = words.iter().map(|word| literal.get_item(word)).collect::<PyResult<Vec<_>>>()?;
    typing.getattr("Union")?.get_item(pyo3::types::PyTuple::new(py, each)?)
}
