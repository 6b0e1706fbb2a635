//! From sockets to the hub and out again.
