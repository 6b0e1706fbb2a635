//! Payload formats, as packetizer and depacketizer pairs.
