"""RTMP without sockets: handshake, AMF0, commands, the two sides of a session, names."""
