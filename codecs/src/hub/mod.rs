//! The stream hub: access units in, subscribers out. Pure.

pub mod unit;
