//! `Engine`'s face for TLS.

use std::os::fd::IntoRawFd;

use pyo3::prelude::*;

use super::engine::{own, Engine};
use super::refused;

#[pymethods]
impl Engine {
    fn tls_server(&self, py: Python<'_>, fd: i32, certificate: &str, key: &str) -> PyResult<i32> {
        let fd = own(fd);
        py.detach(|| self.inner.tls.server(fd?, certificate, key)).map(IntoRawFd::into_raw_fd).map_err(refused)
    }

    #[pyo3(signature = (fd, server_name, ca = "", *, verify = true))]
    fn tls_client(&self, py: Python<'_>, fd: i32, server_name: &str, ca: &str, verify: bool) -> PyResult<i32> {
        let fd = own(fd);
        let made = py.detach(|| self.inner.tls.client(fd?, server_name, ca, verify));
        made.map(IntoRawFd::into_raw_fd).map_err(refused)
    }

    fn tls_fault(&self, py: Python<'_>, fd: i32) -> String {
        py.detach(|| self.inner.tls.fault(fd))
    }
}
