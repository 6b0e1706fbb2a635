//! RTP and its relatives.

pub mod header;
pub mod jitter;
pub mod reception;
pub mod rtcp;
pub mod rtcp_write;
pub mod srtp;
pub mod srtp_key;
pub mod srtp_open;
