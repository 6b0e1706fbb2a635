//! Figures of the plane as Python's dictionaries.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::engine::Engine;
use super::refused;
use crate::relay::order::{Figure, Figures};

pub(super) fn figures(py: Python<'_>, list: Figures) -> PyResult<Py<PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in list {
        match value {
            Figure::Int(v) => dict.set_item(name, v)?,
            Figure::Float(v) => dict.set_item(name, v)?,
            Figure::Text(v) => dict.set_item(name, v)?,
        }
    }
    Ok(dict.unbind())
}

type ByHandle = BTreeMap<u64, Py<PyDict>>;

fn by_handle(py: Python<'_>, all: Vec<(u64, Figures)>) -> PyResult<ByHandle> {
    all.into_iter().map(|(id, list)| Ok((id, figures(py, list)?))).collect()
}

#[pymethods]
impl Engine {
    fn stream_stats(&self, py: Python<'_>, stream: u64) -> PyResult<Py<PyDict>> {
        let list = py.detach(|| self.inner.stream_stats(stream)).map_err(refused)?;
        figures(py, list)
    }

    fn all_stream_stats(&self, py: Python<'_>) -> PyResult<ByHandle> {
        by_handle(py, py.detach(|| self.inner.all_stream_stats()).map_err(refused)?)
    }

    fn leg_stats(&self, py: Python<'_>, leg: u64) -> PyResult<Py<PyDict>> {
        let list = py.detach(|| self.inner.leg_stats(leg)).map_err(refused)?;
        figures(py, list)
    }

    fn subscription_stats(&self, py: Python<'_>, subscription: u64) -> PyResult<Py<PyDict>> {
        let list = py.detach(|| self.inner.subscription_stats(subscription)).map_err(refused)?;
        figures(py, list)
    }

    fn engine_stats(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let list = py.detach(|| self.inner.engine_stats()).map_err(refused)?;
        figures(py, list)
    }

    fn all_stats(&self, py: Python<'_>) -> PyResult<(Py<PyDict>, ByHandle, ByHandle, Py<PyDict>)> {
        let all = py.detach(|| self.inner.all_stats()).map_err(refused)?;
        let (streams, legs) = (by_handle(py, all.streams)?, by_handle(py, all.legs)?);
        Ok((figures(py, all.engine)?, streams, legs, figures(py, all.voice)?))
    }
}
