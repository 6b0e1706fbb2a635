//! RTP and its relatives.
