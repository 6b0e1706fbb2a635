"""`make bench-fleet`: three thousand kits by a broker, as docs/scale.md tells."""
