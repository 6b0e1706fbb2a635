//! g722_tables
