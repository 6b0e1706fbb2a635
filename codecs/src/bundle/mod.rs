//! One session over many bad links: flows of units with a deadline, reliable streams, and the paths that carry them.
//! Pure: no socket, no clock, no thread. Datagrams and time go in, datagrams and events come out (docs/decisions/0011).

pub mod assemble;
pub mod door;
pub mod fec;
pub mod flow;
pub mod fragment;
pub mod playout;
pub mod recent;
pub mod session;
pub mod types;
