"""The shape of the sound that a worker and the media plane hand each other."""

RATE_HZ = 16000
FRAME_BYTES = RATE_HZ // 50 * 2
"""20 ms of signed 16-bit mono."""
