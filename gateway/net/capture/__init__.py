"""Capturing the ports in use: packet sockets, a ring of files, secrets masked; and what is seen in it."""
