//! One session over many bad links: flows of units with a deadline, reliable streams, and the paths that carry them.
//! Pure: no socket, no clock, no thread. Datagrams and time go in, datagrams and events come out (docs/decisions/0011).

pub mod assemble;
pub mod cookie;
pub mod door;
pub mod fec;
pub mod flow;
pub mod fragment;
pub mod frame;
pub mod frame_write;
pub mod handshake;
pub mod keys;
pub mod measure;
pub mod noise;
pub mod playout;
pub mod rate;
pub mod recent;
pub mod report;
pub mod sent;
pub mod session;
pub mod suite;
pub mod types;
pub mod window;
pub mod wire;
