//! MPEG systems: program stream and transport stream.
