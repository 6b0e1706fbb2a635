"""The ways in which meshes tell of themselves, sans-IO: bytes in, a `Report` out."""
