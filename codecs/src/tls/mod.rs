//! TLS under connections whose protocol is plain to the rest of the plane: one thread for all of them, each between
//! the socket and a pair of its own. The handshake, its errors and what may be kept lie here; certificates in `trust`.

mod between;
mod thread;
mod trust;

pub use thread::Tls;
