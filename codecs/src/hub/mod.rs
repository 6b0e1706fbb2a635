//! The stream hub: access units in, packetised frames out, shared by all subscribers. Pure: time is handed in.

pub mod derived;
pub mod recall;
pub mod singles;
pub mod stream;
pub mod timeline;
pub mod track;
pub mod unit;
