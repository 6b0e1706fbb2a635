//! Reorder buffer (being written).
