//! `Engine`'s face for link bundles.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::engine::{address, own, Engine};
use super::refused;
use crate::relay::order::Figure;
use crate::relay::order_bundle::{Dial, FlowOrder, PathOrder};
use crate::relay::{engine_bundle, OrderError};

/// A key pair of X25519: (private, public).
#[pyfunction]
#[pyo3(signature = (private = None))]
pub fn bundle_keys<'py>(
    py: Python<'py>,
    private: Option<&[u8]>,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let (private, public) = engine_bundle::keys(private).map_err(refused)?;
    Ok((PyBytes::new(py, &private), PyBytes::new(py, &public)))
}

fn key(bytes: &[u8]) -> Result<[u8; 32], OrderError> {
    bytes.try_into().map_err(|_| OrderError::new("a key has 32 bytes"))
}

#[pymethods]
impl Engine {
    #[pyo3(signature = (*, private, peer, gateway, boot, suite = 1))]
    fn bundle_dial(
        &self,
        py: Python<'_>,
        private: &[u8],
        peer: &[u8],
        gateway: String,
        boot: u64,
        suite: u8,
    ) -> PyResult<u64> {
        let keys = key(private).and_then(|private| Ok((private, key(peer)?)));
        let (private, peer) = keys.map_err(refused)?;
        let order = Dial { private, peer, gateway, boot, suite };
        py.detach(|| self.inner.bundle_dial(order)).map_err(refused)
    }

    #[pyo3(signature = (fd, *, private))]
    fn bundle_listen(&self, py: Python<'_>, fd: i32, private: &[u8]) -> PyResult<u64> {
        let fd = own(fd);
        let private = key(private).map_err(refused)?;
        py.detach(|| self.inner.bundle_listen(fd?, private)).map_err(refused)
    }

    fn bundle_admit(&self, py: Python<'_>, door: u64, peers: Vec<(Vec<u8>, String)>) -> PyResult<()> {
        let peers = peers.into_iter().map(|(bytes, id)| Ok((key(&bytes)?, id))).collect::<Result<Vec<_>, OrderError>>();
        let peers = peers.map_err(refused)?;
        py.detach(|| self.inner.bundle_admit(door, peers)).map_err(refused)
    }

    #[pyo3(signature = (door, fd, *, initial = None, host = ""))]
    fn bundle_accept_tcp(
        &self,
        py: Python<'_>,
        door: u64,
        fd: i32,
        initial: Option<&[u8]>,
        host: &str,
    ) -> PyResult<()> {
        let fd = own(fd);
        let (initial, address) = (initial.unwrap_or_default().to_vec(), host.parse().ok());
        py.detach(|| self.inner.bundle_accept_tcp(door, fd?, initial, address)).map_err(refused)
    }

    #[pyo3(signature = (bundle, fd, host, port, *, path, name, kind, cost = 0, mtu = 1350, initial = None, barred = Vec::new()))]
    #[allow(clippy::too_many_arguments)]
    fn bundle_path(
        &self,
        py: Python<'_>,
        bundle: u64,
        fd: i32,
        host: &str,
        port: u16,
        path: u8,
        name: String,
        kind: &str,
        cost: u8,
        mtu: u16,
        initial: Option<&[u8]>,
        barred: Vec<String>,
    ) -> PyResult<()> {
        let fd = own(fd);
        let made = (|| {
            let stream = match kind {
                "udp" => false,
                "stream" => true,
                _ => return Err(OrderError::new("a path is \"udp\" or \"stream\"")),
            };
            let to = address(host, port)?;
            let (initial, barred) = (initial.unwrap_or_default().to_vec(), PathOrder::classes(&barred)?);
            Ok(PathOrder { path, name, stream, to, cost, mtu, barred, initial })
        })();
        py.detach(|| self.inner.bundle_path(bundle, fd?, made?)).map_err(refused)
    }

    fn bundle_drop_path(&self, py: Python<'_>, bundle: u64, path: u8) {
        py.detach(|| self.inner.bundle_drop_path(bundle, path));
    }

    #[pyo3(signature = (bundle, flow, fd, *, carries, way, klass = "video", mode = "best", playout_ms = 0))]
    #[allow(clippy::too_many_arguments)]
    fn bundle_flow(
        &self,
        py: Python<'_>,
        bundle: u64,
        flow: u16,
        fd: i32,
        carries: &str,
        way: &str,
        klass: &str,
        mode: &str,
        playout_ms: u32,
    ) -> PyResult<()> {
        let fd = own(fd);
        let order = FlowOrder::read(flow, carries, way, klass, mode, playout_ms);
        py.detach(|| self.inner.bundle_flow(bundle, fd?, order?)).map_err(refused)
    }

    #[pyo3(signature = (bundle, flow, handle, *, way))]
    fn bundle_join(&self, py: Python<'_>, bundle: u64, flow: u16, handle: u64, way: &str) -> PyResult<()> {
        let out = FlowOrder::way(way).map_err(refused)?;
        py.detach(|| self.inner.bundle_join(bundle, flow, handle, out));
        Ok(())
    }

    fn bundle_want_key(&self, py: Python<'_>, bundle: u64, flow: u16) {
        py.detach(|| self.inner.bundle_want_key(bundle, flow));
    }

    #[pyo3(signature = (bundle, flow, *, way = "out"))]
    fn bundle_close_flow(&self, py: Python<'_>, bundle: u64, flow: u16, way: &str) -> PyResult<()> {
        let out = FlowOrder::way(way).map_err(refused)?;
        py.detach(|| self.inner.bundle_close_flow(bundle, flow, out));
        Ok(())
    }

    #[pyo3(signature = (bundle, fd, *, purpose = "", stream = 0))]
    fn bundle_stream(&self, py: Python<'_>, bundle: u64, fd: i32, purpose: &str, stream: u32) -> PyResult<u32> {
        let fd = own(fd);
        let purpose = purpose.to_owned();
        py.detach(|| self.inner.bundle_stream(bundle, fd?, purpose, stream)).map_err(refused)
    }

    fn bundle_stats(&self, py: Python<'_>, handle: u64) -> PyResult<Py<PyDict>> {
        let list = py.detach(|| self.inner.bundle_stats(handle)).map_err(refused)?;
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

    fn bundle_close(&self, py: Python<'_>, handle: u64) {
        py.detach(|| self.inner.bundle_close(handle));
    }
}
