//! From sockets to the hub and out again.

pub mod framing;
pub mod ingest;
