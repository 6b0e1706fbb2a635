"""bench-uplink: a picture and a call over bad links, by the link bundle and beside SRT, plain RTP and MPTCP."""
