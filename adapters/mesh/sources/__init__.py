"""One file a kind of source: sockets and timers around its parser."""
