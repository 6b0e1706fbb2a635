"""Stand-ins for tests: the media plane in memory, an event loop moved by hand, a device."""
