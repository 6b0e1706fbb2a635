//! The media plane. Parsers and the hub are pure (bytes and time in, values out); `relay::engine` alone has sockets,
//! threads and a clock; `py` alone names pyo3.

pub mod audio;
pub mod base64;
pub mod bundle;
pub mod bytes;
pub mod container;
pub mod error;
pub mod hub;
pub mod mpeg;
pub mod packet;
#[cfg(feature = "python")]
mod py;
pub mod relay;
pub mod rtp;
pub mod srt;
pub mod time;
pub mod tls;
pub mod voice;
