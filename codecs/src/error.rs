//! The one error of every parser: what was wrong, and where.

use std::fmt;

/// Bytes from outside were not what their format allows. `what` is a fixed phrase, never the bytes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseError {
    pub what: &'static str,
    pub offset: usize,
}

impl ParseError {
    pub const fn new(what: &'static str, offset: usize) -> Self {
        Self { what, offset }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

impl std::error::Error for ParseError {}
