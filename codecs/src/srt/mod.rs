//! SRT by the system's libsrt, loaded when it is first needed. `library` has all the unsafe code; what it offers is safe.

pub mod library;
pub mod selector;
pub mod udp;
