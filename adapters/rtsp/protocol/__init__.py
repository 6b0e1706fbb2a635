"""RTSP without sockets: what a description offers, how we describe a stream."""
