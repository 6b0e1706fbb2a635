"""Decoding and encoding, in a process of its own: `python -m gateway.convert`. It imports nothing of the daemon."""
