//! SRT by the system's libsrt, loaded when it is first needed: its C functions behind safe ones (its API.md, srt.h of 1.5).

pub mod door;
pub mod library;
pub mod poll;
pub mod selector;
pub mod socket;
mod stats;
mod table;
pub mod udp;
