//! One session over many bad links: flows of units with a deadline, reliable streams, and the paths that carry them.
//! Pure: no socket, no clock, no thread. Datagrams and time go in, datagrams and events come out (docs/decisions/0011).

pub mod door;
pub mod flow;
pub mod session;
pub mod types;
