"""Text protocols that several adapters share, sans-IO: bytes and `now` in, events and bytes out."""
