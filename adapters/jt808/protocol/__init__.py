"""JT/T 808 and what of JT/T 1078 is signalling: bytes in, values out; no socket, no clock."""
