//! The bodies of the fuzz targets, so that `cargo test` can run them too.

pub mod audio_cases;
pub mod bundle_peer_cases;
pub mod bundle_unit_cases;
pub mod bundle_wire_cases;
pub mod cases;
pub mod container_flv_cases;
pub mod container_ts_cases;
pub mod engine_cases;
